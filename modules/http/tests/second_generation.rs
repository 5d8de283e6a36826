//! The second generation of commands, from parameters to the requests and from the responses to the answer.

use http::CONNECTOR;
use sluice::serde_json::{Value, json};
use sluice::testing::{Outcome, Reply, Sent, TestHost};

fn run(command: &str, params: Value, replies: impl IntoIterator<Item = Reply>) -> Outcome {
    let host = replies.into_iter().fold(TestHost::new(params.to_string()), TestHost::reply);
    host.run(&CONNECTOR, command)
}

/// The request that a command sends.
fn sent(command: &str, params: Value) -> Sent {
    let mut outcome = run(command, params, [Reply::new(200)]);
    assert_eq!(outcome.requests.len(), 1, "{}", outcome.head);
    outcome.requests.remove(0)
}

fn body(outcome: &Outcome) -> Value {
    sluice::serde_json::from_str(&outcome.body).expect("the body is JSON")
}

fn redirect(status: u16, location: &str) -> Reply {
    Reply::new(status).header("location", location)
}

#[test]
fn queries() {
    for (params, want) in [
        (json!({"url": "http://h/echo?q=1", "params": {"a": 1}}), "http://h/echo?q=1&a=1"),
        (json!({"url": "http://h/echo?q=1", "params": {}}), "http://h/echo?q=1"),
        (
            json!({"url": "http://h/echo", "params": {"t": true, "n": null, "l": ["x y", 2.0, null]}}),
            "http://h/echo?t=True&l=x+y&l=2.0",
        ),
        (json!({"url": "http://h/echo", "params": [["a", 1], ["a", 2]]}), "http://h/echo?a=1&a=2"),
        (json!({"url": "http://h/echo?q=1", "params": "a=1"}), "http://h/echo?q=1&a=1"),
    ] {
        for command in ["GetRequestV2", "HeadRequestV2", "DeleteRequestV2"] {
            assert_eq!(sent(command, params.clone()).url, want, "{command} {params}");
        }
    }
    let sent = sent("PostRequestV2", json!({"url": "http://h/?q=1", "params": {"a": 1}}));
    assert_eq!(sent.url, "http://h/?q=1", "a write has no such parameter");
}

#[test]
fn bodies() {
    for (data, write, delete) in [
        ("{\"a\": 1.0}", "{\"a\":1.0}", Some("{\"a\":1.0}")),
        ("\"x\"", "\"x\"", Some("\"x\"")),
        ("[1]", "[1]", Some("[1]")),
        ("{}", "{}", Some("{}")),
        ("[]", "{}", Some("[]")),
        ("\"\"", "{}", Some("\"\"")),
        ("0", "{}", Some("0")),
        ("false", "{}", Some("false")),
        ("null", "{}", None),
    ] {
        let params = format!(r#"{{"url": "http://h/", "data": {data}}}"#);
        for (command, want) in [
            ("PostRequestV2", Some(write)),
            ("PutRequestV2", Some(write)),
            ("PatchRequestV2", Some(write)),
            ("DeleteRequestV2", delete),
            ("GetRequestV2", None),
            ("HeadRequestV2", None),
        ] {
            let outcome = TestHost::new(params.as_str()).reply(Reply::new(200)).run(&CONNECTOR, command);
            let sent = &outcome.requests[0];
            assert_eq!(String::from_utf8_lossy(&sent.body), want.unwrap_or_default(), "{command} {data}");
            assert_eq!(sent.header("content-type"), want.map(|_| "application/json"), "{command} {data}");
        }
    }
    assert_eq!(sent("PutRequestV2", json!({"url": "http://h/"})).body, b"{}");
    assert!(sent("DeleteRequestV2", json!({"url": "http://h/"})).body.is_empty());
    let sent = sent("PostRequestV2", json!({"url": "http://h/", "headers": {"CONTENT-type": "a/b"}}));
    assert_eq!(sent.header("content-type"), Some("a/b"));
}

#[test]
fn credentials() {
    for (params, want) in [
        (
            json!({"url": "http://h/", "basic_auth_username": "user", "basic_auth_password": "pass"}),
            Some("Basic dXNlcjpwYXNz"),
        ),
        (json!({"url": "http://h/", "basic_auth_username": "", "basic_auth_password": ""}), Some("Basic Og==")),
        (json!({"url": "http://h/", "basic_auth_username": "user"}), None),
        (json!({"url": "http://h/", "basic_auth_username": "a", "basic_auth_password": "é"}), Some("Basic YTrp")),
        (json!({"url": "http://user:pass@h/", "headers": {"Authorization": "x"}}), Some("Basic dXNlcjpwYXNz")),
        (json!({"url": "http://h/", "headers": {"Authorization": "x", "n": null}}), Some("x")),
    ] {
        assert_eq!(sent("GetRequestV2", params.clone()).header("authorization"), want, "{params}");
    }
}

#[test]
fn requests_that_cannot_be_built() {
    for (params, code) in [
        (json!({"url": "nope"}), "MissingSchema"),
        (json!({"url": ""}), "MissingSchema"),
        (json!({"url": "//h/x"}), "MissingSchema"),
        (json!({"url": "ftp://h/x"}), "InvalidSchema"),
        (json!({"url": "localhost:80/x"}), "InvalidSchema"),
        (json!({"url": "http://"}), "InvalidURL"),
        (json!({"url": "http://h:x/"}), "InvalidURL"),
        (json!({"url": "http://h/", "params": 5}), "InvalidURL"),
        (json!({"url": "http://h/", "headers": "X: 1"}), "InvalidHeader"),
        (json!({"url": "http://h/", "headers": {"X": "a\nb"}}), "InvalidHeader"),
        (json!({"url": "http://h/", "headers": {"X": " a"}}), "InvalidHeader"),
        (json!({"url": "http://h/", "headers": {"X": [1]}}), "InvalidHeader"),
    ] {
        let mut params = params;
        params["attempts"] = json!(3);
        let outcome = run("GetRequestV2", params.clone(), []);
        assert!(outcome.requests.is_empty() && outcome.sleeps.is_empty(), "{params}");
        assert_eq!(
            (outcome.head["error"]["code"].as_str(), outcome.head["http_status"].as_u64()),
            (Some(code), Some(400))
        );
        assert_eq!(outcome.body, "{}", "{params}");
        assert!(outcome.head.get("headers").is_none());
    }
}

#[test]
fn response_bodies() {
    let xml = r#"<?xml version="1.0"?><root id="1"><a>1</a><a>2</a><b/></root>"#;
    for (status, content_type, text, want, code) in [
        (200, "application/json", "{\"n\":1.0}", json!({"n": 1.0}), None),
        (200, "application/json; charset=utf-8", "null", json!(null), None),
        (200, "application/problem+json", "{}", json!({"raw_response": "{}"}), None),
        (200, "text/plain", "x", json!({"raw_response": "x"}), None),
        (200, "text/xml", xml, json!({"root": {"@id": "1", "a": ["1", "2"], "b": null}}), None),
        (200, "application/xml; charset=utf-8", "<a>é</a>", json!({"a": "é"}), None),
        (200, "text/xml", "<a>", json!({"raw_response": "<a>"}), Some("ExpatError")),
        (404, "application/xml", "oops", json!({"raw_response": "oops"}), Some("ExpatError")),
        (200, "application/json", "{\"broken\":", json!({"raw_response": "{\"broken\":"}), Some("JSONDecodeError")),
        (200, "application/json", "NaN", json!({"raw_response": "NaN"}), Some("JSONDecodeError")),
        (202, "application/json", "", json!({"raw_response": ""}), None),
        (204, "application/xml", "", json!({"raw_response": ""}), None),
        (302, "text/plain", "no location", json!({"raw_response": "no location"}), None),
        (404, "application/json", "{\"status\":404}", json!({"status": 404}), Some("HttpError404")),
        (500, "text/plain", "no", json!({"raw_response": "no"}), Some("HttpError500")),
    ] {
        let reply = Reply::new(status).header("content-type", content_type).body(text);
        let outcome = run("GetRequestV2", json!({"url": "http://h/"}), [reply]);
        assert_eq!(body(&outcome), want, "{content_type} {text}");
        assert_eq!(outcome.head["http_status"], status);
        assert_eq!(outcome.head["error"]["code"].as_str(), code, "{content_type} {text}");
        assert!(outcome.head.get("headers").is_none());
    }
}

#[test]
fn head_has_no_body_and_follows_nothing() {
    let reply = redirect(302, "/x").header("content-type", "application/json");
    let outcome = run("HeadRequestV2", json!({"url": "http://h/"}), [reply]);
    assert_eq!(outcome.head, json!({"http_status": 302}));
    assert_eq!(body(&outcome), json!({"raw_response": ""}));
    assert_eq!(outcome.requests.len(), 1);
}

#[test]
fn redirects() {
    let outcome = run(
        "PostRequestV2",
        json!({"url": "http://h/a/b?q=1", "data": {"x": 1}, "headers": {"Cookie": "c", "X-Key": "k"},
               "basic_auth_username": "user", "basic_auth_password": "pass"}),
        [redirect(307, "../c d"), redirect(302, "/e?f#g"), redirect(301, "//other/i"), Reply::new(200).body("done")],
    );
    let lines: Vec<_> = outcome.requests.iter().map(|sent| format!("{} {}", sent.method, sent.url)).collect();
    assert_eq!(lines, ["POST http://h/a/b?q=1", "POST http://h/c%20d", "GET http://h/e?f", "GET http://other/i"]);
    let bodies: Vec<_> = outcome.requests.iter().map(|sent| sent.body.len()).collect();
    assert_eq!(bodies, [7, 7, 0, 0]);
    let has = |name: &str| outcome.requests.iter().map(|sent| sent.header(name).is_some()).collect::<Vec<_>>();
    assert_eq!(has("content-type"), [true, true, false, false]);
    assert_eq!(has("authorization"), [true, true, true, false]);
    assert_eq!(has("cookie"), [true, false, false, false]);
    assert_eq!(has("x-key"), [true, true, true, false]);
    assert_eq!(has("user-agent"), [true; 4]);
    assert_eq!(body(&outcome), json!({"raw_response": "done"}));
    assert_eq!(outcome.open_handles, 0);
    assert!(outcome.log.iter().all(|line| !line.contains("?f") && !line.contains("c%20d")), "{:?}", outcome.log);
}

#[test]
fn redirects_errors() {
    for (location, code) in [
        ("ftp://h/x", "InvalidSchema"),
        ("file:///etc/passwd", "InvalidSchema"),
        ("http://", "InvalidURL"),
        ("http://h:99999/", "InvalidURL"),
    ] {
        let outcome = run("GetRequestV2", json!({"url": "http://h/"}), [redirect(302, location)]);
        assert_eq!(outcome.head["error"]["code"], code, "{location}");
        assert_eq!((outcome.head["http_status"].as_u64(), outcome.body.as_str()), (Some(400), "{}"));
    }
    let outcome = run("GetRequestV2", json!({"url": "http://h/"}), (0..40).map(|_| redirect(302, "/again")));
    assert_eq!(outcome.requests.len(), 31);
    assert_eq!(outcome.head["error"]["code"], "TooManyRedirects");
    assert_eq!(outcome.head["http_status"], 500);

    let replies = (0..30).map(|_| redirect(302, "/again")).chain([Reply::new(200).body("ok")]);
    let outcome = run("GetRequestV2", json!({"url": "http://h/"}), replies);
    assert_eq!(body(&outcome), json!({"raw_response": "ok"}), "30 redirects are followed");

    let outcome = run(
        "GetRequestV2",
        json!({"url": "http://h/"}),
        [redirect(302, "http://10.0.0.1/"), Reply::error("egress_denied")],
    );
    assert_eq!(
        (outcome.head["error"]["code"].as_str(), outcome.head["http_status"].as_u64()),
        (Some("egress_denied"), Some(403))
    );
}

#[test]
fn attempts() {
    let flaky = || [Reply::new(500), Reply::error("connect"), Reply::new(200).body("third"), Reply::new(500)];
    for (attempts, sent, code) in [
        (json!(3), 3, None),
        (json!(10), 3, None),
        (json!(2), 2, Some("ConnectionError")),
        (json!(1), 1, Some("HttpError500")),
        (json!(0), 1, Some("HttpError500")),
        (json!(11), 1, Some("HttpError500")),
        (json!(-3), 1, Some("HttpError500")),
        (json!(null), 1, Some("HttpError500")),
    ] {
        let outcome = run("GetRequestV2", json!({"url": "http://h/", "attempts": attempts}), flaky());
        assert_eq!(outcome.requests.len(), sent, "{attempts}");
        assert_eq!(outcome.sleeps, vec![1000; sent - 1], "{attempts}");
        assert_eq!(outcome.head["error"]["code"].as_str(), code, "{attempts}");
    }
    let outcome = run("GetRequestV2", json!({"url": "http://h/", "attempts": 3}), [Reply::new(404)]);
    assert_eq!(outcome.requests.len(), 1, "only what may heal is tried again");
    let outcome = run("PostRequestV2", json!({"url": "http://h/", "attempts": 3}), flaky());
    assert_eq!(outcome.requests.len(), 1, "a write is never sent twice");
}

#[test]
fn attempts_end_before_the_deadline() {
    let host =
        (0..10).fold(TestHost::new(r#"{"url":"http://h/","attempts":10}"#), |host, _| host.reply(Reply::new(503)));
    let outcome = host.context(&json!({"deadline_ms": 5_500})).run(&CONNECTOR, "GetRequestV2");
    assert_eq!(outcome.sleeps, [1000; 3]);
    assert_eq!(outcome.head["error"]["code"], "HttpError503");
}

#[test]
fn no_answer() {
    for (reply, code, status) in [
        (Reply::error("egress_denied"), "egress_denied", 403),
        (Reply::error("overloaded"), "overloaded", 503),
        (Reply::error("circuit_open"), "circuit_open", 503),
        (Reply::error("auth_refused"), "auth_refused", 403),
        (Reply::error("auth_unavailable"), "auth_unavailable", 503),
        (Reply::error("secret_denied"), "secret_denied", 403),
        (Reply::error("secret_unavailable"), "secret_unavailable", 503),
        (Reply::error("redirect"), "redirect", 422),
        (Reply::error("response_too_large"), "response_too_large", 413),
        (Reply::error("dns"), "ConnectionError", 500),
        (Reply::error("connect"), "ConnectionError", 500),
        (Reply::error("closed"), "ConnectionError", 500),
        (Reply::error("protocol"), "ConnectionError", 500),
        (Reply::error("tls"), "SSLError", 500),
        (Reply::error("connect_timeout"), "ConnectTimeout", 504),
        (Reply::error("timeout"), "ReadTimeout", 504),
        (Reply::error("incomplete"), "ChunkedEncodingError", 500),
        (Reply::error("decode"), "ContentDecodingError", 500),
        (Reply::invalid("url"), "InvalidURL", 400),
        (Reply::invalid("headers"), "InvalidHeader", 400),
    ] {
        let outcome = run("DeleteRequestV2", json!({"url": "http://h/"}), [reply]);
        let message = outcome.head["error"]["message"].clone();
        assert_eq!(outcome.head, json!({"http_status": status, "error": {"code": code, "message": message}}));
        assert_eq!(outcome.body, "{}", "{code}");
    }
}
