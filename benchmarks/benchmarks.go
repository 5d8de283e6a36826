// Package benchmarks measures what it costs to run connectors in sandboxes. Every figure stands beside that of a twin,
// which does the same in the ordinary way: package twin answers http/GetRequest natively, behind the same server.
//
// There are two kinds. The *_timing_test.go files here time single steps; run them with
//
//	go test -run '^$' -bench . -benchmem ./benchmarks/...
//
// The programs beside them write figures to bin/bench, of which benchmarks/report makes RESULTS.md and results.svg; run
// them all with `make bench`:
//
//	benchmarks/percall   single calls of guests in many languages, in every way to run them
//	benchmarks/extism    the same work in Extism's own host
//	benchmarks/e2e       whole servers over loopback, each in a process of its own
//	benchmarks/guard     the guard of the egress, beside net/http without one
package benchmarks

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"

	"sluice/benchmarks/dirty"
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

// Stand is a runtime with bundled connectors, the twin of the one named http, and what runs that one without resets, all set
// up alike: as `sluice serve --dev` does, since the services that are asked stand on loopback.
type Stand struct {
	Runtime *runtime.Runtime
	Twin    *twin.Executor
	Dirty   *dirty.Executor // nil unless the setup asks for it

	settings *config.Config
	store    catalog.Store
	logger   *slog.Logger
}

// Setup is how a stand is made. What it does not say has its default; no environment variable matters.
type Setup struct {
	// Dir is the folder for what the stand keeps.
	Dir    string
	Logger *slog.Logger
	// Connectors names those of the bundled connectors that are served where they are built, http among them.
	Connectors []string
	// Modules are served in place of bundled ones, by the connector's name.
	Modules map[string][]byte
	// Settings are settings by key.
	Settings map[string]string
	// Dirty makes the stand's executor Dirty, too.
	Dirty bool
}

// Open makes a stand. The caller closes it.
func Open(ctx context.Context, setup Setup) (s *Stand, err error) {
	s = &Stand{logger: setup.Logger}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
			s = nil
		}
	}()
	if s.settings, err = setup.settings(); err != nil {
		return s, err
	}
	store, err := catalog.Open(setup.Dir, catalog.Options{})
	if err != nil {
		return s, err
	}
	s.store = store
	c := s.settings
	s.Runtime, err = runtime.New(ctx, runtime.Config{
		Store: store, CacheDir: filepath.Join(setup.Dir, "compiled"), Bundled: setup.bundled(), Limits: c.Limits,
		Dev: c.Dev, Version: version, MaxSockets: c.Sockets, Logger: setup.Logger,
	})
	if err != nil {
		return s, err
	}
	like := twin.Config{Sockets: c.Sockets, Version: version}
	if s.Twin, err = twin.New(s.Runtime, like); err == nil && setup.Dirty {
		s.Dirty, err = dirty.New(ctx, s.Runtime, setup.bundled()["http"], like)
	}
	return s, err
}

func (s Setup) settings() (*config.Config, error) {
	none := func(string) (string, bool) { return "", false }
	set := map[string]string{"data": s.Dir, "dev": "true", "spiff.api_key": Key}
	maps.Copy(set, s.Settings)
	return config.Load("", none, set)
}

// bundled are the modules that are served.
func (s Setup) bundled() map[string][]byte {
	bundled := modules.Bundled()
	maps.DeleteFunc(bundled, func(name string, _ []byte) bool { return !slices.Contains(s.Connectors, name) })
	maps.Copy(bundled, s.Modules)
	return bundled
}

// NewServer returns a server whose calls the executor runs: the stand's Runtime, its Twin or Dirty.
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
	if s.Dirty != nil {
		s.Dirty.Close()
	}
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
