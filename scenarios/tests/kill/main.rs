//! The server is killed again and again under load, with backups running: what was acknowledged and
//! every AVAILABLE backup must still be there.
//!
//! Twice: on the real file system, and on a disk that forgets all that was not synced
//! (`forgetful`). The second is what proves something about fsync, so it must also catch a server
//! that acknowledges before its fsync.

mod forgetful;
#[path = "../server/mod.rs"]
mod server;
mod torment;

use forgetful::Forgetful;
use serde_json::json;
use server::{Connection, Server};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use stillpoint_reference::machine::Disk;
use stillpoint_reference::mutants::{Mutants, NoMutants};
use stillpoint_reference::server::{self as service, Options};
use torment::torment;

/// Set for the child, to the words that describe it: `DIR`, `DIR forgetful`, `DIR planted`.
const CHILD: &str = "STILLPOINT_KILL_TEST_CHILD";

/// An entry counts as durable before its fsync.
#[derive(Clone, Copy, Debug)]
struct Early;

impl Mutants for Early {
    fn acknowledge_before_fsync(&self) -> bool {
        true
    }
}

/// Not a test of its own: the process that the others start and kill.
#[test]
#[expect(clippy::disallowed_methods, reason = "this is how a test starts itself as a child")]
fn child() {
    let Ok(words) = std::env::var(CHILD) else { return };
    let mut words = words.split(' ');
    let data = Path::new(words.next().expect("a directory"));
    let options = Options::new(data, "127.0.0.1:0".parse().expect("an address"));
    let announce = |address| println!("listening at http://{address}");
    let forgetful = || Some(Arc::new(Forgetful::open(data).expect("a disk")) as Arc<dyn Disk>);
    let never = std::future::pending();
    let ended = match words.next() {
        None => service::run(options, NoMutants, None, announce, never),
        Some("forgetful") => service::run(options, NoMutants, forgetful(), announce, never),
        Some(_) => service::run(options, Early, forgetful(), announce, never),
    };
    let why = ended.err().map(|it| it.to_string());
    panic!("it was to run until it is killed: {}", why.unwrap_or_default());
}

fn start(data: &Path, how: &str) -> Server {
    let mut command = Command::new(std::env::current_exe().expect("this test's program"));
    command.args(["--exact", "child", "--nocapture", "--test-threads", "1"]);
    command.env(CHILD, format!("{}{how}", data.display()));
    Server::spawn(command).expect("the server starts")
}

#[test]
fn what_was_acknowledged_survives_kills() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let outcome = torment(&|| start(data.path(), ""), 1, 6);
    assert!(outcome.broken.is_empty(), "{}", outcome.broken.join("\n"));
    assert!(outcome.acknowledged > 100 && outcome.backups > 2, "little happened: {outcome:?}");
}

#[test]
fn what_was_acknowledged_survives_kills_on_a_disk_that_forgets() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let outcome = torment(&|| start(data.path(), " forgetful"), 2, 10);
    assert!(outcome.broken.is_empty(), "{}", outcome.broken.join("\n"));
    assert!(outcome.acknowledged > 1_000 && outcome.backups > 2, "little happened: {outcome:?}");
}

#[test]
fn acknowledging_before_the_fsync_is_caught_on_a_disk_that_forgets() {
    let caught = (0..5).any(|seed| {
        let data = tempfile::tempdir().expect("a temporary directory");
        !torment(&|| start(data.path(), " planted"), seed, 4).broken.is_empty()
    });
    assert!(caught, "the planted bug was not seen in five rounds of four kills");
}

#[test]
fn a_full_disk_loses_nothing_and_writes_go_on_when_there_is_space() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let server = start(data.path(), " forgetful");
    let patience = Duration::from_secs(30);
    let mut client = Connection::open(server.address, patience).expect("it listens");
    torment::create_table(&mut client);
    let put = |client: &mut Connection, value: u32| {
        let item = json!({"pk": {"S": "one"}, "v": {"N": value.to_string()}});
        client.call("PutItem", &json!({"TableName": torment::TABLE, "Item": item}))
    };
    assert_eq!(put(&mut client, 1).expect("an answer").0, 200);
    let full = data.path().join("full");
    std::fs::write(&full, "").expect("a file");
    let (status, body) = put(&mut client, 2).expect("an answer");
    assert_eq!(status, 500, "{body}");
    // The server lives, and still answers what needs no space.
    let (status, _) = client.call("ListTables", &json!({})).expect("an answer");
    assert_eq!(status, 200);
    std::fs::remove_file(&full).expect("it was there");
    let key = json!({"pk": {"S": "one"}});
    let get = json!({"TableName": torment::TABLE, "Key": key, "ConsistentRead": true});
    let (status, body) = put(&mut client, 3).expect("an answer");
    assert_eq!(status, 200, "{body}");
    let (_, body) = client.call("GetItem", &get).expect("an answer");
    assert_eq!(body["Item"]["v"]["N"], "3");
}

#[test]
fn a_full_disk_that_is_killed_loses_nothing() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let mut server = start(data.path(), " forgetful");
    let patience = Duration::from_secs(30);
    let mut client = Connection::open(server.address, patience).expect("it listens");
    torment::create_table(&mut client);
    let item = json!({"pk": {"S": "one"}, "v": {"N": "1"}});
    let put = json!({"TableName": torment::TABLE, "Item": item});
    assert_eq!(client.call("PutItem", &put).expect("an answer").0, 200);
    let full = data.path().join("full");
    std::fs::write(&full, "").expect("a file");
    assert_eq!(client.call("PutItem", &put).expect("an answer").0, 500);
    server.kill();
    std::fs::remove_file(&full).expect("it was there");
    let server = start(data.path(), " forgetful");
    let mut client = Connection::open(server.address, patience).expect("it listens");
    let key = json!({"pk": {"S": "one"}});
    let get = json!({"TableName": torment::TABLE, "Key": key, "ConsistentRead": true});
    let (_, body) = client.call("GetItem", &get).expect("an answer");
    assert_eq!(body["Item"]["v"]["N"], "1");
}

/// A disk that can only be read any more ends the process, which says so; what was acknowledged is
/// there when it can be written again.
#[test]
fn a_disk_that_becomes_read_only_is_said_and_loses_nothing() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let mut server = start(data.path(), " forgetful");
    let patience = Duration::from_secs(30);
    let mut client = Connection::open(server.address, patience).expect("it listens");
    torment::create_table(&mut client);
    let put = |value: &str| {
        let item = json!({"pk": {"S": "one"}, "v": {"N": value}});
        json!({"TableName": torment::TABLE, "Item": item})
    };
    assert_eq!(client.call("PutItem", &put("1")).expect("an answer").0, 200);
    let control = data.path().join("read-only");
    std::fs::write(&control, "").expect("a file");
    // The process ends under the request, or answers that it does not know.
    if let Ok((status, body)) = client.call("PutItem", &put("2")) {
        assert_eq!(status, 500, "{body}");
    }
    let said = server.last_words();
    assert!(said.contains("the log cannot be written any more: Read-only file system"), "{said}");
    std::fs::remove_file(&control).expect("it was there");
    let server = start(data.path(), " forgetful");
    let mut client = Connection::open(server.address, patience).expect("it listens");
    let key = json!({"pk": {"S": "one"}});
    let get = json!({"TableName": torment::TABLE, "Key": key, "ConsistentRead": true});
    let (_, body) = client.call("GetItem", &get).expect("an answer");
    assert_eq!(body["Item"]["v"]["N"], "1");
}
