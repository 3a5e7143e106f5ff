//! Strikes at the edges of a phase: where it begins and ends, and where it does not end.

use stillpoint_sim::{DiskFaults, Fault, Plan, Strike, Tape, When, Whom, World};

use super::fault_plans::{MS, busy_world, run_for, settled_run};

/// The plan of one strike on a machine, settled, and its run.
fn run_of(strike: impl Fn(Strike) -> Strike, fault: Fault) -> (World, Plan) {
    let on = Strike::on(Whom::Machine("node-3".to_string()), fault);
    settled_run(&Tape::new(4), &Plan::of([strike(on)]))
}

#[test]
fn a_strike_at_the_begin_of_a_phase_finds_it_begun() {
    let (world, _) = run_of(|it| it.within("log", 1, 0), Fault::Pause);
    assert_eq!(world.struck()[0].phase, Some("log"));
    assert_eq!(world.struck()[0].at_ns, world.phases_passed()[0].begin_ns + 1);
    let (world, _) = run_of(|it| it.within("log", 1, 1_000), Fault::Pause);
    assert_eq!(world.struck()[0].phase, Some("log"), "at its end it still goes on");
}

#[test]
fn a_strike_after_a_phase_does_not_keep_it_from_ending() {
    let (undisturbed, _) = settled_run(&Tape::new(4), &Plan::default());
    let first = &undisturbed.phases_passed()[0];
    let everyone = |it: Strike| Strike { whom: Whom::Everyone, ..it }.after("log", 1, 0);
    let (world, _) = run_of(everyone, Fault::Pause);
    assert_eq!(world.struck()[0].phase, None);
    assert_eq!(&world.phases_passed()[0], first);
    assert_eq!(world.struck()[0].at_ns, first.end_ns + 1);
}

#[test]
fn a_strike_across_a_phase_lasts_until_the_phase_has_ended_under_it() {
    let across = |it: Strike| Strike { whom: Whom::Everyone, ..it }.across("log", 3, MS);
    let (world, _) = run_of(across, Fault::SlowDisk { times: 40 });
    let third = world.phases_passed()[2].clone();
    let struck = &world.struck()[0];
    assert!(third.end_ns - third.begin_ns > 2 * MS, "it took much longer: {third:?}");
    assert_eq!((struck.at_ns, struck.lifted_ns), (third.begin_ns - MS, Some(third.end_ns + MS)));
}

#[test]
fn a_phase_that_does_not_end_has_no_after() {
    let (world, hosts) = busy_world(&Tape::new(4));
    world.set_disk_faults(hosts[0], DiskFaults { sync_error_per_mille: 1_000, ..DiskFaults::NONE });
    for it in &hosts {
        world.set_disk_faults(*it, world.disk_faults(hosts[0]));
    }
    run_for(&world, 100 * MS);
    let passed = world.phases_passed();
    assert_eq!((passed.len(), passed[0].phase), (1, "log"));
    let settle = |strike: Strike| Plan::of([strike]).settle(|_| passed.clone());
    let on = || Strike::on(Whom::Everyone, Fault::Pause);
    for strike in [on().after("log", 1, MS), on().across("log", 1, MS), on().within("log", 1, 5)] {
        let error = settle(strike).expect_err("it has no end").to_string();
        assert!(error.contains("`log` does not end in the rehearsal"), "{error}");
    }
    let before = settle(on().before("log", 1, 0)).expect("it has a begin");
    assert_eq!(before.strikes[0].when, When::At(passed[0].begin_ns));
}
