//! The first generation: `GetRequest`, `HeadRequest`, `PostRequest`, `PutRequest`, `PatchRequest`, `DeleteRequest`.
//!
//! Any answer of the service is the command's answer; redirects are not followed.

use std::borrow::Cow;

use sluice::json as raw;
use sluice::{Answer, Call, Method, Params, Response, Result, SendErrorKind};

use crate::exchange::{Exchange, bad_json, failed_status, inner_status, raw_response};
use crate::form::{self, Spelling};
use crate::headers::Headers;
use crate::json::{MAX_DEPTH, compact, is_truthy};
use crate::url::Url;
use crate::{auth, charset};

const INTERNAL_ERROR: &str = "INTERNAL_ERROR";

/// Runs the command of this generation that sends `method`.
pub fn run(call: &Call, method: Method) -> Result<Answer> {
    let exchange = match prepare(call.params(), method) {
        Ok(exchange) => exchange,
        Err(refusal) => return Ok(failure(INTERNAL_ERROR, 400, &refusal)),
    };
    match exchange.send(call) {
        Ok(response) => {
            let with_headers = call.params().raw("include_response_headers").is_some_and(is_truthy);
            answer(response, with_headers)
        }
        Err(error) => {
            let code = match error.kind() {
                SendErrorKind::EgressDenied
                | SendErrorKind::Overloaded
                | SendErrorKind::SecretDenied
                | SendErrorKind::SecretUnavailable
                | SendErrorKind::AuthRefused
                | SendErrorKind::AuthUnavailable
                | SendErrorKind::CircuitOpen
                | SendErrorKind::Redirect
                | SendErrorKind::RequestTooLarge
                | SendErrorKind::ResponseTooLarge => error.kind().code(),
                _ => INTERNAL_ERROR,
            };
            Ok(failure(code, error.kind().status(), error.message()))
        }
    }
}

/// The answer where no service answered.
fn failure(code: &'static str, status: u16, message: &str) -> Answer {
    raw_response(message).status(status).error(code, message)
}

/// Builds the request.
///
/// # Errors
/// A sentence that says why it cannot be built.
fn prepare<'a>(params: &Params<'a>, method: Method) -> Result<Exchange<'a>, String> {
    let text = |name| params.str(name).map_err(|error| error.message().to_owned());
    let mut headers = Headers::parse(params.raw("headers")).map_err(|invalid| invalid.to_string())?;
    let body = match method {
        Method::Get | Method::Head => Cow::Borrowed(&[][..]),
        _ => body(params, text("body_format")?.as_deref().unwrap_or(""), &mut headers)?,
    };
    let query = params.raw("params").map(form::query_v1).transpose();
    let query = query.map_err(|_| "params must be an object, a list of pairs or a string.".to_owned())?;
    let url = text("url")?.unwrap_or_default();
    let (url, userinfo) = Url::v1(&url, query.as_deref()).map_err(|refusal| refusal.message())?;

    let given = |name| text(name).map(Option::unwrap_or_default);
    let (username, password) = (given("basic_auth_username")?, given("basic_auth_password")?);
    let credentials = match username.is_empty() || password.is_empty() {
        false => Some((username, password)),
        true => auth::from_userinfo(userinfo),
    };
    if let Some((username, password)) = credentials {
        headers.set("authorization", auth::basic(username.as_bytes(), password.as_bytes()));
    }
    headers.finish(url.authority());
    Ok(Exchange { method, url, headers, body })
}

/// The body as `format` says. Sets the content type that goes with it, unless the caller gave one.
fn body<'a>(params: &Params<'a>, format: &str, headers: &mut Headers) -> Result<Cow<'a, [u8]>, String> {
    let none = Cow::Borrowed(&[][..]);
    let data = params.raw("data");
    let string = || data.and_then(raw::string).map(into_bytes);
    match (format.to_ascii_lowercase().as_str(), data) {
        ("" | "json", Some(data)) => {
            headers.set_default("content-type", "application/json");
            Ok(compact(data))
        }
        ("form", Some(data)) => match string() {
            Some(text) => Ok(text),
            None if matches!(compact(data).as_ref(), b"{}" | b"[]") => Ok(none),
            None => {
                let form = form::encode(data, Spelling::V1);
                let form =
                    form.map_err(|_| "data must be an object, a list of pairs or a string in a form.".to_owned())?;
                headers.set_default("content-type", "application/x-www-form-urlencoded");
                Ok(Cow::Owned(form.into_bytes()))
            }
        },
        ("raw", None) => Ok(Cow::Borrowed(b"null")),
        ("raw", Some(data)) => Ok(string().unwrap_or_else(|| compact(data))),
        ("" | "json" | "form", None) | ("none", _) => Ok(none),
        _ => {
            let named: String = format.chars().take(40).collect();
            Err(format!("body_format {named:?} is none of json, form, raw and none."))
        }
    }
}

fn into_bytes(text: Cow<'_, str>) -> Cow<'_, [u8]> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

/// The answer of a service that answered.
fn answer(mut response: Response, with_headers: bool) -> Result<Answer> {
    let status = response.status();
    let content_type = response.header("content-type").unwrap_or_default();
    let is_json = content_type.contains("application/json");
    let headers = if with_headers { joined_headers(&response)? } else { Vec::new() };
    if is_json && status < 300 && charset::is_utf8_v1(&content_type) && response.is_json() {
        return Ok(Answer::json_from(response).status(status).headers(headers));
    }
    let bytes = match response.bytes() {
        Ok(bytes) => bytes,
        Err(error) => return Ok(failure(INTERNAL_ERROR, 500, error.message())),
    };
    let text = charset::decode_v1(bytes, &content_type);
    let is_json = is_json && !text.is_empty();
    let verdict = if is_json { raw::validate(&text, MAX_DEPTH) } else { Ok(()) };
    let error = match verdict {
        _ if status >= 300 => Some((format!("HttpError{status}").into(), failed_status(status, &text))),
        Err(at) => Some((Cow::Borrowed(INTERNAL_ERROR), bad_json(at))),
        Ok(()) => None,
    };
    let answer = match is_json && verdict.is_ok() {
        true => Answer::json_text(text),
        false => raw_response(&text),
    };
    let answer = answer.status(inner_status(status)).headers(headers);
    Ok(match error {
        Some((code, message)) => answer.error(code, message),
        None => answer,
    })
}

/// The headers of a response, repeated ones joined.
fn joined_headers(response: &Response) -> Result<Vec<(String, String)>> {
    let mut joined: Vec<(String, String)> = Vec::new();
    for (name, value) in response.headers()?.iter() {
        match joined.iter_mut().find(|(known, _)| known == name) {
            Some((_, values)) => {
                values.push_str(", ");
                values.push_str(value);
            }
            None => joined.push((name.to_owned(), value.to_owned())),
        }
    }
    Ok(joined)
}
