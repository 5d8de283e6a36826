package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"sluice/runtime"
	"sluice/runtime/module"
)

// admission is what installing a module would cost, and each call of it. Units are in the names; a unit of fuel is about
// an instruction.
type admission struct {
	// Imageable says that calls start from an image of the initialised guest, and NotImageable why they can't.
	Imageable    bool   `json:"imageable"`
	NotImageable string `json:"not_imageable,omitempty"`
	Warmed       bool   `json:"warmed"`
	WarmFailure  string `json:"warm_failure,omitempty"`

	MemoryInitialBytes uint64 `json:"memory_initial_bytes"`
	MemoryReadyBytes   uint64 `json:"memory_ready_bytes"` // when the guest was initialised and has described itself
	MemoryLimitBytes   uint64 `json:"memory_limit_bytes"`

	InitialisationMicroseconds int64 `json:"initialisation_us"`
	DescribeFuelUnits          int64 `json:"describe_fuel_units"`

	// ResetMode is how memory is put back after a call on this machine, "" where it is not.
	ResetMode string `json:"reset_mode,omitempty"`
	// PagesPerCall is how many pages a call of describe writes; it is absent where that is not known.
	PagesPerCall *int `json:"pages_written_per_call,omitempty"`
	PageBytes    int  `json:"page_bytes"`

	// CodeBytes is the length of the code section, RewrittenBytes that of the one that is compiled.
	CodeBytes      int     `json:"code_bytes"`
	RewrittenBytes int     `json:"rewritten_code_bytes"`
	CodeGrowth     float64 `json:"code_growth_ratio"`
}

// admissionOf looks at a module that is installed in rt under that name.
func admissionOf(rt *runtime.Runtime, name string, m *module.Module) (*admission, error) {
	seen, ok := rt.Report(name)
	if !ok {
		return nil, fmt.Errorf("the connector %q is not in service", name)
	}
	reset, err := rt.MeasureReset(context.Background(), name)
	if err != nil {
		return nil, err
	}
	a := &admission{
		Imageable: seen.NotImageable == "", NotImageable: seen.NotImageable, Warmed: seen.Warmed, WarmFailure: seen.WarmFailure,
		MemoryInitialBytes: uint64(m.Memories[0].Initial) << 16, MemoryReadyBytes: seen.ImageBytes,
		InitialisationMicroseconds: seen.Initialisation.Microseconds(), DescribeFuelUnits: seen.DescribeFuel,
		ResetMode: reset.Mode, PageBytes: reset.PageBytes,
	}
	if reset.Pages >= 0 {
		a.PagesPerCall = &reset.Pages
	}
	if commands, _ := rt.Commands(); len(commands) > 0 {
		a.MemoryLimitBytes = commands[0].Limits().Memory
	}
	a.CodeBytes, a.RewrittenBytes = codeBytes(m.Bounded()), codeBytes(m.Rewrite().Binary)
	a.CodeGrowth = float64(a.RewrittenBytes) / float64(max(a.CodeBytes, 1))
	return a, nil
}

// codeBytes is the length of the code section of a valid module, in bytes.
func codeBytes(wasm []byte) int {
	const header = 8
	for rest := wasm[header:]; len(rest) > 0; {
		length, n := binary.Uvarint(rest[1:]) // LEB128 is what Go calls a varint
		if module.SectionID(rest[0]) == module.SectionCode {
			return int(length)
		}
		rest = rest[1+n+int(length):]
	}
	return 0
}

func (a *admission) print(w io.Writer) {
	fmt.Fprintln(w, "admission")
	if a.Imageable {
		fmt.Fprintln(w, "  imageable: every call starts from an image of the initialised guest")
	} else {
		fmt.Fprintf(w, "  not imageable, so that every call makes an instance of its own: %s\n", shown(a.NotImageable))
	}
	switch {
	case a.WarmFailure != "":
		fmt.Fprintf(w, "  warm failed, so that calls start cold: %s\n", shown(a.WarmFailure))
	case a.Warmed:
		fmt.Fprintln(w, "  warm ran before the image was taken")
	}
	fmt.Fprintf(w, "  memory: %s to begin with, %s when it is ready to be called, at most %s\n",
		sizeText(a.MemoryInitialBytes), sizeText(a.MemoryReadyBytes), sizeText(a.MemoryLimitBytes))
	fmt.Fprintf(w, "  initialisation took %s, describe %d units of fuel\n",
		time.Duration(a.InitialisationMicroseconds)*time.Microsecond, a.DescribeFuelUnits)
	if a.Imageable {
		fmt.Fprintf(w, "  a call of describe writes %s of %d bytes\n", a.pages(), a.PageBytes)
		fmt.Fprintf(w, "  memory is put back by the mode %q, found by a probe of this machine\n", a.ResetMode)
	}
	fmt.Fprintf(w, "  code: %d bytes, %d when it is metered (× %.3f)\n", a.CodeBytes, a.RewrittenBytes, a.CodeGrowth)
}

func (a *admission) pages() string {
	if a.PagesPerCall == nil {
		return "an unknown number of pages"
	}
	return fmt.Sprintf("%d pages", *a.PagesPerCall)
}
