// Package codec is the one place that chooses who encodes and decodes JSON: sonic, in the mode that behaves as
// encoding/json does, or encoding/json itself under the build tag stdjson. Texts that are only looked through, not
// decoded, go by package rawjson.
package codec

import "errors"

// ErrDecode is all that Unmarshal says of a text it can't decode: decoders quote their input in errors, and inputs
// hold secrets.
var ErrDecode = errors.New("the JSON text does not have the expected form")

// Marshal returns v as JSON, as encoding/json would write it.
func Marshal(v any) ([]byte, error) { return marshal(v) }

// Unmarshal decodes text into v, as encoding/json would. The error is always ErrDecode.
func Unmarshal(text []byte, v any) error {
	if err := unmarshal(text, v); err != nil {
		return ErrDecode
	}
	return nil
}
