// Package sluice is what a connector in Go is written with. A connector is a main package that registers itself; each
// of its commands is a function that takes a [Call] and a struct of parameters:
//
//	package main
//
//	import sluice "sluice/guest-sdk/go"
//
//	type Params struct {
//		Name string `sluice:"name,required" desc:"Whom to greet"`
//	}
//
//	type Greeting struct {
//		Greeting string `json:"greeting"`
//	}
//
//	func Greet(c *sluice.Call, p Params) (Greeting, error) {
//		return Greeting{"Hello, " + p.Name}, nil
//	}
//
//	func init() {
//		sluice.Connector{Name: "greeter", Version: "1.0.0"}.Register(
//			sluice.Command("Greet", "Greets somebody.", Greet),
//		)
//	}
//
//	func main() {}
//
// It compiles to a module with
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -trimpath -ldflags='-s -w' -o greeter.wasm .
//
// Every call starts from the memory that initialisation left behind, so a package variable never holds what an earlier
// call put there. What is seeded while the program starts is the same in every call, too: use [Call.Rand] or
// crypto/rand, not the functions of math/rand.
//
// Package sluicetest runs commands in ordinary Go tests.
package sluice

import (
	"errors"
	"fmt"
	"reflect"

	"sluice/guest-sdk/go/abi"
)

// Connector says what a connector is. Its JSON form is the beginning of the manifest.
type Connector struct {
	// Name is the connector's name, such as "weather": lower case letters, digits, dots, dashes and underscores.
	Name string `json:"name"`
	// Version is a semantic version, such as "1.2.0".
	Version string `json:"version"`
	// Description tells people what the connector is for.
	Description string `json:"description,omitempty"`
	// Capabilities is what the connector asks the operator for. Without one it can compute, and nothing else.
	Capabilities []Capability `json:"capabilities,omitempty"`
}

// Capability is one thing that a connector asks for. The operator grants it, or does not.
type Capability struct {
	// Name is the capability: "http", "tcp", "secret" or "cache".
	Name string `json:"name"`
	// Reason tells the operator what it is needed for.
	Reason string `json:"reason"`
	// Hosts are the rules of where requests, or connections, go: "https://api.example.com/v1", "https://*.example.com", "https://*".
	Hosts []string `json:"hosts,omitempty"`
	// Secrets are the names of the secrets that it needs.
	Secrets []string `json:"secrets,omitempty"`
}

// HTTP returns the capability to send HTTP requests to hosts.
func HTTP(reason string, hosts ...string) Capability {
	return Capability{Name: "http", Reason: reason, Hosts: hosts}
}

// TCP returns the capability to open connections to hosts, each with its port: "db.example.com:5432",
// "*.example.com:25", "*:587", "*:*". Package netconn opens them.
func TCP(reason string, hosts ...string) Capability {
	return Capability{Name: "tcp", Reason: reason, Hosts: hosts}
}

// Option is a property of a command: [Async], [TaskData] or [Types].
type Option func(*Definition)

// Async says that the command starts work and hands [Call.CallbackURL] on to whoever does it: where the caller gave
// such a URL, the answer only accepts the work, and the result is called back.
func Async() Option { return func(d *Definition) { d.command.Async = true } }

// TaskData asks for the data of the workflow's task: [Call.TaskData].
func TaskData() Option { return func(d *Definition) { d.command.TaskData = true } }

// Types names, by a value of each, the types that the command encodes or decodes beside its parameters and its result.
// It changes nothing but speed: what encoding/json has to find out about a type is found out once at installation, and
// not again in every call.
func Types(values ...any) Option {
	return func(d *Definition) {
		for _, v := range values {
			d.types = append(d.types, reflect.TypeOf(v))
		}
	}
}

// Definition is a command made by [Command].
type Definition struct {
	command manifestCommand
	run     func(c *Call, params []byte) (Answer, error)
	decode  func(params []byte) error
	types   []reflect.Type
	err     error
}

// Command defines a command by its name, a description for people, and its function.
//
// The function's result is the body of the answer, encoded as by encoding/json, or an [Answer] where there is more to
// say. With an error, the body is null; a result of type Answer is kept beside the error.
//
// Each exported field of P, a struct, is a parameter, in this order, and its tag names it:
//
//	Token string               `sluice:"token,required,secret" desc:"The bot's token"`
//	Retry sluice.Optional[int] `sluice:"retry"`
//	Data  json.RawMessage      `sluice:"data"`
//
// After the name may stand: required; secret, for values that must never be shown; undeclared, for a parameter that is
// read where it was sent but does not stand in the manifest; type=str, int, bool or any, to overrule the type that
// follows from the Go type:
//
//	str   string, and types that implement encoding.TextUnmarshaler; []byte, sent as base64
//	int   the integer types
//	bool  bool
//	any   all else, decoded as by encoding/json: json.RawMessage (nothing is decoded, key order and digits stay),
//	      any (numbers are json.Number), json.Number, floats, maps, slices, structs
//
// An optional parameter that was not sent leaves its field zero; where that is a difference, take a pointer or
// [Optional]. Structs that are embedded contribute their fields. The tag "-" skips a field.
func Command[P, R any](name, description string, run func(c *Call, p P) (R, error), options ...Option) Definition {
	d := Definition{
		command: manifestCommand{Name: name, Description: description},
		types:   []reflect.Type{reflect.TypeFor[R]()},
	}
	for _, o := range options {
		o(&d)
	}
	plan, err := planOf(reflect.TypeFor[P]())
	if err != nil {
		d.err = fmt.Errorf("command %s: %w", name, err)
		return d
	}
	d.command.Parameters = plan.parameters()
	d.decode = func(params []byte) error {
		var p P
		return plan.decode(params, reflect.ValueOf(&p).Elem())
	}
	d.run = func(c *Call, params []byte) (Answer, error) {
		var p P
		if err := plan.decode(params, reflect.ValueOf(&p).Elem()); err != nil {
			return Answer{}, err
		}
		result, err := run(c, p)
		if answer, ok := any(result).(Answer); ok || err != nil {
			return answer, err
		}
		return JSON(result), nil
	}
	return d
}

// Register makes c, with these commands, the connector of this program. It is called once, in an init function: nothing
// calls main in a module. What is wrong with a definition is told when the host, or a test, asks for the manifest.
func (c Connector) Register(commands ...Definition) {
	g := newGuest(c, commands)
	if abi.Registered() != nil {
		g.err = errors.New("two connectors are registered in one program")
	}
	abi.Register(g)
}
