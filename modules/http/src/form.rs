//! Queries and forms: names and values from JSON, `application/x-www-form-urlencoded`.

use std::borrow::Cow;

use sluice::json::{self as raw, Object, RawValue};

use crate::json::{compact, is_truthy};
use crate::percent::{decode_form, push_form};

/// How values that are no strings are spelt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spelling {
    /// `true`, `false`, and null as an empty value.
    V1,
    /// `True`, `False`; null is left out, and of an object in a value only the names are taken.
    V2,
}

/// The value is neither an object nor a list of pairs.
#[derive(Debug, PartialEq, Eq)]
pub struct NoPairs;

/// Encodes an object or a list of pairs, in its order. A list as a value repeats the name.
pub fn encode(value: &RawValue, spelling: Spelling) -> Result<String, NoPairs> {
    let mut form = Form { text: String::new(), spelling };
    if let Some(members) = Object::parse(value.get()) {
        members.iter().for_each(|(name, value)| form.push(name, value));
        return Ok(form.text);
    }
    for pair in raw::array(value).ok_or(NoPairs)? {
        let [name, value] = raw::array(pair).ok_or(NoPairs)?[..] else { return Err(NoPairs) };
        let name = raw::scalar(name).ok_or(NoPairs)?;
        form.push(&name, value);
    }
    Ok(form.text)
}

/// The query of the first generation: an object, a list of pairs or a string; empty for what Python takes for false.
/// A string is decoded and encoded again, so that it ends up in the same form.
pub fn query_v1(value: &RawValue) -> Result<String, NoPairs> {
    if !is_truthy(value) {
        return Ok(String::new());
    }
    if !value.get().starts_with('"') {
        return encode(value, Spelling::V1);
    }
    let text = raw::string(value).ok_or(NoPairs)?;
    let mut form = Form { text: String::with_capacity(text.len()), spelling: Spelling::V1 };
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        form.push_pair(&decode_form(name), &decode_form(value));
    }
    Ok(form.text)
}

/// The query of the second generation: a string goes as it is.
pub fn query_v2(value: &RawValue) -> Result<Cow<'_, str>, NoPairs> {
    if !is_truthy(value) {
        return Ok(Cow::Borrowed(""));
    }
    match value.get().starts_with('"') {
        true => raw::string(value).ok_or(NoPairs),
        false => encode(value, Spelling::V2).map(Cow::Owned),
    }
}

struct Form {
    text: String,
    spelling: Spelling,
}

impl Form {
    fn push(&mut self, name: &str, value: &RawValue) {
        match raw::array(value) {
            Some(items) => items.into_iter().for_each(|item| self.push_value(name, item)),
            None => self.push_value(name, value),
        }
    }

    fn push_value(&mut self, name: &str, value: &RawValue) {
        match (value.get(), self.spelling) {
            ("null", Spelling::V1) => self.push_pair(name, ""),
            ("null", Spelling::V2) => {}
            ("true", Spelling::V2) => self.push_pair(name, "True"),
            ("false", Spelling::V2) => self.push_pair(name, "False"),
            (text, Spelling::V2) if text.starts_with('{') => {
                for (key, _) in Object::parse(text).unwrap_or_default().iter() {
                    self.push_pair(name, key);
                }
            }
            _ => match raw::scalar(value) {
                Some(text) => self.push_pair(name, &text),
                None => self.push_pair(name, &String::from_utf8_lossy(&compact(value))),
            },
        }
    }

    fn push_pair(&mut self, name: &str, value: &str) {
        if !self.text.is_empty() {
            self.text.push('&');
        }
        push_form(&mut self.text, name);
        self.text.push('=');
        push_form(&mut self.text, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> &RawValue {
        RawValue::parse(text).expect("test value")
    }

    #[test]
    fn first_generation() {
        for (value, want) in [
            ("{}", ""),
            ("[]", ""),
            (r#""""#, ""),
            (r#"{"a":1}"#, "a=1"),
            (
                r#"{"t":true,"f":false,"n":null,"x":1.0,"big":12345678901234567890123}"#,
                "t=true&f=false&n=&x=1.0&big=12345678901234567890123",
            ),
            (r#"{"b":"x y","a":["1",2,null,true]}"#, "b=x+y&a=1&a=2&a=&a=true"),
            (r#"{"é&":"=é+~"}"#, "%C3%A9%26=%3D%C3%A9%2B~"),
            (r#"{"o":{"k": [1, 2]},"l":[[1]]}"#, "o=%7B%22k%22%3A%5B1%2C2%5D%7D&l=%5B1%5D"),
            (r#"{"e":[]}"#, ""),
            (r#"[["a","1"],["b","3"],["a","2"]]"#, "a=1&b=3&a=2"),
            (r#"[[1,2],["l",[3,4]]]"#, "1=2&l=3&l=4"),
            (r#""a=1&b=2""#, "a=1&b=2"),
            (r#""q=a b&r=%C3%A9+x&s&&t==""#, "q=a+b&r=%C3%A9+x&s=&t=%3D"),
        ] {
            assert_eq!(query_v1(raw(value)).as_deref(), Ok(want), "{value}");
        }
    }

    #[test]
    fn second_generation() {
        for (value, want) in [
            ("null", ""),
            ("{}", ""),
            (r#""""#, ""),
            (r#"{"t":true,"f":false,"n":null,"x":1.0}"#, "t=True&f=False&x=1.0"),
            (r#"{"b":"x y","a":["1",null,2,true]}"#, "b=x+y&a=1&a=2&a=True"),
            (r#"{"o":{"k":1,"l":2}}"#, "o=k&o=l"),
            (r#"[["a","1"],["b",null],["a","2"]]"#, "a=1&a=2"),
            (r#""a=1 2&b|c""#, "a=1 2&b|c"),
        ] {
            assert_eq!(query_v2(raw(value)).as_deref(), Ok(want), "{value}");
        }
    }

    #[test]
    fn queries_errors() {
        for value in
            ["5", "true", "[1]", r#"["ab"]"#, r#"[["a"]]"#, r#"[["a",1,2]]"#, r#"[[null,1]]"#, r#"[["a",1],{}]"#]
        {
            assert_eq!(query_v1(raw(value)), Err(NoPairs), "{value}");
            assert_eq!(query_v2(raw(value)), Err(NoPairs), "{value}");
        }
    }
}
