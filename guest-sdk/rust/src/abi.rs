//! The border to the host: the functions of the import module `sluice:host/v1`, as a trait.

pub(crate) mod errno;
#[cfg(target_arch = "wasm32")]
mod guest;
pub(crate) mod secret;
pub(crate) mod tcp;

use std::mem::MaybeUninit;
use std::sync::Arc;

#[cfg(target_arch = "wasm32")]
pub use guest::Guest;

/// Handle of the parameters.
pub(crate) const PARAMETERS: u32 = 0;
/// Handle of the call's context.
pub(crate) const CONTEXT: u32 = 1;

/// What a host offers to one call.
///
/// Connectors use [`Call`](crate::Call) instead. The trait exists so that [`testing`](crate::testing) can stand in for
/// the real host; it is not a plug point.
///
/// Every result below zero is one of the ABI's error values; see [`Error::from_host`](crate::Error::from_host).
pub trait Host: Send + Sync {
    /// The same host, for what lives longer than a reference to it.
    fn share(&self) -> Arc<dyn Host>;
    /// The size in bytes of what stands behind a handle.
    fn size(&self, handle: u32) -> i64;
    /// Copies at most `buf.len()` bytes from `offset` on and returns how many; 0 at or past the end. Exactly that many
    /// bytes of `buf` are initialised afterwards.
    fn read(&self, handle: u32, offset: u64, buf: &mut [MaybeUninit<u8>]) -> i32;
    /// Gives a handle back, and closes what is behind it.
    fn close(&self, handle: u32) -> i32;
    /// Appends bytes to the answer's body, or to the manifest while describing.
    fn write(&self, bytes: &[u8]) -> i32;
    /// Sets the head of the answer, a JSON object.
    fn answer(&self, head: &[u8]) -> i32;
    /// Writes one line to the call's log: 0 debug, 1 info, 2 warn, 3 error.
    fn log(&self, level: u32, line: &str) -> i32;
    /// Fills `buf` with bytes from the system's cryptographic generator.
    fn random(&self, buf: &mut [u8]) -> i32;
    /// Nanoseconds since 1970-01-01 UTC.
    fn now(&self) -> i64;
    /// Returns after that many milliseconds.
    fn sleep(&self, milliseconds: u64) -> i32;
    /// Sends one HTTP request and returns the handle of the response's head; the body's is one higher.
    fn http_send(&self, head: &[u8], body: &[u8]) -> i32;
    /// The status of the response with this head, 0 where none came.
    fn http_status(&self, head: u32) -> i32;
    /// Copies at most `buf.len()` bytes of a header's first value and returns how many it has.
    fn http_header(&self, head: u32, name: &str, buf: &mut [MaybeUninit<u8>]) -> i32;
    /// Whether what stands behind a handle is JSON that an answer may have as its body: 1 or 0.
    fn is_json(&self, handle: u32) -> i32;
    /// Appends what stands behind a handle to the answer's body.
    fn write_from(&self, handle: u32) -> i32;
    /// The handle of what is kept under a key.
    fn cache_get(&self, key: &str) -> i32;
    /// Keeps a copy of these bytes under a key for so many milliseconds.
    fn cache_put(&self, key: &str, value: &[u8], milliseconds: u64) -> i32;
    /// Removes what is kept under a key.
    fn cache_delete(&self, key: &str) -> i32;
    /// Writes the text that stands for a secret in this call to `buf`, which has 48 bytes at least. Inside a module the
    /// functions of secrets are called past this trait, so that only connectors that use them import them.
    fn secret(&self, _name: &str, _buf: &mut [u8]) -> i32 {
        errno::NOT_AVAILABLE
    }
    /// Returns the handle of a head that says whether a secret is granted in the clear; the value's is one higher.
    fn secret_value(&self, _name: &str) -> i32 {
        errno::NOT_AVAILABLE
    }
    /// Returns the handle of a head that says whether `data` may be signed with a secret; the signature's is one higher.
    fn hmac(&self, _secret: &str, _hash: &str, _data: &[u8]) -> i32 {
        errno::NOT_AVAILABLE
    }
    /// Opens a connection and returns the handle of a head that says what became of it; the connection's is one higher.
    /// Inside a module the functions of connections are called past this trait too.
    fn tcp_open(&self, _head: &[u8]) -> i32 {
        errno::NOT_AVAILABLE
    }
    /// Waits for at most `buf.len()` bytes, and no longer than so many milliseconds unless they are negative, and returns how
    /// many came; 0 at the end.
    fn tcp_read(&self, _connection: u32, _buf: &mut [u8], _milliseconds: i64) -> i32 {
        errno::NOT_AVAILABLE
    }
    /// Sends bytes, waiting as `tcp_read` does, and returns how many of them were taken.
    fn tcp_write(&self, _connection: u32, _bytes: &[u8], _milliseconds: i64) -> i32 {
        errno::NOT_AVAILABLE
    }
    /// Goes over to TLS, with the connection's host as the name.
    fn tcp_tls(&self, _connection: u32) -> i32 {
        errno::NOT_AVAILABLE
    }
}
