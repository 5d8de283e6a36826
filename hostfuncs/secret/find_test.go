package secret

import (
	"bytes"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"sluice/hostfuncs/egress"
	"sluice/hostfuncs/egress/worktest"
)

// A reference is found wherever it is in the pieces that a text is searched in, and nothing else is.
func TestFinder(t *testing.T) {
	c, ref := calling(t, everywhere)
	other, _ := calling(t, everywhere)
	for _, at := range []int{0, 1, searchPiece - ReferenceLength - 1, searchPiece - ReferenceLength, searchPiece - ReferenceLength + 1,
		searchPiece - 1, searchPiece, searchPiece + 1, 2*searchPiece - 2*ReferenceLength + 1, 2*searchPiece - 20} {
		for _, behind := range []int{0, 1, ReferenceLength, searchPiece} {
			text := []byte(strings.Repeat("s", at) + ref + strings.Repeat("-", behind))
			f := finder{call: c}
			all, failure := f.find(text, 16, unpaid)
			if failure != nil || !reflect.DeepEqual(all, []found{{at, "token"}}) {
				t.Errorf("at %d of %d: %v, %v", at, len(text), all, failure)
			}
			f = finder{call: other}
			if all, failure := f.find(text, 16, unpaid); len(all) > 0 || failure != nil {
				t.Errorf("in another call: %v, %v", all, failure)
			}
		}
	}
	f := finder{call: c}
	if all, failure := f.find([]byte(strings.Repeat(ref, 20)), 16, unpaid); len(all) != 17 || failure != nil {
		t.Errorf("%d of too many, %v", len(all), failure)
	}
}

// What is searched is paid for piece by piece, and how often something is looked up is bounded.
func TestFinder_Bounds(t *testing.T) {
	c, _ := calling(t, everywhere)
	text := make([]byte, 4<<20)
	var p worktest.Worker
	f := finder{call: c}
	if all, failure := f.find(text, 16, p.Look); len(all) > 0 || failure != nil || p.Total < len(text) || p.Most > searchPiece {
		t.Errorf("%v, %v: %d ns for %d bytes, %d at once", all, failure, p.Total, len(text), p.Most)
	}
	for n, want := range map[int]bool{maxTried: true, maxTried + 1: false} {
		f := finder{call: c}
		text := []byte(strings.Repeat(referencePrefix, n) + strings.Repeat("x", ReferenceLength))
		_, failure := f.find(text, 16, unpaid)
		if (failure == nil) != want || failure != nil && failure.Code != egress.CodeSecretDenied {
			t.Errorf("%d texts that begin as references do: %v", n, failure)
		}
	}
	if !worktest.GivesUp(func(w *worktest.Worker) { _, _ = f.find(text, 16, w.Look) }) {
		t.Error("it can't be ended")
	}
}

func FuzzFinder(f *testing.F) {
	f.Add("sluice-secret-v1", 3)
	f.Add("@", searchPiece-4)
	f.Fuzz(func(t *testing.T, text string, padding int) {
		c, ref := calling(t, everywhere)
		text = strings.Repeat("s", max(padding%(2*searchPiece), 0)) + strings.ReplaceAll(text, "@", ref)
		finder := finder{call: c}
		all, failure := finder.find([]byte(text), maxPut, unpaid)
		if failure != nil {
			if strings.Count(text, referencePrefix) <= maxTried {
				t.Fatal(failure)
			}
			return
		}
		var want []found
		for _, at := range regexp.MustCompile(ref).FindAllStringIndex(text, maxPut+1) {
			want = append(want, found{at[0], "token"})
		}
		if !reflect.DeepEqual(all, want) {
			t.Fatalf("found %v, want %v", all, want)
		}
	})
}

// A large body is searched as its caller's work, is not copied where it holds nothing, and may not hold a reference.
func TestCall_Put_LargeBody(t *testing.T) {
	c, ref := calling(t, everywhere)
	plain := bytes.Repeat([]byte("x"), 2*maxBody)
	holding := func(n int) []byte { return append(bytes.Repeat([]byte("x"), n-len(ref)), ref...) }
	for _, tc := range []struct {
		name string
		body []byte
		want string // of the refusal
	}{
		{"plain", plain, ""},
		{"as large as may be", holding(maxBody), ""},
		{"too large", holding(maxBody + 1), "may have 1048576 bytes, and this one has 1048577"},
		{"of what references begin with", bytes.Repeat([]byte(referencePrefix), 2*maxBody/len(referencePrefix)), "more than 1024 texts"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var p worktest.Worker
			r := &egress.Request{Method: "POST", URL: "https://api.example/", Headers: [][2]string{{"Content-Type", "application/json"}}, Body: tc.body, Worker: &p}
			failure := c.Put(r)
			switch {
			case tc.want != "":
				checkCode(t, tc.name, failure, egress.CodeSecretDenied)
				if !strings.Contains(failure.Message, tc.want) {
					t.Errorf("the message is %s", failure.Message)
				}
			case failure != nil:
				t.Error(failure)
			case bytes.Contains(r.Body, []byte(ref)):
				t.Error("the reference was not replaced")
			}
			if p.Total == 0 || p.Most > searchPiece {
				t.Errorf("it took %d ns, %d at once", p.Total, p.Most)
			}
		})
	}
	r := &egress.Request{Method: "POST", URL: "https://api.example/", Body: plain}
	if n := testing.AllocsPerRun(10, func() { _ = c.Put(r) }); n > 10 || &r.Body[0] != &plain[0] {
		t.Errorf("a body that holds nothing: %v allocations, copied %t", n, &r.Body[0] != &plain[0])
	}
}
