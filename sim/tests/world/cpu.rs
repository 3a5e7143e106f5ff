//! A processor does one thing at a time, and the background waits.

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use stillpoint_sim::{BACKGROUND_SLICE_NS, HostId, NetSettings, Tape, World};

use crate::{LIMIT_NS, idle_node, world_with_node};

/// Has a host do pieces of work that are asked for at once, and says when each was done.
fn done_at_ns(world: &World, node: HostId, costs_ns: &[(u64, bool)]) -> Vec<u64> {
    let done = Rc::new(RefCell::new(vec![0; costs_ns.len()]));
    let host = world.host(node);
    for (place, &(cost_ns, background)) in costs_ns.iter().enumerate() {
        let (host, done) = (host.clone(), Rc::clone(&done));
        let begun_ns = world.now_ns();
        host.clone().spawn("work", async move {
            match background {
                true => host.work_in_background(cost_ns).await,
                false => host.work(cost_ns).await,
            }
            done.borrow_mut()[place] = host.now_ns() - begun_ns;
        });
    }
    let (base_ns, driver) = (host.now_ns() - world.now_ns(), world.driver());
    world.run(LIMIT_NS, async move { driver.sleep(1_000_000_000).await }).expect("it ends");
    done.borrow().iter().map(|it| it - base_ns).collect()
}

#[test]
fn work_queues_and_a_slow_processor_takes_longer() {
    let (world, node) = world_with_node(1);
    let mut done = done_at_ns(&world, node, &[(1_000, false), (1_000, false), (1_000, false)]);
    done.sort_unstable();
    assert_eq!(done, [1_000, 2_000, 3_000]);
    assert_eq!(world.cpu_busy_ns(node), 3_000);
    world.set_cpu_slowdown(node, 7);
    assert_eq!(done_at_ns(&world, node, &[(1_000, false), (0, false)]), [7_000, 0]);
    assert_eq!(world.cpu_busy_ns(node), 10_000);
}

#[test]
fn the_background_runs_when_nobody_else_does_and_loses_nothing() {
    let (world, node) = world_with_node(2);
    let costs = [(3 * BACKGROUND_SLICE_NS + 5, true), (100_000, false), (100_000, false)];
    let done = done_at_ns(&world, node, &costs);
    // At most one slice was begun before the foreground came.
    assert!(done[1].max(done[2]) <= 200_000 + BACKGROUND_SLICE_NS, "{done:?}");
    assert_eq!(done[0], 200_000 + costs[0].0, "all of it, behind all others");
}

#[test]
fn a_crash_ends_what_was_queued() {
    let (world, node) = world_with_node(3);
    drop(world.host(node).work(u64::MAX / 4));
    world.crash(node);
    world.restart(node);
    assert_eq!(world.cpu_busy_ns(node), 0);
    assert_eq!(done_at_ns(&world, node, &[(50, false)]), [50]);
}

#[test]
fn a_link_sends_one_datagram_after_the_other() {
    let (world, node) = world_with_node(4);
    let same_zone_ns = 100_000..100_001;
    let cross_zone_ns = same_zone_ns.clone();
    let egress_bytes_per_s = 1_000_000;
    world.set_net(NetSettings {
        same_zone_ns: same_zone_ns.into(),
        cross_zone_ns: cross_zone_ns.into(),
        egress_bytes_per_s,
        ..NetSettings::default()
    });
    let (driver, receiver) = (world.driver(), world.host(node));
    let sent = Bytes::from(vec![0; 500]);
    let arrived = world.run(LIMIT_NS, async move {
        let begun_ns = receiver.now_ns();
        driver.send(node, sent.clone());
        driver.send(node, sent.clone());
        receiver.receive().await;
        let first_ns = receiver.now_ns() - begun_ns;
        receiver.receive().await;
        (first_ns, receiver.now_ns() - begun_ns)
    });
    // 500 bytes take half a millisecond at a megabyte per second.
    assert_eq!(arrived, Ok((600_000, 1_100_000)));
}

/// Two worlds, one of which sends a datagram more: with draws by instant all others arrive as if
/// it had not been sent.
#[test]
fn draws_by_instant_are_not_shifted_by_one_that_is_added() {
    let arrivals = |more: bool, by_instant: bool| {
        let world = World::new(Tape::new(5));
        if by_instant {
            world.draw_by_instant();
        }
        let node = idle_node(&world, "node", "zone-a");
        let (driver, receiver) = (world.driver(), world.host(node));
        let sending = async move {
            for n in 0..50u8 {
                driver.send(node, Bytes::copy_from_slice(&[n]));
                driver.sleep(1_000).await;
                if more && n == 10 {
                    driver.send(HostId::DRIVER, Bytes::new());
                }
                driver.sleep(1_000).await;
            }
        };
        let receiving = async move {
            let mut arrived = Vec::new();
            while arrived.len() < 50 {
                let (_, message) = receiver.receive().await;
                arrived.push((message[0], receiver.now_ns()));
            }
            arrived
        };
        world.driver().spawn("sending", sending);
        world.run(LIMIT_NS, receiving).expect("it ends")
    };
    assert_eq!(arrivals(false, true), arrivals(true, true));
    assert_ne!(arrivals(false, false), arrivals(true, false));
    let distinct: std::collections::BTreeSet<u64> =
        arrivals(false, true).windows(2).map(|it| it[1].1 - it[0].1).collect();
    assert!(distinct.len() > 10, "the dice still differ from one another");
}
