package twin

import (
	"encoding/base64"
	"errors"
	"net/url"
	"slices"
	"strings"

	"sluice/hostfuncs/egress"
	"sluice/internal/rawjson"
)

// refusal says why no request can be made of the parameters, in the connector's words.
type refusal string

func (r refusal) Error() string { return string(r) }

const (
	errNoScheme = refusal("The URL must begin with http:// or https://.")
	errScheme   = refusal("The URL's scheme must be http or https.")
	errNoHost   = refusal("The URL has no host.")
	errURL      = refusal("The URL is not valid.")
	errHeaders  = refusal("headers must be an object or a list of pairs.")
	errQuery    = refusal("params must be an object, a list of pairs or a string.")
)

var errNotTwinned = errors.New("the twin does not take include_response_headers: leave it out")

// parameters are the parameters of a call as they were sent, nil where they were not.
type parameters struct{ url, headers, query, username, password []byte }

// parseRequest makes a request of a call's parameters. The error is a refusal, or errNotTwinned.
func parseRequest(params []byte, userAgent string) (*egress.Request, error) {
	var p parameters
	if err := rawjson.Members(params, rawjson.MaxDepth, p.set); err != nil {
		return nil, err
	}
	headers, err := pairs(p.headers, errHeaders)
	if err != nil {
		return nil, err
	}
	target, err := parseTarget(p.url, p.query)
	if err != nil {
		return nil, err
	}
	username, password := text(p.username), text(p.password)
	if (username == "" || password == "") && target.User != nil {
		username = target.User.Username()
		password, _ = target.User.Password()
	}
	target.User = nil
	if username != "" || password != "" {
		headers = append(without(headers, "authorization"),
			[2]string{"authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(username+":"+password))})
	}
	headers = without(headers, "content-length", "connection", "keep-alive")
	headers = withDefault(headers, "accept", "*/*")
	headers = withDefault(headers, "user-agent", userAgent)
	return &egress.Request{Method: "GET", URL: target.String(), Headers: headers}, nil
}

func (p *parameters) set(name, value []byte) error {
	if rawjson.KindOf(value) == rawjson.Null {
		return nil
	}
	switch string(name) {
	case "url":
		p.url = value
	case "headers":
		p.headers = value
	case "params":
		p.query = value
	case "basic_auth_username":
		p.username = value
	case "basic_auth_password":
		p.password = value
	case "include_response_headers":
		return errNotTwinned
	}
	return nil
}

// text is the text of a JSON string, "" where there is none.
func text(value []byte) string {
	if rawjson.KindOf(value) != rawjson.String {
		return ""
	}
	return string(rawjson.Unquote(value))
}

// parseTarget is the URL as it is sent: no fragment, no default port, a path.
func parseTarget(value, query []byte) (*url.URL, error) {
	u, err := url.Parse(text(value))
	switch {
	case err != nil && strings.Contains(err.Error(), "missing protocol scheme"), err == nil && u.Scheme == "":
		return nil, errNoScheme
	case err != nil:
		return nil, errURL
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errScheme
	case u.Hostname() == "":
		return nil, errNoHost
	}
	u.Host = strings.ToLower(u.Host)
	standard := map[string]string{"http": ":80", "https": ":443"}[u.Scheme]
	u.Host = strings.TrimSuffix(strings.TrimSuffix(u.Host, standard), ":")
	u.Fragment, u.RawFragment = "", ""
	if u.Path == "" {
		u.Path = "/"
	}
	u.RawPath, u.RawQuery = escape(u.RawPath), escape(u.RawQuery)
	if query != nil {
		if u.RawQuery, err = encodeQuery(query); err != nil {
			return nil, err
		}
		u.ForceQuery = false
	}
	return u, nil
}

// escape percent-encodes what a path or query may not hold as it is. What is encoded already stays so.
func escape(s string) string {
	const hex = "0123456789ABCDEF"
	forbidden := func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '"' || r == '<' || r == '>' }
	if strings.IndexFunc(s, forbidden) < 0 {
		return s
	}
	var out strings.Builder
	for _, c := range []byte(s) {
		if forbidden(rune(c)) {
			out.Write([]byte{'%', hex[c>>4], hex[c&15]})
		} else {
			out.WriteByte(c)
		}
	}
	return out.String()
}

// encodeQuery encodes a query that is given as an object, a list of pairs, or a string.
func encodeQuery(value []byte) (string, error) {
	var list [][2]string
	if rawjson.KindOf(value) == rawjson.String {
		for pair := range strings.SplitSeq(text(value), "&") {
			if pair == "" {
				continue
			}
			name, value, _ := strings.Cut(pair, "=")
			list = append(list, [2]string{unescape(name), unescape(value)})
		}
	} else {
		var err error
		if list, err = pairs(value, errQuery); err != nil {
			return "", err
		}
	}
	var out strings.Builder
	for i, pair := range list {
		if i > 0 {
			out.WriteByte('&')
		}
		out.WriteString(url.QueryEscape(pair[0]) + "=" + url.QueryEscape(pair[1]))
	}
	return out.String(), nil
}

func unescape(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}

// pairs reads an object, or a list of pairs, of texts, numbers and booleans. A name that an object has twice counts
// with its last value.
func pairs(value []byte, shape refusal) (list [][2]string, err error) {
	switch {
	case value == nil || string(value) == `""`:
		return nil, nil
	case rawjson.KindOf(value) == rawjson.Object:
		err = rawjson.Members(value, rawjson.MaxDepth, func(name, value []byte) error {
			text, ok := scalar(value)
			if !ok {
				return shape
			}
			if i := slices.IndexFunc(list, func(p [2]string) bool { return p[0] == string(name) }); i >= 0 {
				list[i][1] = text
				return nil
			}
			list = append(list, [2]string{string(name), text})
			return nil
		})
	default:
		err = rawjson.Elements(value, rawjson.MaxDepth, func(element []byte) error {
			var pair [2]string
			n := 0
			err := rawjson.Elements(element, rawjson.MaxDepth, func(value []byte) error {
				text, ok := scalar(value)
				if !ok || n == len(pair) {
					return shape
				}
				pair[n] = text
				n++
				return nil
			})
			if err != nil || n != len(pair) {
				return shape
			}
			list = append(list, pair)
			return nil
		})
	}
	if err != nil {
		return nil, shape
	}
	return list, nil
}

func scalar(value []byte) (string, bool) {
	switch rawjson.KindOf(value) {
	case rawjson.String:
		return string(rawjson.Unquote(value)), true
	case rawjson.Number, rawjson.Bool:
		return string(value), true
	}
	return "", false
}

func without(headers [][2]string, names ...string) [][2]string {
	return slices.DeleteFunc(headers, func(h [2]string) bool {
		return slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(h[0], name) })
	})
}

func withDefault(headers [][2]string, name, value string) [][2]string {
	if slices.ContainsFunc(headers, func(h [2]string) bool { return strings.EqualFold(h[0], name) }) {
		return headers
	}
	return append(headers, [2]string{name, value})
}
