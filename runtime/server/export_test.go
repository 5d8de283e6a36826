package server

import (
	"bytes"
	"net"
	"reflect"
	"time"

	"sluice/runtime"
)

// Route is a route as the matrix of callers sees it.
type Route struct{ Method, Path, Rule string }

// Routes are all routes with their own rules.
func Routes() []Route {
	var out []Route
	for _, r := range (&Server{}).routes() {
		out = append(out, Route{r.method, r.path, r.rule.name()})
	}
	return out
}

// RuleOf is the rule by which a path is judged.
func RuleOf(path string) string { return ruleOf([]byte(path)).name() }

func (r rule) name() string {
	return map[rule]string{everybody: "everybody", engine: "engine", operator: "operator"}[r]
}

// Sparing is what keeps the log from being filled by who is not let in.
type Sparing = sparing

// EntriesPerSecond is how many of them are noted a second.
const EntriesPerSecond = entriesPerSecond

// Take says whether one more is noted, and how many before were not.
func (s *sparing) Take(now time.Time) (ok bool, left int) { return s.take(now) }

// Leftover names what a pooled bound still has of a call of cmd with this body, within its buffers' capacity too. Nothing
// is left of a good one.
func Leftover(cmd *runtime.Command, body []byte) []string {
	b := bound{body: bytes.Clone(body), taken: int64(len(body))}
	_ = b.bind(cmd)
	b.logValues()
	b.reset()
	var left []string
	fields := reflect.ValueOf(b)
	for i := range fields.NumField() {
		f := fields.Field(i)
		if f.Kind() != reflect.Slice {
			if !f.IsZero() {
				left = append(left, fields.Type().Field(i).Name)
			}
			continue
		}
		for all, k := f.Slice(0, f.Cap()), 0; k < all.Len(); k++ {
			if f.Len() > 0 || !all.Index(k).IsZero() {
				left = append(left, fields.Type().Field(i).Name)
				break
			}
		}
	}
	return left
}

// Bind is what a call of cmd with this body is made of.
func Bind(cmd *runtime.Command, body []byte) (runtime.Call, error) {
	b := bound{body: body}
	err := b.bind(cmd)
	return b.call, err
}

// ServeConn serves one connection.
func (s *Server) ServeConn(c net.Conn) error { return s.http.ServeConn(&watchedConn{Conn: c}) }
