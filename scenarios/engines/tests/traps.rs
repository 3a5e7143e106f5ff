//! What other people's engines are known to trip over, each in a small world of its own.

use std::cell::{Cell, RefCell};
use std::process::Command;
use std::rc::Rc;

use bytes::Bytes;
use stillpoint_engines::Engine;
use stillpoint_sim::{Host, HostId, Tape, World};

const MS: u64 = 1_000_000;

/// A world with two machines, `a` and `b`, that are up and do nothing by themselves.
fn two() -> (World, HostId, HostId) {
    let world = World::new(Tape::new(1));
    let add = |name| {
        let host = world.add_host(name, "zone-a");
        world.boot(host, |_| std::future::pending());
        host
    };
    let (a, b) = (add("a"), add("b"));
    (world, a, b)
}

fn run(engine: Engine, world: &World, driver: impl Future<Output = ()> + 'static) {
    engine.run(1, world, 1_000 * MS, Box::pin(driver)).expect("the driver ends");
}

/// Counts what arrives at a machine, in a task of its own.
fn count_arrivals(host: &Host) -> Rc<Cell<u64>> {
    let arrivals: Rc<Cell<u64>> = Rc::default();
    let (counting, listening) = (Rc::clone(&arrivals), host.clone());
    host.spawn("count", async move {
        loop {
            listening.receive().await;
            counting.set(counting.get() + 1);
        }
    });
    arrivals
}

/// madsim's endpoint passes a thousand messages a second and receiver; turmoil's socket drops what
/// comes after 64.
#[test]
fn a_burst_of_datagrams_arrives_whole_and_soon() {
    const BURST: u64 = 5_000;
    for &engine in Engine::ALL {
        let (world, a, b) = two();
        let (from, driver) = (world.host(a), world.driver());
        let arrivals = count_arrivals(&world.host(b));
        let counted = Rc::clone(&arrivals);
        run(engine, &world, async move {
            (0..BURST).for_each(|_| from.send(b, Bytes::from_static(&[0; 100])));
            driver.sleep(60 * MS).await;
        });
        assert_eq!(counted.get(), BURST, "{engine}");
    }
}

/// Both engines round every sleep to a millisecond or more.
#[test]
fn a_disk_is_faster_than_the_engines_clock() {
    for &engine in Engine::ALL {
        let (world, a, _) = two();
        let (node, driver) = (world.host(a), world.driver());
        let took_ns: Rc<Cell<u64>> = Rc::default();
        let measured = Rc::clone(&took_ns);
        run(engine, &world, async move {
            let file = node.disk().create("log").await.expect("disks work here");
            let begun_ns = node.now_ns();
            for _ in 0..10 {
                file.append(Bytes::from_static(b"entry")).await.expect("disks work here");
                file.sync().await.expect("disks work here");
            }
            measured.set(node.now_ns() - begun_ns);
            driver.sleep(0).await;
        });
        // Twenty operations: on an engine's own clock, twenty milliseconds.
        assert!(took_ns.get() > 0, "{engine}: it takes time");
        assert!(took_ns.get() < 10 * MS, "{engine}: {} ns", took_ns.get());
    }
}

/// A block of the world is the engine's: what is sent does not even get to the world's own door.
#[test]
fn a_way_that_is_blocked_is_shut_in_one_direction_by_the_engine() {
    for &engine in &Engine::ALL[1..] {
        let (world, a, b) = two();
        let (host_a, host_b, driver) = (world.host(a), world.host(b), world.driver());
        let (at_a, at_b) = (count_arrivals(&host_a), count_arrivals(&host_b));
        let seen: Rc<RefCell<Vec<(u64, u64)>>> = Rc::default();
        let (seeing, acting) = (Rc::clone(&seen), world.clone());
        run(engine, &world, async move {
            acting.block(a, b);
            for open in [false, true] {
                if open {
                    acting.unblock(a, b);
                }
                host_a.send(b, Bytes::from_static(b"forth"));
                host_b.send(a, Bytes::from_static(b"back"));
                driver.sleep(30 * MS).await;
                seeing.borrow_mut().push((at_a.get(), at_b.get()));
            }
            drop(acting);
        });
        assert_eq!(*seen.borrow(), [(1, 0), (2, 1)], "{engine}");
        assert_eq!(world.fault_counts().get("net.blocked"), None, "{engine}");
    }
}

/// turmoil walks all pairs of machines for each machine, every millisecond.
#[cfg(feature = "turmoil")]
#[test]
#[should_panic(expected = "at most 30 machines")]
fn turmoil_is_not_given_more_machines_than_it_can_bear() {
    let world = World::new(Tape::new(1));
    for it in 0..30 {
        world.add_host(&format!("node-{it}"), "zone-a");
    }
    run(Engine::Turmoil, &world, async {});
}

/// Flags in the environment replace those that a configuration file sets; madsim would quietly be
/// something else.
#[test]
fn without_its_flag_madsim_is_refused_with_what_to_do() {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src/lib.rs");
    let mut rustc = Command::new("rustc");
    rustc.args(["--edition=2024", "--crate-type=lib", "--emit=metadata", "-o", "/dev/null"]);
    let refused = rustc.args(["--cfg", "feature=\"madsim\"", source]).output();
    let said = refused.expect("rustc runs, or this test would not").stderr;
    let said = String::from_utf8_lossy(&said);
    assert!(said.contains("build with `ci/engines`"), "{said}");
}
