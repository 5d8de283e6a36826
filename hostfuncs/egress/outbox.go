package egress

import (
	"net"
	"sync"
)

// outbox is what TLS writes to. A writing of TLS that fails, for want of time too, ends the connection for good, since
// nobody knows how much of a record has gone out. So TLS writes to memory, and what is there goes out when there is
// time.
type outbox struct {
	net.Conn

	mu      sync.Mutex // protects what follows
	waiting bool       // what is written waits; until the handshake is done it does not
	pending []byte
}

// maxSealed is how much TLS may take at a time, in bytes: it bounds what waits.
const maxSealed = 64 << 10

// Write implements net.Conn.
func (o *outbox) Write(p []byte) (int, error) {
	o.mu.Lock()
	if !o.waiting {
		o.mu.Unlock()
		return o.Conn.Write(p)
	}
	defer o.mu.Unlock()
	o.pending = append(o.pending, p...)
	return len(p), nil
}

func (o *outbox) begin() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.waiting = true
}

// next is what has to go out.
func (o *outbox) next() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.pending
}

// sent drops what has gone out.
func (o *outbox) sent(n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.pending = o.pending[n:]; len(o.pending) == 0 {
		o.pending = nil
	}
}

// flush sends what waits, as far as the connection's deadline lets it. One at a time calls it, beside a reading.
func (o *outbox) flush() error {
	for {
		p := o.next()
		if len(p) == 0 {
			return nil
		}
		n, err := o.Conn.Write(p)
		o.sent(n)
		if err != nil {
			return err
		}
	}
}

// Close implements net.Conn. A handshake whose time is over ends by it. Afterwards the socket's owner closes it, after the
// last of what was written has gone out.
func (o *outbox) Close() error {
	o.mu.Lock()
	waiting := o.waiting
	o.mu.Unlock()
	if waiting {
		return nil
	}
	return o.Conn.Close()
}
