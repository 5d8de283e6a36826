//go:build unix

package doctest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sluice/internal/guests"
)

// These bound what a page may wait for.
const (
	blockTime = time.Minute
	startTime = time.Minute
	stopTime  = 30 * time.Second
)

// workplace is where the pages' commands run: a working copy of the repository with bin/sluice built, and a server at a
// time.
type workplace struct {
	dir  string // the working copy
	env  []string
	port string // instead of 8200

	// state holds what a reader's shell keeps from block to block: folder and variables.
	state  string
	seed   string // a data folder after a first start
	server *exec.Cmd
	log    lockedBuffer
	ended  chan error // the server's end
}

func newWorkplace(t *testing.T) *workplace {
	t.Helper()
	w := &workplace{dir: filepath.Join(t.TempDir(), "sluice"), port: freePort(t)}
	if err := copyTree(root, w.dir); err != nil {
		t.Fatal(err)
	}
	aside := t.TempDir()
	w.state = filepath.Join(aside, "state")
	built := filepath.Join(aside, "sluice")
	w.tool(t, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", built, "./cmd/sluice")
	w.tool(t, "sh", filepath.Join("modules", "build-go.sh"), filepath.Join(w.dir, "bin", "guests"), "probe", "greeter", "greeter-v2")
	// The clients speak to port 8200 unless told otherwise: here they are told.
	w.write(t, "bin/sluice", fmt.Sprintf(`#!/bin/sh
case $1 in
push | list | remove | rm | grant | secret)
	command=$1
	shift
	exec %[1]s "$command" --server http://127.0.0.1:%[2]s "$@"
	;;
inspect)
	SLUICE_SERVER=http://127.0.0.1:%[2]s exec %[1]s "$@"
	;;
esac
exec %[1]s "$@"
`, built, w.port))
	if err := os.Chmod(filepath.Join(w.dir, "bin", "sluice"), 0o755); err != nil {
		t.Fatal(err)
	}
	w.env = w.environment(t, aside)
	return w
}

// tool runs a program in the repository, whose build cache it shares.
func (w *workplace) tool(t *testing.T, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// environment is that of a reader who has set nothing for Sluice yet.
func (w *workplace) environment(t *testing.T, aside string) []string {
	t.Helper()
	goenv := func(name string) string {
		out, err := exec.CommandContext(t.Context(), "go", "env", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(out))
	}
	env := []string{
		"HOME=" + aside, "XDG_CACHE_HOME=" + filepath.Join(aside, "cache"), "CURL_HOME=" + aside, "PATH=" + w.path(t, aside),
		"GOCACHE=" + goenv("GOCACHE"), "GOMODCACHE=" + goenv("GOMODCACHE"), "GOPATH=" + goenv("GOPATH"), "GOPROXY=off", "GOFLAGS=",
		"GOTOOLCHAIN=local", "SLUICE_LISTEN=127.0.0.1:" + w.port, "LC_ALL=C",
	}
	if err := os.WriteFile(filepath.Join(aside, ".curlrc"), []byte("silent\nshow-error\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return env
}

// path is the PATH of the pages' commands. Where there is no curl, this program stands in for it under its name.
func (w *workplace) path(t *testing.T, aside string) string {
	t.Helper()
	path := os.Getenv("PATH")
	if _, err := exec.LookPath("curl"); err == nil {
		return path
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(aside, "path")
	if err := errors.Join(os.Mkdir(dir, 0o755), os.Symlink(self, filepath.Join(dir, "curl"))); err != nil {
		t.Fatal(err)
	}
	return dir + string(os.PathListSeparator) + path
}

func freePort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	_, port, err := net.SplitHostPort(ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// copyTree copies what is in the repository and not made by its tools.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			switch d.Name() {
			case ".git", "bin", "data", "target", "node_modules":
				return filepath.SkipDir
			}
			return os.MkdirAll(filepath.Join(to, name), 0o755)
		}
		if !d.Type().IsRegular() {
			return nil
		}
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // somebody's temporary file
		}
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, name), text, 0o644)
	})
}

// write writes a file of the working copy.
func (w *workplace) write(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(w.dir, filepath.FromSlash(name))
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(w.here(text)), 0o644)); err != nil {
		t.Fatal(err)
	}
}

// here is a page's text with the port that the server really has.
func (w *workplace) here(text string) string { return strings.ReplaceAll(text, "8200", w.port) }

// begin makes the workplace that of a new reader, who has started a server once, so that the bundled connectors are not
// compiled for each page.
func (w *workplace) begin(t *testing.T) {
	t.Helper()
	data := filepath.Join(w.dir, "data")
	if err := os.WriteFile(w.state, []byte("cd '"+w.dir+"'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if w.seed == "" {
		w.serve(t, "the first start", serverScript("./bin/sluice serve"))
		w.stop(t)
		w.seed = filepath.Join(filepath.Dir(w.state), "seed")
		if err := os.Rename(data, w.seed); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.RemoveAll(data); err != nil {
		t.Fatal(err)
	}
	guests.CopyData(t, w.seed, data)
}

// command is a shell that goes on where the last one ended. keep says whether another one is to go on where it ends.
func (w *workplace) command(ctx context.Context, text string, keep bool) *exec.Cmd {
	script := ". '" + w.state + "'\nset -e\n"
	if keep {
		script += "keep() { export -p; printf \"cd '%s'\\n\" \"$PWD\"; }\ntrap 'keep >\"" + w.state + "\"' EXIT\n"
	}
	cmd := exec.CommandContext(ctx, "sh", "-c", script+w.here(text))
	cmd.Dir, cmd.Env = w.dir, w.env
	// What a command has started ends with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	return cmd
}

// run runs a block's commands.
func (w *workplace) run(t *testing.T, at string, b *Block) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), blockTime)
	defer cancel()
	cmd := w.command(ctx, makeTargets(t, at, b.Text), true)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		t.Fatalf("%s: the commands did not end within %s:\n%s", at, blockTime, out)
	case err != nil && !errors.As(err, &exit):
		t.Fatalf("%s: %v", at, err)
	case cmd.ProcessState.ExitCode() != b.ExitStatus():
		t.Errorf("%s: the commands ended with %d, want %d:\n%s\nthe server logged\n%s", at, cmd.ProcessState.ExitCode(), b.ExitStatus(), out, w.log.String())
	case b.Expected != nil:
		expected := *b.Expected
		expected.Text = w.here(expected.Text)
		if !expected.Matches(string(out)) {
			t.Errorf("%s: the commands print\n%s\nand the page says\n%s", at, out, expected.Text)
		}
	}
}

// serve starts the server that a block describes, instead of the present one.
func (w *workplace) serve(t *testing.T, at, text string) {
	t.Helper()
	w.stop(t)
	w.log.Reset()
	w.server = w.command(context.Background(), text, false) // t's context would end it before w.stop
	w.server.Stdout, w.server.Stderr = &w.log, &w.log
	if err := w.server.Start(); err != nil {
		t.Fatalf("%s: %v", at, err)
	}
	w.ended = make(chan error, 1)
	go func(server *exec.Cmd) { w.ended <- server.Wait() }(w.server)
	for until := time.Now().Add(startTime); ; time.Sleep(20 * time.Millisecond) {
		select {
		case err := <-w.ended:
			w.server = nil
			t.Fatalf("%s: the server ended: %v\n%s", at, err, w.log.String())
		default:
		}
		if answer, err := http.Get("http://127.0.0.1:" + w.port + "/readiness"); err == nil {
			_ = answer.Body.Close()
			return
		}
		if time.Now().After(until) {
			t.Fatalf("%s: the server does not answer after %s:\n%s", at, startTime, w.log.String())
		}
	}
}

// stop ends the server as a service manager does.
func (w *workplace) stop(t *testing.T) {
	t.Helper()
	if w.server == nil {
		return
	}
	group := -w.server.Process.Pid
	w.server = nil
	http.DefaultClient.CloseIdleConnections()
	if err := syscall.Kill(group, syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	select {
	case err := <-w.ended:
		if err != nil {
			t.Errorf("the server did not end in order: %v\n%s", err, w.log.String())
		}
	case <-time.After(stopTime):
		_ = syscall.Kill(group, syscall.SIGKILL)
		<-w.ended
		t.Errorf("the server did not end within %s of SIGTERM:\n%s", stopTime, w.log.String())
	}
}

// lockedBuffer is a bytes.Buffer that a process writes while a test reads.
type lockedBuffer struct {
	mu sync.Mutex // protects b
	b  bytes.Buffer
}

// Write implements io.Writer.
func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *lockedBuffer) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b.Reset()
}
