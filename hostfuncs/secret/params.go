package secret

import (
	"bytes"
	"errors"

	"sluice/internal/rawjson"
)

// These bound how many values of parameters are looked for, and their bytes together: each is, in every line.
const (
	maxParams     = 64
	maxParamBytes = 64 << 10
)

// ValuesOf returns what must not be shown of a call's parameters, a JSON object, of which those of these names are
// secret: each text and each number in them, however deep. One line of more than MaxValue is in no line of a log. It is
// false where there are too many to look for.
func ValuesOf(params []byte, names map[string]bool) ([]string, bool) {
	p := paramValues{}
	_ = rawjson.Members(params, rawjson.MaxDepth, func(name, value []byte) error { // they were read before
		if names[string(name)] {
			p.add(value)
		}
		return nil
	})
	return p.values, !p.tooMany
}

var errTooManyValues = errors.New("there are too many values")

type paramValues struct {
	values  []string
	bytes   int // of values together
	tooMany bool
}

func (p *paramValues) add(value []byte) {
	switch rawjson.KindOf(value) {
	case rawjson.String:
		p.keep(rawjson.Unquote(value))
	case rawjson.Number:
		p.keep(value)
	case rawjson.Object:
		_ = rawjson.Members(value, rawjson.MaxDepth, func(_, member []byte) error { return p.inner(member) })
	case rawjson.Array:
		_ = rawjson.Elements(value, rawjson.MaxDepth, p.inner)
	}
}

// inner is add for what is within an object or an array.
func (p *paramValues) inner(value []byte) error {
	p.add(value)
	if p.tooMany {
		return errTooManyValues
	}
	return nil
}

func (p *paramValues) keep(text []byte) {
	switch {
	case len(text) < MinMasked, len(text) > MaxValue && !bytes.ContainsAny(text, lineBreaks):
	case len(p.values) == maxParams, p.bytes+len(text) > maxParamBytes:
		p.tooMany = true
	default:
		p.bytes += len(text)
		p.values = append(p.values, string(text))
	}
}
