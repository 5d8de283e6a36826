package server

import (
	"strconv"

	"sluice/internal/rawjson"
	"sluice/runtime"
)

// appendCommands appends the catalog: an array of commands, sorted by id. Modelers copy ids and types from it.
func appendCommands(dst []byte, commands []*runtime.Command) []byte {
	dst = append(dst, '[')
	for i, c := range commands {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"id":`...)
		dst = rawjson.AppendString(dst, c.ID)
		dst = appendText(dst, "description", c.Spec.Description)
		dst = append(dst, `,"parameters":[`...)
		for k, p := range c.Spec.Parameters {
			if k > 0 {
				dst = append(dst, ',')
			}
			dst = append(dst, `{"id":`...)
			dst = rawjson.AppendString(dst, p.ID)
			dst = append(dst, `,"type":`...)
			dst = rawjson.AppendString(dst, string(p.Type))
			dst = append(dst, `,"required":`...)
			dst = strconv.AppendBool(dst, p.Required)
			dst = appendText(dst, "description", p.Description)
			dst = append(dst, '}')
		}
		dst = append(dst, "]}"...)
	}
	return append(dst, ']')
}

// appendText appends a member of an object that has one already, unless it is empty.
func appendText(dst []byte, name, text string) []byte {
	if text == "" {
		return dst
	}
	dst = append(dst, ',')
	dst = rawjson.AppendString(dst, name)
	dst = append(dst, ':')
	return rawjson.AppendString(dst, text)
}
