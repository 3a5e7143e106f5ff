//! Who counts as away when a fault is held against a budget.

use stillpoint_sim::{Budget, Fault, HostId, LinkSettings, Plan, Strike, Tape, Whom, World};

use super::fault_plans::{busy_world, run_for};

const ONE_AWAY: Budget = Budget { zones_away_max: 1, ..Budget::UNBOUNDED };

/// Lets one fault strike a machine at once, with one zone to spare: whether it struck.
fn strikes(world: &World, name: &str, fault: Fault) -> bool {
    let before = world.struck().len();
    let strike = Strike::on(Whom::Machine(name.to_string()), fault);
    world.carry_out(&Plan::of([strike])).expect("it can be");
    run_for(world, 1);
    world.struck().len() > before
}

#[test]
fn a_spare_that_was_never_booted_is_not_away() {
    let (world, _) = busy_world(&Tape::new(1));
    world.set_budget(ONE_AWAY);
    world.add_host("spare", "zone-d");
    assert!(strikes(&world, "node-0", Fault::Crash));
    assert!(!strikes(&world, "node-1", Fault::Crash), "another zone is away");
}

#[test]
fn who_has_links_that_lose_everything_is_away() {
    let (world, _) = busy_world(&Tape::new(1));
    world.set_budget(ONE_AWAY);
    let losing = |loss_per_million| {
        Fault::Links(LinkSettings {
            loss_per_million: Some(loss_per_million),
            ..LinkSettings::default()
        })
    };
    assert!(strikes(&world, "node-0", losing(1_000_000)));
    assert!(strikes(&world, "node-1", losing(999_999)), "now and then something comes through");
    assert!(!strikes(&world, "node-2", Fault::Crash), "node-0 is as good as away");
}

#[test]
fn a_pause_that_a_crash_has_ended_is_over() {
    let (world, hosts) = busy_world(&Tape::new(1));
    world.set_budget(ONE_AWAY);
    let both: [HostId; 2] = [hosts[0], hosts[3]];
    let pause = world.inject(&Fault::Pause, &both);
    world.restart(hosts[0]);
    assert_eq!(world.faults_active(), ["node-3 stands still"]);
    world.restart(hosts[3]);
    assert!(world.faults_active().is_empty(), "{:?}", world.faults_active());
    assert!(strikes(&world, "node-1", Fault::Crash), "nobody else is away");
    pause.lift();
}
