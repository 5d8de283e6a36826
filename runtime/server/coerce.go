package server

import (
	"bytes"
	"strconv"

	"sluice/internal/rawjson"
	"sluice/runtime/manifest"
)

// coerce makes a value, which is not null, one of the declared type, as JSON text; false where the type can't take it.
// Models quote numbers and mean by truth what Python does. The result may be value itself, end *room, to which is
// appended, or be shared: it is not to be changed.
func coerce(t manifest.Type, value []byte, room *[]byte) ([]byte, bool) {
	kind := rawjson.KindOf(value)
	switch t {
	case manifest.TypeString:
		switch kind {
		case rawjson.String:
			return value, true
		case rawjson.Number, rawjson.Bool:
			start := len(*room)
			*room = rawjson.AppendString(*room, value)
			return (*room)[start:], true
		}
		return nil, false
	case manifest.TypeInt:
		switch kind {
		case rawjson.Number:
			return integer(value)
		case rawjson.String:
			return quotedInteger(rawjson.Unquote(value))
		}
		return nil, false
	case manifest.TypeBool:
		if truth(kind, value) {
			return jsonTrue, true
		}
		return jsonFalse, true
	}
	return value, true
}

// What is sent most often is written once.
var jsonTrue, jsonFalse, jsonZero = []byte("true"), []byte("false"), []byte("0")

// truth is Python's bool().
func truth(kind rawjson.Kind, value []byte) bool {
	switch kind {
	case rawjson.Bool:
		return value[0] == 't'
	case rawjson.Number:
		mantissa, _, _ := bytes.Cut(bytes.ToLower(value), []byte("e"))
		return bytes.ContainsAny(mantissa, "123456789")
	case rawjson.String:
		return len(value) > len(`""`)
	case rawjson.Array, rawjson.Object:
		return len(bytes.TrimSpace(value[1:len(value)-1])) > 0
	}
	return false
}

// maxDigits bounds an integer that a few bytes of exponent could make any length.
const maxDigits = 400

// integer returns a JSON number without fraction in plain digits: 5.0 and 50e-1 become 5.
func integer(number []byte) ([]byte, bool) {
	if !bytes.ContainsAny(number, ".eE") {
		if string(number) == "-0" {
			return jsonZero, true
		}
		return number, true
	}
	sign, rest := splitSign(number)
	mantissa, exponentText, _ := bytes.Cut(bytes.ToLower(rest), []byte("e"))
	exponent := 0
	if len(exponentText) > 0 {
		var err error
		if exponent, err = strconv.Atoi(string(exponentText)); err != nil {
			return nil, false
		}
	}
	whole, fraction, _ := bytes.Cut(mantissa, []byte("."))
	digits := append(bytes.Clone(whole), fraction...)
	point := len(whole) + exponent // where the decimal point stands in digits
	if zeros := bytes.Trim(digits, "0"); len(zeros) == 0 {
		return jsonZero, true
	}
	if point < 0 || point > maxDigits {
		return nil, false
	}
	for len(digits) < point {
		digits = append(digits, '0')
	}
	if len(bytes.Trim(digits[point:], "0")) > 0 {
		return nil, false
	}
	return signed(sign, digits[:point]), true
}

// quotedInteger reads the decimal digits of a string, with a sign and blanks around them or not.
func quotedInteger(text []byte) ([]byte, bool) {
	sign, digits := splitSign(bytes.TrimSpace(text))
	if len(digits) == 0 || len(bytes.Trim(digits, "0123456789")) > 0 {
		return nil, false
	}
	return signed(sign, digits), true
}

func splitSign(text []byte) (sign byte, rest []byte) {
	if len(text) > 0 && (text[0] == '-' || text[0] == '+') {
		return text[0], text[1:]
	}
	return '+', text
}

// signed writes digits as a JSON number: no leading zeros, no minus before zero.
func signed(sign byte, digits []byte) []byte {
	digits = bytes.TrimLeft(digits, "0")
	switch {
	case len(digits) == 0:
		return jsonZero
	case sign == '-':
		return append([]byte("-"), digits...)
	}
	return digits
}
