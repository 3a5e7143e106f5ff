//! `stillpoint load` on endpoints that are told what to answer: what they may score, and what not.

mod canned;

use std::process::{Command, Output, Stdio};
use std::sync::Mutex;

/// How an endpoint goes wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    RefusesEverything,
    RefusesPuts,
    GetsNothing,
    RestoresLess,
    KeepsBackups,
}

/// What an endpoint remembers: its tables, how many items were put, and whether backups are there.
#[derive(Default)]
struct Memory {
    tables: Vec<String>,
    backups: u64,
    items: std::collections::BTreeSet<String>,
}

/// An endpoint as good as its fault lets it be.
fn start(fault: Fault) -> String {
    let memory = Mutex::new(Memory::default());
    canned::start(move |operation, body| {
        if fault == Fault::RefusesEverything {
            return refused("AccessDeniedException");
        }
        let body: serde_json::Value = serde_json::from_str(body).expect("a body is JSON");
        let mut memory = memory.lock().expect("nobody panics");
        answer(fault, operation, &body, &mut memory)
    })
}

fn refused(name: &str) -> (u16, String) {
    (400, format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{name}"}}"#))
}

fn answer(
    fault: Fault,
    operation: &str,
    body: &serde_json::Value,
    memory: &mut Memory,
) -> (u16, String) {
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_string();
    let fine = |text: &str| (200, text.to_string());
    match operation {
        "CreateTable" => memory.tables.push(text("TableName")),
        "RestoreTableFromBackup" => memory.tables.push(text("TargetTableName")),
        "DeleteTable" => memory.tables.retain(|it| *it != text("TableName")),
        "DescribeTable" if memory.tables.contains(&text("TableName")) => {
            return fine(r#"{"Table":{"TableStatus":"ACTIVE"}}"#);
        }
        "DescribeTable" => return refused("ResourceNotFoundException"),
        "PutItem" => {
            let version = body["Item"]["version"]["N"].as_str().unwrap_or_default();
            if fault == Fault::RefusesPuts && version > "10000000000" {
                return refused("ThrottlingException");
            }
            memory.items.insert(body["Item"]["pk"]["S"].to_string());
        }
        "GetItem" if fault != Fault::GetsNothing => {
            return fine(&format!(r#"{{"Item":{{"filling":{{"S":"{}"}}}}}}"#, "x".repeat(200)));
        }
        "GetItem" => {}
        "CreateBackup" => {
            memory.backups += 1;
            return fine(r#"{"BackupDetails":{"BackupArn":"arn"}}"#);
        }
        "DescribeBackup" => {
            let details = r#"{"BackupDetails":{"BackupStatus":"AVAILABLE"}}"#;
            return fine(&format!(r#"{{"BackupDescription":{details}}}"#));
        }
        "DeleteBackup" if fault == Fault::KeepsBackups => return refused("BackupInUseException"),
        "DeleteBackup" => memory.backups -= 1,
        "Scan" => {
            let less = u64::from(fault == Fault::RestoresLess);
            return fine(&format!(r#"{{"Count":{}}}"#, memory.items.len() as u64 - less));
        }
        _ => return refused("UnknownOperationException"),
    }
    fine("{}")
}

/// Runs the command on an endpoint with this fault; the line is what follows the endpoint.
fn load(fault: Fault, line: &str) -> Output {
    load_at(&start(fault), line)
}

fn load_at(endpoint: &str, line: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_stillpoint"))
        .args(["load", "--endpoint", endpoint, "--seconds", "1", "--keys", "50"])
        .args(line.split_whitespace())
        .stdin(Stdio::null())
        .output()
        .expect("the command can be started")
}

/// Standard output, which must have come with this exit status.
fn said(output: &Output, status: i32) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    let (out, err) = (String::from_utf8_lossy(out), String::from_utf8_lossy(err));
    assert_eq!(output.status.code(), Some(status), "{out}{err}");
    out.into_owned()
}

#[test]
fn a_good_endpoint_is_measured_in_full() {
    let line = "--connections 2 --backups --items 50,120 --pairs 2 --format json";
    let out = said(&load(Fault::None, line), 0);
    let lines: Vec<serde_json::Value> =
        out.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
    let of = |measure: &str| lines.iter().filter(|it| it["measure"] == measure).collect::<Vec<_>>();
    let loads = of("load");
    assert_eq!(loads.len(), 2, "puts and gets:\n{out}");
    for load in loads {
        let found = &load["found"];
        assert!(found["succeeded"].as_u64() > Some(100) && found["failed"] == 0, "{found}");
        assert!(found["p50_ns"].as_u64() <= found["p99_ns"].as_u64(), "{found}");
        assert!(found["generator_cpu_ns"].as_u64() > Some(0), "{found}");
    }
    let sizes: Vec<_> = of("backup").iter().map(|it| it["found"]["items"].as_u64()).collect();
    assert_eq!(sizes, [Some(50), Some(120)]);
    let interference = &of("interference")[0]["found"];
    assert_eq!(interference["pairs"], 2);
    assert!(interference["backups"].as_u64() >= Some(2), "{interference}");
    assert_eq!(of("failure").len(), 0);
}

#[test]
fn an_endpoint_that_refuses_everything_scores_nothing() {
    let output = load(Fault::RefusesEverything, "--connections 1");
    assert_eq!(said(&output, 2), "");
    let line = String::from_utf8_lossy(&output.stderr);
    assert!(line.contains("AccessDeniedException") && line.lines().count() == 1, "{line}");
}

#[test]
fn refused_puts_and_empty_answers_count_as_failures() {
    for (fault, operation, what) in [
        (Fault::RefusesPuts, "put", "ThrottlingException"),
        (Fault::GetsNothing, "get", "an item was asked for and not returned"),
    ] {
        let out = said(&load(fault, &format!("--operation {operation} --connections 1")), 1);
        assert!(out.contains(what), "{out}");
        assert!(out.contains(&format!("{operation}              1    0.0")), "{out}");
    }
}

#[test]
fn a_restore_that_lacks_an_item_is_not_measured() {
    let out = said(&load(Fault::RestoresLess, "--connections 1 --backups --items 60"), 1);
    assert!(out.contains("not measured: 60 items: restored 59 of 60 items"), "{out}");
}

#[test]
fn what_cannot_be_deleted_is_named() {
    let out = said(&load(Fault::KeepsBackups, "--connections 1 --backups --items 50 --pairs 1"), 1);
    assert!(out.contains("is left behind: DeleteBackup") && out.contains("InUse"), "{out}");
}

#[test]
fn mistakes_and_missing_endpoints_are_one_line() {
    let nobody = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        format!("http://{}", listener.local_addr().expect("the port is known"))
    };
    for (endpoint, line, what) in [
        (nobody.as_str(), "", "Connection refused"),
        ("https://127.0.0.1:1", "", "possible: http://HOST:PORT"),
        (nobody.as_str(), "--connections 0", "possible: a whole number from 1 to 1024"),
        (nobody.as_str(), "--data-probe /none/such", "possible: a directory to write in"),
    ] {
        let output = load_at(endpoint, line);
        assert_eq!(said(&output, 2), "");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.contains(what) && told.lines().count() == 1, "{told}");
    }
}
