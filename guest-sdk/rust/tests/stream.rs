//! Bodies that are read as they come, against the test host.

use std::io::{self, Read};

use serde_json::json;
use sluice::testing::{Outcome, Reply, TestHost};
use sluice::{Answer, Call, Command, Connector, Error, Request, Result};

const STREAMER: Connector = Connector::new("streamer", "1.0.0", "").commands(&[
    Command::new("Copy", "Reads in pieces", copy),
    Command::new("Whole", "Reads a bit, and then all", whole),
    Command::new("Pass", "Passes on what it has not read", pass),
]);

fn request() -> Request<'static> {
    Request::get("https://api.example.com/").stream()
}

fn copy(call: &Call) -> Result<Answer> {
    let mut response = request().send(call)?;
    assert!(!response.is_json());
    let mut text = Vec::new();
    io::copy(&mut response, &mut text).map_err(|failed| failed.downcast::<Error>().expect("the host's code"))?;
    let end = response.read(&mut [0; 1]).map_err(|_| Error::new("end", "It does not end."))?;
    Answer::json(&json!([String::from_utf8_lossy(&text), end, response.header("etag")]))
}

fn whole(call: &Call) -> Result<Answer> {
    let mut response = request().send(call)?;
    let mut first = [0; 2];
    response.read_exact(&mut first).map_err(|failed| failed.downcast::<Error>().expect("the host's code"))?;
    Ok(Answer::text(response.text()?))
}

fn pass(call: &Call) -> Result<Answer> {
    let mut response = request().send(call)?;
    response.read_exact(&mut [0; 2]).map_err(|_| Error::new("read", "It cannot be read."))?;
    Ok(Answer::text_from(response).status(201))
}

fn run(command: &str, reply: Reply) -> Outcome {
    TestHost::new("{}").reply(reply).run(&STREAMER, command)
}

#[test]
fn a_body_is_read_as_it_comes() {
    let long = "stream ".repeat(10_000);
    for body in ["stream", &long] {
        let reply = || Reply::new(200).header("etag", "x").body(body);
        let outcome = run("Copy", reply());
        assert_eq!(outcome.body, json!([body, 0, "x"]).to_string());
        assert_eq!(outcome.open_handles, 0);
        assert_eq!(run("Whole", reply()).body, body[2..]);
        let passed = run("Pass", reply());
        assert_eq!((passed.body.as_str(), &passed.head["http_status"]), (&body[2..], &json!(201)));
    }
}

#[test]
fn a_body_that_is_cut_off() {
    for command in ["Copy", "Whole", "Pass"] {
        let outcome = run(command, Reply::new(200).body("some of it").cut("incomplete"));
        assert_eq!(outcome.head["error"]["code"], "incomplete", "{command}");
        assert_eq!((outcome.body.as_str(), &outcome.head["http_status"]), ("", &json!(500)), "{command}");
        let outcome = run(command, Reply::error("dns"));
        assert_eq!(outcome.head["error"]["code"], "dns", "{command}");
    }
}

#[test]
fn a_whole_response_that_is_cut_off_is_none() {
    const WHOLE: Connector = Connector::new("c", "1.0.0", "").commands(&[Command::new("Run", "", |call| {
        Ok(Answer::text(Request::get("https://api.example.com/").send(call)?.text()?))
    })]);
    let outcome = TestHost::new("{}").reply(Reply::new(200).body("x").cut("timeout")).run(&WHOLE, "Run");
    assert_eq!(outcome.head["error"]["code"], "timeout");
}
