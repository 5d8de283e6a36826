package abi

import (
	"context"
	"strings"
	"testing"
	"time"

	"sluice/hostfuncs"
	"sluice/hostfuncs/cache"
	"sluice/hostfuncs/egress"
	"sluice/runtime/sandbox"
	"sluice/runtime/sandbox/memory"
)

// responding is a call whose requests are all answered the same.
func responding(r egress.Response) *Call {
	client := answering(func(context.Context, *egress.Request) (*egress.Response, *egress.Error) {
		answer := r
		return &answer, nil
	})
	return &Call{Host: &hostfuncs.Call{HTTP: client}, Params: []byte(`{"a":1}`), Context: []byte(`{}`), OutputLimit: 1 << 20}
}

func (g *guest) send() {
	g.t.Helper()
	ptr, n := g.put(64, getHead)
	if h := g.do("http_send", ptr, n, 0, 0); h < 0 {
		g.t.Fatalf("http_send: %d", h)
	}
}

func TestNative_HTTPStatusAndHeader(t *testing.T) {
	long := strings.Repeat("v", 300)
	g := newGuest(t, responding(egress.Response{Status: 404, Headers: [][2]string{{"a", "1"}, {"a", "2"}, {"empty", ""}, {"long", long}}}))
	g.want(badHandle, "http_status", 2)
	g.send()
	g.want(404, "http_status", 2)
	for _, h := range []uint64{0, 1, 3, 4, 5, highest} {
		g.want(badHandle, "http_status", h)
		g.want(badHandle, "http_header", h, 64, 1, 128, 8)
	}
	header := func(want int32, name string, room uint64) {
		t.Helper()
		g.put(1024, strings.Repeat(".", 320))
		ptr, n := g.put(256, name)
		g.want(want, "http_header", 2, ptr, n, 1024, room)
	}
	header(1, "a", 8)
	g.wantMemory(1024, "1.")
	header(1, "A", 8)
	g.wantMemory(1024, "1.")
	header(1, "a", 0)
	g.wantMemory(1024, "..")
	header(0, "empty", 8)
	header(300, "long", 300)
	g.wantMemory(1024, long+".")
	header(300, "long", 4)
	g.wantMemory(1024, "vvvv.")
	header(absent, "b", 8)
	header(absent, "", 8)
	g.want(badRange, "http_header", 2, memoryEnd-1, 2, 1024, 8)
	g.want(badRange, "http_header", 2, 256, 1, memoryEnd-1, 2)
	g.want(badRange, "http_header", 2, highest, highest, highest, highest)

	g.want(0, "close", 2)
	g.want(badHandle, "http_status", 2)
	g.want(badHandle, "http_header", 2, 256, 1, 1024, 8)

	none := newGuest(t, &Call{}) // denied
	none.send()
	none.want(0, "http_status", 2)
	none.want(absent, "http_header", 2, 256, 1, 1024, 8)
}

func TestNative_IsJSON(t *testing.T) {
	deep := strings.Repeat("[", 513) + strings.Repeat("]", 513)
	for body, want := range map[string]int32{
		`{"a":[1.0]}`: 1, " null\n": 1, "": 0, "{": 0, "NaN": 0, "\"\xff\"": 0, "1 2": 0, deep: 0, deep[1 : len(deep)-1]: 1,
	} {
		g := newGuest(t, responding(egress.Response{Status: 200, Body: []byte(body)}))
		g.send()
		for range 2 { // the second one is remembered
			g.want(want, "is_json", 3)
		}
		for h := range uint64(3) { // parameters, context, and the response's head
			g.want(1, "is_json", h)
		}
		g.want(badHandle, "is_json", 4)
		g.want(0, "close", 3)
		g.want(badHandle, "is_json", 3)
	}
}

// Looking at a large body is the guest's time, and ends with it.
func TestNative_IsJSON_Long(t *testing.T) {
	for name, body := range map[string]string{
		"numbers": "[" + strings.Repeat("1,", 4<<20) + "1]", "text": `"` + strings.Repeat("é", 4<<20) + `"`,
		"blanks": strings.Repeat(" ", 8<<20) + "1",
	} {
		// Out of the cache it comes without a charge.
		c := &Call{Host: &hostfuncs.Call{Cache: cache.New(64 << 20)}}
		c.Host.Cache.Put("k", []byte(body), time.Minute)
		m, err := forwarderCode()
		if err != nil {
			t.Fatal(err)
		}
		in, err := c.Prepare(context.Background(), m, sandbox.Limits{Memory: sandbox.PageSize, CPU: time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		g := &guest{t, c, in}
		key, n := g.put(0, "k")
		g.want(3, "cache_get", key, n)
		_, err = g.try(context.Background(), "is_json", 3)
		g.wantFault(err, sandbox.OutOfFuel)
		in.Close()
		if t.Failed() {
			t.Fatal(name)
		}
	}
}

// The text of a head is counted where a guest reads it.
func TestNative_HeadIsCounted(t *testing.T) {
	c := responding(egress.Response{Status: 200, Headers: [][2]string{{"x", strings.Repeat(`"`, uncharged)}}})
	c.Budget = memory.NewBudget(1 << 20)
	g := newGuest(t, c)
	g.send()
	before := c.Budget.Used()
	g.want(8, "read", 2, 0, 1024, 8)
	if grown := c.Budget.Used() - before; grown < 2*uncharged {
		t.Errorf("a head of %d bytes and more counts %d", 2*uncharged, grown)
	}
	g.want(0, "close", 2)
	g.want(0, "close", 3)
	if c.held != 0 {
		t.Errorf("%d bytes are held after all", c.held)
	}
	c.Release()

	c = responding(egress.Response{Status: 200, Headers: [][2]string{{"x", strings.Repeat(`"`, uncharged)}}})
	c.Budget = memory.NewBudget(uncharged)
	g = newGuest(t, c)
	g.send()
	g.want(tooLarge, "read", 2, 0, 1024, 8)
	if !c.Starved() {
		t.Error("there is no budget for the head")
	}
}

func TestNative_WriteFrom(t *testing.T) {
	const body = ` {"b":2} `
	tests := []struct {
		name string
		do   func(g *guest)
		want string
		json bool
	}{
		{"a body that was checked", func(g *guest) { g.want(1, "is_json", 3); g.want(0, "write_from", 3) }, body, true},
		{"a body that was not", func(g *guest) { g.want(0, "write_from", 3) }, body, false},
		{"a body that is closed then", func(g *guest) { g.want(0, "write_from", 3); g.want(0, "close", 3) }, body, false},
		{"parameters", func(g *guest) { g.want(0, "write_from", 0) }, `{"a":1}`, false},
		{"a head", func(g *guest) { g.want(0, "write_from", 2) }, `{"status":200,"headers":[]}`, false},
		{"twice", func(g *guest) { g.want(1, "is_json", 3); g.want(0, "write_from", 3); g.want(0, "write_from", 3) }, body + body, false},
		{"with more", func(g *guest) {
			g.want(1, "is_json", 3)
			g.want(0, "write_from", 3)
			ptr, n := g.put(256, "more")
			g.want(0, "write", ptr, n)
			g.want(int32(len(body)), "read", 3, 0, 1024, 64)
			g.wantMemory(1024, body)
		}, body + "more", false},
		{"behind something", func(g *guest) {
			ptr, n := g.put(256, "less")
			g.want(0, "write", ptr, n)
			g.want(1, "is_json", 3)
			g.want(0, "write_from", 3)
		}, "less" + body, false},
		{"nothing", func(g *guest) { g.want(badHandle, "write_from", 4); g.want(badHandle, "write_from", highest) }, "", false},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			c := responding(egress.Response{Status: 200, Body: []byte(body)})
			g := newGuest(t, c)
			g.send()
			tc.do(g)
			if _, got, _, over := c.Output(); string(got) != tc.want || c.BodyIsJSON() != tc.json || over {
				t.Errorf("got %q, known to be JSON %t, too large %t", got, c.BodyIsJSON(), over)
			}
		})
	}
}

// What is passed on counts against the output limit, and stays counted when its handle is closed.
func TestNative_WriteFrom_Limits(t *testing.T) {
	const large = 3 * uncharged
	c := responding(egress.Response{Status: 200, Body: make([]byte, large)})
	c.OutputLimit = large - 1
	g := newGuest(t, c)
	g.send()
	g.want(tooLarge, "write_from", 3)
	if _, body, _, over := c.Output(); !over || len(body) != 0 {
		t.Errorf("%d bytes were taken, too large %t", len(body), over)
	}

	c = responding(egress.Response{Status: 200, Body: make([]byte, large)})
	c.Budget = memory.NewBudget(large)
	g = newGuest(t, c)
	g.send()
	g.want(0, "write_from", 3)
	g.want(0, "close", 2)
	g.want(0, "close", 3)
	ptr, n := g.put(64, getHead)
	g.want(tooLarge, "http_send", ptr, n, 0, 0)
	if !c.Starved() {
		t.Error("the body that was passed on is not counted")
	}
	c.Release()
	if used := c.Budget.Used(); used != 0 {
		t.Errorf("%d are not given back", used)
	}
}
