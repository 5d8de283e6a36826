//! Connections as the test plays them: peers in a queue, and the connections that got them.

use serde_json::{Value, json};

use super::{BEGIN, Peer, State, failure};
use crate::abi::{CONTEXT, errno};

/// A connection that a call opened, or wanted to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    pub address: String,
    /// Whether TLS was asked for at once.
    pub tls: bool,
    pub timeout_ms: Option<u64>,
    /// What the peer took, before TLS and after it.
    pub sent: Vec<u8>,
    /// Whether TLS had begun when the call ended.
    pub secure: bool,
    /// Whether all of the peer's script was played.
    pub finished: bool,
}

/// A connection that is open.
pub(super) struct Connection {
    peer: Peer,
    /// Which of the outcome's it is.
    record: usize,
}

impl State {
    pub(super) fn tcp_open(&mut self, head: &[u8]) -> i32 {
        let Ok(head) = serde_json::from_slice::<Value>(head) else { return errno::INVALID };
        let Some(address) = head["address"].as_str() else { return errno::INVALID };
        let tls = head["tls"] == "yes";
        let timeout_ms = head["timeout_ms"].as_u64();
        let record = self.outcome.connections.len();
        let (address, sent) = (address.to_owned(), Vec::new());
        let peer = self.peer(&address);
        self.outcome.connections.push(Opened { address, tls, timeout_ms, sent, secure: false, finished: false });
        match peer {
            Ok(peer) => {
                let head = self.open(json!({"ok": true}).to_string().into_bytes());
                self.outcome.connections[record].secure = tls;
                self.connections.insert(head + 1, Connection { peer, record });
                head as i32
            }
            Err(refusal) => self.open(refusal.to_string().into_bytes()) as i32,
        }
    }

    /// Who is at the other end of the next connection, or why nobody is.
    fn peer(&mut self, address: &str) -> Result<Peer, Value> {
        const MAX_CONNECTIONS: usize = 16;
        let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty());
        if port.and_then(|(_, port)| port.parse::<u16>().ok()).is_none() {
            return Err(failure("invalid_request", "the address must be host:port"));
        }
        if !self.may_connect {
            return Err(failure("egress_denied", "the manifest does not ask for the capability tcp"));
        }
        if self.connections.len() >= MAX_CONNECTIONS {
            return Err(failure("overloaded", "the call has 16 connections open"));
        }
        let peer = self.peers.pop_front().unwrap_or_else(|| Peer::error("connect"));
        match peer.refusal() {
            Some(refusal) => Err(refusal.clone()),
            None => Ok(peer),
        }
    }

    pub(super) fn tcp_read(&mut self, handle: u32, buf: &mut [u8], milliseconds: i64) -> i32 {
        let Some(connection) = self.connections.get_mut(&handle) else { return errno::BAD_HANDLE };
        let result = connection.peer.read(buf);
        self.waited(result, milliseconds)
    }

    pub(super) fn tcp_write(&mut self, handle: u32, bytes: &[u8], milliseconds: i64) -> i32 {
        let Some(connection) = self.connections.get_mut(&handle) else { return errno::BAD_HANDLE };
        let result = connection.peer.write(bytes);
        let taken = usize::try_from(result).unwrap_or(0);
        self.outcome.connections[connection.record].sent.extend_from_slice(&bytes[..taken]);
        self.waited(result, milliseconds)
    }

    pub(super) fn tcp_tls(&mut self, handle: u32) -> i32 {
        let Some(connection) = self.connections.get_mut(&handle) else { return errno::BAD_HANDLE };
        let secure = &mut self.outcome.connections[connection.record].secure;
        if *secure {
            return errno::INVALID;
        }
        match connection.peer.start_tls() {
            Ok(()) => {
                *secure = true;
                0
            }
            Err(refusal) => {
                self.handles.insert(handle - 1, refusal.to_string().into_bytes());
                errno::CLOSED
            }
        }
    }

    /// Gives a connection back, if that is one.
    pub(super) fn close_connection(&mut self, handle: u32) -> bool {
        let Some(connection) = self.connections.remove(&handle) else { return false };
        self.outcome.connections[connection.record].finished = connection.peer.is_finished();
        true
    }

    /// Lets the time pass that was waited for nothing.
    ///
    /// # Panics
    /// If the call's deadline has passed: the host would have ended the call.
    fn waited(&mut self, result: i32, milliseconds: i64) -> i32 {
        const MARGIN: u64 = 1000;
        if result == errno::TIMEOUT {
            let left = (BEGIN + self.deadline()).saturating_sub(self.clock);
            assert!(left > 0, "the connector waits beyond the deadline of its call");
            let bound = left.saturating_sub(MARGIN).max(left / 2);
            self.clock += u64::try_from(milliseconds).unwrap_or(bound).min(bound).max(1);
        }
        result
    }

    /// The time that the call had when it began, in milliseconds.
    fn deadline(&self) -> u64 {
        let context = self.handles.get(&CONTEXT).and_then(|context| serde_json::from_slice::<Value>(context).ok());
        context.and_then(|context| context["deadline_ms"].as_u64()).unwrap_or(super::DEADLINE)
    }
}
