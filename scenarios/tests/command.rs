//! The command as its users meet it: exit statuses, messages, tables. The stories are made up,
//! so every verdict is known beforehand.

mod rehearsal;
mod words;

use std::ffi::OsString;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use words::words_of;

use rehearsal::{Fate, Rehearsal};
use stillpoint_scenarios::command::{Host, execute};
use stillpoint_scenarios::report::Runner;

/// What a user would have seen.
struct Seen {
    status: i32,
    out: String,
    err: String,
}

/// Runs the command on a machine whose clock stands still.
fn stillpoint(runner: &dyn Runner, line: &str) -> Seen {
    stillpoint_at(runner, line, &|| 0, &AtomicBool::new(false))
}

/// Runs the command with a clock and an interrupt; its child process is this process.
fn stillpoint_at(
    runner: &dyn Runner,
    line: &str,
    now_ns: &(dyn Fn() -> u64 + Sync),
    interrupted: &AtomicBool,
) -> Seen {
    let child = |_: Option<&Path>, words: &[String]| {
        let seen = stillpoint(runner, &words.join(" "));
        if seen.status == 0 { Ok(seen.out) } else { Err(seen.err) }
    };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut host = Host {
        out: &mut out,
        err: &mut err,
        now_ns,
        cpu_ns: &|| None,
        interrupted,
        child: &child,
        cores: 2,
        progress: false,
    };
    let words = std::iter::once("stillpoint".to_string()).chain(words_of(line));
    let words = words.map(OsString::from);
    let status = execute(runner, words, &mut host);
    let text = |bytes| String::from_utf8(bytes).expect("the command prints UTF-8");
    Seen { status, out: text(out), err: text(err) }
}

/// The command that stands behind these words in what was printed, without `cargo run`.
fn command_behind<'a>(words: &str, text: &'a str) -> &'a str {
    let line = text.lines().find_map(|it| it.trim().strip_prefix(words));
    let line = line.unwrap_or_else(|| panic!("no line begins with '{words}': {text}"));
    line.split_once(" -- ").expect("the command follows two dashes").1
}

fn all_fates() -> Rehearsal {
    Rehearsal::of(&[
        ("acknowledged_writes_survive", Fate::Holds),
        ("restores_beside_splits_and_moves", Fate::NodePanics),
        ("deletes", Fate::VacuousOnceIn(5)),
        ("cut", Fate::Breaks),
        ("indexes", Fate::Wavers),
    ])
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

#[test]
fn a_campaign_prints_a_table_and_every_alarm_with_its_command() {
    let seen = stillpoint(&all_fates(), "run --seeds 6");
    assert_eq!((seen.status, seen.err.as_str()), (1, ""));
    assert!(seen.out.lines().all(|line| line.chars().count() <= 120), "{}", seen.out);
    snapshot("command_run_table", &seen.out);
}

#[test]
fn the_table_does_not_depend_on_the_number_of_threads() {
    let one = stillpoint(&all_fates(), "run --seeds 40 --jobs 1");
    let many = stillpoint(&all_fates(), "run --seeds 40 --jobs 7");
    assert_eq!(one.out, many.out);
}

#[test]
fn the_machine_formats_tell_the_same() {
    let json = stillpoint(&all_fates(), "run --seeds 6 --format json");
    snapshot("command_run_json", &json.out);
    for line in json.out.lines() {
        let value: serde_json::Value = serde_json::from_str(line).expect("each line is JSON");
        assert!(value["kind"].is_string());
    }
    let junit = stillpoint(&all_fates(), "run --seeds 6 --format junit");
    snapshot("command_run_junit", &junit.out);
    assert_eq!((json.status, junit.status), (1, 1));
}

#[test]
fn only_a_campaign_in_which_every_story_proved_something_exits_with_0() {
    let status = |fate, line| {
        let runner = Rehearsal::of(&[("calm", Fate::Holds), ("other", fate)]);
        stillpoint(&runner, line).status
    };
    assert_eq!(status(Fate::Holds, "run --seeds 20"), 0);
    assert_eq!(status(Fate::Holds, "--seeds 20"), 0, "run is the default");
    assert_eq!(status(Fate::Breaks, "run --seeds 2"), 1);
    assert_eq!(status(Fate::Breaks, "run --seeds 2 --scenario calm"), 0);
    assert_eq!(status(Fate::Wavers, "run --seeds 3"), 1, "undecided is not green");
    assert_eq!(status(Fate::Hollow, "run --seeds 2"), 1, "empty restores prove nothing");
    assert_eq!(status(Fate::VacuousOnceIn(10), "run --seeds 20"), 0, "2 of 40 are 5 %");
    assert_eq!(status(Fate::VacuousOnceIn(9), "run --seeds 36"), 1, "4 of 72 are more");
    assert_eq!(status(Fate::NodePanics, "run --seeds 2"), 0, "the oracles judge a crash");
}

#[test]
fn a_canary_that_is_not_caught_stops_everything() {
    for (fate, said) in [(Fate::Holds, "does not ring"), (Fate::Panics, "the dice fell off")] {
        let runner = Rehearsal { canary: fate, ..Rehearsal::of(&[("calm", Fate::Holds)]) };
        let seen = stillpoint(&runner, "run --seeds 2");
        assert_eq!((seen.status, seen.out.as_str()), (2, ""));
        assert!(seen.err.contains(said), "{}", seen.err);
        assert_eq!(runner.runs.load(Ordering::Relaxed), 1, "nothing ran after the canary");
    }
}

#[test]
fn a_panic_of_the_simulation_ends_the_campaign_with_its_seed() {
    let runner = Rehearsal::of(&[("calm", Fate::Holds), ("loud", Fate::Panics)]);
    let seen = stillpoint(&runner, "run --seeds 5");
    assert_eq!(seen.status, 2);
    let command = "cargo run --release -- replay --scenario loud --seed 2";
    assert!(seen.err.contains("the dice fell off the table") && seen.err.contains(command));
    assert!(seen.out.contains("stopped by a panic of the simulation"), "{}", seen.out);
    let json = stillpoint(&runner, "run --seeds 5 --format json");
    assert!(json.out.contains(r#""held":false"#), "{}", json.out);
    let junit = stillpoint(&runner, "run --seeds 5 --format junit");
    assert!(junit.out.contains("<error message=\"the simulation itself panicked"), "{}", junit.out);
    assert_eq!(stillpoint(&runner, "replay --scenario loud --seed 2").status, 2);
    assert_eq!(stillpoint(&runner, "bench --seeds 5").status, 2);
    assert_eq!(stillpoint(&runner, "audit --seeds 5").status, 2);
}

#[test]
fn a_campaign_ends_with_its_budget() {
    let runner = Rehearsal::of(&[("calm", Fate::Holds)]);
    // Each seed takes a simulated second of the machine's time.
    let clock = || runner.runs.load(Ordering::Relaxed) * 1_000_000_000;
    let seen = stillpoint_at(&runner, "run --budget 10 --jobs 1", &clock, &AtomicBool::new(false));
    assert_eq!(seen.status, 0, "{}{}", seen.out, seen.err);
    assert!(seen.out.contains("7 seeds in 8.0s"), "{}", seen.out);
}

#[test]
fn an_interrupt_prints_what_there_is() {
    let runner = Rehearsal::of(&[("calm", Fate::Holds)]);
    let interrupted = AtomicBool::new(false);
    // The clock is read before each seed; one of these readings presses Ctrl-C.
    let readings = std::sync::atomic::AtomicU64::new(0);
    let clock = || {
        if readings.fetch_add(1, Ordering::Relaxed) == 20 {
            interrupted.store(true, Ordering::Relaxed);
        }
        0
    };
    let seen = stillpoint_at(&runner, "run --seeds 1000 --jobs 1", &clock, &interrupted);
    assert!(seen.out.contains("calm") && seen.out.contains("interrupted: "), "{}", seen.out);
    assert!(runner.runs.load(Ordering::Relaxed) < 1000);
    let before = AtomicBool::new(true);
    let seen = stillpoint_at(&runner, "run --seeds 5", &|| 0, &before);
    assert_eq!(seen.status, 2, "not one seed proves nothing");
    assert!(seen.out.contains("not run"), "{}", seen.out);
}

#[test]
fn replay_prints_one_seed_and_its_hash_is_always_the_same() {
    let runner = all_fates();
    let seen = stillpoint(&runner, "replay --scenario cut --seed 0x2a --size standard --log");
    assert_eq!(seen.status, 1);
    snapshot("command_replay", &seen.out);
    let without = stillpoint(&runner, "replay --scenario cut --seed 42 --size standard");
    assert_eq!(without.out, seen.out.replace("1000 node 1 writes\n2000 node 2 reads\n", ""));
    let green = stillpoint(&runner, "replay --scenario cut --seed 41");
    assert_eq!(green.status, 0);
    let mutated = stillpoint(&runner, "replay --scenario indexes --seed 2 --mutant late-marker");
    assert_eq!(mutated.status, 1);
    let canary = runner.canary().replay_command();
    let canary = canary.split_once(" -- ").expect("the command follows two dashes").1;
    assert_eq!(stillpoint(&runner, canary).status, 1, "{canary}");
}

#[test]
fn a_failing_seed_is_made_simple_and_the_printed_command_shows_it_again() {
    let runner = Rehearsal::of(&[("lossy", Fate::BreaksOnLoss)]);
    let breaks = |seed: &u64| {
        let line = format!("replay --scenario lossy --seed {seed}");
        stillpoint(&runner, &line).out.contains("cut is broken")
    };
    let seed = (1..).find(breaks).expect("one in four does");
    let seen = stillpoint(&runner, &format!("shrink --scenario lossy --seed {seed}"));
    assert_eq!((seen.status, seen.err.as_str()), (1, ""));
    snapshot("command_shrink", &seen.out);
    let again = stillpoint(&runner, command_behind("show it again:", &seen.out));
    assert_eq!(again.status, 1);
    assert!(seen.out.ends_with(&again.out), "it ends as the replay does: {}", again.out);
    assert!(again.out.contains("1 of the tape's 1 overrides matched a draw"), "{}", again.out);
    let replay = command_behind("show it again:", &seen.out);
    let more = stillpoint(&runner, &replay.replacen("replay", "shrink", 1));
    assert!(more.out.contains("1 of 50 decisions matter"), "{}", more.out);
}

#[test]
fn shrinking_keeps_to_the_promise_that_was_broken_and_to_its_limits() {
    let runner = Rehearsal::of(&[("lossy", Fate::BreaksOnLoss)]);
    let index = |seed: &u64| {
        let line = format!("replay --scenario lossy --seed {seed}");
        stillpoint(&runner, &line).out.contains("index is broken")
    };
    let seed = (1..).find(index).expect("three in sixteen do");
    let seen = stillpoint(&runner, &format!("shrink --scenario lossy --seed {seed}"));
    assert!(
        seen.out.contains("node-2/net.loss[4] = ") && !seen.out.contains("[7]"),
        "{}",
        seen.out
    );
    let before = runner.runs.load(Ordering::Relaxed);
    let seen = stillpoint(&runner, &format!("shrink --scenario lossy --seed {seed} --runs 4"));
    assert!(seen.out.contains("the search was cut short"), "{}", seen.out);
    // One more to see that it fails, and one to tell the story of what was found.
    assert_eq!(runner.runs.load(Ordering::Relaxed) - before, 6);
    let clock = || runner.runs.load(Ordering::Relaxed) * 1_000_000_000;
    let line = format!("shrink --scenario lossy --seed {seed} --budget 5");
    let seen = stillpoint_at(&runner, &line, &clock, &AtomicBool::new(false));
    assert!(seen.out.contains("(found in 4 runs)"), "{}", seen.out);
    assert!(seen.out.contains("the search was cut short"), "{}", seen.out);
}

#[test]
fn what_does_not_fail_is_not_shrunk() {
    let seen = stillpoint(&all_fates(), "shrink --scenario cut --seed 3");
    assert_eq!((seen.status, seen.err.as_str()), (3, ""));
    assert!(seen.out.starts_with("nothing to shrink: the run is green"), "{}", seen.out);
    let undecided = stillpoint(&all_fates(), "shrink --scenario indexes --seed 3");
    assert!(undecided.status == 3 && undecided.out.contains("is undecided (more than 10,000"));
    let loud = Rehearsal::of(&[("loud", Fate::Panics)]);
    let seen = stillpoint(&loud, "shrink --scenario loud --seed 2");
    assert!(seen.status == 2 && seen.err.contains("the dice fell off"), "{}", seen.err);
}

#[test]
fn a_campaign_names_what_no_seed_came_by_and_can_demand_it() {
    let runner = Rehearsal::of(&[("calm", Fate::Holds)]);
    let seen = stillpoint(&runner, "run --seeds 6");
    assert_eq!(seen.status, 0);
    assert!(seen.out.contains("\nnever reached:\n  cut.fails\n"), "{}", seen.out);
    let one = stillpoint(&runner, "run --seeds 1 --first-seed 3");
    let all = "never reached:\n  cut.begins, cut.fails, a fault of 'calm' in phase 'seal'\n";
    assert!(one.out.contains(all), "{}", one.out);
    let demanded = stillpoint(&runner, "run --seeds 1 --first-seed 3 --require-coverage");
    assert_eq!(demanded.status, 1);
    let why = "3 things were never reached";
    assert!(demanded.out.contains(why), "{}", demanded.out);
    let json = stillpoint(&runner, "run --seeds 6 --format json --require-coverage");
    assert!(json.out.contains(r#""held":false"#), "{}", json.out);
    assert!(json.out.contains(r#""never_reached":["cut.fails"]"#), "{}", json.out);
}

#[test]
fn mutants_are_caught_or_named() {
    let runner = Rehearsal::of(&[("calm", Fate::Holds), ("deletes", Fate::Holds)]);
    let seen = stillpoint(&runner, "mutants --seeds 40");
    assert_eq!(seen.status, 1);
    assert!(seen.out.lines().all(|line| line.chars().count() <= 120), "{}", seen.out);
    snapshot("command_mutants", &seen.out);
    assert_eq!(stillpoint(&runner, "mutants --seeds 40 --mutant late-marker").status, 0);
    assert_eq!(stillpoint(&runner, "mutants --seeds 40 --mutant harmless").status, 1);
    let alarmed = Rehearsal::of(&[("calm", Fate::Breaks)]);
    let seen = stillpoint(&alarmed, "mutants --seeds 4 --mutant late-marker");
    assert_eq!(seen.status, 1, "a mutant is not caught by an alarm that always rings");
    assert!(seen.out.contains("FALSE ALARM without a mutant in 2 seeds"), "{}", seen.out);
}

#[test]
fn an_audit_finds_the_first_seed_that_does_not_repeat_itself() {
    let sound = all_fates();
    let seen = stillpoint(&sound, "audit --seeds 12");
    assert_eq!(seen.status, 0, "{}{}", seen.out, seen.err);
    assert!(seen.out.contains("12 seeds gave the same hash each time"), "{}", seen.out);
    let drifting = Rehearsal::of(&[("calm", Fate::Holds), ("drifts", Fate::Drifts)]);
    let seen = stillpoint(&drifting, "audit --seeds 12");
    assert_eq!(seen.status, 1);
    assert!(seen.out.contains("'drifts' seed 1 does not repeat itself"), "{}", seen.out);
    assert!(seen.out.contains("event 5 is the first that differs"), "{}", seen.out);
    let earlier =
        "on both sides:\n    2000 node-2 poll #2\n    3000 node-1>node-2 net.deliver Ask\n";
    assert!(seen.out.contains(earlier), "{}", seen.out);
    assert!(!seen.out.contains("node-1 timer"), "it has nothing to do with it: {}", seen.out);
}

#[test]
fn an_audit_that_cannot_find_the_event_says_what_to_try() {
    let wobbling = Rehearsal::of(&[("wobbles", Fate::Wobbles)]);
    let seen = stillpoint(&wobbling, "audit --seeds 2 --first-seed 8");
    assert_eq!(seen.status, 1);
    assert!(seen.out.contains("its event logs were equal"), "{}", seen.out);
    let alone = "stillpoint audit --scenario wobbles --first-seed 8 --seeds 1";
    assert!(seen.out.contains(alone), "{}", seen.out);
}

#[test]
fn list_names_each_story_first_on_its_line() {
    let seen = stillpoint(&all_fates(), "list");
    assert_eq!(seen.status, 0);
    assert_eq!(seen.out.lines().count(), 5);
    assert!(seen.out.lines().any(|line| line.starts_with("cut ") && line.ends_with("ments.")));
}

#[test]
fn bench_measures_both_sizes() {
    let seen = stillpoint(&all_fates(), "bench --seeds 5");
    assert_eq!(seen.status, 0);
    assert!(seen.out.contains("small") && seen.out.contains("standard"), "{}", seen.out);
}

#[test]
fn bad_input_is_one_line_that_says_what_is_possible() {
    let mut lines = String::new();
    for line in [
        "run --scenario nowhere",
        "replay --scenario nowhere --seed 1",
        "replay --scenario cut --seed 1 --mutant none",
        "replay --scenario cut --seed minus",
        "replay --scenario cut",
        "replay --scenario cut --seed 1 --tape 1",
        "replay --scenario cut --tape '1 mute=*/net.loss mote=a'",
        "replay --scenario cut --tape 'mute=a'",
        "shrink --scenario cut",
        "shrink --scenario cut --tape '1 set=a/b[0]:g'",
        "shrink --scenario cut --seed 1 --runs 0",
        "mutants --mutant none",
        "mutants --seeds 4294967295",
        "run --seeds 0",
        "run --seeds -1",
        "replay --scenario cut --seed -1",
        "list --nonsense",
        "run --budget 1.5",
        "run --size gigantic",
        "run --format html",
        "run --nonsense",
        "replay --nonsense",
        "--nonsense",
        "walk",
        "run --output /nowhere/report.json",
        "replay --scenario cut --seed 1 --log /nowhere/events",
    ] {
        let runner = all_fates();
        let seen = stillpoint(&runner, line);
        assert_eq!((seen.status, seen.out.as_str()), (2, ""), "{line}");
        assert_eq!(seen.err.lines().count(), 1, "{line}: {}", seen.err);
        assert_eq!(runner.runs.load(Ordering::Relaxed), 0, "{line} was noticed too late");
        lines.push_str(&format!("$ stillpoint {line}\n{}\n", seen.err));
    }
    snapshot("command_bad_input", &lines);
}

#[test]
fn help_is_an_answer() {
    for line in ["--help", "run --help", "--version", "help replay"] {
        let seen = stillpoint(&all_fates(), line);
        assert_eq!((seen.status, seen.err.as_str()), (0, ""), "{line}");
        assert!(seen.out.contains("stillpoint"), "{line}");
    }
    assert!(!stillpoint(&all_fates(), "--help").out.contains("hashes"), "an inner command");
}

#[test]
fn a_report_can_go_to_a_file_while_the_table_is_shown() {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("report.json");
    let line = format!("run --seeds 2 --format json --output {}", path.display());
    let seen = stillpoint(&all_fates(), &line);
    assert!(seen.out.contains("verdict"), "{}", seen.out);
    let written = std::fs::read_to_string(&path).expect("the report was written");
    assert!(written.lines().count() > 5 && written.starts_with('{'), "{written}");
}
