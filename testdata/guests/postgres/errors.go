package main

import (
	"context"
	"errors"
	"net"

	sluice "sluice/guest-sdk/go"

	"github.com/lib/pq"
)

// cancelled is what the database says of a query whose time was over for the driver, which has told it so.
const cancelled = "57014"

// failure gives the driver's errors a code: the database's own, or that of the connection.
func failure(err error) error {
	if err == nil {
		return nil
	}
	if own, ok := errors.AsType[*sluice.Error](err); ok {
		return own
	}
	refused, ok := errors.AsType[*pq.Error](err)
	if ok && refused.Code != cancelled {
		return sluice.Errorf("SQLState"+string(refused.Code), 400, "The database refused.")
	}
	var timeout net.Error
	if ok || errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() {
		return sluice.Errorf("timeout", 504, "The database took too long.")
	}
	return sluice.Errorf("DatabaseFailed", 500, "Asking the database failed.")
}
