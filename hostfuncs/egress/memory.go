package egress

import "errors"

// Memory lends what a response's body takes while it comes. It is called from the goroutine that called Do.
type Memory interface {
	// Take reports whether so many bytes more may be held.
	Take(n int) bool
	// Give gives back so many of those that were taken.
	Give(n int)
}

// errNoMemory is a body for which nothing is lent.
var errNoMemory = errors.New("no memory is left for the response")

// loan is what one response has of a Memory. The zero loan, and nil, take without being counted.
type loan struct {
	from  Memory
	bytes int
}

func (l *loan) take(n int) error {
	if l == nil || l.from == nil {
		return nil
	}
	if !l.from.Take(n) {
		return errNoMemory
	}
	l.bytes += n
	return nil
}

func (l *loan) give(n int) {
	if l != nil && l.from != nil && n > 0 {
		l.from.Give(n)
		l.bytes -= n
	}
}

// drop gives back what is lent for a response that nobody will read.
func (r *Response) drop() {
	if r != nil {
		r.loan.give(r.loan.bytes)
	}
}
