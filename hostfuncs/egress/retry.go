package egress

import (
	"context"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Bounds of [Retry].
const (
	MinAttempts = 2
	MaxAttempts = 5
)

const (
	// backoffBase and backoffMax bound the pause before the first retry, and before any; it doubles between.
	backoffBase = 100 * time.Millisecond
	backoffMax  = 5 * time.Second
	// maxRetryAfter is how long a service can make a retry wait.
	maxRetryAfter = 10 * time.Second
)

// Retry says what a client tries again by itself. Beside the statuses, what is tried again is that there was no
// connection, or that it ended before the whole response had come. The zero Retry tries nothing again.
type Retry struct {
	// Statuses are those of responses after which the request is sent again.
	Statuses []int
	// Attempts is how often a request is sent at most, from [MinAttempts] to [MaxAttempts].
	Attempts int
	// Unsafe says that POST and PATCH are sent again too, though the service may have done what they say already.
	Unsafe bool
}

func (r *Retry) covers(method string) bool {
	switch {
	case r.Attempts < MinAttempts:
		return false
	case method == http.MethodPost || method == http.MethodPatch:
		return r.Unsafe
	}
	return true
}

// wants reports whether what came of an attempt is to be tried again.
func (r *Retry) wants(response *Response, failure *Error) bool {
	if failure == nil {
		return slices.Contains(r.Statuses, response.Status)
	}
	switch failure.Code {
	case CodeDNS, CodeConnect, CodeConnectTimeout, CodeClosed, CodeIncomplete:
		return true
	}
	return false
}

// try sends the request, again where that is configured, within the destination's budget and the time that ctx leaves.
func (e *exchange) try(ctx context.Context, body []byte) (*Response, *Error) {
	retry := &e.client.config.Retry
	response, failure := e.attempt(ctx)
	if !retry.covers(e.method) {
		return response, failure
	}
	if !retry.wants(response, failure) {
		if failure == nil {
			e.destination().Budget().Earn()
		}
		return response, failure
	}
	for n := 1; n < min(retry.Attempts, MaxAttempts); n++ {
		pause := backoff(n)
		if failure == nil {
			pause += retryAfter(response, time.Now())
		}
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= pause {
			break // what there is says more than that the time is over
		}
		if !e.destination().Budget().Take() {
			break
		}
		gaveUp := response.giveUp() // nothing is held during the pause
		if gaveUp {
			response, failure = nil, &Error{Code: CodeTimeout, Message: e.url.host + " did not answer within the time"}
		}
		if !sleep(ctx, pause) {
			break
		}
		nextResponse, nextFailure := e.again(body).attempt(ctx)
		if nextFailure != nil && nextFailure.Code == CodeCircuitOpen && !gaveUp {
			break // it opened meanwhile, and what it opened for is known better here
		}
		e.client.config.Counters.Retries.Add(1)
		response.drop()
		response, failure = nextResponse, nextFailure
		if !retry.wants(response, failure) {
			break
		}
	}
	if err := e.call.Err(); err != nil {
		response.giveUp()
		return nil, ended(err)
	}
	return response, failure
}

// backoff is the pause before the nth retry: a random share of a bound that doubles, so that requests that failed together
// do not come back together.
//
// See https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/
func backoff(n int) time.Duration {
	return rand.N(min(backoffBase<<(n-1), backoffMax))
}

// retryAfter is how long the service asks to be left alone, up to maxRetryAfter.
//
// See https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3
func retryAfter(r *Response, now time.Time) time.Duration {
	for _, h := range r.Headers {
		if h[0] != "retry-after" {
			continue
		}
		if seconds, err := strconv.ParseUint(h[1], 10, 31); err == nil {
			return min(time.Duration(seconds)*time.Second, maxRetryAfter)
		}
		if at, err := http.ParseTime(h[1]); err == nil {
			return min(max(at.Sub(now), 0), maxRetryAfter)
		}
	}
	return 0
}

// sleep reports whether the pause passed before ctx ended.
func sleep(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
