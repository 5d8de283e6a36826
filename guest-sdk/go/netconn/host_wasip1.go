package netconn

import (
	"unsafe"

	"sluice/guest-sdk/go/abi"
)

//go:wasmimport sluice:host/v1 tcp_open
//go:noescape
func hostOpen(headPtr unsafe.Pointer, headLen uint32) int32

//go:wasmimport sluice:host/v1 tcp_read
//go:noescape
func hostRead(connection uint32, ptr unsafe.Pointer, n uint32, milliseconds int64) int32

//go:wasmimport sluice:host/v1 tcp_write
//go:noescape
func hostWrite(connection uint32, ptr unsafe.Pointer, n uint32, milliseconds int64) int32

//go:wasmimport sluice:host/v1 tcp_tls
//go:noescape
func hostTLS(connection uint32, namePtr unsafe.Pointer, nameLen uint32) int32

// native is the host behind the imports of sluice:host/v1.
type native struct{}

func at(p []byte) (unsafe.Pointer, uint32) {
	return unsafe.Pointer(unsafe.SliceData(p)), uint32(len(p))
}

func (native) TCPOpen(head []byte) int32 { return hostOpen(at(head)) }

func (native) TCPRead(connection uint32, p []byte, milliseconds int64) int32 {
	ptr, n := at(p)
	return hostRead(connection, ptr, n, milliseconds)
}

func (native) TCPWrite(connection uint32, p []byte, milliseconds int64) int32 {
	ptr, n := at(p)
	return hostWrite(connection, ptr, n, milliseconds)
}

func (native) TCPTLS(connection uint32) int32 { return hostTLS(connection, nil, 0) }

// hostOf returns the functions for connections that belong to a host.
func hostOf(abi.Host) (abi.TCPHost, bool) { return native{}, true }
