//! One request and its answer: what both generations share.

use std::borrow::Cow;
use std::time::Duration;

use sluice::json::push_string;
use sluice::{Answer, Call, Method, Request, Response, SendError};

use crate::headers::Headers;
use crate::url::Url;

/// As long as the call's deadline lets the host wait: a slow service is the model's choice.
const TIMEOUT: Duration = Duration::from_secs(300);

/// How much of a response's text goes into an error's message. The whole text is in the body.
const MAX_EXCERPT: usize = 64 << 10;

/// A request that is ready to be sent.
#[derive(Debug, Clone)]
pub struct Exchange<'a> {
    pub method: Method,
    pub url: Url,
    pub headers: Headers<'a>,
    pub body: Cow<'a, [u8]>,
}

impl Exchange<'_> {
    /// Sends the request and waits for the answer.
    pub fn send<'h>(&self, call: &Call<'h>) -> Result<Response<'h>, SendError> {
        let mut request = Request::new(self.method, self.url.as_str()).timeout(TIMEOUT).body(&self.body[..]);
        for (name, value) in self.headers.iter() {
            request = request.header(name, value);
        }
        request.send(call)
    }
}

/// An answer whose body is `{"raw_response": text}`.
pub fn raw_response(text: &str) -> Answer {
    let mut body = Vec::with_capacity(text.len() + 24);
    body.extend_from_slice(b"{\"raw_response\":");
    push_string(&mut body, text);
    body.push(b'}');
    Answer::json_text(String::from_utf8(body).expect("made of UTF-8"))
}

/// The status as an answer may have it: a service's status beyond 599 is a broken gateway's.
pub fn inner_status(status: u16) -> u16 {
    if (100..600).contains(&status) { status } else { 502 }
}

/// The message of an answer that the service itself marks as failed.
pub fn failed_status(status: u16, text: &str) -> String {
    let end = text.floor_char_boundary(MAX_EXCERPT);
    let left = text.len() - end;
    let excerpt = &text[..end];
    match left {
        0 => format!("HTTP {status} error from service. Response: {excerpt}"),
        _ => format!("HTTP {status} error from service. Response: {excerpt} … ({left} more bytes in the body)"),
    }
}

/// The message of a text that should be JSON and is none from this byte on.
pub fn bad_json(at: usize) -> String {
    format!("The service says that its response is JSON, but it is none from byte {at} on.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_openly() {
        let text = "é".repeat(MAX_EXCERPT);
        let message = failed_status(500, &text);
        assert!(message.len() < MAX_EXCERPT + 200);
        assert!(message.ends_with("(65536 more bytes in the body)"), "{}", &message[message.len() - 60..]);
        assert_eq!(failed_status(404, "no"), "HTTP 404 error from service. Response: no");
    }

    #[test]
    fn statuses() {
        for (status, want) in [(100, 100), (200, 200), (599, 599), (600, 502), (999, 502), (0, 502)] {
            assert_eq!(inner_status(status), want);
        }
    }
}
