package abi

import (
	"context"
	"encoding/binary"
	"testing"
	"time"

	"sluice/runtime/sandbox"
)

// subscription is one of poll_oneoff's. Its data is the first byte of the event.
type subscription struct {
	data, tag byte
	what      uint32 // the clock or the descriptor
	timeout   uint64
	absolute  bool
}

func (s subscription) bytes() []byte {
	b := make([]byte, subscriptionSize)
	b[0], b[8] = s.data, s.tag
	binary.LittleEndian.PutUint32(b[16:], s.what)
	binary.LittleEndian.PutUint64(b[24:], s.timeout)
	if s.absolute {
		b[40] = clockAbsolute
	}
	return b
}

// event is what poll_oneoff says of a subscription.
type event struct{ data, errno, tag byte }

// Where the tests of polls put things.
const (
	pollIn, pollOut, pollCount = 1024, 8192, 64
)

func (g *guest) subscribe(subs ...subscription) {
	var b []byte
	for _, s := range subs {
		b = append(b, s.bytes()...)
	}
	g.put(pollIn, string(b))
}

func (g *guest) events(out uint64) []event {
	var events []event
	for i := range g.get32(pollCount) {
		e := g.get(out+uint64(i)*eventSize, eventSize)
		for _, b := range append(e[1:8:8], e[11:]...) {
			if b != 0 {
				g.t.Errorf("event %d has bytes that nobody set: %x", i, e)
				break
			}
		}
		events = append(events, event{e[0], e[8], e[10]})
	}
	return events
}

func TestWASI_Poll(t *testing.T) {
	const (
		fdRead, fdWrite     = 1, 2
		realtime, monotonic = 0, 1
		millisecond         = uint64(time.Millisecond)
		hour                = uint64(time.Hour)
	)
	now := func() uint64 { return uint64(time.Now().UnixNano()) }
	running := func() uint64 { return uint64(time.Since(processStart)) }
	badF := byte(wasiBadF)
	tests := []struct {
		name string
		subs []subscription
		want []event
		wait uint64 // at least so many nanoseconds
	}{
		{"relative", []subscription{{7, 0, monotonic, 2 * millisecond, false}}, []event{{7, 0, 0}}, 2 * millisecond},
		{"relative, time of day", []subscription{{7, 0, realtime, millisecond, false}}, []event{{7, 0, 0}}, millisecond},
		{"nothing to wait for", []subscription{{7, 0, monotonic, 0, false}}, []event{{7, 0, 0}}, 0},
		{"absolute", []subscription{{7, 0, monotonic, running() + 5*millisecond, true}}, []event{{7, 0, 0}}, 0},
		{"absolute, time of day", []subscription{{7, 0, realtime, now() + 5*millisecond, true}}, []event{{7, 0, 0}}, 0},
		{"long past", []subscription{{7, 0, realtime, 1, true}, {8, 0, monotonic, 0, true}}, []event{{7, 0, 0}, {8, 0, 0}}, 0},
		{"the first of two", []subscription{{1, 0, monotonic, hour, false}, {2, 0, monotonic, millisecond, false}}, []event{{2, 0, 0}}, millisecond},
		{"two at once", []subscription{{1, 0, monotonic, millisecond, false}, {2, 0, realtime, millisecond, false}}, []event{{1, 0, 0}, {2, 0, 0}}, millisecond},
		{"relative before absolute", []subscription{{1, 0, realtime, now() + hour, true}, {2, 0, monotonic, millisecond, false}}, []event{{2, 0, 0}}, millisecond},
		{"for ever before soon", []subscription{{1, 0, monotonic, 1<<64 - 1, false}, {2, 0, monotonic, millisecond, false}}, []event{{2, 0, 0}}, millisecond},
		{"a descriptor is ready", []subscription{{1, 0, monotonic, hour, false}, {2, fdRead, 0, 0, false}}, []event{{2, 0, fdRead}}, 0},
		{"all descriptors", []subscription{{1, fdWrite, 1, 0, false}, {2, fdWrite, 2, 0, false}, {3, fdRead, 3, 0, false}},
			[]event{{1, 0, fdWrite}, {2, 0, fdWrite}, {3, badF, fdRead}}, 0},
		{"a bad descriptor does not wait", []subscription{{1, 0, monotonic, hour, false}, {2, fdWrite, 99, 0, false}}, []event{{2, badF, fdWrite}}, 0},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			g := newGuest(t, &Call{})
			g.subscribe(tc.subs...)
			began := time.Now()
			g.want(0, "poll_oneoff", pollIn, pollOut, uint64(len(tc.subs)), pollCount)
			if waited := time.Since(began); waited < time.Duration(tc.wait) {
				t.Errorf("waited for %s", waited)
			}
			got := g.events(pollOut)
			if len(got) != len(tc.want) {
				t.Fatalf("got %v, want %v", got, tc.want)
			}
			for i := range got {
				if got[i] != tc.want[i] {
					t.Errorf("event %d: got %v, want %v", i, got[i], tc.want[i])
				}
			}
		})
	}
}

func TestWASI_Poll_Overlap(t *testing.T) {
	g := newGuest(t, &Call{})
	g.subscribe(subscription{1, 1, 0, 0, false}, subscription{2, 2, 1, 0, false}, subscription{3, 1, 0, 0, false})
	g.want(0, "poll_oneoff", pollIn, pollIn, 3, pollCount)
	if got := g.events(pollIn); len(got) != 3 || got[0].data != 1 || got[1].data != 2 || got[2].data != 3 {
		t.Errorf("got %v", got)
	}
}

func TestWASI_Poll_Errors(t *testing.T) {
	const inval, fault = int32(wasiInval), int32(wasiFault)
	soon := subscription{1, 0, 1, 0, false}
	for name, tc := range map[string]struct {
		sub                  subscription
		in, out, n, happened uint64
		want                 int32
	}{
		"none":                          {soon, pollIn, pollOut, 0, pollCount, inval},
		"too many":                      {soon, pollIn, pollOut, maxSubscriptions + 1, pollCount, inval},
		"a count that wraps":            {soon, pollIn, pollOut, 1<<32/subscriptionSize + 1, pollCount, inval},
		"the highest count":             {soon, pollIn, pollOut, highest, pollCount, inval},
		"unknown clock":                 {subscription{1, 0, 4, 0, false}, pollIn, pollOut, 1, pollCount, inval},
		"unknown event":                 {subscription{1, 3, 0, 0, false}, pollIn, pollOut, 1, pollCount, inval},
		"subscriptions past memory":     {soon, memoryEnd - subscriptionSize + 1, pollOut, 1, pollCount, fault},
		"subscriptions over the end":    {soon, memoryEnd - subscriptionSize, pollOut, 2, pollCount, fault},
		"subscriptions at the highest":  {soon, highest, pollOut, 1, pollCount, fault},
		"events past memory":            {soon, pollIn, memoryEnd - eventSize + 1, 1, pollCount, fault},
		"number of events past memory":  {soon, pollIn, pollOut, 1, memoryEnd - 3, fault},
		"events and number at the last": {soon, pollIn, memoryEnd - eventSize, 1, memoryEnd - 4, 0},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGuest(t, &Call{})
			g.subscribe(tc.sub)
			g.want(tc.want, "poll_oneoff", tc.in, tc.out, tc.n, tc.happened)
		})
	}
}

// A poll ends with its call.
func TestWASI_Poll_Ends(t *testing.T) {
	for _, timeout := range []uint64{uint64(time.Hour), 1<<64 - 1} {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
		g := newGuest(t, &Call{})
		g.subscribe(subscription{1, 0, 1, timeout, false})
		_, err := g.try(ctx, "poll_oneoff", pollIn, pollOut, 1, pollCount)
		g.wantFault(err, sandbox.OutOfTime)
		cancel()

		ctx, cancel = context.WithCancel(context.Background())
		time.AfterFunc(5*time.Millisecond, cancel)
		g = newGuest(t, &Call{})
		g.subscribe(subscription{1, 0, 1, timeout, true})
		_, err = g.try(ctx, "poll_oneoff", pollIn, pollOut, 1, pollCount)
		g.wantFault(err, sandbox.Cancelled)
		cancel()
	}
}
