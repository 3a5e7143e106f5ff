//! Clients that are broken or mean no good: each gets an answer that is its own fault, or a closed
//! connection, and the server goes on as before.

use super::server::{self, Connection, Server, pause};
use super::{PATIENCE, connect, create_table, put};
use serde_json::json;
use std::fmt::Write as _;
use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;
use stillpoint_reference::mutants::NoMutants;
use stillpoint_reference::server::{Limits, Options};
use tokio::sync::oneshot;

fn raw(target: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST / HTTP/1.1\r\nhost: localhost\r\nx-amz-target: {target}\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// The status of the answer; none if the connection was closed.
fn status_of(server: &Server, bytes: &[u8]) -> Option<u16> {
    let mut client = connect(server);
    // It may be closed before it has taken everything.
    let _ = client.send(bytes);
    client.read_answer().ok().map(|(status, _)| status)
}

fn deep(levels: usize) -> String {
    let mut value = String::from(r#"{"S":"x"}"#);
    for _ in 0..levels {
        value = format!(r#"{{"L":[{value}]}}"#);
    }
    format!(r#"{{"TableName":"music","Item":{{"pk":{{"S":"a"}},"v":{value}}}}}"#)
}

fn condition(expression: &str) -> String {
    json!({
        "TableName": "music",
        "Item": {"pk": {"S": "a"}},
        "ConditionExpression": expression,
    })
    .to_string()
}

#[test]
fn bodies_that_make_no_sense_are_the_clients_fault() {
    let (server, _data) = server::start();
    create_table(&mut connect(&server));
    let mut ands = String::from("attribute_exists(pk)");
    (0..300).for_each(|_| ands.push_str(" AND attribute_exists(pk)"));
    let mut many = String::new();
    (0..20_000).for_each(|n| write!(many, "\"a{n}\":{{\"S\":\"x\"}},").expect("memory"));
    let bodies: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b"{".to_vec(),
        b"null".to_vec(),
        b"[]".to_vec(),
        b"\xff\xfe{}".to_vec(),
        b"{\"TableName\":\"\xff\"}".to_vec(),
        b"{\"TableName\":\"\\ud800\"}".to_vec(),
        br#"{"TableName":7}"#.to_vec(),
        br#"{"TableName":"music","Item":{"pk":{"S":7}}}"#.to_vec(),
        br#"{"TableName":"music","Item":{"pk":{"N":"1e999999999"}}}"#.to_vec(),
        br#"{"TableName":"music","Item":{"pk":{"B":"?"}}}"#.to_vec(),
        br#"{"TableName":"music","Item":{"pk":{"S":"a","N":"1"}}}"#.to_vec(),
        "[".repeat(20_000).into_bytes(),
        "{\"a\":".repeat(20_000).into_bytes(),
        deep(33).into_bytes(),
        deep(20_000).into_bytes(),
        condition(&"(".repeat(4_000)).into_bytes(),
        condition(&"NOT ".repeat(1_000)).into_bytes(),
        condition(&ands).into_bytes(),
        condition(&"(".repeat(100_000)).into_bytes(),
        format!(r#"{{"TableName":"music","Item":{{{many}"pk":{{"S":7}}}}}}"#).into_bytes(),
        format!(r#"{{"TableName":"{}"}}"#, "x".repeat(1 << 20)).into_bytes(),
        format!(
            r#"{{"TableName":"music","Item":{{"pk":{{"S":"a"}},"v":{{"N":"{}"}}}}}}"#,
            "9".repeat(100_000)
        )
        .into_bytes(),
    ];
    for body in bodies {
        let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
        for target in ["DynamoDB_20120810.PutItem", "DynamoDB_20120810.UpdateItem"] {
            let status = status_of(&server, &raw(target, &body));
            assert_eq!(status, Some(400), "{target} {shown}");
        }
    }
    put(&mut connect(&server), "still here");
}

#[test]
fn requests_that_are_not_http_are_refused() {
    let (server, _data) = server::start();
    let long = format!("POST / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(1 << 20));
    let many = format!("POST / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(10_000));
    let cases: &[(&[u8], &[Option<u16>])] = &[
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", &[Some(400), None]),
        (b"\r\n\r\n\r\nhello\r\n\r\n", &[Some(400), None]),
        (b"POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n", &[Some(400), None]),
        (b"POST / HTTP/1.1\r\ncontent-length: 99999999999999999999\r\n\r\n", &[Some(400), None]),
        (b"POST / HTTP/1.1\r\ncontent-length: 4000000000\r\n\r\n", &[Some(413)]),
        (b"PUT / HTTP/1.1\r\ncontent-length: 0\r\n\r\n", &[Some(405)]),
        (b"POST / HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}", &[Some(400)]),
        (long.as_bytes(), &[Some(431), Some(400), None]),
        (many.as_bytes(), &[Some(431), Some(400), None]),
    ];
    for (bytes, possible) in cases {
        let status = status_of(&server, bytes);
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]);
        assert!(possible.contains(&status), "{shown:?}: {status:?}");
    }
    let mut client = connect(&server);
    client.send(b"GET / HTTP/1.1\r\n\r\n").expect("it reads");
    assert_eq!(client.read_answer().expect("an answer").0, 200);
}

/// What a request costs must not grow with the number of its mistakes.
#[test]
fn a_million_mistakes_are_answered_with_ten() {
    let (server, _data) = server::start();
    let definitions = vec!["{}"; 1_000_000].join(",");
    let body = format!(r#"{{"TableName":"music","AttributeDefinitions":[{definitions}]}}"#);
    let mut client = connect(&server);
    client.send(&raw("DynamoDB_20120810.CreateTable", body.as_bytes())).expect("it reads");
    let (status, answer) = client.read_answer().expect("an answer");
    assert_eq!(status, 400);
    assert!(answer.len() < 2_000, "an answer of {} bytes", answer.len());
    assert!(String::from_utf8_lossy(&answer).contains("2000001 validation errors detected"));
}

/// A page in somebody's browser may have a name of its own point here.
#[test]
fn only_names_of_this_machine_are_served() {
    let (server, _data) = server::start();
    for (host, expected) in [
        ("localhost:8000", 200),
        ("127.0.0.1", 200),
        ("[::1]:8000", 200),
        ("dynamodb.localhost", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example:8000", 421),
        ("10.0.0.1", 421),
    ] {
        let request = format!(
            "POST / HTTP/1.1\r\nhost: {host}\r\nx-amz-target: DynamoDB_20120810.ListTables\r\n\
             content-length: 2\r\n\r\n{{}}"
        );
        assert_eq!(status_of(&server, request.as_bytes()), Some(expected), "{host}");
    }
}

/// Who sends too much hears of it, whether or not the length was declared.
#[test]
fn a_body_that_is_too_large_is_told_so() {
    let (server, _data) = server::start();
    let body = "x".repeat(6 << 20);
    assert_eq!(status_of(&server, &raw("DynamoDB_20120810.PutItem", body.as_bytes())), Some(413));
    let head = "POST / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunked = format!("{head}{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    assert_eq!(status_of(&server, chunked.as_bytes()), Some(413));
    let broken = format!("{head}zz\r\n");
    assert_eq!(status_of(&server, broken.as_bytes()), Some(400));
}

/// A body in chunks has no declared length, and the same limit.
#[test]
fn an_endless_body_is_cut_off() {
    let (server, _data) = server::start();
    let mut client = connect(&server);
    client.send(b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n").expect("it reads");
    let chunk = format!("100000\r\n{}\r\n", "x".repeat(0x100000));
    let sent = (0..200).take_while(|_| client.send(chunk.as_bytes()).is_ok()).count();
    assert!(sent < 200, "it took 200 MB");
}

/// A server in this process with limits of a few hundred milliseconds and ten connections.
fn impatient(data: &Path, test: impl FnOnce(SocketAddr)) {
    let mut options = Options::new(data, "127.0.0.1:0".parse().expect("an address"));
    options.limits = Limits {
        connections_max: 10,
        idle: Duration::from_millis(300),
        body: Duration::from_millis(300),
        write: Duration::from_millis(300),
        ..Limits::default()
    };
    let (stop, stopped) = oneshot::channel::<()>();
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let serving = scope.spawn(move || {
            let announce = |address| tell.send(address).expect("somebody listens");
            let stop = async { drop(stopped.await) };
            stillpoint_reference::server::run(options, NoMutants, None, announce, stop)
        });
        // Dropped also when the test fails, so that the server ends.
        let _stop = stop;
        test(told.recv().expect("it starts"));
        drop(_stop);
        serving.join().expect("it does not panic").expect("it ends well");
    });
}

/// Waits until the server closes the connection, whatever it says before.
fn await_close(mut stream: TcpStream) {
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => {}
        Err(why) => assert_eq!(why.kind(), std::io::ErrorKind::ConnectionReset, "{why}"),
    }
}

#[test]
fn slow_and_silent_clients_are_put_out_and_others_served() {
    let data = tempfile::tempdir().expect("a temporary directory");
    impatient(data.path(), |address| {
        let open = |bytes: &[u8]| {
            let mut stream = TcpStream::connect(address).expect("it listens");
            std::io::Write::write_all(&mut stream, bytes).expect("it reads");
            stream
        };
        // All places are taken by clients that say nothing, half a head, or half a body.
        let mut slow: Vec<TcpStream> = Vec::new();
        for _ in 0..4 {
            slow.push(open(b""));
            slow.push(open(b"POST / HTTP/1.1\r\nhost: "));
            slow.push(open(b"POST / HTTP/1.1\r\ncontent-length: 100\r\n\r\nhalf"));
        }
        let mut client = Connection::open(address, PATIENCE).expect("it listens");
        let (status, body) = client.call("ListTables", &json!({})).expect("an answer, in the end");
        assert_eq!(status, 200, "{body}");
        slow.into_iter().for_each(await_close);
    });
}

/// A client that drips one byte after the other is never idle, and is put out all the same.
#[test]
fn a_client_that_drips_is_put_out() {
    let data = tempfile::tempdir().expect("a temporary directory");
    impatient(data.path(), |address| {
        for head in ["", "POST / HTTP/1.1\r\ncontent-length: 1000\r\n\r\n"] {
            let mut stream = TcpStream::connect(address).expect("it listens");
            std::io::Write::write_all(&mut stream, head.as_bytes()).expect("it reads");
            let dripped = (0..500).take_while(|_| {
                pause(10);
                std::io::Write::write_all(&mut stream, b"x").is_ok()
            });
            assert!(dripped.count() < 500, "it listened to 500 drops behind {head:?}");
        }
    });
}

fn memory_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let line = status.lines().find(|it| it.starts_with("VmRSS:")).expect("a line");
    line.split_whitespace().nth(1).and_then(|it| it.parse().ok()).expect("a number")
}

/// What is refused leaves nothing behind.
#[test]
fn hostile_requests_do_not_make_the_server_grow() {
    let (server, _data) = server::start();
    create_table(&mut connect(&server));
    let bodies = [deep(20_000), "[".repeat(1 << 20), condition(&"(".repeat(100_000))];
    let round = || {
        for body in &bodies {
            for _ in 0..20 {
                let status = status_of(&server, &raw("DynamoDB_20120810.PutItem", body.as_bytes()));
                assert_eq!(status, Some(400));
            }
        }
    };
    round();
    let before_kib = memory_kib(server.process());
    (0..5).for_each(|_| round());
    let grown_kib = memory_kib(server.process()).saturating_sub(before_kib);
    assert!(grown_kib < 16 << 10, "it grew by {grown_kib} KiB");
}
