package sluice

import (
	"bytes"
	"encoding/json"
)

// Optional is the value of a parameter that need not be there, and knows whether it was.
type Optional[T any] struct {
	value T
	given bool
}

// Some returns an Optional that holds v.
func Some[T any](v T) Optional[T] { return Optional[T]{value: v, given: true} }

// Get returns the value, and whether it was given.
func (o Optional[T]) Get() (T, bool) { return o.value, o.given }

// Or returns the value where it was given, else fallback.
func (o Optional[T]) Or(fallback T) T {
	if o.given {
		return o.value
	}
	return fallback
}

// MarshalJSON writes the value, or null where none was given.
func (o Optional[T]) MarshalJSON() ([]byte, error) {
	if !o.given {
		return []byte("null"), nil
	}
	return json.Marshal(o.value)
}

// UnmarshalJSON takes any value but null as given.
func (o *Optional[T]) UnmarshalJSON(text []byte) error { return o.decode(bytes.Clone(text)) }

// decode is UnmarshalJSON for a text that the value may alias.
func (o *Optional[T]) decode(text []byte) error {
	*o = Optional[T]{}
	if string(text) == "null" {
		return nil
	}
	if err := decodeValue(text, &o.value); err != nil {
		return err
	}
	o.given = true
	return nil
}

// element is how a parameter's plan looks through an Optional at the type that it holds.
func (o *Optional[T]) element() any { return &o.value }

// optional is implemented by every *Optional.
type optional interface {
	decode(text []byte) error
	element() any
}
