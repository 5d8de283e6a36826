//! The first generation of commands, from parameters to the request and from the response to the answer.

use http::CONNECTOR;
use sluice::serde_json::{Value, json};
use sluice::testing::{Outcome, Reply, Sent, TestHost};

fn run(command: &str, params: Value, reply: Reply) -> Outcome {
    TestHost::new(params.to_string()).reply(reply).run(&CONNECTOR, command)
}

/// The request that a command sends.
fn sent(command: &str, params: Value) -> Sent {
    let mut outcome = run(command, params, Reply::new(200));
    assert_eq!(outcome.requests.len(), 1, "{}", outcome.head);
    outcome.requests.remove(0)
}

fn body(outcome: &Outcome) -> Value {
    sluice::serde_json::from_str(&outcome.body).expect("the body is JSON")
}

#[test]
fn methods() {
    for (command, method) in [
        ("GetRequest", "GET"),
        ("HeadRequest", "HEAD"),
        ("PostRequest", "POST"),
        ("PutRequest", "PUT"),
        ("PatchRequest", "PATCH"),
        ("DeleteRequest", "DELETE"),
    ] {
        let sent = sent(command, json!({"url": "http://h/x", "data": {"a": 1}}));
        assert_eq!((sent.method.as_str(), sent.url.as_str()), (method, "http://h/x"));
        let has_body = !matches!(method, "GET" | "HEAD");
        assert_eq!(sent.body, if has_body { &b"{\"a\":1}"[..] } else { b"" }, "{method}");
        assert_eq!(sent.header("content-type"), has_body.then_some("application/json"), "{method}");
    }
}

#[test]
fn queries() {
    for (params, want) in [
        (json!({"url": "http://h/echo?q=1"}), "http://h/echo?q=1"),
        (json!({"url": "http://h/echo?q=1", "params": null}), "http://h/echo?q=1"),
        (json!({"url": "http://h/echo?q=1", "params": {"a": 1}}), "http://h/echo?a=1"),
        (json!({"url": "http://h/echo?q=1", "params": {}}), "http://h/echo"),
        (json!({"url": "http://h/echo?q=1", "params": ""}), "http://h/echo"),
        (
            json!({"url": "http://h/echo", "params": {"b": true, "a": [1, null, "x y"]}}),
            "http://h/echo?b=true&a=1&a=&a=x+y",
        ),
        (json!({"url": "http://h/echo", "params": [["a", 1.0], ["a", false]]}), "http://h/echo?a=1.0&a=false"),
        (json!({"url": "http://h/echo", "params": "a=1&b=2"}), "http://h/echo?a=1&b=2"),
    ] {
        for command in ["GetRequest", "HeadRequest", "PostRequest", "DeleteRequest"] {
            assert_eq!(sent(command, params.clone()).url, want, "{command} {params}");
        }
    }
}

#[test]
fn bodies() {
    const JSON: Option<&str> = Some("application/json");
    const FORM: Option<&str> = Some("application/x-www-form-urlencoded");
    for (params, body, content_type) in [
        (r#""data": {"a": 1.0, "u": "\u00e9", "n": null}"#, r#"{"a":1.0,"u":"é","n":null}"#, JSON),
        (r#""data": {"i": 12345678901234567890123}"#, r#"{"i":12345678901234567890123}"#, JSON),
        (r#""data": {}"#, "{}", JSON),
        (r#""data": [1, {"a": 2}], "body_format": """#, r#"[1,{"a":2}]"#, JSON),
        (r#""data": "text", "body_format": "JSON""#, r#""text""#, JSON),
        (r#""data": false"#, "false", JSON),
        (r#""data": 0, "body_format": null"#, "0", JSON),
        (r#""data": {"a": 1}, "headers": {"content-TYPE": "a/b"}"#, r#"{"a":1}"#, Some("a/b")),
        (r#""data": null"#, "", None),
        ("", "", None),
        (r#""data": {"b": "x y", "a": [1, true, null]}, "body_format": "Form""#, "b=x+y&a=1&a=true&a=", FORM),
        (r#""data": [["a", "1"], ["b", "é"]], "body_format": "form""#, "a=1&b=%C3%A9", FORM),
        (r#""data": {"a": 1}, "body_format": "form", "headers": {"Content-Type": "a/b"}"#, "a=1", Some("a/b")),
        (r#""data": "a=1 \u00e9", "body_format": "form""#, "a=1 é", None),
        (r#""data": {}, "body_format": "form""#, "", None),
        (r#""data": [], "body_format": "form""#, "", None),
        (r#""body_format": "form""#, "", None),
        (r#""data": "<x>\u00e9</x>", "body_format": "raw""#, "<x>é</x>", None),
        (r#""data": "x", "body_format": "raw", "headers": [["Content-Type", "a/b"]]"#, "x", Some("a/b")),
        (r#""data": {"b": 1, "a": "\u00e9"}, "body_format": "raw""#, r#"{"b":1,"a":"é"}"#, None),
        (r#""data": null, "body_format": "raw""#, "null", None),
        (r#""body_format": "RAW""#, "null", None),
        (r#""data": {"a": 1}, "body_format": "none""#, "", None),
    ] {
        let separator = if params.is_empty() { "" } else { "," };
        let text = format!(r#"{{"url": "http://h/"{separator}{params}}}"#);
        for command in ["PostRequest", "PutRequest", "PatchRequest", "DeleteRequest"] {
            let outcome = TestHost::new(text.as_str()).reply(Reply::new(200)).run(&CONNECTOR, command);
            let sent = outcome.requests.first().unwrap_or_else(|| panic!("{text}: {}", outcome.head));
            assert_eq!(String::from_utf8_lossy(&sent.body), body, "{command} {text}");
            assert_eq!(sent.header("content-type"), content_type, "{command} {text}");
        }
    }
}

#[test]
fn credentials() {
    const USER_PASS: Option<&str> = Some("Basic dXNlcjpwYXNz");
    for (params, want) in [
        (json!({"url": "http://h/"}), None),
        (json!({"url": "http://h/", "basic_auth_username": "user", "basic_auth_password": "pass"}), USER_PASS),
        (json!({"url": "http://h/", "basic_auth_username": "user"}), None),
        (json!({"url": "http://h/", "basic_auth_username": "user", "basic_auth_password": ""}), None),
        (json!({"url": "http://h/", "basic_auth_password": "pass"}), None),
        (json!({"url": "http://user:pass@h/"}), USER_PASS),
        (json!({"url": "http://us%65r:pass@h/", "headers": {"authorization": "Bearer t"}}), USER_PASS),
        (json!({"url": "http://h/", "headers": {"Authorization": "Bearer t"}}), Some("Bearer t")),
        (
            json!({"url": "http://a:b@h/", "headers": {"AUTHORIZATION": "Bearer t"},
                   "basic_auth_username": "user", "basic_auth_password": "pass"}),
            USER_PASS,
        ),
        (json!({"url": "http://user:pass@h/", "basic_auth_username": "x", "basic_auth_password": ""}), USER_PASS),
        (json!({"url": "http://h/", "basic_auth_username": "a", "basic_auth_password": "é"}), Some("Basic YTrDqQ==")),
    ] {
        let sent = sent("GetRequest", params.clone());
        assert_eq!(sent.header("authorization"), want, "{params}");
        let count = sent.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("authorization")).count();
        assert_eq!(count, usize::from(want.is_some()), "{params}");
        assert_eq!(sent.url, "http://h/");
    }
}

#[test]
fn headers() {
    let sent = sent("GetRequest", json!({"url": "http://h/", "headers": {"X-Test": 1.0, "b": true, "Accept": "a/b"}}));
    assert_eq!(sent.header("x-test"), Some("1.0"));
    assert_eq!(sent.header("b"), Some("true"));
    assert_eq!(sent.header("accept"), Some("a/b"));
    assert!(sent.header("user-agent").is_some());
    assert!(sent.timeout_ms.is_some());
}

#[test]
fn requests_that_cannot_be_built() {
    for (command, params) in [
        ("GetRequest", json!({"url": ""})),
        ("GetRequest", json!({"url": "nope"})),
        ("GetRequest", json!({"url": "/relative"})),
        ("GetRequest", json!({"url": "ftp://127.0.0.1/x"})),
        ("GetRequest", json!({"url": "http://"})),
        ("GetRequest", json!({"url": "http://h:99999/"})),
        ("GetRequest", json!({"url": "http://h/\r\nX: y"})),
        ("GetRequest", json!({"url": "http://h/", "headers": "X-Test: 1"})),
        ("GetRequest", json!({"url": "http://h/", "headers": 5})),
        ("GetRequest", json!({"url": "http://h/", "headers": ["a"]})),
        ("GetRequest", json!({"url": "http://h/", "headers": {"a": "b\nc: d"}})),
        ("GetRequest", json!({"url": "http://h/", "headers": {"a": {"b": 1}}})),
        ("GetRequest", json!({"url": "http://h/", "params": 5})),
        ("PostRequest", json!({"url": "http://h/", "data": {}, "body_format": "yaml"})),
        ("PostRequest", json!({"url": "http://h/", "data": 5, "body_format": "form"})),
        ("PostRequest", json!({"url": "http://h/", "data": ["a"], "body_format": "form"})),
    ] {
        let outcome = run(command, params.clone(), Reply::new(200));
        assert!(outcome.requests.is_empty(), "{params}");
        let message = outcome.head["error"]["message"].clone();
        assert_eq!(outcome.head, json!({"http_status": 400, "error": {"code": "INTERNAL_ERROR", "message": message}}));
        assert_eq!(body(&outcome), json!({"raw_response": message}), "{params}");
    }
    let outcome = run("PutRequest", json!({"url": "http://h/", "body_format": "yaml"}), Reply::new(200));
    assert!(outcome.body.contains("yaml") && outcome.body.contains("body_format"), "{}", outcome.body);
    let outcome = run("GetRequest", json!({"url": "http://u:hunter2@h:x/?key=hunter2"}), Reply::new(200));
    assert!(!outcome.body.contains("hunter2"), "{}", outcome.body);
}

#[test]
fn response_bodies() {
    for (content_type, text, want) in [
        ("application/json", r#"{"n": 1.10, "i": 12345678901234567890123, "e": 1e400}"#, None),
        ("application/json; charset=utf-8", "[1,null]", None),
        ("application/json", "null", None),
        ("application/json", "42", None),
        ("application/json", r#"{"a":1,"a":2}"#, None),
        ("text/x; application/json", "1", None),
        ("Application/JSON", "{}", Some("{}")),
        ("application/problem+json", "{}", Some("{}")),
        ("text/plain", "plain \"é\"", Some("plain \"é\"")),
        ("", "no content type", Some("no content type")),
        ("application/json", "", Some("")),
    ] {
        let reply = Reply::new(200).header("content-type", content_type).body(text);
        let outcome = run("GetRequest", json!({"url": "http://h/"}), reply);
        assert_eq!(outcome.head, json!({"http_status": 200, "headers": {}}), "{text}");
        match want {
            None => assert_eq!(outcome.body, text, "passed on byte for byte"),
            Some(raw) => assert_eq!(body(&outcome), json!({"raw_response": raw}), "{text}"),
        }
    }
}

#[test]
fn responses_in_other_charsets() {
    for (content_type, bytes, want) in [
        ("text/plain; charset=iso-8859-1", &b"caf\xe9"[..], "café"),
        ("text/plain", b"caf\xe9", "caf\u{fffd}"),
        ("text/plain; charset=ascii", b"caf\xc3\xa9", "caf\u{fffd}\u{fffd}"),
    ] {
        let reply = Reply::new(200).header("content-type", content_type).body(bytes);
        let outcome = run("GetRequest", json!({"url": "http://h/"}), reply);
        assert_eq!(body(&outcome), json!({"raw_response": want}), "{content_type}");
    }
    let reply = Reply::new(200).header("content-type", "application/json; charset=latin-1").body(&b"[\"\xe9\"]"[..]);
    assert_eq!(run("GetRequest", json!({"url": "http://h/"}), reply).body, "[\"é\"]");
}

#[test]
fn responses_with_an_error() {
    let too_deep = "[".repeat(513) + &"]".repeat(513);
    for (status, content_type, text, code, is_raw) in [
        (201, "application/json", r#"{"status":201}"#, None, false),
        (204, "", "", None, true),
        (302, "text/plain", "moved", Some("HttpError302"), true),
        (304, "", "", Some("HttpError304"), true),
        (404, "application/json", r#"{"status":404}"#, Some("HttpError404"), false),
        (500, "text/plain", "no", Some("HttpError500"), true),
        (500, "application/json", "{", Some("HttpError500"), true),
        (200, "application/json", "{\"f\":NaN}", Some("INTERNAL_ERROR"), true),
        (200, "application/json", "{\"broken\":", Some("INTERNAL_ERROR"), true),
        (200, "application/json", " ", Some("INTERNAL_ERROR"), true),
        (200, "application/json", &too_deep, Some("INTERNAL_ERROR"), true),
    ] {
        let reply = Reply::new(status).header("content-type", content_type).header("location", "/x").body(text);
        let outcome = run("GetRequest", json!({"url": "http://h/"}), reply);
        assert_eq!(outcome.requests.len(), 1, "no redirect is followed");
        assert_eq!(outcome.head["http_status"], status);
        assert_eq!(outcome.head["headers"], json!({}));
        assert_eq!(outcome.head["error"]["code"].as_str(), code, "{status} {text}");
        match is_raw {
            true => assert_eq!(body(&outcome), json!({"raw_response": text})),
            false => assert_eq!(outcome.body, text),
        }
    }
    let reply = Reply::new(404).body("gone");
    let outcome = run("GetRequest", json!({"url": "http://h/"}), reply);
    assert_eq!(outcome.head["error"]["message"], "HTTP 404 error from service. Response: gone");
}

#[test]
fn response_headers() {
    let reply = || {
        let reply = Reply::new(404).header("x-one", "1").header("set-cookie", "a=1; Path=/");
        reply.header("x-dup", "p").header("set-cookie", "b=2").header("x-dup", "q")
    };
    let want = json!({"x-one": "1", "set-cookie": "a=1; Path=/, b=2", "x-dup": "p, q"});
    for command in ["GetRequest", "HeadRequest", "PostRequest"] {
        for (given, is_included) in [(json!(true), true), (json!(1), true), (json!(false), false), (json!(""), false)] {
            let outcome = run(command, json!({"url": "http://h/", "include_response_headers": given}), reply());
            assert_eq!(
                outcome.head["headers"],
                if is_included { want.clone() } else { json!({}) },
                "{command} {given}"
            );
        }
    }
}

#[test]
fn no_answer() {
    for (reply, code, status) in [
        (Reply::error("egress_denied"), "egress_denied", 403),
        (Reply::error("dns"), "INTERNAL_ERROR", 500),
        (Reply::error("connect"), "INTERNAL_ERROR", 500),
        (Reply::error("tls"), "INTERNAL_ERROR", 500),
        (Reply::error("closed"), "INTERNAL_ERROR", 500),
        (Reply::error("incomplete"), "INTERNAL_ERROR", 500),
        (Reply::error("protocol"), "INTERNAL_ERROR", 500),
        (Reply::error("decode"), "INTERNAL_ERROR", 500),
        (Reply::error("connect_timeout"), "INTERNAL_ERROR", 504),
        (Reply::error("timeout"), "INTERNAL_ERROR", 504),
        (Reply::invalid("url"), "INTERNAL_ERROR", 400),
        (Reply::error("overloaded"), "overloaded", 503),
        (Reply::error("circuit_open"), "circuit_open", 503),
        (Reply::error("auth_refused"), "auth_refused", 403),
        (Reply::error("auth_unavailable"), "auth_unavailable", 503),
        (Reply::error("secret_denied"), "secret_denied", 403),
        (Reply::error("secret_unavailable"), "secret_unavailable", 503),
        (Reply::error("redirect"), "redirect", 422),
        (Reply::error("response_too_large"), "response_too_large", 413),
    ] {
        let outcome = run("PostRequest", json!({"url": "http://h/", "include_response_headers": true}), reply);
        let message = outcome.head["error"]["message"].clone();
        assert_eq!(outcome.head, json!({"http_status": status, "error": {"code": code, "message": message}}));
        assert_eq!(body(&outcome), json!({"raw_response": message}), "{code}");
        assert_eq!(outcome.open_handles, 0);
    }
}

#[test]
fn manifest() {
    let manifest: Value = sluice::serde_json::from_str(&CONNECTOR.manifest()).expect("JSON");
    assert_eq!((&manifest["name"], &manifest["version"]), (&json!("http"), &json!("1.0.0")));
    assert_eq!(manifest["capabilities"][0]["hosts"], json!(["http://*", "https://*"]));
    let commands = manifest["commands"].as_array().expect("commands");
    let parameters = |name: &str| {
        let command = commands.iter().find(|command| command["name"] == name).unwrap_or_else(|| panic!("no {name}"));
        let spell = |parameter: &Value| {
            let flags = [("required", "*"), ("secret", "!")]
                .map(|(flag, mark)| if parameter[flag] == true { mark } else { "" });
            let text = |name: &str| parameter[name].as_str().unwrap_or_default().to_owned();
            assert!(!text("description").is_empty());
            format!("{} {}{}", text("id"), &text("type")[..1], flags.concat())
        };
        command["parameters"].as_array().into_iter().flatten().map(spell).collect::<Vec<_>>().join(", ")
    };
    let auth = "basic_auth_username s, basic_auth_password s!";
    let read = format!("url s*, headers a, params a, {auth}");
    let write = format!("url s*, headers a, data a, body_format s, include_response_headers b, {auth}");
    for name in ["GetRequest", "HeadRequest"] {
        assert_eq!(parameters(name), read);
        assert_eq!(parameters(&format!("{name}V2")), format!("{read}, attempts i"));
    }
    for name in ["PostRequest", "PutRequest", "PatchRequest"] {
        assert_eq!(parameters(name), write);
        assert_eq!(parameters(&format!("{name}V2")), format!("url s*, headers a, data a, {auth}"));
    }
    assert_eq!(parameters("DeleteRequest"), write);
    assert_eq!(parameters("DeleteRequestV2"), format!("url s*, headers a, params a, data a, {auth}"));
    assert_eq!(commands.len(), 12);
}
