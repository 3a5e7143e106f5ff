//! Datagrams arrive late, out of order, twice or never, and partitions are directional.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::task::Poll;

use bytes::Bytes;
use stillpoint_sim::{Host, HostId, NetSettings, World};

use crate::{LIMIT_NS, fault, idle_node, world_with_node};

/// Sends numbers from one host to another and gives those that arrived within a second.
fn numbers_through(world: &World, from: HostId, to: HostId, numbers: u8) -> Vec<u8> {
    let (sender, receiver) = (world.host(from), world.host(to));
    let driver = world.driver();
    let run = async move {
        (0..numbers).for_each(|it| sender.send(to, Bytes::copy_from_slice(&[it])));
        driver.sleep(1_000_000_000).await;
        let mut arrived = Vec::new();
        poll_fn(|context| {
            while let Poll::Ready((_, message)) = receiver.poll_receive(context) {
                arrived.push(message[0]);
            }
            Poll::Ready(())
        })
        .await;
        arrived
    };
    world.run(LIMIT_NS, run).expect("it ends")
}

#[test]
fn without_faults_all_arrive_but_not_in_order() {
    let (world, node) = world_with_node(1);
    let mut arrived = numbers_through(&world, HostId::DRIVER, node, 100);
    assert!(!arrived.is_sorted());
    arrived.sort_unstable();
    assert_eq!(arrived, (0..100).collect::<Vec<u8>>());
    assert!(world.fault_counts().is_empty());
}

#[test]
fn loss_and_duplication_are_what_the_counts_say() {
    let (world, node) = world_with_node(2);
    world.set_net(NetSettings {
        loss_per_million: 200_000,
        duplicate_per_million: 200_000,
        slow_per_mille: 100,
        ..NetSettings::default()
    });
    let arrived = numbers_through(&world, HostId::DRIVER, node, 250);
    let distinct: BTreeSet<u8> = arrived.iter().copied().collect();
    assert_eq!(250 - distinct.len() as u64, fault(&world, "net.lost"));
    assert_eq!((arrived.len() - distinct.len()) as u64, fault(&world, "net.duplicated"));
    assert!(fault(&world, "net.lost") > 20 && fault(&world, "net.duplicated") > 20);
    assert!(fault(&world, "net.slow") > 5);
}

/// The latencies of many datagrams, in nanoseconds.
async fn latencies(from: Host, to: Host) -> BTreeSet<u64> {
    let mut latencies = BTreeSet::new();
    for _ in 0..300 {
        let sent_ns = from.now_ns();
        from.send(to.id(), Bytes::new());
        to.receive().await;
        latencies.insert(from.now_ns() - sent_ns);
    }
    latencies
}

#[test]
fn latency_depends_on_the_zones() {
    let (world, node) = world_with_node(3);
    let near = idle_node(&world, "near", "zone-a");
    let far = idle_node(&world, "far", "zone-b");
    for (to, low, high) in
        [(node, 5_000, 15_000), (near, 80_000, 250_000), (far, 300_000, 1_200_000)]
    {
        let run = latencies(world.host(node), world.host(to));
        let seen = world.run(LIMIT_NS, run).expect("it ends");
        assert!(seen.len() > 200, "latencies vary");
        assert!(seen.iter().all(|it| (low..high).contains(it)), "{to}: {seen:?}");
    }
}

#[test]
fn slow_datagrams_take_ten_times_as_long() {
    let (world, node) = world_with_node(7);
    world.set_net(NetSettings { slow_per_mille: 1_000, ..NetSettings::default() });
    let run = latencies(world.host(node), world.host(node));
    let seen = world.run(LIMIT_NS, run).expect("it ends");
    assert!(seen.iter().all(|it| (50_000..150_000).contains(it)), "{seen:?}");
    assert_eq!(fault(&world, "net.slow"), 300);
}

#[test]
fn every_receiver_is_woken() {
    let (world, node) = world_with_node(8);
    let (receiver, driver) = (world.host(node), world.driver());
    for name in ["first", "second"] {
        let host = receiver.clone();
        receiver.spawn(name, async move {
            host.receive().await;
            host.point("received", 0);
        });
    }
    let run = async move {
        driver.sleep(1_000).await;
        driver.send(node, Bytes::new());
        driver.send(node, Bytes::new());
        driver.sleep(1_000_000_000).await;
    };
    world.run(LIMIT_NS, run).expect("it ends");
    assert_eq!(world.point_counts()["received"], 2);
}

#[test]
fn a_block_has_one_direction() {
    let (world, node) = world_with_node(4);
    world.block(HostId::DRIVER, node);
    assert_eq!(numbers_through(&world, HostId::DRIVER, node, 3), [0_u8; 0]);
    assert_eq!(numbers_through(&world, node, HostId::DRIVER, 3).len(), 3);
    assert_eq!(fault(&world, "net.blocked"), 3);
    world.unblock(HostId::DRIVER, node);
    assert_eq!(numbers_through(&world, HostId::DRIVER, node, 3).len(), 3);
}

#[test]
fn a_partition_stops_what_is_under_way() {
    let (world, node) = world_with_node(5);
    world.driver().send(node, Bytes::from_static(b"!"));
    world.isolate(node);
    assert_eq!(numbers_through(&world, node, HostId::DRIVER, 2), [0_u8; 0]);
    assert_eq!(fault(&world, "net.blocked"), 3);
    world.heal_all();
    assert_eq!(numbers_through(&world, node, HostId::DRIVER, 2).len(), 2);
}

#[test]
fn a_partition_can_be_partial() {
    let (world, a) = world_with_node(6);
    let (b, c) = (idle_node(&world, "b", "zone-a"), idle_node(&world, "c", "zone-a"));
    world.partition(&[a], &[c]);
    for (from, to, arrive) in [(a, b, 1), (b, c, 1), (a, c, 0), (c, a, 0)] {
        assert_eq!(numbers_through(&world, from, to, 1).len(), arrive, "{from} to {to}");
    }
}
