package main

import (
	"bytes"
	"net"
	"sync"
	"time"
)

// crowd is calls that are sent at once, each over a connection of its own, and wait for their answers together.
type crowd struct {
	Address string
	Request []byte
	Calls   int
	Delay   time.Duration // of the service's answers
}

// crowdResult is how calls of a crowd ended.
type crowdResult struct {
	Answered, Failed int
	// Why is what one failure was.
	Why string
}

const (
	// crowdPatience is how long calls may take until all of them wait. Connectors give a request 30 seconds.
	crowdPatience = 25 * time.Second
	// dialers is how many connections are made at once: more would overflow the server's backlog.
	dialers = 64
)

// run makes the connections, then sends the calls and waits for the answers.
func (c crowd) run() crowdResult {
	conns := make([]net.Conn, c.Calls)
	why := make([]string, c.Calls) // each call failed, "" where it did not
	slots := make(chan struct{}, dialers)
	var wait sync.WaitGroup
	for i := range conns {
		slots <- struct{}{}
		wait.Go(func() {
			var err error
			if conns[i], err = net.DialTimeout("tcp", c.Address, crowdPatience); err != nil {
				why[i] = err.Error()
			}
			<-slots
		})
	}
	wait.Wait()
	for i, conn := range conns {
		if conn == nil {
			continue
		}
		wait.Go(func() {
			why[i] = c.call(conn)
			_ = conn.Close()
		})
	}
	wait.Wait()
	var r crowdResult
	for _, w := range why {
		if w == "" {
			r.Answered++
			continue
		}
		if r.Failed++; r.Failed == 1 {
			r.Why = w
		}
	}
	return r
}

// call sends one call, and says why it failed, "" if it did not.
func (c crowd) call(conn net.Conn) string {
	if err := conn.SetDeadline(time.Now().Add(crowdPatience + c.Delay + loadGrace)); err != nil {
		return err.Error()
	}
	if _, err := conn.Write(c.Request); err != nil {
		return err.Error()
	}
	head := make([]byte, 0, 256)
	for len(head) < len(statusOK) {
		n, err := conn.Read(head[len(head):cap(head)])
		if err != nil {
			return err.Error()
		}
		head = head[:len(head)+n]
	}
	if !bytes.HasPrefix(head, statusOK) {
		line, _, _ := bytes.Cut(head, []byte("\r\n"))
		return string(line)
	}
	return ""
}
