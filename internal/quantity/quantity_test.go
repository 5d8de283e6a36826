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
	if d, err := Duration("1m30s", time.Second); err != nil || d != 90*time.Second {
		t.Errorf("got %s, %v", d, err)
	}
	for _, v := range []string{"", "1", "0s", "25h", "-1s", "soon"} {
		if d, err := Duration(v, time.Millisecond); err == nil {
			t.Errorf("%q: got %s", v, d)
		}
	}
}
