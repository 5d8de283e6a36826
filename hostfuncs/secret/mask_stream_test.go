package secret

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"html"
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"
)

// inPieces is a text as it comes out of a stream into which it goes in pieces.
func inPieces(m *Masker, text []byte, next func(left int) int) []byte {
	s := m.Stream()
	var out []byte
	take := func() {
		var room [7]byte
		for n := s.Take(room[:]); n > 0; n = s.Take(room[:]) {
			out = append(out, room[:n]...)
		}
	}
	for len(text) > 0 {
		n := min(max(next(len(text)), 1), len(text))
		s.Write(text[:n], nil)
		text = text[n:]
		take()
	}
	s.End(nil)
	take()
	return out
}

// What comes in pieces is masked as if it came at once, wherever it is cut.
func TestStream(t *testing.T) {
	secrets := []string{value, "hunter22", "aa bb\"cc", "<b>&é"}
	m := NewMasker(secrets)
	var texts []string
	for _, secret := range secrets {
		for _, form := range []string{
			secret, url.QueryEscape(secret), percent("%%%02x", secret), percent(`\u%04x`, secret), jsonOf(secret), jsonOf(jsonOf(secret)),
			base64.StdEncoding.EncodeToString([]byte(secret)), base64.URLEncoding.EncodeToString([]byte("xy" + secret + "z")),
			url.QueryEscape(base64.StdEncoding.EncodeToString([]byte("x" + secret))), strings.Repeat(secret, 3), secret[:len(secret)-1],
			html.EscapeString(secret), percent("&#%d;", secret), percent("&#x%04x;", secret),
		} {
			for _, around := range []string{"", "x", "%", "%2", `\`, `\\`, `\u00`, `\ud83d`, `\ud83d\u`, "é ", secret[:3], "\"}\n", "&", "&amp%41;", "&#x2", "&lt\\u0041;"} {
				texts = append(texts, around+form+around)
			}
		}
	}
	texts = append(texts, "", "abc", `\ud83d\ude00`+value, `\\n\\\"`, strings.Join(secrets, ""), strings.Join(texts[:40], " "))
	for _, text := range texts {
		want := m.Bytes([]byte(text))
		for _, size := range []int{1, 3, 11} {
			if got := inPieces(m, []byte(text), func(int) int { return size }); !bytes.Equal(got, want) {
				t.Errorf("%q in pieces of %d: got %q, want %q", text, size, got, want)
			}
		}
		for cut := 1; cut < len(text); cut += 1 + len(text)/20 {
			if got := inPieces(m, []byte(text), func(left int) int {
				if left == len(text) {
					return cut
				}
				return left
			}); !bytes.Equal(got, want) {
				t.Errorf("%q cut at %d: got %q, want %q", text, cut, got, want)
			}
		}
	}
}

// What can't be the beginning of a value does not wait for more.
func TestStream_Waits(t *testing.T) {
	for _, tc := range []struct{ text, at string }{
		{"nothing of the kind\n", "nothing of the kind\n"},
		{"data: {\"t\":\"a\\n\"}\n\n", "data: {\"t\":\"a\\n\"}\n\n"},
		{"100 %\n", "100 %\n"},
		{"is: hunter2", "is: "},
		{"is: hunter22 it\n", "is: " + Mask + " it\n"},
		{"half an escape: \\u00", "half an escape: "},
		{"half an escape: %6", "half an escape: "},
		{"half a reference: &am", "half a reference: "},
		{"half a reference: &#12", "half a reference: "},
		{"?a=1&b=2\n", "?a=1&b=2\n"},
		{"a & b\n", "a & b\n"},
	} {
		s := NewMasker([]string{"hunter22", "<markup>"}).Stream()
		s.Write([]byte(tc.text), nil)
		var room [100]byte
		if got := string(room[:s.Take(room[:])]); got != tc.at {
			t.Errorf("of %q, %q went out, want %q", tc.text, got, tc.at)
		}
	}
}

// The first mebibyte is masked, the rest goes out as it is.
func TestStream_Long(t *testing.T) {
	const word = "hunter22 "
	m := NewMasker([]string{"hunter22"})
	long := bytes.Repeat([]byte(word), 2*MaxMasked/len(word))
	want := append(m.Bytes(long[:MaxMasked:MaxMasked]), long[MaxMasked:]...)
	for _, size := range []int{1000, 32 << 10, 3 << 20} {
		if got := inPieces(m, long, func(int) int { return size }); !bytes.Equal(got, want) {
			t.Errorf("in pieces of %d: got %d bytes, want %d", size, len(got), len(want))
		}
	}
	s := m.Stream()
	spent := 0
	look := func(n int) { spent += n }
	s.Write(long[:MaxMasked-1], look)
	s.Take(make([]byte, 2*MaxMasked))
	if before := spent; before < MaxMasked || s.Done() {
		t.Errorf("%d ns were spent, done %t", before, s.Done())
	}
	s.Write(long[:1], look)
	s.Take(make([]byte, 2*MaxMasked))
	if !s.Done() {
		t.Error("it goes on looking behind the first mebibyte")
	}
	if before := spent; before > 0 {
		s.Write(long, look)
		if spent != before {
			t.Error("what is not looked at costs time")
		}
	}
	if NewMasker(nil).Stream() != nil {
		t.Error("there is something to mask")
	}
}

// What waits costs time in proportion to its length, whatever it holds.
func TestStream_Hostile(t *testing.T) {
	m := NewMasker([]string{strings.Repeat("a", MaxValue-1) + "b"})
	for _, text := range []string{strings.Repeat("a", MaxMasked), strings.Repeat("%61", MaxMasked/3), strings.Repeat("\\u0061", MaxMasked/6)} {
		if got := inPieces(m, []byte(text), func(int) int { return 128 << 10 }); string(got) != text {
			t.Error("something was masked")
		}
	}
	s := m.Stream()
	s.Write(bytes.Repeat([]byte("\\u0061"), MaxMasked/6-1), nil)
	if held := len(s.pending) + len(s.out); held > s.Memory(MaxMasked) {
		t.Errorf("%d bytes wait, and %d were said", held, s.Memory(MaxMasked))
	}
}

func FuzzStream(f *testing.F) {
	f.Add("hunter22", "a %68unter22 \\u0068unter22 aHVudGVyMjI=", uint64(1))
	f.Add("<a>&b", "&lt;a&gt;&amp;b &#60;a&#x3e;&", uint64(3))
	f.Add("a\"b\\c%d", "\\\\\\\"a\\\"b\\\\c%25d", uint64(2))
	f.Fuzz(func(t *testing.T, secret, text string, seed uint64) {
		m := NewMasker([]string{secret})
		if m == nil || len(secret) > 100 || len(text) > 4096 {
			return
		}
		for _, n := range m.needles {
			for i := 1; i < len(n.text); i++ {
				if bytes.HasPrefix(n.text, n.text[i:]) {
					return // which one of those that overlap is found depends on where one looks from
				}
			}
		}
		whole := []byte(text + secret + fmt.Sprintf("%q", secret) + text)
		random := rand.New(rand.NewPCG(seed, 0))
		got := inPieces(m, whole, func(int) int { return random.IntN(20) })
		if want := m.Bytes(whole); !bytes.Equal(got, want) {
			t.Fatalf("%q, secret %q: got %q, want %q", whole, secret, got, want)
		}
	})
}
