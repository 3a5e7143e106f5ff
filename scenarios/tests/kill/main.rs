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
use serde_json::{Value, json};
use server::{Connection, Server, pause};
use std::io::Read;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use stillpoint_reference::machine::Disk;
use stillpoint_reference::mutants::NoMutants;
use stillpoint_reference::node::Config;
use stillpoint_reference::server::{self as service, Options};
use stillpoint_scenarios::stories::Planted;
use torment::torment;

/// Set for the child, to the words that describe it: `DIR`, `DIR forgetful`, `DIR planted`.
const CHILD: &str = "STILLPOINT_KILL_TEST_CHILD";

/// Not a test of its own: the process that the others start and kill.
#[test]
#[expect(clippy::disallowed_methods, reason = "this is how a test starts itself as a child")]
fn child() {
    let Ok(words) = std::env::var(CHILD) else { return };
    let mut words = words.split(' ');
    let data = Path::new(words.next().expect("a directory"));
    let mut options = Options::new(data, "127.0.0.1:0".parse().expect("an address"));
    options.tune = soon;
    std::thread::scope(|scope| {
        // The parent holds the other end: when it is gone, so is this.
        scope.spawn(|| {
            let _ = std::io::stdin().read_to_end(&mut Vec::new());
            std::process::exit(1);
        });
        serve(options, data, words.next());
    });
}

/// Checkpoints, compactions, new segments and uploads, many in the short life of a server.
fn soon(config: &mut Config) {
    config.checkpoint_interval_ns = 50_000_000;
    config.log_segment_bytes_max = 64 << 10;
    config.log_bytes_max = 128 << 10;
    config.log_retained_entries_max = 64;
    config.archive_interval_ns = 100_000_000;
}

fn serve(options: Options, data: &Path, how: Option<&str>) {
    let announce = |address| println!("listening at http://{address}");
    let forgetful = || Some(Arc::new(Forgetful::open(data).expect("a disk")) as Arc<dyn Disk>);
    let never = std::future::pending();
    let ended = match how {
        None => service::run(options, NoMutants, None, announce, never),
        Some("forgetful") => service::run(options, NoMutants, forgetful(), announce, never),
        Some(_) => {
            let early = Planted::AcknowledgeBeforeFsync;
            service::run(options, early, forgetful(), announce, never)
        }
    };
    let why = ended.err().map(|it| it.to_string());
    eprintln!("it was to run until it is killed: {}", why.unwrap_or_default());
    // Not a panic: another thread waits for the parent.
    std::process::exit(1);
}

fn start(data: &Path, how: &str) -> Server {
    try_start(data, how).expect("the server starts")
}

fn try_start(data: &Path, how: &str) -> Result<Server, String> {
    let mut command = Command::new(std::env::current_exe().expect("this test's program"));
    command.args(["--exact", "child", "--nocapture", "--test-threads", "1"]);
    command.env(CHILD, format!("{}{how}", data.display()));
    Server::spawn(command)
}

fn connect(server: &Server) -> Connection {
    Connection::open(server.address, Duration::from_secs(30)).expect("it listens")
}

/// Puts the one item of a test: the status, and the body of the answer.
fn put(client: &mut Connection, value: u32) -> std::io::Result<(u16, Value)> {
    let item = json!({"pk": {"S": "one"}, "v": {"N": value.to_string()}});
    client.call("PutItem", &json!({"TableName": torment::TABLE, "Item": item}))
}

/// The item's value, read strongly.
fn value(client: &mut Connection) -> Value {
    let key = json!({"pk": {"S": "one"}});
    let get = json!({"TableName": torment::TABLE, "Key": key, "ConsistentRead": true});
    client.call("GetItem", &get).expect("an answer").1["Item"]["v"]["N"].clone()
}

#[test]
fn what_was_acknowledged_survives_kills() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let outcome = torment(&|| try_start(data.path(), ""), 1, 6);
    assert!(outcome.broken.is_empty(), "{}", outcome.broken.join("\n"));
    assert!(outcome.acknowledged > 100 && outcome.backups > 2, "little happened: {outcome:?}");
}

#[test]
fn what_was_acknowledged_survives_kills_on_a_disk_that_forgets() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let outcome = torment(&|| try_start(data.path(), " forgetful"), 2, 10);
    assert!(outcome.broken.is_empty(), "{}", outcome.broken.join("\n"));
    assert!(outcome.acknowledged > 1_000 && outcome.backups > 2, "little happened: {outcome:?}");
}

#[test]
fn acknowledging_before_the_fsync_is_caught_on_a_disk_that_forgets() {
    let caught = (0..20).any(|seed| {
        let data = tempfile::tempdir().expect("a temporary directory");
        !torment(&|| try_start(data.path(), " planted"), seed, 4).broken.is_empty()
    });
    assert!(caught, "the planted bug was not seen in twenty rounds of four kills");
}

#[test]
fn a_full_disk_loses_nothing_and_writes_go_on_when_there_is_space() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let server = start(data.path(), " forgetful");
    let mut client = connect(&server);
    torment::create_table(&mut client);
    assert_eq!(put(&mut client, 1).expect("an answer").0, 200);
    let full = data.path().join("full");
    std::fs::write(&full, "").expect("a file");
    let (status, body) = put(&mut client, 2).expect("an answer");
    assert_eq!(status, 500, "{body}");
    // The server lives, and still answers what needs no space.
    let (status, _) = client.call("ListTables", &json!({})).expect("an answer");
    assert_eq!(status, 200);
    // What is refused from now on is known not to have been done.
    let (status, body) = put(&mut client, 2).expect("an answer");
    let message = body["message"].as_str().expect("a message");
    assert!(status == 500 && message.starts_with("the disk is full: nothing was done"), "{body}");
    std::fs::remove_file(&full).expect("it was there");
    while put(&mut client, 3).expect("an answer").0 != 200 {
        pause(10);
    }
    assert_eq!(value(&mut client), "3");
}

#[test]
fn a_full_disk_that_is_killed_loses_nothing() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let mut server = start(data.path(), " forgetful");
    let mut client = connect(&server);
    torment::create_table(&mut client);
    assert_eq!(put(&mut client, 1).expect("an answer").0, 200);
    let full = data.path().join("full");
    std::fs::write(&full, "").expect("a file");
    assert_eq!(put(&mut client, 2).expect("an answer").0, 500);
    server.kill();
    std::fs::remove_file(&full).expect("it was there");
    let server = start(data.path(), " forgetful");
    // The second was never on the disk.
    assert_eq!(value(&mut connect(&server)), "1");
}

/// A disk that can only be read any more ends the process, which says so; what was acknowledged is
/// there when it can be written again.
#[test]
fn a_disk_that_becomes_read_only_is_said_and_loses_nothing() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let mut server = start(data.path(), " forgetful");
    let mut client = connect(&server);
    torment::create_table(&mut client);
    assert_eq!(put(&mut client, 1).expect("an answer").0, 200);
    let control = data.path().join("read-only");
    std::fs::write(&control, "").expect("a file");
    // The process ends under the request, or answers that it does not know.
    if let Ok((status, body)) = put(&mut client, 2) {
        assert_eq!(status, 500, "{body}");
    }
    let said = server.last_words();
    let named = ["the log cannot be written any more", "the items at rest cannot be used any more"];
    assert!(named.iter().any(|it| said.contains(it)), "{said}");
    assert!(said.contains("Read-only file system"), "{said}");
    std::fs::remove_file(&control).expect("it was there");
    let server = start(data.path(), " forgetful");
    assert_eq!(value(&mut connect(&server)), "1");
}

/// The items at rest are the only copy of what the log has forgotten: damage is said, and nothing
/// is thrown away.
#[test]
fn the_only_copy_of_items_is_never_discarded() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let mut server = start(data.path(), "");
    let mut client = connect(&server);
    torment::create_table(&mut client);
    let log = data.path().join("node/log");
    let body = "x".repeat(10_000);
    let mut written = 0;
    let first = first_segment(&log);
    // Until the log has been compacted: its first segment is gone.
    while first_segment(&log) == first {
        let key = json!({"S": written.to_string()});
        let item = json!({"pk": key, "body": {"S": body}});
        let put = json!({"TableName": torment::TABLE, "Item": item});
        assert_eq!(client.call("PutItem", &put).expect("an answer").0, 200);
        written += 1;
        assert!(written < 5_000, "the log is never compacted");
    }
    server.kill();
    let items = data.path().join("node/items");
    let sound = std::fs::read(&items).expect("the items at rest");
    let mut rotten = sound.clone();
    // Every block of the file's second half has a bit that is wrong.
    let half = rotten.len() / 2;
    (half..rotten.len()).step_by(4_096).for_each(|at| rotten[at] ^= 1);
    std::fs::write(&items, &rotten).expect("writable");
    let said = try_start(data.path(), "").expect_err("it must not start");
    assert!(said.contains("the items at rest cannot be opened"), "{said}");
    assert!(std::fs::read(&items).expect("it is there") == rotten, "nobody touched it");
    std::fs::remove_file(&items).expect("it was there");
    let said = try_start(data.path(), "").expect_err("it must not start");
    assert!(said.contains("the items at rest cannot be opened"), "{said}");
    // With its file back, everything is back.
    std::fs::write(&items, &sound).expect("writable");
    let server = start(data.path(), "");
    let mut client = connect(&server);
    for number in 0..written {
        let key = json!({"pk": {"S": number.to_string()}});
        let get = json!({"TableName": torment::TABLE, "Key": key, "ConsistentRead": true});
        let (_, found) = client.call("GetItem", &get).expect("an answer");
        assert_eq!(found["Item"]["body"]["S"], *body, "item {number}");
    }
}

fn first_segment(log: &Path) -> String {
    let names = std::fs::read_dir(log).expect("a log").map(|it| it.expect("a file").file_name());
    names.map(|it| it.to_string_lossy().into_owned()).min().expect("a segment")
}
