package sluice

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

type embedded struct {
	Inner string `sluice:"inner"`
}

type allParams struct {
	Text    string `sluice:"text,required,secret" desc:"A text"`
	Count   int8   `sluice:"count"`
	Size    uint16 `sluice:"size"`
	Flag    bool   `sluice:"flag,required"`
	Skipped func() `sluice:"-"`
	embedded
	Raw        json.RawMessage             `sluice:"raw"`
	Any        any                         `sluice:"any,required"`
	Big        json.Number                 `sluice:"big,type=int"`
	Number     json.Number                 `sluice:"number"`
	Float      float64                     `sluice:"float"`
	List       []string                    `sluice:"list"`
	Object     struct{ A struct{ B int } } `sluice:"object"`
	File       []byte                      `sluice:"file"`
	When       time.Time                   `sluice:"when"`
	Pointer    *int                        `sluice:"pointer"`
	Optional   Optional[string]            `sluice:"optional"`
	OptRaw     Optional[json.RawMessage]   `sluice:"opt_raw"`
	Undeclared json.RawMessage             `sluice:"undeclared,undeclared"`
}

func TestPlanOf(t *testing.T) {
	p, err := planOf(reflect.TypeFor[allParams]())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, q := range p.parameters() {
		line := q.ID + " " + string(q.Type)
		if q.Required {
			line += " required"
		}
		if q.Secret {
			line += " secret"
		}
		if q.Description != "" {
			line += " (" + q.Description + ")"
		}
		got = append(got, line)
	}
	want := []string{
		"text str required secret (A text)", "count int", "size int", "flag bool required", "inner str", "raw any",
		"any any required", "big int", "number any", "float any", "list any", "object any", "file str", "when str",
		"pointer int", "optional str", "opt_raw any",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestPlanOf_Errors(t *testing.T) {
	tests := []struct {
		params      any
		expectedErr string
	}{
		{0, "described by a struct, not by int"},
		{struct{ A string }{}, "A has no sluice tag"},
		{struct {
			a string `sluice:"a"`
		}{}, "a has a sluice tag but is not exported"},
		{struct {
			A string `sluice:",required"`
		}{}, "A: the sluice tag names no parameter"},
		{struct {
			A string `sluice:"a"`
			B string `sluice:"a"`
		}{}, `B: parameter "a" is there twice`},
		{struct {
			A string `sluice:"a,requird"`
		}{}, `A: "requird" is no option`},
		{struct {
			A string `sluice:"a,undeclared,required"`
		}{}, "A: an undeclared parameter is neither"},
		{struct{ *embedded }{}, "embedded is embedded and not a struct"},
	}
	for _, tc := range tests {
		_, err := planOf(reflect.TypeOf(tc.params))
		if err == nil || !strings.Contains(err.Error(), tc.expectedErr) {
			t.Errorf("planOf(%T): %v, want %q", tc.params, err, tc.expectedErr)
		}
	}
}

// decode decodes params into a P, as a command does.
func decode[P any](t *testing.T, params string) (P, error) {
	t.Helper()
	plan, err := planOf(reflect.TypeFor[P]())
	if err != nil {
		t.Fatal(err)
	}
	var p P
	err = plan.decode([]byte(params), reflect.ValueOf(&p).Elem())
	return p, err
}

func TestDecode(t *testing.T) {
	p, err := decode[allParams](t, `{
		"text": "a\u00e9\n", "count": -128, "size": 65535, "flag": true, "inner": "in", "raw": {"z": 1.0, "a": [ ]},
		"any": [12345678901234567890123, 1.0], "big": 12345678901234567890123, "number": 1.50, "float": 2.5,
		"list": ["x"], "object": {"A": {"B": 3}}, "file": "aGk=", "when": "2026-01-02T03:04:05Z", "pointer": 7.0,
		"optional": "", "opt_raw": 1.0, "undeclared": {"b":1}, "unknown": 1, "TEXT": "other"}`)
	if err != nil {
		t.Fatal(err)
	}
	seven := 7
	want := allParams{
		Text: "aé\n", Count: -128, Size: 65535, Flag: true, embedded: embedded{Inner: "in"},
		Raw: json.RawMessage(`{"z": 1.0, "a": [ ]}`), Any: []any{json.Number("12345678901234567890123"), json.Number("1.0")},
		Big: "12345678901234567890123", Number: "1.50", Float: 2.5, List: []string{"x"}, File: []byte("hi"),
		When: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Pointer: &seven, Optional: Some(""),
		OptRaw: Some(json.RawMessage("1.0")), Undeclared: json.RawMessage(`{"b":1}`),
	}
	want.Object.A.B = 3
	if !reflect.DeepEqual(p, want) {
		t.Errorf("got  %+v\nwant %+v", p, want)
	}
}

func TestDecode_Absent(t *testing.T) {
	p, err := decode[allParams](t, `{"text": "", "flag": false, "any": null, "count": null, "pointer": null,
		"raw": null, "optional": null, "opt_raw": null, "float": null, "object": null}`)
	if err != nil {
		t.Fatal(err)
	}
	if p.Pointer != nil || p.Any != nil || string(p.Raw) != "null" {
		t.Errorf("got %+v", p)
	}
	if _, given := p.Optional.Get(); given || p.Optional.Or("fallback") != "fallback" {
		t.Errorf("optional is there: %+v", p.Optional)
	}
	if _, given := p.OptRaw.Get(); given {
		t.Errorf("opt_raw is there: %+v", p.OptRaw)
	}
}

func TestDecode_Errors(t *testing.T) {
	const good = `"text": "", "flag": true, "any": 1`
	tests := []struct{ params, code, message string }{
		{`{}`, CodeMissingParameter, "Required parameters are missing: text, flag, any."},
		{`{"text": null, "flag": null, "any": null}`, CodeMissingParameter, "Required parameters are missing: text, flag."},
		{`{` + good + `, "text": 4711}`, CodeInvalidParameter, `Parameter "text" must be str: it is no string.`},
		{`{` + good + `, "flag": "4711"}`, CodeInvalidParameter, `Parameter "flag" must be bool: it is neither true nor false.`},
		{`{` + good + `, "count": 4711}`, CodeInvalidParameter, `Parameter "count" must be int: it is no whole number that int8 can hold.`},
		{`{` + good + `, "size": -4711}`, CodeInvalidParameter, `Parameter "size" must be int: it is no whole number that uint16 can hold.`},
		{`{` + good + `, "count": 47.11}`, CodeInvalidParameter, `Parameter "count" must be int: it is no whole number that int8 can hold.`},
		{`{` + good + `, "pointer": "4711"}`, CodeInvalidParameter, `Parameter "pointer" must be int: it is no whole number that int can hold.`},
		{`{` + good + `, "big": "4711"}`, CodeInvalidParameter, `Parameter "big" must be int: it is no number.`},
		{`{` + good + `, "file": "4711!"}`, CodeInvalidParameter, `Parameter "file" must be str: it is nothing that []uint8 can hold.`},
		{`{` + good + `, "when": "4711"}`, CodeInvalidParameter, `Parameter "when" must be str: it is nothing that time.Time can hold.`},
		{`{` + good + `, "object": {"A": {"B": "4711"}}}`, CodeInvalidParameter, `Parameter "object" must be an object: its member A.B is nothing that int can hold.`},
		{`{` + good + `, "object": "4711"}`, CodeInvalidParameter, `Parameter "object" must be an object: it is nothing that struct { A struct { B int } } can hold.`},
		{`{` + good + `, "list": "4711"}`, CodeInvalidParameter, `Parameter "list" must be a list: it is nothing that []string can hold.`},
		{`{` + good + `, "float": "4711"}`, CodeInvalidParameter, `Parameter "float" must be a number: it is nothing that float64 can hold.`},
		{`{` + good + `, "optional": 4711}`, CodeInvalidParameter, `Parameter "optional" must be str: it is no string.`},
	}
	for _, tc := range tests {
		_, err := decode[allParams](t, tc.params)
		e, ok := err.(*Error)
		if !ok || e.Code != tc.code || e.Message != tc.message || e.Status != 400 {
			t.Errorf("%s: got %v, want %s: %s", tc.params, err, tc.code, tc.message)
		}
		if err != nil && strings.Contains(err.Error(), "4711") {
			t.Errorf("%s: the error quotes the value", tc.params)
		}
	}
	if _, err := decode[allParams](t, `[]`); err == nil {
		t.Error("an array was decoded")
	}
}

// FuzzDecode compares with encoding/json, which has to agree on whatever both can read.
func FuzzDecode(f *testing.F) {
	f.Add(`{"text":"a","count":1,"flag":true,"raw":{"a":[1]}}`)
	f.Add(`{"text":"\ud800\u00e9","count":-0,"flag":false,"text":"b"}`)
	f.Add(`{"count":1.0}`)
	f.Fuzz(func(t *testing.T, params string) {
		type ours struct {
			Text  string          `sluice:"text"`
			Count int32           `sluice:"count"`
			Flag  bool            `sluice:"flag"`
			Raw   json.RawMessage `sluice:"raw"`
		}
		got, err := decode[ours](t, params)
		var theirs map[string]json.RawMessage
		if json.Unmarshal([]byte(params), &theirs) != nil || theirs == nil || !utf8.ValidString(params) {
			if err == nil {
				t.Fatalf("%q was decoded and is no object", params)
			}
			return
		}
		if err != nil {
			return
		}
		var want struct {
			Text  string
			Count json.Number
			Flag  bool
		}
		for name, into := range map[string]any{"text": &want.Text, "flag": &want.Flag, "count": &want.Count} {
			if value, ok := theirs[name]; ok && string(value) != "null" && json.Unmarshal(value, into) != nil {
				t.Fatalf("%q was decoded, and encoding/json refuses %s", params, name)
			}
		}
		if got.Text != want.Text && string(theirs["text"]) != "null" || string(got.Raw) != string(theirs["raw"]) {
			t.Errorf("%q: got %+v, want %+v", params, got, want)
		}
	})
}

func TestOptional_JSON(t *testing.T) {
	type pair struct{ A, B Optional[int] }
	text, err := json.Marshal(pair{A: Some(1)})
	if err != nil || string(text) != `{"A":1,"B":null}` {
		t.Errorf("got %s, %v", text, err)
	}
	var p pair
	if err := json.Unmarshal(text, &p); err != nil || p != (pair{A: Some(1)}) {
		t.Errorf("got %+v, %v", p, err)
	}
	if err := json.Unmarshal([]byte(`{"A":"x"}`), &p); err == nil {
		t.Error("a string was decoded as int")
	}
}
