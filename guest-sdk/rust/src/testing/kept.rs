//! What a host keeps for a connector: its cache, and its secrets.

use std::collections::BTreeMap;

use serde_json::json;

use super::{State, failure};
use crate::abi::errno;
use crate::secret::Hash;

/// What a test has the host sign with.
pub(super) type Signer = dyn Fn(Hash, &[u8]) -> Vec<u8> + Send;

/// How much the host signs at once, in bytes.
const MAX_SIGNED: usize = 16 << 20;

const REFERENCE_PREFIX: &str = "sluice-secret-v1";

/// The text that stands for a secret in every call of a test. In [`Outcome::requests`](super::Outcome::requests) it stands
/// where a service would get the value.
pub fn reference(name: &str) -> String {
    let digest = name
        .bytes()
        .fold(14_695_981_039_346_656_037_u64, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(1_099_511_628_211));
    format!("{REFERENCE_PREFIX}{digest:032x}")
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

    pub(super) fn hmac(&mut self, name: &str, hash: &str, data: &[u8]) -> i32 {
        let hash = [Hash::Sha1, Hash::Sha256, Hash::Sha512].into_iter().find(|known| known.name() == hash);
        let Some(hash) = hash.filter(|_| !name.is_empty()) else { return errno::INVALID };
        if data.len() > MAX_SIGNED {
            return errno::TOO_LARGE;
        }
        let prefix = REFERENCE_PREFIX.as_bytes();
        let refused = match self.signers.get(name) {
            None => format!("the test does not grant signing with the secret {name:?}"),
            Some(_) if data.windows(prefix.len()).any(|part| part == prefix) => {
                "what is to be signed holds what stands for a secret".to_owned()
            }
            Some(sign) => {
                let signature = sign(hash, data);
                return self.open_pair(&json!({"ok": true}), signature);
            }
        };
        self.open_pair(&failure("secret_denied", &refused), Vec::new())
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
