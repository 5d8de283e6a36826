package abi

import "unsafe"

// native is the host behind the imports of sluice:host/v1.
type native struct{}

//go:wasmimport sluice:host/v1 size
func hostSize(handle uint32) int64

//go:wasmimport sluice:host/v1 read
//go:noescape
func hostRead(handle uint32, offset int64, ptr unsafe.Pointer, n uint32) int32

//go:wasmimport sluice:host/v1 close
func hostClose(handle uint32) int32

//go:wasmimport sluice:host/v1 write
//go:noescape
func hostWrite(ptr unsafe.Pointer, n uint32) int32

//go:wasmimport sluice:host/v1 answer
//go:noescape
func hostAnswer(ptr unsafe.Pointer, n uint32) int32

//go:wasmimport sluice:host/v1 log
//go:noescape
func hostLog(level int32, ptr unsafe.Pointer, n uint32) int32

//go:wasmimport sluice:host/v1 random
//go:noescape
func hostRandom(ptr unsafe.Pointer, n uint32) int32

//go:wasmimport sluice:host/v1 now
func hostNow() int64

//go:wasmimport sluice:host/v1 sleep
func hostSleep(milliseconds int64) int32

//go:wasmimport sluice:host/v1 http_send
//go:noescape
func hostHTTPSend(headPtr unsafe.Pointer, headLen uint32, bodyPtr unsafe.Pointer, bodyLen uint32) int32

//go:wasmimport sluice:host/v1 http_status
func hostHTTPStatus(head uint32) int32

//go:wasmimport sluice:host/v1 http_header
//go:noescape
func hostHTTPHeader(head uint32, namePtr unsafe.Pointer, nameLen uint32, ptr unsafe.Pointer, n uint32) int32

//go:wasmimport sluice:host/v1 is_json
func hostIsJSON(handle uint32) int32

//go:wasmimport sluice:host/v1 write_from
func hostWriteFrom(handle uint32) int32

//go:wasmimport sluice:host/v1 cache_get
//go:noescape
func hostCacheGet(keyPtr unsafe.Pointer, keyLen uint32) int32

//go:wasmimport sluice:host/v1 cache_put
//go:noescape
func hostCachePut(keyPtr unsafe.Pointer, keyLen uint32, ptr unsafe.Pointer, n uint32, milliseconds int64) int32

//go:wasmimport sluice:host/v1 cache_delete
//go:noescape
func hostCacheDelete(keyPtr unsafe.Pointer, keyLen uint32) int32

// trap executes the instruction unreachable.
func trap()

func at(p []byte) (unsafe.Pointer, uint32) {
	return unsafe.Pointer(unsafe.SliceData(p)), uint32(len(p))
}

func text(s string) (unsafe.Pointer, uint32) {
	return unsafe.Pointer(unsafe.StringData(s)), uint32(len(s))
}

func (native) Size(handle uint32) int64 { return hostSize(handle) }

func (native) Read(handle uint32, offset int64, p []byte) int32 {
	ptr, n := at(p)
	return hostRead(handle, offset, ptr, n)
}

func (native) Close(handle uint32) int32 { return hostClose(handle) }

func (native) Write(p []byte) int32 {
	ptr, n := at(p)
	return hostWrite(ptr, n)
}

func (native) Answer(head []byte) int32 {
	ptr, n := at(head)
	return hostAnswer(ptr, n)
}

func (native) Log(level int32, line []byte) int32 {
	ptr, n := at(line)
	return hostLog(level, ptr, n)
}

func (native) Random(p []byte) int32 {
	ptr, n := at(p)
	return hostRandom(ptr, n)
}

func (native) Now() int64 { return hostNow() }

func (native) Sleep(milliseconds int64) int32 { return hostSleep(milliseconds) }

func (native) HTTPSend(head, body []byte) int32 {
	headPtr, headLen := at(head)
	bodyPtr, bodyLen := at(body)
	return hostHTTPSend(headPtr, headLen, bodyPtr, bodyLen)
}

func (native) HTTPStatus(head uint32) int32 { return hostHTTPStatus(head) }

func (native) HTTPHeader(head uint32, name string, p []byte) int32 {
	ptr, n := at(p)
	namePtr, nameLen := text(name)
	return hostHTTPHeader(head, namePtr, nameLen, ptr, n)
}

func (native) IsJSON(handle uint32) int32 { return hostIsJSON(handle) }

func (native) WriteFrom(handle uint32) int32 { return hostWriteFrom(handle) }

func (native) CacheGet(key string) int32 {
	keyPtr, keyLen := text(key)
	return hostCacheGet(keyPtr, keyLen)
}

func (native) CachePut(key string, value []byte, milliseconds int64) int32 {
	keyPtr, keyLen := text(key)
	ptr, n := at(value)
	return hostCachePut(keyPtr, keyLen, ptr, n, milliseconds)
}

func (native) CacheDelete(key string) int32 {
	keyPtr, keyLen := text(key)
	return hostCacheDelete(keyPtr, keyLen)
}

func (native) Trap() { trap() }

//go:wasmexport describe
func describe() { Entered().Describe(native{}) }

//go:wasmexport execute
func execute(command uint32) { Entered().Execute(native{}, command) }

//go:wasmexport warm
func warm() { Entered().Warm(native{}) }

var _ Host = native{}
