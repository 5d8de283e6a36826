package cache

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestCache(t *testing.T) {
	c := New(10 * perEntry)
	now := time.Now()
	c.now = func() time.Time { return now }
	want := func(key, value string) {
		t.Helper()
		got, ok := c.Get(key)
		if ok != (value != "") || string(got) != value {
			t.Errorf("%s is %q, %t, want %q", key, got, ok, value)
		}
	}
	want("a", "")
	if !c.Put("a", []byte("one"), time.Minute) {
		t.Fatal("there is no room for an entry")
	}
	want("a", "one")
	c.Put("a", []byte("two"), time.Minute)
	want("a", "two")
	if got := c.Used(); got != size("a", []byte("two")) {
		t.Errorf("one entry takes %d bytes", got)
	}
	now = now.Add(time.Minute)
	want("a", "")
	if c.Used() != 0 {
		t.Errorf("%d bytes are used by what has ended", c.Used())
	}

	c.Put("for ever", []byte("x"), 1<<62)
	now = now.Add(MaxTTL - 1)
	want("for ever", "x")
	now = now.Add(1)
	want("for ever", "")

	c.Put("b", []byte("x"), time.Minute)
	c.Delete("b")
	c.Delete("b")
	want("b", "")
}

// What was not asked for the longest makes room, and no more than is needed.
func TestCache_Quota(t *testing.T) {
	c := New(4 * (perEntry + 2))
	for _, key := range []string{"a", "b", "c", "d"} {
		c.Put(key, []byte("1"), time.Minute)
	}
	c.Get("a")
	c.Put("e", []byte("1"), time.Minute)
	for key, want := range map[string]bool{"a": true, "b": false, "c": true, "d": true, "e": true} {
		if _, ok := c.Get(key); ok != want {
			t.Errorf("%s is there: %t", key, ok)
		}
	}
	if room := 4*(perEntry+2) - perEntry - 1; !c.Fits("a", room) || c.Fits("a", room+1) {
		t.Error("what fits is not what the quota says")
	}
	if c.Put("a", make([]byte, 4*(perEntry+2)), time.Minute) {
		t.Error("more than the quota was taken")
	}
	if _, ok := c.Get("a"); ok {
		t.Error("what was to be replaced is still there")
	}
	if _, ok := c.Get("c"); !ok {
		t.Error("what does not fit took the room of others")
	}
}

func TestCache_Hammer(t *testing.T) {
	const quota = 64 << 10
	c := New(quota)
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := range 2000 {
				key := fmt.Sprint(i % 97)
				switch (i + g) % 5 {
				case 0:
					c.Delete(key)
				case 1, 2:
					c.Put(key, []byte(strings.Repeat(key, i%500)), time.Duration(i%3)*time.Millisecond)
				default:
					if v, ok := c.Get(key); ok && len(v) > 0 && !strings.HasPrefix(string(v), key) {
						t.Errorf("%s is %.20q", key, v)
					}
				}
				if used := c.Used(); used < 0 || used > quota {
					t.Errorf("%d bytes are used of %d", used, quota)
				}
			}
		})
	}
	all.Wait()
}
