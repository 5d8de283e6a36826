package main

import (
	"context"
	"errors"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// host offers the native ABI to guests of plain wazero, as far as these guests use it and as cheaply as can be: one call
// at a time, no limits, no checks but those of memory. What it leaves out is in the favour of plain wazero.
type host struct {
	params []byte // of every call
	body   []byte // of the last call
	done   bool   // the last call has answered
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
			stack[0] = uint64(len(h.params))
		}},
		{"read", []api.ValueType{i32, i64, i32, i32}, []api.ValueType{i32}, func(mem api.Memory, stack []uint64) {
			p := lent(mem, stack[2], stack[3])
			stack[0] = uint64(copy(p, h.params[min(stack[1], uint64(len(h.params))):]))
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
		{"close", []api.ValueType{i32}, []api.ValueType{i32}, refuse},
		{"log", []api.ValueType{i32, i32, i32}, []api.ValueType{i32}, accept},
		{"random", []api.ValueType{i32, i32}, []api.ValueType{i32}, accept},
		{"now", nil, []api.ValueType{i64}, func(_ api.Memory, stack []uint64) { stack[0] = 0 }},
		{"sleep", []api.ValueType{i64}, []api.ValueType{i32}, accept},
		{"http_send", []api.ValueType{i32, i32, i32, i32}, []api.ValueType{i32}, refuse},
		{"http_status", []api.ValueType{i32}, []api.ValueType{i32}, refuse},
		{"http_header", []api.ValueType{i32, i32, i32, i32, i32}, []api.ValueType{i32}, refuse},
		{"is_json", []api.ValueType{i32}, []api.ValueType{i32}, refuse},
		{"write_from", []api.ValueType{i32}, []api.ValueType{i32}, refuse},
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

func refuse(_ api.Memory, stack []uint64) {
	const notAvailable = -5
	stack[0] = api.EncodeI32(notAvailable)
}
