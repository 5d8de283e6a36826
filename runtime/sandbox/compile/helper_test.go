package compile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os/exec"
	"strings"
	"testing"
)

// helperAlone returns the helper, not started, with a module still to be written to it.
func helperAlone(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	command := playing(t, append([]string{Argument}, args...)...)
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Dir = t.TempDir()
	return cmd
}

func exitStatus(t *testing.T, err error) int {
	t.Helper()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		t.Fatalf("the helper ended with %v", err)
	}
	return exit.ExitCode()
}

func sized(length int, content []byte) []byte {
	return append(binary.LittleEndian.AppendUint64(nil, uint64(length)), content...)
}

func TestHelper_Errors(t *testing.T) {
	wasm := answering(1)
	limits := DefaultLimits().arguments()
	small := Limits{Module: 8}.withDefaults().arguments()
	tests := []struct {
		name     string
		args     []string
		stdin    []byte
		expected int
		text     string
	}{
		{"no limits", nil, sized(len(wasm), wasm), exitUsage, "is for Sluice itself"},
		{"too few limits", limits[1:], sized(len(wasm), wasm), exitUsage, "is for Sluice itself"},
		{"a limit that is no number", append([]string{"1GiB"}, limits[1:]...), sized(len(wasm), wasm), exitUsage, "is for Sluice itself"},
		{"a negative limit", append([]string{"-1"}, limits[1:]...), sized(len(wasm), wasm), exitUsage, "is for Sluice itself"},
		{"nothing", limits, nil, exitInput, "EOF"},
		{"half a length", limits, []byte{1, 0, 0}, exitInput, "unexpected EOF"},
		{"half a module", limits, sized(len(wasm), wasm[:20]), exitInput, "unexpected EOF"},
		{"too large", small, sized(len(wasm), wasm), exitInput, "too large"},
		{"enormous", limits, bytes.Repeat([]byte{0xff}, 100), exitInput, "too large"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			cmd := helperAlone(t, tc.args...)
			var stderr strings.Builder
			cmd.Stdin, cmd.Stderr = bytes.NewReader(tc.stdin), &stderr
			stdout, err := cmd.Output()
			if status := exitStatus(t, err); status != tc.expected || !strings.Contains(stderr.String(), tc.text) || len(stdout) > 0 {
				t.Errorf("exit status %d, %q, %s; wanted %d, %q", status, stdout, &stderr, tc.expected, tc.text)
			}
		})
	}
}

// TestHelper_Orphaned closes the pipe that tells the helper that there is a server, while it is busy for a minute.
func TestHelper_Orphaned(t *testing.T) {
	cmd := helperAlone(t, DefaultLimits().arguments()...)
	wasm := nested(150_000)
	cmd.Stdin = bytes.NewReader(sized(len(wasm), wasm))
	stdout, err := cmd.Output()
	if status := exitStatus(t, err); status != exitOrphaned || len(stdout) > 0 {
		t.Errorf("exit status %d, %q", status, stdout)
	}
}
