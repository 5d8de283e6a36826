package figures

import (
	"cmp"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// Machine is where and with what was measured.
type Machine struct {
	CPU, System, Go, Wazero, Date string
	Load                          string // of a minute before the start
	Cores                         int
}

// ThisMachine describes the machine that this program runs on.
func ThisMachine() Machine {
	m := Machine{
		CPU: cmp.Or(valueIn("/proc/cpuinfo", "model name"), runtime.GOARCH), Cores: runtime.NumCPU(),
		System: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version(), Wazero: "unknown", Load: "unknown",
		Date: time.Now().UTC().Format("2006-01-02 15:04 UTC"),
	}
	if text, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.System += " " + strings.TrimSpace(string(text))
	}
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.Load, _, _ = strings.Cut(string(text), " ")
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			if d.Path == "github.com/tetratelabs/wazero" {
				m.Wazero = d.Version
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
