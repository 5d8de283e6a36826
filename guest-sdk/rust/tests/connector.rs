//! A connector from its table to its answers, against the test host.

use std::io::Read;
use std::time::Duration;

use serde_json::json;
use sluice::testing::{Reply, TestHost};
use sluice::{Answer, Call, Command, Connector, Error, Level, Param, Request, Result, SendErrorKind};

const PROBE: Connector = Connector::new("probe", "1.2.3", "Tries \"everything\"")
    .http("asks the probe's service", &["https://api.example.com", "http://*"])
    .commands(&[
        Command::new("Echo", "Answers with its parameter", echo)
            .params(&[Param::any("value", "What to answer").required(), Param::string("key", "A key").secret()]),
        Command::new("Fetch", "Asks the service", fetch).asynchronous().task_data(),
        Command::new("Stream", "Reads in pieces", stream)
            .params(&[Param::integer("n", "How many"), Param::boolean("b", "Whether")]),
        Command::new("Ask", "Uses every other host function", ask),
        Command::new("Fail", "Fails", fail),
        Command::new("Count", "Counts its calls", count),
        Command::new("Pass", "Passes the service's answer on", pass),
    ]);

fn echo(call: &Call) -> Result<Answer> {
    let value = call.params().raw("value").ok_or_else(|| Error::invalid_parameter("value", "is required"))?;
    Ok(Answer::json_text(value.get()))
}

fn fetch(call: &Call) -> Result<Answer> {
    let request = Request::post("https://api.example.com/é?q=\"1\"")
        .header("X-A", "1")
        .timeout(Duration::from_secs(2))
        .json(&json!({"n": 1}))?;
    let mut response = request.send(call)?;
    let headers =
        response.headers()?.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect::<Vec<_>>();
    Ok(Answer::text(response.text()?).status(response.status()).headers(headers))
}

fn stream(call: &Call) -> Result<Answer> {
    let mut response = Request::get("https://api.example.com/").send(call)?;
    let mut piece = [0; 3];
    let mut pieces = Vec::new();
    loop {
        match response.read(&mut piece).map_err(|_| Error::new("read", "The body cannot be read."))? {
            0 => return Answer::json(&pieces),
            n => pieces.push(String::from_utf8_lossy(&piece[..n]).into_owned()),
        }
    }
}

fn ask(call: &Call) -> Result<Answer> {
    let context = call.context()?;
    let before = call.now();
    call.log(Level::Info, "will sleep");
    call.sleep(Duration::from_micros(1_500))?;
    let mut random = [0; 4];
    call.random(&mut random)?;
    Answer::json(&json!({
        "command": context.command(), "call": context.call_id(), "deadline": context.deadline().as_secs(),
        "task": context.get("task_id"), "slept": (call.now() - before).as_millis() as u64, "random": random,
    }))
}

fn count(call: &Call) -> Result<Answer> {
    let cache = call.cache();
    let count = cache.get("count")?.map_or(0, |value| value[0]) + 1;
    if count == 3 {
        cache.delete("count")?;
    } else {
        cache.put("count", &[count], Duration::from_secs(60))?;
    }
    Answer::json(&count)
}

fn pass(call: &Call) -> Result<Answer> {
    let response = Request::get("https://api.example.com/").send(call)?;
    let (long, none) = (response.header("X-LONG").unwrap_or_default(), response.header("none"));
    let headers = [("length".to_owned(), long.len().to_string()), ("none".to_owned(), format!("{none:?}"))];
    let answer = if response.is_json() { Answer::json_from(response) } else { Answer::text_from(response) };
    Ok(answer.headers(headers))
}

fn fail(_: &Call) -> Result<Answer> {
    Err(Error::new("Broken", "Repair it.").status(409))
}

#[test]
fn manifest_is_the_table() {
    let manifest: serde_json::Value = serde_json::from_str(&PROBE.manifest()).expect("JSON");
    assert_eq!(manifest["name"], "probe");
    assert_eq!(manifest["version"], "1.2.3");
    assert_eq!(manifest["description"], "Tries \"everything\"");
    assert_eq!(
        manifest["capabilities"],
        json!([{"name": "http", "reason": "asks the probe's service",
                "hosts": ["https://api.example.com", "http://*"]}])
    );
    assert_eq!(
        manifest["commands"][0],
        json!({"name": "Echo", "description": "Answers with its parameter", "async": false, "task_data": false,
               "parameters": [
                 {"id": "value", "type": "any", "required": true, "description": "What to answer", "secret": false},
                 {"id": "key", "type": "str", "required": false, "description": "A key", "secret": true}]})
    );
    assert_eq!(manifest["commands"][1]["async"], true);
    assert_eq!(manifest["commands"][1]["task_data"], true);
    assert_eq!(manifest["commands"][2]["parameters"][0]["type"], "int");
    assert_eq!(manifest["commands"][2]["parameters"][1]["type"], "bool");
    assert_eq!(manifest["commands"].as_array().map(Vec::len), Some(7));
    PROBE.warm();
}

#[test]
fn json_passes_through_unchanged() {
    for value in [r#"{"b": 1.0, "a": 12345678901234567890123}"#, "[1e400 , -0.0]", r#""\u00e9""#] {
        let outcome = TestHost::new(format!(r#"{{"value":{value}}}"#)).run(&PROBE, "Echo");
        assert_eq!((outcome.body.as_str(), outcome.head), (value, json!({})));
    }
}

#[test]
fn requests_and_responses() {
    let reply = Reply::new(202).header("x-one", "1").header("x-one", "\"2\"").header("etag", "é").body("grüezi");
    let outcome = TestHost::new("{}").reply(reply).run(&PROBE, "Fetch");
    assert_eq!(outcome.body, "grüezi");
    assert_eq!(outcome.head["http_status"], 202);
    assert_eq!(outcome.head["body"], "text");
    assert_eq!(outcome.head["headers"]["etag"], "é");
    let sent = &outcome.requests[0];
    assert_eq!((sent.method.as_str(), sent.url.as_str()), ("POST", "https://api.example.com/é?q=\"1\""));
    assert_eq!(sent.header("x-a"), Some("1"));
    assert_eq!(sent.header("Content-Type"), Some("application/json"));
    assert_eq!(sent.timeout_ms, Some(2000));
    assert_eq!(sent.body, br#"{"n":1}"#);
    assert_eq!(outcome.open_handles, 0);
}

#[test]
fn responses_can_be_read_in_pieces() {
    let outcome = TestHost::new("{}").reply(Reply::new(200).body("abcdefgh")).run(&PROBE, "Stream");
    assert_eq!(outcome.body, r#"["abc","def","gh"]"#);
}

#[test]
fn other_host_functions() {
    let context = json!({"command": "Ask", "call_id": "c1", "deadline_ms": 5000, "task_id": "t1"});
    let outcome = TestHost::new("{}").context(&context).run(&PROBE, "Ask");
    let body: serde_json::Value = serde_json::from_str(&outcome.body).expect("JSON");
    assert_eq!(
        body,
        json!({"command": "Ask", "call": "c1", "deadline": 5, "task": "t1", "slept": 2, "random": [0, 1, 2, 3]})
    );
    assert_eq!(outcome.log, ["will sleep"]);
    assert_eq!(outcome.sleeps, [2]);
}

#[test]
fn failures_become_error_objects() {
    let outcome = TestHost::new("{}").run(&PROBE, "Fail");
    assert_eq!(outcome.body, "");
    assert_eq!(outcome.head, json!({"http_status": 409, "error": {"code": "Broken", "message": "Repair it."}}));

    let outcome = TestHost::new("[]").run(&PROBE, "Echo");
    assert_eq!(outcome.head["error"]["code"], "invalid_parameters");

    let outcome = TestHost::new(r#"{"value":[1,2,3]}"#).output_limit(3).run(&PROBE, "Echo");
    assert_eq!(outcome.head["error"]["code"], "output_too_large");
    assert_eq!(outcome.body, "");
}

#[test]
fn failed_requests_keep_the_hosts_code() {
    for (reply, code, status) in [
        (Reply::error("egress_denied"), "egress_denied", 403),
        (Reply::error("dns"), "dns", 500),
        (Reply::error("connect"), "connect", 500),
        (Reply::error("connect_timeout"), "connect_timeout", 504),
        (Reply::error("tls"), "tls", 500),
        (Reply::error("timeout"), "timeout", 504),
        (Reply::error("closed"), "closed", 500),
        (Reply::error("incomplete"), "incomplete", 500),
        (Reply::error("protocol"), "protocol", 500),
        (Reply::error("decode"), "decode", 500),
        (Reply::error("response_too_large"), "response_too_large", 413),
        (Reply::error("overloaded"), "overloaded", 503),
        (Reply::error("circuit_open"), "circuit_open", 503),
        (Reply::error("auth_refused"), "auth_refused", 403),
        (Reply::error("auth_unavailable"), "auth_unavailable", 503),
        (Reply::error("secret_denied"), "secret_denied", 403),
        (Reply::error("secret_unavailable"), "secret_unavailable", 503),
        (Reply::error("redirect"), "redirect", 422),
        (Reply::invalid("url"), "invalid_request", 400),
        (Reply::error("from_a_later_version"), "http_failed", 500),
    ] {
        let outcome = TestHost::new("{}").reply(reply).run(&PROBE, "Stream");
        assert_eq!(outcome.head["error"]["code"], code);
        assert_eq!(outcome.head["http_status"], status, "{code}");
        assert_eq!(outcome.open_handles, 0, "{code}");
    }
    assert_eq!(SendErrorKind::NotAvailable.status(), 500);
}

#[test]
fn values_are_kept() {
    let mut kept = Some(Default::default());
    for want in ["1", "2", "3", "1"] {
        let outcome = TestHost::new("{}").cache(kept.take().unwrap_or_default()).run(&PROBE, "Count");
        assert_eq!(outcome.body, want);
        assert_eq!(outcome.open_handles, 0);
        kept = outcome.cache;
    }
    let outcome = TestHost::new("{}").run(&PROBE, "Count");
    assert_eq!(outcome.head["error"]["code"], "cache_denied");
    assert_eq!(outcome.head["http_status"], 403);
}

#[test]
fn values_are_kept_errors() {
    const CONNECTOR: Connector =
        Connector::new("c", "1.0.0", "").cache("tests").commands(&[Command::new("Run", "", |call| {
            let second = Duration::from_secs(1);
            let results = [
                call.cache().get(""),
                call.cache().get(&"k".repeat(257)),
                call.cache().put("k", b"v", Duration::ZERO).map(|()| None),
            ];
            call.cache().put(&"k".repeat(256), b"", second)?;
            Answer::json(&results.map(|result| result.unwrap_err().code().to_owned()))
        })]);
    let outcome = TestHost::new("{}").cache([]).run(&CONNECTOR, "Run");
    assert_eq!(outcome.body, r#"["invalid_key","invalid_key","invalid_ttl"]"#);
    let manifest: serde_json::Value = serde_json::from_str(&CONNECTOR.manifest()).expect("JSON");
    assert_eq!(manifest["capabilities"], json!([{"name": "cache", "reason": "tests"}]));
}

#[test]
fn an_answer_that_is_no_json_is_refused() {
    for value in ["{", "NaN", "1 2"] {
        let reply = Reply::new(200).body(value);
        let outcome = TestHost::new("{}").reply(reply).run(&CARELESS, "Pass");
        assert_eq!(outcome.refused, Some("the body is no JSON"), "{value}");
    }
}

const CARELESS: Connector =
    Connector::new("careless", "1.0.0", "").commands(&[Command::new("Pass", "Passes anything on", |call| {
        Ok(Answer::json_from(Request::get("http://example.com/").send(call)?))
    })]);

#[test]
fn a_response_is_passed_on() {
    for (body, shape) in [("[1.0]", json!(null)), ("", json!("text")), ("{", json!("text")), ("a \"b\"", json!("text"))]
    {
        let reply = Reply::new(200).header("x-long", &"é".repeat(200)).body(body);
        let outcome = TestHost::new("{}").reply(reply).run(&PROBE, "Pass");
        assert_eq!(outcome.body, body);
        assert_eq!(outcome.head["body"], shape, "{body}");
        assert_eq!(outcome.head["headers"], json!({"length": "400", "none": "None"}));
        assert_eq!(outcome.refused, None);
        assert_eq!(outcome.open_handles, 1, "the body is the host's to close");
    }
    let outcome = TestHost::new("{}").reply(Reply::new(200).body("[1.0]")).output_limit(4).run(&PROBE, "Pass");
    assert_eq!(outcome.head["error"]["code"], "output_too_large");
}
