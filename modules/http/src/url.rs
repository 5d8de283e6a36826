//! URLs: taken apart by hand, and put together as the clients do that models were written against.

mod parts;

use std::borrow::Cow;
use std::net::Ipv4Addr;

use crate::percent::{PATH_V1, PATH_V2, QUERY_V1, QUERY_V2, push_encoded, push_normalised, requote};
use parts::{Parts, is_dotted_quad, split_scheme};

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
mod tests;
