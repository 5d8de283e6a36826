package server

import (
	"strconv"
	"strings"
	"sync/atomic"

	"sluice/internal/rawjson"
	"sluice/runtime"

	"github.com/prometheus/client_golang/prometheus"
)

// command is a command and where its calls are counted.
type command struct {
	*runtime.Command
	// ok and seconds are made with the first call to be counted, so that nothing is shown of commands that nobody calls.
	ok      atomic.Pointer[prometheus.Counter]
	seconds atomic.Pointer[prometheus.Observer]
}

// index has the commands that can be served by id, at one revision. It is never changed.
type index struct {
	revision uint64
	byID     map[string]*command
}

// command finds the command of an id, connector/command; nil where there is none.
func (s *Server) command(id []byte) *command {
	commands, revision := s.executor.Commands()
	known := s.index.Load()
	if known == nil || known.revision != revision {
		known = &index{revision: revision, byID: make(map[string]*command, len(commands))}
		for _, c := range commands {
			known.byID[c.ID] = &command{Command: c}
		}
		s.index.Store(known)
	}
	if c := known.byID[string(id)]; c != nil {
		return c
	}
	connector, name, _ := strings.Cut(string(id), "/")
	if c, ok := s.executor.Command(connector, name); ok {
		return &command{Command: c}
	}
	return nil
}

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
