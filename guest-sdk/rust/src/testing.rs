//! A host for tests: it holds what a call is given and records what the call does.
//!
//! ```
//! # use sluice::{Answer, Call, Command, Connector, Request, Result};
//! # const CONNECTOR: Connector = Connector::new("probe", "1.0.0", "").commands(&[Command::new("Ping", "", ping)]);
//! # fn ping(call: &Call) -> Result<Answer> {
//! #     let mut response = Request::get("http://example.com/ping").send(call)?;
//! #     Ok(Answer::text(response.text()?).status(response.status()))
//! # }
//! use sluice::testing::{Reply, TestHost};
//!
//! let host = TestHost::new(r#"{"city": "Bern"}"#).reply(Reply::new(200).body("pong"));
//! let outcome = host.run(&CONNECTOR, "Ping");
//! assert_eq!(outcome.body, "pong");
//! assert_eq!(outcome.head["http_status"], 200);
//! assert_eq!(outcome.requests[0].url, "http://example.com/ping");
//! ```

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::mem::MaybeUninit;

use serde_json::{Value, json};

use crate::abi::{CONTEXT, Host, PARAMETERS};
use crate::connector::Connector;
use crate::json::validate;

const BAD_HANDLE: i32 = -1;
const TOO_LARGE: i32 = -3;
const INVALID: i32 = -4;
const ABSENT: i32 = -6;
const DENIED: i32 = -9;

/// How deep an answer's arrays and objects may stand in one another.
const MAX_DEPTH: usize = 512;

/// A [`Host`] that needs no server. Its clock moves only when the call sleeps.
pub struct TestHost {
    state: RefCell<State>,
}

struct State {
    handles: BTreeMap<u32, Vec<u8>>,
    next: u32,
    replies: VecDeque<Reply>,
    secrets: BTreeMap<String, String>,
    output_limit: usize,
    clock: u64,
    outcome: Outcome,
}

/// The text that stands for a secret in every call of a test. In [`Outcome::requests`] it stands where a service would get
/// the value.
pub fn reference(name: &str) -> String {
    let digest = name
        .bytes()
        .fold(14_695_981_039_346_656_037_u64, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(1_099_511_628_211));
    format!("sluice-secret-v1{digest:032x}")
}

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
    /// The milliseconds of each sleep.
    pub sleeps: Vec<u64>,
    /// Why the host would refuse the answer, if it would: callers get `connector_crashed` then.
    pub refused: Option<&'static str>,
    /// What the connector keeps after the call, where it may.
    pub cache: Option<BTreeMap<String, Vec<u8>>>,
    /// How many handles of `http_send` the call left open.
    pub open_handles: usize,
}

impl Outcome {
    fn refusal(&self) -> Option<&'static str> {
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
    head: Value,
    body: Vec<u8>,
}

impl Reply {
    /// An empty answer with this status.
    pub fn new(status: u16) -> Self {
        Reply { head: json!({"status": status, "headers": []}), body: Vec::new() }
    }

    /// No answer, with one of the ABI's error codes.
    pub fn error(code: &str) -> Self {
        Reply { head: json!({"error": {"code": code, "message": format!("no answer: {code}")}}), body: Vec::new() }
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
}

impl TestHost {
    /// A host for one call with these parameters, a JSON object, and a deadline of 40 seconds.
    pub fn new(params: impl Into<String>) -> Self {
        let context = json!({"command": "", "connector": "", "call_id": "test", "deadline_ms": 40_000});
        let handles = [(PARAMETERS, params.into().into_bytes()), (CONTEXT, context.to_string().into_bytes())];
        TestHost {
            state: RefCell::new(State {
                handles: handles.into(),
                next: CONTEXT + 1,
                replies: VecDeque::new(),
                secrets: BTreeMap::new(),
                output_limit: usize::MAX,
                clock: 1_700_000_000_000,
                outcome: Outcome::default(),
            }),
        }
    }

    /// Queues an answer. A request with none left gets the error `connect`.
    pub fn reply(self, reply: Reply) -> Self {
        self.state.borrow_mut().replies.push_back(reply);
        self
    }

    /// Replaces the context, a JSON object.
    pub fn context(self, context: &Value) -> Self {
        self.state.borrow_mut().handles.insert(CONTEXT, context.to_string().into_bytes());
        self
    }

    /// Grants a secret in the clear.
    pub fn clear_secret(self, name: &str, value: &str) -> Self {
        self.state.borrow_mut().secrets.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Limits the size of the answer's body.
    pub fn output_limit(self, bytes: usize) -> Self {
        self.state.borrow_mut().output_limit = bytes;
        self
    }

    /// Lets the connector keep values, and puts these there. Nothing of them ends. Without this it may keep nothing.
    pub fn cache(self, kept: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        self.state.borrow_mut().outcome.cache = Some(kept.into_iter().collect());
        self
    }

    /// Runs a command and returns what it did.
    ///
    /// # Panics
    /// If the connector has no such command.
    pub fn run(self, connector: &Connector, command: &str) -> Outcome {
        let position = connector.position(command).unwrap_or_else(|| panic!("no command {command}"));
        connector.execute(&self, position);
        let mut state = self.state.into_inner();
        state.outcome.refused = state.outcome.refusal();
        state.outcome.open_handles = state.handles.keys().filter(|handle| **handle > CONTEXT).count();
        state.outcome
    }
}

impl State {
    /// What is kept, if the connector may keep something under this key; else the host's result.
    fn cache(&mut self, key: &str) -> Result<&mut BTreeMap<String, Vec<u8>>, i32> {
        const MAX_KEY: usize = 256;
        match &mut self.outcome.cache {
            None => Err(DENIED),
            Some(_) if key.is_empty() || key.len() > MAX_KEY => Err(INVALID),
            Some(cache) => Ok(cache),
        }
    }

    /// The head of a response.
    fn head(&self, handle: u32) -> Option<Value> {
        serde_json::from_slice(self.handles.get(&handle).filter(|_| handle > CONTEXT)?).ok()
    }
}

impl Host for TestHost {
    fn size(&self, handle: u32) -> i64 {
        self.state.borrow().handles.get(&handle).map_or(BAD_HANDLE.into(), |bytes| bytes.len() as i64)
    }

    fn read(&self, handle: u32, offset: u64, buf: &mut [MaybeUninit<u8>]) -> i32 {
        let state = self.state.borrow();
        let Some(bytes) = state.handles.get(&handle) else { return BAD_HANDLE };
        let rest = bytes.get(offset as usize..).unwrap_or_default();
        for (to, from) in buf.iter_mut().zip(rest) {
            to.write(*from);
        }
        rest.len().min(buf.len()) as i32
    }

    fn close(&self, handle: u32) -> i32 {
        match handle > CONTEXT && self.state.borrow_mut().handles.remove(&handle).is_some() {
            true => 0,
            false => BAD_HANDLE,
        }
    }

    fn write(&self, bytes: &[u8]) -> i32 {
        let state = &mut *self.state.borrow_mut();
        if state.outcome.body.len() + bytes.len() > state.output_limit {
            return TOO_LARGE;
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => state.outcome.body.push_str(text),
            Err(_) => return INVALID,
        }
        bytes.len() as i32
    }

    fn answer(&self, head: &[u8]) -> i32 {
        let outcome = &mut self.state.borrow_mut().outcome;
        match serde_json::from_slice(head) {
            Ok(head) if outcome.head.is_null() => outcome.head = head,
            _ => return INVALID,
        }
        0
    }

    fn log(&self, _level: u32, line: &str) -> i32 {
        self.state.borrow_mut().outcome.log.push(line.to_owned());
        0
    }

    /// Counts up from 0: a test double is predictable.
    fn random(&self, buf: &mut [u8]) -> i32 {
        for (i, byte) in buf.iter_mut().enumerate() {
            *byte = i as u8;
        }
        buf.len() as i32
    }

    fn now(&self) -> i64 {
        (self.state.borrow().clock * 1_000_000) as i64
    }

    fn sleep(&self, milliseconds: u64) -> i32 {
        let state = &mut *self.state.borrow_mut();
        state.clock += milliseconds;
        state.outcome.sleeps.push(milliseconds);
        0
    }

    fn http_send(&self, head: &[u8], body: &[u8]) -> i32 {
        let state = &mut *self.state.borrow_mut();
        let Ok(head) = serde_json::from_slice::<Value>(head) else { return INVALID };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let headers = head["headers"].as_array().into_iter().flatten();
        state.outcome.requests.push(Sent {
            method: text(&head["method"]),
            url: text(&head["url"]),
            headers: headers.map(|pair| (text(&pair[0]), text(&pair[1]))).collect(),
            timeout_ms: head["timeout_ms"].as_u64(),
            body: body.to_vec(),
        });
        let reply = state.replies.pop_front().unwrap_or_else(|| Reply::error("connect"));
        let handle = state.next;
        state.next += 2;
        state.handles.insert(handle, reply.head.to_string().into_bytes());
        state.handles.insert(handle + 1, reply.body);
        handle as i32
    }

    fn http_status(&self, head: u32) -> i32 {
        let Some(head) = self.state.borrow().head(head) else { return BAD_HANDLE };
        head["status"].as_i64().unwrap_or(0) as i32
    }

    fn http_header(&self, head: u32, name: &str, buf: &mut [MaybeUninit<u8>]) -> i32 {
        let Some(head) = self.state.borrow().head(head) else { return BAD_HANDLE };
        let mut headers = head["headers"].as_array().into_iter().flatten();
        let pair = headers.find(|pair| pair[0].as_str().is_some_and(|known| known.eq_ignore_ascii_case(name)));
        let Some(value) = pair.and_then(|pair| pair[1].as_str()) else { return ABSENT };
        for (to, from) in buf.iter_mut().zip(value.bytes()) {
            to.write(from);
        }
        value.len() as i32
    }

    fn is_json(&self, handle: u32) -> i32 {
        match self.state.borrow().handles.get(&handle).map(|bytes| std::str::from_utf8(bytes)) {
            Some(text) => text.is_ok_and(|text| validate(text, MAX_DEPTH).is_ok()).into(),
            None => BAD_HANDLE,
        }
    }

    fn write_from(&self, handle: u32) -> i32 {
        let bytes = self.state.borrow().handles.get(&handle).cloned();
        bytes.map_or(BAD_HANDLE, |bytes| self.write(&bytes).min(0))
    }

    fn cache_get(&self, key: &str) -> i32 {
        let state = &mut *self.state.borrow_mut();
        let value = match state.cache(key) {
            Ok(cache) => cache.get(key).cloned(),
            Err(result) => return result,
        };
        let Some(value) = value else { return ABSENT };
        let handle = state.next + 1;
        state.next += 2;
        state.handles.insert(handle, value);
        handle as i32
    }

    fn cache_put(&self, key: &str, value: &[u8], milliseconds: u64) -> i32 {
        match self.state.borrow_mut().cache(key) {
            Ok(_) if milliseconds == 0 => INVALID,
            Ok(cache) => {
                cache.insert(key.to_owned(), value.to_owned());
                0
            }
            Err(result) => result,
        }
    }

    fn cache_delete(&self, key: &str) -> i32 {
        match self.state.borrow_mut().cache(key) {
            Ok(cache) => {
                cache.remove(key);
                0
            }
            Err(result) => result,
        }
    }

    fn secret(&self, name: &str, buf: &mut [u8]) -> i32 {
        let reference = reference(name);
        match buf.get_mut(..reference.len()) {
            Some(to) if !name.is_empty() => to.copy_from_slice(reference.as_bytes()),
            _ => return INVALID,
        }
        reference.len() as i32
    }

    fn secret_value(&self, name: &str) -> i32 {
        let state = &mut *self.state.borrow_mut();
        let message = format!("the test does not grant the secret {name:?} in the clear");
        let (head, value) = match state.secrets.get(name) {
            Some(value) => (json!({"ok": true}), value.clone().into_bytes()),
            None => (json!({"error": {"code": "secret_denied", "message": message}}), Vec::new()),
        };
        let handle = state.next;
        state.next += 2;
        state.handles.insert(handle, head.to_string().into_bytes());
        state.handles.insert(handle + 1, value);
        handle as i32
    }
}
