//! What README.md shows of files and of output is what they are.
//!
//! A comment before a block says what it shows: `<!-- file: log.rs -->` a file of this folder,
//! `<!-- diff: log.rs fixed/log.rs -->` the way from one to the other, and
//! `<!-- output: SEED=4 name_of_a_test -->` what such a run prints. A line `...` stands for
//! anything, and the last line before it may be cut off.

use std::path::PathBuf;
use std::process::Command;

use stillpoint_sim::FaultKind;

use super::journal::story;

const README: &str = include_str!("../../README.md");

fn text_of(file: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/tutorial").join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

/// Every block behind such a comment, with what the comment names.
fn blocks<'a>(kind: &str, readme: &'a str) -> Vec<(&'a str, &'a str)> {
    let start = format!("<!-- {kind}: ");
    let parts = readme.split(start.as_str()).skip(1);
    let block = |part: &'a str| {
        let (name, rest) = part.split_once(" -->\n```").expect("a block follows the comment");
        let body = rest.split_once('\n').expect("a block begins with its language").1;
        (name, body.split_once("\n```").expect("a block has an end").0)
    };
    parts.map(block).collect()
}

/// Whether a text has these lines, where `...` stands for any.
fn has_lines(text: &str, shown: &str) -> Result<(), String> {
    let mut rest = text;
    for part in format!("\n{shown}\n").split("\n...\n") {
        let part = part.trim_matches('\n');
        let (_, behind) = rest.split_once(part).ok_or_else(|| format!("these lines:\n{part}"))?;
        rest = behind;
    }
    Ok(())
}

/// The tape that a failing test says is the simplest.
fn shrunk_tape(name: &str) -> String {
    let output = output_of(name);
    let tape = output.split("TAPE='").nth(1).expect("a failing test says its tape");
    tape.split('\'').next().expect("a tape has an end").to_string()
}

/// What a test of this binary prints with such an environment: `SEED=4 name`, or, with the tape
/// that it says is the simplest, `SHRUNK name`.
fn output_of(run: &str) -> String {
    let mut command = Command::new(std::env::current_exe().expect("a test knows its binary"));
    for variable in ["SEED", "SEEDS", "TAPE", "EVENTS", "RUST_BACKTRACE"] {
        command.env_remove(variable);
    }
    let (name, variables) = run.rsplit_once(' ').map_or((run, ""), |(set, name)| (name, set));
    for variable in variables.split(' ').filter(|it| !it.is_empty()) {
        match variable.split_once('=') {
            Some((variable, value)) => command.env(variable, value),
            None => command.env("TAPE", shrunk_tape(name)),
        };
    }
    let output = command.args([name, "--exact", "--include-ignored", "--nocapture"]).output();
    let output = output.expect("it can be started");
    [output.stdout, output.stderr].map(|it| String::from_utf8_lossy(&it).into_owned()).concat()
}

#[test]
fn the_files_it_shows_are_those_that_are_tested() {
    let shown = blocks("file", README);
    let files: Vec<&str> = shown.iter().map(|it| it.0).collect();
    assert_eq!(files, ["log.rs", "store.rs", "scenario.rs"]);
    for (file, block) in &shown {
        assert!(text_of(file).trim_end() == *block, "README.md shows another {file}");
    }
    let lines: usize = shown.iter().map(|it| it.1.lines().count()).sum();
    assert!(lines <= 150, "store, log and scenario have {lines} lines");
}

#[test]
fn the_changes_it_shows_lead_from_file_to_file() {
    let shown = blocks("diff", README);
    assert_eq!(shown.len(), 2);
    for (files, block) in shown {
        let (from, to) = files.split_once(' ').expect("two files");
        let side = |sign: char| -> String {
            let lines = block.lines().filter(|it| it.starts_with([' ', sign]));
            lines.map(|it| format!("{}\n", &it[1..])).collect()
        };
        let (before, after) = (text_of(from), side('+'));
        assert_eq!(before.matches(&side('-')).count(), 1, "{from} is another");
        assert_eq!(before.replace(&side('-'), &after), text_of(to), "{to} is another");
    }
}

#[test]
fn the_output_it_shows_is_what_is_printed() {
    let shown = blocks("output", README);
    assert!(shown.len() >= 4);
    for (run, block) in shown {
        let output = output_of(run);
        if let Err(missing) = has_lines(&output, block) {
            panic!("`{run}` does not print {missing}\nit prints:\n{output}");
        }
    }
}

#[test]
fn the_story_of_the_log_is_as_it_tells_it() {
    let [(_, block)] = blocks("story", README)[..] else { panic!("one block shows it") };
    assert_eq!(story::story(300).trim_end(), block);
}

#[test]
fn every_kind_of_fault_is_in_its_table() {
    let kinds = FaultKind::ALL.map(|it| format!("`{it:?}`"));
    let missing: Vec<&String> = kinds.iter().filter(|it| !README.contains(it.as_str())).collect();
    assert!(missing.is_empty(), "not in README.md: {missing:?}");
}

#[test]
fn dots_stand_for_any_lines() {
    assert!(has_lines("a\nb\nc\nd\n", "a\n...\nd").is_ok());
    assert!(has_lines("a\nb\nc\nd\n", "b\nc").is_ok());
    assert!(has_lines("a\nb\nc\nd\n", "d\n...\na").is_err());
    assert!(has_lines("a\nb\nc\nd\n", "a\nc").is_err());
    assert_eq!(blocks("file", "<!-- file: x.rs -->\n```rust\nfn x\n```\n"), [("x.rs", "fn x")]);
}
