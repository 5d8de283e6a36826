package main

import (
	"context"
	"errors"

	"sluice/internal/rawjson"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// host offers the native ABI to guests of plain wazero, as far as these guests use it and as cheaply as can be: one call
// at a time, no limits, no checks but those of memory. What it leaves out is in the favour of plain wazero.
type host struct {
	work work
	body []byte // of the last call's answer
	done bool   // the last call has answered
}

// The handles of the response to every request.
const (
	responseHead = 2
	responseBody = 3
)

// behind is what a handle stands for, of those that these guests read.
func (h *host) behind(handle uint64) []byte {
	if uint32(handle) == responseBody {
		return h.work.response
	}
	return h.work.params
}

// offer makes the host's functions, and WASI, importable.
func (h *host) offer(ctx context.Context, r wazero.Runtime) error {
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, r); err != nil {
		return err
	}
	b := r.NewHostModuleBuilder("sluice:host/v1")
	const i32, i64 = api.ValueTypeI32, api.ValueTypeI64
	for _, f := range []struct {
		name            string
		params, results []api.ValueType
		run             func(mem api.Memory, stack []uint64)
	}{
		{"size", []api.ValueType{i32}, []api.ValueType{i64}, func(_ api.Memory, stack []uint64) {
			stack[0] = uint64(len(h.behind(stack[0])))
		}},
		{"read", []api.ValueType{i32, i64, i32, i32}, []api.ValueType{i32}, func(mem api.Memory, stack []uint64) {
			p := lent(mem, stack[2], stack[3])
			from := h.behind(stack[0])
			stack[0] = uint64(copy(p, from[min(stack[1], uint64(len(from))):]))
		}},
		{"write", []api.ValueType{i32, i32}, []api.ValueType{i32}, func(mem api.Memory, stack []uint64) {
			h.body = append(h.body, lent(mem, stack[0], stack[1])...)
			stack[0] = 0
		}},
		{"answer", []api.ValueType{i32, i32}, []api.ValueType{i32}, func(_ api.Memory, stack []uint64) {
			h.done = true
			stack[0] = 0
		}},
		// Go's and Rust's kits import these too. They are not called, or what they do is of no matter here.
		{"close", []api.ValueType{i32}, []api.ValueType{i32}, accept},
		{"log", []api.ValueType{i32, i32, i32}, []api.ValueType{i32}, accept},
		{"random", []api.ValueType{i32, i32}, []api.ValueType{i32}, accept},
		{"now", nil, []api.ValueType{i64}, func(_ api.Memory, stack []uint64) { stack[0] = 0 }},
		{"sleep", []api.ValueType{i64}, []api.ValueType{i32}, accept},
		// Those that send requests ask one service, which answers at once.
		{"http_send", []api.ValueType{i32, i32, i32, i32}, []api.ValueType{i32}, func(_ api.Memory, stack []uint64) {
			stack[0] = responseHead
		}},
		{"http_status", []api.ValueType{i32}, []api.ValueType{i32}, func(_ api.Memory, stack []uint64) { stack[0] = 200 }},
		{"http_header", []api.ValueType{i32, i32, i32, i32, i32}, []api.ValueType{i32}, func(mem api.Memory, stack []uint64) {
			copy(lent(mem, stack[3], stack[4]), mediaType)
			stack[0] = uint64(len(mediaType))
		}},
		{"cache_get", []api.ValueType{i32, i32}, []api.ValueType{i32}, accept},
		{"cache_put", []api.ValueType{i32, i32, i32, i32, i64}, []api.ValueType{i32}, accept},
		{"cache_delete", []api.ValueType{i32, i32}, []api.ValueType{i32}, accept},
		{"is_json", []api.ValueType{i32}, []api.ValueType{i32}, func(_ api.Memory, stack []uint64) {
			_, err := rawjson.Value(h.work.response, rawjson.MaxDepth)
			stack[0] = 0
			if err == nil {
				stack[0] = 1
			}
		}},
		{"write_from", []api.ValueType{i32}, []api.ValueType{i32}, func(_ api.Memory, stack []uint64) {
			h.body = append(h.body, h.behind(stack[0])...)
			stack[0] = 0
		}},
	} {
		b = b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(
			func(_ context.Context, guest api.Module, stack []uint64) { f.run(guest.Memory(), stack) },
		), f.params, f.results).Export(f.name)
	}
	_, err := b.Instantiate(ctx)
	return err
}

// begin makes the host ready for a call.
func (h *host) begin() { h.body, h.done = h.body[:0], false }

var errUnanswered = errors.New("the guest did not answer")

// answer is what the guest answered. It is valid until the next call.
func (h *host) answer() ([]byte, error) {
	if !h.done {
		return nil, errUnanswered
	}
	return h.body, nil
}

// lent is a piece of the guest's memory.
func lent(mem api.Memory, ptr, length uint64) []byte {
	p, ok := mem.Read(uint32(ptr), uint32(length))
	if !ok {
		panic(errors.New("the guest's pointer leaves its memory"))
	}
	return p
}

func accept(_ api.Memory, stack []uint64) { stack[0] = 0 }

// mediaType is the header that services send, whichever is asked for.
const mediaType = "application/json"
