package runtime

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"sluice/hostfuncs"
	"sluice/hostfuncs/egress"
	"sluice/runtime/abi"
	"sluice/runtime/manifest"
	"sluice/runtime/sandbox"
)

// code is a connector's module, ready to be called.
type code struct {
	module *sandbox.Module
	image  *sandbox.Image // what calls start from; nil where each makes an instance of its own
	report Report
	// shared counts the connectors that have it beside the first.
	shared atomic.Int64
}

// Report is what was seen of a module when it was made ready.
type Report struct {
	// NotImageable says why every call needs an instance of its own, which costs it milliseconds; "" where calls start
	// from an image.
	NotImageable string
	// ImageBytes is how much memory the guest has when it is ready to be called.
	ImageBytes uint64
	// Initialisation is how long laying data, the start function and _initialize took.
	Initialisation time.Duration
	// DescribeFuel is how much fuel describe took, in units.
	DescribeFuel int64
	// Warmed says that the guest exports warm and that it ran.
	Warmed bool
	// WarmFailure says why warm failed; the image is the one before it.
	WarmFailure string
}

// Report returns what was seen of the module of a connector in service, and false where no such one is.
func (r *Runtime) Report(connector string) (Report, bool) {
	c := r.current.Load().connectors[connector]
	if c == nil || c.unavailable != "" {
		return Report{}, false
	}
	return c.code.report, true
}

// share lets one more connector have the code. Each of them closes it.
func (c *code) share() *code {
	c.shared.Add(1)
	return c
}

func (c *code) close() {
	if c.shared.Add(-1) >= 0 {
		return
	}
	if c.image != nil {
		_ = c.image.Close()
	}
	c.module.Close()
}

// maker returns what makes sandboxes for a pool.
func (c *code) maker(l sandbox.Limits) func(context.Context, any) (*sandbox.Instance, error) {
	if c.image == nil {
		return func(ctx context.Context, host any) (*sandbox.Instance, error) {
			return host.(*abi.Call).Prepare(ctx, c.module, l)
		}
	}
	return func(ctx context.Context, _ any) (*sandbox.Instance, error) { return c.image.InstanceFor(ctx, l) }
}

// sandbox is the part of the limits that a sandbox keeps.
func (l Limits) sandbox() sandbox.Limits { return sandbox.Limits{Memory: l.Memory, CPU: l.CPU} }

// The bounds of making a guest ready.
const (
	describeDeadline = 10 * time.Second
	describeOutput   = 1 << 20 // bytes
	// describeTimes is how often describe runs in all before the image is taken, so that what it needs is in place.
	describeTimes = 3
)

// prepare makes an admitted module ready to be called, and returns what it says of itself. The caller closes the code;
// where there is an error, everything is closed.
func (r *Runtime) prepare(ctx context.Context, m *admitted) (*code, *manifest.Manifest, error) {
	c := &code{module: m.module, report: Report{NotImageable: m.module.NotImageable()}}
	described, err := r.initialise(ctx, c)
	if err != nil {
		c.close()
		return nil, nil, err
	}
	return c, described, nil
}

// describing returns a call in which a guest is only asked for what it is.
func describing() *abi.Call {
	return &abi.Call{Host: &hostfuncs.Call{Describing: true}, OutputLimit: describeOutput}
}

func (r *Runtime) initialise(ctx context.Context, c *code) (*manifest.Manifest, error) {
	ctx, cancel := context.WithTimeout(ctx, describeDeadline)
	defer cancel()
	call := describing()
	began := time.Now()
	i, err := call.Prepare(ctx, c.module, r.config.Limits.sandbox())
	if err != nil {
		return nil, r.describeFailed(call, err)
	}
	defer i.Close()
	c.report.Initialisation = time.Since(began)
	before := i.Fuel()
	described, err := r.manifestOf(ctx, i, call)
	if err != nil {
		return nil, err
	}
	c.report.DescribeFuel, c.report.ImageBytes = i.Fuel()-before, i.MemoryBytes()
	if c.report.NotImageable != "" {
		return described, nil
	}
	for range describeTimes - 1 {
		if _, err := r.manifestOf(ctx, i, describing()); err != nil {
			return nil, err
		}
	}
	if c.image, err = i.Image(); err != nil {
		return nil, fmt.Errorf("keeping the state that a connector's calls start from: %w", err)
	}
	r.warm(ctx, c, i, described.Name)
	c.report.ImageBytes = c.image.Bytes()
	return described, nil
}

// warm has a guest exercise its code, so that its heap is grown and its tables are built in the image. Where that fails,
// the image from before is as good as any, only slower.
func (r *Runtime) warm(ctx context.Context, c *code, i *sandbox.Instance, name string) {
	call := describing()
	offered, err := call.Warm(ctx, i)
	if !offered {
		return
	}
	if err == nil {
		var warmed *sandbox.Image
		if warmed, err = i.Image(); err == nil {
			_ = c.image.Close()
			c.image, c.report.Warmed = warmed, true
			return
		}
	}
	c.report.WarmFailure = err.Error()
	r.showGuest(call, logMasker{}, "connector", name, "function", "warm")
	r.config.Logger.Warn("a connector failed while it warmed up: its calls start cold", "connector", name, "error", err.Error())
}

// manifestRules is read only.
var manifestRules = manifest.Rules{
	manifest.CapabilityHTTP: func(host string) error {
		_, err := egress.ParseRule(host)
		return errors.Unwrap(err) // what names the rule is said by its place
	},
	manifest.CapabilityTCP: func(host string) error {
		_, err := egress.ParseTCPRule(host)
		return errors.Unwrap(err)
	},
}

// manifestOf asks a guest what it is.
func (r *Runtime) manifestOf(ctx context.Context, i *sandbox.Instance, call *abi.Call) (*manifest.Manifest, error) {
	text, err := call.Describe(ctx, i)
	if _, _, _, tooLarge := call.Output(); err == nil && tooLarge {
		err = fmt.Errorf("the manifest is larger than %d bytes", describeOutput)
	}
	if err != nil {
		return nil, r.describeFailed(call, err)
	}
	parsed, err := manifestRules.Parse(text)
	if err != nil {
		return nil, refuse(RefusedManifest, err.Error())
	}
	return parsed, nil
}

func (r *Runtime) describeFailed(call *abi.Call, err error) error {
	r.showGuest(call, logMasker{}, "function", "describe")
	var fault *sandbox.Fault
	switch errors.As(err, &fault); {
	case fault == nil:
	case fault.Kind == sandbox.Starved:
		return refuse(RefusedOverloaded, "The calls that run now use all the memory that guests may have together. Try again later, or raise pool.growth.")
	case fault.Kind == sandbox.OutOfMemory:
		return refuse(RefusedDescribe, fmt.Sprintf("The module needs more than the %d MiB of call.memory before its first call, for its initialisation and its manifest. Have it need less, or raise call.memory.",
			r.config.Limits.Memory>>20))
	}
	why := err.Error()
	if lines := call.Host.LogLines(); len(lines) > 0 { // no call was made: there are no parameters it could name
		why = lines[len(lines)-1] + " (" + why + ")"
	}
	return refuse(RefusedDescribe, "The module failed while it was asked for its manifest: "+why+
		". `sluice inspect` shows what the guest said; describe must need nothing but memory.")
}

// showGuest shows a connector's author what the guest printed and logged before it failed. The attributes say where.
func (r *Runtime) showGuest(call *abi.Call, m logMasker, where ...any) {
	if printed, logged := call.Stderr(), call.Host.LogLines(); r.config.ShowGuests && len(printed)+len(logged) > 0 {
		r.config.Logger.Warn("the guest said before it failed", append(where, "printed", m.text(string(printed)), "logged", m.lines(logged))...)
	}
}
