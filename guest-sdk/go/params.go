package sluice

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"sluice/internal/rawjson"
)

// plan is how a command's parameters get into the struct that it takes. It is made once, at registration.
type plan struct {
	fields []field
}

type field struct {
	manifestParameter
	index      []int
	undeclared bool
	expected   string // what a value must be, in words
}

func planOf(t reflect.Type) (*plan, error) {
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("parameters are described by a struct, not by %s", t)
	}
	p := &plan{}
	if err := p.addStruct(t, nil); err != nil {
		return nil, fmt.Errorf("%s: %w", t, err)
	}
	return p, nil
}

func (p *plan) addStruct(t reflect.Type, index []int) error {
	for i := range t.NumField() {
		f := t.Field(i)
		at := append(index[:len(index):len(index)], i)
		tag, tagged := f.Tag.Lookup("sluice")
		switch {
		case tag == "-":
		case f.Anonymous && !tagged:
			if f.Type.Kind() != reflect.Struct {
				return fmt.Errorf("%s is embedded and not a struct", f.Name)
			}
			if err := p.addStruct(f.Type, at); err != nil {
				return err
			}
		case !f.IsExported() && tagged:
			return fmt.Errorf("%s has a sluice tag but is not exported", f.Name)
		case !f.IsExported():
		case !tagged:
			return fmt.Errorf(`%s has no sluice tag; name the parameter, or write sluice:"-"`, f.Name)
		default:
			if err := p.addField(f, tag, at); err != nil {
				return fmt.Errorf("%s: %w", f.Name, err)
			}
		}
	}
	return nil
}

func (p *plan) addField(f reflect.StructField, tag string, index []int) error {
	id, options, _ := strings.Cut(tag, ",")
	if id == "" {
		return errors.New("the sluice tag names no parameter")
	}
	for _, other := range p.fields {
		if other.ID == id {
			return fmt.Errorf("parameter %q is there twice", id)
		}
	}
	n := field{index: index, manifestParameter: manifestParameter{
		ID: id, Type: typeOf(f.Type), Description: f.Tag.Get("desc"),
	}}
	for option := range strings.SplitSeq(options, ",") {
		switch option {
		case "":
		case "required":
			n.Required = true
		case "secret":
			n.Secret = true
		case "undeclared":
			n.undeclared = true
		case "type=str", "type=int", "type=bool", "type=any":
			n.Type = parameterType(strings.TrimPrefix(option, "type="))
		default:
			return fmt.Errorf("%q is no option of a sluice tag; known are required, secret, undeclared, type=", option)
		}
	}
	if n.expected = string(n.Type); n.Type == typeAny {
		n.expected = expectedOf(f.Type)
	}
	if n.undeclared && (n.Required || n.Secret) {
		return errors.New("an undeclared parameter is neither required nor secret")
	}
	p.fields = append(p.fields, n)
	return nil
}

var (
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
	jsonUnmarshaler = reflect.TypeFor[json.Unmarshaler]()
	jsonNumber      = reflect.TypeFor[json.Number]()
)

// typeOf returns the parameter type that follows from a field's Go type.
func typeOf(t reflect.Type) parameterType {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	pointer := reflect.PointerTo(t)
	if o, ok := reflect.New(t).Interface().(optional); ok {
		return typeOf(reflect.TypeOf(o.element()))
	}
	switch {
	case pointer.Implements(textUnmarshaler):
		return typeString
	case pointer.Implements(jsonUnmarshaler), t == jsonNumber:
		return typeAny
	}
	switch t.Kind() {
	case reflect.String:
		return typeString
	case reflect.Bool:
		return typeBool
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return typeInt
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return typeString
		}
	}
	return typeAny
}

// expectedOf says what JSON a parameter of the type any must be for its Go type to hold it.
func expectedOf(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch v := reflect.New(t).Interface().(type) {
	case optional:
		return expectedOf(reflect.TypeOf(v.element()))
	case *Header:
		return "an object, or a list of pairs"
	case *json.Number:
		return "a number"
	case json.Unmarshaler, encoding.TextUnmarshaler:
		return "a value for " + t.String()
	}
	switch t.Kind() {
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Map, reflect.Struct:
		return "an object"
	}
	return "a value for " + t.String()
}

// parameters returns what the manifest says of the plan's parameters.
func (p *plan) parameters() []manifestParameter {
	var all []manifestParameter
	for _, f := range p.fields {
		if !f.undeclared {
			all = append(all, f.manifestParameter)
		}
	}
	return all
}

// decode sets the fields of into, a zero value of the struct that p was made of, from a JSON object. Raw values in it
// alias params.
func (p *plan) decode(params []byte, into reflect.Value) error {
	seen := make([]bool, len(p.fields))
	err := rawjson.Members(params, rawjson.MaxDepth, func(key, value []byte) error {
		i := p.find(key)
		if i < 0 {
			return nil
		}
		f := &p.fields[i]
		if rawjson.KindOf(value) == rawjson.Null && f.Type != typeAny {
			return nil
		}
		seen[i] = true
		if err := decodeValue(value, into.FieldByIndex(f.index).Addr().Interface()); err != nil {
			return &Error{Code: CodeInvalidParameter, Status: 400,
				Message: fmt.Sprintf("Parameter %q must be %s: %s.", f.ID, f.expected, err)}
		}
		return nil
	})
	if err != nil {
		return err
	}
	var missing []string
	for i, f := range p.fields {
		if f.Required && !seen[i] {
			missing = append(missing, f.ID)
		}
	}
	if missing != nil {
		return &Error{Code: CodeMissingParameter, Status: 400,
			Message: "Required parameters are missing: " + strings.Join(missing, ", ") + "."}
	}
	return nil
}

func (p *plan) find(key []byte) int {
	for i := range p.fields {
		if p.fields[i].ID == string(key) {
			return i
		}
	}
	return -1
}
