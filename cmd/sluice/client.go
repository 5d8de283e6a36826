package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// defaultServer is where `sluice serve` listens unless told otherwise.
const defaultServer = "http://127.0.0.1:8200"

// client speaks to a server's management API.
type client struct {
	server, key, apiKey string
	http                http.Client
}

// clientFlags gives a command --server and --key.
func clientFlags(cmd *cobra.Command) *client {
	c := &client{http: http.Client{
		Timeout: 2 * time.Minute,
		// Keys and modules are for the server that was named, not for one that it names.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	cmd.Flags().StringVar(&c.server, "server", cmp.Or(os.Getenv("SLUICE_SERVER"), defaultServer), "URL of the server [SLUICE_SERVER]")
	cmd.Flags().StringVar(&c.key, "key", "", "admin key [SLUICE_ADMIN_KEY]")
	return c
}

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 64 << 20

// send makes a request and returns the answer's status and body. A server's refusal is an error with its sentence.
func (c *client) send(method, path, contentType string, body []byte) (int, []byte, error) {
	base, err := url.Parse(strings.TrimSuffix(c.server, "/"))
	if err != nil || base.Host == "" {
		return 0, nil, fmt.Errorf("--server must be a URL such as %s", defaultServer)
	}
	req, err := http.NewRequest(method, base.String()+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	req.Header.Set("Sluice-Admin", "1")
	key := c.key
	if key == "" {
		key = os.Getenv("SLUICE_ADMIN_KEY")
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	if key := cmp.Or(c.apiKey, os.Getenv("SLUICE_SPIFF_API_KEY"), os.Getenv("CONNECTOR_PROXY_API_KEY")); key != "" {
		req.Header.Set("Spiff-Connector-Proxy-Api-Key", key)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, nil, fmt.Errorf("no server answers at %s: %w", base.Redacted(), err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err == nil && len(text) > maxAnswer {
		err = fmt.Errorf("the answer is larger than %d MiB: ask for less", maxAnswer>>20)
	}
	return resp.StatusCode, text, err
}

// manage is send for requests that either succeed or are refused. It decodes the answer into v.
func (c *client) manage(method, path, contentType string, body []byte, v any) error {
	status, text, err := c.send(method, path, contentType, body)
	if err != nil {
		return err
	}
	if status >= 300 {
		var refusal struct {
			Error struct {
				Code    string `json:"error_code"`
				Message string `json:"message"`
			} `json:"error"`
		}
		if json.Unmarshal(text, &refusal) != nil || refusal.Error.Code == "" {
			return fmt.Errorf("the server answered %d, and not as Sluice does: see whether --server is its address", status)
		}
		return fmt.Errorf("%s (%s)", shown(refusal.Error.Message), shown(refusal.Error.Code))
	}
	if v == nil {
		return nil
	}
	if json.Unmarshal(text, v) != nil {
		return fmt.Errorf("the server did not answer as Sluice does: see whether --server is its address")
	}
	return nil
}

// printJSON prints JSON in which what would not be shown as it is, which stands in its texts alone, is escaped.
func printJSON(w io.Writer, v any) error {
	var out strings.Builder
	e := json.NewEncoder(&out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := io.WriteString(w, escaped(out.String(), "\n", jsonEscape))
	return err
}

func jsonEscape(r rune) string {
	if high, low := utf16.EncodeRune(r); high != utf8.RuneError {
		return fmt.Sprintf(`\u%04x\u%04x`, high, low)
	}
	return fmt.Sprintf(`\u%04x`, r)
}
