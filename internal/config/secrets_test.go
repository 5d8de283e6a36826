package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"sluice/hostfuncs/secret"
)

const key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

func TestLoad_Secrets(t *testing.T) {
	keyFile := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(keyFile, []byte(key+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := load(t, `
secrets:
  key_file: `+keyFile+`
  api-token: {from: env:TOKEN, origins: [api.example.com], places: [header, query]}
  smtp: {from: store}
grants:
  weather: {secrets: [api-token, {name: smtp, clear: true}]}
`, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := map[string]secret.Definition{
		"api-token": {From: "env:TOKEN", Origins: []string{"api.example.com"}, Places: []secret.Place{"header", "query"}},
		"smtp":      {From: "store"},
	}; !reflect.DeepEqual(c.Secrets, want) {
		t.Errorf("got %+v, want %+v", c.Secrets, want)
	}
	if want := []secret.Grant{{Name: "api-token"}, {Name: "smtp", Clear: true}}; !reflect.DeepEqual(c.Grants["weather"].Secrets, want) {
		t.Errorf("got %+v, want %+v", c.Grants["weather"].Secrets, want)
	}
	if c.SecretsKey == nil || c.SecretsKey[31] != 31 {
		t.Errorf("the key is %v", c.SecretsKey)
	}
	for _, sources := range []struct {
		file       string
		env, flags map[string]string
	}{
		{"secrets.key_file: " + keyFile, nil, nil},
		{"secrets.key_file: /f", map[string]string{"SLUICE_SECRETS_KEY_FILE": keyFile}, nil},
		{"secrets.key_file: /f", map[string]string{"SLUICE_SECRETS_KEY_FILE": "/e"}, map[string]string{"secrets.key_file": keyFile}},
	} {
		if c, err := load(t, sources.file, sources.env, sources.flags); err != nil || c.SecretsKey == nil {
			t.Errorf("%+v: %v", sources, err)
		}
	}
	if c, err := load(t, "secrets: {a: {from: store}}", map[string]string{"SLUICE_SECRETS_KEY": key}, nil); err != nil || c.SecretsKey == nil {
		t.Errorf("by the environment: %v", err)
	}
	if c, err := load(t, "secrets:", nil, nil); err != nil || c.Secrets != nil {
		t.Errorf("nothing under secrets: %v", err)
	}
}

// A key that every user of the machine can read is warned of. Its file's group is whoever is to start the server, perhaps.
func TestLoad_OpenKeyFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(key), 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, warned := range map[os.FileMode]bool{0o600: false, 0o400: false, 0o640: false, 0o644: true, 0o602: true} {
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		c, err := load(t, "secrets: {key_file: "+file+"}", nil, nil)
		if err != nil || c.SecretsKey == nil || (len(c.Warnings) == 1) != warned || warned && !strings.Contains(c.Warnings[0], "secrets.key_file") {
			t.Errorf("%o: warned %q, %v", mode, c.Warnings, err)
		}
	}
}

func TestLoadWithoutKey(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sluice.yaml")
	if err := os.WriteFile(file, []byte("secrets: {key_file: /does/not/exist, a: {from: store}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := LoadWithoutKey(file, environment(map[string]string{"SLUICE_SECRETS_KEY": "short"}), nil)
	if err != nil || c.SecretsKey != nil || c.Secrets["a"].From != secret.FromStore || c.SecretsKeyFile != "/does/not/exist" {
		t.Errorf("got %+v, %v", c, err)
	}
}

func TestLoad_SecretErrors(t *testing.T) {
	short := map[string]string{"SLUICE_SECRETS_KEY": "c2hvcnQ="}
	for _, tc := range []struct {
		name, file string
		env        map[string]string
		want       string
	}{
		{"no mapping", "secrets: [a]", nil, "secrets must be a mapping of names"},
		{"a value", "secrets: {a: hunter2}", nil, "there is no setting \"secrets.a\""},
		{"no source", "secrets: {a: {origins: [x.example]}}", nil, "secrets.a: from: write env:NAME"},
		{"a relative file", "secrets: {a: {from: 'file:x'}}", nil, "secrets.a: from: write env:NAME"},
		{"unknown source", "secrets: {a: {from: vault}}", nil, "secrets.a: from: write env:NAME"},
		{"unknown member", "secrets: {a: {form: store}}", nil, "secrets.a: there is no setting \"form\"; did you mean \"from\"?"},
		{"origins", "secrets: {a: {from: 'env:A', origins: x.example}}", nil, "secrets.a: origins must be a list"},
		{"a path", "secrets: {a: {from: 'env:A', origins: ['https://x.example/v1']}}", nil, "origins: \"https://x.example\" says more than an origin"},
		{"a star", "secrets: {a: {from: 'env:A', origins: ['https://*.example']}}", nil, "an entry is no origin"},
		{"places", "secrets: {a: {from: 'env:A', places: [path]}}", nil, "places: \"path\" is none of header, query, body"},
		{"name", "secrets: {A_B: {from: 'env:A'}}", nil, "secrets.A_B: its name must be 1 to 64"},
		{"grant", "grants: {c: {secrets: api}}", nil, "grants.c.secrets must be a list of names"},
		{"grant's member", "grants: {c: {secrets: [{name: a, clear: yes please}]}}", nil, "grants.c.secrets is wrong at item 1: it must be a name, or a mapping"},
		{"grant without name", "grants: {c: {secrets: [a, {clear: true}]}}", nil, "grants.c.secrets is wrong at item 2: it must be a name, or a mapping"},
		{"grant twice", "grants: {c: {secrets: [a, a]}}", nil, "grants.c.secrets names a twice"},
		{"undefined", "grants: {c: {secrets: [a]}}", nil, "grants.c.secrets names \"a\", which is not defined under secrets"},
		{"no key", "secrets: {a: {from: store}}", nil, "secrets.a is from the store, which needs a key: set SLUICE_SECRETS_KEY or secrets.key_file"},
		{"empty key", "", map[string]string{"SLUICE_SECRETS_KEY": ""}, "SLUICE_SECRETS_KEY is empty"},
		{"short key", "", short, "SLUICE_SECRETS_KEY is not 32 bytes in Base64"},
		{"two keys", "secrets: {key_file: /x}", short, "are both set"},
		{"no key file", "secrets: {key_file: /does/not/exist}", nil, "the key in secrets.key_file can't be read: no such file"},
	} {
		_, err := load(t, tc.file, tc.env, nil)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %s", tc.name, err, tc.want)
		}
		if err != nil && (strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), short["SLUICE_SECRETS_KEY"])) {
			t.Errorf("%s: the error holds the value: %v", tc.name, err)
		}
	}
}
