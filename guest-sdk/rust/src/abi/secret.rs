//! The functions of secrets, called past [`Host`] inside a module, so that only connectors that use them import them.

use super::Host;

#[cfg(target_arch = "wasm32")]
#[link(wasm_import_module = "sluice:host/v1")]
unsafe extern "C" {
    fn secret(name_ptr: *const u8, name_len: usize, ptr: *mut u8, len: usize) -> i32;
    fn secret_value(name_ptr: *const u8, name_len: usize) -> i32;
    #[link_name = "hmac"]
    fn host_hmac(
        name_ptr: *const u8,
        name_len: usize,
        hash_ptr: *const u8,
        hash_len: usize,
        ptr: *const u8,
        len: usize,
    ) -> i32;
}

// SAFETY, for all: each pointer and length come from one slice that lives until the function returns, and the host
// neither keeps them nor writes outside of them.

#[cfg(target_arch = "wasm32")]
pub fn reference(_: &dyn Host, name: &str, buf: &mut [u8]) -> i32 {
    unsafe { secret(name.as_ptr(), name.len(), buf.as_mut_ptr(), buf.len()) }
}

#[cfg(target_arch = "wasm32")]
pub fn value(_: &dyn Host, name: &str) -> i32 {
    unsafe { secret_value(name.as_ptr(), name.len()) }
}

#[cfg(target_arch = "wasm32")]
pub fn hmac(_: &dyn Host, name: &str, hash: &str, data: &[u8]) -> i32 {
    unsafe { host_hmac(name.as_ptr(), name.len(), hash.as_ptr(), hash.len(), data.as_ptr(), data.len()) }
}

#[cfg(not(target_arch = "wasm32"))]
pub fn reference(host: &dyn Host, name: &str, buf: &mut [u8]) -> i32 {
    host.secret(name, buf)
}

#[cfg(not(target_arch = "wasm32"))]
pub fn value(host: &dyn Host, name: &str) -> i32 {
    host.secret_value(name)
}

#[cfg(not(target_arch = "wasm32"))]
pub fn hmac(host: &dyn Host, name: &str, hash: &str, data: &[u8]) -> i32 {
    host.hmac(name, hash, data)
}
