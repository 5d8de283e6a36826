package main

import (
	"context"
	"fmt"
	"io"

	"sluice/runtime"
)

// verification is what came of `inspect --verify`.
type verification struct {
	Pristine   bool           `json:"pristine"`
	Findings   []string       `json:"findings"`
	Modes      []verifiedMode `json:"modes"`
	Cold       bool           `json:"describe_compared_with_cold_image"`
	Randomness randomness     `json:"randomness"`
}

type verifiedMode struct {
	Mode          string `json:"mode"`
	Calls         int    `json:"calls"`
	Sandboxes     int    `json:"sandboxes"`
	Canaries      int    `json:"canaries"`
	ComparedBytes int64  `json:"compared_bytes"`
	Globals       int    `json:"globals"`
}

type randomness struct {
	ImageBytes int `json:"image_random_bytes"`
	ImageClock int `json:"image_clock_reads"`
	CallBytes  int `json:"describe_random_bytes"`
	CallDraws  int `json:"describe_random_draws"`
}

// verify looks whether calls of the module leave anything behind for others.
func verify(ctx context.Context, c runtime.Config, wasm []byte) (*verification, error) {
	v, err := runtime.Verify(ctx, c, wasm, runtime.VerifyConfig{})
	if err != nil {
		return nil, err
	}
	out := &verification{
		Pristine: len(v.Findings) == 0, Findings: append([]string{}, v.Findings...), Cold: v.Cold, Randomness: randomness(v.Randomness),
	}
	for _, m := range v.Modes {
		out.Modes = append(out.Modes, verifiedMode(m))
	}
	return out, nil
}

// failure is the error of a verification that found something, nil for one that did not.
func (v *verification) failure() error {
	if v.Pristine {
		return nil
	}
	return fmt.Errorf("the module is not pristine from call to call: %s (%d findings)", shown(v.Findings[0]), len(v.Findings))
}

func (v *verification) print(w io.Writer, a *admission) {
	fmt.Fprintln(w, "verification")
	for _, m := range v.Modes {
		if !a.Imageable {
			fmt.Fprintf(w, "  %s: %d calls of describe, each in an instance of its own; %d canaries left, and looked for\n", m.Mode, m.Calls, m.Canaries)
			continue
		}
		fmt.Fprintf(w, "  %s: %d calls of describe in %d sandboxes; %d canaries left, and looked for; %d bytes of memory and %d globals compared\n",
			m.Mode, m.Calls, m.Sandboxes, m.Canaries, m.ComparedBytes, m.Globals)
	}
	if a.Imageable {
		fmt.Fprintln(w, "  tables: no instruction of the module changes one")
	}
	v.Randomness.print(w, a)
	if v.Pristine {
		fmt.Fprintln(w, "  describe answers the same in every call, in a sandbox that starts cold, and in the module as it was uploaded")
		fmt.Fprintln(w, "  nothing was found: every call was pristine")
	}
	for _, f := range v.Findings {
		fmt.Fprintf(w, "  FOUND %s\n", shown(f))
	}
}

func (r randomness) print(w io.Writer, a *admission) {
	if a.Imageable {
		fmt.Fprintf(w, "  the image was made with %d random bytes of the host", r.ImageBytes)
		if r.ImageBytes > 0 {
			fmt.Fprint(w, ": a generator seeded with them gives every call the same numbers")
		}
		fmt.Fprintln(w)
		fmt.Fprintf(w, "  the image was made with %d looks at the clock", r.ImageClock)
		if r.ImageClock > 0 {
			fmt.Fprint(w, ": a time kept from then is the same in every call")
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "  calls of describe drew %d random bytes of the host", r.CallBytes)
	if r.CallDraws > 0 {
		fmt.Fprintf(w, " in %d draws", r.CallDraws)
	}
	fmt.Fprintln(w)
}
