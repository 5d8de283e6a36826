package sluicetest

import "sluice/guest-sdk/go/abi"

// maxKey is how long a key may be, in bytes.
const maxKey = 256

// cacheDenial is why nothing is done under a key, or 0.
func (h *host) cacheDenial(key string) abi.Code {
	switch {
	case !h.executing:
		return abi.NotAvailable
	case !h.mayCache || h.call.Cache == nil:
		return abi.Denied
	case key == "" || len(key) > maxKey:
		return abi.Invalid
	}
	return 0
}

func (h *host) CacheGet(key string) int32 {
	if code := h.cacheDenial(key); code != 0 {
		return int32(code)
	}
	value, ok := h.call.Cache[key]
	if !ok {
		return int32(abi.Absent)
	}
	handle := h.next + 1
	h.next += 2
	h.open[handle] = value
	return int32(handle)
}

func (h *host) CachePut(key string, value []byte, milliseconds int64) int32 {
	if code := h.cacheDenial(key); code != 0 {
		return int32(code)
	}
	if milliseconds <= 0 {
		return int32(abi.Invalid)
	}
	h.call.Cache[key] = append([]byte{}, value...)
	return 0
}

func (h *host) CacheDelete(key string) int32 {
	if code := h.cacheDenial(key); code != 0 {
		return int32(code)
	}
	delete(h.call.Cache, key)
	return 0
}
