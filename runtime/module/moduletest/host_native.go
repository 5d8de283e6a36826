package moduletest

import (
	"encoding/json"
	"slices"
)

// handleResponse is where results of http_send are: head and body.
const handleResponse = 2

const responseType = "application/json"

// secretReference is what stands for every secret.
const secretReference = "sluice-secret-v100000000000000000000000000000000"

// The results of the native ABI that the tests meet.
const (
	badHandle = -1
	badRange  = -2
	absent    = -6
)

// behind returns what a handle stands for.
func (c *hostCall) behind(handle uint32) ([]byte, bool) {
	switch handle {
	case 0:
		return c.Params, true
	case 1:
		return c.Context, true
	case handleResponse:
		return []byte(`{"status": 200, "headers": [["content-type", "` + responseType + `"]]}`), true
	case handleResponse + 1:
		return c.Response, true
	}
	return nil, false
}

// nativeFunctions are those of the native ABI.
var nativeFunctions = map[string]func(*hostCall) int64{
	"size": func(c *hostCall) int64 {
		b, ok := c.behind(c.i32(0))
		if !ok {
			return badHandle
		}
		return int64(len(b))
	},
	"read": func(c *hostCall) int64 {
		b, ok := c.behind(c.i32(0))
		if !ok {
			return badHandle
		}
		to, ok := c.bytes(2, 3)
		if !ok {
			return badRange
		}
		return int64(copy(to, b[min(c.params[1], uint64(len(b))):]))
	},
	"close": func(c *hostCall) int64 {
		if _, ok := c.behind(c.i32(0)); !ok {
			return badHandle
		}
		return 0
	},
	"write": func(c *hostCall) int64 {
		b, ok := c.bytes(0, 1)
		if !ok {
			return badRange
		}
		c.Output = append(c.Output, b...)
		return int64(len(b))
	},
	"answer": func(c *hostCall) int64 {
		b, ok := c.bytes(0, 1)
		if !ok {
			return badRange
		}
		c.Head = append([]byte(nil), b...)
		return 0
	},
	"log": func(c *hostCall) int64 {
		b, ok := c.bytes(1, 2)
		if !ok {
			return badRange
		}
		c.note("line", b)
		return 0
	},
	"random": func(c *hostCall) int64 {
		b, ok := c.bytes(0, 1)
		if !ok {
			return badRange
		}
		c.fill(b)
		return 0
	},
	"now": func(c *hostCall) int64 { return c.now() },
	"sleep": func(c *hostCall) int64 {
		c.clock += int64(c.params[0]) * 1e6
		return 0
	},
	"http_send": func(c *hostCall) int64 {
		head, ok := c.bytes(0, 1)
		body, ok2 := c.bytes(2, 3)
		if !ok || !ok2 {
			return badRange
		}
		c.note("request", head)
		c.note("body", body)
		return handleResponse
	},
	"http_status": func(c *hostCall) int64 {
		if c.i32(0) != handleResponse {
			return badHandle
		}
		return 200
	},
	"http_header": func(c *hostCall) int64 {
		name, ok := c.bytes(1, 2)
		to, ok2 := c.bytes(3, 4)
		switch {
		case c.i32(0) != handleResponse:
			return badHandle
		case !ok || !ok2:
			return badRange
		case string(name) != "content-type":
			return absent
		}
		copy(to, responseType)
		return int64(len(responseType))
	},
	"is_json": func(c *hostCall) int64 {
		b, ok := c.behind(c.i32(0))
		switch {
		case !ok:
			return badHandle
		case !json.Valid(b):
			return 0
		}
		return 1
	},
	"write_from": func(c *hostCall) int64 {
		b, ok := c.behind(c.i32(0))
		if !ok {
			return badHandle
		}
		c.Output = append(c.Output, b...)
		return 0
	},
	"cache_get":    func(*hostCall) int64 { return absent },
	"cache_put":    func(*hostCall) int64 { return 0 },
	"cache_delete": func(*hostCall) int64 { return 0 },
	"secret": func(c *hostCall) int64 {
		name, ok := c.bytes(0, 1)
		to, ok2 := c.bytes(2, 3)
		if !ok || !ok2 {
			return badRange
		}
		c.note("secret", name)
		return int64(copy(to, secretReference))
	},
	"hmac": func(c *hostCall) int64 {
		name, ok := c.bytes(0, 1)
		algorithm, ok2 := c.bytes(2, 3)
		data, ok3 := c.bytes(4, 5)
		if !ok || !ok2 || !ok3 {
			return badRange
		}
		c.note("hmac", slices.Concat(name, algorithm, data))
		return handleResponse
	},
	"secret_value": func(c *hostCall) int64 {
		name, ok := c.bytes(0, 1)
		if !ok {
			return badRange
		}
		c.note("secret", name)
		return handleResponse
	},
}
