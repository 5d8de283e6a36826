// Greeter is a connector for tests of uploading and replacing. One source gives every version of it:
//
//	go build -ldflags "-X main.version=2.0.0" …
package main

import sluice "sluice/guest-sdk/go"

// version is what the connector calls itself, and what it answers with. The linker can set it.
var version = "1.0.0"

type greetParams struct {
	Name string `sluice:"name,required" desc:"Whom to greet"`
}

type greeting struct {
	Greeting string `json:"greeting"`
	Version  string `json:"version"`
}

func greet(_ *sluice.Call, p greetParams) (greeting, error) {
	return greeting{Greeting: "Hello, " + p.Name, Version: version}, nil
}

func init() {
	sluice.Connector{
		Name:        "greeter",
		Version:     version,
		Description: "Greets, and says which version did.",
	}.Register(
		sluice.Command("Greet", "Greets somebody.", greet),
	)
}

func main() {}
