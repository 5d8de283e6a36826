package abi

import (
	"context"

	"sluice/hostfuncs"
	"sluice/hostfuncs/egress"
	"sluice/hostfuncs/secret"
	"sluice/runtime/sandbox"

	"github.com/tetratelabs/wazero/api"
)

// nativeSecret writes what stands for a secret in this call to the guest's memory.
func nativeSecret(ctx context.Context, c *Call, mem api.Memory, stack []uint64) int32 {
	name, ok := mem.Read(uint32(stack[0]), uint32(stack[1]))
	dst, ok2 := mem.Read(uint32(stack[2]), uint32(stack[3]))
	if !ok || !ok2 {
		return int32(hostfuncs.BadRange)
	}
	sandbox.Spend(ctx, hostCall+secret.ReferenceLength)
	n, errno := c.Host.SecretReference(name, dst)
	if errno != hostfuncs.OK {
		return int32(errno)
	}
	return int32(n)
}

// granted is the head beside a value that the guest may have.
var granted = []byte(`{"ok":true}`)

// nativeSecretValue puts a secret in the clear behind a pair of handles: a head that says whether it is there, and the
// value.
func nativeSecretValue(ctx context.Context, c *Call, mem api.Memory, stack []uint64) int32 {
	name, ok := mem.Read(uint32(stack[0]), uint32(stack[1]))
	if !ok {
		return int32(hostfuncs.BadRange)
	}
	at := c.freeResponse()
	if at >= maxResponses || c.held >= maxHeldBytes {
		return int32(hostfuncs.TooLarge)
	}
	done := sandbox.Waiting(ctx) // the value may be in a file
	value, failure, errno := c.Host.SecretValue(name)
	done()
	if errno != hostfuncs.OK {
		return int32(errno)
	}
	spendCopy(ctx, len(value))
	return c.keepSecret(at, []byte(value), failure)
}

// keepSecret puts what a guest gets of a secret behind a pair of handles, or why it gets nothing.
func (c *Call) keepSecret(at int, value []byte, failure *egress.Error) int32 {
	r := response{head: granted, headSize: int32(len(granted)), body: value, headOpen: true, bodyOpen: true}
	if failure != nil {
		r = newResponse(nil, failure)
	}
	if !c.charge(r.size()) {
		return int32(hostfuncs.TooLarge)
	}
	return int32(c.keep(at, r))
}

// nativeHMAC signs bytes with a secret, and puts the signature behind a pair of handles as nativeSecretValue does a value.
func nativeHMAC(ctx context.Context, c *Call, mem api.Memory, stack []uint64) int32 {
	name, ok := mem.Read(uint32(stack[0]), uint32(stack[1]))
	algorithm, ok2 := mem.Read(uint32(stack[2]), uint32(stack[3]))
	data, ok3 := mem.Read(uint32(stack[4]), uint32(stack[5]))
	if !ok || !ok2 || !ok3 {
		return int32(hostfuncs.BadRange)
	}
	at := c.freeResponse()
	if at >= maxResponses || c.held >= maxHeldBytes {
		return int32(hostfuncs.TooLarge)
	}
	done := sandbox.Waiting(ctx) // the key may be in a file
	signer, failure, errno := c.Host.Signer(name, algorithm, data)
	done()
	if errno != hostfuncs.OK {
		return int32(errno)
	}
	look := func(n int) { sandbox.Spend(ctx, n) }
	if failure == nil {
		failure = c.Host.Secrets.Signable(data, look)
	}
	if failure != nil {
		return c.keepSecret(at, nil, failure)
	}
	return c.keepSecret(at, signer.HMAC(data, look), nil)
}
