package hostfuncs

import (
	"context"
	"time"
)

// Now is the time of day, in nanoseconds since 1970-01-01 UTC.
func (c *Call) Now() int64 { return time.Now().UnixNano() }

// Sleep returns after d, or at once with the context's error when that ends earlier. A negative d is none.
func (c *Call) Sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
