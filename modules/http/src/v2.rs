//! The second generation: `GetRequestV2`, `HeadRequestV2`, `PostRequestV2`, `PutRequestV2`, `PatchRequestV2`,
//! `DeleteRequestV2`.
//!
//! Redirects are followed, except by HEAD; a failure can be tried again; XML becomes an object. Error codes are the names
//! of the exceptions of Python's requests, which models match on.

use std::borrow::Cow;
use std::time::Duration;

use sluice::json::validate;
use sluice::{Answer, Call, Field, Level, Method, Params, Response, Result, SendError, SendErrorKind};

use crate::exchange::{Exchange, bad_json, failed_status, inner_status, raw_response};
use crate::headers::{Headers, Invalid};
use crate::json::{MAX_DEPTH, compact, is_truthy};
use crate::url::{Refusal, Url};
use crate::{auth, charset, form, redirect, xml};

const PAUSE: Duration = Duration::from_secs(1);
/// What another attempt must have left of the call's deadline, to answer in.
const MARGIN: Duration = Duration::from_secs(2);

/// Why no service answered.
struct Failure {
    code: &'static str,
    status: u16,
    message: String,
}

fn refused(code: &'static str, message: impl Into<String>) -> Failure {
    Failure { code, status: 400, message: message.into() }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let code = match refusal {
            Refusal::NoScheme => "MissingSchema",
            Refusal::Scheme => "InvalidSchema",
            Refusal::Invalid(_) => "InvalidURL",
        };
        refused(code, refusal.message())
    }
}

impl From<Invalid> for Failure {
    fn from(invalid: Invalid) -> Self {
        refused("InvalidHeader", invalid.to_string())
    }
}

impl From<SendError> for Failure {
    fn from(error: SendError) -> Self {
        let kind = error.kind();
        let code = match kind {
            SendErrorKind::InvalidRequest(Field::Url) => "InvalidURL",
            SendErrorKind::InvalidRequest(Field::Headers) => "InvalidHeader",
            SendErrorKind::InvalidRequest(_) => "RequestException",
            SendErrorKind::EgressDenied
            | SendErrorKind::Overloaded
            | SendErrorKind::SecretDenied
            | SendErrorKind::SecretUnavailable
            | SendErrorKind::AuthRefused
            | SendErrorKind::AuthUnavailable
            | SendErrorKind::CircuitOpen
            | SendErrorKind::Redirect
            | SendErrorKind::RequestTooLarge
            | SendErrorKind::ResponseTooLarge => kind.code(),
            SendErrorKind::Tls => "SSLError",
            SendErrorKind::ConnectTimeout => "ConnectTimeout",
            SendErrorKind::Timeout => "ReadTimeout",
            SendErrorKind::Incomplete => "ChunkedEncodingError",
            SendErrorKind::Decode => "ContentDecodingError",
            _ => "ConnectionError",
        };
        Failure { code, status: kind.status(), message: error.message().to_owned() }
    }
}

/// Runs the command of this generation that sends `method`.
pub fn run(call: &Call, method: Method) -> Result<Answer> {
    Ok(match prepare(call.params(), method) {
        Ok(exchange) => attempt(call, &exchange).unwrap_or_else(failure),
        Err(refusal) => failure(refusal),
    })
}

fn failure(failure: Failure) -> Answer {
    Answer::json_text("{}").status(failure.status).error(failure.code, failure.message)
}

/// Builds the request.
fn prepare<'a>(params: &Params<'a>, method: Method) -> Result<Exchange<'a>, Failure> {
    let text = |name| params.str(name).map_err(|error| refused("InvalidURL", error.message()));
    let query = match (method, params.raw("params")) {
        (Method::Get | Method::Head | Method::Delete, Some(query)) => form::query_v2(query)
            .map_err(|_| refused("InvalidURL", "params must be an object, a list of pairs or a string."))?,
        _ => Cow::Borrowed(""),
    };
    let url = text("url")?.unwrap_or_default();
    let (url, userinfo) = Url::v2(&url, &query)?;

    let mut headers = Headers::parse_lenient(params.raw("headers"))?;
    if let Some((name, _)) = headers.iter().find(|(_, value)| value.starts_with(char::is_whitespace)) {
        return Err(refused("InvalidHeader", format!("The header {name:?} must not begin with white space.")));
    }
    let data = params.raw("data");
    let body = match (method, data) {
        (Method::Get | Method::Head, _) | (Method::Delete, None) => None,
        (Method::Delete, Some(data)) => Some(compact(data)),
        (_, Some(data)) if is_truthy(data) => Some(compact(data)),
        _ => Some(Cow::Borrowed(&b"{}"[..])),
    };
    if body.is_some() {
        headers.set_default("content-type", "application/json");
    }
    let credentials = match (text("basic_auth_username")?, text("basic_auth_password")?) {
        (Some(username), Some(password)) => Some((username, password)),
        _ => auth::from_userinfo(userinfo),
    };
    if let Some((username, password)) = credentials {
        let bytes = (auth::latin1_or_utf8(&username), auth::latin1_or_utf8(&password));
        headers.set("authorization", auth::basic(&bytes.0, &bytes.1));
    }
    headers.finish(url.authority());
    Ok(Exchange { method, url, headers, body: body.unwrap_or_default() })
}

/// Sends the request, up to `attempts` times while the service or the way to it fails.
fn attempt(call: &Call, exchange: &Exchange) -> Result<Answer, Failure> {
    let attempts = match exchange.method {
        Method::Get | Method::Head => call.params().int("attempts").ok().flatten().filter(|n| (1..=10).contains(n)),
        _ => None,
    };
    let attempts = attempts.unwrap_or(1);
    let ends = (attempts > 1).then(|| ends_at(call)).flatten();
    let mut attempt = 1;
    loop {
        call.log(Level::Info, &format!("attempt {attempt} of {attempts}"));
        let outcome = follow(call, exchange);
        let status = match &outcome {
            Ok(response) => response.status(),
            Err(failure) => failure.status,
        };
        let has_failed = (500..600).contains(&status);
        if !has_failed || attempt == attempts {
            return outcome.and_then(answer_to(exchange.method));
        }
        if ends.is_some_and(|ends| call.now() + PAUSE + MARGIN > ends) {
            call.log(Level::Warn, "no time left for another attempt");
            return outcome.and_then(answer_to(exchange.method));
        }
        call.log(Level::Info, &format!("status {status}, sleeping before the next attempt"));
        if call.sleep(PAUSE).is_err() {
            return outcome.and_then(answer_to(exchange.method));
        }
        attempt += 1;
    }
}

/// The time at which the call's deadline passes.
fn ends_at(call: &Call) -> Option<Duration> {
    let began = call.now();
    call.context().ok().map(|context| began + context.deadline())
}

/// Sends the request and follows redirects.
fn follow<'h>(call: &Call<'h>, exchange: &Exchange) -> Result<Response<'h>, Failure> {
    let mut response = exchange.send(call)?;
    if exchange.method == Method::Head {
        return Ok(response);
    }
    let mut hop = Cow::Borrowed(exchange);
    for hops in 0.. {
        let Some(location) = redirect::target(&response) else { break };
        if hops == redirect::MAX {
            let message = format!("The service redirects more than {} times.", redirect::MAX);
            return Err(Failure { code: "TooManyRedirects", status: 500, message });
        }
        let (url, _) = Url::v2(&hop.url.join(&location), "")?;
        call.log(Level::Info, &format!("status {}, redirected to {}", response.status(), url.origin()));

        let next = hop.to_mut();
        let method = redirect::method(response.status(), next.method);
        if method != next.method {
            next.method = method;
            next.body = Cow::default();
            next.headers.remove("content-type");
        }
        next.headers.remove("cookie");
        if !next.url.shares_credentials_with(&url) {
            next.headers.keep_impersonal();
        }
        next.url = url;
        response = next.send(call)?;
    }
    Ok(response)
}

fn answer_to(method: Method) -> impl FnOnce(Response) -> Result<Answer, Failure> {
    move |response| answer(response, method)
}

/// The answer of a service that answered.
fn answer(mut response: Response, method: Method) -> Result<Answer, Failure> {
    let status = response.status();
    let content_type = response.header("content-type").unwrap_or_default();
    let is_json = content_type.contains("application/json");
    if is_json && status < 400 && method != Method::Head && charset::is_utf8_v2(&content_type) && response.is_json() {
        return Ok(Answer::json_from(response).status(status));
    }
    let bytes = match method {
        Method::Head => Vec::new(),
        _ => response.bytes().map_err(|error| Failure {
            code: "ConnectionError",
            status: 500,
            message: error.message().to_owned(),
        })?,
    };
    let text = charset::decode_v2(bytes, &content_type);
    let failed = (status >= 400).then(|| (Cow::from(format!("HttpError{status}")), failed_status(status, &text)));
    let (answer, error) = if text.is_empty() {
        (raw_response(""), failed)
    } else if is_json {
        match validate(&text, MAX_DEPTH) {
            Ok(()) => (Answer::json_text(text), failed),
            Err(at) => (raw_response(&text), Some(("JSONDecodeError".into(), bad_json(at)))),
        }
    } else if content_type.contains("application/xml") || content_type.contains("text/xml") {
        match xml::to_json(&text) {
            Some(json) => (Answer::json_text(json), failed),
            None => {
                let message =
                    "The service says that its response is XML, but it is not well-formed or declares entities.";
                (raw_response(&text), Some(("ExpatError".into(), message.to_owned())))
            }
        }
    } else {
        (raw_response(&text), failed)
    };
    let answer = answer.status(inner_status(status));
    Ok(match error {
        Some((code, message)) => answer.error(code, message),
        None => answer,
    })
}
