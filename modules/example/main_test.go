package main

import (
	"testing"

	"sluice/guest-sdk/go/sluicetest"
)

func TestExample(t *testing.T) {
	tests := []struct{ params, want string }{
		{`{"message": "hi"}`, `{"connector_response":"You passed the example connector: 'hi'. Have a good day!"}`},
		{`{"message": ""}`, `{"connector_response":"You passed the example connector: ''. Have a good day!"}`},
		{`{"message": "<\"é\">"}`, `{"connector_response":"You passed the example connector: '<\"é\">'. Have a good day!"}`},
	}
	for _, tc := range tests {
		got := sluicetest.Run(t, "Example", sluicetest.Call{Params: tc.params})
		if string(got.Body) != tc.want || got.HTTPStatus != 0 || got.ErrorCode != "" || got.Mimetype != "application/json" {
			t.Errorf("%s: got %+v, want %s", tc.params, got, tc.want)
		}
	}
}
