//! What a call did.

use std::collections::BTreeMap;

use serde_json::Value;

use super::MAX_DEPTH;
use super::http::Sent;
use super::tcp::Opened;
use crate::json::validate;

/// What a call did.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// The body that was written.
    pub body: String,
    /// The answer's head, or null if there was no answer.
    pub head: Value,
    /// The log's lines.
    pub log: Vec<String>,
    /// The requests that were sent, in order.
    pub requests: Vec<Sent>,
    /// The connections that were opened, or were to be, in order.
    pub connections: Vec<Opened>,
    /// The milliseconds of each sleep.
    pub sleeps: Vec<u64>,
    /// Why the host would refuse the answer, if it would: callers get `connector_crashed` then.
    pub refused: Option<&'static str>,
    /// What the connector keeps after the call, where it may.
    pub cache: Option<BTreeMap<String, Vec<u8>>>,
    /// How many handles of `http_send` and `tcp_open` the call left open.
    pub open_handles: usize,
}

impl Outcome {
    pub(super) fn refusal(&self) -> Option<&'static str> {
        let is_json = self.head["response"].is_null() && self.head["body"] != "text";
        if self.head.is_null() {
            Some("there is no answer")
        } else if is_json && !self.body.is_empty() && validate(&self.body, MAX_DEPTH).is_err() {
            Some("the body is no JSON")
        } else {
            None
        }
    }
}
