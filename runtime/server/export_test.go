package server

import "sluice/runtime"

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
func RuleOf(path string) string { return ruleOf(path).name() }

func (r rule) name() string {
	return map[rule]string{everybody: "everybody", engine: "engine", operator: "operator"}[r]
}

// Bind is what a call of cmd with this body is made of.
func Bind(cmd *runtime.Command, body []byte) (runtime.Call, error) {
	var b bound
	err := b.bind(cmd, body)
	return b.call, err
}
