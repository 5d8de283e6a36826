package abi

import (
	"context"

	"sluice/hostfuncs"
	"sluice/hostfuncs/cache"
	"sluice/runtime/sandbox"

	"github.com/tetratelabs/wazero/api"
)

// cached gives f the connector's cache and the key that the first two parameters say, where there are such.
func cached(f func(ctx context.Context, c *Call, key string, mem api.Memory, stack []uint64) int32) api.GoModuleFunc {
	return withErrno(func(ctx context.Context, c *Call, mem api.Memory, stack []uint64) int32 {
		key, ok := mem.Read(uint32(stack[0]), uint32(stack[1]))
		switch {
		case !ok:
			return int32(hostfuncs.BadRange)
		case c.Host.Describing:
			return int32(hostfuncs.NotAvailable)
		case c.Host.Cache == nil:
			return int32(hostfuncs.NotGranted)
		case len(key) == 0 || len(key) > cache.MaxKey:
			return int32(hostfuncs.Invalid)
		}
		sandbox.Spend(ctx, len(key))
		return f(ctx, c, string(key), mem, stack)
	})
}

// nativeCacheGet puts the value behind a handle, where it counts among what the call holds.
func nativeCacheGet(_ context.Context, c *Call, key string, _ api.Memory, _ []uint64) int32 {
	value, ok := c.Host.Cache.Get(key)
	if !ok {
		return int32(hostfuncs.Absent)
	}
	at := c.freeResponse()
	if at >= maxResponses || c.held >= maxHeldBytes || !c.charge(len(value)) {
		return int32(hostfuncs.TooLarge)
	}
	return int32(c.keep(at, response{body: value, bodyOpen: true})) + 1
}

func nativeCachePut(ctx context.Context, c *Call, key string, mem api.Memory, stack []uint64) int32 {
	value, ok := mem.Read(uint32(stack[2]), uint32(stack[3]))
	if !ok {
		return int32(hostfuncs.BadRange)
	}
	ttl := milliseconds(int64(stack[4]), cache.MaxTTL)
	if ttl <= 0 {
		return int32(hostfuncs.Invalid)
	}
	// The copy is made before the cache, which other calls use, is locked.
	if !c.Host.Cache.Fits(key, len(value)) || !c.charge(len(value)) {
		c.Host.Cache.Delete(key)
		return int32(hostfuncs.TooLarge)
	}
	spendCopy(ctx, len(value)) // what is new is cleared
	kept := make([]byte, len(value))
	copyInPieces(ctx, kept, value)
	c.Host.Cache.Put(key, kept, ttl)
	return 0
}

func nativeCacheDelete(_ context.Context, c *Call, key string, _ api.Memory, _ []uint64) int32 {
	c.Host.Cache.Delete(key)
	return 0
}
