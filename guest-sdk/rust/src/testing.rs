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

mod host;
mod http;
mod kept;
mod outcome;
mod peer;
mod stream;
mod tcp;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::abi::{CONTEXT, PARAMETERS};
use crate::connector::Connector;
use crate::secret::Hash;

pub use http::{Reply, Sent};
pub use kept::reference;
pub use outcome::Outcome;
pub use peer::Peer;
pub use tcp::Opened;

/// How deep an answer's arrays and objects may stand in one another.
const MAX_DEPTH: usize = 512;

/// When a call begins, and how long it has, in milliseconds.
const BEGIN: u64 = 1_700_000_000_000;
const DEADLINE: u64 = 40_000;

/// A [`Host`](crate::Host) that needs no server. Its clock moves only when the call sleeps, or waits for a peer in vain.
pub struct TestHost {
    state: Arc<Mutex<State>>,
}

struct State {
    handles: BTreeMap<u32, Vec<u8>>,
    streams: BTreeMap<u32, stream::Stream>,
    next: u32,
    replies: VecDeque<Reply>,
    peers: VecDeque<Peer>,
    connections: BTreeMap<u32, tcp::Connection>,
    /// Whether the manifest asks for connections.
    may_connect: bool,
    secrets: BTreeMap<String, String>,
    signers: BTreeMap<String, Box<kept::Signer>>,
    output_limit: usize,
    clock: u64,
    outcome: Outcome,
}

impl TestHost {
    /// A host for one call with these parameters, a JSON object, and a deadline of 40 seconds.
    pub fn new(params: impl Into<String>) -> Self {
        let context = json!({"command": "", "connector": "", "call_id": "test", "deadline_ms": DEADLINE});
        let handles = [(PARAMETERS, params.into().into_bytes()), (CONTEXT, context.to_string().into_bytes())];
        TestHost {
            state: Arc::new(Mutex::new(State {
                handles: handles.into(),
                streams: BTreeMap::new(),
                next: CONTEXT + 1,
                replies: VecDeque::new(),
                peers: VecDeque::new(),
                connections: BTreeMap::new(),
                may_connect: false,
                secrets: BTreeMap::new(),
                signers: BTreeMap::new(),
                output_limit: usize::MAX,
                clock: BEGIN,
                outcome: Outcome::default(),
            })),
        }
    }

    /// Queues an answer. A request with none left gets the error `connect`.
    pub fn reply(self, reply: Reply) -> Self {
        self.state().replies.push_back(reply);
        self
    }

    /// Queues who is at the other end of a connection. One with none left gets the error `connect`.
    pub fn peer(self, peer: Peer) -> Self {
        self.state().peers.push_back(peer);
        self
    }

    /// Replaces the context, a JSON object.
    pub fn context(self, context: &Value) -> Self {
        self.state().handles.insert(CONTEXT, context.to_string().into_bytes());
        self
    }

    /// Grants a secret in the clear.
    pub fn clear_secret(self, name: &str, value: &str) -> Self {
        self.state().secrets.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Grants signing with a secret: `sign` is what the host does with it.
    pub fn signing_secret(self, name: &str, sign: impl Fn(Hash, &[u8]) -> Vec<u8> + Send + 'static) -> Self {
        self.state().signers.insert(name.to_owned(), Box::new(sign));
        self
    }

    /// Limits the size of the answer's body.
    pub fn output_limit(self, bytes: usize) -> Self {
        self.state().output_limit = bytes;
        self
    }

    /// Lets the connector keep values, and puts these there. Nothing of them ends. Without this it may keep nothing.
    pub fn cache(self, kept: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        self.state().outcome.cache = Some(kept.into_iter().collect());
        self
    }

    /// Runs a command and returns what it did.
    ///
    /// # Panics
    /// If the connector has no such command, or sends a [`Peer`] what that does not hear.
    pub fn run(self, connector: &Connector, command: &str) -> Outcome {
        let position = connector.position(command).unwrap_or_else(|| panic!("no command {command}"));
        self.state().may_connect = connector.asks_for_tcp();
        connector.execute(&self, position);
        let state = &mut *self.state();
        let left: Vec<u32> = state.connections.keys().copied().collect();
        let heads = state.handles.keys().filter(|handle| **handle > CONTEXT).count();
        state.outcome.open_handles = heads + left.len();
        for connection in left {
            state.close_connection(connection);
        }
        state.outcome.refused = state.outcome.refusal();
        std::mem::take(&mut state.outcome)
    }

    /// What the host knows. A test that failed in a function of the host still closes what it had open.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Opens a handle. The one after it is free.
    fn open(&mut self, bytes: Vec<u8>) -> u32 {
        let handle = self.next;
        self.next += 2;
        self.handles.insert(handle, bytes);
        handle
    }

    /// Opens a pair of handles: a head, and what it is the head of.
    fn open_pair(&mut self, head: &Value, body: Vec<u8>) -> i32 {
        let handle = self.open(head.to_string().into_bytes());
        self.handles.insert(handle + 1, body);
        handle as i32
    }
}

/// A head that says why there is nothing else.
fn failure(code: &str, message: &str) -> Value {
    json!({"error": {"code": code, "message": message}})
}
