//! What some faults do to whom they strike, seen from a program.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use bytes::Bytes;
use stillpoint_sim::{CrashKind, Fault, Host, HostId, LinkSettings, OperationKind, Tape, World};

use super::{LIMIT_NS, idle_node};

const MS: u64 = 1_000_000;

fn run_for(world: &World, ns: u64) {
    let driver = world.driver();
    world.run(LIMIT_NS, async move { driver.sleep(ns).await }).expect("the driver only sleeps");
}

/// Syncs a file every millisecond, and counts it.
fn syncing(world: &World) -> (HostId, Rc<Cell<u64>>) {
    let node = world.add_host("node", "zone-a");
    let synced: Rc<Cell<u64>> = Rc::default();
    let counting = Rc::clone(&synced);
    world.boot(node, move |host: Host| {
        let synced = Rc::clone(&counting);
        async move {
            let file = match host.disk().create("log").await {
                Ok(file) => file,
                Err(_) => host.disk().open("log").await.expect("it is there already"),
            };
            loop {
                file.append(Bytes::from_static(b"entry")).await.expect("it has space");
                file.sync().await.expect("it syncs");
                synced.set(synced.get() + 1);
                host.sleep(MS).await;
            }
        }
    });
    (node, synced)
}

#[test]
fn a_process_dies_before_its_nth_operation_and_is_back_when_the_fault_is_lifted() {
    let world = World::new(Tape::new(1));
    let (node, synced) = syncing(&world);
    run_for(&world, 20 * MS);
    let before = synced.get();
    let crash = CrashKind::Process;
    let doom = Fault::CrashAt { operation: OperationKind::DiskSync, nth: 3, crash };
    let doomed = world.inject(&doom, &[node]);
    assert!(world.is_up(node));
    run_for(&world, 50 * MS);
    assert!(!world.is_up(node));
    assert_eq!(synced.get(), before + 2);
    drop(doomed);
    assert!(world.is_up(node) && world.crashes_armed() == 0);
    // Lifted in time it has no effect, and a tester's own is left.
    world.crash_at(Some(node), OperationKind::DiskSync, 1_000, crash);
    drop(world.inject(&doom, &[node]));
    run_for(&world, 50 * MS);
    assert!(world.is_up(node) && world.crashes_armed() == 1);
}

/// The milliseconds in which machines heard something of each other machine, summed up.
type Heard = Rc<RefCell<Vec<(HostId, HostId)>>>;

#[test]
fn who_is_parted_from_one_machine_reaches_all_others() {
    let world = World::new(Tape::new(1));
    let nodes = ["a", "b", "c"].map(|it| world.add_host(it, "zone"));
    let heard = Heard::default();
    for &node in &nodes {
        let heard = Rc::clone(&heard);
        world.boot(node, move |host: Host| {
            let heard = Rc::clone(&heard);
            async move {
                loop {
                    let (from, _) = host.receive().await;
                    heard.borrow_mut().push((from, host.id()));
                }
            }
        });
    }
    run_for(&world, MS);
    let parted = world.inject(&Fault::Parted { from: 3 }, &nodes[..1]);
    let all_send = |world: &World| {
        for &from in &nodes {
            for &to in nodes.iter().filter(|it| **it != from) {
                world.host(from).send(to, Bytes::from_static(b"hello"));
            }
        }
        run_for(world, 50 * MS);
        let mut pairs = heard.take();
        pairs.sort_unstable();
        pairs
    };
    let [a, b, c] = nodes;
    // The third of two others, counted over, is the second.
    assert_eq!(all_send(&world), [(a, b), (b, a), (b, c), (c, b)]);
    parted.lift();
    assert_eq!(all_send(&world).len(), 6);
}

#[test]
fn a_narrow_link_takes_its_time() {
    let took_ms = |narrow: bool| {
        let world = World::new(Tape::new(1));
        let (from, to) = (idle_node(&world, "a", "zone"), idle_node(&world, "b", "zone"));
        let settings = LinkSettings { bytes_per_s: Some(10_000), ..LinkSettings::default() };
        let fault = narrow.then(|| world.inject(&Fault::Links(settings), &[from]));
        let (sender, receiver) = (world.host(from), world.host(to));
        let sending = async move {
            for _ in 0..10 {
                sender.send(to, Bytes::from(vec![7; 100]));
            }
            for _ in 0..10 {
                receiver.receive().await;
            }
        };
        world.run(LIMIT_NS, sending).expect("all arrive");
        drop(fault);
        world.now_ns() / MS
    };
    assert_eq!(took_ms(false), 0);
    assert_eq!(took_ms(true), 100, "a thousand bytes at ten thousand a second");
}

#[test]
fn streams_are_reset_at_both_ends() {
    let world = World::new(Tape::new(1));
    let node = idle_node(&world, "node", "zone");
    let (driver, inner, server) = (world.driver(), world.clone(), world.host(node));
    let ends = world.run(LIMIT_NS, async move {
        let listener = server.listen(80).expect("the port is free");
        let mut here = driver.connect(node, 80).await.expect("somebody listens");
        let mut there = listener.accept().await;
        drop(inner.inject(&Fault::ResetStreams, &[node]));
        let ends = (here.read(&mut [0]).await, there.read(&mut [0]).await);
        [ends.0, ends.1].map(|it| it.err().map(|it| it.kind()))
    });
    let reset = Some(std::io::ErrorKind::ConnectionReset);
    assert_eq!(ends.expect("both hear of it"), [reset, reset]);
}

#[test]
fn a_clock_that_lies_names_a_bound_that_does_not_hold() {
    let world = World::new(Tape::new(1));
    let node = idle_node(&world, "node", "zone");
    let host = world.host(node);
    let right_ms = || world.driver().wall_ms();
    let holds = || {
        let (earliest_ms, latest_ms) = host.wall_interval_ms();
        (earliest_ms..=latest_ms).contains(&right_ms())
    };
    let wrong = world.inject(&Fault::ClockOffset { by_ns: 5_000 * MS as i64 }, &[node]);
    assert!(holds(), "it knows how wrong it is");
    let lying = world.inject(&Fault::LyingClock { bound_ms: 100 }, &[node]);
    let lying_more = world.inject(&Fault::LyingClock { bound_ms: 300 }, &[node]);
    assert!(!holds());
    let (earliest_ms, latest_ms) = host.wall_interval_ms();
    assert!(latest_ms - earliest_ms <= 201, "the narrowest of two counts");
    lying.lift();
    assert!(!holds());
    lying_more.lift();
    assert!(holds());
    drop(wrong);
    assert!(holds());
}
