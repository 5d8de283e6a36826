//! Connections, against the test host.

use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::time::Duration;

use serde_json::{Value, json};
use sluice::tcp::{self, Connection, ErrorKind};
use sluice::testing::{Outcome, Peer, TestHost};
use sluice::{Answer, Call, Command, Connector, Error, Handler, Result};

const ADDRESS: &str = "mail.example.com:25";

/// A connector whose one command is this.
fn connector(handler: Handler) -> Connector {
    let commands = Box::leak(Box::new([Command::new("Use", "", handler)]));
    Connector::new("dials", "1.0.0", "").tcp("tests", &["*.example.com:25", "*:*"]).commands(commands)
}

/// Runs a command whose connections lead to these peers.
fn run(peers: impl IntoIterator<Item = Peer>, handler: Handler) -> Outcome {
    let host = peers.into_iter().fold(TestHost::new("{}"), TestHost::peer);
    let outcome = host.run(&connector(handler), "Use");
    assert_eq!(outcome.open_handles, 0, "every handle is given back");
    outcome
}

fn connect(call: &Call) -> Result<Connection, tcp::Error> {
    Connection::connect(call, ADDRESS)
}

/// The code and the kind of an error of reading or writing.
fn told<T: std::fmt::Debug>(result: io::Result<T>) -> (io::ErrorKind, String) {
    let error = result.expect_err("an error");
    (error.kind(), Error::from(error).code().to_owned())
}

fn timed_out() -> (io::ErrorKind, String) {
    (io::ErrorKind::TimedOut, "timeout".to_owned())
}

fn closed() -> (io::ErrorKind, String) {
    (io::ErrorKind::ConnectionReset, "closed".to_owned())
}

#[test]
fn a_dialogue_with_starttls() {
    let peer = Peer::new()
        .says("220 ready\r\n")
        .hears("STARTTLS\r\n")
        .says("220 go\r\n")
        .starts_tls()
        .hears("MAIL\r\nRCPT\r\n")
        .says("250 o")
        .says("k\r\n221 bye\r\n");
    let outcome = run([peer], |call| {
        let connection = connect(call)?;
        let (mut reader, mut writer) = (BufReader::new(&connection), BufWriter::new(&connection));
        let mut line = String::new();
        reader.read_line(&mut line)?;
        writer.write_all(b"STARTTLS\r\n")?;
        writer.flush()?;
        reader.read_line(&mut line)?;
        tcp::start_tls(&reader)?;
        writer.write_all(b"MAIL\r\nRCPT\r\n")?;
        writer.flush()?;
        reader.read_to_string(&mut line)?;
        Ok(Answer::text(line))
    });
    assert_eq!(outcome.body, "220 ready\r\n220 go\r\n250 ok\r\n221 bye\r\n");
    let opened = &outcome.connections[0];
    assert_eq!((opened.address.as_str(), opened.tls, opened.timeout_ms), (ADDRESS, false, None));
    assert_eq!(
        (opened.sent.as_slice(), opened.secure, opened.finished),
        (&b"STARTTLS\r\nMAIL\r\nRCPT\r\n"[..], true, true)
    );
}

#[test]
fn pieces_and_ends() {
    let peer = Peer::new().says("abcd").says("").says("e").hears("xy").resets();
    let outcome = run([peer, Peer::new(), Peer::new().resets()], |call| {
        let mut connection = connect(call)?;
        let mut buf = [0; 3];
        let sizes = [connection.read(&mut buf)?, connection.read(&mut buf)?, connection.read(&mut [])?];
        // What is said while the connector writes waits.
        let written = [connection.write(b"xyz")?, connection.write(b"")?];
        assert_eq!((sizes, written), ([3, 1, 0], [2, 0]));
        assert_eq!((connection.read(&mut buf)?, buf[0]), (1, b'e'));
        assert_eq!(told(connection.read(&mut buf)), closed());
        assert_eq!(told(connection.write(b"z")), closed());

        let mut ended = connect(call)?;
        assert_eq!((ended.read(&mut buf)?, ended.read(&mut buf)?), (0, 0));
        assert_eq!(told(ended.write_all(b"z")), closed());
        assert_eq!(told(ended.read(&mut buf)), closed());
        assert_eq!(told(connect(call)?.write(b"z")), closed());
        Ok(Answer::text(""))
    });
    assert_eq!(outcome.head["error"], Value::Null);
    assert_eq!(outcome.connections[0].sent, b"xy");
    assert!(outcome.connections.iter().all(|opened| opened.finished));
}

#[test]
fn timeouts() {
    let peer = Peer::new().stalls().says("late").hears("x").stalls().hears("y").hears("never");
    let outcome = run([peer], |call| {
        let connection = Connection::builder(ADDRESS)
            .read_timeout(Duration::from_micros(1_500))
            .write_timeout(Duration::from_secs(3))
            .connect(call)?;
        let mut buf = [0; 8];
        let begin = call.now();
        let passed = || (call.now() - begin).as_millis();
        assert_eq!(told((&connection).read(&mut buf)), timed_out());
        assert_eq!((passed(), (&connection).read(&mut buf)?), (2, 4));
        (&connection).write_all(b"x")?;
        assert_eq!(told((&connection).write(b"y")), timed_out());
        assert_eq!((passed(), (&connection).write(b"y")?), (3_002, 1));

        // Without a timeout of its own a reading waits as long as the host lets it.
        connection.set_read_timeout(None)?;
        assert_eq!(told((&connection).read(&mut buf)), timed_out());
        assert_eq!(passed(), 39_000);
        connection.set_read_timeout(Some(Duration::MAX))?;
        assert_eq!(told((&connection).read(&mut buf)), timed_out());
        assert_eq!(passed(), 39_500);

        for set in
            [connection.set_read_timeout(Some(Duration::ZERO)), connection.set_write_timeout(Some(Duration::ZERO))]
        {
            assert_eq!(told(set), (io::ErrorKind::InvalidInput, "invalid_request".to_owned()));
        }
        connection.set_write_timeout(Some(Duration::from_nanos(1)))?;
        connection.set_read_timeout(Some(Duration::from_millis(1)))?;
        Err((&connection).read(&mut buf).expect_err("a time-out").into())
    });
    assert_eq!(outcome.head["error"]["code"], "timeout");
    assert_eq!(outcome.head["http_status"], 504);
    assert!(!outcome.connections[0].finished, "something was never heard");
}

#[test]
fn opening() {
    let outcome = run([Peer::new(), Peer::new(), Peer::new()], |call| {
        let opened = Connection::builder("[::1]:465").tls().timeout(Duration::from_micros(2_001)).connect(call)?;
        assert_eq!(opened.address(), "[::1]:465");
        assert_eq!(format!("{opened:?}"), r#"Connection { address: "[::1]:465", .. }"#);
        Connection::builder("a\"b:1").timeout(Duration::MAX).connect(call)?;
        connect(call)?;
        Ok(Answer::text(""))
    });
    let got: Vec<_> = outcome.connections.iter().map(|o| (o.address.as_str(), o.tls, o.secure, o.timeout_ms)).collect();
    let longest = Some(i32::MAX as u64);
    assert_eq!(
        got,
        [("[::1]:465", true, true, Some(3)), ("a\"b:1", false, false, longest), (ADDRESS, false, false, None)]
    );
}

#[test]
fn opening_errors() {
    for (code, status, kind, io) in [
        ("invalid_request", 400, ErrorKind::InvalidRequest, io::ErrorKind::InvalidInput),
        ("egress_denied", 403, ErrorKind::EgressDenied, io::ErrorKind::PermissionDenied),
        ("dns", 500, ErrorKind::Dns, io::ErrorKind::NotFound),
        ("connect", 500, ErrorKind::Connect, io::ErrorKind::ConnectionRefused),
        ("connect_timeout", 504, ErrorKind::ConnectTimeout, io::ErrorKind::TimedOut),
        ("tls", 500, ErrorKind::Tls, io::ErrorKind::InvalidData),
        ("overloaded", 503, ErrorKind::Overloaded, io::ErrorKind::ResourceBusy),
        ("tcp_failed", 500, ErrorKind::Other, io::ErrorKind::Other),
    ] {
        let outcome = run([Peer::error(code)], |call| {
            connect(call)?;
            Ok(Answer::text(""))
        });
        assert_eq!((&outcome.head["error"]["code"], &outcome.head["http_status"]), (&json!(code), &json!(status)));
        assert_eq!(outcome.head["error"]["message"], format!("no connection: {code}"));
        assert_eq!((kind.code(), kind.status(), io::ErrorKind::from(kind)), (code, status, io));
    }
    for (kind, io) in
        [(ErrorKind::UnreadData, io::ErrorKind::InvalidData), (ErrorKind::NotAvailable, io::ErrorKind::Unsupported)]
    {
        assert_eq!((io::ErrorKind::from(kind), kind.status()), (io, 500));
    }

    run([], |call| {
        let code = |address: &str| Connection::connect(call, address).map_err(|error| error.kind().code()).err();
        for address in ["", "mail.example.com", ":25", "a:x", "a:65536", &"a".repeat(513)] {
            assert_eq!(code(address), Some("invalid_request"), "{address}");
        }
        assert_eq!(code(ADDRESS), Some("connect"), "no peer is left");
        for builder in [
            Connection::builder(ADDRESS).timeout(Duration::ZERO),
            Connection::builder(ADDRESS).read_timeout(Duration::ZERO),
            Connection::builder(ADDRESS).write_timeout(Duration::ZERO),
        ] {
            assert_eq!(builder.connect(call).map_err(|error| error.kind()).err(), Some(ErrorKind::InvalidRequest));
        }
        Ok(Answer::text(""))
    });
    let outcome = run((0..17).map(|_| Peer::new()), |call| {
        let most = (0..16).map(|_| connect(call)).collect::<Result<Vec<_>, _>>()?;
        let refused = connect(call);
        drop(most);
        connect(call)?;
        Err(refused.expect_err("the seventeenth").into())
    });
    assert_eq!(outcome.head["error"]["code"], "overloaded");

    // The manifest has to ask.
    const MUTE: Connector = Connector::new("mute", "1.0.0", "").commands(&[Command::new("Use", "", |call| {
        connect(call)?;
        Ok(Answer::text(""))
    })]);
    let outcome = TestHost::new("{}").peer(Peer::new()).run(&MUTE, "Use");
    assert_eq!((&outcome.head["error"]["code"], outcome.open_handles), (&json!("egress_denied"), 0));
}

#[test]
fn starttls_errors() {
    let go = || Peer::new().says("go\n");
    let begin: Handler = |call| {
        let mut reader = BufReader::new(connect(call)?);
        reader.read_line(&mut String::new())?;
        let begun = tcp::start_tls(&reader);
        if begun.is_err() {
            assert_eq!(told(reader.get_mut().write(b"x")), closed());
            assert_eq!(told(reader.get_mut().read(&mut [0])), closed());
            assert_eq!(reader.get_ref().start_tls().map_err(|error| error.kind()), Err(ErrorKind::Closed));
        } else {
            reader.get_ref().write_all(b"x")?;
            let twice = reader.get_ref().start_tls();
            assert_eq!(told(reader.get_mut().write(b"x")), closed());
            twice?;
        }
        begun?;
        Ok(Answer::text(""))
    };
    for (peer, code, secure) in [
        (Peer::new().says("go\ninjected").starts_tls(), "unread_data", false),
        (go().says("injected").starts_tls(), "unread_data", false),
        (go().hears("x"), "tls", false),
        (go(), "tls", false),
        (go().starts_tls().hears("x"), "invalid_request", true),
    ] {
        let outcome = run([peer], begin);
        assert_eq!((&outcome.head["error"]["code"], outcome.connections[0].secure), (&json!(code), secure));
    }
}

/// What ordinary libraries ask of a stream.
#[test]
fn a_stream_like_any_other() {
    trait Stream: Read + Write + Send + Sync {}
    impl<T: Read + Write + Send + Sync> Stream for T {}
    struct Client(Box<dyn Stream + 'static>);
    const TEXT: &str = "a line that comes in pieces";

    fn echo(heard: &[u8]) -> Option<Vec<u8>> {
        heard.ends_with(b"\n").then(|| heard.to_ascii_uppercase())
    }
    let peer = || Peer::new().answers(echo).starts_tls().answers(echo);
    let outcome = run([peer(), peer()], |call| {
        let connection = connect(call)?;
        let (mut reader, mut writer) = (BufReader::new(&connection), &connection);
        for start_tls in [true, false] {
            let mut line = String::new();
            writeln!(writer, "{TEXT}")?;
            writer.flush()?;
            reader.read_line(&mut line)?;
            assert_eq!(line.trim_end(), TEXT.to_uppercase());
            if start_tls {
                tcp::start_tls(&reader)?;
            }
        }
        let mut client = Client(Box::new(connect(call)?));
        client.0.write_all(b"boxed\n")?;
        client.0.flush()?;
        let mut reply = [0; 6];
        client.0.read_exact(&mut reply)?;
        Answer::json(&String::from_utf8_lossy(&reply))
    });
    assert_eq!(outcome.body, r#""BOXED\n""#);
    assert_eq!(outcome.connections[0].sent, format!("{TEXT}\n{TEXT}\n").as_bytes());
    assert!(outcome.connections[0].finished && !outcome.connections[1].finished);
}

/// Errors that come to a command by way of [`io::Error`].
#[test]
fn errors_through_io() {
    let outcome = run([Peer::new().says("sec")], |call| {
        connect(call)?.read_exact(&mut [0; 6])?;
        Ok(Answer::text(""))
    });
    assert_eq!(
        outcome.head,
        json!({"http_status": 500, "error": {"code": "unclassified_error",
            "message": "Reading or writing failed: unexpected end of file. The connector's author can name the cause."}})
    );
    let cause = || Error::new("NotThere", "Not there.").status(404);
    assert_eq!(Error::from(io::Error::other(cause())), cause());
}

/// Without the script's panic reaching the test, a connector that says something else would go unnoticed.
#[test]
#[should_panic(expected = r#"the connector sent "EHLO \"x", and its peer hears "HELO x\r\n""#)]
fn another_text_than_the_script() {
    run([Peer::new().hears("HELO x\r\n")], |call| {
        connect(call)?.write_all(b"EHLO \"x")?;
        Ok(Answer::text(""))
    });
}

#[test]
#[should_panic(expected = "its peer begins TLS")]
fn a_text_where_tls_begins() {
    run([Peer::new().starts_tls()], |call| {
        connect(call)?.write_all(b"password")?;
        Ok(Answer::text(""))
    });
}

#[test]
#[should_panic(expected = "beyond the deadline")]
fn waiting_for_ever() {
    run([Peer::new().hears("x")], |call| {
        let mut connection = connect(call)?;
        while connection.read(&mut [0]).is_err() {}
        Ok(Answer::text(""))
    });
}

#[test]
fn the_manifest_asks_for_them() {
    let manifest: Value = serde_json::from_str(&connector(|_| Ok(Answer::text(""))).manifest()).expect("JSON");
    assert_eq!(
        manifest["capabilities"],
        json!([{"name": "tcp", "reason": "tests", "hosts": ["*.example.com:25", "*:*"]}])
    );
}
