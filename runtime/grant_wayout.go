package runtime

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"sluice/hostfuncs/egress"
	"sluice/internal/nearest"
)

// unknownPart is the error for what is no member of a mapping in a grant, as the rest of a sentence that begins with the
// mapping.
func unknownPart(name string, known []string) error {
	if near := nearest.Name(name, known); near != "" {
		return fmt.Errorf("has the unknown member %s; did you mean %q?", shownMember(name), near)
	}
	return fmt.Errorf("has the unknown member %s; there are %s", shownMember(name), strings.Join(known, ", "))
}

// texts reads a list of texts.
func texts(v any) (out []string, err error) {
	err = eachText(v, func(s string) error {
		out = append(out, s)
		return nil
	})
	return out, err
}

// parseRules reads the http of a grant: texts, each a rule, and mappings of a rule and its methods.
func parseRules(v any) ([]string, error) {
	items, ok := v.([]any)
	if !ok {
		return nil, fmt.Errorf("must be a list")
	}
	if len(items) > maxGrantItems {
		return nil, fmt.Errorf("has more than %d items", maxGrantItems)
	}
	var out []string
	for i, item := range items {
		out = append(out, "")
		switch item := item.(type) {
		case string:
			out[i] = item
		case map[string]any:
			rule, err := parseRule(item)
			if err != nil {
				return nil, fmt.Errorf("is wrong at item %d: %w", i+1, err)
			}
			out[i] = rule
		default:
			return nil, fmt.Errorf("is wrong at item %d: it must be a text, or a mapping {rule: …, methods: […]}", i+1)
		}
		if _, err := egress.ParseGrantRule(out[i]); err != nil {
			return nil, fmt.Errorf("is wrong at item %d: %w", i+1, err)
		}
	}
	return out, nil
}

// parseRule returns the text that stands for a rule with methods.
func parseRule(fields map[string]any) (string, error) {
	var rule string
	var methods []string
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		var err error
		switch key {
		case "rule":
			var ok bool
			if rule, ok = fields[key].(string); !ok {
				err = fmt.Errorf("rule must be a text")
			}
		case "methods":
			methods, err = parseMethods(fields[key])
		default:
			err = fmt.Errorf("it %w", unknownPart(key, []string{"rule", "methods"}))
		}
		if err != nil {
			return "", err
		}
	}
	switch {
	case rule == "":
		return "", fmt.Errorf("it has no rule: write {rule: …, methods: […]}")
	case fields["methods"] == nil:
		return rule, nil
	}
	return strings.Join(methods, ",") + " " + rule, nil
}

// parseMethods reads the methods that a rule allows.
func parseMethods(v any) ([]string, error) {
	methods, err := texts(v)
	if err != nil {
		return nil, fmt.Errorf("methods %w", err)
	}
	if len(methods) == 0 {
		return nil, fmt.Errorf("it has no methods, which allows nothing: name some, or leave methods out for all")
	}
	for _, m := range methods {
		if known := egress.Methods(); !slices.Contains(known, m) {
			if near := nearest.Name(m, known); near != "" {
				return nil, fmt.Errorf("%s is no method that can be sent; did you mean %q?", shownMember(m), near)
			}
			return nil, fmt.Errorf("%s is no method that can be sent; there are %s", shownMember(m), strings.Join(known, ", "))
		}
	}
	return methods, nil
}

// parseRetry reads {on: [429, 503], attempts: 3, unsafe: true}.
func parseRetry(v any) (r egress.Retry, err error) {
	fields, ok := v.(map[string]any)
	if !ok {
		return r, fmt.Errorf("must be a mapping such as {on: [429, 503], attempts: 3}")
	}
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		v := fields[key]
		switch key {
		case "on":
			r.Statuses, err = parseStatuses(v)
		case "attempts":
			r.Attempts, err = parseCount(v, egress.MinAttempts, egress.MaxAttempts)
		case "unsafe":
			if r.Unsafe, ok = v.(bool); !ok {
				err = fmt.Errorf("is not true or false")
			}
		default:
			return r, unknownPart(key, []string{"on", "attempts", "unsafe"})
		}
		if err != nil {
			return r, fmt.Errorf("%s %w", key, err)
		}
	}
	if r.Attempts == 0 {
		return r, fmt.Errorf("needs attempts, from %d to %d", egress.MinAttempts, egress.MaxAttempts)
	}
	return r, nil
}

// The statuses after which a request may be sent again.
const leastRetried, mostRetried = 400, 599

func parseStatuses(v any) ([]int, error) {
	items, ok := v.([]any)
	if !ok {
		return nil, fmt.Errorf("must be a list of statuses")
	}
	if len(items) > maxGrantItems {
		return nil, fmt.Errorf("has more than %d items", maxGrantItems)
	}
	var out []int
	for _, item := range items {
		status, err := parseCount(item, leastRetried, mostRetried)
		if err != nil {
			return nil, fmt.Errorf("holds a status that %w", err)
		}
		out = append(out, status)
	}
	return out, nil
}

func parseCount(v any, least, most int) (int, error) {
	n, err := strconv.Atoi(fmt.Sprint(v))
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("is not a number from %d to %d", least, most)
	}
	return n, nil
}

// parseClientCertificate reads {certificate: path, key: path}.
func parseClientCertificate(v any) (c ClientCertificate, err error) {
	fields, ok := v.(map[string]any)
	if !ok {
		return c, fmt.Errorf("must be a mapping such as {certificate: /path.pem, key: /path.pem}")
	}
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		switch key {
		case "certificate":
			c.Certificate, err = parsePath(fields[key])
		case "key":
			c.Key, err = parsePath(fields[key])
		default:
			return c, unknownPart(key, []string{"certificate", "key"})
		}
		if err != nil {
			return c, fmt.Errorf("%s %w", key, err)
		}
	}
	if c.Certificate == "" || c.Key == "" {
		return c, fmt.Errorf("needs both certificate and key")
	}
	return c, nil
}

func parsePath(v any) (string, error) {
	path, ok := v.(string)
	if !ok || path == "" {
		return "", fmt.Errorf("is not the path of a file")
	}
	return path, nil
}

// parseProxy does not repeat what it refuses, which may hold a password.
func parseProxy(v any) (string, error) {
	text, ok := v.(string)
	if !ok {
		return "", fmt.Errorf("is not a text")
	}
	if _, err := egress.ParseProxy(text); err != nil {
		return "", fmt.Errorf("is refused: %w", err)
	}
	return text, nil
}

// writtenRules is what parseRules would take to the same effect.
func writtenRules(rules []string) any {
	if len(rules) == 0 {
		return nil
	}
	out := make([]any, len(rules))
	for i, s := range rules {
		if methods, rule, ok := strings.Cut(s, " "); ok {
			out[i] = map[string]any{"rule": rule, "methods": strings.Split(methods, ",")}
		} else {
			out[i] = s
		}
	}
	return out
}

// writtenRetry is what parseRetry would take to the same effect.
func writtenRetry(r egress.Retry) any {
	if r.Attempts == 0 && len(r.Statuses) == 0 && !r.Unsafe {
		return nil
	}
	out := map[string]any{"attempts": r.Attempts}
	if len(r.Statuses) > 0 {
		out["on"] = r.Statuses
	}
	if r.Unsafe {
		out["unsafe"] = true
	}
	return out
}

// textOrNil is a text that is set.
func textOrNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}
