package egress

import (
	"errors"
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
	full    bool // more was to wait than may
}

// maxSealed is how much TLS may take at a time, in bytes. It takes nothing while something waits, so that no more than that
// and its framing does.
const maxSealed = 64 << 10

// maxPending is how much may wait, in bytes. Only a peer can make it more: it asks for new keys as often as it likes, which
// TLS answers each time, and does not read the answers.
const maxPending = 2 * maxSealed

var errFull = errors.New("egress: the peer does not read what it has TLS answer")

// Write implements net.Conn.
func (o *outbox) Write(p []byte) (int, error) {
	o.mu.Lock()
	if !o.waiting {
		o.mu.Unlock()
		return o.Conn.Write(p)
	}
	defer o.mu.Unlock()
	if len(o.pending)+len(p) > maxPending {
		o.full = true
		return 0, errFull
	}
	o.pending = append(o.pending, p...)
	return len(p), nil
}

func (o *outbox) begin() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.waiting = true
}

// isFull reports whether the connection has to end.
func (o *outbox) isFull() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.full
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
