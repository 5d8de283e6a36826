package egress

import (
	"strings"
	"testing"
)

func TestParseURL(t *testing.T) {
	for _, tt := range []struct{ url, origin, authority, path, target string }{
		{"http://example.com", "http://example.com", "example.com", "/", "/"},
		{"https://example.com/", "https://example.com", "example.com", "/", "/"},
		{"HTTPS://EXAMPLE.com/A", "https://example.com", "example.com", "/A", "/A"},
		{"http://example.com?q=1", "http://example.com", "example.com", "/", "/?q=1"},
		{"http://example.com/?", "http://example.com", "example.com", "/", "/?"},
		{"http://example.com#f", "http://example.com", "example.com", "/", "/"},
		{"http://example.com/a?b#c?d", "http://example.com", "example.com", "/a", "/a?b"},
		{"http://example.com/a%2Fb/../c?x=%zz&y=a|b{}", "http://example.com", "example.com", "/a%2Fb/../c", "/a%2Fb/../c?x=%zz&y=a|b{}"},
		{"http://example.com./", "http://example.com", "example.com", "/", "/"},
		{"http://example.com.:8080/", "http://example.com:8080", "example.com:8080", "/", "/"},
		{"http://example.com:80/", "http://example.com", "example.com:80", "/", "/"},
		{"https://example.com:80/", "https://example.com:80", "example.com:80", "/", "/"},
		{"https://example.com:65535/", "https://example.com:65535", "example.com:65535", "/", "/"},
		{"http://bücher.example/", "http://xn--bcher-kva.example", "xn--bcher-kva.example", "/", "/"},
		{"http://BÜCHER.example:81/", "http://xn--bcher-kva.example:81", "xn--bcher-kva.example:81", "/", "/"},
		{"http://例え。テスト/", "http://xn--r8jz45g.xn--zckzah", "xn--r8jz45g.xn--zckzah", "/", "/"},
		{"http://my_service:9000/", "http://my_service:9000", "my_service:9000", "/", "/"},
		{"http://localhost/", "http://localhost", "localhost", "/", "/"},
		{"http://127.0.0.1:8080/", "http://127.0.0.1:8080", "127.0.0.1:8080", "/", "/"},
		{"http://[::1]/", "http://[::1]", "[::1]", "/", "/"},
		{"http://[::1]:81/", "http://[::1]:81", "[::1]:81", "/", "/"},
		{"http://[2001:DB8:0:0::1]:81/x", "http://[2001:db8::1]:81", "[2001:db8::1]:81", "/x", "/x"},
		{"http://[::ffff:127.0.0.1]/", "http://[::ffff:127.0.0.1]", "[::ffff:127.0.0.1]", "/", "/"},
		{"http://0x7f.example/", "http://0x7f.example", "0x7f.example", "/", "/"},
		{"http://1.2.3.4.example/", "http://1.2.3.4.example", "1.2.3.4.example", "/", "/"},
		{"http://example.com//double", "http://example.com", "example.com", "//double", "//double"},
		{"http://example.com/a\\b", "http://example.com", "example.com", "/a\\b", "/a\\b"},
		{"http://example.com/@user:pw@", "http://example.com", "example.com", "/@user:pw@", "/@user:pw@"},
	} {
		u, err := ParseURL(tt.url)
		if err != nil {
			t.Errorf("%s: %v", tt.url, err)
			continue
		}
		if u.Origin() != tt.origin || u.authority != tt.authority || u.path != tt.path || u.target != tt.target {
			t.Errorf("%s: origin %q authority %q path %q target %q", tt.url, u.Origin(), u.authority, u.path, u.target)
		}
	}
}

func TestParseURL_Errors(t *testing.T) {
	for _, tt := range []struct {
		url         string
		expectedErr error
	}{
		{"", errURLScheme},
		{"/relative", errURLScheme},
		{"//example.com/", errURLScheme},
		{"ftp://example.com/", errURLScheme},
		{"file:///etc/passwd", errURLScheme},
		{"gopher://127.0.0.1/_", errURLScheme},
		{"http:/example.com", errURLScheme},
		{"http:example.com", errURLScheme},
		{"http:\\\\example.com", errURLScheme},
		{" http://example.com", errURLScheme},
		{"\thttp://example.com", errURLScheme},
		{"http://", errHostEmpty},
		{"http:///x", errHostEmpty},
		{"http://?x", errHostEmpty},
		{"http://:80/", errHostEmpty},
		{"http://user@example.com/", errURLUser},
		{"http://user:secret@example.com/", errURLUser},
		{"http://example.com@127.0.0.1/", errURLUser},
		{"http://@example.com/", errURLUser},
		{"http://example.com\\@127.0.0.1/", errURLUser},
		{"http://example.com\\.evil.example/", errHostByte},
		{"http://exa mple.com/", errHostByte},
		{"http://exa\tmple.com/", errHostByte},
		{"http://exa\nmple.com/", errHostByte},
		{"http://exa\x00mple.com/", errHostByte},
		{"http://%31%32%37.0.0.1/", errHostByte},
		{"http://example%2ecom/", errHostByte},
		{"http://*.example.com/", errHostByte},
		{"http://exam;ple.com/", errHostByte},
		{"http://example.com,127.0.0.1/", errHostByte},
		{"http://-a.example/", errHostLabel},
		{"http://a-.example/", errHostLabel},
		{"http://a..example/", errHostLabel},
		{"http://.example/", errHostLabel},
		{"http://example../", errHostLabel},
		{"http://./", errHostLabel},
		{"http://" + strings.Repeat("a", 64) + ".example/", errHostLabel},
		{"http://" + strings.Repeat("a.", 127) + "ab/", errHostLabel},
		{"http://" + strings.Repeat("ü", 600) + "/", errHostLabel},
		{"http://\xff\xfe.example/", errHostIDNA},
		{"http://a\u200bb\ufffd.example/", errHostIDNA},
		{"http://example.com:/", errURLPort},
		{"http://example.com:0/", errURLPort},
		{"http://example.com:080/", errURLPort},
		{"http://example.com:65536/", errURLPort},
		{"http://example.com:99999/", errURLPort},
		{"http://example.com:123456/", errURLPort},
		{"http://example.com:+80/", errURLPort},
		{"http://example.com:-1/", errURLPort},
		{"http://example.com:8o/", errURLPort},
		{"http://example.com:80:90/", errHostByte},
		{"http://[::1/", errHostIPv6},
		{"http://[::1]x/", errHostIPv6},
		{"http://[::1]:/", errURLPort},
		{"http://[]/", errHostIPv6},
		{"http://[127.0.0.1]/", errHostIPv6},
		{"http://[fe80::1%25eth0]/", errHostIPv6},
		{"http://[fe80::1%eth0]/", errHostIPv6},
		{"http://[::1%250]/", errHostIPv6},
		{"http://[v1.x]/", errHostIPv6},
		{"http://::1/", errHostByte},
		{"http://127.1/", errHostIPv4},
		{"http://127.0.1/", errHostIPv4},
		{"http://2130706433/", errHostIPv4},
		{"http://017700000001/", errHostIPv4},
		{"http://0x7f000001/", errHostIPv4},
		{"http://0X7F000001/", errHostIPv4},
		{"http://0x7f.1/", errHostIPv4},
		{"http://0x7f.0x0.0x0.0x1/", errHostIPv4},
		{"http://0177.0.0.1/", errHostIPv4},
		{"http://127.0.0.01/", errHostIPv4},
		{"http://127.0.0.1./", errHostIPv4},
		{"http://127.0.0.256/", errHostIPv4},
		{"http://127.0.0.1.1/", errHostIPv4},
		{"http://example.0x1/", errHostIPv4},
		{"http://example.0x/", errHostIPv4},
		{"http://example.1/", errHostIPv4},
		{"http://0/", errHostIPv4},
		{"http://１２７.0.0.1/", errHostIPv4},
		{"http://①②⑦.⓪.⓪.①/", errHostIPv4},
		{"http://127。0。0。1/", errHostIPv4},
		{"http://example.com/a b", errURLByte},
		{"http://example.com/a\nb", errURLByte},
		{"http://example.com/a\r\nX: y", errURLByte},
		{"http://example.com/ü", errURLByte},
		{"http://example.com/?q=ü", errURLByte},
		{"http://example.com/?q=\x7f", errURLByte},
		{"http://example.com/ ", errURLByte},
		{"http://example.com/#a b", errURLByte},
		{"http://example.com/" + strings.Repeat("a", maxURL), errURLTooLong},
	} {
		if _, err := ParseURL(tt.url); err != tt.expectedErr {
			t.Errorf("%.80q: expected %v, was %v", tt.url, tt.expectedErr, err)
		}
	}
}
