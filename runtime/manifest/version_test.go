package manifest

import (
	"regexp"
	"strings"
	"testing"
)

// semverRule is the regular expression that the specification suggests.
//
// https://semver.org/#is-there-a-suggested-regular-expression-regex-to-check-a-semver-string
var semverRule = regexp.MustCompile(`^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-((?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?(?:\+([0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*))?$`)

func TestValidVersion(t *testing.T) {
	for _, s := range []string{
		"0.0.0", "0.0.4", "1.2.3", "10.20.30", "99999999999999999999999.999999999999999999.99999999999999999",
		"1.1.2-prerelease+meta", "1.1.2+meta", "1.1.2+meta-valid", "1.0.0-alpha", "1.0.0-alpha.beta.1",
		"1.0.0-alpha0.valid", "1.0.0-alpha.0valid", "1.0.0-rc.1+build.1", "1.0.0-0A.is.legal", "1.0.0-0", "1.0.0+001",
		"1.2.3----RC-SNAPSHOT.12.9.1--.12+788", "1.0.0+0.build.1-rc.10000aaa-kk-0.1", "2.0.0--", "1.0.0-x-y-z.--",
		"1.2.3-" + strings.Repeat("a", maxVersionBytes-6),
	} {
		if !semverRule.MatchString(s) {
			t.Fatalf("%q does not belong in this table", s)
		}
		if !validVersion(s) {
			t.Errorf("validVersion(%q) = false", s)
		}
	}
}

func TestValidVersion_Errors(t *testing.T) {
	for _, s := range []string{
		"", "1", "1.2", "1.2.3.4", "v1.2.3", "1.2.3-", "1.2.3+", "1.2.3-+", "1.2.3-+x", "1.2.3-a+", "01.1.1", "1.01.1", "1.1.01",
		"1.2.3-01", "1.2.3-a.01", "1.2.3-a..b", "1.2.3-.a", "1.2.3-a.", "1.2.3+a..b", "1.2.3+a+b", "1.2.3-a_b", "1.2.3-é",
		" 1.2.3", "1.2.3 ", "1.2.3\n", "-1.2.3", "+1.2.3", "1.-2.3", "1..3", ".1.2", "１.2.3", "alpha", "1.2.x",
	} {
		if semverRule.MatchString(s) {
			t.Fatalf("%q does not belong in this table", s)
		}
		if validVersion(s) {
			t.Errorf("validVersion(%q) = true", s)
		}
	}
	if s := "1.2.3-" + strings.Repeat("a", maxVersionBytes-5); validVersion(s) {
		t.Errorf("a version of %d bytes was accepted", len(s))
	}
}

func FuzzValidVersion(f *testing.F) {
	for _, s := range []string{"1.2.3", "1.2.3-rc.1+b", "01.2.3", "1.2.3-01", "1.2.3+01", "1.2.3-\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, want := validVersion(s), len(s) <= maxVersionBytes && semverRule.MatchString(s); got != want {
			t.Errorf("validVersion(%q) = %v, the specification's expression says %v", s, got, want)
		}
	})
}
