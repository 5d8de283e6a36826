package module

// proposal is an extension of WebAssembly that is switched off here. Some of them would let a guest escape
// fuel or limits, others the engine offers only as experiments.
type proposal struct {
	name   string
	advice string
}

var (
	tailCalls     = proposal{"tail calls", "Build without -mtail-call."}
	exceptions    = proposal{"exception handling", "Build without -fwasm-exceptions, or with panics that abort."}
	threads       = proposal{"threads", "Build for one thread: without -pthread and atomics, without a shared memory."}
	garbage       = proposal{"garbage collection", "Build for linear memory: this compiler's WasmGC target is not supported."}
	functionRefs  = proposal{"typed function references", "Build without -mgc and function references."}
	memory64      = proposal{"memory64", "Build for wasm32."}
	multiMemory   = proposal{"multi-memory", "Build with one memory."}
	relaxedSIMD   = proposal{"relaxed SIMD", "Build without -mrelaxed-simd."}
	wideArith     = proposal{"wide arithmetic", "Build without -mwide-arithmetic."}
	pageSizes     = proposal{"custom page sizes", "Build with the ordinary page size of 64 KiB."}
	extendedConst = proposal{"extended constant expressions", "Build without -mextended-const."}
	stackSwitch   = proposal{"stack switching", "Build without continuations."}
)

// unsupported refuses the module for its use of a proposal.
func (r *reader) unsupported(at int, p *proposal) {
	r.fail(CodeUnsupportedFeature, at, "The module uses %s, which this host does not run. %s", p.name, p.advice)
}

// proposalOf returns the proposal that an opcode belongs to, nil for one that nobody has defined.
// number is what follows a prefix byte.
func proposalOf(first byte, number uint32) *proposal {
	switch first {
	case 0x06, 0x07, 0x08, 0x09, 0x0a, 0x18, 0x19, 0x1f: // try, catch, throw, rethrow, throw_ref, delegate, catch_all, try_table
		return &exceptions
	case 0x12, 0x13: // return_call, return_call_indirect
		return &tailCalls
	case 0x14, 0x15, 0xd4, 0xd5, 0xd6: // call_ref, return_call_ref, ref.as_non_null, br_on_null, br_on_non_null
		return &functionRefs
	case 0xd3, prefixGC: // ref.eq
		return &garbage
	case 0xe0, 0xe1, 0xe2, 0xe3, 0xe4, 0xe5, 0xe6:
		return &stackSwitch
	case prefixThreads:
		return &threads
	case prefixMisc:
		if number >= 19 && number <= 22 {
			return &wideArith
		}
	case prefixVector:
		if number >= 0x100 && number <= 0x13f {
			return &relaxedSIMD
		}
	}
	return nil
}

// proposalOfType returns the proposal that a type's encoding belongs to, nil if there is none.
func proposalOfType(t byte) *proposal {
	switch t {
	case 0x63, 0x64: // (ref null t), (ref t)
		return &functionRefs
	case 0x69, 0x74: // exnref, noexn
		return &exceptions
	case 0x68, 0x75: // contref, nocont
		return &stackSwitch
	case 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x71, 0x72, 0x73, // arrayref … anyref, none, noextern, nofunc
		0x5e, 0x5f, 0x50, 0x4f, 0x4e: // array, struct, sub, sub final, rec
		return &garbage
	}
	return nil
}

// proposalOfLimits returns the proposal that the flags of a memory's or table's limits belong to.
func proposalOfLimits(flags byte) *proposal {
	switch {
	case flags > 0x0f:
		return nil
	case flags&0x08 != 0:
		return &pageSizes
	case flags&0x04 != 0:
		return &memory64
	case flags&0x02 != 0:
		return &threads
	}
	return nil
}
