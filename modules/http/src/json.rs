//! JSON as text: written compactly without being rebuilt.

use std::borrow::Cow;

use sluice::json::RawValue;

/// How deep arrays and objects may stand in one another. Deeper text counts as no JSON: whoever reads the answer
/// recurses over it.
pub const MAX_DEPTH: usize = 512;

/// A value's text without white space between tokens, and with characters instead of the escapes that are not needed.
pub fn compact(value: &RawValue) -> Cow<'_, [u8]> {
    let text = value.get().as_bytes();
    let mut out = Vec::new();
    let mut copied = 0;
    let mut at = 0;
    let mut in_string = false;
    while at < text.len() {
        let (taken, put) = match text[at] {
            b'"' => {
                in_string = !in_string;
                (1, None)
            }
            b' ' | b'\n' | b'\r' | b'\t' if !in_string => (1, Some(None)),
            b'\\' => unescape(&text[at..]),
            _ => (1, None),
        };
        if let Some(put) = put {
            out.extend_from_slice(&text[copied..at]);
            copied = at + taken;
            if let Some(put) = put {
                out.extend_from_slice(char::encode_utf8(put, &mut [0; 4]).as_bytes());
            }
        }
        at += taken;
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    out.extend_from_slice(&text[copied..]);
    Cow::Owned(out)
}

/// The length of the escape at the start of `text`, and the character to write for it if it can do without.
fn unescape(text: &[u8]) -> (usize, Option<Option<char>>) {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix(b"\\u")?;
        u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    match (text.get(1), unit(0), unit(6)) {
        (Some(b'/'), ..) => (2, Some(Some('/'))),
        (_, Some(high @ 0xD800..0xDC00), Some(low @ 0xDC00..0xE000)) => {
            (12, Some(char::from_u32(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))))
        }
        (_, Some(0x00..0x20 | 0x22 | 0x5C), _) => (6, None),
        (_, Some(unit), _) => (6, char::from_u32(unit).map(Some)),
        _ => (2, None),
    }
}

/// Whether Python takes the value for true: all but false, null, zero, and what is empty.
pub fn is_truthy(value: &RawValue) -> bool {
    let text = value.get();
    match text.as_bytes()[0] {
        b'n' | b'f' => false,
        b't' => true,
        b'"' => text.len() > 2,
        b'[' | b'{' => text[1..text.len() - 1].bytes().any(|byte| !byte.is_ascii_whitespace()),
        _ => {
            let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
            mantissa.bytes().any(|byte| matches!(byte, b'1'..=b'9'))
        }
    }
}

#[cfg(test)]
mod tests;
