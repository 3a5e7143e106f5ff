//! Particulars of faults that no world can carry out are refused, and large ones are not too
//! large.

use stillpoint_sim::{
    Budget, DiskFaults, Fault, LinkSettings, ObjectFaults, PhaseSpan, Plan, Strike, Tape, Whom,
    World,
};

use super::fault_plans::{MS, busy_world, run_for};

#[test]
fn particulars_that_no_world_can_carry_out_are_refused() {
    let (world, hosts) = busy_world(&Tape::new(1));
    let refused = |fault: Fault, why: &str| {
        let whom = if fault.is_of_store() { Whom::Store } else { Whom::Up(0) };
        let error = world.carry_out(&Plan::of([Strike::on(whom, fault.clone())]));
        let error = error.expect_err("no world can").to_string();
        assert!(error.contains(why), "{error}");
        let hosts = if fault.is_of_store() { &[] } else { &hosts[..1] };
        let inject = std::panic::AssertUnwindSafe(|| drop(world.inject(&fault, hosts)));
        let panic = std::panic::catch_unwind(inject).expect_err("no world can");
        let said = panic.downcast_ref::<String>().expect("it says why");
        assert!(said.contains(why), "{said}");
        assert!(world.faults_active().is_empty());
    };
    let backwards = "a clock would stand still or run backwards";
    refused(Fault::MonotonicDrift { ppb: -1_000_000_000 }, backwards);
    refused(Fault::WallDrift { ppb: i64::MIN }, backwards);
    refused(Fault::Flapping { shut_ns: 5..5, open_ns: 1..2 }, "`shut_ns` holds no time to draw");
    let (start, end) = (2, 1);
    refused(Fault::Flapping { shut_ns: 1..2, open_ns: start..end }, "`open_ns` holds no time");
    refused(Fault::SlowDisk { times: 0 }, "begin at 1");
    refused(Fault::SlowLinks { times: 0 }, "begin at 1");
    let stalls = DiskFaults { stall_per_mille: 1, stall_ns: 3..3, ..DiskFaults::NONE };
    refused(Fault::FailingDisk(stalls), "`stall_ns` holds no time to draw");
    let bursts = ObjectFaults { burst_per_mille: 1, burst_ns: 3..3, ..ObjectFaults::NONE };
    refused(Fault::FailingStore(bursts), "`burst_ns` holds no time to draw");
    let stale = ObjectFaults { stale_list_per_mille: 1, stale_list_ns: 0..0, ..ObjectFaults::NONE };
    refused(Fault::FailingStore(stale), "`stale_list_ns` holds no time to draw");
    let late = LinkSettings { delay_ns: Some((7..7).into()), ..LinkSettings::default() };
    refused(Fault::Links(late), "`delay_ns` holds no time to draw");
}

#[test]
fn a_disk_may_be_slower_than_the_world_lasts() {
    let (world, hosts) = busy_world(&Tape::new(1));
    let slow = Fault::SlowDisk { times: 1 << 62 };
    let guards = [world.inject(&slow, &hosts[..2]), world.inject(&slow, &hosts[1..3])];
    let usual = DiskFaults { stall_per_mille: 1_000, ..DiskFaults::NONE };
    let failing = world.inject(&Fault::FailingDisk(usual), &hosts);
    run_for(&world, 100 * MS);
    drop((guards, failing));
    run_for(&world, 100 * MS);
    assert!(hosts.iter().all(|it| world.is_up(*it)) && world.panics().is_empty());
}

#[test]
fn a_margin_may_be_longer_than_the_world_lasts() {
    let span = PhaseSpan { phase: "log", begin_ns: 5 * MS, end_ns: 9 * MS };
    let strike = Strike::on(Whom::Up(0), Fault::Pause).across("log", 1, u64::MAX);
    let settled = Plan::of([strike]).settle(|_| vec![span.clone()]).expect("it is there");
    assert_eq!(settled.strikes[0], Strike::on(Whom::Up(0), Fault::Pause).for_ns(u64::MAX));
}

#[test]
fn a_point_that_is_named_twice_is_passed_once() {
    let (world, _) = busy_world(&Tape::new(1));
    let crash = Strike::on(Whom::Passer, Fault::Crash).when_passing(&["log.end", "log.end"], 2);
    world.carry_out(&Plan::of([crash])).expect("it can be");
    let passed = |world: &World| world.point_counts().get("log.end").copied().unwrap_or(0);
    while passed(&world) < 2 {
        assert!(world.struck().is_empty(), "it was passed {} times", passed(&world));
        run_for(&world, MS / 100);
    }
    assert_eq!(world.struck().len(), 1);
}

#[test]
fn however_many_objects_a_fault_takes_the_budget_counts_them() {
    let (world, _) = busy_world(&Tape::new(1));
    world.set_budget(Budget { objects_damaged_max: u64::MAX - 1, ..Budget::UNBOUNDED });
    let lost = |n| Strike::of_store(Fault::ObjectsLost { prefix: "none".to_string(), n });
    world.carry_out(&Plan::of([lost(5), lost(u64::MAX - 2), lost(9)])).expect("it can be");
    run_for(&world, MS);
    assert_eq!((world.struck().len(), world.strikes_spared()), (2, 1));
}
