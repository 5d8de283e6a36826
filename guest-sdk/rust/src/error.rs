//! Errors: a stable code that workflow models name in their boundary events, and a sentence for a human.

use std::borrow::Cow;
use std::{fmt, io};

use crate::abi::errno;
use crate::tcp;

/// The result of a command, or of anything that may end one.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Ends a command with an `error` object.
///
/// The code is public API: models match on it. The message says what to do, and never holds a credential, a parameter's
/// value or a URL's query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    code: Cow<'static, str>,
    message: String,
    status: Option<u16>,
}

impl Error {
    /// An error with this code and message, and no status.
    pub fn new(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Error { code: code.into(), message: message.into(), status: None }
    }

    /// Sets the answer's `http_status`, 100 to 599. Callers retry on 429 and on 500 and above, and on nothing else.
    pub fn status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// The error for a parameter whose value cannot be used: `invalid_parameter`, status 400. `problem` completes the
    /// sentence "Parameter x …", for example "must be an object".
    pub fn invalid_parameter(name: &str, problem: &str) -> Self {
        Error::new("invalid_parameter", format!("Parameter {name} {problem}.")).status(400)
    }

    /// The error for a negative result of a host function.
    pub fn from_host(result: i64) -> Self {
        let (code, message) = match i32::try_from(result).unwrap_or_default() {
            errno::BAD_HANDLE => ("bad_handle", "The connector used a handle that the host does not know."),
            errno::BAD_RANGE => ("bad_range", "The connector named bytes outside of its memory."),
            errno::TOO_LARGE => {
                ("too_large", "A limit on output, log or request is reached: ask for less, or raise the limit.")
            }
            errno::INVALID => ("invalid", "The host did not understand what the connector sent."),
            errno::NOT_AVAILABLE => ("not_available", "The host does not offer this function here."),
            _ => ("host_failed", "The host answered with an error that this SDK does not know."),
        };
        Error::new(code, message).status(500)
    }

    /// The error's code.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The error's message.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The answer's `http_status`, where one was set.
    pub fn http_status(&self) -> Option<u16> {
        self.status
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Error {}

/// What this SDK put into an [`io::Error`] comes out again, with its code. Any other is an `unclassified_error`, whose text
/// stays where it is, because it may quote what was read.
impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        let error = match error.downcast::<tcp::Error>() {
            Ok(error) => return error.into(),
            Err(error) => error,
        };
        error.downcast::<Error>().unwrap_or_else(|error| {
            let kind = error.kind();
            let message = format!("Reading or writing failed: {kind}. The connector's author can name the cause.");
            Error::new("unclassified_error", message).status(500)
        })
    }
}
