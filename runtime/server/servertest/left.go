package servertest

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// expectNothingLeft fails the test where, after everything else was cleaned up, goroutines or file descriptors are
// there that were not there before.
func expectNothingLeft(t testing.TB) {
	t.Helper()
	before, running := descriptors(), goleak.IgnoreCurrent()
	t.Cleanup(func() {
		if err := nothingLeft(before, running); err != nil {
			t.Error(err)
		}
	})
}

// settling bounds how long the system may take to close what was let go: a goroutine that has nothing more to do, a
// socket whose close is under way.
const settling = 5 * time.Second

func nothingLeft(before []string, ignore ...goleak.Option) error {
	ignore = append(ignore,
		// fasthttp's worker pool looks every ten seconds whether it was stopped.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
	)
	if err := goleak.Find(ignore...); err != nil {
		return err
	}
	var left []string
	if settled(func() bool { left = more(descriptors(), before); return len(left) == 0 }) {
		return nil
	}
	return fmt.Errorf("%d file descriptors are left: %s", len(left), strings.Join(left, ", "))
}

// settled waits until done returns true, and says whether it did.
func settled(done func() bool) bool {
	for until := time.Now().Add(settling); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(until) {
			return false
		}
	}
	return true
}

// descriptors is what the process has open, sorted; nothing on systems that don't tell.
func descriptors() []string {
	files, _ := os.ReadDir("/proc/self/fd")
	var open []string
	for _, f := range files {
		target, err := os.Readlink("/proc/self/fd/" + f.Name())
		if err != nil || strings.HasSuffix(target, "/fd") {
			continue // the folder itself, while it is read
		}
		if strings.HasPrefix(target, "anon_inode:") || strings.HasSuffix(target, "/pagemap") {
			continue // the poller's own, and those by which written memory is found: one each, kept for ever
		}
		open = append(open, target)
	}
	slices.Sort(open)
	return open
}

// more returns what of now was not there before.
func more(now, before []string) []string {
	before = slices.Clone(before)
	var out []string
	for _, x := range now {
		if i := slices.Index(before, x); i >= 0 {
			before = slices.Delete(before, i, i+1)
			continue
		}
		out = append(out, x)
	}
	return out
}

// listener counts the connections that are open.
type listener struct {
	net.Listener
	open atomic.Int64
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.open.Add(1)
	return &connection{Conn: c, closed: sync.OnceFunc(func() { l.open.Add(-1) })}, nil
}

// allClosed returns an error unless every connection is closed, or is about to be: fasthttp closes one after it has
// ceased to count it.
func (l *listener) allClosed() error {
	if settled(func() bool { return l.open.Load() == 0 }) {
		return nil
	}
	return fmt.Errorf("%d connections are open after shutdown", l.open.Load())
}

type connection struct {
	net.Conn
	closed func()
}

// Close implements net.Conn.
func (c *connection) Close() error {
	defer c.closed()
	return c.Conn.Close()
}
