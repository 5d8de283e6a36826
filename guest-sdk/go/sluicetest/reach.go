package sluicetest

import (
	"encoding/hex"
	"errors"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"sluice/runtime/manifest"
)

// target is what a request or a connection is for, and also what a rule of a manifest covers. Both are read as strictly as
// the host reads them, but that names with characters outside ASCII are compared as they are written, and what stands for ASCII in
// other scripts is not looked for in paths.
type target struct {
	scheme string // "http", "https", or "" for a connection
	host   string // in lower case, without trailing dot and brackets. Of a rule: "" is any, ".example.com" each below it
	port   uint16 // 0 in a rule: any
	path   string // "" in a rule: any
}

var (
	errScheme     = errors.New("it must begin with http:// or https://")
	errUser       = errors.New("user information does not belong there")
	errQuery      = errors.New("a rule ends with the path prefix: no query, no fragment")
	errPort       = errors.New("the port must be a number from 1 to 65535")
	errHost       = errors.New("the host must be a name, or an address in its plain spelling, IPv6 in brackets")
	errStar       = errors.New(`the host is a name, an address, "*.name" or "*"`)
	errPath       = errors.New("the path holds what a server could read as leaving it")
	errCharacters = errors.New("blanks, control characters and characters outside ASCII must be percent-encoded")
	errTCP        = errors.New(`write host and port alone: "db.example.com:5432"`)
)

// manifestRules find the hosts of a manifest that are no rules.
var manifestRules = manifest.Rules{
	manifest.CapabilityHTTP: func(host string) error { _, err := httpRule(host); return err },
	manifest.CapabilityTCP:  func(host string) error { _, err := tcpRule(host); return err },
}

// rulesOf are what a manifest asks for under a capability.
func rulesOf(m *manifest.Manifest, capability string, read func(string) (target, error)) []target {
	var rules []target
	for _, c := range m.Capabilities {
		if c.Name != capability {
			continue
		}
		for _, host := range c.Hosts {
			if rule, err := read(host); err == nil { // Manifest has seen every error
				rules = append(rules, rule)
			}
		}
	}
	return rules
}

// reaches says whether one of the rules covers the target.
func (t target) reaches(rules []target) bool {
	return slices.ContainsFunc(rules, func(rule target) bool { return rule.covers(t) })
}

func (t target) covers(o target) bool {
	rest, below := strings.CutPrefix(o.path, t.path)
	return t.coversOrigin(o) && (t.path == "" ||
		below && (rest == "" || rest[0] == '/' || strings.HasSuffix(t.path, "/")) && plainPath(o.path))
}

// coversOrigin is covers for all but the path.
func (t target) coversOrigin(o target) bool {
	switch {
	case t.scheme != o.scheme, t.port != 0 && t.port != o.port:
		return false
	case t.host == "" || t.host == o.host:
		return true
	}
	return t.host[0] == '.' && strings.HasSuffix(o.host, t.host) && o.host != t.host
}

// steers finds the header by which a service could take the request past the paths of the rules, where all for its origin have
// one. It is "" where there is none.
func (t target) steers(rules []target, headers [][2]string) string {
	if slices.ContainsFunc(rules, func(rule target) bool { return rule.path == "" && rule.coversOrigin(t) }) {
		return ""
	}
	for _, pair := range headers {
		name := strings.ToLower(strings.ReplaceAll(pair[0], "_", "-"))
		if slices.Contains(steering, name) || strings.HasSuffix(name, "-copy-source") || strings.HasSuffix(name, "-rename-source") {
			return pair[0]
		}
	}
	return ""
}

// steering are headers that some services take another path or method from.
var steering = []string{"x-original-url", "x-rewrite-url", "x-http-method-override", "x-http-method", "x-method-override", "x-copy-from"}

// String is the rule that would cover the target, without a path.
func (t target) String() string {
	host := t.host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	switch {
	case t.scheme == "":
		return net.JoinHostPort(t.host, strconv.Itoa(int(t.port)))
	case t.port == defaultPort(t.scheme):
		return t.scheme + "://" + host
	}
	return t.scheme + "://" + host + ":" + strconv.Itoa(int(t.port))
}

func defaultPort(scheme string) uint16 {
	if scheme == "https" {
		return 443
	}
	return 80
}

// maxTarget bounds what is read, in bytes.
const maxTarget = 16 << 10

// requestTarget reads the URL of a request.
func requestTarget(url string) (target, error) {
	t, host, tail, err := splitURL(url)
	if err != nil {
		return target{}, err
	}
	if !plainText(tail) {
		return target{}, errCharacters
	}
	if t.host, err = plainHost(host); err != nil {
		return target{}, err
	}
	if t.port == 0 {
		t.port = defaultPort(t.scheme)
	}
	t.path = tail
	if end := strings.IndexAny(tail, "?#"); end >= 0 {
		t.path = tail[:end]
	}
	if t.path == "" {
		t.path = "/"
	}
	return t, nil
}

// httpRule reads a rule of requests, scheme://host[:port][/path-prefix].
func httpRule(rule string) (target, error) {
	t, host, tail, err := splitURL(rule)
	switch {
	case err != nil:
		return target{}, err
	case strings.ContainsAny(tail, "?#"):
		return target{}, errQuery
	case tail != "/":
		t.path = tail
	}
	if t.host, err = ruleHost(host); err != nil {
		return target{}, err
	}
	if t.port == 0 && host != "*" {
		t.port = defaultPort(t.scheme)
	}
	if !plainPath(t.path) {
		return target{}, errPath
	}
	return t, nil
}

// tcpRule reads a rule of connections, host:port, in which the port may be "*".
func tcpRule(rule string) (t target, err error) {
	host, any := strings.CutSuffix(rule, ":*")
	if !any {
		if host, t.port, err = hostPort(rule); err != nil {
			return target{}, err
		}
	}
	if strings.Contains(host, "/") {
		return target{}, errTCP
	}
	t.host, err = ruleHost(host)
	return t, err
}

// connectionTarget reads the address of a connection.
func connectionTarget(address string) (t target, err error) {
	host, port, err := hostPort(address)
	if err != nil {
		return target{}, err
	}
	t.port = port
	t.host, err = plainHost(host)
	return t, err
}

// hostPort splits host:port.
func hostPort(s string) (string, uint16, error) {
	if len(s) > maxTarget || strings.Contains(s, "/") {
		return "", 0, errTCP
	}
	host, port, err := cutPort(s)
	if err != nil || port == 0 {
		return "", 0, errTCP
	}
	return host, port, nil
}

// splitURL takes a URL, or a rule, apart. What is missing is empty.
func splitURL(s string) (t target, host, tail string, err error) {
	scheme, rest, _ := strings.Cut(s, "://")
	t.scheme = strings.ToLower(scheme)
	if len(s) > maxTarget || t.scheme != "http" && t.scheme != "https" {
		return t, "", "", errScheme
	}
	authority := rest
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		authority, tail = rest[:end], rest[end:]
	}
	if strings.Contains(authority, "@") {
		return t, "", "", errUser
	}
	host, t.port, err = cutPort(authority)
	return t, host, tail, err
}

// cutPort splits host[:port]; 0 where there is no port.
func cutPort(authority string) (string, uint16, error) {
	i := strings.LastIndexByte(authority, ':')
	if i < 0 || strings.Contains(authority[i:], "]") {
		return authority, 0, nil
	}
	port, err := strconv.ParseUint(authority[i+1:], 10, 16)
	if digits := authority[i+1:]; err != nil || digits[0] < '1' || digits[0] > '9' {
		return "", 0, errPort
	}
	return authority[:i], uint16(port), nil
}

// ruleHost is the host of a rule, which may be "*" or begin with "*.".
func ruleHost(s string) (string, error) {
	if s == "*" {
		return "", nil
	}
	name, wild := strings.CutPrefix(s, "*.")
	if strings.Contains(name, "*") {
		return "", errStar
	}
	host, err := plainHost(name)
	if err != nil || !wild {
		return host, err
	}
	if _, notAddress := netip.ParseAddr(host); notAddress == nil {
		return "", errStar
	}
	return "." + host, nil
}

// plainHost is the one spelling of a name or an address.
func plainHost(s string) (string, error) {
	if inner, ok := strings.CutPrefix(s, "["); ok {
		inner, closed := strings.CutSuffix(inner, "]")
		address, err := netip.ParseAddr(inner)
		if err != nil || !closed || !address.Is6() || address.Zone() != "" {
			return "", errHost
		}
		return address.String(), nil
	}
	for _, r := range s {
		letter, digit := r|0x20 >= 'a' && r|0x20 <= 'z', r >= '0' && r <= '9'
		if r < 0x80 && !letter && !digit && r != '.' && r != '-' && r != '_' || r == '\uFFFD' {
			return "", errHost
		}
	}
	name := strings.TrimSuffix(strings.ToLower(s), ".")
	labels := strings.Split(name, ".")
	if len(name) > 253 || slices.ContainsFunc(labels, func(label string) bool {
		return label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-'
	}) {
		return "", errHost
	}
	// What looks like a number is an address to some, and has to be one in the spelling that all read alike.
	if !isNumber(labels[len(labels)-1]) {
		return name, nil
	}
	if _, err := netip.ParseAddr(s); err != nil {
		return "", errHost
	}
	return s, nil
}

// isNumber says whether some would take a name that ends with this label for an address.
func isNumber(label string) bool {
	if hex, ok := strings.CutPrefix(label, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return strings.Trim(label, "0123456789") == ""
}

// maxDecodings is how often a path may be encoded.
const maxDecodings = 4

var (
	escape        = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)
	unicodeEscape = regexp.MustCompile(`%[uU][0-9A-Fa-f]{4}`)
)

// plainPath says whether every server reads the path as it is written: it has no dot segments and no separators, however
// often it is decoded, and nothing that some server cuts off.
func plainPath(path string) bool {
	if !plainText(path) || strings.Count(path, "%") != len(escape.FindAllString(path, -1)) {
		return false
	}
	slashes, dots := strings.Count(path, "/"), strings.Count(path, ".")
	for range maxDecodings {
		if strings.Count(path, "/") != slashes || strings.Count(path, ".") != dots || !utf8.ValidString(path) ||
			strings.ContainsFunc(path, unicode.IsControl) || strings.ContainsAny(path, "\\\u2044\u2215\u2216\u29f8") ||
			unicodeEscape.MatchString(path) || slices.ContainsFunc(strings.Split(path, "/"), onlyDots) {
			return false
		}
		decoded := escape.ReplaceAllStringFunc(path, func(code string) string {
			c, _ := hex.DecodeString(code[1:]) // of two digits
			return string(c)
		})
		if decoded == path {
			return true
		}
		path = decoded
	}
	return false
}

// onlyDots says whether a segment is one of dots to a server that cuts off parameters, queries and what can't be seen.
func onlyDots(segment string) bool {
	if i := strings.IndexAny(segment, ";?#"); i >= 0 {
		segment = segment[:i]
	}
	seen := func(r rune) bool { return r != '.' && unicode.IsGraphic(r) && !unicode.IsSpace(r) }
	return strings.Contains(segment, ".") && !strings.ContainsFunc(segment, seen)
}

// plainText says whether a text has no character that has to be percent-encoded.
func plainText(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}
