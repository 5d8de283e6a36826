package rawjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestValue(t *testing.T) {
	for _, text := range []string{
		`null`, `true`, `false`, `0`, `-0`, `1.0`, `-12.50e+3`, `1E400`, `12345678901234567890123`, `""`, `"é\u00e9\ud800\n"`,
		`[]`, `[1, [2], {}]`, `{}`, `{"a":{"b":[null]},"a":2}`, " \t\r\n1 ",
	} {
		got, err := Value([]byte(text), MaxDepth)
		if err != nil || string(got) != strings.Trim(text, " \t\r\n") {
			t.Errorf("Value(%q) = %q, %v", text, got, err)
		}
	}
}

func TestValue_Errors(t *testing.T) {
	tests := []struct{ text, expectedErr string }{
		{``, "at byte 0: the text ends too early"},
		{`  `, "at byte 2: the text ends too early"},
		{`nul`, "at byte 0: no value begins here"},
		{`NaN`, "no value begins here"},
		{`-`, "ends too early"},
		{`01`, "at byte 1: text after the value"},
		{`+1`, "no value begins here"},
		{`.5`, "no value begins here"},
		{`1.`, "ends too early"},
		{`1.e1`, "at byte 2: a digit is expected"},
		{`1e`, "ends too early"},
		{`"a`, "ends too early"},
		{"\"a\nb\"", "a control character in a string"},
		{`"\x"`, "no such escape sequence"},
		{`"\u12g4"`, "four hexadecimal digits"},
		{"\"\xff\"", "not UTF-8"},
		{"\"\xed\xa0\x80\"", "not UTF-8"},
		{`[1,]`, "no value begins here"},
		{`[1 2]`, "a comma or the array's end"},
		{`[`, "ends too early"},
		{`{"a"}`, "a colon is expected"},
		{`{a:1}`, "name in double quotes"},
		{`{"a":1,}`, "name in double quotes"},
		{`{"a":1 "b":2}`, "a comma or the object's end"},
		{`1 2`, "text after the value"},
		{`// x`, "no value begins here"},
		{strings.Repeat("[", MaxDepth+1) + strings.Repeat("]", MaxDepth+1), "nested too deeply"},
	}
	for _, tc := range tests {
		_, err := Value([]byte(tc.text), MaxDepth)
		if err == nil || !strings.Contains(err.Error(), tc.expectedErr) {
			t.Errorf("Value(%.20q): %v, want %q", tc.text, err, tc.expectedErr)
		}
	}
}

func TestMembers(t *testing.T) {
	var got []string
	err := Members([]byte(` {"a" : 1.0 , "\u0062":[1, 2],"a":"x"} `), MaxDepth, func(key, value []byte) error {
		got = append(got, string(key)+"="+string(value))
		return nil
	})
	if want := `a=1.0|b=[1, 2]|a="x"`; err != nil || strings.Join(got, "|") != want {
		t.Fatalf("got %v, %v, want %s", got, err, want)
	}
}

func TestMembers_Errors(t *testing.T) {
	stop := errors.New("stop")
	tests := []struct {
		text string
		is   error
	}{
		{`[]`, ErrNotObject}, {`null`, ErrNotObject}, {`"x"`, ErrNotObject}, {`{"a":1}`, stop},
	}
	for _, tc := range tests {
		if err := Members([]byte(tc.text), MaxDepth, func(_, _ []byte) error { return stop }); !errors.Is(err, tc.is) {
			t.Errorf("Members(%s): %v, want %v", tc.text, err, tc.is)
		}
	}
	for _, text := range []string{``, `[`, `{"a":1}x`, `{"a":}`} {
		var syntax *SyntaxError
		if err := Members([]byte(text), MaxDepth, func(_, _ []byte) error { return nil }); !errors.As(err, &syntax) {
			t.Errorf("Members(%s): %v, want a SyntaxError", text, err)
		}
	}
}

func TestElements(t *testing.T) {
	var got []string
	err := Elements([]byte(` [1.0 , "x",[2, 3],{}] `), MaxDepth, func(value []byte) error {
		got = append(got, string(value))
		return nil
	})
	if want := `1.0|"x"|[2, 3]|{}`; err != nil || strings.Join(got, "|") != want {
		t.Fatalf("got %v, %v, want %s", got, err, want)
	}
}

func TestElements_Errors(t *testing.T) {
	stop := errors.New("stop")
	for text, want := range map[string]error{`{}`: ErrNotArray, `1`: ErrNotArray, `[1]`: stop} {
		if err := Elements([]byte(text), MaxDepth, func([]byte) error { return stop }); !errors.Is(err, want) {
			t.Errorf("Elements(%s): %v, want %v", text, err, want)
		}
	}
}

func TestKindOf(t *testing.T) {
	for text, want := range map[string]Kind{``: Invalid, `null`: Null, `true`: Bool, `false`: Bool, `-1`: Number, `7`: Number, `"x"`: String, `[]`: Array, `{}`: Object} {
		if got := KindOf([]byte(text)); got != want {
			t.Errorf("KindOf(%s) = %c, want %c", text, got, want)
		}
	}
}

func TestAppendString(t *testing.T) {
	for text, want := range map[string]string{
		"":               `""`,
		"a\"b\\c\n\r\t":  `"a\"b\\c\n\r\t"`,
		"\x00\x1f":       `"\u0000\u001f"`,
		"é😀<&>":          `"é😀<&>"`,
		"\u2028x\u2029":  `"\u2028x\u2029"`,
		"a\xffb\xe2\x82": "\"a\ufffdb\ufffd\ufffd\"",
	} {
		if got := string(AppendString(nil, text)); got != want {
			t.Errorf("AppendString(%q) = %s, want %s", text, got, want)
		}
	}
}

func TestNoAllocation(t *testing.T) {
	text := []byte(`{"url":"http://127.0.0.1/json","headers":{"Accept":"application/json"},"n":[1,2.50,true,null]}`)
	visit := func(_, _ []byte) error { return nil }
	if n := testing.AllocsPerRun(100, func() { _ = Members(text, MaxDepth, visit) }); n != 0 {
		t.Errorf("Members allocates %v times", n)
	}
	room, long := make([]byte, 0, 4096), []byte(strings.Repeat("é\n\xff\u2028 and more", 40))
	if n := testing.AllocsPerRun(100, func() { _ = AppendString(room, long) }); n != 0 {
		t.Errorf("AppendString allocates %v times", n)
	}
}

// TestPlain puts every byte at every place of a text that is long enough for each way of looking.
func TestPlain(t *testing.T) {
	for length := range 20 {
		for at := range length {
			for c := range 256 {
				text := bytes.Repeat([]byte{'a'}, length)
				text[at] = byte(c)
				want := length
				if c < 0x20 || c == '"' || c == '\\' || c >= 0x80 {
					want = at
				}
				for from := range at + 1 {
					if got := plain(text, from); got != want || plain(string(text), from) != want {
						t.Fatalf("plain(%q, %d) = %d, want %d", text, from, got, want)
					}
				}
				if at+1 < length { // what a byte does to those above it
					text[at+1] = '"'
					if got := plain(text, 0); got != min(want, at+1) {
						t.Fatalf("plain(%q) = %d, want %d", text, got, min(want, at+1))
					}
				}
			}
		}
	}
}

// FuzzValue compares every verdict, and every string, with encoding/json's.
func FuzzValue(f *testing.F) {
	for _, seed := range []string{`{"a":[1,-2.5e3,"\u00e9\ud83d\ude00\ud800",null,true]}`, "\"\xff\"", `[[[`, `1e`, ` 0 `} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		value, err := Value(text, MaxDepth)
		if want := json.Valid(text) && utf8.Valid(text); want != (err == nil) {
			if want && strings.Contains(err.Error(), "nested too deeply") {
				return
			}
			t.Fatalf("Value: %v, encoding/json valid: %v", err, want)
		}
		if err == nil && KindOf(value) == String {
			var want string
			if err := json.Unmarshal(value, &want); err != nil {
				t.Fatal(err)
			}
			if got := string(Unquote(value)); got != want {
				t.Fatalf("Unquote = %q, want %q", got, want)
			}
			if a, b := AppendString(nil, want), AppendString(nil, []byte(want)); !bytes.Equal(a, b) {
				t.Fatalf("AppendString writes %s and %s", a, b)
			}
			var again string
			if err := json.Unmarshal(AppendString(nil, want), &again); err != nil || again != want {
				t.Fatalf("AppendString does not round-trip: %q, %v", again, err)
			}
		}
	})
}

// Check finds what Value finds, and tells of every byte that it has gone over.
func TestCheck(t *testing.T) {
	for _, text := range []string{
		``, ` `, `1`, ` {"a":[1.0,"\u00e9é",{}]} `, `[1,2`, `1 2`, "\"\xff\"", `nul`, `[` + strings.Repeat(`"abc é",`, 200) + `1]`,
	} {
		for _, piece := range []int{1, 7, 1 << 20} {
			sum, looks := 0, 0
			err := Check([]byte(text), MaxDepth, piece, func(n int) { sum += n; looks++ })
			_, want := Value([]byte(text), MaxDepth)
			if fmt.Sprint(err) != fmt.Sprint(want) {
				t.Errorf("%q: got %v, want %v", text, err, want)
			}
			if err == nil && sum != len(text) || sum > len(text) {
				t.Errorf("%q: told of %d bytes of %d", text, sum, len(text))
			}
			if piece > len(text) && looks != 1 {
				t.Errorf("%q: %d looks at one piece", text, looks)
			}
		}
	}
}
