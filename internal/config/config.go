// Package config is what an operator can set: in a file, by environment variables, and by flags. Every scalar setting
// has all three, under names made from its key; a flag wins over a variable, a variable over the file. Grants and
// the definitions of secrets are in the file only.
package config

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"sluice/hostfuncs"
	"sluice/hostfuncs/egress/fault"
	"sluice/hostfuncs/secret"
	"sluice/runtime"
)

// Config is a valid set of settings. Field comments are the settings' documentation; docs/CONFIGURATION.md is made of
// the same table.
type Config struct {
	Listen      string
	Data        string
	Dev         bool
	Egress      string
	LogLevel    string
	APIKey      string
	CORSOrigins []string
	AdminKey    string
	Limits      runtime.Limits
	BodyMax     int64
	BodyBudget  int64
	Sockets     int
	ReadTimeout time.Duration
	IdleTimeout time.Duration
	Drain       time.Duration
	Grants      map[string]runtime.Grant
	Fault       fault.Config

	Secrets        map[string]secret.Definition
	SecretsKeyFile string
	SecretsKey     *secret.Key // nil for none

	// Warnings are sentences about what is set, for whoever starts a server with it.
	Warnings []string
}

// Setting is one scalar setting.
type Setting struct {
	// Key is its name in the file, with dots between levels. The flag is the key with dashes for dots and
	// underscores, the variable SLUICE_ and the key in capitals with underscores for dots.
	Key string
	// Also are other environment variables with the same meaning, which count after the one made from the key.
	Also []string
	// Default is its value where it is not set; "" where that is computed, as Doc says.
	Default string
	// Doc says what it does, its unit, and when to change it.
	Doc string

	set func(c *Config, value string) error
}

// Flag is the setting's name on the command line.
func (s Setting) Flag() string { return strings.NewReplacer(".", "-", "_", "-").Replace(s.Key) }

// Variable is the setting's name in the environment.
func (s Setting) Variable() string {
	return variablePrefix + strings.ToUpper(strings.ReplaceAll(s.Key, ".", "_"))
}

// day bounds the settings that are times of the server.
const day = 24 * time.Hour

// Settings are all scalar settings.
func Settings() []Setting { return settings }

var settings = []Setting{
	{
		Key: "listen", Doc: "Address and port to listen on. Where neither the flag nor the variable is set, HOST and the first that is set of PORT, CONNECTOR_PROXY_PORT and CONNECTOR_PROXY_ASYNC_HTTP_PORT replace the host and the port of the file, or of 127.0.0.1:8200.",
		set: func(c *Config, v string) error {
			_, port, err := net.SplitHostPort(v)
			if n, e := strconv.Atoi(port); err != nil || e != nil || n < 0 || n > 65535 {
				return fmt.Errorf("is not host:port")
			}
			c.Listen = v
			return nil
		},
	},
	{Key: "data", Default: "./data", Doc: "Folder for what is installed. It belongs to one server at a time.", set: text(func(c *Config) *string { return &c.Data })},
	{
		Key: "dev", Default: "false", Doc: "For development: every connector may reach whatever its manifest asks for at public, private and loopback addresses, whatever its grant says, and what guests print and log is shown when they fail. Metadata and link-local addresses stay refused; secrets and the cache go by the grant. Never in production.",
		set: func(c *Config, v string) (err error) {
			if c.Dev, err = strconv.ParseBool(v); err != nil {
				return fmt.Errorf("is neither true nor false")
			}
			return nil
		},
	},
	{
		Key: "egress", Default: "enforce", Doc: "enforce, or observe: every connector may send requests to, and open connections with, what its manifest asks for at public, private and loopback addresses, whatever its grant says, and what the grant would have refused is recorded. For moving to grants; metadata and link-local addresses stay refused.",
		set: func(c *Config, v string) error {
			switch v {
			case "enforce", "observe":
				c.Egress = v
				return nil
			}
			return fmt.Errorf("is neither enforce nor observe")
		},
	},
	{
		Key: "log.level", Default: "info", Doc: "What is logged: debug, info (a line a call), warn (failures only), error; at every level what management was asked for.",
		set: func(c *Config, v string) error {
			switch v {
			case "debug", "info", "warn", "error":
				c.LogLevel = v
				return nil
			}
			return fmt.Errorf("is not one of debug, info, warn, error")
		},
	},
	{
		Key: "spiff.api_key", Also: []string{"CONNECTOR_PROXY_API_KEY"}, Doc: "Key that callers of /v1 must send as Spiff-Connector-Proxy-Api-Key. Not set: no key is asked for.",
		set: func(c *Config, v string) error {
			if v == "" {
				return fmt.Errorf("is empty: set a key, or unset it to let everybody in who reaches the port")
			}
			c.APIKey = v
			return nil
		},
	},
	{
		Key: "spiff.cors_origins", Also: []string{"CONNECTOR_PROXY_CORS_ORIGINS"}, Doc: "Origins, separated by commas, whose pages may call /v1 from a browser; * for any.",
		set: func(c *Config, v string) error {
			c.CORSOrigins = nil
			for _, origin := range strings.Split(v, ",") {
				if origin = strings.TrimSpace(origin); origin != "" {
					c.CORSOrigins = append(c.CORSOrigins, origin)
				}
			}
			return nil
		},
	},
	{
		Key: "admin.key", Doc: "Key for management (upload, list, remove, grant), sent as Authorization: Bearer. Not set: management works from this machine only.",
		set: func(c *Config, v string) error {
			if v == "" {
				return fmt.Errorf("is empty: set a key, or unset it to allow management from this machine only")
			}
			c.AdminKey = v
			return nil
		},
	},
	{Key: "secrets.key_file", Doc: "File with the key that seals the secrets in the store, where SLUICE_SECRETS_KEY is not set. Not set either: there is no store.", set: text(func(c *Config) *string { return &c.SecretsKeyFile })},
	{Key: "call.deadline", Default: "40s", Doc: "How long a call may take. Spiff Arena gives up after 45 s.", set: duration(time.Millisecond, hostfuncs.MaxDeadline, func(c *Config) *time.Duration { return &c.Limits.Deadline })},
	{
		Key: "call.memory", Default: "64MiB", Doc: "How large a guest's memory may grow, where its grant says nothing.",
		set: size(64<<10, 4<<30, func(c *Config, n int64) { c.Limits.Memory = uint64(n) }),
	},
	{Key: "call.cpu", Default: "10s", Doc: "How long a guest may compute in one call, without its waiting.", set: duration(time.Millisecond, hostfuncs.MaxDeadline, func(c *Config) *time.Duration { return &c.Limits.CPU })},
	{Key: "call.output", Default: "16MiB", Doc: "How much a guest may answer, where its grant says nothing.", set: size(1<<10, 1<<30, func(c *Config, n int64) { c.Limits.Output = int(n) })},
	{Key: "call.response", Default: "8MiB", Doc: "How large a response to a guest's request may be, where its grant says nothing.", set: size(1<<10, 1<<30, func(c *Config, n int64) { c.Limits.Response = int(n) })},
	{Key: "call.stream", Default: "64MiB", Doc: "How large a response may be that a guest reads as it comes, where its grant says nothing.", set: size(1<<10, 1<<40, func(c *Config, n int64) { c.Limits.Stream = n })},
	{Key: "pool.max", Default: "1024", Doc: "How many calls of one connector run at once.", set: count(1, 1<<20, func(c *Config) *int { return &c.Limits.Concurrent })},
	{Key: "pool.queue", Default: "1024", Doc: "How many more calls of one connector may wait; beyond it the answer is 503.", set: count(0, 1<<20, func(c *Config) *int { return &c.Limits.Queue })},
	{Key: "pool.warm", Default: "64", Doc: "How many sandboxes of one connector are kept ready between calls.", set: count(0, 1<<20, func(c *Config) *int { return &c.Limits.Warm })},
	{Key: "pool.total", Default: "4096", Doc: "How many calls run at once, of all connectors together; as many as pool.queue more wait.", set: count(1, 1<<20, func(c *Config) *int { return &c.Limits.Total })},
	{
		Key: "pool.growth", Doc: "What the memories of all guests together may grow by while they run, and what the host holds of answers and responses; beyond it calls that need more are answered with 503. Default: half of the memory available at start, 256 MiB at least.",
		set: size(1<<20, 1<<44, func(c *Config, n int64) { c.Limits.Growth = uint64(n) }),
	},
	{Key: "body.max", Default: "64MiB", Doc: "How large a request's body may be.", set: size(1<<10, 1<<30, func(c *Config, n int64) { c.BodyMax = n })},
	{Key: "body.budget", Doc: "How many bytes of request bodies may be in memory at once; beyond it the answer is 503. Default: a quarter of the memory available at start, 64 MiB at least.", set: size(1<<20, 1<<40, func(c *Config, n int64) { c.BodyBudget = n })},
	{Key: "sockets", Doc: "How many connections the server and its guests may have open together. Default: 80 % of the limit on open files.", set: count(16, 1<<24, func(c *Config) *int { return &c.Sockets })},
	{Key: "circuit.failures", Default: "10", Doc: "How many of the last circuit.window requests of a connector to one service have to fail for none to be sent there any more, for circuit.open. Raise it for a service that answers 500 where nothing is wrong with it.", set: count(1, 1000, func(c *Config) *int { return &c.Fault.Failures })},
	{Key: "circuit.window", Default: "12", Doc: "See circuit.failures, which may not be more.", set: count(1, 1000, func(c *Config) *int { return &c.Fault.Window })},
	{Key: "circuit.open", Default: "5s", Doc: "How long no request is sent to a service that failed, give or take a tenth, until two try it.", set: duration(100*time.Millisecond, time.Hour, func(c *Config) *time.Duration { return &c.Fault.Open })},
	{Key: "bulkhead.max", Default: "1024", Doc: "How many requests of one connector to one service are under way at once; beyond it they fail with overloaded.", set: count(1, 1<<16, func(c *Config) *int { return &c.Fault.Concurrent })},
	{Key: "retry.burst", Default: "10", Doc: "How many retries of one connector one service is sent, where retries are granted, before it has to earn them.", set: count(1, 1000, func(c *Config) *int { return &c.Fault.RetryBurst })},
	{Key: "retry.percent", Default: "10", Doc: "How many more retries a service earns with a hundred requests that succeed at once.", set: count(1, 100, func(c *Config) *int { return &c.Fault.RetryPercent })},
	{Key: "http.read_timeout", Default: "60s", Doc: "How long a client may take to send a request.", set: duration(time.Second, day, func(c *Config) *time.Duration { return &c.ReadTimeout })},
	{Key: "http.idle_timeout", Default: "75s", Doc: "How long a connection is kept between requests.", set: duration(time.Second, day, func(c *Config) *time.Duration { return &c.IdleTimeout })},
	{Key: "drain", Default: "45s", Doc: "How long calls in flight get to finish after SIGTERM; then they are answered with 503.", set: duration(time.Millisecond, day, func(c *Config) *time.Duration { return &c.Drain })},
}

// portVariables are where the references' port may stand, in the order in which they count.
var portVariables = []string{"PORT", "CONNECTOR_PROXY_PORT", "CONNECTOR_PROXY_ASYNC_HTTP_PORT"}

// Load returns the settings of the file at path ("" for none), the environment and the flags, which are given by key.
// The error names the setting by the name under which it was set.
func Load(path string, getenv func(string) (string, bool), flags map[string]string) (*Config, error) {
	c, err := LoadWithoutKey(path, getenv, flags)
	if err != nil {
		return nil, err
	}
	return c, c.loadSecretsKey(getenv)
}

// LoadWithoutKey is [Load] for what opens no store of secrets: it neither reads nor needs the store's key.
func LoadWithoutKey(path string, getenv func(string) (string, bool), flags map[string]string) (*Config, error) {
	c := &Config{}
	for _, s := range settings {
		if s.Default != "" {
			if err := s.set(c, s.Default); err != nil {
				return nil, fmt.Errorf("the default of %s %w", s.Key, err)
			}
		}
	}
	file := map[string]string{}
	var err error
	if path != "" {
		var text []byte
		if text, err = os.ReadFile(path); err != nil {
			return nil, fmt.Errorf("the configuration file: %w", err)
		}
		if file, c.Grants, c.Secrets, err = parseFile(text); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	for _, s := range settings {
		name, value, ok := s.find(flags, getenv, file)
		if s.Key == "listen" && name == s.Key {
			if value, err = listenFromEnvironment(getenv, value); err != nil {
				return nil, err
			}
			ok = true
		}
		if !ok {
			continue
		}
		if err := s.set(c, value); err != nil {
			if name == s.Key && path != "" {
				name = path + ": " + name
			}
			return nil, fmt.Errorf("%s %w", name, err)
		}
	}
	if err := c.checkSecretGrants(); err != nil {
		return nil, err
	}
	return c, c.fill()
}

// find returns where the setting is set, under which name, and to what.
func (s Setting) find(flags map[string]string, getenv func(string) (string, bool), file map[string]string) (name, value string, ok bool) {
	if value, ok = flags[s.Key]; ok {
		return "--" + s.Flag(), value, true
	}
	for _, name := range append([]string{s.Variable()}, s.Also...) {
		if value, ok = getenv(name); ok {
			return name, value, true
		}
	}
	value, ok = file[s.Key]
	return s.Key, value, ok
}

// listenFromEnvironment is the address to listen on where neither the flag nor the setting's own variable says one:
// that of the file or the default, with its host from HOST and its port from the first of portVariables that is set. An
// empty variable counts as not set.
func listenFromEnvironment(getenv func(string) (string, bool), file string) (string, error) {
	host, port := "127.0.0.1", "8200"
	if file != "" {
		var err error
		if host, port, err = net.SplitHostPort(file); err != nil {
			return file, nil // which is refused where it is set
		}
	}
	if v, _ := getenv("HOST"); v != "" {
		host = v
	}
	for _, variable := range portVariables {
		v, _ := getenv(variable)
		if v == "" {
			continue
		}
		if n, err := strconv.Atoi(v); err != nil || n < 0 || n > 65535 {
			return "", fmt.Errorf("%s is not a port, a number from 0 to 65535", variable)
		}
		port = v
		break
	}
	return net.JoinHostPort(host, port), nil
}

// fill computes the defaults that depend on the machine, and compares settings that have to fit each other.
func (c *Config) fill() error {
	if c.BodyBudget == 0 {
		c.BodyBudget = max(availableMemory()/4, 64<<20)
	}
	if c.BodyBudget < c.BodyMax {
		return fmt.Errorf("body.budget (%d bytes) is less than body.max (%d): no body of that size could ever be read", c.BodyBudget, c.BodyMax)
	}
	if c.Fault.Failures > c.Fault.Window {
		return fmt.Errorf("circuit.failures (%d) is more than circuit.window (%d): no circuit would ever open", c.Fault.Failures, c.Fault.Window)
	}
	if c.Limits.Growth == 0 {
		c.Limits.Growth = uint64(max(availableMemory()/2, 256<<20))
	}
	if c.Sockets == 0 {
		c.Sockets = openFiles() * 8 / 10
	}
	return nil
}
