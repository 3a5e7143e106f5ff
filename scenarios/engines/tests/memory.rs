//! Memory that an engine keeps. Alone in its process, as the process is what is measured.
#![cfg(all(feature = "madsim", madsim))]

use bytes::Bytes;
use std::cell::Cell;
use std::rc::Rc;
use stillpoint_engines::Engine;
use stillpoint_sim::{Tape, World};

/// Memory of this process in KiB.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:")).expect("it tells this");
    line.trim().trim_end_matches(" kB").parse().expect("it is a number")
}

/// madsim keeps 160 bytes of every task there ever was, and each datagram is one, unless somebody
/// asks how many tasks there are.
#[test]
fn datagrams_leave_nothing_behind_on_madsim() {
    const ROUNDS: u64 = 100;
    let world = World::new(Tape::new(1));
    let echo = world.add_host("echo", "zone-a");
    world.boot(echo, |host| async move {
        loop {
            let (from, message) = host.receive().await;
            host.send(from, message);
        }
    });
    let driver = world.driver();
    let grown_kib: Rc<Cell<u64>> = Rc::default();
    let growing = Rc::clone(&grown_kib);
    let sending = async move {
        let mut settled_kib = 0;
        for round in 0..ROUNDS {
            for _ in 0..2_000 {
                driver.send(echo, Bytes::from_static(b"hello"));
            }
            for _ in 0..2_000 {
                driver.receive().await;
            }
            if round == ROUNDS / 5 {
                settled_kib = resident_kib();
            }
        }
        growing.set(resident_kib().saturating_sub(settled_kib));
    };
    Engine::Madsim.run(1, &world, 600_000_000_000, Box::pin(sending)).expect("it ends");
    // 320,000 datagrams after the memory has settled: 50 MiB if they were kept.
    assert!(grown_kib.get() < 10 << 10, "{} KiB", grown_kib.get());
}
