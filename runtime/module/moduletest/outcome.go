package moduletest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"
)

// Trap is why a module could not be instantiated, or a call did not return: the engine's words without the places in code,
// or one of the constants. "" where there was no trap.
type Trap string

// These traps have words of their own here.
const (
	// TrapExhaustion is a guest that called itself too deeply, whether the engine or the depth counter found it.
	TrapExhaustion Trap = "call stack exhausted"
	// TrapFuel is a guest that used its World's budget.
	TrapFuel Trap = "out of fuel"
	// TrapData is a data segment that lies outside of memory.
	TrapData Trap = "data segment out of bounds"
	// TrapBounds is an access to memory outside of it.
	TrapBounds Trap = "out of bounds memory access"
)

// Exit, when a host function panics with it, ends the guest with a status.
type Exit struct{ Status uint32 }

func (e Exit) Error() string { return fmt.Sprintf("exit with status %d", e.Status) }

// TrapOf classifies an error of Instantiate, or of the engine.
func TrapOf(err error) Trap {
	var exit Exit
	var closed *sys.ExitError
	switch {
	case err == nil:
		return ""
	case errors.Is(err, errTooDeep):
		return TrapExhaustion
	case errors.Is(err, errOutOfFuel):
		return TrapFuel
	case errors.As(err, &exit):
		return Trap(exit.Error())
	case errors.As(err, &closed):
		return Trap(closed.Error())
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	if strings.HasPrefix(line, "data") && strings.HasSuffix(line, string(TrapBounds)) {
		return TrapData
	}
	// A start function's error is wrapped in its name.
	if _, rest, ok := strings.Cut(line, "wasm error: "); ok {
		line = rest
	}
	if strings.HasSuffix(line, "stack overflow") {
		return TrapExhaustion
	}
	return Trap(line)
}

// Outcome is how a call ended.
type Outcome struct {
	Results []uint64 // as the engine's API encodes them
	Trap    Trap
	Deep    bool   // whether it was the depth counter that ended the call
	Detail  string // the whole error, for people
}

// String shows the outcome.
func (o Outcome) String() string {
	if o.Trap != "" {
		return "trap: " + string(o.Trap)
	}
	return fmt.Sprintf("%#x", o.Results)
}

// Equal reports whether two calls of a function with these results ended in the same way: with the same trap, or the same
// bits. References to functions differ from instance to instance, and are compared by being null.
func (o Outcome) Equal(other Outcome, types []api.ValueType) bool {
	if o.Trap != "" || other.Trap != "" {
		return o.Trap == other.Trap
	}
	return slices.Equal(canonical(o.Results, types), canonical(other.Results, types))
}

// valueTypeV128 and valueTypeFuncref are value types that the engine's API does not name, in their binary encoding.
const (
	valueTypeV128    api.ValueType = 0x7b
	valueTypeFuncref api.ValueType = 0x70
)

// canonical leaves of encoded values what a guest can tell apart: the low half of 32 bits, and of a reference to a function
// whether it is null.
func canonical(values []uint64, types []api.ValueType) []uint64 {
	out := slices.Clone(values)
	at := 0
	for _, t := range types {
		if at >= len(out) {
			break
		}
		if t == valueTypeV128 {
			at += 2
			continue
		}
		out[at] = canonicalValue(t, out[at])
		at++
	}
	return out
}

func canonicalValue(t api.ValueType, v uint64) uint64 {
	switch t {
	case api.ValueTypeI32, api.ValueTypeF32:
		return uint64(uint32(v))
	case valueTypeFuncref:
		return min(v, 1)
	}
	return v
}
