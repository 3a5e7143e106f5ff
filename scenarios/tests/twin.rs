//! The twin run can fail, repeats itself, and counts what it says.

use stillpoint_reference::mutants::{Mutants, NoMutants};
use stillpoint_scenarios::interference::{
    ARMS, Arm, Arms, OPERATIONS, Quantile, Setup, judge, run,
};

/// A twin run of a few seconds.
const SMALL: Setup = Setup {
    nodes: 3,
    partitions: 64,
    keys: 200,
    body_bytes: 100,
    slowdown: 1,
    cross_zone_ns: (300_000, 600_000),
    hold_ns: 20_000_000,
    load_ns: 2_000_000_000,
    backup_interval_ns: 500_000_000,
};
const OPERATIONS_SMALL: u64 = 4_000;

/// A backup that goes on holding writes long after its instant is certain.
#[derive(Clone)]
struct HoldsTooLong;

impl Mutants for HoldsTooLong {
    fn hold_is_not_released(&self) -> bool {
        true
    }
}

fn arms<M: Mutants>(seed: u64, mutants: &M) -> Arms {
    let run = |arm| (arm, run(&SMALL, seed, arm, OPERATIONS_SMALL, mutants));
    ARMS.into_iter().map(run).collect()
}

#[test]
fn a_hold_that_is_not_released_is_felt_and_a_sound_one_is_short() {
    let sound = judge(&[arms(1, &NoMutants), arms(2, &NoMutants)]);
    assert!(sound.others.iter().all(|it| it.kept), "{:?}", sound.others);
    assert!(!sound.conclusive(), "four thousand operations prove nothing");
    let planted = judge(&[arms(1, &HoldsTooLong), arms(2, &HoldsTooLong)]);
    assert!(!planted.others[0].kept, "{:?}", planted.others);
    assert!(!planted.kept());
}

#[test]
fn every_operation_is_counted_once_and_arms_differ_by_backups_alone() {
    let arms = arms(3, &NoMutants);
    for (arm, report) in &arms {
        let answered: u64 = report.latencies.values().map(|it| it.len()).sum();
        assert_eq!(answered, report.acknowledged + report.refused);
        assert_eq!(answered + report.errors, OPERATIONS_SMALL, "{}", arm.name());
        assert_eq!(report.cuts.sealed > 0, *arm == Arm::Backups);
        assert_eq!(report.cuts.holds_ns.len() as u64, report.cuts.sealed * 64);
        assert!(report.acknowledged > OPERATIONS_SMALL * 9 / 10);
    }
    for operation in OPERATIONS {
        let counts = ARMS.map(|it| arms[&it].latencies[&operation].len());
        assert!(counts.iter().all(|it| *it == counts[0] && *it > 0), "{counts:?}");
        // Half of all operations come before anything differs, and many after it do not notice.
        let medians = ARMS.map(|it| Quantile::P50.of(&arms[&it], operation));
        assert!(medians.iter().all(|it| it.abs_diff(medians[0]) * 50 < medians[0]), "{medians:?}");
    }
}

#[test]
fn a_twin_run_repeats_itself() {
    let once = || run(&SMALL, 4, Arm::Backups, 500, &NoMutants).hash;
    assert_eq!(once(), once());
}
