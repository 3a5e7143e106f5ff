//! What finds the mistake of each version of the log, in words.

use std::fmt::Write;

use stillpoint_sim::{Tape, Walk, World};

use super::hunt::{faults, hunt};
use super::wal::Version;

/// All versions, each with what one may learn from it.
pub const VERSIONS: [Version; 6] = [
    Version::Naive,
    Version::SyncsItsName,
    Version::CutsTheTail,
    Version::Checksums,
    Version::WritesAgain,
    Version::Mirrors,
];

/// By which fault, with which seed below `seeds`, and how a log is broken first.
pub fn found(version: Version, seeds: u64) -> Option<(&'static str, u64, String)> {
    faults().into_iter().find_map(|(name, faults)| {
        let run = |seed| hunt(&World::new(Tape::new(seed)), version, 6, &faults).err();
        (0..seeds).find_map(|seed| run(seed).map(|why| (name, seed, why)))
    })
}

/// Every crash point of the log's first three milliseconds times all that a crash can leave.
pub fn walk(version: Version) -> stillpoint_sim::Accounting {
    let walk = Walk { tape: Tape::new(1), outcomes_max: 256, counted_max: 256, down_ns: 100_000 };
    walk.explore(|_| true, |world| hunt(world, version, 1, &[]))
}

/// One line for each version.
pub fn story(seeds: u64) -> String {
    let mut story = String::new();
    for version in VERSIONS {
        let found = found(version, seeds).map_or("nothing".to_string(), |(fault, seed, why)| {
            format!("{fault}, seed {seed}: {why}")
        });
        writeln!(story, "{:<14}{found}", format!("{version:?}")).expect("a text can grow");
    }
    for version in VERSIONS {
        let walked = walk(version);
        let broken = walked.violations.len();
        writeln!(story, "{:<14}{walked}, {broken} break it", format!("{version:?}"))
            .expect("a text can grow");
    }
    story
}
