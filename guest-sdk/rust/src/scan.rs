//! Goes over JSON text (RFC 8259) without building it.

use std::borrow::Cow;

use crate::json::RawValue;

/// Goes over JSON text piece by piece, and over white space in front of each piece. None from any function means that
/// the text is not what it asks for.
pub(crate) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Scanner { text, at: 0 }
    }

    /// An object. `member` is called behind each name and its colon, and goes over the value.
    pub(crate) fn object(&mut self, mut member: impl FnMut(&mut Self, Cow<'a, str>) -> Option<()>) -> Option<()> {
        self.list(b'{', b'}', |scanner| {
            let name = scanner.string()?;
            scanner.expect(b':')?;
            member(scanner, name)
        })
    }

    /// An array. `element` goes over one element.
    pub(crate) fn array(&mut self, element: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.list(b'[', b']', element)
    }

    /// A string's value. None also for one that is no Unicode text (a lone surrogate).
    pub(crate) fn string(&mut self) -> Option<Cow<'a, str>> {
        self.expect(b'"')?;
        let bytes = self.text.as_bytes();
        let start = self.at;
        let plain = skip_plain(bytes, start);
        if bytes.get(plain) == Some(&b'"') {
            self.at = plain + 1;
            return Some(Cow::Borrowed(&self.text[start..plain]));
        }
        self.at = string_end(bytes, plain).ok()?;
        serde_json::from_str(&self.text[start - 1..self.at]).ok().map(Cow::Owned)
    }

    /// Any value.
    pub(crate) fn value(&mut self) -> Option<&'a RawValue> {
        let bytes = self.text.as_bytes();
        let start = skip_space(bytes, self.at);
        self.at = value_end(bytes, start, usize::MAX).ok()?;
        Some(RawValue::unchecked(&self.text[start..self.at]))
    }

    /// The end of the text.
    pub(crate) fn end(self) -> Option<()> {
        (skip_space(self.text.as_bytes(), self.at) == self.text.len()).then_some(())
    }

    #[inline(always)]
    fn list(&mut self, open: u8, close: u8, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.expect(open)?;
        if self.expect(close).is_some() {
            return Some(());
        }
        loop {
            item(self)?;
            if self.expect(b',').is_none() {
                return self.expect(close);
            }
        }
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        let bytes = self.text.as_bytes();
        self.at = skip_space(bytes, self.at);
        (bytes.get(self.at) == Some(&byte)).then(|| self.at += 1)
    }
}

/// Which arrays and objects are open, one bit each, set for an object. The innermost 64 need no memory.
#[derive(Default)]
struct Open {
    depth: usize,
    inner: u64,
    outer: Vec<u64>,
}

impl Open {
    fn push(&mut self, is_object: bool) {
        if self.depth % 64 == 0 && self.depth > 0 {
            self.outer.push(self.inner);
        }
        self.inner = self.inner << 1 | u64::from(is_object);
        self.depth += 1;
    }

    fn pop(&mut self) {
        self.depth -= 1;
        self.inner >>= 1;
        if self.depth % 64 == 0 && self.depth > 0 {
            self.inner = self.outer.pop().unwrap_or_default();
        }
    }

    fn is_object(&self) -> bool {
        self.inner & 1 == 1
    }
}

/// Where the value ends that begins at or behind `at`, with arrays and objects at most `max_depth` deep. No recursion.
///
/// # Errors
/// The offset of the first byte that is wrong.
pub(crate) fn value_end(bytes: &[u8], mut at: usize, max_depth: usize) -> Result<usize, usize> {
    let mut open = Open::default();
    let mut is_name = false;
    loop {
        at = skip_space(bytes, at);
        let byte = *bytes.get(at).ok_or(at)?;
        match byte {
            b'"' => {
                at = string_end(bytes, at + 1)?;
                if is_name {
                    at = skip_space(bytes, at);
                    if bytes.get(at) != Some(&b':') {
                        return Err(at);
                    }
                    at += 1;
                    is_name = false;
                    continue;
                }
            }
            _ if is_name => return Err(at),
            b'{' | b'[' => {
                if open.depth == max_depth {
                    return Err(at);
                }
                is_name = byte == b'{';
                open.push(is_name);
                at = skip_space(bytes, at + 1);
                // A closing bracket is two behind its opening one in ASCII.
                if bytes.get(at) != Some(&(byte + 2)) {
                    continue;
                }
                at += 1;
                open.pop();
            }
            b't' => at = word_end(bytes, at, b"true")?,
            b'f' => at = word_end(bytes, at, b"false")?,
            b'n' => at = word_end(bytes, at, b"null")?,
            _ => at = number_end(bytes, at).ok_or(at)?,
        }
        // Behind a value.
        loop {
            if open.depth == 0 {
                return Ok(at);
            }
            at = skip_space(bytes, at);
            match *bytes.get(at).ok_or(at)? {
                b',' => {
                    at += 1;
                    is_name = open.is_object();
                    break;
                }
                byte if byte == (if open.is_object() { b'}' } else { b']' }) => {
                    at += 1;
                    open.pop();
                }
                _ => return Err(at),
            }
        }
    }
}

/// The first byte at or behind `at` that is no white space. Most tokens have none in front.
#[inline(always)]
pub(crate) fn skip_space(bytes: &[u8], at: usize) -> usize {
    if is_space(bytes, at) { space_end(bytes, at + 1) } else { at }
}

#[inline(never)]
fn space_end(bytes: &[u8], mut at: usize) -> usize {
    while is_space(bytes, at) {
        at += 1;
    }
    at
}

fn is_space(bytes: &[u8], at: usize) -> bool {
    matches!(bytes.get(at), Some(b' ' | b'\n' | b'\r' | b'\t'))
}

/// Where a string ends, behind its quote. `at` is behind the quote at its begin.
#[inline(always)]
fn string_end(bytes: &[u8], mut at: usize) -> Result<usize, usize> {
    loop {
        at = skip_plain(bytes, at);
        match *bytes.get(at).ok_or(at)? {
            b'"' => return Ok(at + 1),
            b'\\' => at = escape_end(bytes, at)?,
            _ => return Err(at),
        }
    }
}

/// The first byte at or behind `at` that a string holds only escaped: a quote, backslash or control character.
#[inline(always)]
pub(crate) fn skip_plain(bytes: &[u8], mut at: usize) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    // The lowest bit set is at the first byte below `limit`: a borrow only ever goes up.
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word;
    while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        let word = u64::from_le_bytes(*chunk);
        let quote = below(word ^ (ONES * u64::from(b'"')), 1);
        let backslash = below(word ^ (ONES * u64::from(b'\\')), 1);
        let found = (quote | backslash | below(word, 0x20)) & HIGH;
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while at < bytes.len() && !matches!(bytes[at], b'"' | b'\\' | 0x00..0x20) {
        at += 1;
    }
    at
}

fn escape_end(bytes: &[u8], at: usize) -> Result<usize, usize> {
    match *bytes.get(at + 1).ok_or(at)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(at + 2),
        b'u' if bytes.get(at + 2..at + 6).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) => Ok(at + 6),
        _ => Err(at),
    }
}

fn word_end<const N: usize>(bytes: &[u8], at: usize, word: &[u8; N]) -> Result<usize, usize> {
    if bytes[at..].first_chunk() == Some(word) { Ok(at + N) } else { Err(at) }
}

#[inline(always)]
fn number_end(bytes: &[u8], start: usize) -> Option<usize> {
    let is = |at: usize, byte: u8| bytes.get(at) == Some(&byte);
    let digits = |start: usize| {
        let mut at = start;
        while at < bytes.len() && bytes[at].is_ascii_digit() {
            at += 1;
        }
        (at > start).then_some(at)
    };
    let mut at = start + usize::from(is(start, b'-'));
    at = if is(at, b'0') { at + 1 } else { digits(at)? };
    if !matches!(bytes.get(at), Some(b'.' | b'e' | b'E')) {
        return Some(at);
    }
    if is(at, b'.') {
        at = digits(at + 1)?;
    }
    if is(at, b'e') || is(at, b'E') {
        at += 1;
        at = digits(at + usize::from(is(at, b'+') || is(at, b'-')))?;
    }
    Some(at)
}

#[cfg(test)]
mod tests;
