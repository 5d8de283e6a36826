package main

import (
	"os"
	"strconv"
	"strings"
	"time"
)

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
