package secret

import (
	"bytes"
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"sluice/hostfuncs/egress"
)

func ignored(int) {}

// signingCall is a call that may sign with the secret key, whose value is given, and use the secret token.
func signingCall(t testing.TB, key string) *Call {
	t.Helper()
	set, err := NewSet(Config{
		Definitions: map[string]Definition{"key": {From: "env:KEY"}, "token": everywhere, "gone": {From: "env:GONE"}},
		LookupEnv: func(name string) (string, bool) {
			return map[string]string{"KEY": key, "VALUE": value}[name], name != "GONE"
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"key", "token", "gone", "ungranted"}
	return &Call{Access: set.Access("hooks", names, []Grant{{Name: "key", Sign: true}, {Name: "token", Clear: true}, {Name: "gone", Sign: true}})}
}

// The signatures are those of RFC 2202 and RFC 4231, whose keys are texts.
func TestSigner_HMAC(t *testing.T) {
	const what = "what do ya want for nothing?"
	long := strings.Repeat("\x0b", 20)
	for _, tc := range []struct{ key, algorithm, data, want string }{
		{long, "sha1", "Hi There", "b617318655057264e28bc0b6fb378c8ef146be00"},
		{"Jefe", "sha1", what, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
		{long, "sha256", "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
		{"Jefe", "sha256", what, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
		{long, "sha512", "Hi There", "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854"},
		{"Jefe", "sha512", what, "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"},
		{"Jefe", "sha256", "", "923598ca6d64af2a5dba79dcd021a8a0fe5c5f557519adaaf0ad532d4506dd30"},
	} {
		c := signingCall(t, tc.key)
		s, failure := c.Signer("key", tc.algorithm)
		if failure != nil {
			t.Fatal(failure)
		}
		if got := hex.EncodeToString(s.HMAC([]byte(tc.data), ignored)); got != tc.want {
			t.Errorf("%s of %q with %q: got %s, want %s", tc.algorithm, tc.data, tc.key, got, tc.want)
		}
		if !slices.Equal(c.Used(), []string{tc.key}) {
			t.Errorf("used %q", c.Used())
		}
	}
	for _, name := range []string{"", "md5", "SHA256", "sha256 "} {
		if ValidAlgorithm(name) {
			t.Errorf("%q is an algorithm", name)
		}
	}
}

// What is signed in pieces is what is signed at once, and every byte is paid for before it is.
func TestSigner_HMAC_Long(t *testing.T) {
	s, failure := signingCall(t, "hunter22").Signer("key", "sha256")
	if failure != nil {
		t.Fatal(failure)
	}
	data := bytes.Repeat([]byte("0123456789"), signedPiece/3)
	one, paid := s.HMAC(data, ignored), 0
	two := s.HMAC(slices.Clone(data), func(n int) {
		if n > signing+HashedPerByte*max(signedPiece, MaxValue) {
			t.Errorf("a step of %d ns", n)
		}
		paid += n
	})
	if !bytes.Equal(one, two) || paid < HashedPerByte*len(data) {
		t.Errorf("got %x and %x for %d ns", one, two, paid)
	}
	data[len(data)-1]++
	if bytes.Equal(s.HMAC(data, ignored), one) {
		t.Error("the last byte does not count")
	}
	defer func() {
		if recover() == nil {
			t.Error("it could not be ended")
		}
	}()
	s.HMAC(data, func(int) { panic("over") })
}

func TestCall_Signer_Errors(t *testing.T) {
	for _, tc := range []struct {
		name, want string
		code       egress.Code
	}{
		{"token", `the secret "token" is not granted for signing to "hooks": write {name: token, sign: true} in the secrets of its grant, by ` + "`sluice grant hooks --file`, or in the configuration as grants.hooks.secrets", egress.CodeSecretDenied},
		{"ungranted", `is not granted to "hooks"`, egress.CodeSecretDenied},
		{"unknown", `does not ask for the secret "unknown"`, egress.CodeSecretDenied},
		{"gone", "its operator finds the reason", egress.CodeSecretUnavailable},
	} {
		c := signingCall(t, "hunter22")
		s, failure := c.Signer(tc.name, "sha256")
		checkCode(t, tc.name, failure, tc.code)
		if s != nil || !strings.Contains(failure.Message, tc.want) || len(c.Used()) != 0 {
			t.Errorf("%s: %v, %s, used %q", tc.name, s, failure.Message, c.Used())
		}
	}
	if _, failure := (&Call{}).Signer("key", "sha256"); failure == nil {
		t.Error("a call without access signs")
	}
	c := signingCall(t, "hunter22")
	if _, failure := c.Value("key"); failure == nil {
		t.Error("what may be signed with can be read")
	}
	failure := c.Put(&egress.Request{Method: "GET", URL: "https://api.example/", Headers: [][2]string{{"x", reference(t, c, "key")}}})
	checkCode(t, "a request without a bound origin", failure, egress.CodeSecretDenied)
}

// A reference of the call is found wherever it is, and nothing else is taken for one.
func TestCall_Signable(t *testing.T) {
	c := signingCall(t, "hunter22")
	if failure := c.Signable([]byte(referencePrefix+strings.Repeat("0", 32)), ignored); failure != nil {
		t.Errorf("a call without references: %v", failure)
	}
	ref, other := reference(t, c, "token"), reference(t, signingCall(t, "hunter22"), "token")
	for _, before := range []int{0, 1, 15, signedPiece - ReferenceLength, signedPiece - ReferenceLength + 1, signedPiece - 17, signedPiece - 1, signedPiece, 2*signedPiece - 50} {
		for _, behind := range []int{0, 1, signedPiece} {
			text := []byte(strings.Repeat("x", before) + ref + strings.Repeat("y", behind))
			failure := c.Signable(text, ignored)
			checkCode(t, "a reference", failure, egress.CodeSecretDenied)
			if failure != nil && (!strings.Contains(failure.Message, `the secret "token"`) || strings.Contains(failure.Message, ref)) {
				t.Errorf("the message is %s", failure.Message)
			}
			for _, text := range []string{other, ref[:ReferenceLength-1], strings.ToUpper(ref), "/" + ref[1:]} {
				if failure := c.Signable([]byte(strings.Repeat("x", before)+text+strings.Repeat("y", behind)), ignored); failure != nil {
					t.Errorf("%s behind %d: %v", text, before, failure)
				}
			}
		}
	}
	for _, text := range []string{referencePrefix + ref, referencePrefix[:5] + ref, strings.Repeat(referencePrefix, signedPiece/8) + ref} {
		checkCode(t, "behind what looks like one", c.Signable([]byte(text), ignored), egress.CodeSecretDenied)
	}
	paid := 0
	if failure := c.Signable(make([]byte, MaxSigned), func(n int) { paid += n }); failure != nil || paid < MaxSigned {
		t.Errorf("%v for %d ns", failure, paid)
	}
}

func FuzzCall_Signable(f *testing.F) {
	f.Add("before", "behind")
	f.Add(referencePrefix, referencePrefix)
	f.Fuzz(func(t *testing.T, before, behind string) {
		c := signingCall(t, "hunter22")
		ref := reference(t, c, "token")
		if c.Signable([]byte(before+ref+behind), ignored) == nil {
			t.Fatal("a reference would be signed")
		}
		if failure := c.Signable([]byte(before+behind), ignored); failure != nil {
			t.Fatalf("no reference, but %v", failure)
		}
	})
}
