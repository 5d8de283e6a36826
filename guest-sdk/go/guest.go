package sluice

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"

	"sluice/guest-sdk/go/abi"
)

// guest is a registered connector, as the host sees it.
type guest struct {
	manifest manifest
	commands []Definition
	err      error // why there is no manifest
}

func newGuest(c Connector, commands []Definition) *guest {
	g := &guest{manifest: manifest{Connector: c, Commands: []manifestCommand{}}, commands: commands}
	var errs []error
	for _, d := range commands {
		g.manifest.Commands = append(g.manifest.Commands, d.command)
		errs = append(errs, d.err)
	}
	g.err = errors.Join(errs...)
	return g
}

// Describe writes the manifest.
func (g *guest) Describe(h abi.Host) {
	defer trapOnPanic(h)
	if g.err != nil {
		fail(g.err.Error())
	}
	text, err := json.Marshal(g.manifest)
	if err != nil {
		fail("the manifest cannot be encoded: " + err.Error())
	}
	if r := h.Write(text); r < 0 {
		fail("the host refused the manifest: " + abi.Code(r).String())
	}
}

// Execute runs one command and answers.
func (g *guest) Execute(h abi.Host, command uint32) {
	defer trapOnPanic(h)
	if int64(command) >= int64(len(g.commands)) {
		fail(fmt.Sprintf("there is no command %d", command))
	}
	c := &Call{host: h, started: h.Now(), params: readAll(h, abi.Params)}
	answer, err := g.commands[command].run(c, c.params)
	var failure *Error
	if err != nil {
		failure = classify(err)
		answer = answer.withError(failure)
	}
	if problem := answer.problem(); problem != nil {
		failure = &Error{Code: CodeInvalidAnswer, Message: "The answer of the command cannot be sent: " + problem.Error() + "."}
		answer = Answer{status: 500}
	}
	send(h, answer, failure)
}

// send hands the answer to the host, or, where it is too large, the error that says so.
func send(h abi.Host, answer Answer, failure *Error) {
	switch r := answer.write(h); {
	case r == abi.TooLarge:
		failure = &Error{Code: CodeOutputTooLarge, Message: "The answer " + answer.described() +
			" more than the connector's output limit. Ask for less, or have the limit raised."}
		answer = Answer{status: 500}
	case r == abi.Closed && answer.from != nil:
		if failure == nil {
			failure = classify(answer.from.failure())
		}
		answer = Answer{}.withError(failure)
	case r < 0:
		fail("the host refused the answer's body: " + r.String())
	}
	if r := h.Answer(answer.appendHead(make([]byte, 0, usualHead), failure)); r < 0 {
		fail("the host refused the answer: " + abi.Code(r).String())
	}
}

// Warm takes made-up values through the codec of every command. No command runs.
func (g *guest) Warm(h abi.Host) {
	defer trapOnPanic(h)
	warmHeap(8 << 10)
	for range warmRounds {
		for i, d := range g.commands {
			if d.err == nil {
				warm(d, g.manifest.Commands[i].sample())
			}
		}
	}
}

// warmRounds is how often Warm goes through the commands: by then the heap has the shape that calls leave it in.
const warmRounds = 16

// warmHeap allocates in every size class up to largest, with and without pointers. The first allocation in a class sets
// a span up for it, which costs more than the calls that make small answers do in all.
func warmHeap(largest int) {
	for size := 8; size <= largest; size += max(8, size/8) {
		reflect.MakeSlice(reflect.TypeFor[[]byte](), size, size)
		reflect.MakeSlice(reflect.TypeFor[[]*byte](), size/8, size/8)
	}
}

// commonTypes are what answers often consist of.
var commonTypes = []reflect.Type{
	reflect.TypeFor[map[string]any](), reflect.TypeFor[map[string]string](), reflect.TypeFor[[]any](),
}

// warm decodes params and encodes and decodes the types that d names. Code of the connector's author may be among it,
// which cannot be blamed for what it does with values that nobody sent.
func warm(d Definition, params []byte) {
	defer func() { _ = recover() }()
	var generic any
	if d.decode(params) == nil && decodeJSON(params, &generic) == nil {
		JSON(generic)
	}
	for _, t := range slices.Concat(commonTypes, d.types) {
		if t == nil || t == reflect.TypeFor[Answer]() {
			continue
		}
		v := reflect.New(t)
		if decodeJSON([]byte("{}"), v.Interface()) == nil {
			JSON(v.Elem().Interface())
		}
		JSON(v.Interface()).WithStatus(200).appendHead(nil, classify(errors.ErrUnsupported))
	}
}

// failure is a panic of the SDK itself, whose text is fit to be logged.
type failure string

// fail ends the call without an answer, with a line in the log.
func fail(why string) { panic(failure(why)) }

// trapOnPanic is deferred. A panic ends the call, with a line in the log that says where it was raised but not with
// what value: that may hold anything, and the log reaches the caller. The trap comes in place of the exit that ends a
// Go program, which would print the value.
func trapOnPanic(h abi.Host) {
	r := recover()
	if r == nil {
		return
	}
	text := "panic at " + panicLocation()
	if f, ok := r.(failure); ok {
		text = string(f)
	}
	Logger{h}.log(abi.Error, text)
	h.Trap()
}

// panicLocation returns where the panic was raised that trapOnPanic has recovered.
func panicLocation() string {
	var pcs [64]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
	for {
		f, more := frames.Next()
		if !strings.HasPrefix(f.Function, "runtime.") {
			return fmt.Sprintf("%s:%d (%s)", f.File, f.Line, f.Function)
		}
		if !more {
			return "an unknown place"
		}
	}
}
