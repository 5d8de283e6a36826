//! The host's functions, as the ABI has them.

use std::mem::MaybeUninit;
use std::sync::Arc;

use super::{TestHost, kept};
use crate::abi::{CONTEXT, Host, errno};

impl Host for TestHost {
    fn share(&self) -> Arc<dyn Host> {
        Arc::new(TestHost { state: self.state.clone() })
    }

    fn size(&self, handle: u32) -> i64 {
        if self.state().streams.contains_key(&handle) {
            return errno::INVALID.into();
        }
        self.state().handles.get(&handle).map_or(errno::BAD_HANDLE.into(), |bytes| bytes.len() as i64)
    }

    fn read(&self, handle: u32, offset: u64, buf: &mut [MaybeUninit<u8>]) -> i32 {
        let state = &mut *self.state();
        if let Err(refusal) = state.read_on(handle, offset, buf.len()) {
            return refusal;
        }
        let Some(bytes) = state.handles.get(&handle) else { return errno::BAD_HANDLE };
        let rest = bytes.get(offset as usize..).unwrap_or_default();
        for (to, from) in buf.iter_mut().zip(rest) {
            to.write(*from);
        }
        rest.len().min(buf.len()) as i32
    }

    fn close(&self, handle: u32) -> i32 {
        let state = &mut *self.state();
        state.streams.remove(&handle);
        match handle > CONTEXT && (state.close_connection(handle) || state.handles.remove(&handle).is_some()) {
            true => 0,
            false => errno::BAD_HANDLE,
        }
    }

    fn write(&self, bytes: &[u8]) -> i32 {
        let state = &mut *self.state();
        if state.outcome.body.len() + bytes.len() > state.output_limit {
            return errno::TOO_LARGE;
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => state.outcome.body.push_str(text),
            Err(_) => return errno::INVALID,
        }
        bytes.len() as i32
    }

    fn answer(&self, head: &[u8]) -> i32 {
        let outcome = &mut self.state().outcome;
        match serde_json::from_slice(head) {
            Ok(head) if outcome.head.is_null() => outcome.head = head,
            _ => return errno::INVALID,
        }
        0
    }

    fn log(&self, _level: u32, line: &str) -> i32 {
        self.state().outcome.log.push(line.to_owned());
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
        (self.state().clock * 1_000_000) as i64
    }

    fn sleep(&self, milliseconds: u64) -> i32 {
        let state = &mut *self.state();
        state.clock += milliseconds;
        state.outcome.sleeps.push(milliseconds);
        0
    }

    fn http_send(&self, head: &[u8], body: &[u8]) -> i32 {
        self.state().http_send(head, body)
    }

    fn http_status(&self, head: u32) -> i32 {
        self.state().http_status(head)
    }

    fn http_header(&self, head: u32, name: &str, buf: &mut [MaybeUninit<u8>]) -> i32 {
        self.state().http_header(head, name, buf)
    }

    fn is_json(&self, handle: u32) -> i32 {
        self.state().is_json(handle)
    }

    fn write_from(&self, handle: u32) -> i32 {
        let bytes = self.state().whole(handle);
        bytes.map_or_else(|refusal| refusal, |bytes| self.write(&bytes).min(0))
    }

    fn cache_get(&self, key: &str) -> i32 {
        self.state().cache_get(key)
    }

    fn cache_put(&self, key: &str, value: &[u8], milliseconds: u64) -> i32 {
        self.state().cache_put(key, value, milliseconds)
    }

    fn cache_delete(&self, key: &str) -> i32 {
        self.state().cache_delete(key)
    }

    fn secret(&self, name: &str, buf: &mut [u8]) -> i32 {
        kept::secret(name, buf)
    }

    fn secret_value(&self, name: &str) -> i32 {
        self.state().secret_value(name)
    }

    fn hmac(&self, secret: &str, hash: &str, data: &[u8]) -> i32 {
        self.state().hmac(secret, hash, data)
    }

    fn tcp_open(&self, head: &[u8]) -> i32 {
        self.state().tcp_open(head)
    }

    fn tcp_read(&self, connection: u32, buf: &mut [u8], milliseconds: i64) -> i32 {
        self.state().tcp_read(connection, buf, milliseconds)
    }

    fn tcp_write(&self, connection: u32, bytes: &[u8], milliseconds: i64) -> i32 {
        self.state().tcp_write(connection, bytes, milliseconds)
    }

    fn tcp_tls(&self, connection: u32) -> i32 {
        self.state().tcp_tls(connection)
    }
}
