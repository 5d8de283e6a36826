//! Secrets: what a connector may use and not see.

use crate::abi::{errno, secret};
use crate::call::{Call, check, read_all, read_text};
use crate::error::{Error, Result};
use crate::failure::Failure;
use crate::send_error::SendError;

/// How many bytes a reference has.
const REFERENCE_LENGTH: usize = 48;

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
        let host = self.host();
        let head = check(secret::value(host, name))? as u32;
        let outcome = match Failure::in_head(&read_text(host, head)?) {
            None => Err(SendError::unreadable().into()),
            Some(Some(failure)) => Err(SendError::from(failure).into()),
            Some(None) => read_all(host, head + 1)
                .and_then(|value| String::from_utf8(value).map_err(|_| Error::from_host(errno::INVALID.into()))),
        };
        host.close(head);
        host.close(head + 1);
        outcome
    }
}
