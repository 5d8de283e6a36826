// Example is the connector to begin with: one command, one parameter. Copy this folder, and make it your own.
//
// It compiles to a module with
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -trimpath -ldflags='-s -w' -o example.wasm ./modules/example
package main

import sluice "sluice/guest-sdk/go"

// Params is what the command takes. Each tagged field is a parameter; the SDK reads the tags when the program starts,
// and tells the host, so that a call without a message is refused before it gets here.
type Params struct {
	Message string `sluice:"message,required" desc:"What to pass to the connector"`
}

// Output is the body of the answer: an ordinary struct, encoded as by encoding/json.
type Output struct {
	ConnectorResponse string `json:"connector_response"`
}

// Example answers with the message it was given. An error instead, made by sluice.Errorf, would reach the workflow
// with a code that its model can catch.
func Example(_ *sluice.Call, p Params) (Output, error) {
	return Output{
		ConnectorResponse: "You passed the example connector: '" + p.Message + "'. Have a good day!",
	}, nil
}

func init() {
	sluice.Connector{
		Name:        "example",
		Version:     "1.0.0",
		Description: "A connector to try things with, and to copy.",
	}.Register(
		sluice.Command("Example", "Answers with the message it was given.", Example),
	)
}

// main is never called: the host enters a connector through what the SDK exports.
func main() {}
