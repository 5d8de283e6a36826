//! Secrets, against the test host.

use serde_json::{Value, json};
use sluice::testing::{Reply, TestHost, reference};
use sluice::{Answer, Call, Command, Connector, Hash, Request, Result};

const MAILER: Connector = Connector::new("mailer", "1.0.0", "")
    .http("asks the service", &["https://api.example.com"])
    .secrets("signs in", &["api-token", "password"])
    .commands(&[
        Command::new("Send", "", send),
        Command::new("Read", "", read),
        Command::new("Nameless", "", nameless),
        Command::new("Sign", "", sign),
        Command::new("SignReference", "", sign_reference),
        Command::new("SignNameless", "", |call| call.hmac("", Hash::Sha256, b"").map(|_| Answer::text(""))),
        Command::new("SignMuch", "", |call| {
            call.hmac("api-token", Hash::Sha1, &vec![0; (16 << 20) + 1]).map(|_| Answer::text(""))
        }),
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

fn sign(call: &Call) -> Result<Answer> {
    let signature = call.hmac("api-token", Hash::Sha256, b"the body")?;
    Ok(Answer::text(String::from_utf8(signature).expect("text")))
}

fn sign_reference(call: &Call) -> Result<Answer> {
    let reference = call.secret("password")?;
    call.hmac("api-token", Hash::Sha512, reference.as_bytes()).map(|_| Answer::text(""))
}

#[test]
fn a_connector_signs_where_that_is_granted() {
    let granted = || {
        TestHost::new("{}").clear_secret("password", "hunter22").signing_secret("api-token", |hash, data| {
            format!("{hash:?} of {}", String::from_utf8_lossy(data)).into_bytes()
        })
    };
    let outcome = granted().run(&MAILER, "Sign");
    assert_eq!(outcome.body, "Sha256 of the body");
    assert_eq!(outcome.open_handles, 0);

    for (host, command, code) in [
        (TestHost::new("{}").clear_secret("api-token", "x"), "Sign", "secret_denied"),
        (granted(), "SignReference", "secret_denied"),
        (granted(), "SignNameless", "invalid"),
        (granted(), "SignMuch", "too_large"),
    ] {
        let outcome = host.run(&MAILER, command);
        assert_eq!(outcome.head["error"]["code"], code, "{command}");
        assert_eq!(outcome.open_handles, 0);
    }
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
