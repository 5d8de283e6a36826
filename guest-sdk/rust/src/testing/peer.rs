//! The other end of a connection, as a test writes it down.

use std::collections::VecDeque;

use serde_json::Value;

use super::failure;
use crate::abi::errno;

/// The other end of a connection: what it hears and says, in order. At the end of its script it closes the connection.
///
/// ```
/// use sluice::testing::Peer;
///
/// let peer = Peer::new().says("220 ready\r\n").hears("STARTTLS\r\n").says("220 go\r\n").starts_tls().hears("QUIT\r\n");
/// ```
///
/// What the connector sends must be what the script hears next: the test fails where it is not. TLS is not played: the script
/// has what TLS would carry.
///
/// A connector that reads while its peer waits to hear something runs into its timeout at once: the test host's clock moves,
/// and nobody waits.
#[derive(Default)]
pub struct Peer {
    refusal: Option<Value>,
    script: VecDeque<Step>,
    /// What was said and not read yet, a piece for each reading.
    said: VecDeque<Vec<u8>>,
    /// What was heard and not answered yet.
    heard: Vec<u8>,
    gone: bool,
}

/// What is said to what was heard; None waits for more.
type Answer = Box<dyn FnMut(&[u8]) -> Option<Vec<u8>> + Send>;

enum Step {
    Says(Vec<u8>),
    Hears(Vec<u8>),
    Answers(Answer),
    StartsTls,
    Stalls,
    Resets,
}

impl Peer {
    /// A peer that takes the connection, with an empty script.
    pub fn new() -> Self {
        Peer::default()
    }

    /// No connection, with one of the ABI's error codes.
    pub fn error(code: &str) -> Self {
        Peer { refusal: Some(failure(code, &format!("no connection: {code}"))), ..Peer::default() }
    }

    /// Sends bytes. One reading gets those of one `says` at the most.
    pub fn says(self, bytes: impl Into<Vec<u8>>) -> Self {
        self.step(Step::Says(bytes.into()))
    }

    /// Waits for these bytes, in however many pieces they come.
    pub fn hears(self, bytes: impl Into<Vec<u8>>) -> Self {
        self.step(Step::Hears(bytes.into()))
    }

    /// Answers all that comes from now on until TLS begins, if it does. `answer` is called after each writing with what was
    /// heard since the last answer; None waits for more.
    pub fn answers(self, answer: impl FnMut(&[u8]) -> Option<Vec<u8>> + Send + 'static) -> Self {
        self.step(Step::Answers(Box::new(answer)))
    }

    /// Waits for the connector to go over to TLS.
    pub fn starts_tls(self) -> Self {
        self.step(Step::StartsTls)
    }

    /// Neither sends nor takes anything until one reading or writing has run out of time.
    pub fn stalls(self) -> Self {
        self.step(Step::Stalls)
    }

    /// Breaks the connection off.
    pub fn resets(self) -> Self {
        self.step(Step::Resets)
    }

    fn step(mut self, step: Step) -> Self {
        if !matches!(&step, Step::Says(bytes) | Step::Hears(bytes) if bytes.is_empty()) {
            self.script.push_back(step);
        }
        self
    }

    /// The head that says why there is no connection, if there is none.
    pub(super) fn refusal(&self) -> Option<&Value> {
        self.refusal.as_ref()
    }

    /// Whether all of the script has been played. What answers is never done.
    pub(super) fn is_finished(&self) -> bool {
        self.said.is_empty() && self.heard.is_empty() && self.script.iter().all(|s| matches!(s, Step::Answers(_)))
    }

    pub(super) fn read(&mut self, buf: &mut [u8]) -> i32 {
        if self.gone {
            return errno::CLOSED;
        }
        if buf.is_empty() {
            return 0;
        }
        self.speak();
        if let Some(piece) = self.said.front_mut() {
            let count = piece.len().min(buf.len());
            buf[..count].copy_from_slice(&piece[..count]);
            piece.drain(..count);
            if piece.is_empty() {
                self.said.pop_front();
            }
            return count as i32;
        }
        match self.script.front() {
            None => 0,
            Some(Step::Resets) => self.reset(),
            Some(Step::Stalls) => self.stall(),
            Some(_) => errno::TIMEOUT,
        }
    }

    /// # Panics
    /// If this is not what the script hears.
    pub(super) fn write(&mut self, bytes: &[u8]) -> i32 {
        if self.gone {
            return errno::CLOSED;
        }
        if bytes.is_empty() {
            return 0;
        }
        self.speak();
        match self.script.front_mut() {
            Some(Step::Hears(expected)) => {
                let count = bytes.len().min(expected.len());
                let (got, want) = (bytes[..count].escape_ascii(), expected.escape_ascii());
                assert!(
                    expected.starts_with(&bytes[..count]),
                    "the connector sent \"{got}\", and its peer hears \"{want}\""
                );
                expected.drain(..count);
                if expected.is_empty() {
                    self.script.pop_front();
                }
                count as i32
            }
            Some(Step::Answers(answer)) => {
                self.heard.extend_from_slice(bytes);
                if let Some(reply) = answer(&self.heard) {
                    self.heard.clear();
                    self.said.extend(Some(reply).filter(|reply| !reply.is_empty()));
                }
                bytes.len() as i32
            }
            Some(Step::StartsTls) => {
                panic!("the connector sent \"{}\", and its peer begins TLS", bytes.escape_ascii())
            }
            Some(Step::Stalls) => self.stall(),
            None | Some(Step::Says(_) | Step::Resets) => self.reset(),
        }
    }

    /// # Errors
    /// The head that says why TLS did not begin. The connection is closed then.
    pub(super) fn start_tls(&mut self) -> Result<(), Value> {
        self.speak();
        while matches!(self.script.front(), Some(Step::Answers(_))) {
            self.script.pop_front();
        }
        let begins = matches!(self.script.front(), Some(Step::StartsTls));
        if self.said.is_empty() && begins && !self.gone {
            self.script.pop_front();
            return Ok(());
        }
        self.gone = true;
        Err(match self.said.is_empty() {
            true => failure("tls", "the script of the peer does not begin TLS here"),
            false => failure("unread_data", "the peer had sent data before TLS that nobody read"),
        })
    }

    /// Says what comes before anything that the connector has to do.
    fn speak(&mut self) {
        while let Some(Step::Says(_)) = self.script.front() {
            if let Some(Step::Says(bytes)) = self.script.pop_front() {
                self.said.push_back(bytes);
            }
        }
    }

    fn stall(&mut self) -> i32 {
        self.script.pop_front();
        errno::TIMEOUT
    }

    /// Ends the connection, by the script or at its end.
    fn reset(&mut self) -> i32 {
        self.gone = true;
        self.script.pop_front();
        errno::CLOSED
    }
}
