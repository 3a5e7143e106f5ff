//! `stillpoint conform` and `stillpoint judge` as their users meet them: exit statuses and
//! messages, against endpoints that are not there, refuse everything, or talk nonsense.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use stillpoint_scenarios::command::{Host, execute};
use stillpoint_scenarios::stories::Stories;

/// What a user would have seen.
struct Seen {
    status: i32,
    out: String,
    err: String,
}

fn stillpoint(line: &str) -> Seen {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let clock = || 0;
    let mut host = Host {
        out: &mut out,
        err: &mut err,
        now_ns: &clock,
        cpu_ns: &|| None,
        interrupted: &AtomicBool::new(false),
        child: &|_, _| Err("there is no other process here".to_owned()),
        cores: 2,
        progress: false,
    };
    let words = std::iter::once("stillpoint").chain(line.split_whitespace()).map(OsString::from);
    let status = execute(&Stories, words, &mut host);
    let text = |bytes| String::from_utf8(bytes).expect("the command prints UTF-8");
    Seen { status, out: text(out), err: text(err) }
}

/// A server that answers every request alike, until the test is over.
fn while_serving<T>(answer: &str, test: impl FnOnce(&str) -> T) -> T {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.set_nonblocking(true).expect("a listener can be asked");
    let endpoint = format!("http://{}", listener.local_addr().expect("it is bound"));
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((stream, _)) => drop(scope.spawn(|| serve(stream, answer))),
                    Err(_) => wait_a_little(),
                }
            }
        });
        let seen = test(&endpoint);
        over.store(true, Ordering::Relaxed);
        seen
    })
}

/// Reads one request as far as it comes, answers, and hangs up.
fn serve(mut stream: TcpStream, answer: &str) {
    let patience = Some(Duration::from_millis(200));
    stream.set_nonblocking(false).and_then(|()| stream.set_read_timeout(patience)).ok();
    let mut request = Vec::new();
    let mut part = [0; 4_096];
    while !is_whole(&request) {
        match stream.read(&mut part) {
            Ok(count @ 1..) => request.extend_from_slice(&part[..count]),
            _ => return,
        }
    }
    // Whoever does not listen any more has no use for an answer.
    stream.write_all(answer.as_bytes()).ok();
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.is_some_and(|it| it.parse::<usize>().is_ok_and(|it| body.len() >= it))
}

#[expect(clippy::disallowed_methods, reason = "a socket is a thing of real time")]
fn wait_a_little() {
    std::thread::sleep(Duration::from_millis(2));
}

fn reply(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn an_endpoint_that_refuses_everything_scores_nothing() {
    let error = r#"{"__type":"com.amazon.coral.service#UnknownOperationException"}"#;
    while_serving(&reply("400 Bad Request", error), |endpoint| {
        let seen = stillpoint(&format!("conform --endpoint {endpoint}"));
        assert_eq!((seen.status, seen.out.as_str()), (2, ""));
        let said = "error: CreateTable was refused: 400 UnknownOperationException\n";
        assert_eq!(seen.err, said);
    });
}

#[test]
fn an_endpoint_that_talks_nonsense_scores_nothing_and_what_it_may_keep_is_named() {
    while_serving(&reply("200 OK", "<html>welcome</html>"), |endpoint| {
        let seen = stillpoint(&format!("conform --endpoint {endpoint} --table-prefix mine"));
        assert_eq!((seen.status, seen.out.as_str()), (2, ""));
        assert!(seen.err.contains("left behind: table mine-source"), "{}", seen.err);
        assert!(seen.err.contains("error: CreateTable was not answered: 200"), "{}", seen.err);
    });
}

#[test]
fn nobody_at_the_endpoint_is_one_line() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    drop(listener);
    let seen = stillpoint(&format!("conform --endpoint http://{address}"));
    assert_eq!((seen.status, seen.out.as_str()), (2, ""));
    assert!(seen.err.contains("CreateTable was not answered"), "{}", seen.err);
}

#[test]
fn bad_input_is_one_line() {
    for line in [
        "conform",
        "conform --endpoint localhost:8000",
        "conform --endpoint http://",
        "conform --endpoint http://127.0.0.1:1/path",
        "conform --endpoint http://127.0.0.1:1 --clients 0",
        "conform --endpoint http://127.0.0.1:1 --keys 3",
        "conform --endpoint http://127.0.0.1:1 --backups 0",
        "conform --endpoint http://127.0.0.1:1 --table-prefix a/b",
        "conform --endpoint http://127.0.0.1:1 --profile lax",
        "conform --endpoint http://127.0.0.1:1 --profile exact --level p3",
        "conform --endpoint http://127.0.0.1:1 --backups 3 --until-violation 5",
        "conform --endpoint http://127.0.0.1:1 --format junit",
        "conform --endpoint http://127.0.0.1:1 --record /nowhere/history.jsonl",
        "judge",
        "judge /nowhere/history.jsonl",
    ] {
        let seen = stillpoint(line);
        assert_eq!((seen.status, seen.out.as_str()), (2, ""), "{line}");
        assert_eq!(seen.err.lines().count(), 1, "{line}: {}", seen.err);
    }
}

fn file(name: &str, lines: &[String]) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, lines.join("\n") + "\n").expect("the test's own folder can be written");
    path
}

/// Two keys, each put twice one after the other by one client, with other clients about, and a
/// backup in the middle; `second` is what the backup holds of the second key.
fn history(second: u32) -> Vec<String> {
    let mut lines = vec![
        json!({ "format": "stillpoint-history", "version": 1, "clock": "ns",
                "endpoint": "by hand", "transactions": false })
        .to_string(),
    ];
    let put = |key: &str, write: &str, invoke: u64, answered: u64| {
        let client: u32 = write[1..2].parse().expect("clients have one digit here");
        json!({ "op": "put", "client": client, "key": key, "write": write,
                "invoke": invoke, "return": answered, "outcome": "done" })
        .to_string()
    };
    lines.push(put("a", "c1.1", 10, 20));
    lines.push(put("b", "c1.2", 30, 40));
    // Every client has writes under way while the backup's call is open, from 1,000 to 9,000.
    for turn in 0..2_600 {
        let (client, at) = (turn % 8, 1_000 + turn * 3);
        lines.push(put("c", &format!("c{client}.{}", 100 + turn), at, at + 30));
    }
    lines.push(put("a", "c1.3", 10_000, 10_020));
    lines.push(put("b", "c1.4", 10_030, 10_040));
    let item = |key: &str, write: &str| json!({ "key": key, "write": write });
    let items = [item("a", "c1.1"), item("b", &format!("c1.{second}")), item("c", "c7.2699")];
    let backup = |name: u32, request: u64| {
        json!({ "op": "backup", "name": format!("b{name}"), "request": request,
                "answer": 8_900, "available": 9_500, "items": items })
        .to_string()
    };
    lines.extend((0..5).map(|name| backup(name, 1_000 + u64::from(name))));
    lines
}

#[test]
fn a_history_is_judged_without_an_endpoint() {
    let sound = file("sound.jsonl", &history(2));
    let seen = stillpoint(&format!("judge {}", sound.display()));
    assert_eq!((seen.status, seen.err.as_str()), (0, ""), "{}", seen.out);
    assert!(seen.out.contains("the strongest level that holds is P6"), "{}", seen.out);
    let torn = file("torn.jsonl", &history(4));
    let seen = stillpoint(&format!("judge {}", torn.display()));
    assert_eq!(seen.status, 1, "{}", seen.out);
    assert!(seen.out.contains("P1 is violated by 5 backups, first b0:"), "{}", seen.out);
    assert!(seen.out.contains("it does not conform: P1, P4, P5 violated"), "{}", seen.out);
    snapshot("judge_torn", &seen.out);
    // Amazon allows what a minute hides.
    let seen = stillpoint(&format!("judge --profile documented {}", torn.display()));
    assert_eq!(seen.status, 0, "{}", seen.out);
}

#[test]
fn the_report_for_programs_tells_the_same() {
    let torn = file("torn_json.jsonl", &history(4));
    let seen = stillpoint(&format!("judge --format json {}", torn.display()));
    assert_eq!((seen.status, seen.out.lines().count()), (1, 1));
    let object: serde_json::Value = serde_json::from_str(&seen.out).expect("it is JSON");
    assert_eq!(object["conforms"], false);
    assert_eq!(object["weakest_violated"], "P1");
    assert_eq!(object["levels"][2]["verdict"], "not offered");
    assert_eq!(object["evidence"]["suffices"], true);
}

#[test]
fn too_little_is_no_pass() {
    let mut few = history(2);
    few.pop();
    let few = file("few.jsonl", &few);
    let seen = stillpoint(&format!("judge {}", few.display()));
    assert_eq!(seen.status, 2, "{}", seen.out);
    assert!(seen.out.contains("no level is given"), "{}", seen.out);
}

#[test]
fn a_bad_history_is_one_line_with_its_number() {
    let mut lines = history(2);
    lines[3] = lines[3].replace("invoke", "invoked");
    let bad = file("bad.jsonl", &lines);
    let seen = stillpoint(&format!("judge {}", bad.display()));
    assert_eq!((seen.status, seen.out.as_str()), (2, ""));
    assert!(seen.err.contains("bad.jsonl: line 4: unknown field `invoked`"), "{}", seen.err);
    assert_eq!(seen.err.lines().count(), 1);
}

fn snapshot(name: &str, text: &str) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../snapshots");
    insta::with_settings!({
        snapshot_path => path,
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        insta::assert_snapshot!(name, text);
    });
}
