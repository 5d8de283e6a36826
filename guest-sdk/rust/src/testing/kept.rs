//! What a host keeps for a connector: its cache, and its secrets.

use std::collections::BTreeMap;

use serde_json::json;

use super::{State, failure};
use crate::abi::errno;

/// The text that stands for a secret in every call of a test. In [`Outcome::requests`](super::Outcome::requests) it stands
/// where a service would get the value.
pub fn reference(name: &str) -> String {
    let digest = name
        .bytes()
        .fold(14_695_981_039_346_656_037_u64, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(1_099_511_628_211));
    format!("sluice-secret-v1{digest:032x}")
}

impl State {
    /// What is kept, if the connector may keep something under this key; else the host's result.
    fn cache(&mut self, key: &str) -> Result<&mut BTreeMap<String, Vec<u8>>, i32> {
        const MAX_KEY: usize = 256;
        match &mut self.outcome.cache {
            None => Err(errno::DENIED),
            Some(_) if key.is_empty() || key.len() > MAX_KEY => Err(errno::INVALID),
            Some(cache) => Ok(cache),
        }
    }

    pub(super) fn cache_get(&mut self, key: &str) -> i32 {
        match self.cache(key).map(|cache| cache.get(key).cloned()) {
            Ok(Some(value)) => self.open(value) as i32,
            Ok(None) => errno::ABSENT,
            Err(result) => result,
        }
    }

    pub(super) fn cache_put(&mut self, key: &str, value: &[u8], milliseconds: u64) -> i32 {
        match self.cache(key) {
            Ok(_) if milliseconds == 0 => errno::INVALID,
            Ok(cache) => {
                cache.insert(key.to_owned(), value.to_owned());
                0
            }
            Err(result) => result,
        }
    }

    pub(super) fn cache_delete(&mut self, key: &str) -> i32 {
        match self.cache(key) {
            Ok(cache) => {
                cache.remove(key);
                0
            }
            Err(result) => result,
        }
    }

    pub(super) fn secret_value(&mut self, name: &str) -> i32 {
        match self.secrets.get(name).cloned() {
            Some(value) => self.open_pair(&json!({"ok": true}), value.into_bytes()),
            None => {
                let message = format!("the test does not grant the secret {name:?} in the clear");
                self.open_pair(&failure("secret_denied", &message), Vec::new())
            }
        }
    }
}

/// Writes the reference of a secret to `buf`.
pub(super) fn secret(name: &str, buf: &mut [u8]) -> i32 {
    let reference = reference(name);
    match buf.get_mut(..reference.len()) {
        Some(to) if !name.is_empty() => to.copy_from_slice(reference.as_bytes()),
        _ => return errno::INVALID,
    }
    reference.len() as i32
}
