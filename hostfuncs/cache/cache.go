// Package cache is what a connector may keep from call to call: values under keys, each for a time, together no more
// than it was granted. Nothing of it is on the disk. A sandbox forgets everything with its call; this is the one place
// that does not, and so it needs a grant of its own.
package cache

import (
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// The bounds of one entry.
const (
	MaxKey = 256 // bytes
	MaxTTL = 24 * time.Hour
)

// perEntry is what an entry counts besides its key and value, in bytes: about what keeping it takes.
const perEntry = 160

// Cache is one connector's. Its methods may be called at once.
type Cache struct {
	now func() time.Time

	quota int // not changed

	mu      sync.Mutex // protects what follows
	used    int
	entries *simplelru.LRU[string, entry]
}

type entry struct {
	value []byte
	ends  time.Time
}

// New returns an empty cache of so many bytes, keys and values together with what it takes to keep them.
func New(quota int) *Cache {
	c := &Cache{now: time.Now, quota: quota}
	// The number of entries is bounded by their bytes. The error is for sizes below 1.
	c.entries, _ = simplelru.NewLRU(max(quota/perEntry, 1), func(key string, e entry) { c.used -= size(key, e.value) })
	return c
}

func size(key string, value []byte) int { return len(key) + len(value) + perEntry }

// Get returns the value under a key, unless there is none or its time is over. It is not to be changed.
func (c *Cache) Get(key string) ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries.Get(key)
	if ok && !c.now().Before(e.ends) {
		c.entries.Remove(key)
		return nil, false
	}
	return e.value, ok
}

// Fits says whether a value of so many bytes could be kept under a key.
func (c *Cache) Fits(key string, n int) bool { return len(key)+n+perEntry <= c.quota }

// Put keeps the value, which is the cache's from then on, under a key for a time, MaxTTL at most, in place of what was there.
// What was not asked for the longest makes room. It reports whether the entry fits at all: where it does not, what was there
// is gone too, since it is not what the connector wants to find.
func (c *Cache) Put(key string, value []byte, ttl time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entries.Remove(key)
	if !c.Fits(key, len(value)) {
		return false
	}
	n := size(key, value)
	for c.used+n > c.quota {
		c.entries.RemoveOldest()
	}
	c.entries.Add(key, entry{value, c.now().Add(min(ttl, MaxTTL))})
	c.used += n
	return true
}

// Delete removes what is under a key.
func (c *Cache) Delete(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entries.Remove(key)
}

// Used is how many bytes the entries have, those included whose time is over and that nobody asked for since.
func (c *Cache) Used() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.used
}
