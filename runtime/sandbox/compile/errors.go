package compile

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"unicode/utf8"
)

// ErrNoHelper is returned by New in a program that can't be its own helper.
var ErrNoHelper = errors.New("this program can't compile modules: it does not call compile.Helper when it starts")

// The codes of errors.
const (
	CodeInvalid     = "does_not_compile"     // the module is not valid, or the compiler crashed on it
	CodeLimit       = "compilation_limit"    // compiling it takes too much memory or time, or makes too much code
	CodeNoSpace     = "no_space"             // the disk is full
	CodeUnavailable = "compiler_unavailable" // the compiler does not work at present, which is not the module's fault
)

// Error is why a module was not compiled.
type Error struct {
	// Code is one of those above, and stable.
	Code string
	// Message says what is wrong and what to do.
	Message string
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// cause is what went wrong, in the words of helper and server.
type cause string

const (
	causeInvalid cause = "invalid" // the engine refuses the module
	causeCrash   cause = "crash"   // the engine failed
	causeModule  cause = "module"  // the module is too large
	causeMemory  cause = "memory"  // out of memory
	causeCPU     cause = "cpu"     // out of processor time
	causeWall    cause = "wall"    // out of time
	causeCode    cause = "code"    // the code is too large
	causeSpace   cause = "space"   // the disk is full
	causeStorage cause = "storage" // the disk does not work
	causeStart   cause = "start"   // the helper, or a thread of it, could not be started
	causeKilled  cause = "killed"  // somebody ended the helper
	causeReport  cause = "report"  // what the helper says is not so
)

// detailMax bounds how much of the engine's words an error repeats, in bytes.
const detailMax = 1 << 10

// failure returns the error for a cause. The detail is the engine's or the system's words, where they help.
func (c *Compiler) failure(why cause, detail string) *Error {
	l := c.config.Limits
	if detail = shortened(detail); detail != "" {
		detail = ": " + detail
	}
	const smaller = "Make it smaller: leave out libraries that it does not need, and split its largest functions."
	switch why {
	case causeInvalid:
		return &Error{CodeInvalid, "The module is not valid WebAssembly" + detail + ". Build it again, and check it with `sluice inspect`."}
	case causeCrash:
		return &Error{CodeInvalid, "The compiler failed on the module. Build it with other optimisations or another version of its toolchain; " +
			"the server's log says more."}
	case causeModule:
		return &Error{CodeLimit, fmt.Sprintf("The module is larger than %d MiB when it is compiled. %s", l.Module>>20, smaller)}
	case causeMemory:
		return &Error{CodeLimit, fmt.Sprintf("Compiling the module takes more than %d MiB of memory. %s", l.Data>>20, smaller)}
	case causeCPU:
		return &Error{CodeLimit, fmt.Sprintf("Compiling the module takes more than %s of processor time. %s", l.CPU, smaller)}
	case causeWall:
		return &Error{CodeLimit, fmt.Sprintf("Compiling the module took longer than %s. Try again if the machine was busy. %s", l.Wall, smaller)}
	case causeCode:
		return &Error{CodeLimit, fmt.Sprintf("The module's compiled code is larger than %d MiB. %s", l.Code>>20, smaller)}
	case causeSpace:
		return &Error{CodeNoSpace, "There is no space for the module's compiled code. Make room on the disk of the data folder."}
	case causeStorage:
		return &Error{CodeUnavailable, "The folder for compiled code does not work" + detail + ". Check the disk of the data folder and who may write there."}
	case causeStart:
		return &Error{CodeUnavailable, "The compiler could not be started" + detail + ". Check that the server may start processes and threads, and try again."}
	case causeKilled:
		return &Error{CodeUnavailable, "The compiler was killed from outside, most likely because the machine ran out of memory. Try again, or give it more memory."}
	}
	return &Error{CodeUnavailable, "The compiler's result can't be trusted" + detail + ". Nothing of it was kept: try again, and report it if it happens again."}
}

// storageError returns the error for one of the file system.
func (c *Compiler) storageError(err error) *Error { return c.failure(storageCause(err), err.Error()) }

// storageCause says what an error of the file system means.
func storageCause(err error) cause {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return causeSpace
	case errors.Is(err, syscall.EFBIG):
		return causeCode
	case errors.Is(err, syscall.ENOMEM):
		return causeMemory
	}
	return causeStorage
}

// distrust returns the error for a helper that did something else than it says, and tells the operator.
func (c *Compiler) distrust(err error) *Error {
	c.config.Logger.Error("the compile helper's result is not what it reported; it was thrown away", "error", err.Error())
	return c.failure(causeReport, err.Error())
}

// shortened cuts a text to what an error may repeat, and shows that it did.
func shortened(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= detailMax {
		return s
	}
	at := detailMax
	for !utf8.RuneStart(s[at]) {
		at--
	}
	return s[:at] + "…"
}

// What is wrong with files, and with the engine.
var (
	errNotRegular = errors.New("it is not a regular file")
	errTooLarge   = errors.New("it is too large")
	errPanic      = errors.New("the WebAssembly engine failed")
)
