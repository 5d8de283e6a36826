//! URLs: taken apart by hand, and put together as the clients do that models were written against.

use std::borrow::Cow;
use std::net::Ipv4Addr;

use crate::percent::{PATH_V1, PATH_V2, QUERY_V1, QUERY_V2, push_encoded, push_normalised, requote};

/// An http or https URL in the form in which it is sent: scheme and host in lower case, no default port, no user
/// information, no fragment, path never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    text: String,
    authority: usize,
    path: usize,
    query: usize,
}

/// Why a text is no URL that can be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There is no scheme.
    NoScheme,
    /// The scheme is neither http nor https.
    Scheme,
    /// Anything else; the text completes "The URL …".
    Invalid(&'static str),
}

impl Refusal {
    /// A sentence for the caller. It quotes nothing of the URL.
    pub fn message(self) -> String {
        match self {
            Refusal::NoScheme => "The URL must begin with http:// or https://.".to_owned(),
            Refusal::Scheme => "The URL's scheme must be http or https.".to_owned(),
            Refusal::Invalid(problem) => format!("The URL {problem}."),
        }
    }
}

impl Url {
    /// Reads a URL as httpx does. `query` replaces the URL's own; an empty one removes it. Also returns the user
    /// information, still encoded.
    pub fn v1<'a>(text: &'a str, query: Option<&str>) -> Result<(Url, Option<&'a str>), Refusal> {
        if text.bytes().any(|byte| byte.is_ascii_control()) {
            return Err(Refusal::Invalid("must not hold control characters"));
        }
        let parts = Parts::split(text)?;
        if is_dotted_quad(parts.host) && parts.host.parse::<Ipv4Addr>().is_err() {
            return Err(Refusal::Invalid("has an IPv4 address that is none"));
        }
        let mut url = Url::begin(&parts, query.map_or(0, str::len));
        push_encoded(&mut url.text, &drop_dots_v1(parts.path), &PATH_V1);
        url.end_path();
        match query {
            Some("") => {}
            Some(query) => url.push_query(|text| text.push_str(query)),
            None => {
                if let Some(query) = parts.query {
                    url.push_query(|text| push_encoded(text, query, &QUERY_V1));
                }
            }
        }
        Ok((url, parts.userinfo))
    }

    /// Reads a URL as requests does. `query` is added to the URL's own. Also returns the user information, still
    /// encoded.
    pub fn v2<'a>(text: &'a str, query: &str) -> Result<(Url, Option<&'a str>), Refusal> {
        let text = text.trim_start();
        let is_http_like = text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("http"));
        if text.contains(':') && !is_http_like {
            return Err(Refusal::Scheme);
        }
        let parts = Parts::split(text)?;
        if parts.host.starts_with(['*', '.']) {
            return Err(Refusal::Invalid("has a host name that is none"));
        }
        let mut url = Url::begin(&parts, query.len());
        let mut path = String::with_capacity(parts.path.len());
        push_normalised(&mut path, &drop_dots_v2(parts.path), &PATH_V2);
        push_normalised(&mut url.text, &requote(&path), &PATH_V2);
        url.end_path();

        let mut all = String::new();
        push_normalised(&mut all, parts.query.unwrap_or_default(), &QUERY_V2);
        if !all.is_empty() && !query.is_empty() {
            all.push('&');
        }
        all.push_str(query);
        let all = requote(all.split('#').next().unwrap_or_default());
        if !all.is_empty() {
            url.push_query(|text| push_normalised(text, &all, &QUERY_V2));
        }
        Ok((url, parts.userinfo))
    }

    fn begin(parts: &Parts, more: usize) -> Url {
        let mut text = String::with_capacity(parts.scheme.len() + parts.host.len() + parts.path.len() + more + 32);
        text.push_str(parts.scheme);
        text.push_str("://");
        let authority = text.len();
        text.push_str(parts.host);
        text.make_ascii_lowercase();
        if parts.port.is_some_and(|port| port != parts.default_port()) {
            text.push(':');
            text.push_str(&parts.port.unwrap_or_default().to_string());
        }
        Url { authority, path: text.len(), query: 0, text }
    }

    fn end_path(&mut self) {
        if self.text.len() == self.path {
            self.text.push('/');
        }
        self.query = self.text.len();
    }

    fn push_query(&mut self, push: impl FnOnce(&mut String)) {
        self.text.push('?');
        push(&mut self.text);
    }

    /// The whole URL.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Host, and port unless it is the scheme's own.
    pub fn authority(&self) -> &str {
        &self.text[self.authority..self.path]
    }

    /// Scheme and authority.
    pub fn origin(&self) -> &str {
        &self.text[..self.path]
    }

    /// Whether credentials for this URL may go to `other`: the origin is the same, or it became https on the same host
    /// with both ports the scheme's own.
    pub fn shares_credentials_with(&self, other: &Url) -> bool {
        let has_port = self.authority().rsplit(']').next().unwrap_or_default().contains(':');
        let is_upgrade = self.text.starts_with("http:") && other.text.starts_with("https:") && !has_port;
        self.origin() == other.origin() || is_upgrade && self.authority() == other.authority()
    }

    /// Makes a reference absolute, as seen from this URL (RFC 3986, section 5.2). What already is absolute stays as it
    /// is, whatever its scheme.
    pub fn join<'r>(&self, reference: &'r str) -> Cow<'r, str> {
        let reference = reference.split('#').next().unwrap_or_default();
        if split_scheme(reference).is_some() {
            return Cow::Borrowed(reference);
        }
        let scheme = &self.text[..self.authority - "//".len()];
        let (path, query) = (&self.text[self.path..self.query], &self.text[self.query..]);
        Cow::Owned(match reference.as_bytes() {
            [] => [self.origin(), path, query].concat(),
            [b'/', b'/', ..] => [scheme, reference].concat(),
            [b'/', ..] => [self.origin(), reference].concat(),
            [b'?', ..] => [self.origin(), path, reference].concat(),
            _ => {
                let folder = path.rfind('/').map_or("/", |slash| &path[..=slash]);
                [self.origin(), folder, reference].concat()
            }
        })
    }
}

/// The parts of a URL as they were written.
struct Parts<'a> {
    scheme: &'a str,
    userinfo: Option<&'a str>,
    host: &'a str,
    port: Option<u16>,
    path: &'a str,
    query: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn split(text: &'a str) -> Result<Self, Refusal> {
        let (scheme, rest) = split_scheme(text).ok_or(Refusal::NoScheme)?;
        if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
            return Err(Refusal::Scheme);
        }
        let rest = rest.strip_prefix("//").ok_or(Refusal::Invalid("has no host"))?;
        let end = rest.bytes().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        let rest = split_once(rest, b'#').map_or(rest, |(rest, _)| rest);
        let (path, query) = match split_once(rest, b'?') {
            Some((path, query)) => (path, Some(query)),
            None => (rest, None),
        };
        let (userinfo, host_and_port) = match authority.bytes().rposition(|byte| byte == b'@') {
            Some(at) => (Some(&authority[..at]), &authority[at + 1..]),
            None => (None, authority),
        };
        let host_end = match host_and_port.starts_with('[') {
            true => {
                host_and_port.find(']').ok_or(Refusal::Invalid("has an address in brackets that does not end"))? + 1
            }
            false => host_and_port.bytes().position(|byte| byte == b':').unwrap_or(host_and_port.len()),
        };
        let (host, port) = host_and_port.split_at(host_end);
        if host.is_empty() {
            return Err(Refusal::Invalid("has no host"));
        }
        // A backslash ends the host for some readers and not for others: what is checked must be what is asked.
        if authority.bytes().any(|byte| byte == b'\\') || host.bytes().any(|byte| byte <= b' ' || byte == 0x7F) {
            return Err(Refusal::Invalid("has a host name that is none"));
        }
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => None,
            Some("") => None,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(digits.parse().map_err(|_| Refusal::Invalid("has a port above 65535"))?)
            }
            _ => return Err(Refusal::Invalid("has a port that is no number")),
        };
        Ok(Parts { scheme, userinfo, host, port, path, query })
    }

    fn default_port(&self) -> u16 {
        if self.scheme.eq_ignore_ascii_case("https") { 443 } else { 80 }
    }
}

/// As [`str::split_once`], for an ASCII character: a URL is too short for a search that takes preparation.
fn split_once(text: &str, at: u8) -> Option<(&str, &str)> {
    let at = text.bytes().position(|byte| byte == at)?;
    Some((&text[..at], &text[at + 1..]))
}

/// Whether a host is written as four numbers, of any size.
fn is_dotted_quad(host: &str) -> bool {
    let mut parts = 0;
    let are_numbers = host.as_bytes().split(|&byte| byte == b'.').all(|part| {
        parts += 1;
        !part.is_empty() && part.iter().all(u8::is_ascii_digit)
    });
    are_numbers && parts == 4
}

fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = split_once(text, b':')?;
    let is_scheme = scheme.as_bytes().first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'.' | b'-'));
    is_scheme.then_some((scheme, rest))
}

fn has_dots(path: &str) -> bool {
    path.bytes().any(|byte| byte == b'.') && path.split('/').any(|segment| matches!(segment, "." | ".."))
}

/// Removes `.` and `..`; a last one leaves no slash behind.
fn drop_dots_v1(path: &str) -> Cow<'_, str> {
    if !has_dots(path) {
        return Cow::Borrowed(path);
    }
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "." => {}
            ".." if kept.len() > 1 || kept.first().is_some_and(|first| !first.is_empty()) => drop(kept.pop()),
            ".." => {}
            _ => kept.push(segment),
        }
    }
    Cow::Owned(kept.join("/"))
}

/// Removes `.` and `..`; a last one leaves its slash behind (RFC 3986, section 5.2.4).
fn drop_dots_v2(path: &str) -> Cow<'_, str> {
    if !has_dots(path) {
        return Cow::Borrowed(path);
    }
    let mut kept = Vec::new();
    for segment in path.split('/').skip(1) {
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            _ => kept.push(segment),
        }
    }
    let ends_in_dots = path.ends_with("/.") || path.ends_with("/..");
    Cow::Owned(format!("/{}{}", kept.join("/"), if ends_in_dots && !kept.is_empty() { "/" } else { "" }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_generation() {
        for (text, query, want) in [
            ("http://example.com", None, "http://example.com/"),
            ("HTTP://User:p%40ss@EXAMPLE.com:80/A", None, "http://example.com/A"),
            ("https://example.com:80?", None, "https://example.com:80/?"),
            ("https://example.com:443/a#f?x", None, "https://example.com/a"),
            ("http://example.com:/a", None, "http://example.com/a"),
            ("http://[::1]:8080/", None, "http://[::1]:8080/"),
            ("http://bücher.example/ü?ü", None, "http://bücher.example/%C3%BC?%C3%BC"),
            ("http://h/echo?q=a b&u=é", None, "http://h/echo?q=a%20b&u=%C3%A9"),
            ("http://h/a/./b/../c", None, "http://h/a/c"),
            ("http://h/a/b/..", None, "http://h/a"),
            ("http://h/..", None, "http://h/"),
            ("http://h/../../x", None, "http://h/x"),
            ("http://h/a.b/..c", None, "http://h/a.b/..c"),
            ("http://h/echo?q=1", Some("a=1"), "http://h/echo?a=1"),
            ("http://h/echo?q=1", Some(""), "http://h/echo"),
            ("http://h?x", Some("a=1"), "http://h/?a=1"),
            ("http://a@b@h/", None, "http://h/"),
        ] {
            assert_eq!(Url::v1(text, query).map(|(url, _)| url.text), Ok(want.to_owned()), "{text}");
        }
        assert_eq!(Url::v1("http://u:p@x@h/", None).unwrap().1, Some("u:p@x"));
        assert_eq!(Url::v1("http://h/", None).unwrap().1, None);
    }

    #[test]
    fn second_generation() {
        for (text, query, want) in [
            (" \t\nhttp://example.com", "", "http://example.com/"),
            ("http://h/echo?q=1", "a=1&b=2", "http://h/echo?q=1&a=1&b=2"),
            ("http://h/echo?", "a=1", "http://h/echo?a=1"),
            ("http://h/echo?", "", "http://h/echo"),
            ("http://h/echo#f", "a=1 2#x", "http://h/echo?a=1%202"),
            ("http://h/é b?[x]=|", "", "http://h/%C3%A9%20b?%5Bx%5D=%7C"),
            ("http://h/%7e%41%2f", "", "http://h/~A%2F"),
            ("http://h/100%", "", "http://h/100%25"),
            ("http://h/a/b/..", "", "http://h/a/"),
            ("http://h/..", "", "http://h/"),
            ("http://h/../x/./y", "", "http://h/x/y"),
        ] {
            assert_eq!(Url::v2(text, query).map(|(url, _)| url.text), Ok(want.to_owned()), "{text}");
        }
    }

    #[test]
    fn refusals() {
        let invalid = |got: Result<(Url, Option<&str>), Refusal>| matches!(got, Err(Refusal::Invalid(_)));
        for text in [
            "http://",
            "http:///x",
            "http:/x",
            "http:x",
            "http://h:x/",
            "http://h:65536/",
            "http://h:-1/",
            "http://[::1/",
            "http://[::1]x/",
            "http://:80/",
            "http://u@/",
            "http://a b/",
            "http://a\\@b/",
            "https://?x",
        ] {
            assert!(invalid(Url::v1(text, None)), "v1 {text}");
            assert!(invalid(Url::v2(text, "")), "v2 {text}");
        }
        for text in ["http://h/\n", "http://h/\u{7f}", "http://1.2.3.999/", "http://01.2.3.4/"] {
            assert!(invalid(Url::v1(text, None)), "{text}");
        }
        for text in ["http://*.h/", "http://.h/"] {
            assert!(invalid(Url::v2(text, "")), "{text}");
        }
        for (text, v1, v2) in [
            ("", Refusal::NoScheme, Refusal::NoScheme),
            ("nope", Refusal::NoScheme, Refusal::NoScheme),
            ("//h/x", Refusal::NoScheme, Refusal::NoScheme),
            (" ftp://h/x", Refusal::NoScheme, Refusal::Scheme),
            ("ftp://h/x", Refusal::Scheme, Refusal::Scheme),
            ("mailto:a@b", Refusal::Scheme, Refusal::Scheme),
            ("localhost:8080/x", Refusal::Scheme, Refusal::Scheme),
            ("httpx://h/x", Refusal::Scheme, Refusal::Scheme),
            ("://h/x", Refusal::NoScheme, Refusal::Scheme),
        ] {
            assert_eq!(Url::v1(text, None).err(), Some(v1), "v1 {text}");
            assert_eq!(Url::v2(text, "").err(), Some(v2), "v2 {text}");
        }
    }

    #[test]
    fn references() {
        let base = Url::v2("http://h:81/a/b?q=1", "").unwrap().0;
        for (reference, want) in [
            ("https://other/x", "https://other/x"),
            ("ftp://other/x", "ftp://other/x"),
            ("//other/x", "http://other/x"),
            ("/x?y", "http://h:81/x?y"),
            ("x", "http://h:81/a/x"),
            ("../x", "http://h:81/a/../x"),
            ("?z", "http://h:81/a/b?z"),
            ("#f", "http://h:81/a/b?q=1"),
            ("/x#f", "http://h:81/x"),
            ("x:y", "x:y"),
        ] {
            assert_eq!(base.join(reference), want, "{reference}");
        }
    }

    #[test]
    fn credentials() {
        for (from, to, want) in [
            ("http://h/a", "http://H:80/b", true),
            ("http://h/", "https://h/", true),
            ("http://[::1]/", "https://[::1]/", true),
            ("https://h/", "http://h/", false),
            ("http://h:81/", "https://h:81/", false),
            ("http://h/", "https://h:444/", false),
            ("http://h/", "http://h:81/", false),
            ("http://h/", "http://h.evil/", false),
        ] {
            let url = |text| Url::v2(text, "").unwrap().0;
            assert_eq!(url(from).shares_credentials_with(&url(to)), want, "{from} {to}");
        }
    }
}
