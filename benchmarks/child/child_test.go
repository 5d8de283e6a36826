package child

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestMain lets the test binary be the processes that tests start.
func TestMain(m *testing.M) {
	if Is() {
		Main("child", nil, obey)
		return
	}
	os.Exit(m.Run())
}

// order is what a process of these tests is to do.
type order struct {
	Answers []int // to one line each
	Last    int   // to the end, 0 for nothing
	Fail    bool  // then
	Hang    bool  // instead of ending
}

func obey(in io.Reader, out io.Writer) error {
	o, lines, err := Order[order](in)
	if err != nil {
		return err
	}
	answers := json.NewEncoder(out)
	for _, answer := range o.Answers {
		if _, err := lines.ReadSlice('\n'); err != nil {
			return err
		}
		if err := answers.Encode(answer); err != nil {
			return err
		}
	}
	_, _ = io.Copy(io.Discard, lines)
	if o.Hang {
		time.Sleep(time.Hour)
	}
	if o.Last != 0 {
		err = answers.Encode(o.Last)
	}
	if o.Fail {
		err = errors.New("as it was ordered to")
	}
	return err
}

const (
	long  = time.Minute
	short = 50 * time.Millisecond
)

func TestProcess(t *testing.T) {
	for _, tc := range []struct {
		name     string
		order    order
		patience time.Duration
		want     []int    // the answers, then the last
		failure  []string // parts of Stop's error, none where it succeeds
	}{
		{"ends", order{}, long, nil, nil},
		{"answers", order{Answers: []int{4, 5}}, long, []int{4, 5}, nil},
		{"answers last", order{Answers: []int{4}, Last: 5}, long, []int{4, 5}, nil},
		{"fails", order{Fail: true}, long, nil, []string{`"fails"`, "exit status 1"}},
		{"fails in spite of an answer", order{Last: 5, Fail: true}, long, []int{5}, []string{"exit status 1"}},
		{"hangs", order{Hang: true}, short, nil, []string{`"hangs"`, "killed"}},
		{"hangs without its last answer", order{Last: 5, Hang: true}, short, nil, []string{"EOF", "killed"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, err := Start(t.Context(), tc.name, tc.order, tc.patience)
			if err != nil {
				t.Fatal(err)
			}
			if p.PID() <= 0 || p.PID() == os.Getpid() {
				t.Errorf("the process has the number %d", p.PID())
			}
			var got []int
			for range tc.order.Answers {
				var answer int
				if err := p.Ask(&answer); err != nil {
					t.Error(err)
				}
				got = append(got, answer)
			}
			var last int
			if tc.order.Last == 0 {
				err = p.Stop(nil)
			} else if err = p.Stop(&last); last != 0 {
				got = append(got, last)
			}
			if (err != nil) != (tc.failure != nil) {
				t.Errorf("stopping: got %v", err)
			}
			for _, part := range tc.failure {
				if err != nil && !strings.Contains(err.Error(), part) {
					t.Errorf("got the error %v, want %s in it", err, part)
				}
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

// TestProcess_Ended asks a process that is no more.
func TestProcess_Ended(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p, err := Start(ctx, "killed", order{}, long)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	var answer int
	if err := p.Read(&answer); err == nil || !strings.Contains(err.Error(), `"killed" ended`) {
		t.Errorf("reading: got %v", err)
	}
	if err := p.Stop(nil); err == nil {
		t.Error("stopping: a process that was killed ended well")
	}
	if err := p.Ask(&answer); err == nil || !strings.Contains(err.Error(), `"killed"`) {
		t.Errorf("asking: got %v", err)
	}
	if _, err := Start(ctx, "late", order{}, long); err == nil {
		t.Error("a process was started after its context's end")
	}
	if _, err := Start(t.Context(), "lost", func() {}, long); err == nil {
		t.Error("an order was given that is no JSON")
	}
}

func TestOrder_Errors(t *testing.T) {
	for _, in := range []string{"", "{", "{}", "5\n", "{\n", `{"Last":"x"}` + "\n"} {
		if _, _, err := Order[order](strings.NewReader(in)); err == nil {
			t.Errorf("%q was taken", in)
		}
	}
}

// TestMain_Measures is Main in a process that is no child. Where it fails wrongly, it ends this one.
func TestMain_Measures(t *testing.T) {
	var got []string
	Main("child", func(ctx context.Context, args []string) error {
		got = args
		return errors.Join(ctx.Err(), flag.ErrHelp)
	}, obey)
	if !slices.Equal(got, os.Args[1:]) {
		t.Errorf("got the arguments %v", got)
	}
}
