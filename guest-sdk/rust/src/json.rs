//! JSON without loss: values stay the text they were sent as until someone asks for them.
//!
//! [`RawValue`] is a piece of JSON text that is known to be well-formed. [`Object`] is one level of an object, its
//! values still raw. Together they let a connector look at a document of megabytes without building it, and pass
//! numbers and key order on unchanged.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
pub use serde_json::value::RawValue;

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
        object.merge_repeated();
        Some(object)
    }

    /// As [`parse`](Object::parse), for text whose names are known to differ.
    pub(crate) fn parse_unique(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok()
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

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::with_capacity(8);
                while let Some((Text(name), value)) = map.next_entry()? {
                    members.push((name, value));
                }
                Ok(Object { members })
            }
        }

        deserializer.deserialize_map(Members)
    }
}

/// A JSON string, borrowed from the text wherever it has no escape.
pub(crate) struct Text<'a>(pub Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Str;

        impl<'de> Visitor<'de> for Str {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(Str)
    }
}

/// The value of a JSON string; None for any other value, and for a string that is no Unicode text (a lone surrogate).
pub fn string(value: &RawValue) -> Option<Cow<'_, str>> {
    let text = value.get();
    match text.strip_prefix('"')?.strip_suffix('"') {
        Some(inner) if !inner.contains('\\') => Some(Cow::Borrowed(inner)),
        _ => serde_json::from_str::<Text>(text).ok().map(|text| text.0),
    }
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
    serde_json::from_str(value.get()).ok()
}

/// Whether the value is `null`.
pub fn is_null(value: &RawValue) -> bool {
    value.get() == "null"
}

/// Appends `text` as a JSON string, quotes included.
pub fn push_string(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("a string is always JSON, and a Vec takes any bytes");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> &RawValue {
        serde_json::from_str(text).expect("test value")
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
        for text in ["", "[]", "null", "1", r#""{}""#, r#"{"a":}"#, r#"{"a":1}x"#] {
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
    fn strings_are_escaped() {
        let mut out = Vec::new();
        push_string(&mut out, "a\"\\\n\u{1}é");
        assert_eq!(out, "\"a\\\"\\\\\\n\\u0001é\"".as_bytes());
    }
}
