//! Secrets: what a connector may use and not see.

use crate::abi::{errno, secret};
use crate::call::{Call, check, read_all, read_text};
use crate::error::{Error, Result};
use crate::failure::Failure;
use crate::send_error::SendError;

/// How many bytes a reference has.
const REFERENCE_LENGTH: usize = 48;

/// A hash function that [`Call::hmac`] works with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// For OAuth 1.0a, and for webhooks of its time.
    Sha1,
    Sha256,
    Sha512,
}

impl Hash {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Hash::Sha1 => "sha1",
            Hash::Sha256 => "sha256",
            Hash::Sha512 => "sha512",
        }
    }
}

impl Call<'_> {
    /// The text that stands for a secret in this call.
    ///
    /// Put into a header's value, the URL's query, or a body of JSON or a form, it is replaced by the value when the
    /// request is sent, which fails with `secret_denied` where the secret may not be sent: the connector never has it. The
    /// text means nothing anywhere else, and is another in the next call. It must stay as it is: what is made of it, as by
    /// Base64, means nothing either.
    ///
    /// # Errors
    /// `invalid` if no secret can have that name, `too_large` if the call uses more than 64. Whether there is such a secret,
    /// and it is granted, is said by the request.
    pub fn secret(&self, name: &str) -> Result<String> {
        let mut buf = [0; REFERENCE_LENGTH];
        let written = check(secret::reference(self.host(), name, &mut buf))?;
        String::from_utf8(buf[..written.min(buf.len())].to_vec()).map_err(|_| Error::from_host(errno::INVALID.into()))
    }

    /// A secret in the clear, for protocols that leave no other way. The operator has to grant that.
    ///
    /// # Errors
    /// `secret_denied` (403), `secret_unavailable` (503), or as [`secret`](Call::secret).
    pub fn secret_value(&self, name: &str) -> Result<String> {
        let value = self.of_secret(check(secret::value(self.host(), name))? as u32)?;
        String::from_utf8(value).map_err(|_| Error::from_host(errno::INVALID.into()))
    }

    /// The HMAC (RFC 2104) of `data` with a secret as its key: 20, 32 or 64 bytes.
    ///
    /// It is for services that want requests signed in a way of their own, and for checking what they have signed; the
    /// connector does not get the secret. The operator has to grant that. Data that hold what [`secret`](Call::secret)
    /// returned in this call are refused: the value comes into its place after they are signed.
    ///
    /// # Errors
    /// `secret_denied` (403), `secret_unavailable` (503), `invalid` if no secret can have that name, `too_large` above
    /// 16 MiB.
    pub fn hmac(&self, secret: &str, hash: Hash, data: &[u8]) -> Result<Vec<u8>> {
        self.of_secret(check(secret::hmac(self.host(), secret, hash.name(), data))? as u32)
    }

    /// What stands behind the second of a pair of handles, or the error behind the first.
    fn of_secret(&self, head: u32) -> Result<Vec<u8>> {
        let host = self.host();
        let outcome = read_text(host, head).and_then(|text| match Failure::in_head(&text) {
            None => Err(SendError::unreadable().into()),
            Some(Some(failure)) => Err(SendError::from(failure).into()),
            Some(None) => read_all(host, head + 1),
        });
        host.close(head);
        host.close(head + 1);
        outcome
    }
}
