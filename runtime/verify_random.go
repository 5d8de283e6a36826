package runtime

import (
	"crypto/sha256"
	"sync"

	"sluice/runtime/module"
	"sluice/runtime/sandbox"
)

// Randomness is what a guest took from the host of which no two calls should have the same. What it took while its image
// was made is in the image: a generator that it seeded with that gives the same numbers in every call.
type Randomness struct {
	// ImageBytes is how many random bytes the guest drew while its image was made, and ImageClock how often it read the
	// clock. They are 0 of a module that has no image: each of its calls draws them anew.
	ImageBytes, ImageClock int
	// CallBytes is how many random bytes calls of describe drew, and CallDraws in how many draws.
	CallBytes, CallDraws int
}

// phase is when a guest draws something.
type phase int

const (
	unwatched phase = iota
	imageMade       // the guest is made ready for its image
	callsMade       // describe is called
)

// watch counts what guests draw. It is safe for concurrent use, but for begin.
type watch struct {
	phase phase // changed while no guest runs

	mu     sync.Mutex // protects what follows
	counts Randomness
	draws  map[[sha256.Size]byte]bool // digests of what calls drew
	alike  int
}

// aDraw is how many random bytes can't be the same twice by chance.
const aDraw = 16

// over returns the host modules with their sources of randomness and time watched.
func (w *watch) over(hosts []sandbox.HostModule) []sandbox.HostModule {
	w.draws = make(map[[sha256.Size]byte]bool)
	for _, h := range hosts {
		for n, f := range h.Functions {
			switch [2]string{h.Name, f.Name} {
			case [2]string{module.ModuleNative, "random"}, [2]string{module.ModuleWASI, "random_get"}:
				h.Functions[n] = f.Watched(w.drew)
			case [2]string{module.ModuleNative, "now"}, [2]string{module.ModuleWASI, "clock_time_get"}:
				h.Functions[n] = f.Watched(w.readClock)
			}
		}
	}
	return hosts
}

func (w *watch) begin(p phase) { w.phase = p }

func (w *watch) drew(b []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch w.phase {
	case imageMade:
		w.counts.ImageBytes += len(b)
	case callsMade:
		w.counts.CallBytes += len(b)
		w.counts.CallDraws++
		if len(b) < aDraw {
			return
		}
		digest := sha256.Sum256(b)
		if w.draws[digest] {
			w.alike++
		}
		w.draws[digest] = true
	}
}

func (w *watch) readClock([]byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.phase == imageMade {
		w.counts.ImageClock++
	}
}
