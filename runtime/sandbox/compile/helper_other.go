//go:build !linux

package compile

import (
	"os"
	"syscall"
)

func ownProgram() (string, error) { return os.Executable() }

// attributes leaves it to the helper to notice that the server is gone.
func attributes() *syscall.SysProcAttr { return nil }

// limitProcess does nothing: the server ends a helper that takes too long, and what else it takes is not bounded here.
func limitProcess(helperLimits, func()) error { return nil }
