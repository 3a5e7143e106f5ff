//! Commands that the documents show are commands that work: each one in a `console` block of
//! README.md and docs/*.md is run, and must exit with the status its comment promises.

#[path = "server/mod.rs"]
mod server;
mod words;

use server::Server;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use words::words_of;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// How a command of this program begins in a document.
const PROMPTS: [&str; 2] = ["$ cargo run --release -- ", "$ stillpoint "];

/// Where the documents have a server listen.
const SERVED: &str = "http://127.0.0.1:8000";

/// A command line and what a document promises of it.
#[derive(Debug, PartialEq, Eq)]
struct Shown {
    line_number: usize,
    args: Vec<String>,
    status: i32,
}

/// The commands of this program in the `console` blocks of a document. A trailing `# exit 1`
/// promises that status; without one it is 0.
fn shown_in(text: &str) -> Vec<Shown> {
    let mut shown = Vec::new();
    let mut in_console = false;
    for (place, line) in text.lines().enumerate() {
        if line.starts_with("```") {
            in_console = line == "```console";
        }
        let prompt = PROMPTS.iter().find_map(|prompt| line.strip_prefix(prompt));
        let bare = (line == "$ cargo run --release" || line == "$ stillpoint").then_some("");
        if let Some(rest) = prompt.or(bare).filter(|_| in_console) {
            let (args, comment) = rest.split_once('#').unwrap_or((rest, ""));
            let status = comment.trim().strip_prefix("exit ").map_or(Ok(0), str::parse);
            shown.push(Shown {
                line_number: place + 1,
                args: words_of(args),
                status: status.expect("a number follows '# exit'"),
            });
        }
    }
    shown
}

fn documents() -> Vec<PathBuf> {
    let root = Path::new(ROOT);
    let mut paths = vec![root.join("README.md")];
    if let Ok(entries) = std::fs::read_dir(root.join("docs")) {
        paths.extend(entries.map(|entry| entry.expect("docs/ can be listed").path()));
    }
    paths.retain(|path| path.extension().is_some_and(|it| it == "md") && path.exists());
    paths.sort();
    paths
}

#[test]
fn every_command_that_is_shown_works() {
    let (serving, _data) = server::start();
    for path in documents() {
        let text = std::fs::read_to_string(&path).expect("a document is text");
        for Shown { line_number, mut args, status } in shown_in(&text) {
            // A whole campaign would take a minute; that it works is asked elsewhere.
            if args.is_empty() || args == ["run"] {
                args = ["run", "--budget", "3"].map(str::to_string).to_vec();
            }
            // Twenty twin runs take minutes; `tests/twin.rs` makes a small one.
            if args.first().is_some_and(|it| it == "twin") {
                args = ["twin", "--help"].map(str::to_string).to_vec();
            }
            if args == ["serve"] {
                let data = tempfile::tempdir().expect("a temporary directory");
                assert!(Server::start(data.path()).stop(), "it starts, and ends well");
                continue;
            }
            args.iter_mut().filter(|it| *it == SERVED).for_each(|it| *it = serving.endpoint());
            // Files of this repository are named as from its root.
            let of_repository = |it: String| match it.starts_with("scenarios/") {
                true => format!("{ROOT}/{it}"),
                false => it,
            };
            let args: Vec<String> = args.into_iter().map(of_repository).collect();
            let output = Command::new(env!("CARGO_BIN_EXE_stillpoint"))
                .args(&args)
                .current_dir(env!("CARGO_TARGET_TMPDIR"))
                .stdin(Stdio::null())
                .output()
                .expect("the command can be started");
            assert_eq!(
                output.status.code(),
                Some(status),
                "{}:{line_number}: {args:?}\n{}{}",
                path.display(),
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr),
            );
        }
    }
}

#[test]
fn commands_are_found_in_console_blocks_only() {
    let text = "$ stillpoint out of a block\n```console\n$ stillpoint list\nits output\n\
                $ cargo run --release -- run --seeds 0  # exit 2\n$ ls\n\
                $ stillpoint replay --tape '7 mute=*' # exit 1\n```\n\
                ```rust\n$ stillpoint audit\n```\n";
    let command = |line_number, args: &[&str], status| Shown {
        line_number,
        args: args.iter().map(|it| it.to_string()).collect(),
        status,
    };
    let expected = [
        command(3, &["list"], 0),
        command(5, &["run", "--seeds", "0"], 2),
        command(7, &["replay", "--tape", "7 mute=*"], 1),
    ];
    assert_eq!(shown_in(text), expected);
}
