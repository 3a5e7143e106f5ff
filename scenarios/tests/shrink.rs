//! A planted bug's failing seed, made simple by the program as people run it.

use std::process::{Command, Output, Stdio};

use stillpoint_scenarios::report::{Failure, Runner, SeedReport, SeedRequest, Verdict};
use stillpoint_scenarios::stories::Stories;

const STORY: &str = "restore-worker-crashes";
const MUTANT: &str = "resumed-restore-skips-a-range";

/// One in two fails or so.
const SEEDS: u64 = 40;

fn reasons(report: &SeedReport) -> Vec<String> {
    match &report.verdict {
        Verdict::Broken(failures) => failures.iter().map(Failure::reason).collect(),
        _ => Vec::new(),
    }
}

fn failing() -> (SeedRequest, SeedReport) {
    let runs = (1..=SEEDS).map(|seed| {
        let request = SeedRequest { mutant: Some(MUTANT), ..SeedRequest::new(STORY, seed) };
        (request.clone(), Stories.run(&request))
    });
    let mut failing = runs.filter(|(_, report)| !reasons(report).is_empty());
    failing.next().unwrap_or_else(|| panic!("no seed of {SEEDS} fails"))
}

/// Has a shell carry out a command as it was printed.
fn as_printed(command: &str) -> Output {
    let (_, args) = command.split_once(" -- ").expect("the command follows two dashes");
    let line = format!("{} {args}", env!("CARGO_BIN_EXE_stillpoint"));
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(line).stdin(Stdio::null()).output().expect("there is a shell")
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("the program prints UTF-8")
}

/// The tape in a printed command.
fn tape_of(command: &str) -> stillpoint_sim::Tape {
    let tape = command.split('\'').nth(1).expect("there is a tape between quotes");
    tape.parse().expect("it is a tape")
}

#[test]
fn the_shrunk_run_fails_alike_with_less_and_the_printed_command_shows_it() {
    let (request, before) = failing();
    let shrunk = as_printed(&request.shrink_command());
    let told = text(&shrunk);
    assert_eq!(shrunk.status.code(), Some(1), "{told}");
    let command = told.lines().find_map(|it| it.strip_prefix("show it again: "));
    let command = command.unwrap_or_else(|| panic!("no command was printed: {told}"));
    let simple = request.clone().on_tape(&tape_of(command));
    let after = Stories.run(&simple);
    let reason = &reasons(&before)[0];
    assert!(told.contains(&format!("fails: {reason}\n")), "{told}");
    assert!(reasons(&after).contains(reason), "{reason}: {:?}", reasons(&after));
    let faults = |it: &SeedReport| it.faults.values().sum::<u64>();
    assert!(faults(&after) < faults(&before), "{:?} {:?}", before.faults, after.faults);
    let decisions: u64 = before.draws.values().sum();
    assert!(simple.overrides.len() as u64 * 100 < decisions, "{command}");
    assert!(after.tape_fit.is_whole(), "{}", after.tape_fit);
    let again = as_printed(command);
    assert_eq!(again.status.code(), Some(1));
    assert!(told.ends_with(&text(&again)), "the replay tells the same story");
    assert!(told.contains(&format!("hash                 {:016x}", after.hash)), "{told}");
}

#[test]
fn a_tape_of_names_that_are_gone_says_so() {
    let tape = "1 mute=*/net.losses set=driver/no.such[3]:1";
    let request = SeedRequest::new("backup-under-load", 1);
    let request = request.on_tape(&tape.parse().expect("it is a tape"));
    let told = text(&as_printed(&request.replay_command()));
    let fit = "tape                 0 of the tape's 1 overrides matched a draw; names that this \
               run does not know: driver/no.such; muted names that fit none: */net.losses\n";
    assert!(told.contains(fit), "{told}");
}

/// Where every decision has its simplest outcome, nothing may go wrong: else what is shrunk ends
/// in that instead of what it began with.
#[test]
fn the_simplest_run_of_a_story_is_a_sound_one() {
    let mut broken = Vec::new();
    for story in Stories.stories() {
        let simplest = "1 mute=*".parse().expect("it is a tape");
        let request = SeedRequest::new(story.name, 1).on_tape(&simplest);
        let report = Stories.run(&request);
        if !reasons(&report).is_empty() {
            broken.push(format!("{}: {:?}", story.name, report.verdict));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}
