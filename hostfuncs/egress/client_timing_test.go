package egress

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

const benchmarkAnswer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nServer: x\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\nContent-Length: 300\r\n\r\n"

func BenchmarkClient_Do(b *testing.B) {
	server := newRawServer(b, answering(benchmarkAnswer+strings.Repeat("x", 300), true))
	c := newClient(b, nil)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := getByClient(c, server.url); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkNetHTTP is the same with a plain http.Client.
func BenchmarkNetHTTP(b *testing.B) {
	server := newRawServer(b, answering(benchmarkAnswer+strings.Repeat("x", 300), true))
	c := newPlain(b)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := getPlainly(c, server.url); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func getByClient(c *Client, origin string) error {
	r, err := c.Do(context.Background(), &Request{
		Method: "GET", URL: origin + "/v1/items?q=1", Headers: [][2]string{{"accept", "application/json"}}})
	if err != nil {
		return err
	}
	return expectLength(r.Body)
}

// newPlain returns an http.Client as programs make it.
func newPlain(t testing.TB) *http.Client {
	transport := &http.Transport{MaxIdleConnsPerHost: idlePerHost, DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: DefaultTimeout}
}

func getPlainly(c *http.Client, origin string) error {
	request, err := http.NewRequest("GET", origin+"/v1/items?q=1", nil)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "application/json")
	r, err := c.Do(request)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	return expectLength(body)
}

func expectLength(body []byte) error {
	if len(body) != 300 {
		return fmt.Errorf("the body has %d bytes", len(body))
	}
	return nil
}
