package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHealthcheck(t *testing.T) {
	url := sharedServer(t)
	address := strings.TrimPrefix(url, "http://")
	port := address[strings.LastIndex(address, ":")+1:]
	sluice(t, "healthcheck", "--server", url).want(t, exitOK)
	for _, env := range [][]string{
		{"SLUICE_LISTEN=" + address}, {"PORT=" + port}, {"HOST=0.0.0.0", "PORT=" + port}, {"HOST=::", "CONNECTOR_PROXY_PORT=" + port},
	} {
		if r := sluiceWith(t, env, "", "healthcheck").want(t, exitOK); r.stdout != "" {
			t.Errorf("printed %s", r.stdout)
		}
	}
}

func TestHealthcheck_Errors(t *testing.T) {
	sick := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusServiceUnavailable) }))
	defer sick.Close()
	sluice(t, "healthcheck", "--server", sick.URL).want(t, exitFailed, "/liveness answered 503")
	sluiceWith(t, []string{"PORT=" + freePort(t)}, "", "healthcheck").want(t, exitFailed, "no server answers at http://127.0.0.1:")
	sluiceWith(t, []string{"PORT=x"}, "", "healthcheck").want(t, exitFailed, "PORT is not a port")
}

func TestReachable(t *testing.T) {
	for listen, want := range map[string]string{
		"127.0.0.1:1": "127.0.0.1:1", "0.0.0.0:2": "127.0.0.1:2", ":3": "127.0.0.1:3", "[::]:4": "127.0.0.1:4",
		"[::1]:5": "[::1]:5", "localhost:6": "localhost:6", "10.0.0.1:7": "10.0.0.1:7",
	} {
		if got := reachable(listen); got != want {
			t.Errorf("%s: got %s, want %s", listen, got, want)
		}
	}
}
