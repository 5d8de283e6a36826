//! JSON as text: checked without being built, and written compactly without being rebuilt.

use std::borrow::Cow;

use sluice::json::RawValue;

/// How deep arrays and objects may stand in one another. Deeper text counts as no JSON: whoever reads the answer
/// recurses over it.
pub const MAX_DEPTH: usize = 512;

/// Checks that `text` is one JSON value (RFC 8259) no deeper than [`MAX_DEPTH`]. One pass, no allocation, no recursion.
///
/// # Errors
/// The offset of the first byte that is not.
pub fn validate(text: &str) -> Result<(), usize> {
    let mut scanner = Scanner { bytes: text.as_bytes(), at: 0 };
    scanner.document().ok_or(scanner.at)
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// Which containers are open, one bit each: set for an object.
struct Stack {
    bits: [u64; MAX_DEPTH / 64],
    depth: usize,
}

impl Stack {
    fn push(&mut self, is_object: bool) -> Option<()> {
        let (word, bit) = (self.depth / 64, self.depth % 64);
        let bits = self.bits.get_mut(word)?;
        *bits = *bits & !(1 << bit) | u64::from(is_object) << bit;
        self.depth += 1;
        Some(())
    }

    fn top_is_object(&self) -> bool {
        let top = self.depth - 1;
        self.bits[top / 64] >> (top % 64) & 1 == 1
    }
}

// None from any of these means that the text is wrong at `self.at`.
impl Scanner<'_> {
    fn document(&mut self) -> Option<()> {
        let mut open = Stack { bits: [0; MAX_DEPTH / 64], depth: 0 };
        loop {
            // At the start of a value.
            match self.token()? {
                b'{' => {
                    open.push(true)?;
                    self.at += 1;
                    if self.token()? != b'}' {
                        self.name()?;
                        continue;
                    }
                    self.at += 1;
                    open.depth -= 1;
                }
                b'[' => {
                    open.push(false)?;
                    self.at += 1;
                    if self.token()? != b']' {
                        continue;
                    }
                    self.at += 1;
                    open.depth -= 1;
                }
                b'"' => self.string()?,
                b't' => self.word(b"true")?,
                b'f' => self.word(b"false")?,
                b'n' => self.word(b"null")?,
                _ => self.number()?,
            }
            // Behind a value.
            loop {
                if open.depth == 0 {
                    return self.token().is_none().then_some(());
                }
                match (self.token()?, open.top_is_object()) {
                    (b',', true) => {
                        self.at += 1;
                        self.token()?;
                        self.name()?;
                        break;
                    }
                    (b',', false) => {
                        self.at += 1;
                        break;
                    }
                    (b'}', true) | (b']', false) => {
                        self.at += 1;
                        open.depth -= 1;
                    }
                    _ => return None,
                }
            }
        }
    }

    /// The next byte that is no white space.
    fn token(&mut self) -> Option<u8> {
        loop {
            match *self.bytes.get(self.at)? {
                b' ' | b'\n' | b'\r' | b'\t' => self.at += 1,
                byte => return Some(byte),
            }
        }
    }

    fn name(&mut self) -> Option<()> {
        if self.bytes[self.at] != b'"' {
            return None;
        }
        self.string()?;
        if self.token()? != b':' {
            return None;
        }
        self.at += 1;
        Some(())
    }

    fn string(&mut self) -> Option<()> {
        self.at += 1;
        loop {
            self.skip_plain();
            match *self.bytes.get(self.at)? {
                b'"' => {
                    self.at += 1;
                    return Some(());
                }
                b'\\' => self.escape()?,
                0x00..0x20 => return None,
                _ => self.at += 1,
            }
        }
    }

    /// Skips, eight bytes at a time, what holds no quote, backslash or control character.
    fn skip_plain(&mut self) {
        const ONES: u64 = u64::from_ne_bytes([1; 8]);
        const HIGH: u64 = ONES << 7;
        let has_zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGH != 0;
        while let Some(chunk) = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk()) {
            let word = u64::from_ne_bytes(*chunk);
            let has_control = word.wrapping_sub(ONES * 0x20) & !word & HIGH != 0;
            if has_control || has_zero(word ^ (ONES * u64::from(b'"'))) || has_zero(word ^ (ONES * u64::from(b'\\'))) {
                return;
            }
            self.at += 8;
        }
    }

    fn escape(&mut self) -> Option<()> {
        match *self.bytes.get(self.at + 1)? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.at += 2,
            b'u' => {
                let digits = self.bytes.get(self.at + 2..self.at + 6)?;
                if !digits.iter().all(u8::is_ascii_hexdigit) {
                    return None;
                }
                self.at += 6;
            }
            _ => return None,
        }
        Some(())
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.bytes[self.at..].starts_with(word).then(|| self.at += word.len())
    }

    fn number(&mut self) -> Option<()> {
        let peek = |at: usize| self.bytes.get(at).copied();
        let mut at = self.at + usize::from(peek(self.at) == Some(b'-'));
        let digits = |at: &mut usize| {
            let start = *at;
            while peek(*at).is_some_and(|byte| byte.is_ascii_digit()) {
                *at += 1;
            }
            *at > start
        };
        if peek(at) == Some(b'0') {
            at += 1;
        } else if !digits(&mut at) {
            return None;
        }
        if peek(at) == Some(b'.') {
            at += 1;
            if !digits(&mut at) {
                return None;
            }
        }
        if matches!(peek(at), Some(b'e' | b'E')) {
            at += 1;
            at += usize::from(matches!(peek(at), Some(b'+' | b'-')));
            if !digits(&mut at) {
                return None;
            }
        }
        self.at = at;
        Some(())
    }
}

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
