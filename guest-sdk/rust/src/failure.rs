//! What a head of the host says went wrong.

use std::borrow::Cow;

use crate::json::{self, Object};
use crate::scan::Scanner;

/// The member `error` of a head.
#[derive(Debug, Default)]
pub(crate) struct Failure<'a> {
    pub code: Cow<'a, str>,
    pub message: Cow<'a, str>,
    /// The part of the request that is wrong, where the host says which.
    pub field: Option<Cow<'a, str>>,
}

impl<'a> Failure<'a> {
    /// Reads the member's value.
    pub fn scan(scanner: &mut Scanner<'a>) -> Option<Self> {
        let members = Object::scan(scanner)?;
        let text = |name| members.get(name).and_then(json::string);
        Some(Failure {
            code: text("code").unwrap_or_default(),
            message: text("message").unwrap_or_default(),
            field: text("field"),
        })
    }

    /// The failure in a head that holds nothing else of interest, if there is one; None where that is no head.
    pub fn in_head(head: &'a str) -> Option<Option<Self>> {
        let mut scanner = Scanner::new(head);
        let mut failure = None;
        scanner.object(|scanner, name| {
            match name.as_ref() {
                "error" => failure = Some(Failure::scan(scanner)?),
                _ => drop(scanner.value()?),
            }
            Some(())
        })?;
        scanner.end().map(|()| failure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads() {
        for (head, want) in [
            (r#"{"ok":true}"#, Some(None)),
            ("{}", Some(None)),
            (r#"{"error":{"code":"dns","message":"No \"x\"."}}"#, Some(Some(("dns", "No \"x\".", None)))),
            (r#"{"a":[1],"error":{"field":"url"}}"#, Some(Some(("", "", Some("url"))))),
            (r#"{"error":"dns"}"#, None),
            (r#"{"error":{}"#, None),
            ("{} {}", None),
            ("", None),
        ] {
            let got = Failure::in_head(head);
            let got = got.as_ref().map(|failure| {
                let failure = failure.as_ref()?;
                Some((failure.code.as_ref(), failure.message.as_ref(), failure.field.as_deref()))
            });
            assert_eq!(got, want, "{head}");
        }
    }
}
