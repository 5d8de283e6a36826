package sluicetest

import (
	"crypto/rand"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"sluice/guest-sdk/go/abi"
	"sluice/internal/rawjson"
	"sluice/runtime/manifest"
)

// host is the host's side of one call, or of describing.
type host struct {
	t         testing.TB
	call      Call
	mayCache  bool
	executing bool
	open      map[uint32][]byte
	heads     map[uint32]responseHead // of open handles
	// connections are those that the command has open, by handle, and streams the bodies that it reads as they come.
	connections map[uint32]*connection
	streams     map[uint32]*stream
	next        uint32
	now, end    time.Time
	maxOutput   int

	mayHTTP, mayTCP []target // that the manifest asks for
	maySecrets      []string // that the manifest asks for
	referred        []string // names of secrets, in order

	body  []byte
	head  []byte
	logs  []Line
	ended string
}

func newHost(t testing.TB, m *manifest.Manifest, command string, call Call) *host {
	h := &host{t: t, call: call, executing: true, open: map[uint32][]byte{}, heads: map[uint32]responseHead{}, next: 2, now: call.Now, maxOutput: call.MaxOutput}
	h.mayHTTP, h.mayTCP = rulesOf(m, manifest.CapabilityHTTP, httpRule), rulesOf(m, manifest.CapabilityTCP, tcpRule)
	h.mayCache = m.Requests(manifest.CapabilityCache)
	h.connections, h.streams = map[uint32]*connection{}, map[uint32]*stream{}
	for _, c := range m.Capabilities {
		h.maySecrets = append(h.maySecrets, c.Secrets...)
	}
	if h.now.IsZero() {
		h.now = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	if h.maxOutput == 0 {
		h.maxOutput = 16 << 20
	}
	h.end = h.now.Add(call.deadline())
	return h
}

// ended is the panic by which a call ends without an answer.
type ended struct{}

// enter runs f and returns why it ended early, or "".
func (h *host) enter(f func(abi.Guest)) (crash string) {
	defer func() {
		switch r := recover(); r.(type) {
		case nil:
		case ended:
			crash = h.ended
		default:
			panic(r)
		}
	}()
	f(abi.Entered())
	return ""
}

// stop ends the call. What comes after the first reason, on the way out, does not count.
func (h *host) stop(why string) {
	if h.ended == "" {
		h.ended = why
	}
	panic(ended{})
}

func (h *host) Trap() { h.stop("trap") }

// behind is what stands behind an open handle, or the code that the host answers instead.
func behind[T any](h *host, open map[uint32]T, handle uint32) (thing T, code abi.Code) {
	thing, ok := open[handle]
	switch {
	case !h.executing:
		return thing, abi.NotAvailable
	case !ok:
		return thing, abi.BadHandle
	}
	return thing, 0
}

func (h *host) Size(handle uint32) int64 {
	if s, ok := h.streams[handle]; ok {
		return s.size()
	}
	p, code := behind(h, h.open, handle)
	if code != 0 {
		return int64(code)
	}
	return int64(len(p))
}

func (h *host) Read(handle uint32, offset int64, p []byte) int32 {
	if s, ok := h.streams[handle]; ok {
		return h.readStream(s, offset, p)
	}
	from, code := behind(h, h.open, handle)
	switch {
	case code != 0:
		return int32(code)
	case offset < 0 || offset >= int64(len(from)):
		return 0
	}
	return int32(copy(p, from[offset:]))
}

func (h *host) IsJSON(handle uint32) int32 {
	if _, ok := h.streams[handle]; ok {
		return int32(abi.Invalid)
	}
	from, code := behind(h, h.open, handle)
	if code != 0 {
		return int32(code)
	}
	if _, err := rawjson.Value(from, rawjson.MaxDepth); err != nil {
		return 0
	}
	return 1
}

func (h *host) WriteFrom(handle uint32) int32 {
	if s, ok := h.streams[handle]; ok {
		return h.writeStream(s)
	}
	from, code := behind(h, h.open, handle)
	if code != 0 {
		return int32(code)
	}
	return h.Write(from)
}

func (h *host) Close(handle uint32) int32 {
	_, ok := h.open[handle]
	c, connected := h.connections[handle]
	s, streamed := h.streams[handle]
	switch {
	case !h.executing:
		return int32(abi.NotAvailable)
	case streamed:
		s.close()
		delete(h.streams, handle)
	case connected:
		c.close()
		delete(h.connections, handle)
	case !ok:
		return int32(abi.BadHandle)
	case handle > abi.Context:
		delete(h.open, handle)
		delete(h.heads, handle)
	}
	return 0
}

func (h *host) Write(p []byte) int32 {
	if len(h.body)+len(p) > h.maxOutput {
		return int32(abi.TooLarge)
	}
	h.body = append(h.body, p...)
	return 0
}

func (h *host) Answer(head []byte) int32 {
	switch {
	case !h.executing:
		return int32(abi.NotAvailable)
	case h.head != nil || !json.Valid(head):
		return int32(abi.Invalid)
	}
	h.head = slices.Clone(head)
	return 0
}

func (h *host) Log(level int32, line []byte) int32 {
	names := []string{abi.Debug: "debug", abi.Info: "info", abi.Warn: "warn", abi.Error: "error"}
	text := string(line)
	if level < 0 || int(level) >= len(names) || !utf8.ValidString(text) || strings.ContainsAny(text, "\r\n") {
		return int32(abi.Invalid)
	}
	if h.ended == "" {
		h.logs = append(h.logs, Line{names[level], text})
	}
	return 0
}

func (h *host) Random(p []byte) int32 {
	rand.Read(p)
	return 0
}

func (h *host) Now() int64 { return h.now.UnixNano() }

func (h *host) Sleep(milliseconds int64) int32 {
	if !h.executing {
		return int32(abi.NotAvailable)
	}
	if milliseconds > h.end.Sub(h.now).Milliseconds() {
		h.stop("deadline_exceeded")
	}
	h.now = h.now.Add(time.Duration(max(milliseconds, 0)) * time.Millisecond)
	return 0
}

var _ abi.Host = (*host)(nil)
