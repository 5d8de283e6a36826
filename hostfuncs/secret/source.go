package secret

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"sluice/internal/regular"
)

// MaxValue bounds a value, in bytes.
const MaxValue = 64 << 10

// The kinds of sources.
const (
	fromEnvironment = "env"
	fromFile        = "file"
)

// source is where a value is.
type source struct {
	kind string
	at   string // the variable's name, or the file's path
}

func parseSource(text string) (source, error) {
	kind, at, _ := strings.Cut(text, ":")
	switch {
	case text == FromStore:
		return source{kind: FromStore}, nil
	case kind == fromEnvironment && at != "" && !strings.ContainsAny(at, "=\x00"):
		return source{kind, at}, nil
	case kind == fromFile && filepath.IsAbs(at):
		return source{kind, at}, nil
	}
	return source{}, errors.New("from: write env:NAME, file:/an/absolute/path, or store")
}

// These are why a value can't be used. None holds a part of it.
var (
	errNotSet    = errors.New("it is not set")
	errEmpty     = errors.New("it is empty")
	errTooLong   = fmt.Errorf("it is longer than %d bytes", MaxValue)
	errNoText    = errors.New("it is no text: it must be UTF-8 without zero bytes")
	errNotStored = errors.New("the store holds no value of that name: set it by `sluice secret set`")
)

// value looks a value up. It is done for each use, so that a file that was changed counts at once.
func (s *Set) value(d *defined) (string, error) {
	value, err := s.look(d)
	if err != nil {
		return "", fmt.Errorf("%s: %w", d.source, err)
	}
	return value, nil
}

// look is value without naming the source in its error.
func (s *Set) look(d *defined) (string, error) {
	value, err := s.read(d)
	if err != nil {
		return "", err
	}
	return clean(value)
}

// String is the source as its definition has it.
func (s source) String() string {
	if s.at == "" {
		return s.kind
	}
	return s.kind + ":" + s.at
}

func (s *Set) read(d *defined) (string, error) {
	switch d.source.kind {
	case fromEnvironment:
		value, ok := s.config.LookupEnv(d.source.at)
		if !ok {
			return "", errNotSet
		}
		return value, nil
	case fromFile:
		text, err := regular.Read(d.source.at, MaxValue+2) // with the line break that is cut
		if errors.Is(err, regular.ErrTooLarge) {
			err = errTooLong
		}
		return string(text), err
	}
	return s.config.Store.value(d.name)
}

// clean cuts one line break at the end, which editors and shells leave, and checks that what remains can be used.
func clean(value string) (string, error) {
	if cut, ok := strings.CutSuffix(value, "\n"); ok {
		value = strings.TrimSuffix(cut, "\r")
	}
	switch {
	case value == "":
		return "", errEmpty
	case len(value) > MaxValue:
		return "", errTooLong
	case !utf8.ValidString(value) || strings.IndexByte(value, 0) >= 0:
		return "", errNoText
	}
	return value, nil
}
