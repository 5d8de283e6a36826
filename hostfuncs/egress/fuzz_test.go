package egress

import (
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

func FuzzParseRule(f *testing.F) {
	for _, s := range []string{"https://api.example.com/v1", "http://*", "https://*:443/x", "http://*.example.com:81", "http://[::1]:9", "http://bücher.example", "http://a/%2e", "http://1.2.3.4"} {
		f.Add(s, "https://api.example.com/v1/x")
	}
	f.Fuzz(func(t *testing.T, s, target string) {
		r, err := ParseRule(s)
		if err != nil {
			return
		}
		again, err := ParseRule(r.String())
		if err != nil || again != r {
			t.Fatalf("%q is %q, which is %+v, %v", s, r, again, err)
		}
		u, err := ParseURL(target)
		if err != nil || !r.matchesOrigin(&u) || !r.matchesPath(u.path, plainPath(u.path)) || r.path == "" {
			return
		}
		// What matches a prefix stays below it, whoever resolves it, however often it is decoded.
		path := u.path
		for range 4 {
			resolved := (&url.URL{Path: "/"}).ResolveReference(&url.URL{Path: strings.ReplaceAll(path, "\\", "/")}).Path
			if !strings.HasPrefix(resolved+"/", strings.TrimSuffix(r.path, "/")+"/") && path == u.path {
				t.Fatalf("%q matches %q and resolves to %q", r, u.path, resolved)
			}
			decoded, err := url.PathUnescape(path)
			if err != nil {
				break
			}
			for segment := range strings.SplitSeq(strings.ReplaceAll(decoded, "\\", "/"), "/") {
				if segment == ".." || segment == "." {
					t.Fatalf("%q matches %q and decodes to %q", r, u.path, decoded)
				}
			}
			path = decoded
		}
	})
}

func FuzzParseURL(f *testing.F) {
	for _, s := range []string{"http://example.com/a?b#c", "https://[::1]:8443//x", "http://user@h/", "http://0x7f.1/", "http://bücher.example./", "HTTP://A:1?", "http://a\\b", "http://127.0.0.1:80"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := ParseURL(s)
		if err != nil {
			return
		}
		if u.port == 0 || u.host == "" || u.target == "" || u.target[0] != '/' || !strings.HasPrefix(u.target, u.path) || strings.ContainsAny(u.target, "# \r\n") {
			t.Fatalf("%q: %+v", s, u)
		}
		// The standard library sees the same host in what is sent.
		std, err := url.Parse(u.Origin())
		if err != nil || std.Hostname() != u.host || std.User != nil {
			t.Fatalf("%q: %s: %v, %v", s, u.Origin(), std, err)
		}
		again, err := ParseURL(u.Origin() + u.target)
		if err != nil || again.host != u.host || again.port != u.port || again.target != u.target {
			t.Fatalf("%q: %+v reads back as %+v, %v", s, u, again, err)
		}
		if addr, err := netip.ParseAddr(u.host); (err == nil) != u.literal.IsValid() || err == nil && addr != u.literal {
			t.Fatalf("%q: the host %q is read as %v", s, u.host, u.literal)
		}
	})
}

func FuzzGuard(f *testing.F) {
	for _, tt := range classCases {
		for _, s := range tt.addrs {
			f.Add(netip.MustParseAddr(s).AsSlice())
		}
	}
	g, _, _ := testGuard("203.0.114.77")
	public := newAllowance(nil)
	f.Fuzz(func(t *testing.T, b []byte) {
		addr, ok := netip.AddrFromSlice(b)
		if !ok {
			return
		}
		if g.Check(public, addr) != nil {
			return
		}
		if addr.IsPrivate() || addr.IsLoopback() || addr.IsLinkLocalUnicast() || addr.IsMulticast() || addr.IsUnspecified() || addr.Is4In6() || publicOnly.SafeAddr(addr) != nil {
			t.Fatalf("%s is public", addr)
		}
		if addr.Is4() {
			for _, w := range wrappings(addr) {
				if g.Check(public, w) == nil {
					t.Fatalf("%s is public", w)
				}
			}
		}
	})
}
