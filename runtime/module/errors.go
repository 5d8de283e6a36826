package module

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Code is the stable, machine-readable reason of a refusal. It is an error itself, so that
// errors.Is(err, module.CodeMalformed) holds for every *Error that carries it.
type Code string

// These are returned by Parse.
const (
	// CodeNotWasm: the bytes are no WebAssembly binary: empty, text format, or something else.
	CodeNotWasm Code = "not_wasm"
	// CodeComponent: the bytes are a component-model binary, not a core module.
	CodeComponent Code = "component"
	// CodeMalformed: the binary breaks a rule of the WebAssembly specification.
	CodeMalformed Code = "malformed"
	// CodeTooLarge: the file has more bytes than Limits.ModuleBytes.
	CodeTooLarge Code = "too_large"
	// CodeLimitExceeded: a part of the module is over one of the other limits.
	CodeLimitExceeded Code = "limit_exceeded"
	// CodeUnsupportedFeature: the module needs a WebAssembly proposal that is switched off here.
	CodeUnsupportedFeature Code = "unsupported_feature"
)

// These are returned by Module.ABI, Module.CheckImports and Module.CheckExports.
const (
	// CodeUnknownABI: imports and exports fit no ABI, or more than one, or an unknown version.
	CodeUnknownABI Code = "unknown_abi"
	// CodeUnknownImport: an import that the host does not offer, or that is not a function.
	CodeUnknownImport Code = "unknown_import"
	// CodeImportType: an import that the host offers with another type.
	CodeImportType Code = "import_type"
	// CodeMissingExport: an export that the ABI requires is absent.
	CodeMissingExport Code = "missing_export"
	// CodeExportType: an export that the ABI names has another kind or type.
	CodeExportType Code = "export_type"
)

// Error returns the code's text.
func (c Code) Error() string { return string(c) }

// Error is one refusal.
type Error struct {
	Code Code
	// Section is the section's name, "header" before the first one, or "code" and the like.
	// Empty when the refusal concerns the module as a whole.
	Section string
	// Offset is the byte offset in the file of what was refused; -1 when no single place is to blame.
	Offset int64
	// Found is the count, size or value that was found; Limit is what is allowed.
	// Both are 0 where the refusal is not about a quantity.
	Found, Limit uint64
	// Message is one sentence or two, for the module's author: what is wrong and what to do.
	Message string
}

// Error returns code, place and message in one line.
func (e *Error) Error() string {
	var s strings.Builder
	s.WriteString(string(e.Code))
	if e.Section != "" {
		s.WriteString(" (" + e.Section)
		if e.Section != headerName {
			s.WriteString(" section")
		}
		if e.Offset >= 0 {
			s.WriteString(", byte " + strconv.FormatInt(e.Offset, 10))
		}
		s.WriteByte(')')
	}
	return s.String() + ": " + e.Message
}

// Unwrap returns the code.
func (e *Error) Unwrap() error { return e.Code }

// refusal makes an Error that has no place in the file.
func refusal(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Offset: -1, Message: fmt.Sprintf(format, args...)}
}

// maxShown is the number of bytes of a guest's name that an error message shows.
const maxShown = 100

// show returns a guest's name fit for an error message: printable, and cut with a mark when long.
func show(name string) string {
	cut := name
	if len(name) > maxShown {
		cut = name[:maxShown]
		for len(cut) > 0 && !utf8.ValidString(cut) {
			cut = cut[:len(cut)-1]
		}
	}
	quoted := strconv.Quote(cut)
	quoted = quoted[1 : len(quoted)-1]
	if len(cut) < len(name) {
		return quoted + "… (" + strconv.Itoa(len(name)) + " bytes)"
	}
	return quoted
}
