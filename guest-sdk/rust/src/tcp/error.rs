//! What becomes of a connection that cannot be opened, or goes no further.

use std::borrow::Cow;
use std::{fmt, io};

use crate::abi::errno;
use crate::failure::Failure;

/// Why a connection cannot be opened, or goes no further.
///
/// As an [`io::Error`] it is the inner error of one that has the fitting kind; as the kit's own [`Error`](crate::Error),
/// also on the way over an [`io::Error`], it keeps its code and gets a status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    message: Cow<'static, str>,
}

/// The kinds of [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The address is no `host:port`, a timeout is none, or TLS has begun already.
    InvalidRequest,
    /// Not granted, or the address may not be reached. The message names the rule that would allow it.
    EgressDenied,
    /// The host name was not found.
    Dns,
    /// Refused, unreachable, or reset while connecting.
    Connect,
    /// No connection within the time.
    ConnectTimeout,
    /// The handshake or the certificate failed.
    Tls,
    /// The peer had sent something before TLS that nobody read.
    UnreadData,
    /// No socket was left, or the call has too many connections.
    Overloaded,
    /// Nothing came, or nothing was taken, within the time. It can be tried again.
    Timeout,
    /// The connection is no more.
    Closed,
    /// The host does not offer connections here.
    NotAvailable,
    /// Something that this SDK does not know.
    Other,
}

impl ErrorKind {
    /// The kind's code, as the host spells it.
    pub fn code(self) -> &'static str {
        match self {
            ErrorKind::InvalidRequest => "invalid_request",
            ErrorKind::EgressDenied => "egress_denied",
            ErrorKind::Dns => "dns",
            ErrorKind::Connect => "connect",
            ErrorKind::ConnectTimeout => "connect_timeout",
            ErrorKind::Tls => "tls",
            ErrorKind::UnreadData => "unread_data",
            ErrorKind::Overloaded => "overloaded",
            ErrorKind::Timeout => "timeout",
            ErrorKind::Closed => "closed",
            ErrorKind::NotAvailable => "not_available",
            ErrorKind::Other => "tcp_failed",
        }
    }

    /// The status to answer with: below 500 where trying again is pointless.
    pub fn status(self) -> u16 {
        match self {
            ErrorKind::InvalidRequest => 400,
            ErrorKind::EgressDenied => 403,
            ErrorKind::Overloaded => 503,
            ErrorKind::ConnectTimeout | ErrorKind::Timeout => 504,
            _ => 500,
        }
    }

    fn from_code(code: &str) -> Self {
        const TOLD: [ErrorKind; 8] = [
            ErrorKind::InvalidRequest,
            ErrorKind::EgressDenied,
            ErrorKind::Dns,
            ErrorKind::Connect,
            ErrorKind::ConnectTimeout,
            ErrorKind::Tls,
            ErrorKind::UnreadData,
            ErrorKind::Overloaded,
        ];
        TOLD.into_iter().find(|kind| kind.code() == code).unwrap_or(ErrorKind::Other)
    }
}

impl From<ErrorKind> for io::ErrorKind {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::InvalidRequest => io::ErrorKind::InvalidInput,
            ErrorKind::EgressDenied => io::ErrorKind::PermissionDenied,
            ErrorKind::Dns => io::ErrorKind::NotFound,
            ErrorKind::Connect => io::ErrorKind::ConnectionRefused,
            ErrorKind::ConnectTimeout | ErrorKind::Timeout => io::ErrorKind::TimedOut,
            ErrorKind::Tls | ErrorKind::UnreadData => io::ErrorKind::InvalidData,
            ErrorKind::Overloaded => io::ErrorKind::ResourceBusy,
            ErrorKind::Closed => io::ErrorKind::ConnectionReset,
            ErrorKind::NotAvailable => io::ErrorKind::Unsupported,
            ErrorKind::Other => io::ErrorKind::Other,
        }
    }
}

impl Error {
    /// What kind of failure it is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// A sentence that says what happened. It holds no credential, and nothing of what was sent or read.
    pub fn message(&self) -> &str {
        &self.message
    }

    pub(super) fn new(kind: ErrorKind, message: &'static str) -> Self {
        Error { kind, message: Cow::Borrowed(message) }
    }

    /// The error for a negative result of a host function.
    pub(super) fn from_host(result: i32) -> Self {
        let (kind, message) = match result {
            errno::TOO_LARGE => {
                (ErrorKind::Overloaded, "The call may open no more connections: close those that are not needed.")
            }
            errno::INVALID => {
                (ErrorKind::InvalidRequest, "The host did not understand what was asked of a connection.")
            }
            errno::NOT_AVAILABLE => (ErrorKind::NotAvailable, "The host does not offer connections here."),
            errno::TIMEOUT => (ErrorKind::Timeout, "The peer sent nothing, or took nothing, within the time."),
            errno::CLOSED => (ErrorKind::Closed, "The connection is closed."),
            errno::DENIED => (
                ErrorKind::EgressDenied,
                "The connector may open no connections: its manifest must ask for the capability tcp, and the operator \
                 grant it.",
            ),
            _ => (ErrorKind::Other, "The host answered with an error that this SDK does not know."),
        };
        Error::new(kind, message)
    }

    pub(super) fn unreadable() -> Self {
        Error::new(ErrorKind::Other, "What the host says of the connection cannot be read.")
    }
}

impl From<Failure<'_>> for Error {
    fn from(failure: Failure) -> Self {
        Error { kind: ErrorKind::from_code(&failure.code), message: Cow::Owned(failure.message.into_owned()) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.code(), self.message)
    }
}

impl std::error::Error for Error {}

impl From<Error> for crate::Error {
    fn from(error: Error) -> Self {
        crate::Error::new(error.kind.code(), error.message).status(error.kind.status())
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        io::Error::new(error.kind.into(), error)
    }
}
