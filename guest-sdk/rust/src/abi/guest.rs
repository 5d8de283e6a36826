//! The real host, behind the imports of a module.

use std::mem::MaybeUninit;
use std::panic;
use std::sync::{Arc, Once};

use super::Host;

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
    fn share(&self) -> Arc<dyn Host> {
        Arc::new(Guest(()))
    }

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
