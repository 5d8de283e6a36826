// Streamer is a connector for tests of responses that are read as they come: it reads them, passes them on, and leaves
// them open, as connectors should not.
package main

import (
	"hash/crc32"
	"io"
	"time"

	sluice "sluice/guest-sdk/go"
	"sluice/testdata/guests/ends"
)

type params struct {
	URL     string `sluice:"url,required"`
	Timeout int    `sluice:"timeout_ms"`
	Pause   int    `sluice:"pause_ms" desc:"before the first reading"`
	Secret  string `sluice:"secret" desc:"name of one that goes along"`
}

// send sends a request whose response is streamed.
func send(c *sluice.Call, p params) (*sluice.Response, error) {
	r := sluice.Request{URL: p.URL, Timeout: time.Duration(p.Timeout) * time.Millisecond, Stream: true}
	if p.Secret != "" {
		reference, err := c.Secret(p.Secret)
		if err != nil {
			return nil, err
		}
		r.Header.Add("Authorization", "Bearer "+reference)
	}
	return c.HTTP(r)
}

type sum struct {
	Bytes int64  `json:"bytes"`
	CRC32 uint32 `json:"crc32"`
	Reads int    `json:"reads"`
}

// sumUp reads a response to its end.
func sumUp(c *sluice.Call, p params) (any, error) {
	response, err := send(c, p)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if p.Pause > 0 {
		c.Sleep(time.Duration(p.Pause) * time.Millisecond)
	}
	out, hash := sum{}, crc32.NewIEEE()
	piece := make([]byte, 64<<10)
	for {
		n, err := response.Body.Read(piece)
		if err == io.EOF {
			out.CRC32 = hash.Sum32()
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		out.Bytes += int64(n)
		out.Reads++
		_, _ = hash.Write(piece[:n])
	}
}

// pass answers with a response that it does not read.
func pass(c *sluice.Call, p params) (sluice.Answer, error) {
	response, err := send(c, p)
	if err != nil {
		return sluice.Answer{}, err
	}
	return sluice.TextFrom(response.Body), nil
}

type leaveParams struct {
	URL   string `sluice:"url,required"`
	Count int    `sluice:"count,required"`
	How   string `sluice:"how,required"`
}

// leave opens responses, reads a byte of each, and ends without closing them.
func leave(c *sluice.Call, p leaveParams) (string, error) {
	var last *sluice.Response
	for range p.Count {
		response, err := c.HTTP(sluice.Request{URL: p.URL, Stream: true})
		if err != nil {
			return "", err
		}
		if _, err := response.Body.Read(make([]byte, 1)); err != nil {
			return "", err
		}
		last = response
	}
	return ends.As(p.How, func() error {
		_, err := io.Copy(io.Discard, last.Body)
		return err
	})
}

func init() {
	sluice.Connector{
		Name: "streamer", Version: "1.0.0", Description: "Reads responses as they come.",
		Capabilities: []sluice.Capability{
			sluice.HTTP("reads what its parameters name", "http://*"),
			sluice.Secrets("goes along with requests", "token"),
		},
	}.Register(
		sluice.Command("Sum", "Reads a response to its end.", sumUp),
		sluice.Command("Pass", "Answers with a response.", pass),
		sluice.Command("Leave", "Leaves responses open.", leave),
	)
}

func main() {}
