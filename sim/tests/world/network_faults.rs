//! What the network does to datagrams when it is told to, and that each fault is lifted by
//! itself.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::task::Poll;

use bytes::Bytes;
use stillpoint_sim::{Delay, HostId, LinkSettings, Muted, NetSettings, Tape, World};

use crate::{LIMIT_NS, fault, idle_node, world_with_node};

const MS: u64 = 1_000_000;

/// Sends these payloads at once and gives what arrived within ten seconds: when, in nanoseconds
/// after the sending, and what.
fn through(world: &World, from: HostId, to: HostId, payloads: Vec<Bytes>) -> Vec<(u64, Bytes)> {
    let (sender, receiver, driver) = (world.host(from), world.host(to), world.driver());
    let clock = world.clone();
    let run = async move {
        let sent_ns = clock.now_ns();
        payloads.into_iter().for_each(|it| sender.send(to, it));
        let mut arrived = Vec::new();
        let mut end = std::pin::pin!(driver.sleep(10_000 * MS));
        poll_fn(|context| {
            while let Poll::Ready((_, message)) = receiver.poll_receive(context) {
                arrived.push((clock.now_ns() - sent_ns, message));
            }
            end.as_mut().poll(context)
        })
        .await;
        arrived
    };
    world.run(LIMIT_NS, run).expect("it ends")
}

fn numbered(count: u8) -> Vec<Bytes> {
    (0..count).map(|it| Bytes::copy_from_slice(&[it])).collect()
}

fn passes(world: &World, from: HostId, to: HostId) -> bool {
    !through(world, from, to, numbered(1)).is_empty()
}

#[test]
fn corruption_turns_one_to_eight_bits_over() {
    let (world, node) = world_with_node(1);
    world.set_net(NetSettings { corrupt_per_million: 500_000, ..NetSettings::default() });
    let sent = Bytes::from(vec![0; 40]);
    let arrived = through(&world, HostId::DRIVER, node, vec![sent.clone(); 400]);
    assert_eq!(arrived.len(), 400);
    let mut by_bits: BTreeMap<u32, u64> = BTreeMap::new();
    for (_, message) in arrived.iter().filter(|it| it.1 != sent) {
        assert_eq!(message.len(), sent.len());
        *by_bits.entry(message.iter().map(|it| it.count_ones()).sum()).or_default() += 1;
    }
    assert_eq!(by_bits.keys().copied().collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(by_bits.values().sum::<u64>(), fault(&world, "net.corrupted"));
    let to_itself = through(&world, node, node, vec![sent.clone(); 50]);
    assert!(to_itself.iter().all(|it| it.1 == sent));
}

#[test]
fn a_datagram_that_is_held_back_is_overtaken() {
    let (world, node) = world_with_node(2);
    let exactly = |ns: u64| Delay::Uniform(ns..ns + 1);
    let held = NetSettings {
        cross_zone_ns: exactly(MS),
        reorder_per_million: 300_000,
        reorder_ns: 5 * MS..6 * MS,
        ..NetSettings::default()
    };
    world.set_net(held);
    let arrived = through(&world, HostId::DRIVER, node, numbered(200));
    let late = arrived.iter().filter(|it| it.0 >= 6 * MS).count() as u64;
    assert!(arrived.iter().all(|it| it.0 < 2 * MS || (6 * MS..8 * MS).contains(&it.0)));
    assert_eq!(late, fault(&world, "net.reordered"));
    assert!((30..90).contains(&late), "{late}");
}

#[test]
fn one_direction_of_one_link_behaves_otherwise_until_it_is_lifted() {
    let (world, node) = world_with_node(3);
    let slow = LinkSettings { delay_ns: Some((50 * MS..51 * MS).into()), ..Default::default() };
    let lossy = LinkSettings { loss_per_million: Some(1_000_000), ..Default::default() };
    let usual = |it: Vec<(u64, Bytes)>| it.len() == 9 && it.iter().all(|it| it.0 < 2 * MS);
    let is_slow = |it: Vec<(u64, Bytes)>| it.len() == 9 && it.iter().all(|it| it.0 >= 50 * MS);
    let there = || through(&world, HostId::DRIVER, node, numbered(9));
    let first = world.set_link(HostId::DRIVER, node, slow);
    assert!(is_slow(there()));
    let second = world.set_link(HostId::DRIVER, node, lossy);
    assert_eq!(there(), []);
    assert!(usual(through(&world, node, HostId::DRIVER, numbered(9))));
    let safe = LinkSettings { loss_per_million: Some(0), ..Default::default() };
    let third = world.set_link(HostId::DRIVER, node, safe);
    assert!(is_slow(there()), "the latest counts, value by value");
    world.lift(third);
    world.lift(first);
    assert_eq!(there(), []);
    world.lift(second);
    assert!(usual(there()));
    world.set_link_latency(HostId::DRIVER, node, 50 * MS..51 * MS);
    assert!(is_slow(there()));
    world.clear_link_latency(HostId::DRIVER, node);
    assert!(usual(there()));
}

#[test]
fn a_slow_host_is_slow_both_ways_and_to_nobody_else() {
    let (world, node) = world_with_node(4);
    let other = idle_node(&world, "node-2", "zone-a");
    let slow = world.slow_host(node, 100);
    let took = |from, to| through(&world, from, to, numbered(1))[0].0;
    assert!(took(node, other) >= 8 * MS && took(other, node) >= 8 * MS);
    assert!(took(other, HostId::DRIVER) < 2 * MS);
    world.lift(slow);
    assert!(took(node, other) < MS && took(other, node) < MS);
}

#[test]
fn what_a_host_takes_in_waits_in_line() {
    let (world, node) = world_with_node(5);
    let exactly = Delay::Uniform(MS..MS + 1);
    world.set_net(NetSettings {
        same_zone_ns: exactly.clone(),
        cross_zone_ns: exactly,
        ingress_bytes_per_s: 1_000_000,
        ..NetSettings::default()
    });
    // 1,000 bytes take a millisecond to take in, and next to nothing to send.
    let arrived = through(&world, HostId::DRIVER, node, vec![Bytes::from(vec![0; 1_000]); 5]);
    let ms: Vec<u64> = arrived.iter().map(|it| it.0 / MS).collect();
    assert_eq!(ms, [2, 3, 4, 5, 6]);
}

#[test]
fn a_link_has_a_bandwidth_of_its_own_and_a_queue_that_ends() {
    let (world, node) = world_with_node(6);
    let narrow = LinkSettings { bytes_per_s: Some(1_000_000), ..Default::default() };
    let payloads = || vec![Bytes::from(vec![0; 1_000]); 20];
    let fault_of_link = world.set_link(HostId::DRIVER, node, narrow);
    let last_ns = through(&world, HostId::DRIVER, node, payloads()).last().expect("all").0;
    assert!((20 * MS..22 * MS).contains(&last_ns), "{last_ns}");
    world.set_net(NetSettings { queue_bytes_max: 5_000, ..NetSettings::default() });
    assert_eq!(through(&world, HostId::DRIVER, node, payloads()).len(), 5);
    assert_eq!(fault(&world, "net.queue_full"), 15);
    world.lift(fault_of_link);
    world.set_net(NetSettings {
        queue_bytes_max: 5_000,
        ingress_bytes_per_s: 1_000_000,
        cross_zone_ns: (MS..MS + 1).into(),
        egress_bytes_per_s: 1_000_000_000_000,
        ..NetSettings::default()
    });
    assert_eq!(through(&world, HostId::DRIVER, node, payloads()).len(), 5);
    assert_eq!(fault(&world, "net.queue_full"), 30);
}

#[test]
fn overlapping_blocks_are_lifted_one_by_one() {
    let (world, a) = world_with_node(7);
    let (b, c) = (idle_node(&world, "b", "zone-a"), idle_node(&world, "c", "zone-b"));
    let isolated = world.isolate(a);
    let parted = world.partition(&[a], &[b]);
    world.lift(parted);
    assert!(!passes(&world, a, b), "the isolation goes on");
    let again = world.block(a, c);
    world.lift(isolated);
    world.lift(isolated);
    assert!(passes(&world, a, b) && passes(&world, b, a) && passes(&world, c, a));
    assert!(!passes(&world, a, c));
    world.lift(again);
    assert!(passes(&world, a, c));
}

#[test]
fn a_zone_is_cut_off_and_one_side_is_not_heard() {
    let (world, a) = world_with_node(8);
    let (b, c) = (idle_node(&world, "b", "zone-a"), idle_node(&world, "c", "zone-b"));
    let zone = world.partition_zone("zone-a");
    assert!(passes(&world, a, b));
    assert!(!passes(&world, a, c) && !passes(&world, c, b) && !passes(&world, HostId::DRIVER, a));
    world.lift(zone);
    let deaf = world.partition_one_way(&[a, b], &[c]);
    assert!(!passes(&world, a, c) && !passes(&world, b, c));
    assert!(passes(&world, c, a) && passes(&world, c, b));
    world.unblock(a, c);
    assert!(passes(&world, a, c) && !passes(&world, b, c));
    world.lift(deaf);
    assert!(passes(&world, b, c));
}

#[test]
fn a_flapping_partition_opens_and_shuts_until_it_is_lifted() {
    let (world, node) = world_with_node(9);
    let flap = world.flap(&[HostId::DRIVER], &[node], 40 * MS..60 * MS, 40 * MS..60 * MS);
    let (driver, receiver) = (world.driver(), world.host(node));
    let run = async move {
        let mut heard = Vec::new();
        for _ in 0..400 {
            driver.send(receiver.id(), Bytes::new());
            driver.sleep(5 * MS).await;
            let came = poll_fn(|context| Poll::Ready(receiver.poll_receive(context).is_ready()));
            heard.push(came.await);
        }
        heard
    };
    let heard = world.run(LIMIT_NS, run).expect("it ends");
    let turns = heard.windows(2).filter(|it| it[0] != it[1]).count() as u64;
    let passed = heard.iter().filter(|it| **it).count();
    assert!(!heard[0] && (30..=45).contains(&turns), "{turns} turns in two seconds");
    assert!((120..280).contains(&passed), "{passed} of 400 passed");
    assert!(fault(&world, "net.flapped") >= turns / 2);
    world.lift(flap);
    let all = through(&world, HostId::DRIVER, node, numbered(100));
    assert_eq!(all.len(), 100);
    let events = world.events_count();
    through(&world, HostId::DRIVER, node, Vec::new());
    assert!(world.events_count() - events < 5, "nothing flaps any more");
}

/// What one fault does draws nothing of another.
#[test]
fn a_fault_shifts_no_other() {
    let lost_of = |settings: NetSettings| {
        let (world, node) = world_with_node(10);
        world.set_net(settings);
        let arrived = through(&world, HostId::DRIVER, node, numbered(250));
        let mut present = vec![false; 250];
        arrived.iter().for_each(|it| present[usize::from(it.1[0])] = true);
        present
    };
    let lossy = NetSettings { loss_per_million: 300_000, ..NetSettings::default() };
    let alone = lost_of(lossy.clone());
    assert!(alone.contains(&false));
    let all = NetSettings {
        duplicate_per_million: 200_000,
        reorder_per_million: 200_000,
        slow_per_mille: 100,
        cross_zone_ns: Delay::Exponential { min_ns: MS, mean_ns: MS, max_ns: 20 * MS },
        ..lossy
    };
    assert_eq!(lost_of(all), alone);
}

#[test]
fn a_flap_of_no_length_does_not_stop_time() {
    let world = World::new(Tape { muted: vec![Muted::all("*")], ..Tape::new(1) });
    let node = world.add_host("node-1", "zone-a");
    world.flap(&[HostId::DRIVER], &[node], 0..10, 0..10);
    let driver = world.driver();
    world.run(1_000, async move { driver.sleep(100).await }).expect("time goes on");
    assert!(fault(&world, "net.flapped") > 10);
}
