package runtime

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sluice/internal/guests"
)

// The server's connections and those of guests share one budget.
func TestRuntime_CountSockets(t *testing.T) {
	h := start(t, open(t, t.TempDir()), func(c *Config) { c.MaxSockets = 2 })
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln := h.CountSockets(inner)
	accepted := make(chan net.Conn, 8)
	ended := make(chan error, 1)
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				ended <- err
				return
			}
			accepted <- c
		}
	}()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	closedByPeer := func(c net.Conn) {
		t.Helper()
		_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
		if _, err := c.Read(make([]byte, 1)); err == nil || strings.Contains(err.Error(), "timeout") {
			t.Errorf("got %v", err)
		}
	}
	dial()
	dial()
	first, second := <-accepted, <-accepted
	closedByPeer(dial())
	_ = first.Close()
	_ = first.Close() // twice gives back once
	dial()
	third := <-accepted
	closedByPeer(dial())
	_, _ = second.Close(), third.Close()
	_ = ln.Close()
	<-ended
}

// failingListener fails to accept with the errors in turn, the last one ever again, and with net.ErrClosed once it is closed.
type failingListener struct {
	net.Listener
	errors   []error // nil: there is a connection
	accepted atomic.Int64
	closed   chan struct{}
}

func (l *failingListener) Accept() (net.Conn, error) {
	select {
	case <-l.closed:
		return nil, net.ErrClosed
	default:
	}
	n := int(l.accepted.Add(1)) - 1
	if err := l.errors[min(n, len(l.errors)-1)]; err != nil {
		return nil, err
	}
	ours, theirs := net.Pipe()
	_ = theirs.Close()
	return ours, nil
}

func (l *failingListener) Close() error {
	close(l.closed)
	return nil
}

func acceptError(number syscall.Errno) error {
	return &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", number)}
}

// A server ends when accepting fails: what passes must not get there.
func TestRuntime_CountSockets_Accept(t *testing.T) {
	h := start(t, open(t, t.TempDir()), func(c *Config) { c.MaxSockets = 16 })
	passing := []error{
		acceptError(syscall.EMFILE), acceptError(syscall.ENFILE), acceptError(syscall.ENOBUFS), acceptError(syscall.ENOMEM),
		acceptError(syscall.ECONNABORTED), nil,
	}
	inner := &failingListener{errors: passing, closed: make(chan struct{})}
	ln := h.CountSockets(inner)
	c, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	if n := inner.accepted.Load(); int(n) != len(passing) {
		t.Errorf("accepting was tried %d times, want %d", n, len(passing))
	}
	for _, final := range []error{acceptError(syscall.EINVAL), net.ErrClosed, errors.New("broken")} {
		inner := &failingListener{errors: []error{final}, closed: make(chan struct{})}
		if _, err := h.CountSockets(inner).Accept(); !errors.Is(err, final) {
			t.Errorf("got %v, want %v", err, final)
		}
	}
}

// Accepting that waits ends with the listener, and the operator is told once why it waits.
func TestRuntime_CountSockets_Close(t *testing.T) {
	h := start(t, open(t, t.TempDir()), func(c *Config) { c.MaxSockets = 16 })
	inner := &failingListener{errors: []error{acceptError(syscall.EMFILE)}, closed: make(chan struct{})}
	ln := h.CountSockets(inner)
	ended := make(chan error, 1)
	go func() {
		_, err := ln.Accept()
		ended <- err
	}()
	eventually(t, "accepting is tried again", func() bool { return inner.accepted.Load() > 2 })
	_ = ln.Close()
	select {
	case err := <-ended:
		if !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("accepting goes on")
	}
	if n := strings.Count(h.log.String(), "connections can't be accepted"); n != 1 {
		t.Errorf("the operator was told %d times", n)
	}
}

// TestRuntime_ConnectorSockets: a connector spends its share of the sockets and no more, under whichever grant.
func TestRuntime_ConnectorSockets(t *testing.T) {
	peer, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	grant := Grant{TCP: []string{peer.Addr().String()}, Addresses: []string{"loopback"}}
	h := start(t, open(t, t.TempDir()), func(c *Config) { c.MaxSockets = 200 }) // 150 for guests, 75 for one
	h.install(guests.Module(t, "dialer"))
	h.setGrant("dialer", &grant)
	ctx, cancel := context.WithCancel(context.Background())
	params := fmt.Sprintf(`{"address":%q,"count":16,"how":"read"}`, peer.Addr())
	var calls []<-chan outcome
	for range 4 {
		calls = append(calls, h.begin(ctx, "dialer/Leave", params))
	}
	eventually(t, "four calls have their connections", func() bool { return h.sockets.Open() == 64 })
	grant.Deadline = 10 * time.Second
	h.setGrant("dialer", &grant)
	a, err := h.execute(context.Background(), "dialer/Leave", params)
	if err != nil || a.Error == nil || a.Error.Code != "overloaded" {
		t.Errorf("beyond its share it got %+v, %v", a, err)
	}
	if another := h.socketsOf("another"); another.Acquire() {
		another.Release()
	} else {
		t.Error("it has spent another connector's share too")
	}
	cancel()
	for _, c := range calls {
		<-c
	}
	eventually(t, "all sockets are given back", func() bool { return h.sockets.Open() == 0 })
}
