package egress

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"sluice/hostfuncs/egress/fault"
)

// meaningfulTimeout is how much time a request must have had for its running out to say something of the destination, and
// not of the guest's impatience.
const meaningfulTimeout = time.Second

// attempt sends the exchange's request once, where policy and destination let it.
func (e *exchange) attempt(ctx context.Context) (*Response, *Error) {
	c := e.client
	allowance, denied := e.authorise()
	if denied != nil {
		return nil, denied
	}
	pass, err := e.destination().Enter()
	if err != nil {
		return nil, e.refused(err)
	}
	verdict, name, held := fault.Nothing, "", false
	defer func() {
		if !held {
			pass.Leave(verdict, name)
		}
	}()
	if c.attempted != nil {
		c.attempted(&e.url)
	}
	start := time.Now()
	response, failure := e.run(ctx, allowance)
	if failure == nil && response.Stream != nil {
		response.Stream.hold(pass, start)
		held = true
		return response, nil
	}
	verdict, name = judge(response, failure, start)
	return response, failure
}

// authorise asks the policy what the request may reach.
func (e *exchange) authorise() (*Allowance, *Error) {
	policy := e.client.config.Policy
	if o := e.client.config.Observe; o != nil && e.confined {
		policy = o.Enforced // a secret does not go where nobody has granted anything
	}
	allowance, err := policy.Permit(&e.url, e.method, e.header)
	if err != nil {
		return nil, e.client.denied(&e.url, err)
	}
	return allowance, nil
}

func (e *exchange) destination() *fault.Destination {
	return e.client.destinations.Get(fault.Key{Secure: e.url.secure, Port: e.url.port, Host: e.url.host})
}

// again returns the same request for another attempt.
func (e *exchange) again(body []byte) *exchange {
	return &exchange{
		client: e.client, call: e.call,
		method: e.method, confined: e.confined, streams: e.streams, cost: e.cost, worker: e.worker, url: e.url, header: e.header,
		loan: loan{from: e.loan.from}, body: lentBody{data: body},
	}
}

// refused names why the destination takes no request at present.
func (e *exchange) refused(err error) *Error {
	var open *fault.Open
	if !errors.As(err, &open) {
		return &Error{Code: CodeOverloaded, Message: "too many requests to " + e.url.host + " are under way: try again later"}
	}
	seconds := (open.Wait + time.Second - 1) / time.Second
	return &Error{
		Code: CodeCircuitOpen, RetryAfter: open.Wait,
		Message: fmt.Sprintf("most of the last requests to %s failed (the last with %s), so none is sent there now: try again in %d s",
			e.url.host, open.Last, seconds),
	}
}

// judge says what an attempt that began at start tells of its destination. Any answer but a server's failure shows that it
// works, one that cannot be decoded or is too large as well.
func judge(r *Response, failure *Error, start time.Time) (fault.Verdict, string) {
	if failure == nil {
		if r.Status >= 500 && r.Status != http.StatusNotImplemented && r.Status != http.StatusHTTPVersionNotSupported {
			return fault.Failure, statusName(r.Status)
		}
		return fault.Success, ""
	}
	switch failure.Code {
	case CodeConnectTimeout, CodeTimeout:
		if time.Since(start) < meaningfulTimeout {
			return fault.Nothing, ""
		}
		return fault.Failure, string(failure.Code)
	case CodeDNS, CodeConnect, CodeTLS, CodeClosed, CodeIncomplete, CodeProtocol:
		return fault.Failure, string(failure.Code)
	case CodeDecode, CodeResponseTooLarge:
		return fault.Success, ""
	}
	return fault.Nothing, ""
}

func statusName(status int) string { return fmt.Sprintf("status %d", status) }
