//! A connector for tests of connections: it speaks with a server by lines, in the clear, over TLS, and over TLS that begins
//! later. The server greets with a line and answers each with one.

use std::io::{BufRead, BufReader, Read, Write};
use std::time::Duration;

use sluice::tcp::{self, Connection};
use sluice::{Answer, Call, Command, Connector, Error, Param, Result};

const ADDRESS: Param = Param::string("address", "host:port of the server").required();
const SECURITY: Param =
    Param::string("security", "no (default), tls, starttls, or unbuffered: starttls read by the byte");
const TIMEOUT: Param = Param::integer("timeout_ms", "How long one reading and one writing may take");

/// The connector's table.
pub const LINES: Connector =
    Connector::new("lines", "1.0.0", "Speaks a protocol of lines.")
        .tcp("speaks with the servers that its parameters name", &["*:*"])
        .commands(&[
            Command::new("Talk", "Says lines, and answers with what the server says to them", talk).params(&[
                ADDRESS,
                SECURITY,
                TIMEOUT,
                Param::string("text", "The lines").required(),
            ]),
            Command::new("Pump", "Sends so many bytes, and answers with what the server makes of them", pump)
                .params(&[ADDRESS, SECURITY, TIMEOUT, Param::integer("bytes", "How many").required()]),
            Command::new("Open", "Opens connections", open).params(&[
                ADDRESS,
                Param::integer("count", "How many").required(),
                Param::boolean("keep", "Whether all stay open until the last was opened"),
            ]),
        ]);

/// A connection on which the server has greeted, and that is as secure as was asked for.
fn connect(call: &Call) -> Result<BufReader<Connection>> {
    let params = call.params();
    let address = params.require_str("address")?;
    let security = params.str("security")?.unwrap_or_default();
    let mut builder = Connection::builder(&address);
    if security == "tls" {
        builder = builder.tls();
    }
    if let Some(timeout) = params.int("timeout_ms")? {
        let timeout = Duration::from_millis(timeout.unsigned_abs());
        builder = builder.read_timeout(timeout).write_timeout(timeout);
    }
    let mut server = BufReader::new(builder.connect(call)?);
    match security.as_ref() {
        "starttls" => {
            hear(&mut server)?;
            server.get_mut().write_all(b"STARTTLS\n")?;
            hear(&mut server)?;
            tcp::start_tls(&server)?;
        }
        "unbuffered" => {
            let connection = server.get_mut();
            skip_line(connection)?;
            connection.write_all(b"STARTTLS\n")?;
            skip_line(connection)?;
            connection.start_tls()?;
        }
        _ => drop(hear(&mut server)?),
    }
    Ok(server)
}

/// The next line of the server.
fn hear(server: &mut impl BufRead) -> Result<String> {
    let mut line = String::new();
    server.read_line(&mut line)?;
    match line.pop() {
        Some('\n') => Ok(line),
        _ => Err(Error::new("Ended", "The server ended the conversation.").status(502)),
    }
}

/// Reads to the end of a line and not a byte further.
fn skip_line(server: &mut impl Read) -> Result<()> {
    let mut byte = [0];
    while byte != *b"\n" {
        server.read_exact(&mut byte)?;
    }
    Ok(())
}

fn talk(call: &Call) -> Result<Answer> {
    let mut server = connect(call)?;
    let mut heard = Vec::new();
    for line in call.params().require_str("text")?.lines() {
        server.get_mut().write_all(format!("{line}\n").as_bytes())?;
        heard.push(hear(&mut server)?);
    }
    Answer::json(&heard)
}

fn pump(call: &Call) -> Result<Answer> {
    let mut server = connect(call)?;
    let bytes = call.params().int("bytes")?.unwrap_or_default().unsigned_abs();
    server.get_mut().write_all(format!("PUMP {bytes}\n").as_bytes())?;
    let pumped = std::io::copy(&mut std::io::repeat(b'x').take(bytes), server.get_mut())?;
    Answer::json(&(pumped, hear(&mut server)?))
}

fn open(call: &Call) -> Result<Answer> {
    let (count, keep) = (call.params().int("count")?.unwrap_or_default(), call.params().bool("keep")?);
    let mut kept = Vec::new();
    for _ in 0..count {
        let server = connect(call)?;
        if keep == Some(true) {
            kept.push(server);
        }
    }
    Answer::json(&kept.len())
}

sluice::export!(LINES);
