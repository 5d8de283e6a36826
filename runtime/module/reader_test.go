package module

import (
	"bytes"
	"errors"
	"math"
	"testing"
)

func TestReader_u32(t *testing.T) {
	tests := []struct {
		name string
		b    []byte
		want uint32
		used int
		err  bool
	}{
		{"zero", raw(0), 0, 1, false},
		{"one byte", raw(0x7f, 1), 127, 1, false},
		{"two bytes", raw(0x80, 1), 128, 2, false},
		{"padded", raw(0x83, 0x80, 0x80, 0x80, 0x00), 3, 5, false},
		{"largest", raw(0xff, 0xff, 0xff, 0xff, 0x0f), math.MaxUint32, 5, false},
		{"unused bits", raw(0xff, 0xff, 0xff, 0xff, 0x1f), 0, 0, true},
		{"six bytes", raw(0x80, 0x80, 0x80, 0x80, 0x80, 0x00), 0, 0, true},
		{"cut", raw(0x80, 0x80), 0, 0, true},
		{"empty", nil, 0, 0, true},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			r := reader{b: tc.b, end: len(tc.b)}
			got := r.u32()
			checkRead(t, &r, int64(got), int64(tc.want), tc.used, tc.err)
		})
	}
}

func TestReader_signed(t *testing.T) {
	tests := []struct {
		name string
		bits int
		b    []byte
		want int64
		used int
		err  bool
	}{
		{"zero", 32, raw(0), 0, 1, false},
		{"minus one", 32, raw(0x7f), -1, 1, false},
		{"63", 32, raw(0x3f), 63, 1, false},
		{"minus 64", 33, raw(0x40), -64, 1, false},
		{"minus one, padded", 32, raw(0xff, 0xff, 0xff, 0xff, 0x7f), -1, 5, false},
		{"smallest 32", 32, s(math.MinInt32), math.MinInt32, 5, false},
		{"largest 32", 32, s(math.MaxInt32), math.MaxInt32, 5, false},
		{"smallest 33", 33, s(-1 << 32), -1 << 32, 5, false},
		{"largest 33", 33, s(math.MaxUint32), math.MaxUint32, 5, false},
		{"smallest 64", 64, s(math.MinInt64), math.MinInt64, 10, false},
		{"largest 64", 64, s(math.MaxInt64), math.MaxInt64, 10, false},
		{"unused bits 32, positive", 32, raw(0x80, 0x80, 0x80, 0x80, 0x10), 0, 0, true},
		{"unused bits 32, negative", 32, raw(0xff, 0xff, 0xff, 0xff, 0x0f), 0, 0, true},
		{"unused bits 33", 33, raw(0xff, 0xff, 0xff, 0xff, 0x1f), 0, 0, true},
		{"unused bits 64", 64, raw(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01), 0, 0, true},
		{"six bytes 32", 32, raw(0x80, 0x80, 0x80, 0x80, 0x80, 0x00), 0, 0, true},
		{"eleven bytes 64", 64, append(bytes.Repeat(raw(0x80), 10), 0), 0, 0, true},
		{"cut", 64, raw(0xff, 0xff), 0, 0, true},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			r := reader{b: tc.b, end: len(tc.b)}
			got := r.signed(tc.bits)
			checkRead(t, &r, got, tc.want, tc.used, tc.err)
		})
	}
}

func checkRead(t *testing.T, r *reader, got, want int64, used int, fails bool) {
	t.Helper()
	if fails {
		if r.err == nil || r.err.Code != CodeMalformed {
			t.Fatalf("have %d and the error %v, want a refusal", got, r.err)
		}
		return
	}
	if r.err != nil {
		t.Fatal(r.err)
	}
	if got != want || r.pos != used {
		t.Fatalf("have %d from %d bytes, want %d from %d", got, r.pos, want, used)
	}
}

// TestReader_ends reads inside a part and must not see what lies behind it.
func TestReader_ends(t *testing.T) {
	reads := map[string]func(*reader){
		"byte":  func(r *reader) { r.byte() },
		"u32":   func(r *reader) { r.u32() },
		"s33":   func(r *reader) { r.signed(33) },
		"take":  func(r *reader) { r.take(1) },
		"name":  func(r *reader) { r.name(10) },
		"count": func(r *reader) { r.count(1, 10, "things") },
	}
	for name, read := range reads {
		t.Run(name, func(t *testing.T) {
			r := reader{b: raw(1, 1, 1, 1), pos: 2, end: 2}
			read(&r)
			if r.err == nil || r.pos != 2 {
				t.Fatalf("error %v at %d, want a refusal at 2", r.err, r.pos)
			}
			first := r.err
			read(&r)
			if r.err != first {
				t.Fatalf("the first error %v was replaced by %v", first, r.err)
			}
		})
	}
}

func TestReader_count(t *testing.T) {
	tests := []struct {
		name         string
		n            int
		bytes, size  int
		want         int
		code         Code
		found, limit uint64
	}{
		{"fits", 3, 9, 3, 3, "", 0, 0},
		{"one too many for the bytes", 3, 8, 3, 0, CodeMalformed, 3, 2},
		{"most there can be", math.MaxUint32, 8, 1, 0, CodeMalformed, math.MaxUint32, 8},
		{"over the limit", 11, 11, 1, 0, CodeLimitExceeded, 11, 10},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			b := join(u(tc.n), make([]byte, tc.bytes))
			r := reader{b: b, end: len(b)}
			if got := r.count(tc.size, 10, "things"); got != tc.want {
				t.Errorf("have %d, want %d", got, tc.want)
			}
			if tc.code == "" {
				if r.err != nil {
					t.Error(r.err)
				}
				return
			}
			if !errors.Is(r.err, tc.code) || r.err.Found != tc.found || r.err.Limit != tc.limit {
				t.Errorf("have %+v, want %s with %d of %d", r.err, tc.code, tc.found, tc.limit)
			}
		})
	}
}
