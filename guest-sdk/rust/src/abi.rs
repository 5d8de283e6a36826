//! The border to the host: the functions of the import module `sluice:host/v1`, as a trait.

use std::mem::MaybeUninit;

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
pub trait Host {
    /// The size in bytes of what stands behind a handle.
    fn size(&self, handle: u32) -> i64;
    /// Copies at most `buf.len()` bytes from `offset` on and returns how many; 0 at or past the end. Exactly that many
    /// bytes of `buf` are initialised afterwards.
    fn read(&self, handle: u32, offset: u64, buf: &mut [MaybeUninit<u8>]) -> i32;
    /// Gives a handle of `http_send` back.
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
        NOT_AVAILABLE
    }
    /// Returns the handle of a head that says whether a secret is granted in the clear; the value's is one higher.
    fn secret_value(&self, _name: &str) -> i32 {
        NOT_AVAILABLE
    }
}

const NOT_AVAILABLE: i32 = -5;

#[cfg(not(target_arch = "wasm32"))]
pub(crate) mod secret {
    use super::Host;

    pub fn reference(host: &dyn Host, name: &str, buf: &mut [u8]) -> i32 {
        host.secret(name, buf)
    }

    pub fn value(host: &dyn Host, name: &str) -> i32 {
        host.secret_value(name)
    }
}

#[cfg(target_arch = "wasm32")]
pub(crate) mod secret {
    use super::Host;

    #[link(wasm_import_module = "sluice:host/v1")]
    unsafe extern "C" {
        fn secret(name_ptr: *const u8, name_len: usize, ptr: *mut u8, len: usize) -> i32;
        fn secret_value(name_ptr: *const u8, name_len: usize) -> i32;
    }

    // SAFETY, for both: each pointer and length come from one slice that lives until the function returns, and the host
    // neither keeps them nor writes outside of them.
    pub fn reference(_: &dyn Host, name: &str, buf: &mut [u8]) -> i32 {
        unsafe { secret(name.as_ptr(), name.len(), buf.as_mut_ptr(), buf.len()) }
    }

    pub fn value(_: &dyn Host, name: &str) -> i32 {
        unsafe { secret_value(name.as_ptr(), name.len()) }
    }
}

#[cfg(target_arch = "wasm32")]
mod guest {
    use super::{Host, MaybeUninit};
    use std::panic;
    use std::sync::Once;

    #[link(wasm_import_module = "sluice:host/v1")]
    unsafe extern "C" {
        fn size(handle: u32) -> i64;
        fn read(handle: u32, offset: i64, ptr: *mut u8, len: usize) -> i32;
        fn close(handle: u32) -> i32;
        fn write(ptr: *const u8, len: usize) -> i32;
        fn answer(ptr: *const u8, len: usize) -> i32;
        fn log(level: u32, ptr: *const u8, len: usize) -> i32;
        fn random(ptr: *mut u8, len: usize) -> i32;
        fn now() -> i64;
        fn sleep(milliseconds: i64) -> i32;
        fn http_send(head_ptr: *const u8, head_len: usize, body_ptr: *const u8, body_len: usize) -> i32;
        fn http_status(head: u32) -> i32;
        fn http_header(head: u32, name_ptr: *const u8, name_len: usize, ptr: *mut u8, len: usize) -> i32;
        fn is_json(handle: u32) -> i32;
        fn write_from(handle: u32) -> i32;
        fn cache_get(key_ptr: *const u8, key_len: usize) -> i32;
        fn cache_put(key_ptr: *const u8, key_len: usize, ptr: *const u8, len: usize, milliseconds: i64) -> i32;
        fn cache_delete(key_ptr: *const u8, key_len: usize) -> i32;
    }

    /// The real host, as seen from inside a module.
    pub struct Guest(());

    impl Guest {
        /// To be called first in every export: makes a panic report its place, and never its text.
        pub fn enter() -> Guest {
            static HOOK: Once = Once::new();
            HOOK.call_once(|| {
                panic::set_hook(Box::new(|info| {
                    let line = match info.location() {
                        Some(place) => format!("panicked at {}:{}", place.file(), place.line()),
                        None => "panicked".to_owned(),
                    };
                    Guest(()).log(3, &line);
                }));
            });
            Guest(())
        }
    }

    // SAFETY, for all below: each pointer and length come from one slice that lives until the function returns, and
    // the host neither keeps them nor writes outside of them.
    impl Host for Guest {
        fn size(&self, handle: u32) -> i64 {
            unsafe { size(handle) }
        }

        fn read(&self, handle: u32, offset: u64, buf: &mut [MaybeUninit<u8>]) -> i32 {
            unsafe { read(handle, offset as i64, buf.as_mut_ptr().cast(), buf.len()) }
        }

        fn close(&self, handle: u32) -> i32 {
            unsafe { close(handle) }
        }

        fn write(&self, bytes: &[u8]) -> i32 {
            unsafe { write(bytes.as_ptr(), bytes.len()) }
        }

        fn answer(&self, head: &[u8]) -> i32 {
            unsafe { answer(head.as_ptr(), head.len()) }
        }

        fn log(&self, level: u32, line: &str) -> i32 {
            unsafe { log(level, line.as_ptr(), line.len()) }
        }

        fn random(&self, buf: &mut [u8]) -> i32 {
            unsafe { random(buf.as_mut_ptr(), buf.len()) }
        }

        fn now(&self) -> i64 {
            unsafe { now() }
        }

        fn sleep(&self, milliseconds: u64) -> i32 {
            unsafe { sleep(milliseconds as i64) }
        }

        fn http_send(&self, head: &[u8], body: &[u8]) -> i32 {
            unsafe { http_send(head.as_ptr(), head.len(), body.as_ptr(), body.len()) }
        }

        fn http_status(&self, head: u32) -> i32 {
            unsafe { http_status(head) }
        }

        fn http_header(&self, head: u32, name: &str, buf: &mut [MaybeUninit<u8>]) -> i32 {
            unsafe { http_header(head, name.as_ptr(), name.len(), buf.as_mut_ptr().cast(), buf.len()) }
        }

        fn is_json(&self, handle: u32) -> i32 {
            unsafe { is_json(handle) }
        }

        fn write_from(&self, handle: u32) -> i32 {
            unsafe { write_from(handle) }
        }

        fn cache_get(&self, key: &str) -> i32 {
            unsafe { cache_get(key.as_ptr(), key.len()) }
        }

        fn cache_put(&self, key: &str, value: &[u8], milliseconds: u64) -> i32 {
            let milliseconds = i64::try_from(milliseconds).unwrap_or(i64::MAX);
            unsafe { cache_put(key.as_ptr(), key.len(), value.as_ptr(), value.len(), milliseconds) }
        }

        fn cache_delete(&self, key: &str) -> i32 {
            unsafe { cache_delete(key.as_ptr(), key.len()) }
        }
    }
}

#[cfg(target_arch = "wasm32")]
pub use guest::Guest;
