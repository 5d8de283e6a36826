package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"sluice/benchmarks"
	"sluice/benchmarks/figures"
	"sluice/benchmarks/guests"
	"sluice/runtime/server"

	"github.com/valyala/fasthttp"
)

// serving is a server of one of the roles.
type serving struct {
	serve    func(ln net.Listener) error
	shutdown func(ctx context.Context) error
	close    func() error
	held     func() int64 // of a holding upstream
}

func newServing(o order) (*serving, error) {
	switch o.Role {
	case figures.Sluice, figures.SluiceDirty, figures.SluiceGo, figures.GoDirty, figures.Twin:
		return newConnectorServing(o)
	case figures.Bare, roleUpstream:
		return newConstantServing(o.Body), nil
	case roleHolding:
		return newHoldingServing(o), nil
	}
	return nil, fmt.Errorf("there is no role %q", o.Role)
}

func newConnectorServing(o order) (*serving, error) {
	logs, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	level := new(slog.LevelVar)
	logger := slog.New(slog.NewJSONHandler(logs, &slog.HandlerOptions{Level: level}))
	setup := benchmarks.Setup{
		Dir: o.Dir, Logger: logger, Connectors: []string{"http"}, Settings: o.Settings,
		Dirty: o.Role == figures.SluiceDirty || o.Role == figures.GoDirty,
	}
	if o.Role == figures.SluiceGo || o.Role == figures.GoDirty {
		wasm, err := guests.Read(o.Guests, guests.HTTP)
		if err != nil {
			return nil, errors.Join(err, logs.Close())
		}
		setup.Modules = map[string][]byte{"http": wasm}
	}
	stand, err := benchmarks.Open(context.Background(), setup)
	if err != nil {
		return nil, errors.Join(err, logs.Close())
	}
	if err := level.UnmarshalText([]byte(stand.LogLevel())); err != nil {
		return nil, errors.Join(err, stand.Close(), logs.Close())
	}
	var executor server.Executor = stand.Runtime
	switch {
	case o.Role == figures.Twin:
		executor = stand.Twin
	case setup.Dirty:
		executor = stand.Dirty
	}
	s := stand.NewServer(executor)
	return &serving{
		serve:    func(ln net.Listener) error { return s.Serve(stand.Runtime.CountSockets(ln)) },
		shutdown: s.Shutdown,
		close:    func() error { return errors.Join(stand.Close(), logs.Close()) },
	}, nil
}

// newConstantServing answers every request with the same JSON.
func newConstantServing(body []byte) *serving {
	s := &fasthttp.Server{CloseOnShutdown: true, Handler: func(ctx *fasthttp.RequestCtx) {
		ctx.SetContentType("application/json")
		ctx.SetBody(body)
	}}
	return &serving{serve: s.Serve, shutdown: s.ShutdownWithContext, close: func() error { return nil }}
}

// shutdownTime is how long a server may take to stop.
const shutdownTime = 5 * time.Second

// during serves ln until use returns, and gives everything back.
func (s *serving) during(ln net.Listener, use func() error) error {
	done := make(chan error, 1)
	go func() { done <- s.serve(ln) }()
	err := use()
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTime)
	defer cancel()
	err = errors.Join(err, s.shutdown(ctx))
	_ = ln.Close() // the shutdown has closed it, unless it came before the serving
	select {
	case failed := <-done:
		err = errors.Join(err, failed)
	case <-ctx.Done():
		err = errors.Join(err, errors.New("the server did not stop"))
	}
	return errors.Join(err, s.close())
}
