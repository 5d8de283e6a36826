// Package yamlmap reads YAML that people write: one mapping, in which every name stands once. Its errors say where the text is
// wrong and quote nothing of it but a name that stands twice: the rest may hold keys.
package yamlmap

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/parser"
)

// ErrNoMapping is returned for a text that is valid, and something else than a mapping.
var ErrNoMapping = errors.New("it is no mapping")

// Parse returns what a text holds: lists, maps, texts, booleans and numbers. It is nil where that is nothing.
//
// # Errors
//
// [ErrNoMapping], or a sentence that names line and column.
func Parse(text []byte) (map[string]any, error) {
	file, err := parser.ParseBytes(text, 0)
	if err == nil && len(file.Docs) > 1 {
		return nil, errors.New("it holds more than one document: keep one")
	}
	members := make(map[string]any)
	if err == nil {
		err = yaml.Unmarshal(text, &members)
	}
	if err != nil {
		return nil, located(err)
	}
	return members, nil
}

// twice is what the library says of a name that stands twice.
var twice = regexp.MustCompile(`already defined at \[(\d+):`)

// maxName is how much of a name an error repeats, in runes.
const maxName = 64

func located(err error) error {
	var e yaml.Error
	if !errors.As(err, &e) || e.GetToken() == nil {
		return errors.New("it is not valid YAML")
	}
	token := e.GetToken()
	if m := twice.FindStringSubmatch(e.GetMessage()); m != nil {
		first, _ := strconv.Atoi(m[1]) // of digits
		return fmt.Errorf("%.*q stands there twice, in line %d and in line %d: keep one of them", maxName, token.Value, first, token.Position.Line)
	}
	if _, ok := errors.AsType[*yaml.UnexpectedNodeTypeError](err); ok && token.Position.Offset <= 1 {
		return ErrNoMapping
	}
	return fmt.Errorf("it is not valid YAML: see line %d, column %d; texts with special characters need quotes", token.Position.Line, token.Position.Column)
}
