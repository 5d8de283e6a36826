package catalog

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"
)

// writerFolder is the environment variable that makes the test binary a process that writes to the store in this folder
// until it is killed.
const writerFolder = "SLUICE_CATALOG_TEST_WRITER"

const killRounds = 20

func TestMain(m *testing.M) {
	if dir := os.Getenv(writerFolder); dir != "" {
		fmt.Fprintln(os.Stderr, writeForever(dir, os.Stdout))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// writeForever changes one of four connectors after the other. It prints a line before each change, and one when it has
// been acknowledged: the connector, its revision and its active version, or 0 and "-" where it was deleted.
func writeForever(dir string, out io.Writer) error {
	ctx := context.Background()
	l, err := Open(dir, Options{LockTimeout: 10 * time.Second})
	if err != nil {
		return err
	}
	for n := 1; ; n++ {
		name := fmt.Sprintf("c%d", rand.IntN(4))
		e, err := l.Get(ctx, name)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		fmt.Fprintf(out, "try %s 0 -\n", name)
		if e.Revision > 0 && n%7 == 0 {
			err = l.Delete(ctx, name, e.Revision)
			e = Entry{Active: "-"}
		} else {
			e.Name = name
			e, err = putAndSwap(ctx, l, e, fmt.Appendf(nil, "%d", rand.Uint64()))
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "ack %s %d %s\n", name, e.Revision, e.Active)
		if n%5 == 0 {
			if _, err := l.Sweep(ctx); err != nil {
				return err
			}
		}
	}
}

func putAndSwap(ctx context.Context, l *Local, e Entry, b []byte) (Entry, error) {
	digest, err := l.PutBlob(ctx, b)
	if err != nil {
		return e, err
	}
	return l.CompareAndSwap(ctx, e.WithVersion(newVersion(digest, len(b)), 3), e.Revision)
}

// told is what a writer said of a connector.
type told struct {
	revision uint64
	active   string
}

func TestKill(t *testing.T) {
	dir := t.TempDir()
	acknowledged := map[string]told{}
	for round := range killRounds {
		trying := writeAndKill(t, dir, 1+rand.IntN(40), acknowledged)
		l, err := Open(dir, Options{LockTimeout: 10 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]told{}
		all, err := l.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range all {
			found[e.Name] = told{e.Revision, e.Active}
			for _, v := range e.Versions {
				if _, err := l.Blob(t.Context(), v.SHA256); err != nil {
					t.Errorf("round %d: connector %s refers to a blob: %v", round, e.Name, err)
				}
			}
		}
		for i := range 4 {
			name := fmt.Sprintf("c%d", i)
			got, want := found[name], acknowledged[name]
			// The change in flight may have come through: a newer revision, or none.
			if got != want && (name != trying || got.revision != 0 && got.revision <= want.revision) {
				t.Errorf("round %d: connector %s is %+v; acknowledged was %+v", round, name, got, want)
			}
		}
		if err := checkFiles(l); err != nil {
			t.Errorf("round %d: %v", round, err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		acknowledged = found
	}
}

// writeAndKill starts a writer, kills it after so many lines, notes what it acknowledged, and returns the connector that
// it was changing, if any.
func writeAndKill(t *testing.T, dir string, lines int, acknowledged map[string]told) (trying string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), writerFolder+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	scanner := bufio.NewScanner(out)
	for n := 1; scanner.Scan(); n++ {
		var what, name string
		var now told
		if _, err := fmt.Sscan(scanner.Text(), &what, &name, &now.revision, &now.active); err != nil {
			t.Fatalf("%q: %v", scanner.Text(), err)
		}
		switch {
		case what == "try":
			trying = name
		case now.revision == 0:
			trying = ""
			delete(acknowledged, name)
		default:
			trying = ""
			acknowledged[name] = now
		}
		if n == lines {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != -1 {
		t.Fatalf("the writer ended by itself: %v", err)
	}
	return trying
}
