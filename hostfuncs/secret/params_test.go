package secret

import (
	"reflect"
	"strings"
	"testing"
)

func TestValuesOf(t *testing.T) {
	names := map[string]bool{"password": true, "login": true, "pin": true}
	for _, tc := range []struct {
		params string
		want   []string
		ok     bool
	}{
		{`{"user":"somebody","password":"hunter22","pin":12345}`, []string{"hunter22", "12345"}, true},
		{`{"login":{"user":"ada.l","keys":["k1k1","abc",true,null,{"x":"quo\"te"}]}}`, []string{"ada.l", "k1k1", `quo"te`}, true},
		{`{"password":"abc","pin":12,"login":null}`, nil, true},
		{`{"password":"` + strings.Repeat("x", MaxValue+1) + `"}`, nil, true},
		{`{"password":"` + strings.Repeat("line\\n", MaxValue/5+1) + `"}`, nil, false},
		{`{"login":[` + strings.Repeat(`"abcd",`, maxParams) + `"abcd"]}`, nil, false},
	} {
		got, ok := ValuesOf([]byte(tc.params), names)
		if ok != tc.ok || ok && !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%.60s: got %q, %t; want %q, %t", tc.params, got, ok, tc.want, tc.ok)
		}
	}
}
