//! The stories on other people's engines end as they do on ours, and the same every time.

use std::process::Command;

use stillpoint_engines::Engine;
use stillpoint_scenarios::report::{Runner, SeedReport, SeedRequest, Verdict};
use stillpoint_scenarios::stories::{CANARY, Stories};

/// Few, as every test run tells them; `ci/engines` tells more.
const SEEDS: u64 = 3;

/// Other people's engines, as far as this build has them.
fn others() -> &'static [Engine] {
    &Engine::ALL[1..]
}

fn tell(engine: Engine, story: &'static str, seed: u64) -> SeedReport {
    engine.tell(&SeedRequest::new(story, seed))
}

#[test]
fn every_story_holds_on_every_engine() {
    for &engine in others() {
        for story in Stories.stories() {
            let told: Vec<_> = (1..=SEEDS).map(|it| tell(engine, story.name, it)).collect();
            let green = told.iter().filter(|it| it.verdict == Verdict::Green).count();
            let verdicts: Vec<_> = told.iter().map(|it| &it.verdict).collect();
            let good = |it: &&Verdict| matches!(it, Verdict::Green | Verdict::Vacuous(_));
            assert!(verdicts.iter().all(good), "{engine} {}: {verdicts:#?}", story.name);
            assert!(green >= 2, "{engine} {}: hardly anything happens: {verdicts:#?}", story.name);
        }
    }
}

#[test]
fn the_alarm_rings_on_every_engine() {
    for &engine in others() {
        let canary = SeedRequest { mutant: Some(CANARY), ..Stories.canary() };
        let verdict = engine.tell(&canary).verdict;
        assert!(matches!(verdict, Verdict::Broken(_)), "{engine}: {verdict:#?}");
    }
}

/// A seed that is found in a sweep is found again alone: statics, hash keys and the operating
/// system's clock and random numbers have no part in it.
#[test]
fn a_seed_is_the_same_alone_and_after_others_and_in_a_process_of_its_own() {
    const STORY: &str = "leader-crashes-in-cut";
    for &engine in others() {
        let first = tell(engine, STORY, 7);
        (1..7).for_each(|it| drop(tell(engine, STORY, it)));
        assert_eq!(tell(engine, STORY, 7), first, "{engine}: seed 7 after seeds 1 to 6");
        let mut alone = Command::new(env!("CARGO_BIN_EXE_stillpoint-engines"));
        let alone = alone.args(["replay", &engine.to_string(), STORY, "7"]).output();
        let printed = String::from_utf8(alone.expect("it runs").stdout).expect("it prints text");
        let expected = format!("{:016x} {} events", first.hash, first.events);
        assert!(printed.starts_with(&expected), "{engine}: {printed}, expected {expected}");
    }
}

#[test]
fn engines_and_seeds_each_take_their_own_way() {
    let mut hashes: Vec<u64> = Vec::new();
    for &engine in Engine::ALL {
        hashes.extend([1, 2].map(|it| tell(engine, "backup-under-load", it).hash));
    }
    let told = hashes.len();
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), told);
}
