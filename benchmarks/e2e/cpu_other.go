//go:build !unix

package main

import "time"

// cpuTime is 0: how much CPU this process has used can't be told here.
func cpuTime() time.Duration { return 0 }
