//! Why a request got no answer.

use std::fmt;

use crate::abi::errno;
use crate::error::Error;
use crate::failure::Failure;

/// Why no answer came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendError {
    kind: SendErrorKind,
    message: String,
}

/// The kinds of [`SendError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendErrorKind {
    /// The request cannot be built: this part of it is wrong.
    InvalidRequest(Field),
    /// The request is over the host's limit.
    RequestTooLarge,
    /// Not granted, or the address may not be reached. The message names the rule that would allow it.
    EgressDenied,
    /// A secret of the request may not be sent there. The message names the grant or the binding that would allow it.
    SecretDenied,
    /// A secret of the request has no value.
    SecretUnavailable,
    /// The host was to authenticate the request, and has no credential for it.
    AuthRefused,
    /// The host was to authenticate the request, and its token service does not answer.
    AuthUnavailable,
    /// The host name was not found.
    Dns,
    /// Refused, unreachable, or reset while connecting.
    Connect,
    /// No connection within the time.
    ConnectTimeout,
    /// The handshake or the certificate failed.
    Tls,
    /// Connected, but no whole answer within the time.
    Timeout,
    /// The connection ended before an answer.
    Closed,
    /// The connection ended within the body.
    Incomplete,
    /// What came is no HTTP.
    Protocol,
    /// The content encoding is broken.
    Decode,
    /// The answer is over the response limit.
    ResponseTooLarge,
    /// No socket was left for this call, or too many requests to the service are under way.
    Overloaded,
    /// Most of the last requests to the service failed: none is sent there for some seconds.
    CircuitOpen,
    /// The host was to follow redirects, and they never ended or led nowhere that can be requested.
    Redirect,
    /// The host does not offer HTTP here.
    NotAvailable,
    /// Something that this SDK does not know.
    Other,
}

/// A part of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    Method,
    Url,
    Headers,
    Body,
    /// The host did not say which.
    Unknown,
}

impl SendErrorKind {
    /// The kind's code, as the host spells it.
    pub fn code(self) -> &'static str {
        match self {
            SendErrorKind::InvalidRequest(_) => "invalid_request",
            SendErrorKind::RequestTooLarge => "request_too_large",
            SendErrorKind::EgressDenied => "egress_denied",
            SendErrorKind::SecretDenied => "secret_denied",
            SendErrorKind::SecretUnavailable => "secret_unavailable",
            SendErrorKind::AuthRefused => "auth_refused",
            SendErrorKind::AuthUnavailable => "auth_unavailable",
            SendErrorKind::Dns => "dns",
            SendErrorKind::Connect => "connect",
            SendErrorKind::ConnectTimeout => "connect_timeout",
            SendErrorKind::Tls => "tls",
            SendErrorKind::Timeout => "timeout",
            SendErrorKind::Closed => "closed",
            SendErrorKind::Incomplete => "incomplete",
            SendErrorKind::Protocol => "protocol",
            SendErrorKind::Decode => "decode",
            SendErrorKind::ResponseTooLarge => "response_too_large",
            SendErrorKind::Overloaded => "overloaded",
            SendErrorKind::CircuitOpen => "circuit_open",
            SendErrorKind::Redirect => "redirect",
            SendErrorKind::NotAvailable => "not_available",
            SendErrorKind::Other => "http_failed",
        }
    }

    /// The status to answer with: below 500 where trying again is pointless.
    pub fn status(self) -> u16 {
        match self {
            SendErrorKind::InvalidRequest(_) => 400,
            SendErrorKind::EgressDenied | SendErrorKind::SecretDenied | SendErrorKind::AuthRefused => 403,
            SendErrorKind::RequestTooLarge | SendErrorKind::ResponseTooLarge => 413,
            SendErrorKind::Redirect => 422,
            SendErrorKind::Overloaded
            | SendErrorKind::CircuitOpen
            | SendErrorKind::SecretUnavailable
            | SendErrorKind::AuthUnavailable => 503,
            SendErrorKind::ConnectTimeout | SendErrorKind::Timeout => 504,
            _ => 500,
        }
    }

    fn from_code(code: &str, field: Option<&str>) -> Self {
        match code {
            "invalid_request" => SendErrorKind::InvalidRequest(match field {
                Some("method") => Field::Method,
                Some("url") => Field::Url,
                Some("headers") => Field::Headers,
                Some("body") => Field::Body,
                _ => Field::Unknown,
            }),
            "egress_denied" => SendErrorKind::EgressDenied,
            "secret_denied" => SendErrorKind::SecretDenied,
            "secret_unavailable" => SendErrorKind::SecretUnavailable,
            "auth_refused" => SendErrorKind::AuthRefused,
            "auth_unavailable" => SendErrorKind::AuthUnavailable,
            "dns" => SendErrorKind::Dns,
            "connect" => SendErrorKind::Connect,
            "connect_timeout" => SendErrorKind::ConnectTimeout,
            "tls" => SendErrorKind::Tls,
            "timeout" => SendErrorKind::Timeout,
            "closed" => SendErrorKind::Closed,
            "incomplete" => SendErrorKind::Incomplete,
            "protocol" => SendErrorKind::Protocol,
            "decode" => SendErrorKind::Decode,
            "response_too_large" => SendErrorKind::ResponseTooLarge,
            "overloaded" => SendErrorKind::Overloaded,
            "circuit_open" => SendErrorKind::CircuitOpen,
            "redirect" => SendErrorKind::Redirect,
            _ => SendErrorKind::Other,
        }
    }
}

impl SendError {
    /// What kind of failure it is.
    pub fn kind(&self) -> SendErrorKind {
        self.kind
    }

    /// The host's sentence. It holds no query and no credential.
    pub fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn from_host(result: i32) -> Self {
        let (kind, message) = match result {
            errno::TOO_LARGE => (SendErrorKind::RequestTooLarge, "The request is over the host's limit: send less."),
            errno::INVALID => {
                (SendErrorKind::InvalidRequest(Field::Unknown), "The host did not understand the request.")
            }
            errno::NOT_AVAILABLE => (SendErrorKind::NotAvailable, "The host does not offer HTTP here."),
            _ => (SendErrorKind::Other, "The host could not send the request."),
        };
        SendError { kind, message: message.to_owned() }
    }

    pub(crate) fn unreadable() -> Self {
        SendError { kind: SendErrorKind::Other, message: "The host's response head cannot be read.".to_owned() }
    }
}

impl From<Failure<'_>> for SendError {
    fn from(failure: Failure) -> Self {
        let kind = SendErrorKind::from_code(&failure.code, failure.field.as_deref());
        SendError { kind, message: failure.message.into_owned() }
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.code(), self.message)
    }
}

impl std::error::Error for SendError {}

impl From<SendError> for Error {
    fn from(error: SendError) -> Self {
        Error::new(error.kind.code(), error.message).status(error.kind.status())
    }
}
