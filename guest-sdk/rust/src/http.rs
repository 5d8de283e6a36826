//! HTTP through the host, which checks every request against the connector's grants.

use std::borrow::Cow;
use std::io;
use std::mem::MaybeUninit;
use std::time::Duration;

use crate::abi::{Host, errno};
use crate::call::{Call, check, read_all, read_text};
use crate::error::{Error, Result};
use crate::failure::Failure;
use crate::json::{push_integer, push_string};
use crate::scan::Scanner;
use crate::send_error::SendError;

/// An HTTP method that the host sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
}

impl Method {
    /// The method as it goes over the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
            Method::Options => "OPTIONS",
        }
    }
}

/// One request. It borrows what it is given, so that sending copies nothing but the head.
///
/// # Notes
/// The host sends the URL as written, follows no redirect and keeps no cookie.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    method: Method,
    url: &'a str,
    headers: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    timeout: Option<Duration>,
    streams: bool,
    body: Cow<'a, [u8]>,
}

impl<'a> Request<'a> {
    /// A request for an absolute http or https URL without user information.
    pub fn new(method: Method, url: &'a str) -> Self {
        Request { method, url, headers: Vec::new(), timeout: None, streams: false, body: Cow::Borrowed(&[]) }
    }

    /// A GET request.
    pub fn get(url: &'a str) -> Self {
        Request::new(Method::Get, url)
    }

    /// A POST request.
    pub fn post(url: &'a str) -> Self {
        Request::new(Method::Post, url)
    }

    /// Adds a header. A name may be given more than once. `Host` and the headers that frame a message are the host's.
    pub fn header(mut self, name: impl Into<Cow<'a, str>>, value: impl Into<Cow<'a, str>>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body; an empty one is none.
    pub fn body(mut self, body: impl Into<Cow<'a, [u8]>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets the body to a value's JSON, with its `content-type`.
    ///
    /// # Errors
    /// `invalid_request` if the value has no JSON.
    pub fn json<T: serde::Serialize + ?Sized>(self, value: &T) -> Result<Self> {
        let body = serde_json::to_vec(value)
            .map_err(|_| Error::new("invalid_request", "The request's body cannot be written as JSON.").status(400))?;
        Ok(self.header("content-type", "application/json").body(body))
    }

    /// How long the host may take until it has read the whole answer. Default: 30 seconds. The host never goes beyond
    /// the call's deadline.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Has [`send`](Request::send) return as soon as the answer's head has come. Its body is read as it comes, by
    /// [`io::Read`], and is not in the host's memory: it may have 64 MiB unless the operator says otherwise. The timeout
    /// goes on until its end. A command can have 16 such bodies open.
    pub fn stream(mut self) -> Self {
        self.streams = true;
        self
    }

    /// Sends the request and waits for the whole answer. Any status is an answer.
    ///
    /// # Errors
    /// A [`SendError`] where no answer came; `?` turns it into an [`Error`] with the same code.
    pub fn send<'h>(&self, call: &Call<'h>) -> Result<Response<'h>, SendError> {
        let host = call.host();
        let result = host.http_send(&self.head(), &self.body);
        let Ok(handle) = u32::try_from(result) else {
            return Err(SendError::from_host(result));
        };
        Response::receive(host, handle, self.streams)
    }

    fn head(&self) -> Vec<u8> {
        let mut head = Vec::with_capacity(128 + self.url.len());
        head.extend_from_slice(b"{\"method\":\"");
        head.extend_from_slice(self.method.as_str().as_bytes());
        head.extend_from_slice(b"\",\"url\":");
        push_string(&mut head, self.url);
        head.extend_from_slice(b",\"headers\":[");
        for (i, (name, value)) in self.headers.iter().enumerate() {
            head.extend_from_slice(if i == 0 { b"[" } else { b",[" });
            push_string(&mut head, name);
            head.push(b',');
            push_string(&mut head, value);
            head.push(b']');
        }
        head.push(b']');
        if let Some(timeout) = self.timeout {
            head.extend_from_slice(b",\"timeout_ms\":");
            push_integer(&mut head, u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
        }
        if self.streams {
            head.extend_from_slice(b",\"stream\":true");
        }
        head.push(b'}');
        head
    }
}

/// The answer to a request. It stays with the host until it is read, or comes while it is read, where the request said
/// [`stream`](Request::stream). Dropping it gives it back.
pub struct Response<'h> {
    host: &'h dyn Host,
    handle: u32,
    offset: u64,
    status: u16,
    streams: bool,
}

impl<'h> Response<'h> {
    fn receive(host: &'h dyn Host, handle: u32, streams: bool) -> Result<Self, SendError> {
        // Made before anything is read, so that the buffers are given back on every way out.
        let mut response = Response { host, handle, offset: 0, status: 0, streams };
        match u16::try_from(host.http_status(handle)) {
            Ok(0) => Err(failure(host, handle)),
            Ok(status) => {
                response.status = status;
                Ok(response)
            }
            Err(_) => Err(SendError::unreadable()),
        }
    }

    /// The answer's status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The first value of a header. It alone is read.
    pub fn header(&self, name: &str) -> Option<String> {
        const USUAL: usize = 64;
        let mut value = Vec::with_capacity(USUAL);
        loop {
            let size = self.host.http_header(self.handle, name, value.spare_capacity_mut());
            let size = usize::try_from(size).ok()?;
            if size <= value.capacity() {
                // SAFETY: the host initialised as much of the spare capacity, which is all of it.
                unsafe { value.set_len(size) };
                return String::from_utf8(value).ok();
            }
            value.reserve_exact(size);
        }
    }

    /// All headers of the answer.
    ///
    /// # Errors
    /// `http_failed` if the host's head cannot be read.
    pub fn headers(&self) -> Result<Headers> {
        let head = Head::read(self.host, self.handle).ok_or_else(SendError::unreadable)?;
        Ok(head.headers)
    }

    /// Whether the body is one JSON value that an answer may have as its body: strict, in UTF-8, and at most 512 arrays
    /// and objects deep. The host looks, so that the body is not read. Of one that is streamed nothing is known.
    pub fn is_json(&self) -> bool {
        self.host.is_json(self.body()) > 0
    }

    /// The whole body; of one that is streamed, what has not been read. To take it in pieces, use the response as an
    /// [`io::Read`].
    ///
    /// # Errors
    /// That of a host that cannot hand it out, or why a streamed body did not come to its end.
    pub fn bytes(&mut self) -> Result<Vec<u8>> {
        if !self.streams {
            return read_all(self.host, self.body());
        }
        const PIECE: usize = 16 << 10;
        let mut bytes = Vec::new();
        loop {
            bytes.reserve(PIECE);
            let read = self.read_on(bytes.spare_capacity_mut())?;
            if read == 0 {
                return Ok(bytes);
            }
            // SAFETY: the host initialised as much of the spare capacity.
            unsafe { bytes.set_len(bytes.len() + read) };
        }
    }

    fn read_on(&mut self, buf: &mut [MaybeUninit<u8>]) -> Result<usize> {
        let read = match self.host.read(self.body(), self.offset, buf) {
            errno::CLOSED => return Err(failure(self.host, self.handle).into()),
            read => check(read)?.min(buf.len()),
        };
        self.offset += read as u64;
        Ok(read)
    }

    /// The whole body as UTF-8.
    ///
    /// # Errors
    /// `invalid_text` if it is none.
    pub fn text(&mut self) -> Result<String> {
        String::from_utf8(self.bytes()?)
            .map_err(|_| Error::new("invalid_text", "The service's answer is no UTF-8 text."))
    }

    fn body(&self) -> u32 {
        self.handle + 1
    }

    /// The handle of the body, which stays open until the call ends; so does that of its head where the body is streamed,
    /// since it will say how that ended.
    pub(crate) fn into_body(self) -> u32 {
        let response = std::mem::ManuallyDrop::new(self);
        if !response.streams {
            response.host.close(response.handle);
        }
        response.body()
    }
}

/// Where a streamed body does not come to its end, the error holds an [`Error`] with the host's code.
impl io::Read for Response<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        // SAFETY: initialised bytes may be taken as maybe uninitialised, and the host only writes initialised ones.
        let spare = unsafe { &mut *(buf as *mut [u8] as *mut [MaybeUninit<u8>]) };
        self.read_on(spare).map_err(io::Error::other)
    }
}

/// Why there is no body, or no more of it, as the head behind a handle says.
pub(crate) fn failure(host: &dyn Host, head: u32) -> SendError {
    Head::read(host, head).and_then(|head| head.error).unwrap_or_else(SendError::unreadable)
}

impl Drop for Response<'_> {
    fn drop(&mut self) {
        self.host.close(self.handle);
        self.host.close(self.body());
    }
}

/// The headers of an answer: names in lower case, repeated ones repeated, in order.
#[derive(Debug, Clone, Default)]
pub struct Headers {
    text: String,
    /// Where each name ends and where its value ends in `text`.
    ends: Vec<(usize, usize)>,
}

impl Headers {
    /// The first value of a name, given in lower case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// Reads a list of pairs.
    fn scan(scanner: &mut Scanner) -> Option<Self> {
        let mut headers = Headers { text: String::with_capacity(512), ends: Vec::with_capacity(16) };
        scanner.array(|scanner| {
            let mut ends = [0; 2];
            let mut parts = ends.iter_mut();
            scanner.array(|scanner| {
                headers.text.push_str(&scanner.string()?);
                *parts.next()? = headers.text.len();
                Some(())
            })?;
            let is_pair = parts.next().is_none();
            headers.ends.push(ends.into());
            is_pair.then_some(())
        })?;
        Some(headers)
    }

    /// All names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut start = 0;
        self.ends.iter().map(move |&(name_end, value_end)| {
            let pair = (&self.text[start..name_end], &self.text[name_end..value_end]);
            start = value_end;
            pair
        })
    }
}

/// The head of an answer as the host writes it.
#[derive(Default)]
struct Head {
    headers: Headers,
    error: Option<SendError>,
}

impl Head {
    fn read(host: &dyn Host, handle: u32) -> Option<Self> {
        Head::parse(&read_text(host, handle).ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut head = Head::default();
        let mut scanner = Scanner::new(text);
        scanner.object(|scanner, name| {
            match name.as_ref() {
                "headers" => head.headers = Headers::scan(scanner)?,
                "error" => head.error = Some(Failure::scan(scanner)?.into()),
                _ => drop(scanner.value()?),
            }
            Some(())
        })?;
        scanner.end().map(|()| head)
    }
}
