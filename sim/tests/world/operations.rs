//! Crashes that fall on one operation exactly; pauses, racks, and other programs at a restart.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::rc::Rc;

use bytes::Bytes;
use stillpoint_sim::{CrashKind, Host, HostId, OperationKind, RunError, Tape, World};

use crate::{LIMIT_NS, fault, idle_node, world_with_node};

const MS: u64 = 1_000_000;

fn pass(world: &World, ns: u64) {
    let driver = world.driver();
    world.run(LIMIT_NS, async move { driver.sleep(ns).await }).expect("it ends");
}

/// Does one operation of most kinds after the other, for ever; says how often it came around.
async fn busy(host: Host, rounds: Rc<Cell<u64>>) {
    let disk = host.disk();
    let file = disk.create("file").await.expect("a new disk has room");
    loop {
        file.append(Bytes::from_static(b"x")).await.expect("there is room");
        file.sync().await.expect("a healthy disk");
        host.send(HostId::DRIVER, Bytes::new());
        host.objects().put("key", Bytes::new()).await.expect("no faults are on");
        host.point("round", rounds.get());
        rounds.set(rounds.get() + 1);
    }
}

fn busy_world(seed: u64) -> (World, HostId, Rc<Cell<u64>>) {
    let world = World::new(Tape::new(seed));
    let node = world.add_host("node-1", "zone-a");
    let rounds = Rc::new(Cell::new(0));
    let count = rounds.clone();
    world.boot(node, move |host| busy(host, count.clone()));
    (world, node, rounds)
}

#[test]
fn a_crash_falls_before_or_after_exactly_one_operation() {
    use OperationKind::{
        Any, DatagramSent, Disk, DiskName, DiskSync, DiskWrite, ObjectEffect, ObjectRequest, Point,
    };
    // Each round is a write, a sync, a datagram, a request and its effect, and a point.
    for kind in [DiskWrite, DiskSync, DatagramSent, ObjectRequest, ObjectEffect, Point] {
        for (after, survived) in [(false, 4), (true, 5)] {
            let (world, node, rounds) = busy_world(1);
            world.count_operations(true);
            match after {
                false => world.crash_at(Some(node), kind, 5, CrashKind::Process),
                true => world.crash_after(Some(node), kind, 5, CrashKind::Process),
            }
            pass(&world, 1_000 * MS);
            assert!(!world.is_up(node) && world.crashes_armed() == 0, "{kind:?}");
            let whole = if kind == Point && after { 5 } else { 4 };
            assert!((4..=whole + 1).contains(&rounds.get()), "{kind:?}: {}", rounds.get());
            assert_eq!(world.operation_counts()[&(node, kind)], 5, "the fatal one counts");
            let took_effect = match kind {
                DatagramSent => world.driver_mail(),
                Point => world.point_counts().get("round").copied().unwrap_or(0),
                _ => continue,
            };
            assert_eq!(took_effect, survived, "{kind:?}, after: {after}");
        }
    }
    for (kind, nth) in [(DiskName, 1), (Disk, 9), (Any, 23)] {
        let (world, node, _) = busy_world(2);
        world.count_operations(true);
        world.crash_at(None, kind, nth, CrashKind::Power);
        pass(&world, 1_000 * MS);
        assert!(!world.is_up(node) && fault(&world, "power.loss") == 1, "{kind:?}");
        let counts = world.operation_counts();
        let all: u64 = counts.iter().filter(|it| it.0.0 == node).map(|it| it.1).sum();
        assert!(kind != Any || all == nth);
    }
}

/// Counts what has come to the driver.
trait DriverMail {
    fn driver_mail(&self) -> u64;
}

impl DriverMail for World {
    fn driver_mail(&self) -> u64 {
        let driver = self.driver();
        let count = async move {
            let mut count = 0;
            std::future::poll_fn(|context| {
                while driver.poll_receive(context).is_ready() {
                    count += 1;
                }
                std::task::Poll::Ready(())
            })
            .await;
            count
        };
        self.run(LIMIT_NS, count).expect("it ends")
    }
}

#[test]
fn a_crash_falls_on_a_delivery_and_on_a_segment() {
    let (world, node) = world_with_node(3);
    world.crash_at(Some(node), OperationKind::DatagramDelivered, 2, CrashKind::Process);
    (0..3).for_each(|_| world.driver().send(node, Bytes::new()));
    pass(&world, 10 * MS);
    assert!(!world.is_up(node));
    assert_eq!(fault(&world, "net.host_down"), 2, "the fatal one and the one after it");
    world.restart(node);
    world.crash_at(Some(node), OperationKind::StreamSegment, 2, CrashKind::Power);
    let inner = world.clone();
    let run = async move {
        let listener = inner.driver().listen(1).expect("free");
        let mut there = inner.host(node).connect(HostId::DRIVER, 1).await.expect("it listens");
        let mut here = listener.accept().await;
        assert!(inner.is_up(node));
        inner.host(node).spawn("writer", async move {
            there.write_all(b"never sent").await.expect("open");
            pending().await
        });
        here.read(&mut [0]).await
    };
    // The connection was the first segment; nobody ever hears of the second.
    assert_eq!(world.run(LIMIT_NS, run).err(), Some(RunError::Deadlock));
    assert!(!world.is_up(node));
    assert_eq!(fault(&world, "power.loss"), 1);
}

#[test]
fn crashes_that_wait_can_be_taken_back() {
    let (world, node, rounds) = busy_world(4);
    world.crash_at(Some(node), OperationKind::Point, 3, CrashKind::Process);
    world.crash_after(None, OperationKind::Any, 1_000, CrashKind::Power);
    assert_eq!(world.crashes_armed(), 2);
    world.disarm_crashes();
    pass(&world, 1_000 * MS);
    assert!(world.is_up(node) && rounds.get() > 10);
    assert!(world.operation_counts().is_empty(), "nobody asked");
}

/// Counting is looking: the run is the same.
#[test]
fn counting_changes_nothing() {
    let hash = |count| {
        let (world, _, _) = busy_world(5);
        world.count_operations(count);
        pass(&world, 500 * MS);
        (world.hash(), world.operation_counts().is_empty())
    };
    let (silent, counted) = (hash(false), hash(true));
    assert_eq!(silent.0, counted.0);
    assert!(silent.1 && !counted.1);
}

#[test]
fn a_paused_process_does_nothing_and_loses_nothing() {
    let (world, node) = world_with_node(6);
    let host = world.host(node);
    let seen = Rc::new(RefCell::new(Vec::new()));
    let log = seen.clone();
    let reader = host.clone();
    host.spawn("reader", async move {
        loop {
            let (_, message) = reader.receive().await;
            log.borrow_mut().push(message[0]);
        }
    });
    let (log, sleeper) = (seen.clone(), host.clone());
    host.spawn("sleeper", async move {
        let file = sleeper.disk().create("file").await.expect("room");
        sleeper.sleep(5 * MS).await;
        file.append(Bytes::from_static(b"x")).await.expect("room");
        log.borrow_mut().push(100);
    });
    pass(&world, MS);
    let (before_ns, before_ms) = (host.now_ns(), host.wall_ms());
    world.pause(node);
    world.driver().send(node, Bytes::from_static(&[1]));
    pass(&world, 100 * MS);
    assert!(seen.borrow().is_empty() && world.is_up(node));
    assert_eq!(host.now_ns() - before_ns, 100 * MS);
    assert_eq!(host.wall_ms() - before_ms, 100);
    world.resume(node);
    pass(&world, 5 * MS);
    seen.borrow_mut().sort_unstable();
    assert_eq!(*seen.borrow(), [1, 100]);
    world.pause(node);
    world.pause(node);
    assert_eq!(fault(&world, "process.paused"), 2);
    world.crash(node);
    world.restart(node);
    let (echo, driver) = (world.host(node), world.driver());
    host.spawn("dead", pending());
    echo.clone().spawn("echo", async move { echo.send(HostId::DRIVER, Bytes::new()) });
    let heard = world.run(LIMIT_NS, async move { driver.receive().await.0 });
    assert_eq!(heard, Ok(node), "a restart ends the pause");
}

#[test]
fn what_a_paused_process_asked_of_its_disk_happens() {
    let (world, node) = world_with_node(7);
    let host = world.host(node);
    host.clone().spawn("writer", async move {
        host.disk().create("asked").await.expect("room");
    });
    pass(&world, 1);
    world.pause(node);
    pass(&world, 100 * MS);
    assert!(world.peek_file(node, "asked").is_some());
}

#[test]
fn a_rack_and_all_machines_lose_power_together() {
    let world = World::new(Tape::new(8));
    let hosts: Vec<HostId> = [("a", "zone-a", "rack-1"), ("b", "zone-b", "rack-1")]
        .into_iter()
        .map(|(name, zone, rack)| {
            let host = world.add_host_in(name, zone, rack);
            world.boot(host, |_| pending());
            host
        })
        .collect();
    let apart = idle_node(&world, "c", "zone-a");
    world.power_loss_rack("rack-1");
    assert!(hosts.iter().all(|&it| !world.is_up(it)) && world.is_up(apart));
    hosts.iter().for_each(|&it| world.restart(it));
    world.power_loss_all();
    assert!(hosts.iter().all(|&it| !world.is_up(it)) && !world.is_up(apart));
    assert!(world.is_up(HostId::DRIVER));
    assert_eq!(fault(&world, "power.loss"), 5);
}

#[test]
fn a_rolling_restart_changes_the_program_of_one_host_after_the_other() {
    let world = World::new(Tape::new(9));
    let runs = Rc::new(RefCell::new(Vec::new()));
    let program = |version: u8| {
        let runs = runs.clone();
        move |host: Host| {
            runs.borrow_mut().push((host.id(), version));
            pending()
        }
    };
    let hosts: Vec<HostId> = ["a", "b"].iter().map(|it| world.add_host(it, "zone-a")).collect();
    hosts.iter().for_each(|&it| world.boot(it, program(1)));
    pass(&world, MS);
    let inner = world.clone();
    let upgrade = {
        let (hosts, next) = (hosts.clone(), program(2));
        async move {
            let start = |world: &World, host| world.restart_with(host, next.clone());
            inner.rolling_restart(&hosts, (10 * MS, 20 * MS), start).await;
            inner.now_ns()
        }
    };
    let end_ns = world.run(LIMIT_NS, upgrade).expect("it ends");
    assert_eq!(end_ns, 61 * MS);
    let (a, b) = (hosts[0], hosts[1]);
    let mut first: Vec<_> = runs.borrow()[..2].to_vec();
    first.sort_unstable();
    assert_eq!(first, [(a, 1), (b, 1)]);
    assert_eq!(runs.borrow()[2..], [(a, 2), (b, 2)]);
    world.restart(a);
    pass(&world, MS);
    assert_eq!(runs.borrow().last(), Some(&(a, 2)), "the new program is remembered");
}

#[test]
fn what_a_stall_defers_counts_and_kills_when_it_takes_effect() {
    let (world, node) = world_with_node(1);
    world.count_operations(true);
    world.crash_after(Some(node), OperationKind::DiskName, 1, CrashKind::Process);
    let created = world.host(node).disk().create("file");
    world.stall_disk(node, 50 * MS);
    pass(&world, 20 * MS);
    assert!(world.is_up(node) && world.operation_counts().is_empty(), "nothing has happened");
    pass(&world, 40 * MS);
    assert_eq!(world.operation_counts()[&(node, OperationKind::DiskName)], 1);
    assert!(!world.is_up(node) && world.peek_file(node, "file").is_some());
    drop(created);
}
