package hostile

import (
	"fmt"
	"slices"
	"strings"

	w "sluice/runtime/sandbox/wasmtest"
)

// guest is a connector of the native ABI with the commands Harm and Fine. Its functions are numbered from own on.
type guest struct {
	// Module is what it has beside what every guest has. Data goes to free and beyond.
	w.Module
	// harm is the code of a function () -> () with these locals, which the phase runs.
	harm   []byte
	locals []w.Locals
	phase  Phase
	// manifest replaces what describe writes.
	manifest string
}

// The functions of every guest, by index: what it imports, then its own.
const (
	hostSize = iota
	hostRead
	hostClose
	hostWrite
	hostAnswer
	hostLog
	hostRandom
	hostNow
	hostSleep
	hostHTTPSend
	hostHTTPStatus
	hostHTTPHeader
	hostIsJSON
	hostWriteFrom
	hostCacheGet
	hostCachePut
	hostCacheDelete
	hostSecret
	hostSecretValue
	hostHMAC
	hostTCPOpen
	hostTCPRead
	hostTCPWrite
	hostTCPTLS
	wasiProcExit
	wasiPollOneoff
	wasiFdWrite
	wasiFdRead
	wasiFdstatGet
	wasiRandomGet
	wasiClockResGet
	wasiClockTimeGet
	wasiArgsSizesGet
	wasiEnvironSizesGet
	wasiSchedYield
	funcDescribe
	funcExecute
	funcHarm
	own
)

const (
	native = "sluice:host/v1"
	wasi   = "wasi_snapshot_preview1"
)

var imports = []w.Import{
	hostSize:            function(native, "size", "i", "I"),
	hostRead:            function(native, "read", "iIii", "i"),
	hostClose:           function(native, "close", "i", "i"),
	hostWrite:           function(native, "write", "ii", "i"),
	hostAnswer:          function(native, "answer", "ii", "i"),
	hostLog:             function(native, "log", "iii", "i"),
	hostRandom:          function(native, "random", "ii", "i"),
	hostNow:             function(native, "now", "", "I"),
	hostSleep:           function(native, "sleep", "I", "i"),
	hostHTTPSend:        function(native, "http_send", "iiii", "i"),
	hostHTTPStatus:      function(native, "http_status", "i", "i"),
	hostHTTPHeader:      function(native, "http_header", "iiiii", "i"),
	hostIsJSON:          function(native, "is_json", "i", "i"),
	hostWriteFrom:       function(native, "write_from", "i", "i"),
	hostCacheGet:        function(native, "cache_get", "ii", "i"),
	hostCachePut:        function(native, "cache_put", "iiiiI", "i"),
	hostCacheDelete:     function(native, "cache_delete", "ii", "i"),
	hostSecret:          function(native, "secret", "iiii", "i"),
	hostSecretValue:     function(native, "secret_value", "ii", "i"),
	hostHMAC:            function(native, "hmac", "iiiiii", "i"),
	hostTCPOpen:         function(native, "tcp_open", "ii", "i"),
	hostTCPRead:         function(native, "tcp_read", "iiiI", "i"),
	hostTCPWrite:        function(native, "tcp_write", "iiiI", "i"),
	hostTCPTLS:          function(native, "tcp_tls", "iii", "i"),
	wasiProcExit:        function(wasi, "proc_exit", "i", ""),
	wasiPollOneoff:      function(wasi, "poll_oneoff", "iiii", "i"),
	wasiFdWrite:         function(wasi, "fd_write", "iiii", "i"),
	wasiFdRead:          function(wasi, "fd_read", "iiii", "i"),
	wasiFdstatGet:       function(wasi, "fd_fdstat_get", "ii", "i"),
	wasiRandomGet:       function(wasi, "random_get", "ii", "i"),
	wasiClockResGet:     function(wasi, "clock_res_get", "ii", "i"),
	wasiClockTimeGet:    function(wasi, "clock_time_get", "iIi", "i"),
	wasiArgsSizesGet:    function(wasi, "args_sizes_get", "ii", "i"),
	wasiEnvironSizesGet: function(wasi, "environ_sizes_get", "ii", "i"),
	wasiSchedYield:      function(wasi, "sched_yield", "", "i"),
}

func function(module, name, params, results string) w.Import {
	return w.Import{Module: module, Name: name, Params: params, Results: results}
}

// Where things stand in the memory of a guest: the head of an answer, what Fine answers, a word that no guest writes to
// but by overwriting everything, and the manifest. What follows is the guest's.
const (
	atHead     = 0
	atAnswer   = 16
	atCanary   = 64
	atManifest = 1024
	free       = 8 << 10
	page       = 64 << 10
	pages      = 2 // unless the guest has more
)

// head is the head of every ordinary answer.
const head = "{}"

// answerFine is the code of Fine.
var answerFine = w.Code(
	w.I32(atAnswer), w.I32(len(Answer)), w.Call(hostWrite), w.Drop,
	w.I32(atHead), w.I32(len(head)), w.Call(hostAnswer), w.Drop,
)

// manifestOf is the manifest of an ordinary guest.
func manifestOf(name string) string {
	return fmt.Sprintf(`{"name":%q,"version":"1.0.0","commands":[{"name":%q,"parameters":[]},{"name":%q,"parameters":[]}]}`,
		connector(name), Harm, Fine)
}

// bytes assembles the guest under a name.
func (g guest) bytes(name string) []byte {
	if g.manifest == "" {
		g.manifest = manifestOf(name)
	}
	m := g.Module
	m.Imports = slices.Concat(imports, m.Imports)
	harm := func(phase Phase) []byte {
		if g.phase == phase {
			return w.Call(funcHarm)
		}
		return nil
	}
	functions := []w.Function{ // from funcDescribe on
		{Export: "describe", Code: w.Code(harm(Describe),
			w.I32(atManifest), w.I32(len(g.manifest)), w.Call(hostWrite), w.Drop)},
		// Harm that returns answers too; and a guest that is told to be fine must find its memory as it was made.
		{Export: "execute", Params: "i", Code: w.Code(
			w.LocalGet(0), w.I32Eqz, w.If(harm(Execute)),
			w.I32(atCanary), w.I32Load(0), w.If(w.Unreachable),
			answerFine)},
		{Locals: g.locals, Code: g.harm},
	}
	m.Functions = append(functions, m.Functions...)
	for _, phase := range []Phase{Start, Initialize, Warm} {
		if g.phase == phase {
			m.Functions = append(m.Functions, w.Function{Export: string(phase), Code: w.Call(funcHarm)})
		}
	}
	if g.phase == Start {
		m.Start = string(Start)
	}
	m.Pages = max(m.Pages, pages)
	m.Data = slices.Concat([]w.Data{{At: atHead, Text: head}, {At: atAnswer, Text: Answer}, {At: atManifest, Text: g.manifest}}, m.Data)
	return m.Bytes()
}

// module makes a module of the guest, of which a call may end in these ways.
func (g guest) module(name string, ends ...string) Module {
	if g.phase == "" {
		g.phase = Execute
	}
	return Module{Name: name, Phase: g.phase, Bytes: g.bytes(name), Ends: ends}
}

// burning makes a module of a guest that computes until it is stopped.
func (g guest) burning(name string) Module {
	m := g.module(name, deadline)
	m.Burns = true
	return m
}

// refused makes a module of a guest that is not installed.
func (g guest) refused(name string, codes ...string) Module {
	m := g.module(name)
	m.Refused, m.Ends = codes, nil
	return m
}

// installing are the phases of a module's code that come before it is in service.
var installing = []Phase{Start, Initialize, Describe}

// inEveryPhase is a module whose guest does its harm when it executes, and those whose guests do it earlier: they are
// refused, where that is while they are installed, and served as if they had done nothing, where that is to warm up.
func (g guest) inEveryPhase(executing Module) []Module {
	all := []Module{executing}
	for _, phase := range installing {
		g.phase = phase
		all = append(all, g.refused(executing.Name+"-"+strings.TrimPrefix(string(phase), "_"), describeFailed))
	}
	g.phase = Warm
	return append(all, g.module(executing.Name+"-warm", OK))
}
