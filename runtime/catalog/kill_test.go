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
	"strconv"
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

// writeForever changes one of four connectors, or of four sealed secrets, after the other. It prints a line before each
// change, and one when it has been acknowledged: the name and what was told of it.
func writeForever(dir string, out io.Writer) error {
	ctx := context.Background()
	l, err := Open(dir, Options{LockTimeout: 10 * time.Second})
	if err != nil {
		return err
	}
	for n := 1; ; n++ {
		name, change := fmt.Sprintf("c%d", rand.IntN(4)), changeConnector
		if n%3 == 0 {
			name, change = fmt.Sprintf("s%d", rand.IntN(4)), changeSecret
		}
		fmt.Fprintln(out, "try", name, told{})
		now, err := change(ctx, l, name, n)
		if err != nil {
			return err
		}
		fmt.Fprintln(out, "ack", name, now)
		if n%5 == 0 {
			if _, err := l.Sweep(ctx); err != nil {
				return err
			}
		}
	}
}

func changeConnector(ctx context.Context, l *Local, name string, n int) (told, error) {
	e, err := l.Get(ctx, name)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return told{}, err
	}
	switch e.Name = name; {
	case e.Revision > 0 && n%7 == 0:
		return told{}, l.Delete(ctx, name, e.Revision)
	case e.Revision > 0 && n%2 == 0:
		e.Grant = fmt.Appendf(nil, "%d", rand.Uint64())
		e, err = l.CompareAndSwap(ctx, e, e.Revision)
	default:
		e, err = putAndSwap(ctx, l, e, fmt.Appendf(nil, "%d", rand.Uint64()))
	}
	return toldOf(e), err
}

// changeSecret seals a text that is greater than all before it.
func changeSecret(ctx context.Context, l *Local, name string, _ int) (told, error) {
	if rand.IntN(4) == 0 {
		err := l.DeleteSecret(ctx, name)
		if errors.Is(err, ErrNotFound) {
			err = nil
		}
		return told{}, err
	}
	sealed := strconv.FormatInt(time.Now().UnixNano(), 10)
	return toldOfSecret(sealed), l.PutSecret(ctx, name, []byte(sealed))
}

func putAndSwap(ctx context.Context, l *Local, e Entry, b []byte) (Entry, error) {
	digest, err := l.PutBlob(ctx, b)
	if err != nil {
		return e, err
	}
	return l.CompareAndSwap(ctx, e.WithVersion(newVersion(digest, len(b)), 3), e.Revision)
}

// told is what a writer said of a connector, with its grant, or of a secret, whose revision is what was sealed. The zero
// told is for what is not there.
type told struct {
	revision uint64
	active   string
	grant    string
}

func toldOf(e Entry) told { return told{e.Revision, e.Active, string(e.Grant)} }

func toldOfSecret(sealed string) told {
	revision, err := strconv.ParseUint(sealed, 10, 64)
	if err != nil {
		return told{active: "torn: " + sealed}
	}
	return told{revision: revision}
}

func (t told) String() string { return fmt.Sprintf("%d %q %q", t.revision, t.active, t.grant) }

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
			found[e.Name] = toldOf(e)
			for _, v := range e.Versions {
				if _, err := l.Blob(t.Context(), v.SHA256); err != nil {
					t.Errorf("round %d: connector %s refers to a blob: %v", round, e.Name, err)
				}
			}
		}
		secrets, err := sealedSecrets(l)
		if err != nil {
			t.Errorf("round %d: %v", round, err)
		}
		for name, sealed := range secrets {
			found[name] = toldOfSecret(sealed)
		}
		for i := range 8 {
			name := fmt.Sprintf("%c%d", "cs"[i%2], i/2)
			got, want := found[name], acknowledged[name]
			// The change in flight may have come through: a newer revision, or none.
			if got != want && (name != trying || got.revision != 0 && got.revision <= want.revision) {
				t.Errorf("round %d: %s is %s; acknowledged was %s", round, name, got, want)
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

// writeAndKill starts a writer, kills it after so many lines, notes what it acknowledged, and returns what it was
// changing, if anything.
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
		if _, err := fmt.Sscanf(scanner.Text(), "%s %s %d %q %q", &what, &name, &now.revision, &now.active, &now.grant); err != nil {
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
