//! JSON without loss: values stay the text they were sent as until someone asks for them.
//!
//! [`RawValue`] is a piece of JSON text that is known to be well-formed. [`Object`] is one level of an object, its
//! values still raw. Together they let a connector look at a document of megabytes without building it, and pass
//! numbers and key order on unchanged.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use crate::scan::{Scanner, skip_plain, skip_space, value_end};

/// One JSON value as the text that was sent, without the white space around it.
#[derive(PartialEq, Eq)]
#[repr(transparent)]
pub struct RawValue(str);

impl RawValue {
    /// Takes a text for a value; None if it is not one JSON value. Arrays and objects may be as deep as they like.
    pub fn parse(text: &str) -> Option<&Self> {
        let mut scanner = Scanner::new(text);
        let value = scanner.value()?;
        scanner.end().map(|()| value)
    }

    /// The value's text.
    pub fn get(&self) -> &str {
        &self.0
    }

    pub(crate) fn unchecked(text: &str) -> &Self {
        // SAFETY: the type is transparent, so that both references have the same layout.
        unsafe { &*(text as *const str as *const RawValue) }
    }
}

impl fmt::Display for RawValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RawValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RawValue").field(&&self.0).finish()
    }
}

/// Checks that `text` is one JSON value (RFC 8259) whose arrays and objects are no deeper than `max_depth`. One pass, no
/// recursion.
///
/// # Errors
/// The offset in bytes of the first byte that is wrong.
pub fn validate(text: &str, max_depth: usize) -> Result<(), usize> {
    let bytes = text.as_bytes();
    let end = skip_space(bytes, value_end(bytes, 0, max_depth)?);
    if end == bytes.len() { Ok(()) } else { Err(end) }
}

/// The members of one JSON object, in the order they were sent, with their values still raw.
#[derive(Debug, Clone, Default)]
pub struct Object<'a> {
    members: Vec<(Cow<'a, str>, &'a RawValue)>,
}

impl<'a> Object<'a> {
    /// Reads one level of an object. A name that occurs again replaces the earlier value and keeps its place.
    /// None if the text is no JSON object.
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut object = Object::parse_unique(text)?;
        if object.may_repeat() {
            object.merge_repeated();
        }
        Some(object)
    }

    /// As [`parse`](Object::parse), for text whose names are known to differ.
    pub(crate) fn parse_unique(text: &'a str) -> Option<Self> {
        let mut scanner = Scanner::new(text);
        let object = Object::scan(&mut scanner)?;
        scanner.end().map(|()| object)
    }

    pub(crate) fn scan(scanner: &mut Scanner<'a>) -> Option<Self> {
        let mut members = Vec::with_capacity(8);
        scanner.object(|scanner, name| {
            members.push((name, scanner.value()?));
            Some(())
        })?;
        Some(Object { members })
    }

    /// The value of a member, by its name.
    pub fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.members.iter().find(|(key, _)| key == name).map(|(_, value)| *value)
    }

    /// All members in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.members.iter().map(|(key, value)| (key.as_ref(), *value))
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Few names are compared with one another, which takes no memory.
    fn may_repeat(&self) -> bool {
        const FEW: usize = 16;
        let is_repeated =
            |(i, (name, _)): (usize, &(Cow<str>, _))| self.members[..i].iter().any(|(key, _)| key == name);
        self.members.len() > FEW || self.members.iter().enumerate().any(is_repeated)
    }

    fn merge_repeated(&mut self) {
        let mut first = BTreeMap::new();
        let mut repeated = Vec::new();
        for (place, (name, _)) in self.members.iter().enumerate() {
            let earlier = *first.entry(name.as_ref()).or_insert(place);
            if earlier != place {
                repeated.push((earlier, place));
            }
        }
        for &(earlier, place) in &repeated {
            self.members[earlier].1 = self.members[place].1;
        }
        let mut repeated = repeated.into_iter().map(|(_, place)| place).peekable();
        let mut place = 0;
        self.members.retain(|_| {
            let drop = repeated.next_if_eq(&place).is_some();
            place += 1;
            !drop
        });
    }
}

impl<'a> IntoIterator for Object<'a> {
    type Item = (Cow<'a, str>, &'a RawValue);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.members.into_iter()
    }
}

/// The value of a JSON string; None for any other value, and for a string that is no Unicode text (a lone surrogate).
pub fn string(value: &RawValue) -> Option<Cow<'_, str>> {
    Scanner::new(value.get()).string()
}

/// A string's value, or the JSON text of a number or boolean as it was sent. None for null, arrays and objects.
pub fn scalar(value: &RawValue) -> Option<Cow<'_, str>> {
    match value.get().as_bytes().first()? {
        b'"' => string(value),
        b'{' | b'[' | b'n' => None,
        _ => Some(Cow::Borrowed(value.get())),
    }
}

/// The elements of a JSON array, still raw; None for any other value.
pub fn array(value: &RawValue) -> Option<Vec<&RawValue>> {
    let mut elements = Vec::new();
    Scanner::new(value.get()).array(|scanner| {
        elements.push(scanner.value()?);
        Some(())
    })?;
    Some(elements)
}

/// Whether the value is `null`.
pub fn is_null(value: &RawValue) -> bool {
    value.get() == "null"
}

/// Appends `text` as a JSON string, quotes included.
pub fn push_string(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    let mut copied = 0;
    loop {
        let at = skip_plain(bytes, copied);
        out.extend_from_slice(&bytes[copied..at]);
        let Some(&byte) = bytes.get(at) else { break };
        push_escaped(out, byte);
        copied = at + 1;
    }
    out.push(b'"');
}

fn push_escaped(out: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let short = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        0x0C => b'f',
        b'\r' => b'r',
        _ => {
            out.extend_from_slice(b"\\u00");
            return out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

/// Appends a number.
pub(crate) fn push_integer(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return out.extend_from_slice(&digits[at..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> &RawValue {
        RawValue::parse(text).expect("test value")
    }

    #[test]
    fn object_keeps_order_and_the_last_of_repeated_names() {
        for (text, want) in [
            (r#"{}"#, ""),
            (r#"{"b":1,"a":2}"#, "b=1 a=2"),
            (r#"{"a":1,"b":2,"a":3,"c":4,"b":5,"a":6}"#, "a=6 b=5 c=4"),
            (r#"{"A":1.0,"A":12345678901234567890123}"#, "A=12345678901234567890123"),
        ] {
            let object = Object::parse(text).expect(text);
            let got: Vec<_> = object.iter().map(|(name, value)| format!("{name}={value}")).collect();
            assert_eq!(got.join(" "), want, "{text}");
        }
    }

    #[test]
    fn object_refuses_what_is_none() {
        for text in ["", "[]", "null", "1", r#""{}""#, r#"{"a":}"#, r#"{"a":1,}"#, r#"{"a":1}x"#, r#"{"\ud800":1}"#] {
            assert!(Object::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn scalars_keep_their_text() {
        for (text, want) in [
            (r#""a""#, Some("a")),
            (r#""a\n\u00e9""#, Some("a\né")),
            (r#""\ud800""#, None),
            (r#""\"""#, Some("\"")),
            ("1.0", Some("1.0")),
            ("-0", Some("-0")),
            ("1e5", Some("1e5")),
            ("true", Some("true")),
            ("null", None),
            ("[]", None),
            ("{}", None),
        ] {
            assert_eq!(scalar(raw(text)).as_deref(), want, "{text}");
        }
    }

    #[test]
    fn values_lose_white_space_around_them() {
        for (text, want) in [("1", Some("1")), (" [ 1 ] \n", Some("[ 1 ]")), ("1 2", None), ("", None)] {
            assert_eq!(RawValue::parse(text).map(RawValue::get), want, "{text}");
        }
    }

    #[test]
    fn arrays_are_taken_apart() {
        for (text, want) in
            [("[]", Some("")), (r#"[ 1,"a,b" , [2,3]]"#, Some("1|\"a,b\"|[2,3]")), ("{}", None), ("1", None)]
        {
            let got = array(raw(text)).map(|elements| elements.iter().map(|e| e.get()).collect::<Vec<_>>().join("|"));
            assert_eq!(got.as_deref(), want, "{text}");
        }
    }

    #[test]
    fn many_names_are_merged_too() {
        let text: Vec<_> = (0..100).map(|i| format!("\"{}\":{i}", i % 50)).collect();
        let text = format!("{{{}}}", text.join(","));
        let object = Object::parse(&text).expect("an object");
        let got: Vec<u32> = object.iter().filter_map(|(_, value)| value.get().parse().ok()).collect();
        assert_eq!(got, (50..100).collect::<Vec<_>>());
    }

    /// Every character below U+0100, alone and behind and before others, is written as serde_json writes it.
    #[test]
    fn strings_are_escaped() {
        for c in '\0'..'\u{100}' {
            for text in [format!("{c}"), format!("0123456{c}"), format!("01234567{c}é{c}012345678")] {
                let mut out = Vec::new();
                push_string(&mut out, &text);
                assert_eq!(out, serde_json::to_vec(&text).expect("JSON"), "{text:?}");
            }
        }
    }

    #[test]
    fn integers() {
        for number in [0, 7, 10, 599, 300_000, u64::MAX] {
            let mut out = Vec::new();
            push_integer(&mut out, number);
            assert_eq!(out, number.to_string().as_bytes());
        }
    }
}
