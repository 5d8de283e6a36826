//! The functions of connections, called past [`Host`] inside a module, so that only connectors that use them import them.

use super::Host;

#[cfg(target_arch = "wasm32")]
#[link(wasm_import_module = "sluice:host/v1")]
unsafe extern "C" {
    fn tcp_open(head_ptr: *const u8, head_len: usize) -> i32;
    fn tcp_read(connection: u32, ptr: *mut u8, len: usize, milliseconds: i64) -> i32;
    fn tcp_write(connection: u32, ptr: *const u8, len: usize, milliseconds: i64) -> i32;
    fn tcp_tls(connection: u32, name_ptr: *const u8, name_len: usize) -> i32;
}

// SAFETY, for all below: each pointer and length come from one slice that lives until the function returns, and the host
// neither keeps them nor writes outside of them.

#[cfg(target_arch = "wasm32")]
pub fn open(_: &dyn Host, head: &[u8]) -> i32 {
    unsafe { tcp_open(head.as_ptr(), head.len()) }
}

#[cfg(target_arch = "wasm32")]
pub fn read(_: &dyn Host, connection: u32, buf: &mut [u8], milliseconds: i64) -> i32 {
    unsafe { tcp_read(connection, buf.as_mut_ptr(), buf.len(), milliseconds) }
}

#[cfg(target_arch = "wasm32")]
pub fn write(_: &dyn Host, connection: u32, bytes: &[u8], milliseconds: i64) -> i32 {
    unsafe { tcp_write(connection, bytes.as_ptr(), bytes.len(), milliseconds) }
}

/// The empty name is that of the connection's host.
#[cfg(target_arch = "wasm32")]
pub fn start_tls(_: &dyn Host, connection: u32) -> i32 {
    unsafe { tcp_tls(connection, std::ptr::null(), 0) }
}

#[cfg(not(target_arch = "wasm32"))]
pub fn open(host: &dyn Host, head: &[u8]) -> i32 {
    host.tcp_open(head)
}

#[cfg(not(target_arch = "wasm32"))]
pub fn read(host: &dyn Host, connection: u32, buf: &mut [u8], milliseconds: i64) -> i32 {
    host.tcp_read(connection, buf, milliseconds)
}

#[cfg(not(target_arch = "wasm32"))]
pub fn write(host: &dyn Host, connection: u32, bytes: &[u8], milliseconds: i64) -> i32 {
    host.tcp_write(connection, bytes, milliseconds)
}

#[cfg(not(target_arch = "wasm32"))]
pub fn start_tls(host: &dyn Host, connection: u32) -> i32 {
    host.tcp_tls(connection)
}
