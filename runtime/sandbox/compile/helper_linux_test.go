package compile

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func init() {
	roles["suicidal"] = func([]string) int {
		must(syscall.Kill(os.Getpid(), syscall.SIGKILL))
		return hang()
	}
	roles["limited"] = showLimits
	roles["server"] = serve
	roles["lasting"] = func(args []string) int { // it is there as long as the pipe is open
		_, err := os.OpenFile(args[0], os.O_WRONLY, 0)
		must(err)
		return hang()
	}
}

func TestCompile_Killed(t *testing.T) {
	logger, logged := loggedTo()
	c := newCompiler(t, Config{Command: playing(t, "suicidal"), Logger: logger})
	_, err := c.Compile(t.Context(), answering(1))
	wantError(t, err, CodeUnavailable, "killed from outside")
	if !strings.Contains(logged.String(), "signal: killed") {
		t.Errorf("the log says %s", logged)
	}
}

// limits is what a helper runs under.
type limits struct {
	Environment     []string
	Dir             string
	Data, CPU       syscall.Rlimit
	Core, File      syscall.Rlimit
	Nice            []int // of each thread
	Group, OOMScore string
	Before, After   uint64 // the memory that it had when it was limited
}

// showLimits is a helper that does nothing but show how it is limited.
func showLimits(args []string) int {
	var now limits
	l, err := parseArguments(args)
	must(err)
	now.Before = dataSize()
	must(limitProcess(l, func() {}))
	now.After = dataSize()
	now.Environment = os.Environ()
	now.Dir, err = os.Getwd()
	must(err)
	for resource, to := range map[int]*syscall.Rlimit{
		syscall.RLIMIT_DATA: &now.Data, syscall.RLIMIT_CPU: &now.CPU, syscall.RLIMIT_CORE: &now.Core, syscall.RLIMIT_FSIZE: &now.File,
	} {
		must(syscall.Getrlimit(resource, to))
	}
	threads, err := os.ReadDir("/proc/self/task")
	must(err)
	for _, thread := range threads {
		var id int
		_, err := fmt.Sscan(thread.Name(), &id)
		must(err)
		nice, err := syscall.Getpriority(syscall.PRIO_PROCESS, id)
		must(err)
		now.Nice = append(now.Nice, 20-nice) // the system call returns it like that
	}
	if syscall.Getpgrp() == os.Getpid() {
		now.Group = "own"
	}
	score, err := os.ReadFile("/proc/self/oom_score_adj")
	must(err)
	now.OOMScore = strings.TrimSpace(string(score))
	text, err := json.Marshal(now)
	must(err)
	return refuseWith(causeInvalid, string(text))
}

func TestHelper_Limits(t *testing.T) {
	t.Setenv("SLUICE_ADMIN_KEY", "not for the helper")
	c := newCompiler(t, Config{Command: playing(t, "limited")})
	_, err := c.Compile(t.Context(), answering(1))
	var l limits
	_, text, _ := strings.Cut(fmt.Sprint(err), ": {")
	if err := json.NewDecoder(strings.NewReader("{" + text)).Decode(&l); err != nil {
		t.Fatalf("%v: %q", err, text)
	}
	if len(l.Environment) > 0 {
		t.Errorf("the environment is %q", l.Environment)
	}
	if real, err := filepath.EvalSymlinks(c.config.CacheDir); err != nil || filepath.Dir(l.Dir) != real {
		t.Errorf("the helper works in %s, and not in %s", l.Dir, c.config.CacheDir)
	}
	if l.Data.Cur != l.Data.Max || l.Data.Max < l.Before+1<<30 || l.Data.Max > l.After+1<<30 {
		t.Errorf("memory is limited to %+v, and was between %d and %d", l.Data, l.Before, l.After)
	}
	if expected := (syscall.Rlimit{Cur: 60, Max: 60 + lastSeconds}); l.CPU != expected {
		t.Errorf("processor time is limited to %+v", l.CPU)
	}
	if l.Core != (syscall.Rlimit{}) {
		t.Errorf("core files are limited to %+v", l.Core)
	}
	if expected := (syscall.Rlimit{Cur: 512 << 20, Max: 512 << 20}); l.File != expected {
		t.Errorf("files are limited to %+v", l.File)
	}
	for _, nice := range l.Nice {
		if nice < niceness {
			t.Errorf("the niceness of the threads is %v", l.Nice)
		}
	}
	if len(l.Nice) == 0 || l.Group != "own" || l.OOMScore != "1000" {
		t.Errorf("%d threads, group %q, score %q", len(l.Nice), l.Group, l.OOMScore)
	}
}

// serve is a server: it compiles with a helper that does not end.
func serve(args []string) int {
	self, err := os.Executable()
	must(err)
	c, err := New(Config{CacheDir: args[0], Command: []string{self, "lasting", args[1]}})
	must(err)
	_, err = c.Compile(context.Background(), answering(1))
	must(err)
	return 0
}

// TestCompile_ServerKilled kills a server while its helper works: the helper goes with it, and the next start clears up.
func TestCompile_ServerKilled(t *testing.T) {
	dir, pipe := cacheDir(t), filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	command := playing(t, "server", dir, pipe)
	server := exec.CommandContext(t.Context(), command[0], command[1:]...)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	helper, err := os.Open(pipe) // waits for the helper
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = helper.Close() }()
	if left, err := filepath.Glob(filepath.Join(dir, workshopPrefix+"*")); err != nil || len(left) != 1 {
		t.Errorf("the helper works in %v, %v", left, err)
	}
	if err := server.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = server.Wait()
	if _, err := io.ReadAll(helper); err != nil { // waits for its end
		t.Fatal(err)
	}
	mustCompile(t, newCompiler(t, Config{CacheDir: dir}), answering(1))
}
