//! Whole runs against an endpoint made up in memory, on a clock of its own: a sound one reaches
//! the top of the ladder, and each bug that is planted in it is caught, every time the same.

mod fake;
mod service;

use fake::Fake;
use service::Bug;

use crate::conform::grade::{Conformance, Demand, Grade, Rung, grade, last_violates};
use crate::conform::items::Keyspace;
use crate::conform::ledger::Ledger;
use crate::conform::{Ended, Run, Settings, run};
use crate::recording::{Recording, read, write};

const CLIENTS: u32 = 8;
const EXACT: Demand = Demand::UpTo(Rung::RealTime);
const S: u64 = 1_000_000_000;

/// A run that ends at the first violation, or with enough evidence.
fn drive(bug: Option<Bug>, until_violation: bool, write_ns: u64) -> (Run, Fake) {
    let space = Keyspace::new(320, CLIENTS);
    let ledger = Ledger::new(CLIENTS, space);
    let settings = Settings {
        endpoint: "made up".to_owned(),
        prefix: "test".to_owned(),
        backups_min: 5,
        backups_max: 60,
        budget_ns: 120 * S,
    };
    let fake = Fake::new(CLIENTS, space, &settings.table(), write_ns, bug);
    let broken = |recording: &Recording| last_violates(recording, EXACT);
    let found: Option<&dyn Fn(&Recording) -> bool> =
        if until_violation { Some(&broken) } else { None };
    let run = fake.with_ledger(&ledger, |world| run(world, &ledger, &settings, found));
    (run, fake)
}

/// The bug's verdict: every planted bug must end its run at a backup that breaks a promise.
fn caught(bug: Bug) -> Grade {
    let (run, fake) = drive(Some(bug), true, 400_000);
    assert_eq!(run.ended, Ended::Found, "{bug:?}");
    assert!(run.left_behind.is_empty() && fake.is_empty(), "{bug:?}: something is left");
    let grade = grade(&run.recording);
    let conformance = grade.conformance(EXACT);
    assert!(matches!(conformance, Conformance::Violates(_)), "{bug:?}: {conformance:?}");
    grade
}

#[test]
fn a_sound_endpoint_reaches_the_top_of_the_ladder_and_nothing_is_left() {
    let (run, fake) = drive(None, false, 400_000);
    assert_eq!((run.ended, run.left_behind.len()), (Ended::Enough, 0));
    assert!(fake.is_empty(), "something is left");
    let grade = grade(&run.recording);
    assert_eq!(grade.conformance(EXACT), Conformance::Conforms, "{:?}", grade.rungs);
    assert_eq!(grade.strongest(), Some(Rung::Restore));
    assert_eq!((grade.skew_ns(), grade.weakest_violated()), (Some(0), None));
    assert!(run.recording.backups.iter().any(|it| it.observed.second.is_some()));
}

#[test]
fn a_recorded_run_is_judged_as_the_run_was() {
    for bug in [None, Some(Bug::Torn)] {
        let (run, _) = drive(bug, true, 400_000);
        let mut bytes = Vec::new();
        write(&run.recording, &mut bytes).expect("memory takes everything");
        let again = read(bytes.as_slice()).expect("what was just written");
        let (again, before) = (grade(&again), grade(&run.recording));
        let words = |it: &Grade| it.rungs.iter().map(|it| it.word()).collect::<Vec<_>>();
        assert_eq!(words(&again), words(&before));
        assert_eq!((again.skew_ns(), again.evidence), (before.skew_ns(), before.evidence));
        assert_eq!((again.felt, again.operations), (before.felt, before.operations));
    }
}

#[test]
fn a_cut_that_tears_is_caught_where_one_write_leads_to_another() {
    let grade = caught(Bug::Torn);
    assert!(grade.weakest_violated() <= Some(Rung::Exact), "{:?}", grade.rungs);
    assert!(grade.skew_ns() > Some(0), "{:?}", grade.skew_ns());
    // It lies within a minute, which is all that Amazon promises.
    assert!(!matches!(grade.conformance(Demand::Documented), Conformance::Violates(_)));
}

#[test]
fn a_transaction_that_is_in_by_half_is_caught() {
    let grade = caught(Bug::TornTransaction);
    assert_eq!(grade.weakest_violated(), Some(Rung::Atomic), "{:?}", grade.rungs);
}

#[test]
fn an_instant_outside_the_call_is_caught() {
    for bug in [Bug::Late, Bug::Stale] {
        assert_eq!(caught(bug).weakest_violated(), Some(Rung::RealTime), "{bug:?}");
    }
}

#[test]
fn what_the_backup_lost_or_brought_back_is_caught() {
    for bug in [Bug::LosesAWrite, Bug::BringsBackADelete] {
        assert!(caught(bug).weakest_violated() <= Some(Rung::Exact), "{bug:?}");
    }
}

#[test]
fn what_nobody_wrote_is_caught() {
    for bug in [Bug::MixesVersions, Bug::KeepsTheRefused] {
        assert_eq!(caught(bug).weakest_violated(), Some(Rung::Item), "{bug:?}");
    }
}

#[test]
fn a_second_restore_that_differs_is_caught() {
    assert_eq!(caught(Bug::SecondDiffers).weakest_violated(), Some(Rung::Restore));
}

#[test]
fn settings_that_are_not_restored_are_caught() {
    assert_eq!(caught(Bug::ForgetsBilling).weakest_violated(), Some(Rung::Restore));
}

#[test]
fn writes_without_an_answer_are_no_violation() {
    let (run, fake) = drive(Some(Bug::LosesAnswers), false, 400_000);
    assert!(run.left_behind.is_empty() && fake.is_empty());
    let grade = grade(&run.recording);
    assert_eq!(grade.weakest_violated(), None, "{:?}", grade.rungs);
    assert!(grade.evidence.suffices());
}

#[test]
fn no_level_is_given_where_hardly_anything_was_written() {
    let (run, _) = drive(None, false, 2 * S);
    assert!(matches!(run.ended, Ended::Budget | Ended::Backups), "{:?}", run.ended);
    let grade = grade(&run.recording);
    assert!(!run.recording.backups.is_empty() && grade.strongest().is_none());
    let Conformance::Undecided(why) = grade.conformance(EXACT) else { panic!("{grade:?}") };
    assert!(why.contains("not enough was written"), "{why}");
}

#[test]
fn an_endpoint_that_refuses_scores_nothing() {
    let why = |bug| {
        let (run, fake) = drive(Some(bug), false, 400_000);
        assert!(run.recording.backups.is_empty() && fake.is_empty(), "{bug:?}");
        assert_eq!(grade(&run.recording).strongest(), None);
        match run.ended {
            Ended::Failed(why) => why,
            other => panic!("{bug:?}: {other:?}"),
        }
    };
    assert!(why(Bug::RefusesEverything).starts_with("CreateTable was refused: 400"));
    assert!(why(Bug::RefusesWrites).starts_with("no write is acknowledged: 400"));
    assert!(why(Bug::OffersNoBackups).starts_with("CreateBackup was refused: 400"));
}
