//! The write-ahead log of `examples/wal`: each mistake is found by the fault that is named for it,
//! and what mends it keeps away what was found.

#[path = "../../examples/wal/hunt.rs"]
mod hunt;
#[path = "../../examples/wal/story.rs"]
pub mod story;
#[path = "../../examples/wal/wal.rs"]
mod wal;

use stillpoint_sim::check;

use hunt::{faults, hunt};
use story::{VERSIONS, found, walk};
use wal::Version;

#[test]
fn each_mistake_is_found_by_its_fault() {
    let power = "power losses alone";
    let expected = [
        (power, "acknowledged records are lost"),
        (power, "acknowledged records are lost"),
        (power, "nobody has appended"),
        ("syncs that fail", "acknowledged records are lost"),
        ("bits that rot", "acknowledged records are lost"),
        ("syncs that lie", "acknowledged records are lost"),
    ];
    for (version, (fault, why)) in VERSIONS.into_iter().zip(expected) {
        let found = found(version, 300).expect("a fault is found for each");
        assert_eq!(found.0, fault, "{version:?}: {found:?}");
        assert!(found.2.contains(why), "{version:?}: {found:?}");
    }
}

#[test]
fn the_last_version_survives_all_that_a_disk_can_confess() {
    let [.., lies] = faults();
    assert_eq!(lies.0, "syncs that lie");
    let mut all = Vec::new();
    for (_, faults) in faults().into_iter().filter(|it| it.0 != lies.0) {
        check(300, |world| hunt(world, Version::Mirrors, 6, &faults));
        all.extend(faults);
    }
    check(300, |world| hunt(world, Version::Mirrors, 6, &all));
}

#[test]
fn every_crash_point_is_walked_with_every_outcome() {
    for version in VERSIONS {
        let walked = walk(version);
        assert_eq!(walked.sum(|it| it.runs), walked.planned, "{version:?}");
        assert!(walked.sum(|it| it.cut) == 0 && walked.planned > 100, "{version:?}: {walked}");
        assert_eq!(walked.is_clean(), version >= Version::Checksums, "{version:?}: {walked}");
    }
}
