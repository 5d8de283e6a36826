package quantity

import (
	"testing"
	"time"
)

func TestSize(t *testing.T) {
	for v, want := range map[string]int64{"0": 0, "65536": 65536, "64KiB": 64 << 10, "1 MiB": 1 << 20, "4GiB": 4 << 30} {
		if got, err := Size(v, 0, 4<<30); err != nil || got != want {
			t.Errorf("%q: got %d, %v", v, got, err)
		}
	}
	for _, v := range []string{"", "x", "-1", "1.5MiB", "5GiB", "MiB", "64MB", "17179869185GiB", "9KiB"} {
		if got, err := Size(v, 10<<10, 4<<30); err == nil {
			t.Errorf("%q: got %d", v, got)
		}
	}
}

func TestFormatSize(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 1: "1", 1023: "1023", 1 << 10: "1KiB", 1536: "1536", 256 << 20: "256MiB", 3 << 30: "3GiB"} {
		got := FormatSize(n)
		if back, err := Size(got, 0, 1<<40); got != want || err != nil || back != n {
			t.Errorf("%d: got %q, which is %d, %v; want %q", n, got, back, err, want)
		}
	}
}

func TestDuration(t *testing.T) {
	for v, want := range map[string]time.Duration{"1m30s": 90 * time.Second, "1s": time.Second, "1h": time.Hour, "3600s": time.Hour} {
		if d, err := Duration(v, time.Second, time.Hour); err != nil || d != want {
			t.Errorf("%q: got %s, %v", v, d, err)
		}
	}
	for _, v := range []string{"", "1", "0s", "999ms", "1h1ns", "25h", "-1s", "soon"} {
		if d, err := Duration(v, time.Second, time.Hour); err == nil || err.Error() != "is not a duration from 1s to 1h, such as 40s or 1m30s" {
			t.Errorf("%q: got %s, %v", v, d, err)
		}
	}
}

func TestFormatDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", time.Millisecond: "1ms", 10 * time.Second: "10s", time.Minute: "1m", 90 * time.Second: "1m30s", time.Hour: "1h", 24 * time.Hour: "24h",
		time.Hour + time.Second: "1h0m1s", 100 * time.Minute: "1h40m", 20 * time.Hour: "20h",
	} {
		if got := FormatDuration(d); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
