// Package hostfuncs is what a guest may ask of the host, one file a capability. It knows nothing of WebAssembly: an
// ABI copies bytes in and out of a guest and calls these functions, each of which checks what the call was granted,
// ends with the call's context, and answers a stable Errno.
package hostfuncs

import (
	"context"
	"time"

	"sluice/hostfuncs/cache"
	"sluice/hostfuncs/egress"
	"sluice/hostfuncs/secret"
)

// Errno is what a host function returns to a guest instead of a result. The values are those of the native ABI.
type Errno int32

// The values of the native ABI; 0 is success.
const (
	OK           Errno = 0
	BadHandle    Errno = -1
	BadRange     Errno = -2
	TooLarge     Errno = -3
	Invalid      Errno = -4
	NotAvailable Errno = -5
	Absent       Errno = -6
	Timeout      Errno = -7
	Closed       Errno = -8
	NotGranted   Errno = -9 // the capability is not requested, or not granted
)

// MaxDeadline is the longest that any call can be given: whoever sets a deadline is bounded by it, and what a guest asks
// to wait for is never longer.
const MaxDeadline = 24 * time.Hour

// Doer sends one HTTP request for a guest. *egress.Client is the one that goes out.
type Doer interface {
	// Authorise says why a request can't be sent, as far as its method and its URL tell; nil where it may be.
	Authorise(r *egress.Request) *egress.Error
	Do(ctx context.Context, r *egress.Request) (*egress.Response, *egress.Error)
}

// Call is the host's side of one call: what it was granted, and what has gathered so far. It belongs to the goroutine
// that runs the guest.
type Call struct {
	// HTTP is where requests go, under the connector's grant.
	HTTP Doer
	// TCP is where connections go, under the connector's grant. Nil is for a guest that is only being described.
	TCP Dialer
	// Cache is what the connector keeps from call to call; nil where that is not requested or not granted.
	Cache *cache.Cache
	// Describing says that the guest is only being asked for its manifest: nothing but the log, the clock and
	// randomness is offered.
	Describing bool
	// Secrets is what the call does with secrets.
	Secrets secret.Call
	// Counters count the connector's failures; nil where nobody wants to know.
	Counters *egress.Counters

	masker *secret.Masker // of the response that comes, until MaskHTTP
	opened egress.Cost
	log    log
}

// Opened is what opening connections for the call has taken since it was last asked, in units of fuel.
func (c *Call) Opened() int { return c.opened.Take() }

// The capabilities whose failures are counted, as manifests name them.
const (
	capabilityHTTP   = "http"
	capabilityTCP    = "tcp"
	capabilitySecret = "secret"
)

// failed counts what the guest asked for in vain, and returns why.
func (c *Call) failed(capability string, failure *egress.Error) *egress.Error {
	if failure != nil && c.Counters != nil {
		c.Counters.Fail(capability, failure)
	}
	return failure
}
