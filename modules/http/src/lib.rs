//! The connector `http`: calls any HTTP service, in two generations of commands.
//!
//! The first generation (`GetRequest`, …) answers with what the service said, redirects included. The second
//! (`GetRequestV2`, …) follows redirects, can try again, and turns XML into an object. Both pass JSON on as the text
//! that came, after checking it, so that numbers keep their digits and large documents cost one scan.

mod auth;
mod charset;
mod exchange;
mod form;
mod headers;
mod json;
mod percent;
mod redirect;
mod url;
mod v1;
mod v2;
mod xml;

use sluice::{Command, Connector, Method, Param};

const URL: Param = Param::string("url", "Absolute http or https URL").required();
const HEADERS: Param = Param::any("headers", "Request headers: an object or a list of pairs");
const QUERY: Param = Param::any("params", "Query: an object, a list of pairs, or a string. Replaces the URL's own");
const QUERY_ADDED: Param =
    Param::any("params", "Query: an object, a list of pairs, or a string. Added to the URL's own");
const DATA: Param = Param::any("data", "Request body, sent as body_format says");
const DATA_JSON: Param = Param::any("data", "Request body, sent as JSON");
const BODY_FORMAT: Param = Param::string("body_format", "How data is sent: json (default), form, raw or none");
const RESPONSE_HEADERS: Param =
    Param::boolean("include_response_headers", "Whether the answer has the response's headers");
const USERNAME: Param = Param::string("basic_auth_username", "User name for basic authentication");
const PASSWORD: Param = Param::string("basic_auth_password", "Password for basic authentication").secret();
const ATTEMPTS: Param =
    Param::integer("attempts", "How often to try, 1 to 10; a failure is tried again after a second");

const READ: &[Param] = &[URL, HEADERS, QUERY, USERNAME, PASSWORD];
const WRITE: &[Param] = &[URL, HEADERS, DATA, BODY_FORMAT, RESPONSE_HEADERS, USERNAME, PASSWORD];
const READ_V2: &[Param] = &[URL, HEADERS, QUERY_ADDED, USERNAME, PASSWORD, ATTEMPTS];
const WRITE_V2: &[Param] = &[URL, HEADERS, DATA_JSON, USERNAME, PASSWORD];
const DELETE_V2: &[Param] = &[URL, HEADERS, QUERY_ADDED, DATA_JSON, USERNAME, PASSWORD];

/// The connector's table.
pub const CONNECTOR: Connector = Connector::new("http", env!("CARGO_PKG_VERSION"), "Calls any HTTP service")
    .http("sends the requests that workflow models describe", &["http://*", "https://*"])
    .commands(&[
        Command::new("GetRequest", "Sends a GET request", |call| v1::run(call, Method::Get)).params(READ),
        Command::new("HeadRequest", "Sends a HEAD request", |call| v1::run(call, Method::Head)).params(READ),
        Command::new("PostRequest", "Sends a POST request", |call| v1::run(call, Method::Post)).params(WRITE),
        Command::new("PutRequest", "Sends a PUT request", |call| v1::run(call, Method::Put)).params(WRITE),
        Command::new("PatchRequest", "Sends a PATCH request", |call| v1::run(call, Method::Patch)).params(WRITE),
        Command::new("DeleteRequest", "Sends a DELETE request", |call| v1::run(call, Method::Delete)).params(WRITE),
        Command::new("GetRequestV2", "Sends a GET request and follows redirects", |call| v2::run(call, Method::Get))
            .params(READ_V2),
        Command::new("HeadRequestV2", "Sends a HEAD request", |call| v2::run(call, Method::Head)).params(READ_V2),
        Command::new("PostRequestV2", "Sends a POST request with JSON and follows redirects", |call| {
            v2::run(call, Method::Post)
        })
        .params(WRITE_V2),
        Command::new("PutRequestV2", "Sends a PUT request with JSON and follows redirects", |call| {
            v2::run(call, Method::Put)
        })
        .params(WRITE_V2),
        Command::new("PatchRequestV2", "Sends a PATCH request with JSON and follows redirects", |call| {
            v2::run(call, Method::Patch)
        })
        .params(WRITE_V2),
        Command::new("DeleteRequestV2", "Sends a DELETE request and follows redirects", |call| {
            v2::run(call, Method::Delete)
        })
        .params(DELETE_V2),
    ]);

sluice::export!(CONNECTOR);
