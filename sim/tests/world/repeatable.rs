//! The same tape gives the same run; every event and every decision counts.

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use stillpoint_sim::{EventRecord, NetSettings, ObjectSettings, Override, Tape, World, rehash};

use crate::LIMIT_NS;

/// A world in which a bit of everything happens: datagrams with faults, files, objects,
/// power loss, a panic.
fn busy_world(tape: Tape, record: bool) -> World {
    let world = World::new(tape);
    world.record_events(record);
    world.record_decisions(record);
    world.set_net(NetSettings {
        slow_per_mille: 20,
        loss_per_million: 20_000,
        duplicate_per_million: 20_000,
        ..NetSettings::default()
    });
    world.set_objects(ObjectSettings { timeout_per_mille: 100, ..ObjectSettings::default() });
    let node = world.add_host("node-1", "zone-a");
    world.boot(node, |host| async move {
        let log = match host.disk().create("log").await {
            Ok(log) => log,
            Err(_) => host.disk().open("log").await.expect("it is there"),
        };
        for turn in 0.. {
            let (from, message) = host.receive().await;
            log.append(message.clone()).await.expect("disks work here");
            host.objects().put("copy", message.clone()).await.ok();
            host.send(from, message);
            host.point("answered", turn);
            assert!(turn < 17, "turn {turn} is one too many");
        }
    });
    let driver = world.driver();
    let handle = world.clone();
    let drive = async move {
        for turn in 0..120u8 {
            driver.send(node, Bytes::copy_from_slice(&[turn; 20]));
            driver.sleep(100_000_000).await;
            if turn % 20 == 19 {
                handle.power_loss(node);
                handle.restart(node);
            }
        }
    };
    world.run(LIMIT_NS, drive).expect("the driver comes to its end");
    world
}

#[test]
fn a_busy_world_has_seen_every_kind_of_fault() {
    let world = busy_world(Tape::new(1), false);
    let faults: Vec<_> = world.fault_counts().into_keys().collect();
    for expected in ["net.lost", "net.duplicated", "object.timeout", "power.loss", "process.panic"]
    {
        assert!(faults.contains(&expected), "{expected} is not in {faults:?}");
    }
}

#[test]
fn same_seed_same_hash_and_another_seed_another() {
    let hashes: Vec<u64> = (0..20).map(|seed| busy_world(Tape::new(seed), false).hash()).collect();
    for (seed, &hash) in hashes.iter().enumerate() {
        assert_eq!(busy_world(Tape::new(seed as u64), true).hash(), hash, "seed {seed}");
        assert_eq!(hashes.iter().filter(|&&it| it == hash).count(), 1, "seed {seed}");
    }
}

#[test]
fn seeds_give_the_same_hashes_on_one_thread_and_on_four() {
    const SEEDS: usize = 64;
    let hash = |seed: usize| busy_world(Tape::new(seed as u64), false).hash();
    let alone: Vec<u64> = (0..SEEDS).map(hash).collect();
    // Each thread begins with another seed, so that different worlds run side by side.
    let from = |first: usize| -> Vec<_> {
        (0..SEEDS).map(|it| (it + first) % SEEDS).map(|seed| (seed, hash(seed))).collect()
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = [0, 16, 32, 48].map(|first| scope.spawn(move || from(first))).into();
        for (seed, hash) in threads.into_iter().flat_map(|it| it.join().expect("it ends")) {
            assert_eq!(hash, alone[seed], "seed {seed}");
        }
    });
}

#[test]
fn recorded_events_have_the_hash_of_the_run() {
    let world = busy_world(Tape::new(5), true);
    assert!(world.events().len() > 500);
    assert_eq!(rehash(&world.events()), world.hash());
}

#[test]
fn the_hash_sees_every_change_of_the_events() {
    let world = busy_world(Tape::new(5), true);
    let change = |change: &dyn Fn(&mut Vec<EventRecord>)| {
        let mut events = world.events();
        change(&mut events);
        rehash(&events)
    };
    let middle = world.events().len() / 2;
    let mut hashes = vec![
        world.hash(),
        change(&|it| it.swap(middle, middle + 1)),
        change(&|it| it[middle].time_ns += 1),
        change(&|it| it[middle].kind = "another"),
        change(&|it| it[middle].actor.push('x')),
        change(&|it| drop(it.remove(middle))),
        change(&|it| {
            let at = it.iter().position(|it| it.kind == "net.deliver").expect("there are some");
            let mut payload = it[at].payload.to_vec();
            payload[19] ^= 1;
            it[at].payload = payload.into();
        }),
    ];
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), 7);
}

#[test]
fn a_transcript_shows_payloads_in_words() {
    let world = busy_world(Tape::new(5), true);
    world.describe_payloads(|kind, payload| match kind {
        "net.deliver" => format!("message {}", payload[0]),
        _ => String::new(),
    });
    let transcript = world.transcript();
    let expected = " driver>node-1 net.deliver message 1";
    assert!(transcript.lines().any(|it| it.ends_with(expected)), "{transcript}");
    assert_eq!(transcript.lines().count(), world.events().len());
}

/// The decisions of a run under one name.
fn decisions_of(world: &World, name: &str) -> Vec<Override> {
    world.decisions().into_iter().filter(|it| it.name == name).collect()
}

#[test]
fn every_decision_follows_from_seed_name_and_number() {
    let tape = Tape::new(11);
    let world = busy_world(tape.clone(), true);
    let decisions = world.decisions();
    assert!(decisions.len() > 500);
    for it in &decisions {
        assert_eq!(tape.decision(&it.name, it.n), it.value, "{} draw {}", it.name, it.n);
    }
    let latencies = decisions_of(&world, "driver/net.latency");
    assert!(latencies.iter().enumerate().all(|(n, it)| it.n == n as u64));
}

#[test]
fn a_draw_under_another_name_shifts_nothing() {
    let draw = |disturb: bool| {
        let world = World::new(Tape::new(1));
        let dice = world.dice("client-1/workload");
        let draws: Vec<u64> = (0..50)
            .map(|_| {
                if disturb {
                    world.dice("client-2/workload").raw();
                    world.driver().dice("workload").raw();
                }
                dice.raw()
            })
            .collect();
        draws
    };
    assert_eq!(draw(false), draw(true));
}

#[test]
fn loss_shifts_no_latency() {
    let latencies = |loss_per_million| {
        let (world, node) = crate::world_with_node(4);
        world.set_net(NetSettings { loss_per_million, ..NetSettings::default() });
        world.record_decisions(true);
        for _ in 0..100 {
            world.driver().send(node, Bytes::new());
        }
        (decisions_of(&world, "driver/net.latency"), world.fault_counts().get("net.lost").copied())
    };
    let (without, lost) = latencies(0);
    assert_eq!((without.len(), lost), (100, None));
    let (with, lost) = latencies(500_000);
    assert_eq!(with, without);
    assert!((30..70).contains(&lost.expect("half are lost")));
}

#[test]
fn an_override_changes_exactly_its_draw() {
    let name = "client-1/workload".to_string();
    let draws = |tape: Tape| {
        let world = World::new(tape);
        let dice = world.dice("client-1/workload");
        let draws: Vec<u64> = (0..20).map(|_| dice.raw()).collect();
        (draws, world.overrides_matched())
    };
    let (mut expected, matched) = draws(Tape::new(9));
    assert_eq!(matched, 0);
    let unused = Override { name: "nobody/nothing".into(), n: 0, value: 1 };
    let overrides = vec![Override { name, n: 7, value: 42 }, unused];
    let (overridden, matched) = draws(Tape { overrides, ..Tape::new(9) });
    expected[7] = 42;
    assert_eq!((overridden, matched), (expected, 1));
}

#[test]
fn a_run_replays_from_its_own_decisions_under_another_seed() {
    let original = busy_world(Tape::new(21), true);
    let overrides = original.decisions();
    // Draws before recording began are not in the list: the clock bases of two hosts,
    // which nothing in this run looks at.
    let replay = busy_world(Tape { overrides, ..Tape::new(22) }, false);
    assert_eq!(replay.hash(), original.hash());
}

/// Which of two tasks that wake at the same instant runs first.
fn first_of_two(tape: Tape) -> &'static str {
    let world = World::new(tape);
    let order = Rc::new(RefCell::new(Vec::new()));
    for name in ["left", "right"] {
        let (driver, order) = (world.driver(), order.clone());
        world.driver().spawn(name, async move {
            driver.sleep(1_000).await;
            order.borrow_mut().push(name);
        });
    }
    let driver = world.driver();
    world.run(LIMIT_NS, async move { driver.sleep(2_000).await }).expect("it ends");
    let order = order.borrow();
    assert_eq!(order.len(), 2);
    order[0]
}

#[test]
fn dice_decide_which_ready_task_runs_first() {
    let left_first = (0..200).filter(|&seed| first_of_two(Tape::new(seed)) == "left").count();
    assert!((60..140).contains(&left_first), "{left_first} of 200");
}

#[test]
fn zeros_run_tasks_in_the_order_they_were_woken() {
    for seed in 0..20 {
        let draw = |task: &str, n, value| {
            let name = format!("driver/schedule.{task}");
            Override { name, n, value }
        };
        // Draw 0 is taken at the spawn, draw 1 when the sleep is over.
        let tasks = [("left", 0), ("right", 0), ("left", 1), ("right", 1)];
        let zeros = tasks.map(|(task, n)| draw(task, n, 0)).to_vec();
        assert_eq!(first_of_two(Tape { overrides: zeros, ..Tape::new(seed) }), "left");
        let last = vec![draw("left", 1, u64::MAX)];
        assert_eq!(first_of_two(Tape { overrides: last, ..Tape::new(seed) }), "right");
    }
}
