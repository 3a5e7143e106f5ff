//! The program as the shell meets it: what only a process of its own can show.

use std::process::{Command, Output, Stdio};

fn stillpoint(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stillpoint"));
    command.args(args).current_dir(env!("CARGO_TARGET_TMPDIR")).stdin(Stdio::null());
    command
}

fn output(args: &[&str]) -> Output {
    stillpoint(args).output().expect("the command can be started")
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let mut child = stillpoint(&["list"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command can be started");
    drop(child.stdout.take());
    let left = child.wait_with_output().expect("the command ends");
    assert_eq!(left.status.code(), Some(0));
    assert!(left.stderr.is_empty(), "{}", String::from_utf8_lossy(&left.stderr));
}

#[test]
fn a_full_disk_is_one_line_and_status_2() {
    let full = std::fs::File::create("/dev/full").expect("the tests run on Linux");
    let seen = stillpoint(&["list"]).stdout(full).output().expect("the command can be started");
    assert_eq!(seen.status.code(), Some(2));
    assert_eq!(String::from_utf8_lossy(&seen.stderr).lines().count(), 1);
}

#[test]
fn seeds_repeat_themselves_in_another_process() {
    let seen = output(&["audit", "--seeds", "4"]);
    assert_eq!(seen.status.code(), Some(0), "{}", String::from_utf8_lossy(&seen.stderr));
    assert!(String::from_utf8_lossy(&seen.stdout).contains("the same hash three times"));
}

#[test]
fn a_replay_prints_the_same_bytes_every_time() {
    let list = String::from_utf8(output(&["list"]).stdout).expect("names are UTF-8");
    let story = list.split_whitespace().next().expect("there is a story");
    let args = ["replay", "--scenario", story, "--seed", "1", "--log"];
    let (first, second) = (output(&args), output(&args));
    assert!(String::from_utf8_lossy(&first.stdout).contains("hash "));
    assert_eq!(first, second);
}
