package abi

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"sluice/hostfuncs"
	"sluice/hostfuncs/cache"
	"sluice/hostfuncs/egress"
	"sluice/hostfuncs/egress/egresstest"
	"sluice/runtime/sandbox"
	"sluice/runtime/sandbox/memory"
)

// The results of native functions.
const (
	badHandle    = int32(hostfuncs.BadHandle)
	badRange     = int32(hostfuncs.BadRange)
	tooLarge     = int32(hostfuncs.TooLarge)
	absent       = int32(hostfuncs.Absent)
	invalid      = int32(hostfuncs.Invalid)
	notAvailable = int32(hostfuncs.NotAvailable)

	highest = 0xffff_ffff
)

func TestNative_Read(t *testing.T) {
	const params = `{"a":"0123456789"}`
	tests := []struct {
		name                     string
		handle, offset, ptr, len uint64
		want                     int32
		memory                   string
	}{
		{"whole", 0, 0, 64, 100, int32(len(params)), params},
		{"exactly", 0, 0, 64, uint64(len(params)), int32(len(params)), params},
		{"a piece", 0, 1, 64, 3, 3, `"a"`},
		{"the end", 0, uint64(len(params)) - 2, 64, 100, 2, `"}`},
		{"at the end", 0, uint64(len(params)), 64, 8, 0, "\x00"},
		{"past the end", 0, 1 << 40, 64, 8, 0, "\x00"},
		{"negative offset", 0, 1<<64 - 1, 64, 8, 0, "\x00"},
		{"nothing", 0, 0, 64, 0, 0, "\x00"},
		{"nothing, at the end of memory", 0, 0, memoryEnd, 0, 0, ""},
		{"nothing, past the end of memory", 0, 0, memoryEnd + 1, 0, badRange, ""},
		{"to the last byte", 0, 0, memoryEnd - 4, 4, 4, ""},
		{"over the last byte", 0, 0, memoryEnd - 4, 5, badRange, ""},
		{"over the last byte, past the end", 0, 1 << 40, memoryEnd - 4, 5, badRange, ""},
		{"highest pointer", 0, 0, highest, 1, badRange, ""},
		{"wrapping length", 0, 0, 64, highest, badRange, ""},
		{"context", 1, 0, 64, 100, 11, `{"command":`},
		{"unknown handle", 2, 0, 64, 1, badHandle, "\x00"},
		{"highest handle", highest, 0, 64, 1, badHandle, "\x00"},
		{"unknown handle and bad pointer", 9, 0, highest, 1, badHandle, ""},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			g := newGuest(t, &Call{Params: []byte(params), Context: []byte(`{"command":`)})
			g.want(tc.want, "read", tc.handle, tc.offset, tc.ptr, tc.len)
			g.wantMemory(tc.ptr%memoryEnd, tc.memory)
		})
	}
}

func TestNative_Size(t *testing.T) {
	g := newGuest(t, &Call{Params: []byte(`{"a":1}`), Context: []byte(`{}`)})
	for handle, want := range map[uint64]int64{0: 7, 1: 2, 2: int64(badHandle), highest: int64(badHandle)} {
		if got, err := g.try(context.Background(), "size", handle); err != nil || int64(got) != want {
			t.Errorf("size(%d): got %d, %v; want %d", handle, int64(got), err, want)
		}
	}
}

func TestNative_Write(t *testing.T) {
	c := &Call{OutputLimit: 10}
	g := newGuest(t, c)
	ptr, _ := g.put(64, "0123456789")
	g.want(0, "write", ptr, 4)
	g.want(0, "write", ptr, 0)
	g.want(0, "write", memoryEnd, 0)
	g.want(badRange, "write", memoryEnd-1, 2)
	g.want(badRange, "write", highest, highest)
	if _, body, answered, over := c.Output(); string(body) != "0123" || answered || over {
		t.Errorf("got %q, %t, %t", body, answered, over)
	}
	g.want(tooLarge, "write", ptr, 7)
	g.want(0, "write", ptr+4, 6)
	g.want(tooLarge, "write", ptr, 1)
	if _, body, _, over := c.Output(); string(body) != "0123456789" || !over {
		t.Errorf("got %q, %t", body, over)
	}
}

func TestNative_Answer(t *testing.T) {
	c := &Call{}
	g := newGuest(t, c)
	for _, head := range []string{"", " {}", "[]", "null", "1", "x"} {
		ptr, n := g.put(64, head)
		g.want(invalid, "answer", ptr, n)
	}
	g.want(badRange, "answer", memoryEnd-1, 2)
	ptr, n := g.put(64, `{"http_status":201}`)
	g.want(0, "answer", ptr, n)
	g.want(invalid, "answer", ptr, n)
	g.put(64, "overwritten.")
	if head, body, answered, over := c.Output(); string(head) != `{"http_status":201}` || body != nil || !answered || over {
		t.Errorf("got %q, %q, %t, %t", head, body, answered, over)
	}
}

func TestNative_Log(t *testing.T) {
	c := &Call{}
	g := newGuest(t, c)
	say := func(want int32, level uint64, line string) {
		t.Helper()
		ptr, n := g.put(64, line)
		g.want(want, "log", level, ptr, n)
	}
	say(0, 0, "debug")
	say(0, 1, "info")
	say(0, 2, "warn ü")
	say(0, 3, "")
	say(invalid, 4, "no level")
	say(invalid, highest, "no level")
	say(invalid, 1, "\xff")
	say(invalid, 1, "two\nlines")
	g.want(badRange, "log", 1, memoryEnd-1, 2)
	g.want(tooLarge, "log", 1, 1024, hostfuncs.MaxLogLine+1)
	lines := strings.Join(c.Host.LogLines(), "|")
	if !strings.HasPrefix(lines, "info|warn ü||(1 more lines were refused") {
		t.Errorf("got %q", lines)
	}
}

func TestNative_RandomNowSleep(t *testing.T) {
	g := newGuest(t, &Call{})
	g.want(0, "random", 64, 32)
	g.want(0, "random", 128, 32)
	if a, b := g.get(64, 32), g.get(128, 32); string(a) == string(b) || string(a) == strings.Repeat("\x00", 32) {
		t.Errorf("%x and %x are not random", a, b)
	}
	g.wantMemory(96, "\x00")
	g.want(0, "random", memoryEnd, 0)
	g.want(badRange, "random", memoryEnd-1, 2)

	before := time.Now().UnixNano()
	now, err := g.try(context.Background(), "now")
	if err != nil || int64(now) < before || int64(now) > time.Now().UnixNano() {
		t.Errorf("now: %d, %v", now, err)
	}
	g.want(0, "sleep", 0)
	g.want(0, "sleep", 1)
	g.want(0, "sleep", 1<<63) // negative
	for name, want := range map[string]sandbox.FaultKind{"deadline": sandbox.OutOfTime, "cancel": sandbox.Cancelled} {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
		if name == "cancel" {
			ctx, cancel = context.WithCancel(context.Background())
			time.AfterFunc(10*time.Millisecond, cancel)
		}
		_, err := newGuest(t, &Call{}).try(ctx, "sleep", 1<<62)
		g.wantFault(err, want)
		cancel()
	}
}

// A guest whose time is over gets no further by calling the host, whatever it calls.
func TestHostCalls_AfterTheEnd(t *testing.T) {
	over, cancel := context.WithDeadline(context.Background(), time.Now().Add(-time.Second))
	defer cancel()
	for name, args := range map[string][]uint64{
		"read": {0, 0, 0, 1}, "close": {0}, "write": {0, 1}, "answer": {0, 1}, "log": {1, 0, 1}, "random": {0, 1 << 15},
		"sleep": {0}, "http_send": {0, 1, 0, 0}, "http_status": {2}, "http_header": {2, 0, 1, 0, 1}, "is_json": {0}, "write_from": {0},
		"cache_get": {0, 1}, "cache_put": {0, 1, 0, 1, 1}, "cache_delete": {0, 1},
		"tcp_open": {0, 1}, "tcp_read": {1, 0, 1, 0}, "tcp_write": {1, 0, 1, 0}, "tcp_tls": {1, 0, 0},
		"random_get": {0, 1 << 15}, "fd_write": {1, 0, 0, 0}, "sched_yield": {},
	} {
		_, err := newGuest(t, &Call{}).try(over, name, args...)
		if err == nil {
			t.Errorf("%s went on", name)
			continue
		}
		newGuest(t, &Call{}).wantFault(err, sandbox.OutOfTime)
	}
}

// While describing, a guest has its log, the clock, randomness, and a manifest to write.
func TestNative_Describing(t *testing.T) {
	c := &Call{Host: &hostfuncs.Call{Describing: true}, Params: []byte(`{}`), OutputLimit: 100}
	g := newGuest(t, c)
	ptr, n := g.put(64, `{}`)
	g.want(0, "write", ptr, n)
	g.want(0, "log", 1, ptr, n)
	g.want(0, "random", 128, 8)
	g.want(notAvailable, "answer", ptr, n)
	g.want(notAvailable, "read", 0, 0, 128, 8)
	g.want(notAvailable, "close", 0)
	g.want(notAvailable, "sleep", 1)
	g.want(notAvailable, "http_send", ptr, n, 0, 0)
	g.want(notAvailable, "http_status", 2)
	g.want(notAvailable, "http_header", 2, ptr, n, 128, 8)
	g.want(notAvailable, "is_json", 0)
	g.want(notAvailable, "write_from", 0)
	g.want(notAvailable, "tcp_open", ptr, n)
	g.want(notAvailable, "tcp_read", 3, 128, 8, 0)
	g.want(notAvailable, "tcp_write", 3, ptr, n, 0)
	g.want(notAvailable, "tcp_tls", 3, 0, 0)
	if size, err := g.try(context.Background(), "size", 0); err != nil || int64(size) != int64(notAvailable) {
		t.Errorf("size: %d, %v", int64(size), err)
	}
	if _, err := g.try(context.Background(), "now"); err != nil {
		t.Error(err)
	}
	if _, body, answered, _ := c.Output(); string(body) != "{}" || answered {
		t.Errorf("got %q, %t", body, answered)
	}
}

const getHead = `{"method":"GET","url":"http://x/"}`

func TestNative_HTTPSend(t *testing.T) {
	var sent []egress.Request
	client := answering(func(_ context.Context, r *egress.Request) (*egress.Response, *egress.Error) {
		sent = append(sent, egress.Request{Method: r.Method, URL: r.URL, Body: append([]byte(nil), r.Body...)})
		if r.Method == "HEAD" {
			return &egress.Response{Status: 204}, nil
		}
		return &egress.Response{Status: 200, Headers: [][2]string{{"a", "b\""}}, Body: []byte("content")}, nil
	})
	g := newGuest(t, &Call{Host: &hostfuncs.Call{HTTP: client}, Params: []byte(`{}`), Context: []byte(`{}`)})
	ptr, n := g.put(64, getHead)
	body, m := g.put(256, "the body")
	g.want(2, "http_send", ptr, n, body, m)
	g.want(4, "http_send", ptr, n, 0, 0)
	if len(sent) != 2 || sent[0].URL != "http://x/" || string(sent[0].Body) != "the body" || len(sent[1].Body) != 0 {
		t.Errorf("sent %+v", sent)
	}
	head := `{"status":200,"headers":[["a","b\""]]}`
	g.want(int32(len(head)), "read", 2, 0, 1024, 1024)
	g.wantMemory(1024, head)
	g.want(7, "read", 5, 0, 1024, 1024)
	g.wantMemory(1024, "content")

	// Head and body are closed one by one, and only once; what every call has stays open.
	g.want(0, "close", 2)
	g.want(badHandle, "close", 2)
	g.want(badHandle, "read", 2, 0, 0, 1)
	g.want(7, "read", 3, 0, 1024, 1024)
	g.want(0, "close", 3)
	g.want(badHandle, "close", 3)
	g.want(badHandle, "close", 6)
	g.want(badHandle, "close", highest)
	for range 2 {
		g.want(0, "close", 0)
		g.want(0, "close", 1)
	}
	g.want(2, "read", 0, 0, 1024, 8)

	// An empty body is a body.
	ptr, n = g.put(64, `{"method":"HEAD","url":"http://x/"}`)
	h := g.do("http_send", ptr, n, 0, 0)
	g.want(0, "read", uint64(h)+1, 0, 1024, 8)
	g.want(0, "close", uint64(h)+1)
	g.want(badHandle, "close", uint64(h)+1)

	g.want(badRange, "http_send", memoryEnd-1, 2, 0, 0)
	g.want(badRange, "http_send", ptr, n, memoryEnd-1, 2)
	g.want(badRange, "http_send", highest, highest, highest, highest)
	for _, head := range []string{"", "{", "[]", `{"method":"GET","uri":"http://x/"}`, `{"url":"http://x/"}`} {
		ptr, n := g.put(64, head)
		g.want(invalid, "http_send", ptr, n, 0, 0)
	}
	if len(sent) != 3 {
		t.Errorf("%d requests were sent", len(sent))
	}
}

// What the host holds for calls has a budget in common, but for a little of each.
func TestCall_Budget(t *testing.T) {
	const large = 3 * uncharged
	client := answering(func(context.Context, *egress.Request) (*egress.Response, *egress.Error) {
		return &egress.Response{Status: 200, Body: make([]byte, large)}, nil
	})
	budget := memory.NewBudget(large + uncharged)
	begin := func() (*Call, *guest) {
		c := &Call{Host: &hostfuncs.Call{HTTP: client}, OutputLimit: 1 << 20, Budget: budget}
		return c, newGuest(t, c)
	}
	small, g := begin()
	g.want(0, "write", 0, uncharged-1)
	if budget.Used() != 0 {
		t.Errorf("a small answer took %d", budget.Used())
	}
	c, g := begin()
	ptr, n := g.put(64, getHead)
	g.want(2, "http_send", ptr, n, 0, 0)
	if used := budget.Used(); used < large-uncharged || c.Starved() {
		t.Errorf("a response took %d", used)
	}
	g.want(tooLarge, "http_send", ptr, n, 0, 0)
	if !c.Starved() {
		t.Error("there is no budget")
	}
	other, g := begin()
	g.want(0, "write", 0, memoryEnd)
	g.want(0, "write", 0, memoryEnd)
	g.want(tooLarge, "write", 0, memoryEnd)
	if _, body, _, over := other.Output(); !other.Starved() || over || len(body) != 2*memoryEnd {
		t.Errorf("%d bytes were written, starved %t, over the call's own limit %t", len(body), other.Starved(), over)
	}
	for range 2 { // the second one is nothing
		small.Release()
		c.Release()
		other.Release()
	}
	if budget.Used() != 0 {
		t.Errorf("%d are not given back", budget.Used())
	}
}

func TestNative_HTTPSend_Failure(t *testing.T) {
	g := newGuest(t, &Call{}) // denied
	ptr, n := g.put(64, getHead)
	g.want(2, "http_send", ptr, n, 0, 0)
	length := g.do("read", 2, 0, 1024, 2048)
	var head struct {
		Error struct{ Code, Message string }
	}
	if err := json.Unmarshal(g.get(1024, int(length)), &head); err != nil || head.Error.Code != "egress_denied" || head.Error.Message == "" {
		t.Errorf("got %+v, %v", head, err)
	}
	g.want(0, "read", 3, 0, 1024, 8)

	for _, kind := range []sandbox.FaultKind{sandbox.OutOfTime, sandbox.Cancelled} {
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		if kind == sandbox.Cancelled {
			ctx, cancel = context.WithCancel(context.Background())
			time.AfterFunc(time.Millisecond, cancel)
		}
		waiting := answering(func(ctx context.Context, _ *egress.Request) (*egress.Response, *egress.Error) {
			<-ctx.Done()
			return nil, &egress.Error{Code: egress.CodeEnded}
		})
		g := newGuest(t, &Call{Host: &hostfuncs.Call{HTTP: waiting}})
		ptr, n := g.put(64, getHead)
		_, err := g.try(ctx, "http_send", ptr, n, 0, 0)
		g.wantFault(err, kind)
		cancel()
	}
}

func TestNative_HTTPSend_Handles(t *testing.T) {
	var size int
	client := answering(func(context.Context, *egress.Request) (*egress.Response, *egress.Error) {
		return &egress.Response{Status: 200, Body: make([]byte, size)}, nil
	})
	g := newGuest(t, &Call{Host: &hostfuncs.Call{HTTP: client}})
	ptr, n := g.put(64, getHead)
	for i := range maxResponses {
		g.want(int32(2+2*i), "http_send", ptr, n, 0, 0)
	}
	g.want(tooLarge, "http_send", ptr, n, 0, 0)
	g.want(0, "close", 100) // the head, of which the body is open still
	g.want(tooLarge, "http_send", ptr, n, 0, 0)
	g.want(0, "close", 101)
	g.want(100, "http_send", ptr, n, 0, 0)
	g.want(tooLarge, "http_send", ptr, n, 0, 0)

	// A call that closes what it has read can go on.
	g = newGuest(t, &Call{Host: &hostfuncs.Call{HTTP: client}})
	ptr, n = g.put(64, getHead)
	for range maxResponses {
		g.want(2, "http_send", ptr, n, 0, 0)
		g.want(0, "close", 2)
		g.want(0, "close", 3)
	}

	// Bytes are bounded too, and given back.
	size = maxHeldBytes / 2
	g.want(2, "http_send", ptr, n, 0, 0)
	g.want(4, "http_send", ptr, n, 0, 0)
	g.want(tooLarge, "http_send", ptr, n, 0, 0)
	g.want(0, "close", 5)
	g.want(6, "http_send", ptr, n, 0, 0)
}

// What is too long is refused before it is copied, and costs no more than what is short.
func TestHostCalls_TooLong(t *testing.T) {
	const length = memoryEnd - 4096
	for name, tc := range map[string]struct {
		args func(n uint64) []uint64
		want int32
	}{
		"secret":       {func(n uint64) []uint64 { return []uint64{4096, n, 0, 48} }, invalid},
		"secret_value": {func(n uint64) []uint64 { return []uint64{4096, n} }, invalid},
		"hmac":         {func(n uint64) []uint64 { return []uint64{4096, n, 4096, n, 0, 8} }, invalid},
		"http_header":  {func(n uint64) []uint64 { return []uint64{2, 4096, n, 0, 8} }, invalid},
		"cache_get":    {func(n uint64) []uint64 { return []uint64{4096, n} }, invalid},
		"cache_put":    {func(n uint64) []uint64 { return []uint64{4096, n, 0, 8, 1000} }, invalid},
		"cache_delete": {func(n uint64) []uint64 { return []uint64{4096, n} }, invalid},
		"log":          {func(n uint64) []uint64 { return []uint64{1, 4096, n} }, tooLarge},
		"tcp_open":     {func(n uint64) []uint64 { return []uint64{4096, n} }, tooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			c := responding(egress.Response{Status: 200, Headers: [][2]string{{"a", "b"}}})
			c.Host.Cache, c.Host.TCP = cache.New(1<<20), hostfuncs.DeniedTCP("")
			g := newGuest(t, c)
			g.send()
			ptr, n := g.put(4096, strings.Repeat("x", length))
			if _, err := g.try(context.Background(), "poke", ptr+n-8, 0); err != nil {
				t.Fatal(err)
			}
			before := g.in.Fuel()
			g.want(tc.want, name, tc.args(length)...)
			if spent := g.in.Fuel() - before; spent > parsedPerByte*hostfuncs.MaxTCPHead+10*hostCall {
				t.Errorf("it took %d units", spent)
			}
			args := tc.args(length)
			if n := testing.AllocsPerRun(100, func() { _, _ = g.try(context.Background(), name, args...) }); n > 1 { // the arguments
				t.Errorf("%v allocations", n)
			}
		})
	}
}

// What a service has encoded is decoded as the guest's computing, and no longer than the guest may compute.
func TestNative_HTTPSend_Decode(t *testing.T) {
	noise := make([]byte, 7<<20)
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write(noise)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(packed.Bytes())
	}))
	t.Cleanup(service.Close)
	for cpu, want := range map[time.Duration]sandbox.FaultKind{time.Millisecond: sandbox.OutOfFuel, 10 * time.Second: 0} {
		c := &Call{Host: &hostfuncs.Call{HTTP: egresstest.Client(t, nil, "http://*"), Counters: new(egress.Counters)}}
		m, err := forwarderCode()
		if err != nil {
			t.Fatal(err)
		}
		in, err := c.Prepare(context.Background(), m, sandbox.Limits{Memory: sandbox.PageSize, CPU: cpu})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(in.Close)
		g := &guest{t, c, in}
		ptr, n := g.put(64, `{"method":"GET","url":"`+service.URL+`"}`)
		before := in.Fuel()
		_, err = g.try(context.Background(), "http_send", ptr, n, 0, 0)
		if want != 0 {
			g.wantFault(err, want)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		g.want(200, "http_status", 2)
		if spent := in.Fuel() - before; spent < 50*int64(packed.Len()) {
			t.Errorf("decoding %d bytes took %d units", packed.Len(), spent)
		}
	}
}
