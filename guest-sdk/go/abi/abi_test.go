package abi

import "testing"

func TestCode_String(t *testing.T) {
	for code, want := range map[Code]string{
		-1: "BAD_HANDLE", -2: "BAD_RANGE", -3: "TOO_LARGE", -4: "INVALID", -5: "NOT_AVAILABLE", -6: "ABSENT", -7: "TIMEOUT", -8: "CLOSED", -9: "DENIED", -10: "unknown result", 0: "unknown result",
	} {
		if got := code.String(); got != want {
			t.Errorf("Code(%d) = %s, want %s", code, got, want)
		}
	}
}
