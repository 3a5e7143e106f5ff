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
    assert!(String::from_utf8_lossy(&seen.stdout).contains("4 seeds gave the same hash each time"));
}

/// A program that is this one but for a change in what it prints: a build that behaves otherwise.
fn altered(name: &str, hashes: &str, events: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let path = format!("{}/{name}", env!("CARGO_TARGET_TMPDIR"));
    let program = env!("CARGO_BIN_EXE_stillpoint");
    let script = format!(
        "#!/bin/sh\ncase $1 in hashes) edit='{hashes}';; *) edit='{events}';; esac\n\
         '{program}' \"$@\" | sed \"$edit\"\n"
    );
    std::fs::write(&path, script).expect("the folder of the tests can be written to");
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&path, executable).expect("the file is ours");
    path
}

#[test]
fn two_builds_that_agree_are_said_to() {
    let same = altered("same", "", "");
    let seen = output(&["audit", "--seeds", "2", "--against", &same]);
    assert_eq!(seen.status.code(), Some(0), "{}", String::from_utf8_lossy(&seen.stderr));
    assert!(String::from_utf8_lossy(&seen.stdout).contains(&format!("in {same}")));
}

#[test]
fn the_first_event_that_differs_between_two_builds_is_named_with_what_led_to_it() {
    let other = altered("other", "2s/ .*/ 0000000000000bad/", "3000s/$/ and more/;4000d");
    let args = ["audit", "--scenario", "backup-under-load", "--seeds", "3", "--against", &other];
    let seen = output(&args);
    let out = String::from_utf8_lossy(&seen.stdout);
    assert_eq!(seen.status.code(), Some(1), "{out}");
    assert!(out.contains("'backup-under-load' seed 2 does not repeat itself"), "{out}");
    assert!(out.contains(&format!("0000000000000bad  in {other}")), "{out}");
    assert!(out.contains("event 3,000 is the first that differs"), "{out}");
    let differing: Vec<&str> = out.lines().skip_while(|it| !it.contains("3,000")).collect();
    assert_eq!(format!("{} and more", differing[2]), differing[4], "{out}");
    assert!(out.contains("what led to it") && (15..30).contains(&out.lines().count()), "{out}");
}

#[test]
fn a_build_that_is_not_there_or_of_other_code_is_one_line_that_says_what_to_do() {
    for (against, said) in [
        ("nowhere/stillpoint", "cargo build"),
        ("/bin/false", "is it built of this code?"),
        ("/bin/echo", "printed something else than hashes"),
    ] {
        let seen = output(&["audit", "--seeds", "1", "--against", against]);
        let err = String::from_utf8_lossy(&seen.stderr);
        assert_eq!((seen.status.code(), err.lines().count()), (Some(2), 1), "{err}");
        assert!(err.contains(said), "{err}");
    }
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
