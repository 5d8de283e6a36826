//! HTTP as the test plays it: replies in a queue, and the requests that got them.

use std::mem::MaybeUninit;

use serde_json::{Value, json};

use super::{MAX_DEPTH, State};
use crate::abi::{CONTEXT, errno};
use crate::json::validate;

/// A request that a call sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub timeout_ms: Option<u64>,
    pub body: Vec<u8>,
}

impl Sent {
    /// The first value of a header; `name` in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// What the test host answers to one request.
#[derive(Debug, Clone)]
pub struct Reply {
    pub(super) head: Value,
    pub(super) body: Vec<u8>,
    /// The code of what ends the body before its end.
    pub(super) cut: Option<String>,
}

impl Reply {
    /// An empty answer with this status.
    pub fn new(status: u16) -> Self {
        Reply { head: json!({"status": status, "headers": []}), body: Vec::new(), cut: None }
    }

    /// No answer, with one of the ABI's error codes.
    pub fn error(code: &str) -> Self {
        Reply { head: super::failure(code, &format!("no answer: {code}")), body: Vec::new(), cut: None }
    }

    /// `invalid_request` in this part of the request.
    pub fn invalid(field: &str) -> Self {
        let mut reply = Reply::error("invalid_request");
        reply.head["error"]["field"] = field.into();
        reply
    }

    /// Adds a header, the name in lower case.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let headers = self.head["headers"].as_array_mut().expect("an answer has headers");
        headers.push(json!([name, value]));
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Ends the body before its end, with one of the ABI's error codes. A request that is not streamed gets no answer then.
    pub fn cut(mut self, code: &str) -> Self {
        self.cut = Some(code.to_owned());
        self
    }
}

impl State {
    pub(super) fn http_send(&mut self, head: &[u8], body: &[u8]) -> i32 {
        let Ok(head) = serde_json::from_slice::<Value>(head) else { return errno::INVALID };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let headers = head["headers"].as_array().into_iter().flatten();
        self.outcome.requests.push(Sent {
            method: text(&head["method"]),
            url: text(&head["url"]),
            headers: headers.map(|pair| (text(&pair[0]), text(&pair[1]))).collect(),
            timeout_ms: head["timeout_ms"].as_u64(),
            body: body.to_vec(),
        });
        let reply = self.replies.pop_front().unwrap_or_else(|| Reply::error("connect"));
        self.answer_request(reply, head["stream"] == true)
    }

    pub(super) fn http_status(&self, head: u32) -> i32 {
        let Some(head) = self.head(head) else { return errno::BAD_HANDLE };
        head["status"].as_i64().unwrap_or(0) as i32
    }

    pub(super) fn http_header(&self, head: u32, name: &str, buf: &mut [MaybeUninit<u8>]) -> i32 {
        let Some(head) = self.head(head) else { return errno::BAD_HANDLE };
        let mut headers = head["headers"].as_array().into_iter().flatten();
        let pair = headers.find(|pair| pair[0].as_str().is_some_and(|known| known.eq_ignore_ascii_case(name)));
        let Some(value) = pair.and_then(|pair| pair[1].as_str()) else { return errno::ABSENT };
        for (to, from) in buf.iter_mut().zip(value.bytes()) {
            to.write(from);
        }
        value.len() as i32
    }

    pub(super) fn is_json(&self, handle: u32) -> i32 {
        if self.streams.contains_key(&handle) {
            return errno::INVALID;
        }
        match self.handles.get(&handle).map(|bytes| std::str::from_utf8(bytes)) {
            Some(text) => text.is_ok_and(|text| validate(text, MAX_DEPTH).is_ok()).into(),
            None => errno::BAD_HANDLE,
        }
    }

    /// The head of a response.
    fn head(&self, handle: u32) -> Option<Value> {
        serde_json::from_slice(self.handles.get(&handle).filter(|_| handle > CONTEXT)?).ok()
    }
}
