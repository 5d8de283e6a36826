//! A URL taken apart, its parts as they were written.

use super::Refusal;

/// The parts of a URL as they were written.
pub(super) struct Parts<'a> {
    pub scheme: &'a str,
    pub userinfo: Option<&'a str>,
    pub host: &'a str,
    pub port: Option<u16>,
    pub path: &'a str,
    pub query: Option<&'a str>,
}

impl<'a> Parts<'a> {
    pub fn split(text: &'a str) -> Result<Self, Refusal> {
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

    pub fn default_port(&self) -> u16 {
        if self.scheme.eq_ignore_ascii_case("https") { 443 } else { 80 }
    }
}

/// As [`str::split_once`], for an ASCII character: a URL is too short for a search that takes preparation.
fn split_once(text: &str, at: u8) -> Option<(&str, &str)> {
    let at = text.bytes().position(|byte| byte == at)?;
    Some((&text[..at], &text[at + 1..]))
}

/// Whether a host is written as four numbers, of any size.
pub(super) fn is_dotted_quad(host: &str) -> bool {
    let mut parts = 0;
    let are_numbers = host.as_bytes().split(|&byte| byte == b'.').all(|part| {
        parts += 1;
        !part.is_empty() && part.iter().all(u8::is_ascii_digit)
    });
    are_numbers && parts == 4
}

/// The scheme, and what comes behind its colon.
pub(super) fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = split_once(text, b':')?;
    let is_scheme = scheme.as_bytes().first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'.' | b'-'));
    is_scheme.then_some((scheme, rest))
}
