//! Request headers, from what a model gives as `headers`.

use std::borrow::Cow;
use std::fmt;

use sluice::json::{self as raw, Object, RawValue};

use crate::json::is_truthy;

/// The headers of a request in order; names as the caller spelt them.
#[derive(Debug, Clone, Default)]
pub struct Headers<'a> {
    pairs: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

/// Why headers cannot be sent. Names only: a value may be a credential.
#[derive(Debug, PartialEq, Eq)]
pub enum Invalid {
    /// The value is neither an object nor a list of pairs.
    Shape,
    /// The value of this header is no text, number or boolean.
    Value(String),
    /// The name or value of this header holds a line break.
    LineBreak(String),
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Invalid::Shape => f.write_str("headers must be an object or a list of pairs."),
            Invalid::Value(name) => write!(f, "The header {name:?} must be a string, a number or a boolean."),
            Invalid::LineBreak(name) => write!(f, "The header {name:?} must not hold a line break."),
        }
    }
}

impl<'a> Headers<'a> {
    /// Reads an object or a list of pairs; nothing, null and `""` are none.
    pub fn parse(value: Option<&'a RawValue>) -> Result<Self, Invalid> {
        let mut headers = Headers::default();
        let Some(value) = value.filter(|value| !matches!(value.get(), "null" | "\"\"")) else {
            return Ok(headers);
        };
        if let Some(members) = Object::parse(value.get()) {
            for (name, value) in members {
                headers.push_checked(name, value)?;
            }
            return Ok(headers);
        }
        for pair in raw::array(value).ok_or(Invalid::Shape)? {
            let [name, value] = raw::array(pair).ok_or(Invalid::Shape)?[..] else { return Err(Invalid::Shape) };
            headers.push_checked(raw::string(name).ok_or(Invalid::Shape)?, value)?;
        }
        Ok(headers)
    }

    /// As [`parse`](Headers::parse), but everything that Python takes for false is none, and so is a header of null.
    pub fn parse_lenient(value: Option<&'a RawValue>) -> Result<Self, Invalid> {
        let mut headers = Headers::default();
        let Some(value) = value.filter(|value| is_truthy(value)) else { return Ok(headers) };
        let Some(members) = Object::parse(value.get()) else { return Headers::parse(Some(value)) };
        for (name, value) in members.into_iter().filter(|(_, value)| !raw::is_null(value)) {
            headers.push_checked(name, value)?;
        }
        Ok(headers)
    }

    fn push_checked(&mut self, name: Cow<'a, str>, value: &'a RawValue) -> Result<(), Invalid> {
        let Some(value) = raw::scalar(value) else { return Err(Invalid::Value(name.into_owned())) };
        let breaks = |text: &str| text.bytes().any(|byte| matches!(byte, b'\r' | b'\n' | 0));
        if breaks(&name) || breaks(&value) {
            return Err(Invalid::LineBreak(name.into_owned()));
        }
        self.pairs.push((name, value));
        Ok(())
    }

    /// Whether there is a header of this name, in any spelling.
    pub fn has(&self, name: &str) -> bool {
        self.pairs.iter().any(|(key, _)| key.eq_ignore_ascii_case(name))
    }

    /// Replaces every header of this name.
    pub fn set(&mut self, name: &'static str, value: impl Into<Cow<'a, str>>) {
        self.remove(name);
        self.pairs.push((Cow::Borrowed(name), value.into()));
    }

    /// Adds a header unless there is one of this name.
    pub fn set_default(&mut self, name: &'static str, value: &'static str) {
        if !self.has(name) {
            self.pairs.push((Cow::Borrowed(name), Cow::Borrowed(value)));
        }
    }

    /// Removes every header of this name.
    pub fn remove(&mut self, name: &str) {
        self.pairs.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
    }

    /// Removes what may be meant for one service only: everything but the headers that any page may send anywhere. A
    /// key is as often in a header of its own as in `Authorization`.
    pub fn keep_impersonal(&mut self) {
        const IMPERSONAL: [&str; 5] = ["accept", "accept-language", "content-language", "content-type", "user-agent"];
        self.pairs.retain(|(key, _)| IMPERSONAL.iter().any(|name| key.eq_ignore_ascii_case(name)));
    }

    /// Makes the headers fit to send to `authority`: what the transport says by itself is left to it, and what every
    /// client says is said.
    pub fn finish(&mut self, authority: &str) {
        self.pairs.retain(|(name, value)| {
            let is = |other: &str| name.eq_ignore_ascii_case(other);
            let is_same_host = is("host") && value.trim().eq_ignore_ascii_case(authority);
            !(is_same_host || is("content-length") || is("connection") || is("keep-alive"))
        });
        self.set_default("accept", "*/*");
        self.set_default("user-agent", concat!("sluice-http/", env!("CARGO_PKG_VERSION")));
    }

    /// All names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (name.as_ref(), value.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Option<&RawValue> {
        Some(RawValue::parse(text).expect("test value"))
    }

    fn text(headers: &Headers) -> String {
        headers.iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn forms() {
        assert_eq!(text(&Headers::parse(None).unwrap()), "");
        for (value, want) in [
            ("null", ""),
            (r#""""#, ""),
            ("{}", ""),
            ("[]", ""),
            (r#"{"X-B":"b","x-a":"é"}"#, "X-B: b; x-a: é"),
            (r#"{"n":1.0,"b":true,"e":""}"#, "n: 1.0; b: true; e: "),
            (r#"[["a","1"],["A",2]]"#, "a: 1; A: 2"),
            (r#"{"a":"1","a":"2"}"#, "a: 2"),
        ] {
            assert_eq!(text(&Headers::parse(raw(value)).expect(value)), want, "{value}");
        }
        for (value, want) in [("0", ""), ("false", ""), (r#"{"a":null,"b":"1"}"#, "b: 1")] {
            assert_eq!(text(&Headers::parse_lenient(raw(value)).expect(value)), want, "{value}");
        }
    }

    #[test]
    fn forms_errors() {
        for (value, want) in [
            (r#""X-Test: 1""#, Invalid::Shape),
            ("5", Invalid::Shape),
            ("true", Invalid::Shape),
            (r#"["ab"]"#, Invalid::Shape),
            (r#"[["a","b","c"]]"#, Invalid::Shape),
            (r#"[[1,"b"]]"#, Invalid::Shape),
            (r#"{"a":[]}"#, Invalid::Value("a".into())),
            (r#"[["a",null]]"#, Invalid::Value("a".into())),
            (r#"{"a":"b\r\nC: d"}"#, Invalid::LineBreak("a".into())),
            (r#"{"a\n":"b"}"#, Invalid::LineBreak("a\n".into())),
        ] {
            assert_eq!(Headers::parse(raw(value)).err(), Some(want), "{value}");
            assert!(Headers::parse_lenient(raw(value)).is_err(), "{value}");
        }
        assert_eq!(Headers::parse(raw(r#"{"a":null}"#)).err(), Some(Invalid::Value("a".into())));
    }

    #[test]
    fn finished() {
        let given = r#"{"Host":"EXAMPLE.com:81","content-length":"5","Connection":"close","ACCEPT":"a/b","x":"y"}"#;
        let mut headers = Headers::parse(raw(given)).unwrap();
        headers.finish("example.com:81");
        assert_eq!(text(&headers), "ACCEPT: a/b; x: y; user-agent: sluice-http/1.0.0");

        let mut headers = Headers::parse(raw(r#"{"Host":"other"}"#)).unwrap();
        headers.finish("example.com");
        assert!(headers.has("host"), "another host is for the runtime to refuse");

        headers.set("HOST", "x");
        assert_eq!(headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("host")).count(), 1);
    }
}
