//! Other settings and other code over a restart, and machines whose number and places a seed
//! draws.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use stillpoint_sim::{
    Budget, Fault, FaultKind, Host, HostId, Swarm, Tape, Topology, When, Whom, World,
};

use super::LIMIT_NS;

const MS: u64 = 1_000_000;

fn run_for(world: &World, ns: u64) {
    let driver = world.driver();
    world.run(LIMIT_NS, async move { driver.sleep(ns).await }).expect("the driver only sleeps");
}

/// Which release each process was that started, in order.
type Started = Rc<RefCell<Vec<(HostId, u16)>>>;

fn booted(world: &World, hosts: &[HostId]) -> Started {
    let started = Started::default();
    for &it in hosts {
        let started = Rc::clone(&started);
        world.boot(it, move |host: Host| {
            started.borrow_mut().push((host.id(), host.release()));
            std::future::pending()
        });
    }
    started
}

#[test]
fn a_machine_that_is_upgraded_starts_as_another_release_and_stays_it() {
    let world = World::new(Tape::new(1));
    let nodes = world.build(&Topology::default());
    let started = booted(&world, &nodes);
    run_for(&world, MS);
    let upgrade = world.inject(&Fault::Upgrade { release: 3 }, &nodes[..1]);
    assert!(!world.is_up(nodes[0]) && world.faults_active() == ["node-0 restarts as release 3"]);
    upgrade.lift();
    run_for(&world, MS);
    world.restart(nodes[0]);
    world.restart(nodes[1]);
    run_for(&world, MS);
    let releases_of = |node: usize| -> Vec<u16> {
        started.borrow().iter().filter(|it| it.0 == nodes[node]).map(|it| it.1).collect()
    };
    assert_eq!([0, 1, 2].map(releases_of), [vec![0, 3, 3], vec![0, 0], vec![0]]);
}

/// The plan that a seed draws of one kind, on six machines in two racks a zone.
fn drawn(seed: u64, kind: FaultKind) -> (World, Vec<HostId>, stillpoint_sim::Plan) {
    let world = World::new(Tape::new(seed));
    let six = Topology { machines: 6..7, racks_per_zone: 2..3, ..Topology::default() };
    let nodes = world.build(&six);
    let swarm = Swarm {
        kinds: vec![kind],
        slots: 2,
        span_ns: 0..50 * MS,
        lasts_ns: 60 * MS..120 * MS,
        ..Swarm::everything()
    };
    let plan = swarm.draw(&world);
    (world, nodes, plan)
}

#[test]
fn a_rolling_restart_takes_one_machine_after_the_other() {
    let drawn_in = |seed: &u64| drawn(*seed, FaultKind::RollingRestart).2.strikes.len() == 6;
    let seed = (0..100).find(drawn_in).expect("some seed restarts all machines once");
    let (world, nodes, plan) = drawn(seed, FaultKind::RollingRestart);
    let started = booted(&world, &nodes);
    let one = Budget { zones_away_max: 1, ..Budget::UNBOUNDED };
    world.set_budget(one);
    world.carry_out(&plan).expect("it can be");
    let mut most_down = 0;
    for _ in 0..200 {
        run_for(&world, MS);
        most_down = most_down.max(nodes.iter().filter(|it| !world.is_up(**it)).count());
    }
    assert_eq!(most_down, 1);
    let later: BTreeSet<_> = started.borrow()[6..].iter().copied().collect();
    let release = later.first().expect("all start again").1;
    assert!(release > 0);
    assert_eq!(later, nodes.iter().map(|it| (*it, release)).collect());
    assert_eq!(started.borrow().len(), 12);
    let begins = plan.strikes.iter().map(|it| match it.when {
        When::At(ns) => ns,
        _ => panic!("there is no point to strike at"),
    });
    assert!(begins.is_sorted());
}

#[test]
fn the_power_of_a_rack_takes_those_that_stand_in_it() {
    let strikes_in = |seed: &u64| !drawn(*seed, FaultKind::PowerLossOfRack).2.strikes.is_empty();
    let seed = (0..100).find(strikes_in).expect("some seed strikes");
    let (world, nodes, plan) = drawn(seed, FaultKind::PowerLossOfRack);
    assert!(matches!(plan.strikes[0].whom, Whom::RackOfUp(_)));
    // With three zones and two racks in each, six machines stand alone.
    booted(&world, &nodes);
    world.carry_out(&plan).expect("it can be");
    run_for(&world, 60 * MS);
    assert!(world.struck().iter().all(|it| it.hosts.len() == 1));
    // With one rack a zone, two share it.
    let world = World::new(Tape::new(seed));
    let nodes = world.build(&Topology { machines: 6..7, ..Topology::default() });
    booted(&world, &nodes);
    world.carry_out(&plan).expect("it can be");
    run_for(&world, 60 * MS);
    let struck = &world.struck()[0].hosts;
    assert!(struck.len() == 2 && struck[1].0 == struck[0].0 + 3);
}

#[test]
fn seeds_draw_machines_racks_and_distances() {
    let topology = Topology {
        machines: 3..7,
        racks_per_zone: 1..3,
        apart_ns: vec![MS..MS + 1, 9 * MS..9 * MS + 1],
        ..Topology::default()
    };
    let shape = |tape: Tape| {
        let world = World::new(tape);
        let nodes = world.build(&topology);
        booted(&world, &nodes);
        let one_way_ms = |from: usize, to: usize| {
            let (sender, receiver) = (world.host(nodes[from]), world.host(nodes[to]));
            let to = nodes[to];
            let begun_ns = world.now_ns();
            let arrival = world.run(LIMIT_NS, async move {
                sender.send(to, bytes::Bytes::from_static(b"how far is it?"));
                receiver.receive().await
            });
            arrival.expect("nothing is lost");
            (world.now_ns() - begun_ns) / MS
        };
        [(0, 1), (1, 0), (2, 1)].map(|(from, to)| one_way_ms(from, to)).into_iter().collect()
    };
    let seen: BTreeSet<Vec<u64>> = (0..40).map(|it| shape(Tape::new(it))).collect();
    assert!(seen.len() == 8 && seen.iter().flatten().all(|it| [1, 9].contains(it)), "{seen:?}");
    let sizes: BTreeSet<usize> =
        (0..40).map(|it| World::new(Tape::new(it)).build(&topology).len()).collect();
    assert_eq!(sizes, (3..7).collect());
}
