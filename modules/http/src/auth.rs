//! Basic authentication.

use std::borrow::Cow;

use crate::percent;

/// The value of an `Authorization` header (RFC 7617).
pub fn basic(username: &[u8], password: &[u8]) -> String {
    let mut out = String::from("Basic ");
    push_base64(&mut out, &[username, b":", password].concat());
    out
}

/// The bytes of `text` in ISO 8859-1 where it has only such characters, else in UTF-8.
pub fn latin1_or_utf8(text: &str) -> Cow<'_, [u8]> {
    if text.is_ascii() {
        return Cow::Borrowed(text.as_bytes());
    }
    match text.chars().map(|c| u8::try_from(u32::from(c))).collect() {
        Ok(bytes) => Cow::Owned(bytes),
        Err(_) => Cow::Borrowed(text.as_bytes()),
    }
}

/// User name and password of a URL's user information, decoded; None where both are empty.
pub fn from_userinfo(userinfo: Option<&str>) -> Option<(Cow<'_, str>, Cow<'_, str>)> {
    let userinfo = userinfo?;
    let (username, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
    let is_empty = username.is_empty() && password.is_empty();
    (!is_empty).then(|| (percent::decode(username), percent::decode(password)))
}

/// Base 64 with padding (RFC 4648, section 4).
fn push_base64(out: &mut String, bytes: &[u8]) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for chunk in bytes.chunks(3) {
        let byte = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..4 {
            let digit = group >> (18 - 6 * i) & 63;
            out.push(if i <= chunk.len() { ALPHABET[digit as usize] as char } else { '=' });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials() {
        for (username, password, want) in [
            ("user", "pass", "Basic dXNlcjpwYXNz"),
            ("user", "bad", "Basic dXNlcjpiYWQ="),
            ("", "", "Basic Og=="),
            ("a", "é", "Basic YTrDqQ=="),
        ] {
            assert_eq!(basic(username.as_bytes(), password.as_bytes()), want);
        }
        assert_eq!(basic(b"a", &latin1_or_utf8("é")), "Basic YTrp");
        assert_eq!(latin1_or_utf8("€").as_ref(), "€".as_bytes());
    }

    #[test]
    fn user_information() {
        for (userinfo, want) in [
            (None, None),
            (Some(""), None),
            (Some(":"), None),
            (Some("u"), Some(("u", ""))),
            (Some(":p"), Some(("", "p"))),
            (Some("u%40x:p%3a:q"), Some(("u@x", "p::q"))),
        ] {
            let got = from_userinfo(userinfo);
            assert_eq!(got.as_ref().map(|(u, p)| (u.as_ref(), p.as_ref())), want, "{userinfo:?}");
        }
    }
}
