package egress

import (
	"context"
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
			r, err := c.Do(context.Background(), &Request{Method: "GET", URL: server.url + "/v1/items?q=1", Headers: [][2]string{{"accept", "application/json"}}})
			if err != nil || len(r.Body) != 300 {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkNetHTTP is the same with a plain http.Client.
func BenchmarkNetHTTP(b *testing.B) {
	server := newRawServer(b, answering(benchmarkAnswer+strings.Repeat("x", 300), true))
	transport := &http.Transport{MaxIdleConnsPerHost: idlePerHost, DisableCompression: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: DefaultTimeout}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			request, err := http.NewRequest("GET", server.url+"/v1/items?q=1", nil)
			if err != nil {
				b.Error(err)
				return
			}
			request.Header.Set("Accept", "application/json")
			r, err := client.Do(request)
			if err != nil {
				b.Error(err)
				return
			}
			body, err := io.ReadAll(r.Body)
			r.Body.Close()
			if err != nil || len(body) != 300 {
				b.Error(err)
				return
			}
		}
	})
}
