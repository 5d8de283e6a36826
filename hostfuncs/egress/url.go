package egress

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// maxURL bounds a URL, in bytes.
const maxURL = 16 << 10

// URL is an absolute http or https URL, read strictly: there is one way to read it, and it is the way it is sent.
type URL struct {
	secure bool
	host   string // lower-case ASCII, no trailing dot, no brackets
	port   uint16
	// authority is host[:port] as sent in the Host header.
	authority string
	literal   netip.Addr // valid where the host is an address
	path      string     // as written, "/" where there is none
	target    string     // path and query as written
}

// Scheme is "http" or "https".
func (u *URL) Scheme() string { return schemeOf(u.secure) }

// Host is the host in lower-case ASCII, without trailing dot and without brackets.
func (u *URL) Host() string { return u.host }

// Port is the port, the scheme's default where the URL has none.
func (u *URL) Port() uint16 { return u.port }

// Origin is scheme://host, with the port where it is not the scheme's default.
func (u *URL) Origin() string { return originOf(u.secure, u.host, u.port) }

// These are returned by [ParseURL]. None repeats any part of the URL.
var (
	errURLTooLong   = errors.New("the URL is too long: at most 16384 bytes")
	errURLScheme    = errors.New("the URL must be absolute and begin with http:// or https://")
	errURLByte      = errors.New("the URL holds a blank, a control character or a character outside ASCII: percent-encode it")
	errURLUser      = errors.New("the URL holds user information: send it in an Authorization header")
	errURLPort      = errors.New("the URL's port must be a number from 1 to 65535")
	errURLPathStart = errors.New("a path that begins with // must percent-encode the characters a URL does not allow")
	errHostEmpty    = errors.New("the host is missing")
	errHostByte     = errors.New("the host may hold letters, digits, hyphens, underscores and dots only")
	errHostLabel    = errors.New("the host is no valid name: labels of 1 to 63 characters, no hyphen at either end, 253 in all")
	errHostIDNA     = errors.New("the host is no valid international name")
	errHostIPv4     = errors.New("an IPv4 address is written as four decimal numbers without leading zeros")
	errHostIPv6     = errors.New("an IPv6 address is written in brackets, without a zone")
)

// ParseURL reads an absolute http or https URL. The fragment is dropped; path and query stay as written. It refuses what
// two readers could understand differently: user information, odd spellings of IPv4 addresses, zones, blanks, control
// characters, and anything outside ASCII but in the host name.
//
// See https://www.rfc-editor.org/rfc/rfc3986 and https://www.rfc-editor.org/rfc/rfc5891#section-5
func ParseURL(s string) (URL, error) { return parseURL(s, maxURL) }

func parseURL(s string, limit int) (URL, error) {
	var u URL
	if len(s) > limit {
		return u, errURLTooLong
	}
	secure, rest, ok := cutScheme(s)
	if !ok {
		return u, errURLScheme
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	authority, tail := rest[:end], rest[end:]
	if strings.IndexByte(authority, '@') >= 0 {
		return u, errURLUser
	}
	hostText, port, err := cutPort(authority)
	if err != nil {
		return u, err
	}
	host, literal, err := normaliseHost(hostText)
	if err != nil {
		return u, err
	}
	u.secure, u.host, u.port, u.literal = secure, host, port, literal
	u.authority = authority
	if host != hostText {
		u.authority = host
		if isIPv6Text(host) {
			u.authority = "[" + host + "]"
		}
		if port != 0 {
			u.authority += ":" + strconv.Itoa(int(port))
		}
	}
	if port == 0 {
		u.port = defaultPort(secure)
	}
	return u, u.setTarget(tail)
}

func (u *URL) setTarget(tail string) error {
	for i := 0; i < len(tail); i++ {
		if tail[i] <= ' ' || tail[i] >= 0x7f {
			return errURLByte
		}
	}
	tail, _, _ = strings.Cut(tail, "#")
	if tail == "" || tail[0] == '?' {
		tail = "/" + tail
	}
	u.target = tail
	u.path, _, _ = strings.Cut(tail, "?")
	return nil
}

func cutScheme(s string) (secure bool, rest string, ok bool) {
	if len(s) >= 7 && strings.EqualFold(s[:7], "http://") {
		return false, s[7:], true
	}
	if len(s) >= 8 && strings.EqualFold(s[:8], "https://") {
		return true, s[8:], true
	}
	return false, "", false
}

// cutPort splits host[:port]; 0 where there is no port. A colon without a port is refused.
func cutPort(authority string) (host string, port uint16, err error) {
	colon := strings.LastIndexByte(authority, ':')
	if colon < 0 || strings.IndexByte(authority[colon:], ']') >= 0 {
		return authority, 0, nil
	}
	host, digits := authority[:colon], authority[colon+1:]
	if len(digits) == 0 || len(digits) > 5 || digits[0] == '0' {
		return "", 0, errURLPort
	}
	n := 0
	for i := 0; i < len(digits); i++ {
		if digits[i] < '0' || digits[i] > '9' {
			return "", 0, errURLPort
		}
		n = n*10 + int(digits[i]-'0')
	}
	if n > 65535 {
		return "", 0, errURLPort
	}
	return host, uint16(n), nil
}

// normaliseHost returns the one spelling of a host name or address literal, and the address where it is one.
func normaliseHost(s string) (string, netip.Addr, error) {
	var none netip.Addr
	if s == "" {
		return "", none, errHostEmpty
	}
	if s[0] == '[' {
		return normaliseIPv6(s)
	}
	if len(s) > 1024 {
		return "", none, errHostLabel
	}
	host, ascii, err := lowerASCII(s)
	if err != nil {
		return "", none, err
	}
	if !ascii {
		if !utf8.ValidString(s) {
			return "", none, errHostIDNA
		}
		if host, err = idna.Lookup.ToASCII(s); err != nil {
			return "", none, errHostIDNA
		}
		if host, ascii, err = lowerASCII(host); err != nil || !ascii {
			return "", none, errHostIDNA
		}
	}
	name := strings.TrimSuffix(host, ".")
	if !validLabels(name) {
		return "", none, errHostLabel
	}
	if !endsInNumber(name) {
		return name, none, nil
	}
	// Resolvers differ on 127.1, 0x7f.1, 017700000001 or 127.0.0.1. as much as on the full-width digits that IDNA maps
	// to ASCII: only the plain spelling is an address, and nothing that looks like a number is a name.
	addr, err := netip.ParseAddr(s)
	if err != nil {
		return "", none, errHostIPv4
	}
	return s, addr, nil
}

func normaliseIPv6(s string) (string, netip.Addr, error) {
	if s[len(s)-1] != ']' {
		return "", netip.Addr{}, errHostIPv6
	}
	addr, err := netip.ParseAddr(s[1 : len(s)-1])
	if err != nil || !addr.Is6() || addr.Zone() != "" {
		return "", netip.Addr{}, errHostIPv6
	}
	return addr.String(), addr, nil
}

// lowerASCII returns s in lower case, s itself where it is already; ascii is false, and s untouched, where s holds a
// byte outside ASCII.
func lowerASCII(s string) (lower string, ascii bool, err error) {
	upper := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '.', c == '-', c == '_':
		case 'A' <= c && c <= 'Z':
			upper = true
		case c >= 0x80:
			return s, false, nil
		default:
			return "", true, errHostByte
		}
	}
	if upper {
		s = strings.ToLower(s)
	}
	return s, true, nil
}

func validLabels(name string) bool {
	if name == "" || len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
	}
	return true
}

// endsInNumber reports whether some resolver would take the name for an IPv4 address.
//
// See https://url.spec.whatwg.org/#ends-in-a-number-checker
func endsInNumber(name string) bool {
	last := name[strings.LastIndexByte(name, '.')+1:]
	if hex, ok := strings.CutPrefix(last, "0x"); ok {
		for i := 0; i < len(hex); i++ {
			if !isHex(hex[i]) {
				return false
			}
		}
		return true
	}
	for i := 0; i < len(last); i++ {
		if last[i] < '0' || last[i] > '9' {
			return false
		}
	}
	return true
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// isIPv6Text reports whether a normalised host is an IPv6 address: no name holds a colon.
func isIPv6Text(host string) bool { return strings.IndexByte(host, ':') >= 0 }

func schemeOf(secure bool) string {
	if secure {
		return "https"
	}
	return "http"
}

func defaultPort(secure bool) uint16 {
	if secure {
		return 443
	}
	return 80
}
