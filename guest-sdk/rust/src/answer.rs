//! What a command answers.

use std::borrow::Cow;

use serde::Serialize;

use crate::abi::{Host, errno};
use crate::error::Error;
use crate::http::{Response, failure};
use crate::json::{push_integer, push_string};

/// The answer of a command: a body, and how it is to be taken.
#[derive(Debug, Clone)]
pub struct Answer {
    body: Body,
    shape: Shape,
    status: Option<u16>,
    mimetype: Option<Cow<'static, str>>,
    headers: Option<Vec<(String, String)>>,
    error: Option<(Cow<'static, str>, String)>,
}

#[derive(Debug, Clone)]
enum Body {
    Here(Vec<u8>),
    /// What stands behind a handle of the host.
    There(u32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Json,
    Text,
    Bare(u16),
}

impl Answer {
    /// Any value that serde can write, as JSON.
    ///
    /// # Errors
    /// `invalid_answer` if the value has no JSON, for example a map whose keys are no strings.
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<Self, Error> {
        serde_json::to_string(value)
            .map(Answer::json_text)
            .map_err(|_| Error::new("invalid_answer", "The connector's answer cannot be written as JSON.").status(500))
    }

    /// JSON text that is passed on byte for byte. It must be strict JSON; an empty text is null.
    pub fn json_text(text: impl Into<String>) -> Self {
        Answer::new(text.into().into_bytes(), Shape::Json)
    }

    /// Text, which becomes a JSON string.
    pub fn text(text: impl Into<String>) -> Self {
        Answer::new(text.into().into_bytes(), Shape::Text)
    }

    /// The body of a response, passed on byte for byte. It never enters the connector's memory, however large it is. It
    /// must be strict JSON: see [`Response::is_json`]. Of one that is streamed it is what has not been read; where that does
    /// not come to its end, the answer is the error.
    pub fn json_from(response: Response) -> Self {
        Answer { body: Body::There(response.into_body()), ..Answer::json_text("") }
    }

    /// The body of a response, which becomes a JSON string without entering the connector's memory. It must be UTF-8.
    pub fn text_from(response: Response) -> Self {
        Answer { body: Body::There(response.into_body()), ..Answer::text("") }
    }

    /// A bare answer: the caller gets exactly this status, media type and body, without an envelope.
    pub fn bare(status: u16, mimetype: impl Into<Cow<'static, str>>, body: impl Into<Vec<u8>>) -> Self {
        Answer::new(body.into(), Shape::Bare(status)).mimetype(mimetype)
    }

    fn new(body: Vec<u8>, shape: Shape) -> Self {
        Answer { body: Body::Here(body), shape, status: None, mimetype: None, headers: None, error: None }
    }

    /// Sets `http_status`, 100 to 599: the status of the service that was asked.
    pub fn status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// Sets the media type of the body. Default: `application/json`.
    pub fn mimetype(mut self, mimetype: impl Into<Cow<'static, str>>) -> Self {
        self.mimetype = Some(mimetype.into());
        self
    }

    /// Sets `headers`, also where there are none. Without this the answer has no such member.
    pub fn headers(mut self, headers: impl IntoIterator<Item = (String, String)>) -> Self {
        self.headers = Some(headers.into_iter().collect());
        self
    }

    /// Marks the answer as failed, body and status kept. The code is the connector's public API.
    pub fn error(mut self, code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        self.error = Some((code.into(), message.into()));
        self
    }

    /// Hands the answer to the host. One that is over the output limit becomes the error `output_too_large`.
    pub(crate) fn send(&self, host: &dyn Host) {
        let written = match &self.body {
            Body::Here(bytes) if bytes.is_empty() => 0,
            Body::Here(bytes) => host.write(bytes),
            Body::There(handle) => host.write_from(*handle),
        };
        if let (Body::There(body), errno::CLOSED) = (&self.body, written) {
            // A streamed body did not come to its end.
            host.answer(&Answer::from(Error::from(failure(host, body - 1))).head());
            return;
        }
        let answered = if written < 0 { written } else { host.answer(&self.head()) };
        if answered == errno::TOO_LARGE {
            let message = "The answer is over the connector's output limit: ask for less, or raise the limit.";
            host.answer(&Answer::from(Error::new("output_too_large", message).status(500)).head());
        }
    }

    fn head(&self) -> Vec<u8> {
        let mut head = Vec::with_capacity(64);
        head.push(b'{');
        if let Shape::Bare(status) = self.shape {
            push_member(&mut head, "response");
            head.extend_from_slice(b"{\"status\":");
            push_integer(&mut head, status.into());
            head.push(b'}');
        }
        if self.shape == Shape::Text {
            push_member(&mut head, "body");
            head.extend_from_slice(b"\"text\"");
        }
        if let Some(status) = self.status {
            push_member(&mut head, "http_status");
            push_integer(&mut head, status.into());
        }
        if let Some(mimetype) = &self.mimetype {
            push_member(&mut head, "mimetype");
            push_string(&mut head, mimetype);
        }
        if let Some(headers) = &self.headers {
            push_member(&mut head, "headers");
            head.push(b'{');
            for (i, (name, value)) in headers.iter().enumerate() {
                if i > 0 {
                    head.push(b',');
                }
                push_string(&mut head, name);
                head.push(b':');
                push_string(&mut head, value);
            }
            head.push(b'}');
        }
        if let Some((code, message)) = &self.error {
            push_member(&mut head, "error");
            head.push(b'{');
            push_member(&mut head, "code");
            push_string(&mut head, code);
            push_member(&mut head, "message");
            push_string(&mut head, message);
            head.push(b'}');
        }
        head.push(b'}');
        head
    }
}

impl From<Error> for Answer {
    /// A failed answer with a null body.
    fn from(error: Error) -> Self {
        let answer = Answer::json_text("");
        let answer = match error.http_status() {
            Some(status) => answer.status(status),
            None => answer,
        };
        answer.error(error.code().to_owned(), error.message())
    }
}

/// Appends a member's name, which needs no escape, with the comma and colon it needs.
fn push_member(out: &mut Vec<u8>, name: &str) {
    let before: &[u8] = if out.last() == Some(&b'{') { b"\"" } else { b",\"" };
    out.extend_from_slice(before);
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads() {
        for (answer, want) in [
            (Answer::json_text("1"), r#"{}"#),
            (Answer::json(&[1.5]).unwrap().status(201), r#"{"http_status":201}"#),
            (Answer::text("x").mimetype("text/plain"), r#"{"body":"text","mimetype":"text/plain"}"#),
            (Answer::json_text("1").headers([]), r#"{"headers":{}}"#),
            (
                Answer::json_text("1").headers([("etag".into(), "\"x\"".into()), ("a".into(), "b".into())]),
                r#"{"headers":{"etag":"\"x\"","a":"b"}}"#,
            ),
            (
                Answer::json_text("null").status(404).error("HttpError404", "no\n"),
                r#"{"http_status":404,"error":{"code":"HttpError404","message":"no\n"}}"#,
            ),
            (Answer::bare(204, "text/plain", ""), r#"{"response":{"status":204},"mimetype":"text/plain"}"#),
            (Answer::from(Error::new("c", "m")), r#"{"error":{"code":"c","message":"m"}}"#),
        ] {
            assert_eq!(String::from_utf8(answer.head()).unwrap(), want);
        }
    }

    #[test]
    fn json_errors() {
        let map = std::collections::BTreeMap::from([((), 1)]);
        assert_eq!(Answer::json(&map).unwrap_err().code(), "invalid_answer");
    }
}
