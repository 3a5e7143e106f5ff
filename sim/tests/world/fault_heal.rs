//! What healing for good ends, and what it leaves.

use bytes::Bytes;
use stillpoint_sim::{Fault, ObjectFaults, Plan, Strike, Tape, Whom, World};

use super::fault_plans::{MS, busy_world, reaches, run_for};
use super::{LIMIT_NS, fault, idle_node, world_with_node};

const MINUTE_NS: u64 = 60_000 * MS;

#[test]
fn a_burst_is_over_when_the_store_is_healed() {
    let (world, node) = world_with_node(1);
    let bursts = ObjectFaults {
        burst_per_mille: 1_000,
        burst_ns: MINUTE_NS..2 * MINUTE_NS,
        ..ObjectFaults::NONE
    };
    world.inject(&Fault::FailingStore(bursts), &[]).for_good();
    let put = || {
        let objects = world.host(node).objects();
        let put = async move { objects.put("key", Bytes::new()).await };
        world.run(LIMIT_NS, put).expect("it ends")
    };
    assert!(put().is_err());
    world.heal_for_good(&[node]);
    assert_eq!(put(), Ok(()));
}

#[test]
fn a_stalled_disk_is_named_and_goes_on_when_its_machine_is_healed() {
    let (world, node) = world_with_node(1);
    let other = idle_node(&world, "node-2", "zone-b");
    let disk = world.host(node).disk();
    let under_way = disk.create("under-way");
    world.inject(&Fault::StalledDisk { for_ns: MINUTE_NS }, &[node, other]).for_good();
    // What was under way is done by now, but for the stall.
    run_for(&world, MS);
    let stuck = world.stuck("a file", MS).to_string();
    assert!(stuck.contains("node-1 has a disk that stalls for another 59999 ms"), "{stuck}");
    world.heal_for_good(&[node]);
    let stuck = world.stuck("a file", MS).to_string();
    assert!(!stuck.contains("node-1 has") && stuck.contains("node-2 has a disk"), "{stuck}");
    let both = async move { (under_way.await.is_ok(), disk.create("after").await.is_ok()) };
    assert_eq!(world.run(10 * MS, both), Ok((true, true)));
    assert!(world.peek_file(node, "under-way").is_some());
}

#[test]
fn what_flaps_within_a_core_does_not_shut_again_when_it_is_healed_while_open() {
    let (world, node) = world_with_node(1);
    let other = idle_node(&world, "node-2", "zone-b");
    world.flap(&[node], &[other], 100 * MS..101 * MS, 100 * MS..101 * MS);
    run_for(&world, 110 * MS);
    let blocks = |world: &World| fault(world, "net.flapped");
    assert_eq!(blocks(&world), 1, "it is open now");
    world.heal_for_good(&[node, other]);
    run_for(&world, 110 * MS);
    assert!(reaches(&world, node, other) && reaches(&world, other, node));
}

#[test]
fn what_is_healed_in_part_is_not_over() {
    let (world, hosts) = busy_world(&Tape::new(1));
    let whom = Whom::Zone("zone-a".to_string());
    world.carry_out(&Plan::of([Strike::on(whom, Fault::Pause)])).expect("it can be");
    run_for(&world, MS);
    world.heal_for_good(&[hosts[0]]);
    assert_eq!(world.faults_active(), ["node-3 stands still"]);
    assert_eq!(world.struck()[0].lifted_ns, None);
}
