package server

import (
	"crypto/rand"
	"encoding/hex"
	"strconv"
	"sync/atomic"
)

// callIDs makes ids by which a call is found again in logs: unique among servers and starts, short, and cheap.
type callIDs struct {
	prefix string
	last   *atomic.Uint64
}

func newCallIDs() callIDs {
	var b [5]byte
	_, _ = rand.Read(b[:]) // it ends the process where the system has no randomness
	return callIDs{prefix: hex.EncodeToString(b[:]) + "-", last: new(atomic.Uint64)}
}

func (c callIDs) next() string {
	return string(strconv.AppendUint([]byte(c.prefix), c.last.Add(1), 36))
}
