package sluice

import (
	"time"

	"sluice/guest-sdk/go/abi"
)

// Cached asks for a cache. Reason tells the operator what it is for.
func Cached(reason string) Capability { return Capability{Name: "cache", Reason: reason} }

// Cache is what the connector keeps from call to call: the only thing that does. It is in the server's memory, bounded by
// the operator's grant, and shared by all calls of this version of the connector until the grant changes. The connector
// needs the capability [Cached], and a grant.
//
// What callers must not see of one another does not belong in it, unless the key says whose it is.
type Cache struct{ host abi.Host }

// Cache returns the connector's cache.
func (c *Call) Cache() Cache { return Cache{c.host} }

// Get returns what is kept under a key, and false where there is nothing, or nothing any more.
//
// # Errors
//
// Those of all methods: an [*Error] with the code cache_denied (403) where the connector may keep nothing, and
// invalid_key (400) for a key that is empty or has more than 256 bytes; of Get also overloaded (503), where the call holds
// too much already.
func (c Cache) Get(key string) ([]byte, bool, error) {
	h := c.host.CacheGet(key)
	switch code := abi.Code(h); {
	case code == abi.Absent:
		return nil, false, nil
	case code == abi.TooLarge:
		return nil, false, &Error{Code: "overloaded", Status: 503, Message: "The call holds too much to read from its cache."}
	case h < 0:
		return nil, false, cacheError(code)
	}
	value := readAll(c.host, uint32(h))
	c.host.Close(uint32(h))
	return value, true, nil
}

// Put keeps a copy of value under a key for a time, from a millisecond to 24 hours. What was not asked for the longest makes
// room.
//
// # Errors
//
// Also cache_too_small (413) where the value alone has more than the connector may keep, and invalid_ttl (400).
func (c Cache) Put(key string, value []byte, ttl time.Duration) error {
	if ttl <= 0 {
		return &Error{Code: "invalid_ttl", Status: 400, Message: "A value is kept for a millisecond at least."}
	}
	code := abi.Code(c.host.CachePut(key, value, milliseconds(ttl)))
	if code == abi.TooLarge {
		return &Error{Code: "cache_too_small", Status: 413, Message: "The value is larger than the connector's cache. Keep less, or have the grant's cache raised."}
	}
	return cacheError(code)
}

// Delete removes what is kept under a key, if anything.
func (c Cache) Delete(key string) error { return cacheError(abi.Code(c.host.CacheDelete(key))) }

func cacheError(code abi.Code) error {
	switch {
	case code >= 0:
		return nil
	case code == abi.Denied:
		return &Error{Code: "cache_denied", Status: 403,
			Message: "The connector has no cache: its manifest must ask for the capability cache, and the operator set the cache of its grant."}
	case code == abi.Invalid:
		return &Error{Code: "invalid_key", Status: 400, Message: "A key of the cache has 1 to 256 bytes."}
	}
	fail("the host refused the cache: " + code.String())
	return nil
}
