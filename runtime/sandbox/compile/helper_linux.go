package compile

import (
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
)

// ownProgram names the running program, even if its file was replaced since it was started.
func ownProgram() (string, error) {
	const self = "/proc/self/exe"
	if _, err := os.Readlink(self); err == nil {
		return self, nil
	}
	return os.Executable()
}

// attributes has a helper end with the server, however that ends, and keeps from it the signals of the terminal.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

// niceness is the helper's: calls come first.
const niceness = 10

// lastSeconds is how long a helper that used up its processor time may still take to say so, in seconds.
const lastSeconds = 5

// limitProcess sets the limits of this process, and has a function called when it used up its processor time.
func limitProcess(l helperLimits, overCPU func()) error {
	used := make(chan os.Signal, 1)
	signal.Notify(used, syscall.SIGXCPU)
	go func() {
		<-used
		overCPU()
	}()
	data := dataSize() + l.data
	limits := []struct {
		name       string
		resource   int
		soft, hard uint64
	}{
		{"core files", syscall.RLIMIT_CORE, 0, 0},
		{"processor time", syscall.RLIMIT_CPU, l.cpu, l.cpu + lastSeconds},
		{"the size of files", syscall.RLIMIT_FSIZE, l.code, l.code},
		{"memory", syscall.RLIMIT_DATA, data, data},
	}
	for _, limit := range limits {
		if err := lowerLimit(limit.resource, limit.soft, limit.hard); err != nil {
			return fmt.Errorf("limiting %s: %w", limit.name, err)
		}
	}
	// These are courtesy, and not everywhere allowed. The priority is set for the group because it would else be that of
	// one thread. The score has the system end the helper before the server when there is no memory left.
	_ = syscall.Setpriority(syscall.PRIO_PGRP, 0, niceness)
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0)
	return nil
}

// lowerLimit sets a limit, unless there is a lower one.
func lowerLimit(resource int, soft, hard uint64) error {
	var present syscall.Rlimit
	if err := syscall.Getrlimit(resource, &present); err != nil {
		return err
	}
	return syscall.Setrlimit(resource, &syscall.Rlimit{Cur: min(soft, present.Max), Max: min(hard, present.Max)})
}

// dataSize is how much of what RLIMIT_DATA counts this process has already, in bytes: much of it is only reserved. 0 where
// it can't be known.
//
// See https://man7.org/linux/man-pages/man5/proc_pid_status.5.html
func dataSize() uint64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmData:"); ok {
			kib, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 54)
			if err == nil {
				return kib << 10
			}
		}
	}
	return 0
}
