//! Percent-encoding, as the clients encode that models were written against.

use std::borrow::Cow;

/// Which ASCII characters stay as they are.
pub struct Set([bool; 128]);

impl Set {
    /// Letters, digits, `-._~` and these.
    const fn unreserved_and(others: &str) -> Set {
        let mut set = [false; 128];
        let mut i = 0;
        while i < 128 {
            set[i] = (i as u8).is_ascii_alphanumeric() || matches!(i as u8, b'-' | b'.' | b'_' | b'~');
            i += 1;
        }
        let others = others.as_bytes();
        let mut i = 0;
        while i < others.len() {
            set[others[i] as usize] = true;
            i += 1;
        }
        Set(set)
    }

    fn has(&self, byte: u8) -> bool {
        byte < 128 && self.0[byte as usize]
    }
}

/// What the first generation leaves alone in a path, and in a query: the percent-encode sets of the URL standard. A `%`
/// is never escaped, so that escapes stay what they are.
pub const PATH_V1: Set = Set::unreserved_and("!$&'()*+,;=:@/[]\\^|%");
pub const QUERY_V1: Set = Set::unreserved_and("!$&'()*+,;=:@/[]\\^|?`{}%");
/// What RFC 3986 allows in a path, and in a query: the second generation.
pub const PATH_V2: Set = Set::unreserved_and("!$&'()*+,;=:@/");
pub const QUERY_V2: Set = Set::unreserved_and("!$&'()*+,;=:@/?");
/// What the second generation leaves alone when it quotes a whole URL once more.
const REQUOTED: Set = Set::unreserved_and("!#$&'()*+,/:;=?@[]");
const UNRESERVED: Set = Set::unreserved_and("");

fn push_escaped(out: &mut String, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    out.push('%');
    out.push(HEX[usize::from(byte >> 4)] as char);
    out.push(HEX[usize::from(byte & 15)] as char);
}

/// The value of the escape `%XX` at the start of `text`.
fn escape_at(text: &[u8]) -> Option<u8> {
    match text {
        [b'%', high, low, ..] => {
            let digit = |byte: u8| (byte as char).to_digit(16);
            Some((digit(*high)? << 4 | digit(*low)?) as u8)
        }
        _ => None,
    }
}

/// Appends `text`, with everything outside of `keep` escaped.
pub fn push_encoded(out: &mut String, text: &str, keep: &Set) {
    if text.bytes().all(|byte| keep.has(byte)) {
        return out.push_str(text);
    }
    for byte in text.bytes() {
        match keep.has(byte) {
            true => out.push(byte as char),
            false => push_escaped(out, byte),
        }
    }
}

/// As [`push_encoded`], but all or nothing: if one `%` begins no escape, every `%` is escaped. Digits of escapes become
/// upper case either way.
pub fn push_normalised(out: &mut String, text: &str, keep: &Set) {
    let bytes = text.as_bytes();
    let is_percent_encoded =
        bytes.iter().enumerate().all(|(i, &byte)| byte != b'%' || escape_at(&bytes[i..]).is_some());
    let mut i = 0;
    while i < bytes.len() {
        let is_escape = escape_at(&bytes[i..]).is_some();
        if keep.has(bytes[i]) || is_escape && is_percent_encoded {
            out.push(bytes[i] as char);
        } else {
            push_escaped(out, bytes[i]);
        }
        i += 1;
        if is_escape {
            out.extend(bytes[i..i + 2].iter().map(|digit| digit.to_ascii_uppercase() as char));
            i += 2;
        }
    }
}

/// Quotes a URL once more: escapes of unreserved characters are undone, and what no URL may hold is escaped. If a `%`
/// is followed by two letters or digits that are no escape, every `%` is escaped.
pub fn requote(url: &str) -> String {
    let bytes = url.as_bytes();
    let is_broken = |(i, _): (usize, &str)| {
        let mut next = url[i + 1..].chars();
        let is_pair = next.by_ref().take(2).filter(|c| c.is_alphanumeric()).count() == 2;
        is_pair && escape_at(&bytes[i..]).is_none()
    };
    let keep_percent = !url.match_indices('%').any(is_broken);
    let mut out = String::with_capacity(url.len());
    let mut i = 0;
    while i < bytes.len() {
        match escape_at(&bytes[i..]) {
            Some(byte) if keep_percent && UNRESERVED.has(byte) => {
                out.push(byte as char);
                i += 3;
                continue;
            }
            _ if REQUOTED.has(bytes[i]) || bytes[i] == b'%' && keep_percent => out.push(bytes[i] as char),
            _ => push_escaped(&mut out, bytes[i]),
        }
        i += 1;
    }
    out
}

/// Appends a name or value of a form: blanks as `+`, everything but letters, digits and `-._~` escaped.
pub fn push_form(out: &mut String, text: &str) {
    if text.bytes().all(|byte| UNRESERVED.has(byte)) {
        return out.push_str(text);
    }
    for &byte in text.as_bytes() {
        match byte {
            b' ' => out.push('+'),
            _ if UNRESERVED.has(byte) => out.push(byte as char),
            _ => push_escaped(out, byte),
        }
    }
}

/// Undoes escapes. Bytes that are no UTF-8 become U+FFFD.
pub fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let escaped = escape_at(&bytes[i..]);
        out.push(escaped.unwrap_or(bytes[i]));
        i += if escaped.is_some() { 3 } else { 1 };
    }
    Cow::Owned(String::from_utf8(out).unwrap_or_else(|bad| String::from_utf8_lossy(bad.as_bytes()).into_owned()))
}

/// Undoes [`push_form`].
pub fn decode_form(text: &str) -> Cow<'_, str> {
    match text.contains('+') {
        true => Cow::Owned(decode(&text.replace('+', " ")).into_owned()),
        false => decode(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(push: fn(&mut String, &str, &Set), text: &str, keep: &Set) -> String {
        let mut out = String::new();
        push(&mut out, text, keep);
        out
    }

    #[test]
    fn first_generation() {
        for (text, path, query) in [
            ("/plain-._~", "/plain-._~", "/plain-._~"),
            ("a b", "a%20b", "a%20b"),
            ("é", "%C3%A9", "%C3%A9"),
            ("%41%2f%e9", "%41%2f%e9", "%41%2f%e9"),
            ("100%", "100%", "100%"),
            ("%zz", "%zz", "%zz"),
            ("[]|\\^", "[]|\\^", "[]|\\^"),
            ("`{}\"<>", "%60%7B%7D%22%3C%3E", "`{}%22%3C%3E"),
            ("'!$&()*+,;=:@", "'!$&()*+,;=:@", "'!$&()*+,;=:@"),
            ("\u{10ffff}", "%F4%8F%BF%BF", "%F4%8F%BF%BF"),
        ] {
            assert_eq!(encoded(push_encoded, text, &PATH_V1), path, "path {text}");
            assert_eq!(encoded(push_encoded, text, &QUERY_V1), query, "query {text}");
        }
    }

    #[test]
    fn second_generation() {
        for (text, want) in [
            ("/a b", "/a%20b"),
            ("/é", "/%C3%A9"),
            ("/%2f%41", "/%2F%41"),
            ("/100%", "/100%25"),
            ("/%2f%zz", "/%252F%25zz"),
            ("/[]|", "/%5B%5D%7C"),
        ] {
            assert_eq!(encoded(push_normalised, text, &PATH_V2), want, "{text}");
        }
        for (text, want) in [
            ("/%41%7e%2f", "/A~%2f"),
            ("?a=1|2&b=[é]", "?a=1%7C2&b=[%C3%A9]"),
            ("/100%", "/100%"),
            ("/%z", "/%z"),
            ("/%zz%41", "/%25zz%2541"),
            ("/%é", "/%%C3%A9"),
            ("/%éa", "/%25%C3%A9a"),
        ] {
            assert_eq!(requote(text), want, "{text}");
        }
    }

    #[test]
    fn forms() {
        let mut out = String::new();
        push_form(&mut out, "a b+c&d=é~*/");
        assert_eq!(out, "a+b%2Bc%26d%3D%C3%A9~%2A%2F");
        assert_eq!(decode_form(&out), "a b+c&d=é~*/");
        for (text, want) in [("a", "a"), ("%", "%"), ("%4", "%4"), ("%41%zz", "A%zz"), ("%ff%C3%A9", "\u{fffd}é")] {
            assert_eq!(decode(text), want, "{text}");
        }
    }
}
