package main

import (
	"reflect"
	"testing"

	"sluice/guest-sdk/go/sluicetest"
)

func TestProbe(t *testing.T) {
	const rejected = "The async command rejected the start request."
	callback := sluicetest.Context{CallbackURL: "http://localhost:8000/callback"}
	tests := []struct {
		name, command string
		call          sluicetest.Call
		want          sluicetest.Result
	}{
		{"sync", "AsyncOk", sluicetest.Call{Params: `{"note": "n"}`},
			sluicetest.Result{Body: []byte(`{"sync":true}`), Mimetype: "application/json"}},
		{"async", "AsyncOk", sluicetest.Call{Params: `{"note": "n"}`, Context: callback},
			sluicetest.Result{Body: []byte(`{"accepted":true,"note":"n"}`), Mimetype: "application/json", HTTPStatus: 202,
				Logs: []sluicetest.Line{{Level: "info", Text: "accepted"}}}},
		{"rejected", "AsyncBodyStatus", sluicetest.Call{Params: `{"upstream_status": 500}`},
			sluicetest.Result{Body: []byte(`{"started":false}`), Mimetype: "application/json", HTTPStatus: 500,
				ErrorCode: "AsyncStartRejected", Message: rejected}},
		{"rejected async", "AsyncBodyStatus", sluicetest.Call{Params: `{"upstream_status": 202}`, Context: callback},
			sluicetest.Result{Body: []byte(`{"started":false}`), Mimetype: "application/json", HTTPStatus: 202,
				ErrorCode: "AsyncStartRejected", Message: rejected}},
		{"combine", "CombineStrings", sluicetest.Call{Params: `{"arg1": "a", "arg2": "b"}`},
			sluicetest.Result{Body: []byte(`{"command_response":{"example_response":"whatever you want","arg1":"a","arg2":"b"}}`),
				Mimetype: "application/json"}},
		{"bare", "V1", sluicetest.Call{Params: `{"status": 404, "response": "{\"error\":\"nope\"}", "mimetype": "text/x"}`},
			sluicetest.Result{Body: []byte(`{"error":"nope"}`), Mimetype: "text/x", Bare: 404}},
		{"bare defaults", "V1", sluicetest.Call{}, sluicetest.Result{Body: []byte(`{}`), Mimetype: "application/json", Bare: 200}},
		{"bare empty", "V1", sluicetest.Call{Params: `{"response": ""}`},
			sluicetest.Result{Mimetype: "application/json", Bare: 200}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			if got := sluicetest.Run(t, tc.command, tc.call); !reflect.DeepEqual(got, tc.want) {
				t.Errorf("got  %+v\nwant %+v", got, tc.want)
			}
		})
	}
}

func TestProbe_Crash(t *testing.T) {
	got := sluicetest.Run(t, "Crash", sluicetest.Call{Params: `{"why": "x", "data": {"a": 1}}`})
	if got.Crash != "trap" {
		t.Errorf("got %+v", got)
	}
}
