//! The server as its users meet it: starting, stopping, refusing to start, and what hostile or
//! broken clients get.

mod hostile;
#[path = "../server/mod.rs"]
mod server;

use serde_json::{Value, json};
use server::{Connection, Server, pause};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

fn connect(server: &Server) -> Connection {
    Connection::open(server.address, PATIENCE).expect("it listens")
}

fn call(client: &mut Connection, operation: &str, body: Value) -> Value {
    let (status, answer) = client.call(operation, &body).expect("an answer");
    assert_eq!(status, 200, "{operation}: {answer}");
    answer
}

fn create_table(client: &mut Connection) {
    call(
        client,
        "CreateTable",
        json!({
            "TableName": "music",
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "BillingMode": "PAY_PER_REQUEST",
        }),
    );
    let describe = json!({"TableName": "music"});
    while call(client, "DescribeTable", describe.clone())["Table"]["TableStatus"] != "ACTIVE" {
        pause(10);
    }
}

fn put(client: &mut Connection, key: &str) {
    call(client, "PutItem", json!({"TableName": "music", "Item": {"pk": {"S": key}}}));
}

fn refused(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_stillpoint"))
        .arg("serve")
        .args(args)
        .stdin(Stdio::null())
        .output();
    let Output { status, stdout, stderr } = output.expect("it runs");
    assert_eq!((status.code(), stdout.is_empty()), (Some(2), true));
    let said = String::from_utf8(stderr).expect("text");
    assert_eq!(said.lines().count(), 1, "one line: {said}");
    said
}

#[test]
fn what_was_written_is_there_after_a_stop_and_a_start() {
    let (server, data) = server::start();
    let mut client = connect(&server);
    create_table(&mut client);
    put(&mut client, "a");
    assert!(server.stop(), "a polite kill is a good end");
    let server = Server::start(data.path());
    let key = json!({"TableName": "music", "Key": {"pk": {"S": "a"}}, "ConsistentRead": true});
    let found = call(&mut connect(&server), "GetItem", key);
    assert_eq!(found["Item"]["pk"]["S"], "a");
}

/// A stop answers what is under way, and then ends.
#[test]
fn a_stop_drains() {
    let (server, _data) = server::start();
    create_table(&mut connect(&server));
    let address = server.address;
    let writer = std::thread::scope(|scope| {
        let writer = scope.spawn(move || {
            let mut client = Connection::open(address, PATIENCE).expect("it listens");
            let mut answered = 0;
            loop {
                let item = json!({"TableName": "music", "Item": {"pk": {"S": "a"}}});
                match client.call("PutItem", &item) {
                    Ok((status, body)) => assert_eq!(status, 200, "{body}"),
                    Err(_) => return answered,
                }
                answered += 1;
            }
        });
        pause(100);
        assert!(server.stop());
        writer.join().expect("every request that was answered was answered with success")
    });
    assert!(writer > 0);
}

#[test]
fn a_directory_belongs_to_one_process() {
    let (_server, data) = server::start();
    let path = data.path().to_str().expect("text");
    let said = refused(&["--listen", "127.0.0.1:0", "--data", path]);
    assert!(said.contains("another process uses") && said.contains(path), "{said}");
}

#[test]
fn only_loopback_addresses_are_served() {
    let said = refused(&["--listen", "0.0.0.0:0"]);
    assert!(said.contains("listen on a loopback address"), "{said}");
}

#[test]
fn a_port_that_is_taken_is_said() {
    let (server, _data) = server::start();
    let other = tempfile::tempdir().expect("a temporary directory");
    let address = server.address.to_string();
    let said = refused(&["--listen", &address, "--data", other.path().to_str().expect("text")]);
    assert!(said.contains(&format!("cannot listen on {address}")), "{said}");
}

#[test]
fn a_directory_that_cannot_be_used_is_said() {
    let there = tempfile::NamedTempFile::new().expect("a temporary file");
    let below: &Path = &there.path().join("data");
    let said = refused(&["--listen", "127.0.0.1:0", "--data", below.to_str().expect("text")]);
    assert!(said.contains("cannot use") && said.contains("Not a directory"), "{said}");
}

/// A log that was damaged, as opposed to torn at its end, is not repaired by guessing.
#[test]
fn a_damaged_log_is_said_and_left_as_it_is() {
    let (server, data) = server::start();
    let mut client = connect(&server);
    create_table(&mut client);
    for number in 0..50 {
        put(&mut client, &number.to_string());
    }
    assert!(server.stop());
    let log = data.path().join("node/log");
    let mut segments: Vec<_> =
        std::fs::read_dir(log).expect("a log").map(|it| it.expect("a file").path()).collect();
    segments.sort();
    let first = segments.first().expect("a segment");
    let mut bytes = std::fs::read(first).expect("readable");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(first, &bytes).expect("writable");
    let path = data.path().to_str().expect("text");
    let said = refused(&["--listen", "127.0.0.1:0", "--data", path]);
    assert!(said.contains("damaged") || said.contains("corrupt"), "{said}");
    assert_eq!(std::fs::read(first).expect("readable"), bytes, "nobody touched it");
}
