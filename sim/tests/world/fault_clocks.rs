//! Faults of clocks that overlap, with one another and with what a tester sets.

use proptest::prelude::*;
use stillpoint_sim::{Fault, Injected, Tape};

use super::fault;
use super::fault_plans::{MS, ahead_ms, busy_world, gained_ns, run_for};

const S: i64 = 1_000_000_000;

#[test]
fn of_two_offsets_each_is_lifted_for_itself() {
    let (world, hosts) = busy_world(&Tape::new(1));
    let node = &hosts[..1];
    let first = world.inject(&Fault::ClockOffset { by_ns: 5 * S }, node);
    let second = world.inject(&Fault::ClockOffset { by_ns: -2 * S }, node);
    assert_eq!(ahead_ms(&world, node), [3_000]);
    first.lift();
    assert_eq!(ahead_ms(&world, node), [-2_000]);
    second.lift();
    assert_eq!(ahead_ms(&world, node), [0]);
    assert_eq!(fault(&world, "clock.offset"), 2, "what is lifted does not strike");
}

#[test]
fn of_two_freezes_the_last_that_is_lifted_lets_the_clock_go_on() {
    let (world, hosts) = busy_world(&Tape::new(1));
    let node = &hosts[..1];
    let first = world.inject(&Fault::FrozenClock, node);
    run_for(&world, 100 * MS);
    let second = world.inject(&Fault::FrozenClock, node);
    let offset = world.inject(&Fault::ClockOffset { by_ns: 60 * S }, node);
    run_for(&world, 100 * MS);
    assert_eq!(ahead_ms(&world, node), [59_800]);
    first.lift();
    run_for(&world, 100 * MS);
    assert_eq!(ahead_ms(&world, node), [59_800], "the second has held it since it came");
    second.lift();
    run_for(&world, 100 * MS);
    assert_eq!(ahead_ms(&world, node), [60_000], "the offset is there, the freeze is not");
    offset.lift();
    assert_eq!(ahead_ms(&world, node), [0]);
    assert_eq!(fault(&world, "clock.wall_frozen"), 1, "the second has stopped nothing");
}

#[test]
fn of_two_drifts_each_is_lifted_for_itself_and_an_offset_stays() {
    let (world, hosts) = busy_world(&Tape::new(1));
    let node = &hosts[..1];
    let drift = |ppb| Fault::WallDrift { ppb };
    let _offset = world.inject(&Fault::ClockOffset { by_ns: 10 * S }, node);
    let (fast, slow) =
        (world.inject(&drift(100_000_000), node), world.inject(&drift(-20_000_000), node));
    run_for(&world, 1_000 * MS);
    assert_eq!(ahead_ms(&world, node), [10_080]);
    fast.lift();
    assert_eq!(ahead_ms(&world, node), [9_980]);
    run_for(&world, 1_000 * MS);
    assert_eq!(ahead_ms(&world, node), [9_960]);
    slow.lift();
    assert_eq!(ahead_ms(&world, node), [10_000]);
    let gains = |ppb| Fault::MonotonicDrift { ppb };
    let (more, less) = (world.inject(&gains(500), node), world.inject(&gains(-200), node));
    assert_eq!(gained_ns(&world, node), [300]);
    more.lift();
    assert_eq!(gained_ns(&world, node), [-200]);
    less.lift();
    assert_eq!(gained_ns(&world, node), [0]);
}

#[test]
fn what_a_tester_has_set_of_a_clock_outlives_faults() {
    let (world, hosts) = busy_world(&Tape::new(1));
    let node = &hosts[..1];
    world.set_clock_offset(node[0], 7 * S);
    world.set_monotonic_drift(node[0], 1_000);
    let frozen = world.inject(&Fault::FrozenClock, node);
    let drift = world.inject(&Fault::MonotonicDrift { ppb: 50 }, node);
    assert_eq!(gained_ns(&world, node), [1_050]);
    world.step_clock(node[0], S);
    world.set_monotonic_drift(node[0], 2_000);
    assert_eq!(gained_ns(&world, node), [2_050]);
    frozen.lift();
    drift.lift();
    assert_eq!(ahead_ms(&world, node), [8_000]);
    assert_eq!(gained_ns(&world, node), [2_000]);
}

fn clock_faults() -> impl Strategy<Value = Vec<(Fault, bool)>> {
    let fault = prop_oneof![
        (-9 * S..9 * S).prop_map(|by_ns| Fault::ClockOffset { by_ns }),
        (-90_000_000..90_000_000i64).prop_map(|ppb| Fault::WallDrift { ppb }),
        (-90_000..90_000i64).prop_map(|ppb| Fault::MonotonicDrift { ppb }),
        Just(Fault::FrozenClock),
    ];
    prop::collection::vec((fault, any::<bool>()), 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A clock from which faults are lifted shows what it would if they had never struck.
    #[test]
    fn what_is_lifted_from_a_clock_leaves_nothing(faults in clock_faults()) {
        let run = |struck: &dyn Fn(bool) -> bool| {
            let (world, hosts) = busy_world(&Tape::new(1));
            let node = &hosts[..1];
            let mut guards: Vec<(Injected, bool)> = Vec::new();
            for (fault, stays) in &faults {
                run_for(&world, 50 * MS);
                if struck(*stays) {
                    guards.push((world.inject(fault, node), *stays));
                }
            }
            run_for(&world, 50 * MS);
            guards.retain(|it| it.1);
            run_for(&world, 50 * MS);
            (ahead_ms(&world, node)[0], gained_ns(&world, node)[0])
        };
        let (lifted, never) = (run(&|_| true), run(&|stays| stays));
        // What is less than a nanosecond may round to another millisecond.
        prop_assert!((lifted.0 - never.0).abs() <= 1, "{lifted:?} {never:?}");
        prop_assert!((lifted.1 - never.1).abs() <= 1, "{lifted:?} {never:?}");
    }
}
