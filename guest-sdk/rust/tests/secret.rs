//! Secrets, against the test host.

use serde_json::{Value, json};
use sluice::testing::{Reply, TestHost, reference};
use sluice::{Answer, Call, Command, Connector, Request, Result};

const MAILER: Connector = Connector::new("mailer", "1.0.0", "")
    .http("asks the service", &["https://api.example.com"])
    .secrets("signs in", &["api-token", "password"])
    .commands(&[
        Command::new("Send", "", send),
        Command::new("Read", "", read),
        Command::new("Nameless", "", nameless),
    ]);

fn send(call: &Call) -> Result<Answer> {
    let authorization = format!("Bearer {}", call.secret("api-token")?);
    let response = Request::get("https://api.example.com/").header("authorization", &authorization).send(call)?;
    Ok(Answer::text("").status(response.status()))
}

fn read(call: &Call) -> Result<Answer> {
    Ok(Answer::text(call.secret_value("password")?))
}

fn nameless(call: &Call) -> Result<Answer> {
    call.secret("").map(Answer::text)
}

#[test]
fn a_reference_stands_where_the_service_gets_the_value() {
    let outcome = TestHost::new("{}").reply(Reply::new(200)).run(&MAILER, "Send");
    let expected = format!("Bearer {}", reference("api-token"));
    assert_eq!(outcome.requests[0].header("authorization"), Some(expected.as_str()));
    assert_eq!(reference("api-token").len(), 48);
    assert_ne!(reference("api-token"), reference("password"));

    for (code, status) in [("secret_denied", 403), ("secret_unavailable", 503)] {
        let outcome = TestHost::new("{}").reply(Reply::error(code)).run(&MAILER, "Send");
        assert_eq!(outcome.head["error"]["code"], code);
        assert_eq!(outcome.head["http_status"], status);
    }
    assert_eq!(TestHost::new("{}").run(&MAILER, "Nameless").head["error"]["code"], "invalid");
}

#[test]
fn a_secret_is_read_where_that_is_granted() {
    let outcome = TestHost::new("{}").clear_secret("password", "hunter22").run(&MAILER, "Read");
    assert_eq!(outcome.body, "hunter22");
    assert_eq!(outcome.open_handles, 0);

    let outcome = TestHost::new("{}").run(&MAILER, "Read");
    assert_eq!(outcome.head["error"]["code"], "secret_denied");
    assert_eq!(outcome.head["http_status"], 403);
    assert_eq!(outcome.open_handles, 0);
}

#[test]
fn the_manifest_asks_for_them() {
    let manifest: Value = serde_json::from_str(&MAILER.manifest()).unwrap();
    assert_eq!(
        manifest["capabilities"],
        json!([
            {"name": "http", "reason": "asks the service", "hosts": ["https://api.example.com"]},
            {"name": "secret", "reason": "signs in", "secrets": ["api-token", "password"]},
        ])
    );
}
