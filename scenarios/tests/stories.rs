//! Every story under a few dozen seeds, as ordinary tests; the campaign is for many more.
//!
//! `SEED=n` begins with that seed, and runs it alone unless `SEEDS=m` says how many. A failure
//! ends with the command that shows it again.

mod typed;

use std::collections::BTreeSet;
use stillpoint_reference::points::RESTORE_STEPS;
use stillpoint_scenarios::report::{Runner, SeedReport, SeedRequest, Size, Verdict};
use stillpoint_scenarios::stories::restore_crashes_at_each_step::sweep;
use stillpoint_scenarios::stories::{ALL, Stories};
use typed::typed;

/// Small seeds of each story, unless the environment says otherwise.
const SEEDS: u64 = 36;
/// Seeds within which a planted bug must be caught.
const HUNT_SEEDS: u64 = 200;

/// A number from the environment.
#[allow(clippy::disallowed_methods, reason = "whoever runs the tests chooses the seeds with it")]
fn chosen(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number of a seed")))
}

/// The seeds to run.
fn seeds() -> std::ops::Range<u64> {
    let (first, count) = match (chosen("SEED"), chosen("SEEDS")) {
        (Some(seed), count) => (seed, count.unwrap_or(1)),
        (None, count) => (1, count.unwrap_or(SEEDS)),
    };
    first..first + count
}

/// Asserts that a run is green, and says how to see it again if it is not.
#[track_caller]
fn assert_green(request: &SeedRequest) -> SeedReport {
    let report = Stories.run(request);
    let why = match &report.verdict {
        Verdict::Green => return report,
        Verdict::Vacuous(why) => format!("vacuous: {why}"),
        Verdict::Undecided(why) => format!("undecided: {why}"),
        Verdict::Broken(failures) => {
            let witness = failures.iter().map(|it| format!("{}:\n{}", it.oracle, it.explanation));
            witness.collect::<Vec<_>>().join("\n")
        }
    };
    panic!("{why}\nreplay with: {}", request.replay_command())
}

fn holds(story: &'static str) {
    for seed in seeds() {
        assert_green(&SeedRequest::new(story, seed));
    }
    let standard = SeedRequest::new(story, seeds().start);
    assert_green(&SeedRequest { size: Size::Standard, ..standard });
}

/// What `stillpoint replay` prints of a run, without the hash: it says that something changed,
/// which the other lines say better.
fn replayed(story: &str, seed: u64) -> String {
    let line = format!("stillpoint replay --scenario {story} --seed {seed}");
    let (status, text) = typed(&line);
    assert_eq!(status, 0, "{line}");
    let lines = text.lines().filter(|it| !it.starts_with("hash "));
    lines.map(|it| format!("{it}\n")).collect()
}

fn transcript(story: &str) {
    insta::with_settings!({
        snapshot_path => concat!(env!("CARGO_MANIFEST_DIR"), "/../snapshots"),
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        insta::assert_snapshot!(format!("story_{}", story.replace('-', "_")), replayed(story, 1));
    });
}

/// Declares the tests of each story.
macro_rules! stories {
    ($($module:ident: $name:literal,)+) => {
        /// The stories that have tests.
        const TESTED: &[&str] = &[$($name),+];

        $(mod $module {
            #[test]
            fn holds() {
                super::holds($name);
            }

            #[test]
            fn reads_as_it_did() {
                super::transcript($name);
            }
        })+
    };
}

stories! {
    backup_under_load: "backup-under-load",
    leader_crashes_in_cut: "leader-crashes-in-cut",
    zone_fails_while_archiving: "zone-fails-while-archiving",
    restore_worker_crashes: "restore-worker-crashes",
    power_fails_everywhere: "power-fails-everywhere",
    restarts_then_power_fails: "restarts-then-power-fails",
    everything_at_once: "everything-at-once",
    every_partition_writes: "every-partition-writes",
    seal_is_interrupted: "seal-is-interrupted",
    restore_crashes_at_each_step: "restore-crashes-at-each-step",
    table_deleted: "table-deleted",
    object_store_gone: "object-store-gone",
    node_becomes_slow: "node-becomes-slow",
    zone_lost_for_good: "zone-lost-for-good",
    checkpoint_rots: "checkpoint-rots",
    disk_fails: "disk-fails",
    deposed_leader_confirms: "deposed-leader-confirms",
    one_write_leads_to_another: "one-write-leads-to-another",
    a_client_hops: "a-client-hops",
    compaction_loses_power: "compaction-loses-power",
    archive_is_damaged: "archive-is-damaged",
    backup_is_given_up: "backup-is-given-up",
}

/// A thousand partitions, each of which writes between the request and the seal of each backup.
#[test]
fn a_cut_across_a_thousand_busy_partitions_is_exact() {
    let request = SeedRequest::new("every-partition-writes", seeds().start);
    let report = assert_green(&SeedRequest { size: Size::Large, ..request });
    assert_eq!((report.partitions, report.backups_available), (1_024, 2));
    let fewest = report.writes_in_cut_min.expect("they are counted");
    println!("every partition committed at least {fewest} writes between request and seal");
    assert!(fewest >= 3);
}

/// Every step of one restore, crashed at once each.
#[test]
fn a_restore_that_crashes_at_any_step_is_exact() {
    let seed = seeds().start;
    let runs: Vec<_> = sweep(seed).collect();
    for (step, report) in &runs {
        let why = &report.verdict;
        assert_eq!(*why, Verdict::Green, "crashing at {step} in seed {seed}");
        assert_eq!(report.faults["crash"], 1, "at {step} in seed {seed}");
    }
    let passed: BTreeSet<&str> = runs.iter().map(|(step, _)| *step).collect();
    assert_eq!(passed, RESTORE_STEPS.iter().copied().collect(), "each kind of step was passed");
    println!("{} steps, {} crashes, all exact", runs.len(), runs.len());
}

/// Everything that a story places strikes where it says, in a fair share of its seeds.
#[test]
fn stories_strike_where_they_aim() {
    for story in ALL.iter().filter(|it| !it.phases.is_empty()) {
        let reports: Vec<SeedReport> =
            seeds().map(|seed| Stories.run(&SeedRequest::new(story.name, seed))).collect();
        for phase in story.phases {
            let hit = |it: &&SeedReport| it.faults_by_phase.contains_key(phase);
            assert!(reports.iter().any(|it| hit(&it)), "{} never hits {phase:?}", story.name);
        }
    }
}

#[test]
fn every_story_is_tested() {
    let told: Vec<&str> = ALL.iter().map(|it| it.name).collect();
    assert_eq!(TESTED, told, "add the story to the list above");
}

#[test]
fn every_story_has_its_transcript_and_every_transcript_its_story() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../snapshots");
    let names = std::fs::read_dir(folder).expect("the snapshots are there").map(|entry| {
        let name = entry.expect("a folder of the repository can be listed").file_name();
        name.into_string().expect("names are UTF-8")
    });
    let story_of = |it: &String| {
        let name = it.strip_prefix("story_")?.strip_suffix(".snap")?;
        Some(name.replace('_', "-"))
    };
    let kept: BTreeSet<String> = names.filter_map(|it| story_of(&it)).collect();
    let told: BTreeSet<String> = ALL.iter().map(|it| it.name.to_owned()).collect();
    assert_eq!(kept, told);
}

#[test]
fn every_planted_bug_is_caught_within_its_seeds() {
    for mutant in Stories.mutants() {
        let mut runs = mutant.stories.iter().flat_map(|story| {
            (1..=HUNT_SEEDS).map(|seed| SeedRequest {
                mutant: Some(mutant.name),
                ..SeedRequest::new(story, seed)
            })
        });
        let caught = |it: &SeedRequest| matches!(Stories.run(it).verdict, Verdict::Broken(_));
        assert!(runs.any(|it| caught(&it)), "{} goes unnoticed in {HUNT_SEEDS} seeds", mutant.name);
    }
}

/// Whether a leader got Confirm while another led its partition, and did not know it.
fn deposed(report: &SeedReport) -> bool {
    let believes = |line: &String| line.contains("is deposed, believes that it leads");
    report.transcript.iter().any(believes)
}

#[test]
fn a_deposed_leader_gets_confirm_in_most_seeds() {
    let runs = (1..=40).map(|seed| Stories.run(&SeedRequest::new("deposed-leader-confirms", seed)));
    let count = runs.filter(deposed).count();
    assert!(count >= 20, "it happened in {count} of 40 seeds");
}

#[test]
fn the_canary_is_caught_at_once() {
    let canary = Stories.canary();
    let report = Stories.run(&canary);
    assert!(matches!(report.verdict, Verdict::Broken(_)), "{}", canary.replay_command());
}

#[test]
fn a_seed_is_the_same_run_every_time() {
    for story in ALL {
        let request = SeedRequest::new(story.name, 7);
        let first = Stories.run(&request);
        assert_eq!(Stories.run(&request), first, "{}", request.replay_command());
        for seed in 100..120 {
            assert_ne!(Stories.run(&SeedRequest::new(story.name, seed)).hash, first.hash);
        }
        assert_eq!(Stories.run(&request), first, "after other seeds: {}", request.replay_command());
    }
}

#[test]
fn a_run_does_not_change_because_somebody_reads_along() {
    for story in ALL {
        let unread = Stories.run(&SeedRequest::new(story.name, 7));
        let mut read =
            Stories.run(&SeedRequest { event_log: true, ..SeedRequest::new(story.name, 7) });
        assert!(std::mem::take(&mut read.event_log).len() > 1_000, "it is the log of all events");
        assert_eq!(read, unread, "{}", story.name);
    }
}
