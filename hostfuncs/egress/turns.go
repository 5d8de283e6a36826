package egress

import "context"

// turns bounds how many do something at once. Nil is no bound.
type turns chan struct{}

// take waits for a turn, in order, until ctx ends.
func (t turns) take(ctx context.Context) error {
	if t == nil {
		return nil
	}
	select {
	case t <- struct{}{}:
		return nil
	default:
	}
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// give gives a turn to the next.
func (t turns) give() {
	if t != nil {
		<-t
	}
}

// take waits for a turn of a connector, and then for one of the process: who has none of its own keeps nobody else from
// theirs.
func (s *Sockets) take(ctx context.Context, of func(*Sockets) turns) error {
	for at := s; at != nil; at = at.parent {
		if err := of(at).take(ctx); err != nil {
			s.giveTo(at, of)
			return err
		}
	}
	return nil
}

// give gives back what take took.
func (s *Sockets) give(of func(*Sockets) turns) { s.giveTo(nil, of) }

func (s *Sockets) giveTo(end *Sockets, of func(*Sockets) turns) {
	for ; s != end; s = s.parent {
		of(s).give()
	}
}
