//! What a connector keeps from call to call.

use std::time::Duration;

use crate::abi::{Host, errno};
use crate::call::{ceil_milliseconds, read_all};
use crate::error::{Error, Result};

/// What the connector keeps from call to call: the only thing that does. It is in the server's memory, bounded by the
/// operator's grant, and shared by all calls of this version of the connector. The connector's table must ask for it, with
/// [`Connector::cache`](crate::Connector::cache).
///
/// What callers must not see of one another does not belong in it, unless the key says whose it is.
///
/// # Errors
/// Those of all methods: `cache_denied` (403) where the connector may keep nothing, `invalid_key` (400) for a key that is
/// empty or has more than 256 bytes.
pub struct Cache<'h> {
    host: &'h dyn Host,
}

impl<'h> Cache<'h> {
    pub(crate) fn new(host: &'h dyn Host) -> Self {
        Cache { host }
    }

    /// What is kept under a key; None where there is nothing, or nothing any more.
    ///
    /// # Errors
    /// Also `overloaded` (503) where the call holds too much already.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let handle = match self.host.cache_get(key) {
            errno::ABSENT => return Ok(None),
            errno::TOO_LARGE => {
                let message = "The call holds too much to read from its cache.";
                return Err(Error::new("overloaded", message).status(503));
            }
            result => u32::try_from(result).map_err(|_| refusal(result))?,
        };
        let value = read_all(self.host, handle);
        self.host.close(handle);
        value.map(Some)
    }

    /// Keeps a copy of a value under a key for a time, from a millisecond to 24 hours. What was not asked for the longest
    /// makes room.
    ///
    /// # Errors
    /// Also `cache_too_small` (413) where the value alone has more than the connector may keep, and `invalid_ttl` (400).
    pub fn put(&self, key: &str, value: &[u8], ttl: Duration) -> Result<()> {
        let milliseconds = ceil_milliseconds(ttl);
        if milliseconds == 0 {
            return Err(Error::new("invalid_ttl", "A value is kept for a millisecond at least.").status(400));
        }
        match self.host.cache_put(key, value, milliseconds) {
            errno::TOO_LARGE => {
                let message =
                    "The value is larger than the connector's cache. Keep less, or have the grant's cache raised.";
                Err(Error::new("cache_too_small", message).status(413))
            }
            result => done(result),
        }
    }

    /// Removes what is kept under a key, if anything.
    pub fn delete(&self, key: &str) -> Result<()> {
        done(self.host.cache_delete(key))
    }
}

fn done(result: i32) -> Result<()> {
    if result < 0 { Err(refusal(result)) } else { Ok(()) }
}

fn refusal(result: i32) -> Error {
    match result {
        errno::DENIED => {
            let message = "The connector has no cache: its manifest must ask for the capability cache, and the operator \
                           set the cache of its grant.";
            Error::new("cache_denied", message).status(403)
        }
        errno::INVALID => Error::new("invalid_key", "A key of the cache has 1 to 256 bytes.").status(400),
        _ => Error::from_host(result.into()),
    }
}
