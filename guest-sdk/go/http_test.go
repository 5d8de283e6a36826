package sluice

import (
	"encoding/json"
	"reflect"
	"testing"
)

func TestHeader_UnmarshalJSON(t *testing.T) {
	tests := []struct {
		text string
		want Header
	}{
		{`null`, nil},
		{`{}`, Header{}},
		{`[]`, Header{}},
		{` {"B": "1", "a\n": "\u00e9", "B": "2"} `, Header{{"B", "1"}, {"a\n", "é"}, {"B", "2"}}},
		{`[["B", "1"], ["a", ""]]`, Header{{"B", "1"}, {"a", ""}}},
	}
	for _, tc := range tests {
		var h Header
		if err := json.Unmarshal([]byte(tc.text), &h); err != nil || !reflect.DeepEqual(h, tc.want) {
			t.Errorf("%s: got %q, %v, want %q", tc.text, h, err, tc.want)
		}
	}
}

func TestHeader_UnmarshalJSON_Errors(t *testing.T) {
	for _, text := range []string{
		`"a: b"`, `5`, `true`, `{"a":1}`, `{"a":null}`, `["a","b"]`, `[["a"]]`, `[["a","b","c"]]`, `[["a",1]]`, `[{"a":"b"}]`,
	} {
		var h Header
		if err := json.Unmarshal([]byte(text), &h); err == nil {
			t.Errorf("%s became %q", text, h)
		}
	}
}

// The text that a header was read from may be used again.
func TestHeader_UnmarshalJSON_Copies(t *testing.T) {
	text := []byte(`{"a":"b"}`)
	var h Header
	if err := h.UnmarshalJSON(text); err != nil {
		t.Fatal(err)
	}
	clear(text)
	if want := (Header{{"a", "b"}}); !reflect.DeepEqual(h, want) {
		t.Errorf("got %q, want %q", h, want)
	}
}

func TestResponseHead(t *testing.T) {
	head := responseHead{text: []byte(` {"other": [1], "status": 201, "headers": [["a", "1"], ["a", "\u00e9"]], "error": null} `)}
	if want := (Header{{"a", "1"}, {"a", "é"}}); !reflect.DeepEqual(head.all(), want) || head.first("A") != "1" || head.first("b") != "" {
		t.Errorf("got %q", head.header)
	}
	head = responseHead{text: []byte(`{"error": {"code": "invalid_request", "message": "No.", "field": "url"}}`)}
	want := &Error{Code: "invalid_request", Status: 400, Message: "No. (url)"}
	if err := head.failure(); !reflect.DeepEqual(err, error(want)) {
		t.Errorf("got %+v, want %+v", err, want)
	}
}

func TestResponseHead_Errors(t *testing.T) {
	for _, text := range []string{``, `[]`, `{`, `{"headers":{}}`, `{"headers":[["a"]]}`, `{"error":"dns"}`, `{"error":null}`} {
		func() {
			defer func() {
				if _, ok := recover().(failure); !ok {
					t.Errorf("%s was read", text)
				}
			}()
			head := responseHead{text: []byte(text)}
			head.all()
			_ = head.failure()
		}()
	}
}

func TestValidJSON(t *testing.T) {
	for text, want := range map[string]bool{
		`{"a":[1.0]}`: true, ` null `: true, ``: false, `{`: false, `NaN`: false, "\"\xff\"": false, `1 2`: false,
	} {
		if got := ValidJSON([]byte(text)); got != want {
			t.Errorf("%q: got %t, want %t", text, got, want)
		}
	}
}
