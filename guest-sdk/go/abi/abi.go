// Package abi is the border between a Go connector and Sluice: the functions of the native ABI, version 1, as an
// interface, and the exports through which the host enters the guest. Connectors are written with package sluice,
// which stands on this one; it is of use by itself to guests that want the bare functions and nothing else.
package abi

// Handles that are open in every call. Those of responses come from [Host.HTTPSend].
const (
	Params  uint32 = 0 // the parameters, one JSON object
	Context uint32 = 1 // the call's context, one JSON object
)

// Code is a negative result of a host function.
type Code int32

// The negative results. BadRange cannot happen to callers of a [Host], which pass slices.
const (
	BadHandle    Code = -1 // no such handle in this call
	BadRange     Code = -2 // pointer and length leave the guest's memory
	TooLarge     Code = -3 // the output, log or request limit is reached; nothing of this piece was taken
	Invalid      Code = -4 // the bytes are not what the function takes
	NotAvailable Code = -5 // not offered here, as most functions are while describing
	Absent       Code = -6 // the response has no such header, the cache no such key
	Denied       Code = -9 // the capability is not requested, or not granted
)

// String returns the name by which the ABI calls c.
func (c Code) String() string {
	switch c {
	case BadHandle:
		return "BAD_HANDLE"
	case BadRange:
		return "BAD_RANGE"
	case TooLarge:
		return "TOO_LARGE"
	case Invalid:
		return "INVALID"
	case NotAvailable:
		return "NOT_AVAILABLE"
	case Absent:
		return "ABSENT"
	case Timeout:
		return "TIMEOUT"
	case Closed:
		return "CLOSED"
	case Denied:
		return "DENIED"
	}
	return "unknown result"
}

// The levels of [Host.Log].
const (
	Debug int32 = iota
	Info
	Warn
	Error
)

// Host is what a guest may ask of the host. Results that are negative are a [Code]; slices are lent for the length of
// the call. It is an interface so that connectors can be tested without a host, not as a place for plug-ins.
type Host interface {
	// Size returns the size in bytes of what stands behind a handle.
	Size(handle uint32) int64
	// Read copies at most len(p) bytes from offset on into p and returns how many, 0 at or past the end. A body that is
	// streamed is waited for, and read in order.
	Read(handle uint32, offset int64, p []byte) int32
	// Close gives back a handle of HTTPSend. A response's head and body are closed one by one.
	Close(handle uint32) int32
	// Write appends to the answer's body; while describing, to the manifest.
	Write(p []byte) int32
	// Answer sets the answer's head, a JSON object, once a call.
	Answer(head []byte) int32
	// Log adds one line of UTF-8 to the call's log.
	Log(level int32, line []byte) int32
	// Random fills p from the system's cryptographic generator.
	Random(p []byte) int32
	// Now returns nanoseconds since 1970-01-01 UTC.
	Now() int64
	// Sleep returns after so many milliseconds. The call's deadline goes on running.
	Sleep(milliseconds int64) int32
	// HTTPSend sends one request and waits for the answer. It returns the handle of the response's head; the next
	// one is its body's.
	HTTPSend(head, body []byte) int32
	// HTTPStatus returns the status of the response with this head, 0 where none came.
	HTTPStatus(head uint32) int32
	// HTTPHeader copies at most len(p) bytes of a header's first value into p and returns how many it has.
	HTTPHeader(head uint32, name string, p []byte) int32
	// IsJSON returns 1 where what stands behind a handle is JSON that an answer may have as its body, else 0.
	IsJSON(handle uint32) int32
	// WriteFrom appends what stands behind a handle to the answer's body.
	WriteFrom(handle uint32) int32
	// CacheGet returns the handle of what is kept under a key.
	CacheGet(key string) int32
	// CachePut keeps a copy of value under a key for so many milliseconds.
	CachePut(key string, value []byte, milliseconds int64) int32
	// CacheDelete removes what is kept under a key.
	CacheDelete(key string) int32
	// Secret writes the text that stands for a secret in this call to p, which has 48 bytes at least, and returns how many.
	Secret(name string, p []byte) int32
	// SecretValue returns the handle of a head that says whether a secret is granted in the clear; the next one is its value's.
	SecretValue(name string) int32
	// HMAC returns the handle of a head that says whether data may be signed with a secret; the next one is the signature's.
	HMAC(secret, algorithm string, data []byte) int32
	// Trap ends the call without an answer. It does not return.
	Trap()
}

// Guest is what a connector is to its host.
type Guest interface {
	// Describe writes the manifest, one JSON document.
	Describe(Host)
	// Execute runs the command at this position of the manifest's commands, from 0, and answers once.
	Execute(h Host, command uint32)
	// Warm runs no command. It does, on made-up values, what every call will do again, so that the heap and the lazy
	// tables that this fills are part of the image that calls start from.
	Warm(Host)
}

var registered Guest

// Register makes g the guest that the host's calls reach. It belongs into an init function; the last one wins.
func Register(g Guest) { registered = g }

// Registered returns the guest that was registered, or nil.
func Registered() Guest { return registered }

// Entered returns the guest that the host's calls reach: the one that was registered, or one that says that none was.
func Entered() Guest {
	if registered == nil {
		return nobody{}
	}
	return registered
}

// nobody is the guest of a program that registers none before it is asked.
type nobody struct{}

func (nobody) Describe(h Host)          { refuse(h) }
func (nobody) Execute(h Host, _ uint32) { refuse(h) }
func (nobody) Warm(h Host)              { refuse(h) }

func refuse(h Host) {
	h.Log(Error, []byte("no connector is registered: call Register in an init function; nothing calls main in a module"))
	h.Trap()
}
