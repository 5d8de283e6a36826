//! The guest against the SDK's test host.

use lines::LINES;
use serde_json::json;
use sluice::serde_json;
use sluice::testing::{Peer, TestHost};

#[test]
fn talks() {
    let begin = || Peer::new().says("hello\n").hears("STARTTLS\n").says("go\n").starts_tls();
    for (security, peer) in [
        ("no", Peer::new().says("hello\n")),
        ("tls", Peer::new().says("hello\n")),
        ("starttls", begin()),
        ("unbuffered", begin()),
    ] {
        let params = json!({"address": "h:1", "security": security, "text": "a\nb", "timeout_ms": 5});
        let peer = peer.hears("a\n").says("A\n").hears("b\n").says("B\n");
        let outcome = TestHost::new(params.to_string()).peer(peer).run(&LINES, "Talk");
        assert_eq!((outcome.body.as_str(), outcome.open_handles), (r#"["A","B"]"#, 0), "{security}: {}", outcome.head);
        let connection = &outcome.connections[0];
        assert_eq!((connection.secure, connection.tls), (security != "no", security == "tls"));
        assert!(connection.finished);
    }
}

#[test]
fn failures() {
    let starts = |text: &str| Peer::new().says("hello\n").hears("STARTTLS\n").says(text);
    for (security, peer, code) in [
        ("no", Peer::new(), "Ended"),
        ("no", Peer::new().says("hello\n").hears("a\n"), "Ended"),
        ("no", Peer::new().says("hello\n").hears("a\n").stalls(), "timeout"),
        ("no", Peer::new().says("hello\n").hears("a\n").resets(), "closed"),
        ("starttls", starts("go\ninjected\n"), "unread_data"),
        ("unbuffered", starts("go\ninjected\n"), "unread_data"),
        ("unbuffered", starts("go"), "unclassified_error"),
        ("starttls", Peer::error("dns"), "dns"),
    ] {
        let params = json!({"address": "h:1", "security": security, "text": "a"});
        let outcome = TestHost::new(params.to_string()).peer(peer).run(&LINES, "Talk");
        assert_eq!((&outcome.head["error"]["code"], outcome.open_handles), (&json!(code), 0), "{security}");
    }
}
