package sandbox

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// FaultKind is why a call into a guest did not return.
type FaultKind int

// The kinds of faults.
const (
	Trapped        FaultKind = iota // the guest trapped, or the engine failed
	Exited                          // the guest ended itself with a status other than 0
	OutOfMemory                     // the guest failed after its memory could not grow beyond Limits.Memory
	Starved                         // the guest failed after the memory of all guests together was used up
	OutOfStack                      // the guest called itself too deeply
	OutOfFuel                       // the guest computed for longer than it may
	OutOfTime                       // the context's deadline passed
	Cancelled                       // the context was cancelled
	ExitedNormally                  // the guest ended itself with status 0
)

// Fault is how a guest failed. A sandbox with a fault other than ExitedNormally is not to be called again.
type Fault struct {
	Kind FaultKind
	// Detail is for the connector's author. It can name functions of the guest, never values.
	Detail string
}

func (f *Fault) Error() string { return f.Detail }

// Exit, when a host function panics with it, unwinds the guest and ends its call: WASI's proc_exit. Instance.Call
// returns it as a Fault.
type Exit struct{ Status uint32 }

func (e Exit) Error() string { return fmt.Sprintf("the guest exited with status %d", e.Status) }

// Interrupted, when a host function panics with it, unwinds a guest whose context has ended while it waited in the
// host.
type Interrupted struct{ Cause error }

func (e Interrupted) Error() string { return "interrupted: " + e.Cause.Error() }

// What the checkpoint ends a guest with besides Interrupted.
var (
	errOutOfFuel  = errors.New("the guest used up its processor time")
	errOutOfStack = errors.New("the guest called itself too deeply")
)

// fault says why err came out of the engine.
func (i *Instance) fault(err error) *Fault {
	var exit Exit
	var interrupted Interrupted
	switch {
	case errors.As(err, &exit) && exit.Status == 0:
		return &Fault{Kind: ExitedNormally, Detail: exit.Error()}
	case errors.As(err, &interrupted):
		if errors.Is(interrupted.Cause, context.DeadlineExceeded) {
			return &Fault{Kind: OutOfTime, Detail: "the deadline passed while the guest ran"}
		}
		return &Fault{Kind: Cancelled, Detail: "the call was cancelled while the guest ran"}
	case errors.Is(err, errOutOfFuel):
		return &Fault{Kind: OutOfFuel, Detail: firstLine(err)}
	case errors.Is(err, errOutOfStack), isStackOverflow(err):
		return &Fault{Kind: OutOfStack, Detail: firstLine(err)}
	case i.memory != nil && i.memory.Starved():
		return &Fault{Kind: Starved, Detail: firstLine(err)}
	case i.memory != nil && i.memory.Denied() && i.limits.Memory < i.module.memoryMax():
		return &Fault{Kind: OutOfMemory, Detail: firstLine(err)}
	case errors.As(err, &exit):
		return &Fault{Kind: Exited, Detail: exit.Error()}
	}
	return &Fault{Kind: Trapped, Detail: err.Error()}
}

// isStackOverflow finds the engine's error, which is not exported, wherever it is wrapped: the compiler returns it bare,
// the interpreter with a stack trace, and both within another error where the start function failed.
func isStackOverflow(err error) bool {
	for ; err != nil; err = errors.Unwrap(err) {
		if err.Error() == "stack overflow" {
			return true
		}
	}
	return false
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
