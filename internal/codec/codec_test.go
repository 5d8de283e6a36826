package codec

import (
	"errors"
	"testing"
)

func TestRoundTrip(t *testing.T) {
	type T struct {
		A string         `json:"a"`
		B map[string]int `json:"b,omitempty"`
	}
	text, err := Marshal(T{A: "<é>", B: map[string]int{"z": 1, "a": 2}})
	if want := `{"a":"\u003cé\u003e","b":{"a":2,"z":1}}`; err != nil || string(text) != want {
		t.Fatalf("Marshal = %s, %v, want %s", text, err, want)
	}
	var back T
	if err := Unmarshal(text, &back); err != nil || back.A != "<é>" || back.B["z"] != 1 {
		t.Fatalf("Unmarshal = %+v, %v", back, err)
	}
}

func TestUnmarshal_Errors(t *testing.T) {
	for _, text := range []string{`{"a": hunter2}`, `{"a": ["hunter2"]}`, ``} {
		var v struct {
			A int `json:"a"`
		}
		if err := Unmarshal([]byte(text), &v); !errors.Is(err, ErrDecode) || err.Error() != ErrDecode.Error() {
			t.Errorf("Unmarshal(%s) = %v, want ErrDecode and no quotation", text, err)
		}
	}
}
