package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"
)

// load is a closed loop: each of its connections sends the next request when the last is answered. Requests are bytes
// made beforehand, so that the client takes as little as it can of the machine that it shares with the server.
type load struct {
	Address string
	Request []byte
	// Body is how many bytes the body of every answer must have.
	Body             int
	Connections      int
	WarmUp, Duration time.Duration
}

// loadResult is what a load found.
type loadResult struct {
	// Requests were sent within Duration, and answered within Took.
	Requests uint64
	Took     time.Duration
	// All counts those of the warm-up too.
	All      uint64
	P50, P99 time.Duration
	// CPU is what the client itself used.
	CPU time.Duration
}

// loadGrace is how long a load may take beyond its time: for its connections, and for the last answers.
const loadGrace = 20 * time.Second

func (l load) run() (loadResult, error) {
	clients := make([]*client, l.Connections)
	for i := range clients {
		conn, err := net.DialTimeout("tcp", l.Address, loadGrace/4)
		if err != nil {
			return loadResult{}, err
		}
		defer func() { _ = conn.Close() }()
		clients[i] = &client{load: l, conn: conn}
	}
	before := cpuTime()
	from := time.Now().Add(l.WarmUp)
	errs := make([]error, len(clients))
	var wait sync.WaitGroup
	for i, c := range clients {
		wait.Go(func() { errs[i] = c.run(from, from.Add(l.Duration)) })
	}
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		return loadResult{}, err
	}
	var all histogram
	r := loadResult{Took: l.Duration, CPU: cpuTime() - before}
	for _, c := range clients {
		all.add(&c.times)
		r.All += c.sent
		r.Took = max(r.Took, c.last.Sub(from))
	}
	r.Requests, r.P50, r.P99 = all.n, all.quantile(.5), all.quantile(.99)
	return r, nil
}

// client is one connection of a load.
type client struct {
	load  load
	conn  net.Conn
	buf   [16 << 10]byte
	times histogram
	sent  uint64
	last  time.Time // when the last answer came
}

// run sends requests until the time is over, and counts those that are sent within it.
func (c *client) run(from, until time.Time) error {
	if err := c.conn.SetDeadline(until.Add(loadGrace / 2)); err != nil {
		return err
	}
	for {
		began := time.Now()
		if !began.Before(until) {
			return nil
		}
		if _, err := c.conn.Write(c.load.Request); err != nil {
			return err
		}
		if err := c.answer(); err != nil {
			return err
		}
		c.last = time.Now()
		c.sent++
		if !began.Before(from) {
			c.times.record(c.last.Sub(began))
		}
	}
}

// answer reads one answer, which must be what every answer is.
func (c *client) answer() error {
	n, head := 0, -1
	for want := len(c.buf) + 1; n < want; {
		if n == len(c.buf) {
			return fmt.Errorf("an answer is larger than %d bytes", len(c.buf))
		}
		m, err := c.conn.Read(c.buf[n:])
		if err != nil {
			return err
		}
		n += m
		if head >= 0 {
			continue
		}
		if head = bytes.Index(c.buf[:n], endOfHead); head < 0 {
			continue
		}
		body, err := parseHead(c.buf[:head+2])
		if err != nil {
			return err
		}
		if body != c.load.Body {
			return fmt.Errorf("an answer has a body of %d bytes instead of %d", body, c.load.Body)
		}
		want = head + len(endOfHead) + body
		if n > want || want > len(c.buf) {
			return errors.New("an answer is not as long as it says, or too long")
		}
	}
	return nil
}

var (
	endOfHead     = []byte("\r\n\r\n")
	statusOK      = []byte("HTTP/1.1 200 ")
	contentLength = []byte("\r\nContent-Length: ")
)

// parseHead returns the length of the body that a head of status 200 announces. The head ends with its last line.
func parseHead(head []byte) (int, error) {
	if !bytes.HasPrefix(head, statusOK) {
		return 0, fmt.Errorf("an answer has another status than 200: %q", head[:min(len(head), len(statusOK))])
	}
	_, rest, ok := bytes.Cut(head, contentLength)
	digits, _, _ := bytes.Cut(rest, []byte("\r\n"))
	n, err := strconv.Atoi(string(digits))
	if !ok || err != nil || n < 0 {
		return 0, errors.New("an answer has no Content-Length")
	}
	return n, nil
}
