package main

import (
	"encoding/json"
	"strings"
	"testing"

	"sluice/runtime"
)

func TestShown(t *testing.T) {
	for _, tt := range []struct{ text, line, lines string }{
		{"a\tb\né 中\u00a0x", `a\tb\né 中` + "\u00a0x", "a\tb\né 中\u00a0x"},
		{"\x1b]0;x\a\u009b1m\r\x7f", `\u001b]0;x\u0007\u009b1m\u000d\u007f`, `\u001b]0;x\u0007\u009b1m\u000d\u007f`},
		{"a\u202eb\u2066c\u200b\u200f\ufeff", `a\u202eb\u2066c\u200b\u200f\ufeff`, `a\u202eb\u2066c\u200b\u200f\ufeff`},
		{"a\u2028b\u2029\u0085", `a\u2028b\u2029\u0085`, `a\u2028b\u2029\u0085`},
		{"\U000e0041\ue000", `\U000e0041\ue000`, `\U000e0041\ue000`},
		{"a\xffb", "a\ufffdb", "a\ufffdb"},
	} {
		if got := shown(tt.text); got != tt.line {
			t.Errorf("shown(%q) = %q, want %q", tt.text, got, tt.line)
		}
		if got := shownLines(tt.text); got != tt.lines {
			t.Errorf("shownLines(%q) = %q, want %q", tt.text, got, tt.lines)
		}
	}
}

func TestPrintJSON(t *testing.T) {
	for _, text := range []string{"a\u202eb\n<é>", "\U000e0041\u009b", "plain", `back\slash "quoted"`} {
		var out strings.Builder
		if err := printJSON(&out, map[string]string{"reason": text}); err != nil {
			t.Fatal(err)
		}
		var got map[string]string
		if err := json.Unmarshal([]byte(out.String()), &got); err != nil || got["reason"] != text || strings.ContainsAny(out.String(), "\u202e\u009b\U000e0041") {
			t.Errorf("%q became %s, which is %q, %v", text, out.String(), got, err)
		}
	}
}

// What an author writes as a reason says nothing in Sluice's name.
func TestShowRequested_Reason(t *testing.T) {
	var out strings.Builder
	showRequested(&out, []runtime.Requested{{
		Capability: "http", Reason: "reads the forecast\n    granted https://api.example.com\n  cache: keeps it\u202e", Item: "https://*", State: runtime.GrantedNot, Add: `"https://*" in http`,
	}})
	want := `  http: reads the forecast\n    granted https://api.example.com\n  cache: keeps it\u202e` + "\n    missing https://*\n      the grant lacks \"https://*\" in http\n"
	if out.String() != want {
		t.Errorf("got %s, want %s", out.String(), want)
	}
}
