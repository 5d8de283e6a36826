package main

import (
	"cmp"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

// machine is where and with what was measured.
type machine struct {
	cpu, system, golang, wazero, date, load string
	cores                                   int
}

func thisMachine() machine {
	m := machine{
		cpu: cmp.Or(valueIn("/proc/cpuinfo", "model name"), runtime.GOARCH), cores: runtime.NumCPU(),
		system: runtime.GOOS + "/" + runtime.GOARCH, golang: runtime.Version(), wazero: "unknown",
		date: time.Now().UTC().Format("2006-01-02 15:04 UTC"),
	}
	if text, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.system += " " + strings.TrimSpace(string(text))
	}
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.load, _, _ = strings.Cut(string(text), " ")
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			if d.Path == "github.com/tetratelabs/wazero" {
				m.wazero = d.Version
			}
		}
	}
	return m
}

// valueIn is the first value of a name in a file of lines "name : value", or "".
func valueIn(path, name string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// busyTime is how much CPU time this machine has spent on anything since it started, or 0 where that can't be told.
func busyTime() time.Duration {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	return parseBusy(string(text))
}

// parseBusy reads the line of /proc/stat that sums up all CPUs. It counts in hundredths of a second: user, nice, system,
// idle, waiting for I/O, interrupts, soft interrupts, stolen by the hypervisor, and guests, which are in user already.
// See https://www.kernel.org/doc/html/latest/filesystems/proc.html#miscellaneous-kernel-statistics-in-proc-stat
func parseBusy(stat string) time.Duration {
	const idle, ioWait, stolen = 3, 4, 7
	line, _, _ := strings.Cut(stat, "\n")
	numbers, ok := strings.CutPrefix(line, "cpu ")
	if !ok {
		return 0
	}
	var busy time.Duration
	for i, text := range strings.Fields(numbers) {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return 0
		}
		if i != idle && i != ioWait && i <= stolen {
			busy += time.Duration(n) * (time.Second / 100)
		}
	}
	return busy
}
