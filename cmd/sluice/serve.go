package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"sluice/hostfuncs/secret"
	"sluice/internal/config"
	"sluice/modules"
	"sluice/runtime"
	"sluice/runtime/catalog"
	"sluice/runtime/server"

	"github.com/spf13/cobra"
)

func newServe() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve connectors to workflow engines",
		Long: "Serve connectors to workflow engines, until SIGTERM or SIGINT; calls in flight are finished first.\n\n" +
			"Every setting can be a flag, an environment variable, or a line of the file given with --config, in this order of\n" +
			"precedence. docs/CONFIGURATION.md lists them.",
		Args: none,
	}
	flags := settingFlags(cmd, func(string) bool { return true })
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := flags.load(cmd, config.Load)
		if err != nil {
			return err
		}
		return failing(func(cmd *cobra.Command, _ []string) error { return serve(cmd.Context(), c) })(cmd, nil)
	}
	return cmd
}

// flags are the flags of a command that takes settings.
type flags struct{ file *string }

// settingFlags gives a command a flag for every setting that it wants, and --config.
func settingFlags(cmd *cobra.Command, wants func(key string) bool) flags {
	f := flags{file: cmd.Flags().String("config", "", "configuration file (YAML)")}
	for _, s := range config.Settings() {
		if !wants(s.Key) {
			continue
		}
		doc := s.Doc + " [" + s.Variable() + "]"
		cmd.Flags().String(s.Flag(), s.Default, doc)
		if s.Key == "dev" {
			cmd.Flags().Lookup(s.Flag()).NoOptDefVal = "true"
		}
	}
	return f
}

// loader is [config.Load], or [config.LoadWithoutKey].
type loader func(path string, getenv func(string) (string, bool), flags map[string]string) (*config.Config, error)

func (f flags) load(cmd *cobra.Command, load loader) (*config.Config, error) {
	given := make(map[string]string)
	for _, s := range config.Settings() {
		if flag := cmd.Flags().Lookup(s.Flag()); flag != nil && flag.Changed {
			given[s.Key] = flag.Value.String()
		}
	}
	c, err := load(*f.file, os.LookupEnv, given)
	if err != nil {
		return nil, &settingError{err}
	}
	return c, nil
}

// settingError marks an error of what is set, of which --help says nothing.
type settingError struct{ err error }

func (e *settingError) Error() string { return e.err.Error() }
func (e *settingError) Unwrap() error { return e.err }

func serve(ctx context.Context, c *config.Config) error {
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	logger := newLogger(c.LogLevel)

	store, err := catalog.Open(c.Data, catalog.Options{})
	if err != nil {
		return fmt.Errorf("the data folder %s (--data): %w", c.Data, err)
	}
	defer func() { _ = store.Close() }()
	secrets, err := secret.OpenStore(ctx, store, c.SecretsKey)
	if err != nil {
		return fmt.Errorf("the data folder %s (--data): %w", c.Data, err)
	}
	ln, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("listening on %s (--listen): %w", c.Listen, err)
	}
	began := time.Now()
	rc := runtimeConfig(c, store, filepath.Join(c.Data, "compiled"), logger)
	rc.CompileHelper, rc.SecretStore = true, secrets
	rt, err := runtime.New(ctx, rc)
	if ctx.Err() != nil { // asked to stop before anything was served
		logger.Info("stopped")
		return errors.Join(ln.Close(), closeRuntime(rt))
	}
	if err != nil {
		_ = ln.Close()
		return err
	}
	defer func() { _ = closeRuntime(rt) }()

	srv := server.New(serverConfig(c, rt, logger))
	for wrong, probably := range config.Misspelt(os.Environ()) {
		logger.Warn("a variable of the environment is no setting", "variable", wrong, "did_you_mean", probably)
	}
	for _, w := range slices.Concat(c.Warnings, srv.Warnings()) {
		logger.Warn(w)
	}
	warnOfGrants(c, rt, logger)
	warnOfSecrets(rt, logger)
	_, commands := rt.Commands()
	logger.Info("serving", "address", ln.Addr().String(), "version", version, "connectors", len(rt.Connectors()),
		"catalog_revision", commands, "reset_mode", rt.Sandboxes().Mode, "ready_after_ms", time.Since(began).Milliseconds())
	done := make(chan error, 1)
	go func() { done <- srv.Serve(rt.CountSockets(ln)) }()
	select {
	case err := <-done:
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
	}
	logger.Info("stopping: no more calls are taken; those in flight are finished", "at_most", c.Drain.String())
	drain, cancel := context.WithTimeout(context.Background(), c.Drain)
	defer cancel()
	err = srv.Shutdown(drain)
	logger.Info("stopped")
	return err
}

// warnOfGrants names the grants that nothing uses: of a misspelt connector, or of one still to be installed.
func warnOfGrants(c *config.Config, rt *runtime.Runtime, logger *slog.Logger) {
	unused := maps.Clone(c.Grants)
	for _, installed := range rt.Connectors() {
		delete(unused, installed.Name)
	}
	for name := range unused {
		logger.Warn("a grant is for a connector that is not installed", "connector", name)
	}
}

// warnOfSecrets names the secrets that no call could use as things are.
func warnOfSecrets(rt *runtime.Runtime, logger *slog.Logger) {
	for _, s := range rt.Secrets() {
		if s.Problem != "" {
			logger.Warn("a secret has no value that can be used: calls that need it fail", "secret", s.Name, "from", s.From, "error", s.Problem)
		}
	}
	for _, connector := range rt.Connectors() {
		for _, name := range connector.UndefinedSecrets {
			logger.Warn("a grant names a secret that is not defined: define it under secrets, or grant without it", "connector", connector.Name, "secret", name)
		}
	}
}

// closeRuntime closes a runtime, which is nil where it was never made.
func closeRuntime(rt *runtime.Runtime) error {
	if rt == nil {
		return nil
	}
	return rt.Close(context.Background())
}

func runtimeConfig(c *config.Config, store catalog.Store, cache string, logger *slog.Logger) runtime.Config {
	return runtime.Config{
		Store: store, CacheDir: cache, Bundled: modules.Bundled(), Limits: c.Limits, Grants: c.Grants, Secrets: c.Secrets,
		Dev: c.Dev, ShowGuests: c.Dev, Observe: c.Egress == "observe",
		Version: version, Fault: c.Fault, MaxSockets: c.Sockets, Logger: logger,
	}
}

func serverConfig(c *config.Config, rt *runtime.Runtime, logger *slog.Logger) server.Config {
	return server.Config{
		Runtime: rt, APIKey: c.APIKey, CORSOrigins: c.CORSOrigins, AdminKey: c.AdminKey,
		BodyMax: c.BodyMax, BodyBudget: c.BodyBudget, ReadTimeout: c.ReadTimeout, IdleTimeout: c.IdleTimeout,
		Dev: c.Dev, Version: version, Logger: logger,
	}
}

// newLogger returns a logger of JSON lines on standard error.
func newLogger(level string) *slog.Logger {
	var l slog.Level
	_ = l.UnmarshalText([]byte(level)) // the configuration has checked it
	return slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: l}))
}
