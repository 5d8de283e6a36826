package compile

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// canHelp is whether this program called Helper.
var canHelp atomic.Bool

// ownCommand is how the running program is started as the helper. One that does not look for the helper's argument would
// do all else that it does, and perhaps start itself without end.
func ownCommand() ([]string, error) {
	if !canHelp.Load() {
		return nil, ErrNoHelper
	}
	self, err := ownProgram()
	if err != nil {
		return nil, err
	}
	return []string{self, Argument}, nil
}

const (
	// reportMax bounds what the helper may say, in bytes.
	reportMax = 64 << 10
	// stderrMax bounds how much of what a failing helper prints is logged, in bytes: the message, and the stack.
	stderrMax = 8 << 10
	// lastWords is how long the helper's pipes are read when it has ended.
	lastWords = 5 * time.Second
)

// report is what the helper says, as JSON on its standard output.
type report struct {
	// SHA256 is the digest of the file that it wrote, in hexadecimal. "" where it failed.
	SHA256 string `json:"sha256,omitempty"`
	// Cause and Detail say why it failed.
	Cause  cause  `json:"cause,omitempty"`
	Detail string `json:"detail,omitempty"`
}

// errWall ends a helper that takes too long.
var errWall = errors.New("the compilation took too long")

// runHelper has a module compiled into the workshop and returns the digest that the helper reports. When it returns, the
// helper is gone.
func (c *Compiler) runHelper(ctx context.Context, workshop string, wasm []byte) (digest string, err error) {
	running, cancel := context.WithTimeoutCause(ctx, c.config.Limits.Wall, errWall)
	defer cancel()
	command := append(c.config.Command[1:len(c.config.Command):len(c.config.Command)], c.config.Limits.arguments()...)
	cmd := exec.CommandContext(running, c.config.Command[0], command...)
	cmd.Args[0] = "sluice"
	cmd.Env = []string{}
	cmd.Dir = workshop
	cmd.SysProcAttr = attributes()
	cmd.WaitDelay = lastWords
	said, printed := &head{max: reportMax}, &head{max: stderrMax}
	cmd.Stdout, cmd.Stderr = said, printed
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return "", c.failure(causeStart, err.Error())
	}
	// The system ends the helper with the thread that started it, not with the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		_ = stdin.Close()
		return "", c.failure(startCause(running), err.Error())
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		// The pipe stays open behind the module: its end tells the helper that the server is gone. A write that fails does
		// so because the helper has ended, and how it ended says why.
		if _, err := stdin.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(wasm)))); err == nil {
			_, _ = stdin.Write(wasm)
		}
	}()
	err = cmd.Wait()
	<-written
	if err == nil {
		return c.read(said)
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	return "", c.failure(c.causeOf(running, cmd.ProcessState, printed), "")
}

// startCause is why the helper did not start.
func startCause(running context.Context) cause {
	if errors.Is(context.Cause(running), errWall) {
		return causeWall
	}
	return causeStart
}

// arguments tells the helper its limits.
func (l Limits) arguments() []string {
	return []string{
		strconv.FormatUint(l.Data, 10), strconv.FormatInt(int64(l.CPU/time.Second), 10),
		strconv.FormatInt(l.Module, 10), strconv.FormatInt(l.Code, 10),
	}
}

// read returns the digest that a helper reports, or what it says went wrong.
func (c *Compiler) read(said *head) (string, error) {
	var r report
	d := json.NewDecoder(bytes.NewReader(said.kept))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil || said.cut {
		return "", c.distrust(errors.New("the report can't be read"))
	}
	switch r.Cause {
	case "":
	case causeCrash:
		c.config.Logger.Warn("the compiler failed on a module", "error", shortened(r.Detail))
		return "", c.failure(causeCrash, "")
	case causeInvalid, causeMemory, causeCPU, causeCode, causeSpace, causeStorage:
		return "", c.failure(r.Cause, r.Detail)
	default:
		return "", c.distrust(errors.New("the report has an unknown cause"))
	}
	if !isDigest(r.SHA256) {
		return "", c.distrust(errors.New("the report has no digest"))
	}
	return r.SHA256, nil
}

// causeOf says why a helper ended without a report.
func (c *Compiler) causeOf(running context.Context, ended *os.ProcessState, printed *head) cause {
	killed := ended.ExitCode() < 0
	text := string(printed.kept)
	switch {
	case errors.Is(context.Cause(running), errWall):
		return causeWall
	case killed && ended.UserTime()+ended.SystemTime() >= c.config.Limits.CPU: // it did not come to say so
		return causeCPU
	case slices.ContainsFunc(outOfMemory, func(words string) bool { return strings.Contains(text, words) }):
		return causeMemory
	}
	// What it prints can't hold more than it was given: the module.
	c.config.Logger.Warn("the compile helper ended without a report", "status", ended.String(), "printed", text)
	switch {
	case killed:
		return causeKilled
	case strings.Contains(text, "create new OS thread"), strings.Contains(text, "pthread_create failed"):
		return causeStart
	}
	return causeCrash
}

// outOfMemory is how Go, and last its race detector, say that the system gave no memory or that a stack has no bound.
var outOfMemory = []string{"out of memory", "cannot allocate memory", "stack exceeds", "failed to allocate"}

// head keeps the beginning of what is written to it.
type head struct {
	max  int
	kept []byte
	cut  bool
}

func (h *head) Write(p []byte) (int, error) {
	n := min(len(p), h.max-len(h.kept))
	h.kept = append(h.kept, p[:n]...)
	h.cut = h.cut || n < len(p)
	return len(p), nil
}
