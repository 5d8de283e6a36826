package envelope

import (
	"bytes"
	"fmt"
	"strconv"

	"sluice/internal/rawjson"
)

// Parse makes an answer of what a guest gave: the head, as the native ABI describes it, and the body. It keeps nothing
// of head and takes ownership of body, which isJSON says is known to be JSON text that Parse would take. The error is for the connector's author: it names the member and never quotes the guest.
func Parse(head, body []byte, isJSON bool) (*Answer, error) {
	a := &Answer{Mimetype: DefaultMimetype, Body: body}
	err := rawjson.Members(head, headDepth, func(key, value []byte) error {
		if why := a.setMember(key, value); why != "" {
			return fmt.Errorf("the answer's head: %s", why)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if a.Bare != 0 && (a.Error != nil || a.HTTPStatus != 0 || a.Headers != nil || a.Text) {
		return nil, fmt.Errorf(`the answer's head: "response" goes with "mimetype" only`)
	}
	if why := a.checkBody(isJSON); why != "" {
		return nil, fmt.Errorf("the answer: %s", why)
	}
	return a, nil
}

// headDepth bounds the nesting of the head, in which only "headers" may hold anything deep.
const headDepth = 16

// emptyObject is what most connectors say of headers, and is written once.
var emptyObject = []byte("{}")

func (a *Answer) setMember(key, value []byte) (why string) {
	switch string(key) {
	case "http_status":
		n, ok := status(value)
		if !ok {
			return `"http_status" must be an integer from 100 to 599`
		}
		a.HTTPStatus = n
	case "mimetype":
		s, ok := text(value)
		if !ok || len(s) == 0 || !printable(s) {
			return `"mimetype" must be a media type such as "application/json"`
		}
		if string(s) == DefaultMimetype {
			a.Mimetype = DefaultMimetype
		} else {
			a.Mimetype = string(s)
		}
	case "headers":
		if rawjson.KindOf(value) != rawjson.Object {
			return `"headers" must be an object`
		}
		if a.Headers = emptyObject; string(value) != "{}" {
			a.Headers = bytes.Clone(value)
		}
	case "body":
		s, _ := text(value)
		if a.Text = string(s) == "text"; !a.Text && string(s) != "json" {
			return `"body" must be "json" or "text"`
		}
	case "error":
		return a.setError(value)
	case "response":
		return a.setBare(value)
	default:
		return "it has a member that does not exist; known are http_status, mimetype, headers, body, error, response"
	}
	return ""
}

func (a *Answer) setError(value []byte) (why string) {
	a.Error = nil
	if rawjson.KindOf(value) == rawjson.Null {
		return ""
	}
	var e Error
	var hasMessage bool
	err := rawjson.Members(value, headDepth, func(key, value []byte) error {
		s, ok := text(value)
		switch k := string(key); {
		case k == "code" && ok:
			e.Code = string(s)
		case k == "message" && ok:
			e.Message, hasMessage = string(s), true
		default:
			return rawjson.ErrNotObject
		}
		return nil
	})
	if err != nil || e.Code == "" || !hasMessage {
		return `"error" must be null or an object of "code" and "message", both strings, the code not empty`
	}
	a.Error = &e
	return ""
}

func (a *Answer) setBare(value []byte) (why string) {
	a.Bare = 0
	err := rawjson.Members(value, headDepth, func(key, value []byte) error {
		n, ok := status(value)
		if string(key) != "status" || !ok || n < 200 {
			return rawjson.ErrNotObject
		}
		a.Bare = n
		return nil
	})
	if err != nil || a.Bare == 0 {
		return `"response" must be an object of "status", an integer from 200 to 599`
	}
	return ""
}

// text is the text of a JSON string. It aliases value where it can.
func text(value []byte) ([]byte, bool) {
	if rawjson.KindOf(value) != rawjson.String {
		return nil, false
	}
	return rawjson.Unquote(value), true
}

func status(value []byte) (int, bool) {
	n, err := strconv.Atoi(string(value))
	return n, err == nil && n >= 100 && n <= 599 && value[0] != '+'
}

// printable says whether s can stand in a header's value.
func printable(s []byte) bool {
	for _, c := range s {
		if c < 0x20 || c > 0x7e {
			return false
		}
	}
	return true
}
