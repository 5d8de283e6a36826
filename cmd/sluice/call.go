package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sluice/internal/config"
	"sluice/runtime"
	"sluice/runtime/catalog"
	"sluice/runtime/server"

	"github.com/spf13/cobra"
	"github.com/valyala/fasthttp/fasthttputil"
)

func newCall() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "call CONNECTOR/COMMAND",
		Short: "Execute a command, here or on a server, and print its answer",
		Long: "Execute a command and print its answer. With --server, or SLUICE_SERVER, a server executes it. Without, or with\n" +
			"--module, --config or a setting, this process does: of a bundled connector, or of the module given with --module,\n" +
			"under the grants of --config. --server '' has it execute the command in any case.\n\n" +
			"Exit status 1 where the answer is an error.",
		Example: "  sluice call example/Example --params '{\"message\": \"hi\"}'\n" +
			"  sluice call greeter/Greet --module greeter.wasm --params '{\"name\": \"Ada\"}'\n" +
			"  sluice call http/GetRequest --server http://127.0.0.1:8200 --params '{\"url\": \"https://example.com\"}'",
		Args: one("command"),
	}
	params := cmd.Flags().String("params", "{}", "the command's parameters, a JSON object; - reads them from standard input")
	module := cmd.Flags().String("module", "", "a module to execute the command of, without installing it")
	asJSON := cmd.Flags().Bool("json", false, "print the answer as it came, without indentation")
	c := clientFlags(cmd)
	server := cmd.Flags().Lookup("server")
	server.DefValue, server.Usage = "", "URL of the server that is to execute the command, and not this process [SLUICE_SERVER]"
	cmd.Flags().StringVar(&c.apiKey, "api-key", "", "with --server: its key for /v1 [CONNECTOR_PROXY_API_KEY]")
	_ = cmd.Flags().MarkHidden("key") // commands are not management
	flags := settingFlags(cmd, func(key string) bool { return key == "dev" || strings.HasPrefix(key, "call.") })
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if strings.Count(args[0], "/") != 1 {
			return fmt.Errorf("%q is not CONNECTOR/COMMAND", args[0])
		}
		here := localFlag(cmd)
		named := cmd.Flags().Changed("server") && c.server != ""
		switch {
		case named && *module != "":
			return fmt.Errorf("--module and --server exclude each other: push the module first")
		case named && here != "":
			return fmt.Errorf("--%s and --server exclude each other: the server has settings of its own", here)
		}
		remote := named || here == "" && !cmd.Flags().Changed("server") && os.Getenv("SLUICE_SERVER") != ""
		settings, err := flags.load(cmd, config.LoadWithoutKey)
		if err != nil {
			return err
		}
		return failing(func(cmd *cobra.Command, args []string) error {
			body, err := paramsOf(*params)
			if err != nil {
				return err
			}
			if !remote {
				stop, err := c.serveHere(settings, *module, args[0])
				if err != nil {
					return err
				}
				defer stop()
			}
			status, text, err := c.send("POST", "/v1/do/"+args[0], "application/json", body)
			if err != nil {
				return err
			}
			err = show(cmd.OutOrStdout(), status, text, *asJSON)
			switch {
			case status == http.StatusUnauthorized:
				return fmt.Errorf("the server wants its key: give it as --api-key or CONNECTOR_PROXY_API_KEY")
			case status == http.StatusNotFound && !remote:
				return fmt.Errorf("%w; without --server only the bundled connectors are here, or the one of --module", err)
			}
			return err
		})(cmd, args)
	}
	return cmd
}

// localFlag is a flag that was given and means nothing to a server, "" for none.
func localFlag(cmd *cobra.Command) string {
	names := []string{"module", "config"}
	for _, s := range config.Settings() {
		names = append(names, s.Flag())
	}
	i := slices.IndexFunc(names, func(name string) bool { return cmd.Flags().Changed(name) })
	if i < 0 {
		return ""
	}
	return names[i]
}

func paramsOf(flag string) ([]byte, error) {
	if flag != "-" {
		return []byte(flag), nil
	}
	return io.ReadAll(os.Stdin)
}

// serveHere makes the client speak to a server inside this process, so that a call has one way, wherever it runs. The
// caller stops it. Of a module, command must be one.
func (c *client) serveHere(settings *config.Config, module, command string) (stop func(), err error) {
	dir, err := os.MkdirTemp("", "sluice-call-")
	if err != nil {
		return nil, err
	}
	var undo []func()
	stop = func() {
		for i := len(undo) - 1; i >= 0; i-- {
			undo[i]()
		}
	}
	undo = append(undo, func() { _ = os.RemoveAll(dir) })
	defer func() {
		if err != nil {
			stop()
		}
	}()
	store, err := catalog.Open(dir, catalog.Options{})
	if err != nil {
		return stop, err
	}
	undo = append(undo, func() { _ = store.Close() })
	logger := newLogger("warn")
	rc := runtimeConfig(settings, store, compiledCache(), logger)
	rc.ShowGuests = true
	if module != "" {
		rc.Bundled = nil
	}
	rt, err := runtime.New(context.Background(), rc)
	if err != nil {
		return stop, err
	}
	undo = append(undo, func() { _ = rt.Close(context.Background()) })
	if module != "" {
		if err := installFile(rt, module, command); err != nil {
			return stop, err
		}
	}
	sc := serverConfig(settings, rt, newLogger("error")) // the answer says what the log would
	sc.APIKey = ""
	srv := server.New(sc)
	ln := fasthttputil.NewInmemoryListener()
	go func() { _ = srv.Serve(ln) }()
	undo = append(undo, func() { _ = ln.Close() })
	c.server = "http://sluice.invalid" // nobody looks the name up
	c.http = http.Client{Timeout: settings.Limits.Deadline + 5*time.Second, Transport: &http.Transport{
		DialContext: func(context.Context, string, string) (net.Conn, error) { return ln.Dial() },
	}}
	return stop, nil
}

// installFile installs a module, which must be the connector of a command.
func installFile(rt *runtime.Runtime, file, command string) error {
	wasm, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	installed, _, err := rt.Install(context.Background(), wasm, false)
	if err != nil {
		return err
	}
	if connector, name, _ := strings.Cut(command, "/"); connector != installed.Name {
		return fmt.Errorf("%s is the connector %q, and not %q: call %s/%s", file, installed.Name, connector, installed.Name, name)
	}
	return nil
}

// compiledCache is where local calls keep compiled code; "" for memory.
func compiledCache() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "sluice", "compiled")
}

// show prints an answer and returns an error where it is one.
func show(w io.Writer, status int, text []byte, asJSON bool) error {
	out := string(text)
	if !asJSON {
		var indented bytes.Buffer
		if json.Indent(&indented, text, "", "  ") == nil {
			out = indented.String()
		}
		out = shownLines(out)
	}
	if _, err := fmt.Fprintln(w, strings.TrimRight(out, "\n")); err != nil {
		return err
	}
	var answer struct {
		Response struct {
			Status int `json:"http_status"`
		} `json:"command_response"`
		Error *struct {
			Code string `json:"error_code"`
		} `json:"error"`
	}
	if json.Unmarshal(text, &answer) == nil && answer.Error != nil {
		if answer.Response.Status >= 300 { // which an engine goes by, then
			status = answer.Response.Status
		}
		return fmt.Errorf("the command failed: %s (status %d)", shown(answer.Error.Code), status)
	}
	if status >= 300 {
		return fmt.Errorf("the command answered with status %d", status)
	}
	return nil
}
