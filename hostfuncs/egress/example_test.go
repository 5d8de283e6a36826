package egress_test

import (
	"context"
	"fmt"
	"log"

	"sluice/hostfuncs/egress"
)

func Example() {
	requested, err := egress.ParseRule("https://*")
	if err != nil {
		log.Fatal(err)
	}
	granted, err := egress.ParseRule("https://api.example.com/v1")
	if err != nil {
		log.Fatal(err)
	}
	policy, err := egress.NewPolicy([]egress.Entry{{Rules: []egress.Rule{granted}}}, []egress.Rule{requested})
	if err != nil {
		log.Fatal(err)
	}
	client := egress.NewClient(egress.Config{
		Policy:  policy,
		Guard:   egress.NewGuard(),
		Sockets: egress.NewSockets(800),
	})
	defer client.Close()

	_, failure := client.Do(context.Background(), &egress.Request{Method: "GET", URL: "https://metadata.example.net/token"})
	fmt.Println(failure.Code)
	fmt.Println(failure.Message)
	// Output:
	// egress_denied
	// metadata.example.net is not granted: add the rule "https://metadata.example.net", with a path prefix or without, to the http of the connector's grant
}
