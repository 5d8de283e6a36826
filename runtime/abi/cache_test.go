package abi

import (
	"strings"
	"testing"
	"time"

	"sluice/hostfuncs"
	"sluice/hostfuncs/cache"
	"sluice/runtime/sandbox/memory"
)

func TestNative_Cache(t *testing.T) {
	shared := cache.New(64 << 10)
	begin := func() (*Call, *guest) {
		c := &Call{Host: &hostfuncs.Call{Cache: shared}, OutputLimit: 1 << 20}
		return c, newGuest(t, c)
	}
	const minute = uint64(time.Minute / time.Millisecond)
	_, g := begin()
	key, n := g.put(64, "key")
	value, m := g.put(256, "value")
	g.want(absent, "cache_get", key, n)
	g.want(0, "cache_put", key, n, value, m, minute)
	g.put(256, "other")

	// Another call finds it, and can pass it on.
	c, g := begin()
	key, n = g.put(64, "key")
	h := g.do("cache_get", key, n)
	if h < 2 {
		t.Fatalf("cache_get: %d", h)
	}
	g.want(5, "read", uint64(h), 0, 1024, 64)
	g.wantMemory(1024, "value")
	g.want(badHandle, "http_status", uint64(h)-1)
	g.want(0, "is_json", uint64(h))
	g.want(0, "write_from", uint64(h))
	g.want(0, "close", uint64(h))
	g.want(badHandle, "read", uint64(h), 0, 1024, 64)
	if _, body, _, _ := c.Output(); string(body) != "value" || c.held != 0 {
		t.Errorf("answered %q, %d bytes are held", body, c.held)
	}

	g.want(0, "cache_delete", key, n)
	g.want(0, "cache_delete", key, n)
	g.want(absent, "cache_get", key, n)
	for _, ttl := range []uint64{0, 1 << 63} {
		g.want(invalid, "cache_put", key, n, key, n, ttl)
	}
	g.want(0, "cache_put", key, n, key, 0, 1<<63-1)
	h = g.do("cache_get", key, n)
	g.want(0, "read", uint64(h), 0, 1024, 64) // an empty value is one
	g.want(tooLarge, "cache_put", key, n, 0, memoryEnd, minute)
	g.want(absent, "cache_get", key, n)

	g.put(64, strings.Repeat("k", cache.MaxKey+1))
	for _, f := range []string{"cache_get", "cache_delete"} {
		g.want(0, "cache_delete", 64, cache.MaxKey)
		g.want(invalid, f, 64, 0)
		g.want(invalid, f, 64, cache.MaxKey+1)
		g.want(badRange, f, memoryEnd-1, 2)
		g.want(badRange, f, highest, highest)
	}
	g.want(badRange, "cache_put", memoryEnd-1, 2, 0, 1, minute)
	g.want(badRange, "cache_put", 64, 1, memoryEnd-1, 2, minute)
}

// Without a grant nothing is kept, and while describing nothing is offered.
func TestNative_Cache_Denied(t *testing.T) {
	for want, host := range map[int32]*hostfuncs.Call{
		int32(hostfuncs.NotGranted): {}, notAvailable: {Describing: true, Cache: cache.New(1 << 20)},
	} {
		g := newGuest(t, &Call{Host: host})
		g.want(want, "cache_get", 64, 1)
		g.want(want, "cache_put", 64, 1, 64, 1, 1)
		g.want(want, "cache_delete", 64, 1)
	}
}

// What is read counts among what the call holds.
func TestNative_Cache_Budget(t *testing.T) {
	shared := cache.New(1 << 20)
	shared.Put("k", make([]byte, 3*uncharged), time.Minute)
	c := &Call{Host: &hostfuncs.Call{Cache: shared}, Budget: memory.NewBudget(3 * uncharged)}
	g := newGuest(t, c)
	g.put(64, "k")
	g.want(3, "cache_get", 64, 1)
	g.want(tooLarge, "cache_get", 64, 1)
	if !c.Starved() {
		t.Error("there is budget for more")
	}
	c.Release()
}

// What is put is copied within the budget, as the guest's work, and is gone where it can't be.
func TestNative_Cache_Put(t *testing.T) {
	shared := cache.New(1 << 20)
	for room, want := range map[uint64]int32{memoryEnd: 0, 1: tooLarge} {
		shared.Put("k", []byte("old"), time.Minute)
		c := &Call{Host: &hostfuncs.Call{Cache: shared}, Budget: memory.NewBudget(room), held: uncharged}
		g := newGuest(t, c)
		g.put(64, "k")
		before := g.in.Fuel()
		g.want(want, "cache_put", 64, 1, 0, memoryEnd, 1000)
		if spent := g.in.Fuel() - before; want == 0 && spent < memoryEnd/copiedPerOne {
			t.Errorf("a copy of %d bytes takes %d units", memoryEnd, spent)
		}
		if kept, ok := shared.Get("k"); ok != (want == 0) || ok && len(kept) != memoryEnd || c.Starved() == ok {
			t.Errorf("with room for %d bytes: %d are kept, starved %t", room, len(kept), c.Starved())
		}
		c.Release()
	}
}
