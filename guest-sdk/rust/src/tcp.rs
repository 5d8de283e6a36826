//! Connections through the host, for protocols other than HTTP.
//!
//! A [`Connection`] reads and writes as [`std::net::TcpStream`] does, so that client libraries which take any stream run
//! on it: those for mail, databases, message brokers. The connector's table asks for it, with
//! [`Connector::tcp`](crate::Connector::tcp), and the operator grants where connections may go. The host resolves names,
//! judges addresses, and speaks TLS: a library that would speak TLS itself is told not to, and gets a connection on which
//! the host does.
//!
//! ```
//! use std::io::{BufRead, BufReader, Write};
//! use sluice::tcp::Connection;
//! use sluice::{Answer, Call, Command, Connector, Result};
//! # use sluice::testing::{Peer, TestHost};
//!
//! const CLOCK: Connector = Connector::new("clock", "1.0.0", "Asks for the time")
//!     .tcp("asks the clock", &["clock.example.com:7013"])
//!     .commands(&[Command::new("Ask", "The time", ask)]);
//!
//! fn ask(call: &Call) -> Result<Answer> {
//!     let mut clock = BufReader::new(Connection::connect(call, "clock.example.com:7013")?);
//!     clock.get_mut().write_all(b"TIME\n")?;
//!     let mut line = String::new();
//!     clock.read_line(&mut line)?;
//!     Ok(Answer::text(line.trim_end()))
//! }
//! # let host = TestHost::new("{}").peer(Peer::new().hears("TIME\n").says("12:00\n"));
//! # assert_eq!(host.run(&CLOCK, "Ask").body, "12:00");
//! ```
//!
//! # Notes
//!
//! - Nothing is collected before it is sent, and every write is a call of the host: put a [`BufWriter`](std::io::BufWriter) around
//!   a connection that gets many small ones.
//! - While the host waits, nothing else of the connector runs, and no time is counted as its own.
//! - A connection without timeouts waits as long as the call has time, less a second in which to say that the peer was
//!   too slow.

mod builder;
mod error;

use std::fmt;
use std::io::{self, BufReader, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed};
use std::time::Duration;

use crate::abi::{Host, errno, tcp};
use crate::call::{Call, ceil_milliseconds, read_text};
use crate::failure::Failure;

pub use builder::Builder;
pub use error::{Error, ErrorKind};

/// A connection that the host holds. Dropping it closes it; the end of the call does so at the latest.
///
/// It reads and writes as a [`TcpStream`](std::net::TcpStream), by a shared reference too, and as that is `Send`, `Sync` and
/// `'static`, which some libraries ask for. It is of use until the call ends.
///
/// # Errors
/// Those of reading and writing are an [`Error`] within an [`io::Error`]: [`TimedOut`](io::ErrorKind::TimedOut), after which
/// it can be tried again, [`ConnectionReset`](io::ErrorKind::ConnectionReset), or [`Other`](io::ErrorKind::Other). As the
/// error of a command, by `?`, they have the codes `timeout`, `closed` and `tcp_failed`.
pub struct Connection {
    host: Arc<dyn Host>,
    /// The handle of the head, which says what became of the connection. The connection's own is one higher.
    head: u32,
    address: Box<str>,
    // A guest has one thread: the atomics cost nothing there, and make a connection fit for libraries that ask for `Sync`.
    read_timeout: AtomicI64,
    write_timeout: AtomicI64,
    closed: AtomicBool,
}

impl Connection {
    /// Opens a connection to `host:port`, an IPv6 address in brackets, without TLS.
    ///
    /// # Errors
    /// As [`Builder::connect`].
    pub fn connect(call: &Call, address: &str) -> Result<Self, Error> {
        Connection::builder(address).connect(call)
    }

    /// Says how a connection to `host:port` is to be opened: with TLS, within a time.
    pub fn builder(address: &str) -> Builder<'_> {
        Builder::new(address)
    }

    /// Takes what the host opened, if it did.
    fn opened(host: &dyn Host, head: u32, address: &str, read: i64, write: i64) -> Result<Self, Error> {
        // Made before the head is read, so that the handles are given back on every way out.
        let connection = Connection {
            host: host.share(),
            head,
            address: address.into(),
            read_timeout: read.into(),
            write_timeout: write.into(),
            closed: false.into(),
        };
        connection.told().map(|()| connection)
    }

    /// The address as it was dialled.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// How long one reading may take; None is no limit but that of the call. The host counts in whole milliseconds, rounded up.
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) for a time of zero.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.read_timeout.store(milliseconds(timeout)?, Relaxed);
        Ok(())
    }

    /// How long one writing may take, as [`set_read_timeout`](Connection::set_read_timeout). Of a
    /// [`write_all`](Write::write_all) that takes too long a part may have been sent.
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) for a time of zero.
    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.write_timeout.store(milliseconds(timeout)?, Relaxed);
        Ok(())
    }

    /// Goes over to TLS, for protocols that begin without it (STARTTLS). The host speaks it, with the address's host as the
    /// name. The peer's answer that lets TLS begin was read, and nothing behind it: whoever reads through a
    /// [`BufReader`] calls [`start_tls`] with that, which looks.
    ///
    /// # Errors
    /// The connection is closed then. [`Tls`](ErrorKind::Tls), [`UnreadData`](ErrorKind::UnreadData) where the peer had sent
    /// something that nobody read, [`Closed`](ErrorKind::Closed), or [`InvalidRequest`](ErrorKind::InvalidRequest) where TLS
    /// has begun already.
    pub fn start_tls(&self) -> Result<(), Error> {
        let Some(connection) = self.open() else { return Err(Error::from_host(errno::CLOSED)) };
        let error = match tcp::start_tls(&*self.host, connection) {
            0.. => return Ok(()),
            errno::CLOSED => self.told().err().unwrap_or_else(|| Error::from_host(errno::CLOSED)),
            errno::INVALID => Error::new(ErrorKind::InvalidRequest, "TLS has begun on the connection already."),
            result => Error::from_host(result),
        };
        self.close();
        Err(error)
    }

    /// What the head says went wrong.
    fn told(&self) -> Result<(), Error> {
        let text = read_text(&*self.host, self.head).map_err(|_| Error::unreadable())?;
        match Failure::in_head(&text) {
            Some(None) => Ok(()),
            Some(Some(failure)) => Err(failure.into()),
            None => Err(Error::unreadable()),
        }
    }

    /// The handle of the connection, unless it is closed.
    fn open(&self) -> Option<u32> {
        (!self.closed.load(Relaxed)).then_some(self.head + 1)
    }

    fn close(&self) {
        if !self.closed.swap(true, Relaxed) {
            self.host.close(self.head + 1);
            self.host.close(self.head);
        }
    }
}

/// Goes over to TLS as [`Connection::start_tls`] does, and sees that the reader has not read ahead: what is in its buffer may
/// have been put there by somebody on the way, to be taken for a part of what TLS protects.
///
/// # Errors
/// Those of [`Connection::start_tls`], of which [`UnreadData`](ErrorKind::UnreadData) is also a buffer that is not empty.
pub fn start_tls<R: AsRef<Connection> + ?Sized>(reader: &BufReader<R>) -> Result<(), Error> {
    let connection = reader.get_ref().as_ref();
    if reader.buffer().is_empty() {
        return connection.start_tls();
    }
    connection.close();
    Err(Error::new(ErrorKind::UnreadData, "TLS was not begun: the peer had sent data before it that nobody read."))
}

/// A timeout as the host takes it: -1 is none, and there is nothing above 31 bits.
fn milliseconds(timeout: Option<Duration>) -> Result<i64, Error> {
    match timeout.map(ceil_milliseconds) {
        None => Ok(-1),
        Some(0) => Err(Error::new(ErrorKind::InvalidRequest, "A timeout is longer than nothing.")),
        Some(milliseconds) => Ok(i32::try_from(milliseconds).unwrap_or(i32::MAX).into()),
    }
}

/// What a host function says of a transfer of at most `most` bytes.
fn transferred(result: i32, most: usize) -> io::Result<usize> {
    match usize::try_from(result) {
        Ok(count) => Ok(count.min(most)),
        Err(_) => Err(Error::from_host(result).into()),
    }
}

impl Read for &Connection {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let timeout = self.read_timeout.load(Relaxed);
        let read = |connection| tcp::read(&*self.host, connection, buf, timeout);
        transferred(self.open().map_or(errno::CLOSED, read), buf.len())
    }
}

impl Write for &Connection {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let timeout = self.write_timeout.load(Relaxed);
        let write = |connection| tcp::write(&*self.host, connection, buf, timeout);
        transferred(self.open().map_or(errno::CLOSED, write), buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Connection {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buf)
    }
}

impl Write for Connection {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        (&*self).write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsRef<Connection> for Connection {
    fn as_ref(&self) -> &Connection {
        self
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.close();
    }
}
