package sluice

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"

	"sluice/internal/rawjson"
)

// decodeValue sets what target points to from one JSON value. Its errors never quote the value, as those of
// encoding/json and strconv do: it may be a secret, and they reach the caller.
func decodeValue(value []byte, target any) error {
	switch t := target.(type) {
	case *string:
		if rawjson.KindOf(value) != rawjson.String {
			return errors.New("it is no string")
		}
		*t = string(rawjson.Unquote(value))
		return nil
	case *bool:
		if rawjson.KindOf(value) != rawjson.Bool {
			return errors.New("it is neither true nor false")
		}
		*t = value[0] == 't'
		return nil
	case *json.RawMessage:
		*t = value[:len(value):len(value)]
		return nil
	case *json.Number:
		if rawjson.KindOf(value) != rawjson.Number {
			return errors.New("it is no number")
		}
		*t = json.Number(value)
		return nil
	case optional:
		return t.decode(value)
	case json.Unmarshaler:
		return concealed(t.UnmarshalJSON(value), target)
	}
	switch v := reflect.ValueOf(target).Elem(); v.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n, err := strconv.ParseInt(wholeNumber(value), 10, v.Type().Bits())
		if err != nil {
			return fmt.Errorf("it is no whole number that %s can hold", v.Type())
		}
		v.SetInt(n)
		return nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		n, err := strconv.ParseUint(wholeNumber(value), 10, v.Type().Bits())
		if err != nil {
			return fmt.Errorf("it is no whole number that %s can hold", v.Type())
		}
		v.SetUint(n)
		return nil
	case reflect.Pointer:
		if rawjson.KindOf(value) == rawjson.Null {
			v.SetZero()
			return nil
		}
		v.Set(reflect.New(v.Type().Elem()))
		return decodeValue(value, v.Interface())
	}
	return decodeJSON(value, target)
}

// wholeNumber returns the digits of a number, without the zeros of a fraction: 1.0 is an int, too.
func wholeNumber(value []byte) string {
	if whole, fraction, found := bytes.Cut(value, []byte{'.'}); found && len(bytes.Trim(fraction, "0")) == 0 {
		value = whole
	}
	return string(value)
}

// decodeJSON is json.Unmarshal, with numbers of unknown type as json.Number.
func decodeJSON(value []byte, target any) error {
	d := json.NewDecoder(bytes.NewReader(value))
	d.UseNumber()
	return concealed(d.Decode(target), target)
}

// concealed returns an error of decoding into target without what it quotes.
func concealed(err error, target any) error {
	if err == nil {
		return nil
	}
	want := reflect.TypeOf(target).Elem()
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && e.Field != "" {
		return fmt.Errorf("its member %s is nothing that %s can hold", e.Field, e.Type)
	}
	return fmt.Errorf("it is nothing that %s can hold", want)
}

// encodeJSON is json.Marshal without escapes for HTML.
func encodeJSON(value any) ([]byte, error) {
	if raw, ok := value.(json.RawMessage); ok {
		return raw, nil
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'}), nil
}
