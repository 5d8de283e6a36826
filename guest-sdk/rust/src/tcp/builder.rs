//! How a connection is opened.

use std::time::Duration;

use super::{Connection, Error, ErrorKind, milliseconds};
use crate::abi::tcp;
use crate::call::Call;
use crate::json::{push_integer, push_string};

/// How a connection is to be opened. [`Connection::builder`] makes one.
#[derive(Debug, Clone)]
pub struct Builder<'a> {
    address: &'a str,
    tls: bool,
    timeout: Option<Duration>,
    read_timeout: Option<Duration>,
    write_timeout: Option<Duration>,
}

impl<'a> Builder<'a> {
    pub(super) fn new(address: &'a str) -> Self {
        Builder { address, tls: false, timeout: None, read_timeout: None, write_timeout: None }
    }

    /// Begins TLS at once, with the address's host as the name. Without it TLS can begin later, by
    /// [`Connection::start_tls`].
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// How long opening may take, TLS included. Default: 20 seconds. The host has bounds of its own, of 10 seconds for
    /// connecting and 10 for TLS, and never goes beyond the call's deadline.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// As [`Connection::set_read_timeout`]. Default: none.
    pub fn read_timeout(mut self, timeout: Duration) -> Self {
        self.read_timeout = Some(timeout);
        self
    }

    /// As [`Connection::set_write_timeout`]. Default: none.
    pub fn write_timeout(mut self, timeout: Duration) -> Self {
        self.write_timeout = Some(timeout);
        self
    }

    /// Opens the connection, which is of use until the call ends.
    ///
    /// # Errors
    /// [`InvalidRequest`](ErrorKind::InvalidRequest), also for a timeout of zero, [`EgressDenied`](ErrorKind::EgressDenied),
    /// [`Dns`](ErrorKind::Dns), [`Connect`](ErrorKind::Connect), [`ConnectTimeout`](ErrorKind::ConnectTimeout),
    /// [`Tls`](ErrorKind::Tls), and [`Overloaded`](ErrorKind::Overloaded), which is also a seventeenth connection that is
    /// open at once.
    pub fn connect(&self, call: &Call) -> Result<Connection, Error> {
        let head = self.head()?;
        let (read_timeout, write_timeout) = (milliseconds(self.read_timeout)?, milliseconds(self.write_timeout)?);
        let result = tcp::open(call.host(), &head);
        let handle = u32::try_from(result).map_err(|_| Error::from_host(result))?;
        Connection::opened(call.host(), handle, self.address, read_timeout, write_timeout)
    }

    /// What the host is told.
    fn head(&self) -> Result<Vec<u8>, Error> {
        // More than any host's name has. The host would not say of a longer one that it is the address.
        const MAX_ADDRESS: usize = 512;
        if self.address.len() > MAX_ADDRESS {
            return Err(Error::new(ErrorKind::InvalidRequest, "The address must be host:port."));
        }
        let mut head = Vec::with_capacity(64 + self.address.len());
        head.extend_from_slice(b"{\"address\":");
        push_string(&mut head, self.address);
        if self.tls {
            head.extend_from_slice(b",\"tls\":\"yes\"");
        }
        if let Ok(timeout) = u64::try_from(milliseconds(self.timeout)?) {
            head.extend_from_slice(b",\"timeout_ms\":");
            push_integer(&mut head, timeout);
        }
        head.push(b'}');
        Ok(head)
    }
}
