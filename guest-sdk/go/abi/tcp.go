package abi

// The negative results of the functions of [TCPHost], and of reading a body that is streamed.
const (
	Timeout Code = -7 // nothing came, or nothing was taken, within the time
	Closed  Code = -8 // the connection is no more; the body did not come to its end
)

// TCPHost is what a host offers for connections. Package netconn imports these functions from it, so that connectors
// which open none do not.
type TCPHost interface {
	// TCPOpen opens a connection. It returns the handle of a head, which says what became of it; the next one is the
	// connection's.
	TCPOpen(head []byte) int32
	// TCPRead waits for at most len(p) bytes and returns how many came, 0 at the end. A negative time is none.
	TCPRead(connection uint32, p []byte, milliseconds int64) int32
	// TCPWrite sends bytes of p and returns how many were taken. A negative time is none.
	TCPWrite(connection uint32, p []byte, milliseconds int64) int32
	// TCPTLS goes over to TLS, with the connection's host as the name.
	TCPTLS(connection uint32) int32
}
