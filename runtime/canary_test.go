package runtime

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"sluice/internal/guests"
	"sluice/runtime/envelope"
	"sluice/runtime/sandbox/memory"
	"sluice/runtime/sandbox/wasmtest"
)

// A canary is 16 bytes: what all of them begin with, and the number of the call that leaves it, in hexadecimal.
const canaryMarker = "C4NARY::"

func canaryOf(call int64) string { return fmt.Sprintf("%s%08x", canaryMarker, call) }

var anyCanary = regexp.MustCompile(canaryMarker + "[0-9a-f]*")

// Where the hoarder has what, in its memory.
const (
	hoardParams = wasmtest.NativeFree - len(`{"canary":"`) // so that the canary in it is aligned
	hoardCanary = wasmtest.NativeFree
	hoardVector = wasmtest.NativeFree + 512 // a vector for fd_write, and where it says how much
	hoardAnswer = wasmtest.NativeFree + 1024
	hoardHead   = wasmtest.NativeFree + 2048
)

// hoarder is an assembled guest whose two commands look for canaries in all of its memory, in its globals and behind
// handles, then leave their own there, in memory that they grow by, in their log and on standard output. They answer with
// the canary and the number of those found, at most 9. Fetch also asks the URL for a response, and does not close it.
func hoarder(url string) []byte {
	const count, at, value = 1, 2, 3 // locals; 0 is the command
	head := `{"method":"GET","url":"` + url + `"}`
	w := wasmtest.Native(manifestOfHoarder)
	const wasi = "wasi_snapshot_preview1"
	size := len(w.Imports)
	read, send, print := size+1, size+2, size+3
	w.Imports = append(w.Imports,
		wasmtest.Import{Module: "sluice:host/v1", Name: "size", Params: "i", Results: "I"},
		wasmtest.Import{Module: "sluice:host/v1", Name: "read", Params: "iIii", Results: "i"},
		wasmtest.Import{Module: "sluice:host/v1", Name: "http_send", Params: "iiii", Results: "i"},
		wasmtest.Import{Module: wasi, Name: "fd_write", Params: "iiii", Results: "i"})
	w.Data = append(w.Data, wasmtest.Data{At: hoardHead, Text: head})
	w.Globals = []wasmtest.Global{{Type: 'I', Mutable: true, Init: wasmtest.I64(0)}, {Type: 'i', Mutable: true, Init: wasmtest.I32(0)}}
	code, i32, i64, get, set := wasmtest.Code, wasmtest.I32, wasmtest.I64, wasmtest.LocalGet, wasmtest.LocalSet
	marker := i64(int64(littleEndian(canaryMarker)))
	counted := code(get(count), i32(1), wasmtest.I32Add, set(count))
	memoryEnd := code(wasmtest.MemorySize, i32(1<<16), wasmtest.I32Mul)
	// each runs code for every address from one on, by steps, to the end of memory.
	each := func(from, step int, body ...[]byte) []byte {
		return code(i32(from), set(at), wasmtest.Loop(code(body...),
			get(at), i32(step), wasmtest.I32Add, wasmtest.LocalTee(at), memoryEnd, wasmtest.I32LtU, wasmtest.BrIf(0)))
	}
	look := code(
		each(0, 8, get(at), wasmtest.Load64, marker, i64Equal, wasmtest.If(counted)),
		wasmtest.GlobalGet(0), wasmtest.I64Eqz, wasmtest.I32Eqz, wasmtest.If(counted),
		wasmtest.GlobalGet(1), wasmtest.If(counted),
		i32(2), wasmtest.Call(size), i64(0), wasmtest.I64GeS, wasmtest.If(counted),
		i32(3), wasmtest.Call(size), i64(0), wasmtest.I64GeS, wasmtest.If(counted),
	)
	leave := code(
		i32(0), i64(0), i32(hoardParams), i32(64), wasmtest.Call(read), wasmtest.Drop,
		i32(hoardCanary), i64Load(8), set(value),
		i32(2), wasmtest.MemoryGrow, wasmtest.Drop,
		each(3*4096, 2048, get(at), marker, wasmtest.Store64, get(at), get(value), i64Store(8)),
		marker, wasmtest.GlobalSet(0), i32(-1), wasmtest.GlobalSet(1),
		i32(1), i32(hoardCanary), i32(16), wasmtest.Call(wasmtest.HostLog), wasmtest.Drop,
		i32(hoardVector), i32(hoardCanary), wasmtest.I32Store(0), i32(hoardVector), i32(16), wasmtest.I32Store(4),
		i32(1), i32(hoardVector), i32(1), i32(hoardVector+8), wasmtest.Call(print), wasmtest.Drop,
	)
	// The answer is ["canary",n].
	answer := code(
		i32(hoardAnswer), i32('['|'"'<<8), wasmtest.I32Store(0),
		i32(hoardAnswer+2), i32(hoardCanary), i32(16), wasmtest.MemoryCopy,
		i32(hoardAnswer+18), get(count), i32(9), get(count), i32(9), wasmtest.I32LtU, selects, i32('0'), wasmtest.I32Add, i32(16), shiftLeft,
		i32('"'|','<<8|']'<<24), or, wasmtest.I32Store(0),
		i32(hoardAnswer), i32(22), wasmtest.Call(wasmtest.HostWrite), wasmtest.Drop,
		i32(0), i32(2), wasmtest.Call(wasmtest.HostAnswer), wasmtest.Drop,
	)
	fetch := code(i32(hoardHead), i32(len(head)), i32(0), i32(0), wasmtest.Call(send), wasmtest.Drop)
	w.Functions[1] = wasmtest.Function{Export: "execute", Params: "i", Locals: []wasmtest.Locals{{Count: 2, Type: 'i'}, {Count: 1, Type: 'I'}},
		Code: code(look, leave, get(0), wasmtest.If(fetch), answer)}
	return w.Bytes()
}

// Instructions that package wasmtest does not name.
var (
	i64Equal  = []byte{0x51}
	selects   = []byte{0x1b}
	or        = []byte{0x72}
	shiftLeft = []byte{0x74}
)

func i64Load(offset int) []byte  { return append([]byte{0x29, 0}, wasmtest.U(offset)...) }
func i64Store(offset int) []byte { return append([]byte{0x37, 0}, wasmtest.U(offset)...) }

func littleEndian(text string) (v uint64) {
	for n := range len(text) {
		v |= uint64(text[n]) << (8 * n)
	}
	return v
}

const manifestOfHoarder = `{"name":"hoarder","version":"1.0.0",
"capabilities":[{"name":"http","reason":"fetches a canary","hosts":["http://*"]}],
"commands":[
{"name":"Leave","parameters":[{"id":"canary","type":"str","required":true}]},
{"name":"Fetch","parameters":[{"id":"canary","type":"str","required":true}]}]}`

// canaries makes calls that each leave a canary wherever they can, and looks for those of others in all that calls see.
type canaries struct {
	*harness
	calls, crashes atomic.Int64
	byCommand      sync.Map // *atomic.Int64
}

func newCanaries(t testing.TB, mode memory.Mode) *canaries {
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, canaryOf(1<<31-1)) // of no call
	}))
	t.Cleanup(service.Close)
	c := &canaries{harness: start(t, open(t, t.TempDir()), func(c *Config) {
		c.Dev = true
		c.Limits.Concurrent, c.Limits.Warm = 16, 8
	})}
	c.engine = c.engine.WithMode(mode)
	c.install(hoarder(service.URL))
	c.install(guests.Module(t, "misbehave"))
	c.install(guests.Module(t, "http"))
	return c
}

// call makes the nth call.
func (c *canaries) call(n int64) {
	own := canaryOf(n)
	id, params := "hoarder/Leave", fmt.Sprintf(`{"canary":"%s"}`, own)
	switch {
	case n%64 == 63:
		id = "hoarder/Fetch"
	case n%256 == 9: // ends in the middle, with its canary where it likes
		id, params = "misbehave/Trap", `{}`
	case n%256 == 17:
		id, params = "misbehave/Exit", `{}`
	case n%16 == 5:
		id, params = "misbehave/Log", fmt.Sprintf(`{"line":"%s","times":3}`, own)
	case n%32 == 11: // to where nobody listens
		id, params = "http/GetRequest", fmt.Sprintf(`{"url":"http://127.0.0.1:1/%s"}`, own)
	case n%4 == 3:
		id, params = "misbehave/Stash", fmt.Sprintf(`{"value":"%s"}`, own)
	}
	a, err := c.execute(context.Background(), id, params)
	c.calls.Add(1)
	count, _ := c.byCommand.LoadOrStore(id, new(atomic.Int64))
	count.(*atomic.Int64).Add(1)
	c.check(own, id, a, err)
}

func (c *canaries) check(own, id string, a *envelope.Answer, err error) {
	if id == "misbehave/Trap" || id == "misbehave/Exit" {
		if err == nil {
			c.t.Errorf("%s: answered %+v", id, a)
		}
		c.crashes.Add(1)
		return
	}
	if err != nil {
		c.t.Errorf("%s: %v", id, err)
		return
	}
	head, err := json.Marshal(a)
	if err != nil {
		c.t.Error(err)
	}
	for _, canary := range anyCanary.FindAllString(string(head)+string(a.Body)+strings.Join(a.Logs, "\n"), -1) {
		if canary != own {
			c.t.Errorf("%s: the call with %s found %s in %s, %q", id, own, canary, a.Body, a.Logs)
		}
	}
	want := ""
	switch id {
	case "hoarder/Leave", "hoarder/Fetch":
		want = fmt.Sprintf(`["%s",0]`, own)
		if len(a.Logs) != 1 || a.Logs[0] != own {
			c.t.Errorf("%s: logged %q, want %s alone", id, a.Logs, own)
		}
	case "misbehave/Stash":
		want = `{"global":"","heap":""}`
	case "misbehave/Log":
		want = `{"logged":3}`
	default:
		return
	}
	if string(a.Body) != want {
		c.t.Errorf("%s: answered %s, want %s", id, a.Body, want)
	}
}

// run makes so many calls, from several goroutines.
func (c *canaries) run(calls int64) {
	const goroutines = 8
	var next atomic.Int64
	var wait sync.WaitGroup
	for range goroutines {
		wait.Go(func() {
			for n := next.Add(1); n <= calls && !c.t.Failed(); n = next.Add(1) {
				c.call(n)
			}
		})
	}
	wait.Wait()
	var reused, resets uint64
	for _, connector := range c.current.Load().connectors {
		s := connector.pool.Stats()
		reused, resets = reused+s.Reused, resets+s.Resets
	}
	if resets < uint64(calls)/2 || reused < uint64(calls)/2 {
		c.t.Errorf("%d resets, %d sandboxes lent again in %d calls: hardly any call followed another", resets, reused, calls)
	}
	commands := map[string]int64{}
	c.byCommand.Range(func(id, n any) bool {
		commands[id.(string)] = n.(*atomic.Int64).Load()
		return true
	})
	c.t.Logf("%s: %d calls (%d crashed), %d in a sandbox that another had used, %d resets; by command: %v", c.engine.Mode(), c.calls.Load(),
		c.crashes.Load(), reused, resets, commands)
}

// Whatever calls leave in their memory, globals, handles, logs and output, no other finds. TestCanaryLong makes more of
// them.
func TestCanary(t *testing.T) {
	for _, mode := range memory.Modes() {
		t.Run(mode.String(), func(t *testing.T) { newCanaries(t, mode).run(1000) })
	}
}

// The hoarder does find what is left: in a sandbox that was not put back.
func TestCanary_Sabotage(t *testing.T) {
	c := newCanaries(t, memory.Copy)
	connector := c.current.Load().connectors["hoarder"]
	i, err := connector.code.image.Instance(c.config.Limits.sandbox())
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	for n, want := range []string{`",0]`, `",9]`} {
		call := describing()
		call.Host.Describing, call.Params = false, []byte(fmt.Sprintf(`{"canary":"%s"}`, canaryOf(int64(n))))
		if err := call.Execute(context.Background(), i, 0); err != nil {
			t.Fatal(err)
		}
		if _, body, _, _ := call.Output(); !strings.HasSuffix(string(body), want) {
			t.Errorf("answered %s, want %s at the end", body, want)
		}
	}
}
