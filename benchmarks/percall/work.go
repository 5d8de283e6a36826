package main

import (
	"context"

	"sluice/benchmarks"
	"sluice/benchmarks/figures"
	"sluice/benchmarks/guests"
	"sluice/hostfuncs/egress"
	"sluice/modules"
)

// work is what guests are called with, and have to answer.
type work struct {
	params, want []byte
	response     []byte // of the service that they ask, JSON
}

// Authorise lets every request through.
func (w work) Authorise(*egress.Request) *egress.Error { return nil }

// Do is the service, and answers at once.
func (w work) Do(context.Context, *egress.Request) (*egress.Response, *egress.Error) {
	return &egress.Response{Status: 200, Headers: [][2]string{{"content-type", mediaType}}, Body: w.response}, nil
}

// requesting are the guests that send a request: the bundled connector, and the one in Go that answers as it does.
var requesting = []guests.Guest{
	{Name: bundled, Language: "Rust, the bundled connector"},
	{Name: guests.HTTP, Language: "Go, its kit"},
}

const bundled = "http"

func moduleOf(dir string, g guests.Guest) ([]byte, error) {
	if g.Name == bundled {
		return modules.Bundled()[bundled], nil
	}
	return guests.Read(dir, g.Name)
}

// ordersIn measures calls that compute, and long ones.
func ordersIn(ctx context.Context, p plan) (calls []figures.Guest, long []figures.Compute, err error) {
	var w work
	w.params, w.want = guests.Work()
	b, err := newBench(ctx, p, w)
	if err != nil {
		return nil, nil, err
	}
	defer b.close()
	if calls, err = b.guests(ctx, guests.All); err != nil || p.only != "" {
		return calls, nil, err
	}
	long, err = b.compute(ctx)
	return calls, long, err
}

// requestsIn measures calls of http/GetRequest, without the time that a service takes.
func requestsIn(ctx context.Context, p plan) ([]figures.Guest, error) {
	document := []byte(benchmarks.Document)
	b, err := newBench(ctx, p, work{
		params: []byte(`{"url":"http://127.0.0.1:8000/document","headers":{"accept":"application/json"}}`), want: document, response: document,
	})
	if err != nil {
		return nil, err
	}
	defer b.close()
	return b.guests(ctx, requesting)
}
