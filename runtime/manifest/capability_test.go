package manifest

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func withCapability(members string) string {
	return `{"name": "a", "version": "1.0.0", "commands": [{"name": "Run"}], "capabilities": [{"reason": "r", ` + members + `}]}`
}

func TestParse_Secrets(t *testing.T) {
	m, err := Parse([]byte(withCapability(`"name": "secret", "secrets": ["api-token", "b.2"]`)))
	if err != nil {
		t.Fatal(err)
	}
	if want := []Capability{{Name: "secret", Reason: "r", Secrets: []string{"api-token", "b.2"}}}; !reflect.DeepEqual(m.Capabilities, want) {
		t.Errorf("got %+v, want %+v", m.Capabilities, want)
	}
	var many []string
	for i := range 65 {
		many = append(many, fmt.Sprintf(`"s%d"`, i))
	}
	for _, tc := range []struct{ name, members, want string }{
		{"no names", `"name": "secret"`, `capabilities[0].secrets is missing; add the names of the secrets it needs, such as ["api-token"]`},
		{"an empty list", `"name": "secret", "secrets": []`, "capabilities[0].secrets has 0 secrets; add at least 1"},
		{"too many", `"name": "secret", "secrets": [` + strings.Join(many, ",") + `]`, "capabilities[0].secrets has 65 secrets; keep at most 64"},
		{"no name", `"name": "secret", "secrets": ["API"]`, `capabilities[0].secrets[0] is "API"; ` + nameRule},
		{"twice", `"name": "secret", "secrets": ["a", "a"]`, `capabilities[0].secrets[1] is "a" again; leave one of them out`},
		{"with hosts", `"name": "secret", "secrets": ["a"], "hosts": ["https://*"]`, "capabilities[0].hosts does not belong to the capability secret; leave it out"},
		{"of http", `"name": "http", "secrets": ["a"], "hosts": ["https://*"]`, "capabilities[0].secrets belongs to the capability secret; leave it out"},
		{"http without hosts", `"name": "http"`, `capabilities[0].hosts is missing; add the hosts it needs, such as ["https://api.example.com"]`},
	} {
		_, err := Parse([]byte(withCapability(tc.members)))
		if err == nil || err.Error() != "the manifest is not valid: "+tc.want {
			t.Errorf("%s: got %v, want %s", tc.name, err, tc.want)
		}
	}
}

// Hosts that are no rules are found together with all else that is wrong, wherever the capability's name stands.
func TestRules_Parse(t *testing.T) {
	rules := Rules{
		CapabilityHTTP: func(host string) error {
			if !strings.HasPrefix(host, "https://") {
				return errors.New("it must begin with https://")
			}
			return nil
		},
	}
	const rest = `, "version": "1.0.0", "commands": [{"name": "Run"}]}`
	for _, tc := range []struct{ text, expectedErr string }{
		{`{"name": "a", "capabilities": [{"name": "http", "reason": "r", "hosts": ["https://*"]}]` + rest, ""},
		{`{"name": "a", "capabilities": [{"name": "tcp", "reason": "r", "hosts": ["a:1"]}]` + rest, ""},
		{`{"name": "A", "capabilities": [{"hosts": ["a", "", "https://b", "u:p@c"], "reason": "", "name": "http"}, {"name": "http2", "reason": "r", "hosts": ["a"]}]` + rest,
			`the manifest is not valid: name is "A"; ` + nameRule +
				`; capabilities[0].hosts[1] is empty; write a rule such as "https://api.example.com", or leave it out` +
				`; capabilities[0].reason is empty; tell the operator what the capability is for` +
				`; capabilities[0].hosts[0] is no rule ("a"): it must begin with https://; capabilities[0].hosts[3] is no rule: it must begin with https://` +
				`; capabilities[1].name is the unknown capability "http2"; did you mean "http"?`},
	} {
		_, err := rules.Parse([]byte(tc.text))
		if tc.expectedErr == "" && err != nil || tc.expectedErr != "" && (err == nil || err.Error() != tc.expectedErr) {
			t.Errorf("%s: got %v, want %s", tc.text, err, tc.expectedErr)
		}
	}
}
