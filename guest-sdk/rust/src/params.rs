//! The parameters of a call.

use std::borrow::Cow;

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::json::{self, Object, RawValue};

/// The parameters of a call, in the order they were sent.
///
/// The host delivers declared parameters with their declared type, and leaves out optional ones that were not given or
/// were null. Others come as they were sent. The accessors here treat null as not given.
#[derive(Debug, Clone)]
pub struct Params<'a> {
    text: &'a str,
    members: Object<'a>,
}

impl<'a> Params<'a> {
    pub(crate) fn parse(text: &'a str) -> Result<Self> {
        match Object::parse_unique(text) {
            Some(members) => Ok(Params { text, members }),
            None => Err(Error::new("invalid_parameters", "The parameters are no JSON object.").status(400)),
        }
    }

    /// The JSON text of a parameter, exactly as sent; None if it was not given or is null.
    pub fn raw(&self, name: &str) -> Option<&'a RawValue> {
        self.members.get(name).filter(|value| !json::is_null(value))
    }

    /// A string.
    ///
    /// # Errors
    /// `invalid_parameter` if the value is something else.
    pub fn str(&self, name: &str) -> Result<Option<Cow<'a, str>>> {
        self.raw(name).map(|value| json::string(value).ok_or_else(|| wrong(name, "a string"))).transpose()
    }

    /// A string that must be there.
    ///
    /// # Errors
    /// `missing_parameter`, `invalid_parameter`.
    pub fn require_str(&self, name: &str) -> Result<Cow<'a, str>> {
        self.str(name)?
            .ok_or_else(|| Error::new("missing_parameter", format!("Parameter {name} is required.")).status(400))
    }

    /// An integer of 64 bits. Use [`raw`](Params::raw) where more digits may come.
    ///
    /// # Errors
    /// `invalid_parameter` if the value is something else.
    pub fn int(&self, name: &str) -> Result<Option<i64>> {
        self.raw(name)
            .map(|value| value.get().parse().map_err(|_| wrong(name, "an integer of at most 64 bits")))
            .transpose()
    }

    /// A boolean.
    ///
    /// # Errors
    /// `invalid_parameter` if the value is something else.
    pub fn bool(&self, name: &str) -> Result<Option<bool>> {
        self.raw(name).map(|value| value.get().parse().map_err(|_| wrong(name, "true or false"))).transpose()
    }

    /// Any type that serde can build, [`serde_json::Value`] included.
    ///
    /// # Errors
    /// `invalid_parameter` if the value does not fit.
    pub fn get<T: Deserialize<'a>>(&self, name: &str) -> Result<Option<T>> {
        self.raw(name)
            .map(|value| serde_json::from_str(value.get()).map_err(|_| wrong(name, "of the expected shape")))
            .transpose()
    }

    /// All parameters as one type that serde can build.
    ///
    /// # Errors
    /// `invalid_parameters` if they do not fit.
    pub fn read<T: Deserialize<'a>>(&self) -> Result<T> {
        // serde's message may quote a value: it stays here.
        serde_json::from_str(self.text)
            .map_err(|_| Error::new("invalid_parameters", "The parameters do not have the expected shape.").status(400))
    }

    /// All parameters, those included that the command did not declare.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.members.iter()
    }
}

fn wrong(name: &str, want: &str) -> Error {
    Error::invalid_parameter(name, &format!("must be {want}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_their_type() {
        let params = Params::parse(r#"{"s":"é\n","i":-7,"b":true,"n":null,"a":[1.0,2],"big":12345678901234567890123}"#)
            .expect("an object");
        assert_eq!(params.str("s").unwrap().as_deref(), Some("é\n"));
        assert_eq!(params.int("i").unwrap(), Some(-7));
        assert_eq!(params.bool("b").unwrap(), Some(true));
        assert_eq!(params.str("n").unwrap(), None);
        assert_eq!(params.str("absent").unwrap(), None);
        assert_eq!(params.raw("a").unwrap().get(), "[1.0,2]");
        assert_eq!(params.raw("big").unwrap().get(), "12345678901234567890123");
        let value: serde_json::Value = params.get("a").unwrap().unwrap();
        assert_eq!(value.to_string(), "[1.0,2]");
        let all: serde_json::Value = params.read().unwrap();
        assert_eq!(all["big"].to_string(), "12345678901234567890123");
        assert_eq!(params.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["s", "i", "b", "n", "a", "big"]);
    }

    #[test]
    fn values_have_their_type_errors() {
        let params = Params::parse(r#"{"s":5,"i":1.5,"b":"true","v":{"secret":"hunter2"}}"#).expect("an object");
        for (error, code) in [
            (params.str("s").unwrap_err(), "invalid_parameter"),
            (params.require_str("none").unwrap_err(), "missing_parameter"),
            (params.int("i").unwrap_err(), "invalid_parameter"),
            (params.bool("b").unwrap_err(), "invalid_parameter"),
            (params.get::<Vec<u8>>("v").unwrap_err(), "invalid_parameter"),
            (params.read::<Vec<u8>>().unwrap_err(), "invalid_parameters"),
            (Params::parse("[]").unwrap_err(), "invalid_parameters"),
        ] {
            assert_eq!((error.code(), error.http_status()), (code, Some(400)), "{error}");
            assert!(!error.message().contains("hunter2"), "{error}");
        }
    }
}
