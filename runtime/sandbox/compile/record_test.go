package compile

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestRecord(t *testing.T) {
	key, name, digest := strings.Repeat("0", digestLength), strings.Repeat("9a", digestLength/2), strings.Repeat("f", digestLength)
	r := newRecord(key, name, digest)
	if !r.valid() || r.key() != key || r.name() != name || r.digest() != digest {
		t.Errorf("%q is %t, %q, %q, %q", r, r.valid(), r.key(), r.name(), r.digest())
	}
	for _, bad := range []Record{
		"", "::", r[1:], r + "0", newRecord(key, name, ""), newRecord(key, "", digest), r[:recordLength-1] + ":",
		newRecord(key, strings.ToUpper(name), digest), newRecord(key, "../"+name[3:], digest), newRecord(key, name[1:], digest+"0"),
	} {
		if bad.valid() {
			t.Errorf("%q is a record", bad)
		}
	}
}

func FuzzRecord(f *testing.F) {
	f.Add(string(newRecord(strings.Repeat("0", digestLength), strings.Repeat("1", digestLength), strings.Repeat("2", digestLength))))
	f.Add("../../../etc/passwd:0:0")
	f.Fuzz(func(t *testing.T, text string) {
		r := Record(text)
		if !r.valid() {
			return
		}
		if newRecord(r.key(), r.name(), r.digest()) != r || filepath.Base(r.name()) != r.name() {
			t.Errorf("%q has the parts %q, %q, %q", r, r.key(), r.name(), r.digest())
		}
	})
}

func TestIdentity_Key(t *testing.T) {
	i := identity{dir: "wazero-v1", probe: "p"}
	key := i.key(answering(1))
	if again := i.key(answering(1)); again != key {
		t.Errorf("the same has the keys %q and %q", key, again)
	}
	for name, other := range map[string]string{
		"module":    i.key(answering(2)),
		"version":   identity{dir: "wazero-v2", probe: "p"}.key(answering(1)),
		"processor": identity{dir: "wazero-v1", probe: "q"}.key(answering(1)),
	} {
		if other == key {
			t.Errorf("another %s has the same key", name)
		}
	}
}
