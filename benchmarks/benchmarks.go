// Package benchmarks measures what it costs to run connectors in sandboxes. Every figure stands beside that of a twin,
// which does the same in the ordinary way: package twin answers http/GetRequest natively, behind the same server.
//
// There are two kinds. The *_timing_test.go files here time single steps; run them with
//
//	go test -run '^$' -bench . -benchmem ./benchmarks/...
//
// benchmarks/e2e times whole servers over loopback, each in a process of its own, and writes RESULTS.md; run it with
//
//	go run ./benchmarks/e2e -out benchmarks/RESULTS.md
package benchmarks

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"

	"sluice/benchmarks/twin"
	"sluice/internal/config"
	"sluice/modules"
	"sluice/runtime"
	"sluice/runtime/catalog"
	"sluice/runtime/server"
)

// Key is the API key that the servers of a Stand ask for.
const Key = "benchmark-key"

// Document is what the services answer that connectors ask: 200 bytes of JSON.
const Document = `{"id":4711,"name":"Ada Lovelace","tags":["first","second","third"],"price":12.50,"stock":null,"active":true,` +
	`"address":{"street":"12 St James's Square","city":"London","code":"SW1Y"},"at":"1843-09-01"}`

// version is what the servers say of themselves, where a release says its own.
const version = "benchmark"

// Stand is a runtime with bundled connectors, and the twin of the one named http, set up alike: as `sluice serve --dev`
// does, since the services that are asked stand on loopback.
type Stand struct {
	Runtime *runtime.Runtime
	Twin    *twin.Executor

	settings *config.Config
	store    catalog.Store
	logger   *slog.Logger
}

// Open makes a stand that keeps its data in dir and serves those of the named bundled connectors that are built, http
// among them. What is not measured has its default; no environment variable matters. The caller closes the stand.
func Open(ctx context.Context, dir string, logger *slog.Logger, connectors ...string) (s *Stand, err error) {
	s = &Stand{logger: logger}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
			s = nil
		}
	}()
	if s.settings, err = settings(dir); err != nil {
		return s, err
	}
	store, err := catalog.Open(dir, catalog.Options{})
	if err != nil {
		return s, err
	}
	s.store = store
	bundled := modules.Bundled()
	maps.DeleteFunc(bundled, func(name string, _ []byte) bool { return !slices.Contains(connectors, name) })
	c := s.settings
	s.Runtime, err = runtime.New(ctx, runtime.Config{
		Store: store, CacheDir: filepath.Join(dir, "compiled"), Bundled: bundled, Limits: c.Limits,
		Dev: c.Dev, Version: version, MaxSockets: c.Sockets, Logger: logger,
	})
	if err != nil {
		return s, err
	}
	s.Twin, err = twin.New(s.Runtime, twin.Config{Sockets: c.Sockets, Version: version})
	return s, err
}

func settings(dir string) (*config.Config, error) {
	none := func(string) (string, bool) { return "", false }
	return config.Load("", none, map[string]string{"data": dir, "dev": "true", "spiff.api_key": Key})
}

// NewServer returns a server whose calls the executor runs: the stand's Runtime or its Twin.
func (s *Stand) NewServer(e server.Executor) *server.Server {
	c := s.settings
	return server.New(server.Config{
		Runtime: s.Runtime, Executor: e, APIKey: c.APIKey, BodyMax: c.BodyMax, BodyBudget: c.BodyBudget,
		ReadTimeout: c.ReadTimeout, IdleTimeout: c.IdleTimeout, Dev: c.Dev, Version: version, Logger: s.logger,
	})
}

// LogLevel is the level at which a server logs by default.
func (s *Stand) LogLevel() string { return s.settings.LogLevel }

// Close ends what runs and gives everything back but the folder.
func (s *Stand) Close() error {
	var errs []error
	if s.Twin != nil {
		s.Twin.Close()
	}
	if s.Runtime != nil {
		errs = append(errs, s.Runtime.Close(context.Background()))
	}
	if s.store != nil {
		errs = append(errs, s.store.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("closing the stand: %w", err)
	}
	return nil
}
