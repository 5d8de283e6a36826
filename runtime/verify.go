package runtime

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"sluice/runtime/abi"
	"sluice/runtime/sandbox"
	"sluice/runtime/sandbox/compile"
	"sluice/runtime/sandbox/memory"
)

// VerifyConfig is how a module is verified. The zero value is what `sluice inspect --verify` does.
type VerifyConfig struct {
	// Calls is how many calls are made in each mode. Default 400, and a sixteenth of that for a module that has no image.
	Calls int
	// Sandboxes is how many are in use at once. Default 4.
	Sandboxes int
	// Modes are the ways of putting memory back that are tried. Default are all that work here.
	Modes []memory.Mode

	// tamper, where it is set, damages a sandbox between two calls: tests see by it that damage is found.
	tamper func(call int, i *sandbox.Instance)
}

// Verification is what came of verifying a module.
type Verification struct {
	// Modes are the ways in which memory was put back, the one that servers use here first.
	Modes []VerifiedMode
	// Cold says that describe was also compared with its answer in sandboxes whose guest had only been initialised.
	Cold bool
	// Randomness is what the guest took from the host that no two calls should share.
	Randomness Randomness
	// Findings are sentences that say what is wrong; none where every call was pristine.
	Findings []string
}

// VerifiedMode is what was done in one mode.
type VerifiedMode struct {
	Mode string
	// Calls are those made, and Sandboxes how many instances served them.
	Calls, Sandboxes int
	// Canaries are the values that were left behind and looked for.
	Canaries int
	// ComparedBytes is how much memory was compared with the state of a sandbox that no call had used, in bytes.
	ComparedBytes int64
	// Globals is how many mutable globals were compared.
	Globals int
}

// The bounds of a verification.
const (
	verifyCalls     = 400
	verifySandboxes = 4
	// verifyFresh is how many times fewer calls are made where each makes an instance of its own.
	verifyFresh = 16
	// verifyDescribe is how long a call may take on a machine that does much else.
	verifyDescribe = time.Minute
	// verifyOriginal is how long the module may take as it was uploaded, on the interpreter.
	verifyOriginal = 2 * time.Minute
)

// Verify makes a module ready as an installation would, runs describe in sandboxes of it again and again, by the same pool
// and reset that calls go through, and looks whether one call leaves anything behind for the next: in memory, in globals,
// or on the host's side of the sandbox. Every call also leaves canaries there itself, of which the guest knows nothing. No
// command is executed. describe is also compared with its answer when it runs in the module as it was uploaded, and in a
// sandbox that has never run it.
//
// Of c, it is CacheDir, CompileHelper, Limits, ShowGuests and Logger that count. Whatever is found wrong is in the
// Verification.
//
// # Errors
//
// A *Refusal where the module can't be installed, the context's, and those of the operating system.
func Verify(ctx context.Context, c Config, wasm []byte, v VerifyConfig) (*Verification, error) {
	inspected, err := Inspect(wasm)
	if err != nil {
		return nil, err
	}
	watched := &watch{}
	hosts := watched.over(abi.HostModules())
	engine, err := sandbox.NewEngine(ctx, sandbox.Config{CacheDir: c.CacheDir, HostModules: hosts})
	if err != nil {
		return nil, err
	}
	defer func() { _ = engine.Close(context.WithoutCancel(ctx)) }()
	t := &verification{config: v.withDefaults(), runtime: Runtime{config: c}, wasm: wasm, watch: watched}
	if _, err := rand.Read(t.marker[:]); err != nil {
		return nil, err
	}
	if c.CompileHelper {
		if t.runtime.compiler, err = compile.New(compile.Config{CacheDir: c.CacheDir, Logger: c.Logger}); err != nil {
			return nil, err
		}
	}
	for _, mode := range t.config.Modes {
		t.runtime.engine = engine.WithMode(mode)
		if err := t.inMode(ctx, mode); err != nil {
			return nil, err
		}
	}
	if err := t.original(ctx, inspected.Module.Bounded(), abi.HostModules()); err != nil {
		return nil, err
	}
	t.out.Randomness = watched.counts
	if watched.alike > 0 {
		t.found("the host gave %d calls random bytes that another call had been given", watched.alike)
	}
	return &t.out, nil
}

func (v VerifyConfig) withDefaults() VerifyConfig {
	if v.Calls == 0 {
		v.Calls = verifyCalls
	}
	if v.Sandboxes == 0 {
		v.Sandboxes = verifySandboxes
	}
	if v.Modes == nil {
		v.Modes = memory.Modes()
	}
	return v
}

// verification is a module while it is verified.
type verification struct {
	config  VerifyConfig
	runtime Runtime // as much of one as it takes to make a module ready
	wasm    []byte
	watch   *watch
	marker  [8]byte // what every canary begins with
	answer  []byte  // of the first describe
	out     Verification
}

// found keeps a finding, once.
func (t *verification) found(format string, args ...any) {
	const most = 32 // more of them say no more
	finding := fmt.Sprintf(format, args...)
	if len(t.out.Findings) < most && !slices.Contains(t.out.Findings, finding) {
		t.out.Findings = append(t.out.Findings, finding)
	}
}

// inMode verifies the module where memory is put back in that mode.
func (t *verification) inMode(ctx context.Context, mode memory.Mode) error {
	admitted, err := t.runtime.admit(ctx, t.wasm)
	if err != nil {
		return err
	}
	if t.answer == nil {
		if err := t.initialised(ctx, mode, admitted.module); err != nil {
			admitted.module.Close()
			return err
		}
	}
	if len(t.out.Modes) == 0 && admitted.module.NotImageable() == "" {
		t.watch.begin(imageMade)
	}
	code, _, err := t.runtime.prepare(ctx, admitted)
	t.watch.begin(callsMade)
	defer t.watch.begin(unwatched)
	if err != nil {
		return err
	}
	defer code.close()
	r := &rounds{verification: t, code: code, mode: mode}
	return r.run(ctx)
}

// initialised has a guest describe itself which did nothing but its initialisation, and again in a sandbox that starts from
// that state.
func (t *verification) initialised(ctx context.Context, mode memory.Mode, m *sandbox.Module) error {
	ctx, cancel := context.WithTimeout(ctx, describeDeadline)
	defer cancel()
	limits := t.runtime.config.Limits.sandbox()
	call := describing()
	first, err := call.Prepare(ctx, m, limits)
	if err != nil {
		return t.runtime.describeFailed(call, err)
	}
	defer first.Close()
	if m.NotImageable() == "" {
		if err := t.cold(ctx, mode, first, limits); err != nil {
			return err
		}
	}
	answer, err := call.Describe(ctx, first)
	if err != nil {
		return t.runtime.describeFailed(call, err)
	}
	if t.answer != nil && !bytes.Equal(answer, t.answer) {
		t.found("describe answers something else in a sandbox that starts from an image than in the instance that the image is of")
	}
	t.answer = bytes.Clone(answer)
	return nil
}

// cold compares a guest that has only been initialised with a sandbox that starts from its state.
func (t *verification) cold(ctx context.Context, mode memory.Mode, first *sandbox.Instance, l sandbox.Limits) error {
	image, err := first.Image()
	if err != nil {
		return err
	}
	defer func() { _ = image.Close() }()
	i, err := image.Instance(l)
	if err != nil {
		return err
	}
	defer i.Close()
	for _, d := range i.Differences(first.State()) {
		t.found("%s: a new sandbox is not in the state that its image is of: %s", mode, d)
	}
	call := describing()
	answer, err := call.Describe(ctx, i)
	if err != nil {
		t.found("%s: describe fails in a sandbox whose guest was only initialised: %v", mode, err)
		return nil
	}
	t.answer, t.out.Cold = bytes.Clone(answer), true
	return nil
}

// original compares describe with the module as it was uploaded.
func (t *verification) original(ctx context.Context, wasm []byte, hosts []sandbox.HostModule) error {
	limited, cancel := context.WithTimeout(ctx, verifyOriginal)
	defer cancel()
	call := describing()
	err := sandbox.RunOriginal(limited, wasm, hosts, t.runtime.config.Limits.sandbox(), call, "_initialize", "describe")
	if ended := ctx.Err(); ended != nil {
		return ended
	}
	if errors.Is(limited.Err(), context.DeadlineExceeded) {
		t.found("the module, run as it was uploaded, did not describe itself within %s", verifyOriginal)
		return nil
	}
	if err != nil {
		t.found("the module describes itself as it runs here, and fails as it was uploaded: %v", err)
		return nil
	}
	if _, answer, _, _ := call.Output(); !bytes.Equal(answer, t.answer) {
		t.found("describe answers something else in the module as it was uploaded than as it runs here")
	}
	return nil
}
