//! One execution of a command, and what it may ask of the host.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::abi::{CONTEXT, Host, errno};
use crate::cache::Cache;
use crate::error::{Error, Result};
use crate::params::Params;

/// One execution of a command.
///
/// # Notes
/// Every host function honours the call's deadline: when it passes inside one, the host ends the call and the function
/// does not return.
pub struct Call<'a> {
    host: &'a dyn Host,
    params: Params<'a>,
}

/// How much a line of the log matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

impl<'a> Call<'a> {
    pub(crate) fn new(host: &'a dyn Host, params: Params<'a>) -> Self {
        Call { host, params }
    }

    /// The parameters of the call.
    pub fn params(&self) -> &Params<'a> {
        &self.params
    }

    /// What is known of the call itself. Reads and parses at each use: keep the result.
    ///
    /// # Errors
    /// `invalid_context` if the host's context cannot be read.
    pub fn context(&self) -> Result<Context> {
        let text = read_text(self.host, CONTEXT)?;
        let members = serde_json::from_str(&text)
            .map_err(|_| Error::new("invalid_context", "The call's context is no JSON object.").status(500))?;
        Ok(Context { members })
    }

    /// Writes one line to the call's log, which the caller may get to see: no credentials, no parameter values. A line
    /// past the log's limit is dropped by the host.
    pub fn log(&self, level: Level, line: &str) {
        self.host.log(level as u32, line);
    }

    /// The time since 1970-01-01 UTC.
    pub fn now(&self) -> Duration {
        Duration::from_nanos(u64::try_from(self.host.now()).unwrap_or(0))
    }

    /// Waits, in whole milliseconds rounded up.
    ///
    /// # Errors
    /// `not_available` outside of a command.
    pub fn sleep(&self, time: Duration) -> Result<()> {
        check(self.host.sleep(ceil_milliseconds(time))).map(drop)
    }

    /// Fills `buf` from the system's cryptographic generator. It never repeats, unlike a generator that was seeded
    /// before the call: that one is part of the memory image and starts over in every call.
    ///
    /// # Errors
    /// `host_failed` if the host has no randomness to give.
    pub fn random(&self, buf: &mut [u8]) -> Result<()> {
        check(self.host.random(buf)).map(drop)
    }

    /// What the connector keeps from call to call.
    pub fn cache(&self) -> Cache<'a> {
        Cache::new(self.host)
    }

    pub(crate) fn host(&self) -> &'a dyn Host {
        self.host
    }
}

/// What is known of a call besides its parameters.
#[derive(Debug, Clone)]
pub struct Context {
    members: Map<String, Value>,
}

impl Context {
    /// The command's name.
    pub fn command(&self) -> &str {
        self.str("command")
    }

    /// The id of this call, new for each.
    pub fn call_id(&self) -> &str {
        self.str("call_id")
    }

    /// The time that was left when the call began.
    pub fn deadline(&self) -> Duration {
        let milliseconds = self.members.get("deadline_ms").and_then(Value::as_u64);
        Duration::from_millis(milliseconds.unwrap_or(0))
    }

    /// Any other member: `process_instance_id`, `task_id`, `callback_url`, … None where it is not known.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.members.get(name)
    }

    fn str(&self, name: &str) -> &str {
        self.members.get(name).and_then(Value::as_str).unwrap_or("")
    }
}

/// A time as the host takes it.
pub(crate) fn ceil_milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

/// A host function's result as a count, or as the error it stands for.
pub(crate) fn check(result: i32) -> Result<usize> {
    usize::try_from(result).map_err(|_| Error::from_host(result.into()))
}

/// All bytes behind a handle, in one allocation of their size.
pub(crate) fn read_all(host: &dyn Host, handle: u32) -> Result<Vec<u8>> {
    let size = host.size(handle);
    let size = usize::try_from(size).map_err(|_| Error::from_host(size.min(-1)))?;
    let mut bytes = Vec::with_capacity(size);
    while bytes.len() < size {
        let (done, left) = (bytes.len(), size - bytes.len());
        let read = check(host.read(handle, done as u64, &mut bytes.spare_capacity_mut()[..left]))?;
        if read == 0 {
            break;
        }
        // SAFETY: the host initialised `read` bytes of the spare capacity, which holds `left`.
        unsafe { bytes.set_len(done + read.min(left)) };
    }
    Ok(bytes)
}

/// As [`read_all`], for what the host promises to be UTF-8.
pub(crate) fn read_text(host: &dyn Host, handle: u32) -> Result<String> {
    String::from_utf8(read_all(host, handle)?).map_err(|_| Error::from_host(errno::INVALID.into()))
}
