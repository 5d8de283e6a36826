package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"
)

// ok is the end of a request that was answered as it was to be; others are error codes, and what went wrong.
const ok = "ok"

// request is a request to the server.
type request struct{ Method, URL, Body string }

// client sends requests on connections that it keeps.
type client struct{ http.Client }

// patience bounds how long a client waits for an answer. Whatever a connector does, the server answers before.
const patience = 2 * time.Minute

func newClient(connections int) *client {
	return &client{http.Client{
		Transport: &http.Transport{MaxIdleConns: connections, MaxIdleConnsPerHost: connections, DisableCompression: true},
		Timeout:   patience,
	}}
}

func (c *client) close() { c.CloseIdleConnections() }

// send returns how the request ended: ok, the code of an error, or "no answer".
func (c *client) send(r request) string {
	response, err := c.do(r, "application/json")
	if err != nil {
		return "no answer"
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return "no answer"
	}
	return endOf(response.StatusCode, body)
}

func (c *client) do(r request, contentType string) (*http.Response, error) {
	q, err := http.NewRequest(r.Method, r.URL, strings.NewReader(r.Body))
	if err != nil {
		return nil, err
	}
	q.Header.Set("Content-Type", contentType)
	q.Header.Set("Sluice-Admin", "1")
	return c.Client.Do(q)
}

// endOf is the error code of an answer, or ok.
func endOf(status int, body []byte) string {
	var v struct {
		Error struct {
			Code string `json:"error_code"`
		}
	}
	if bytes.Contains(body, []byte(`"error_code"`)) && json.Unmarshal(body, &v) == nil && v.Error.Code != "" {
		return v.Error.Code
	}
	if status/100 != 2 {
		return http.StatusText(status)
	}
	return ok
}
