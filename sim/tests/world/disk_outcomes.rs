//! Every image that a power loss could leave, one by one; images that are put back; new disks.

use std::collections::BTreeSet;
use std::io;

use bytes::Bytes;
use stillpoint_sim::{Disk, DiskFaults, HostId, Outcomes, World};

use crate::{LIMIT_NS, world_with_node};

fn run<T>(world: &World, operation: impl Future<Output = io::Result<T>>) -> T {
    world.run(LIMIT_NS, operation).expect("it ends").expect("no operation fails")
}

fn bytes(byte: u8, len: usize) -> Bytes {
    vec![byte; len].into()
}

/// Every file with what it holds.
type Image = Vec<(String, Bytes)>;

fn image(world: &World, node: HostId) -> Image {
    world.image_disk(node).files().into_iter().collect()
}

/// Leaves a disk dirty, and operations under way.
type Prepare = fn(&World, &Disk);

fn prepared(seed: u64, prepare: Prepare) -> (World, HostId) {
    let (world, node) = world_with_node(seed);
    prepare(&world, &world.host(node).disk());
    (world, node)
}

/// A synced file, a torn write over it, a write beyond its end, and a name that is not synced.
fn torn_file_and_new_name(world: &World, disk: &Disk) {
    let file = run(world, disk.create("file"));
    run(world, disk.sync_dir(""));
    run(world, file.append(bytes(b'a', 1_024)));
    run(world, file.sync());
    run(world, file.write_at(256, bytes(b'b', 512)));
    run(world, disk.create("new"));
}

/// A truncation and what was written after it, and a rename over another file.
fn rewritten_and_renamed(world: &World, disk: &Disk) {
    let file = run(world, disk.create("current"));
    run(world, file.append(bytes(b'a', 600)));
    run(world, file.sync());
    run(world, disk.sync_dir(""));
    let next = run(world, disk.create("next"));
    run(world, next.append(bytes(b'n', 10)));
    run(world, disk.rename("next", "current"));
    run(world, file.set_len(0));
}

/// One file that is under its old name or its new one.
fn renamed(world: &World, disk: &Disk) {
    let file = run(world, disk.create("old"));
    run(world, file.append(bytes(b'a', 10)));
    run(world, file.sync());
    run(world, disk.sync_dir(""));
    run(world, disk.rename("old", "new"));
}

/// Two writes and a sync that have not completed.
fn operations_under_way(world: &World, disk: &Disk) {
    let file = run(world, disk.create("file"));
    run(world, disk.sync_dir(""));
    run(world, file.append(bytes(b'a', 100)));
    drop(file.sync());
    drop(file.write_at(0, bytes(b'b', 50)));
    drop(file.write_at(50, bytes(b'c', 50)));
    drop(file.read_at(0, 10));
}

#[test]
fn the_outcomes_one_by_one_are_those_of_many_seeds() {
    let cases: [Prepare; 4] =
        [torn_file_and_new_name, rewritten_and_renamed, renamed, operations_under_way];
    for (case, prepare) in cases.into_iter().enumerate() {
        let (world, node) = prepared(1, prepare);
        let Outcomes::Exactly(count) = world.power_loss_outcomes(node, 1_000) else {
            panic!("case {case} has more outcomes than that");
        };
        let one_by_one: Vec<Image> = (0..count)
            .map(|outcome| {
                let (world, node) = prepared(1, prepare);
                world.power_loss_to(node, outcome);
                image(&world, node)
            })
            .collect();
        let drawn = (0..3_000).map(|seed| {
            let (world, node) = prepared(seed, prepare);
            world.power_loss(node);
            image(&world, node)
        });
        let distinct: BTreeSet<Image> = one_by_one.iter().cloned().collect();
        assert_eq!(distinct.len(), count, "case {case}: each is another");
        assert_eq!(distinct, drawn.collect(), "case {case}");
    }
}

#[test]
fn the_first_outcome_loses_nothing_and_the_second_all() {
    let (world, node) = prepared(1, torn_file_and_new_name);
    let durable = image(&world, node);
    let cached: Image =
        ["file", "new"].map(|it| (it.into(), world.peek_file(node, it).expect("it is"))).into();
    // Two versions of each of two sectors, and a name that is there or not.
    assert_eq!(world.power_loss_outcomes(node, 8), Outcomes::Exactly(8));
    assert_eq!(world.power_loss_outcomes(node, 7), Outcomes::AtLeast(7));
    for (outcome, expected) in [(0, cached), (1, durable)] {
        let (world, node) = prepared(2, torn_file_and_new_name);
        world.power_loss_to(node, outcome);
        assert_eq!(image(&world, node), expected);
        assert_eq!(world.power_loss_outcomes(node, 9), Outcomes::Exactly(1), "all is settled");
        world.restart(node);
        let found = run(&world, world.host(node).disk().list(""));
        assert_eq!(found.len(), expected.len(), "programs see it");
    }
}

#[test]
fn to_ask_for_outcomes_changes_nothing() {
    let run_on = |ask: bool| {
        let (world, node) = prepared(3, operations_under_way);
        if ask {
            assert!(world.power_loss_outcomes(node, 100).found() > 3);
        }
        world.power_loss(node);
        (world.hash(), image(&world, node), world.fault_counts())
    };
    assert_eq!(run_on(false), run_on(true));
}

#[test]
fn a_full_disk_has_the_outcomes_that_it_comes_to() {
    let fill: Prepare = |world, disk| {
        let node = world.hosts()[1];
        world.set_disk_capacity(node, Some(1_000));
        drop(run(world, disk.create("removed")));
        let removed = run(world, disk.open("removed"));
        run(world, removed.append(bytes(b'r', 600)));
        run(world, removed.sync());
        run(world, disk.sync_dir(""));
        let file = run(world, disk.create("file"));
        run(world, disk.sync_dir(""));
        // Its name is gone, though perhaps not for good, and it takes no space any more.
        run(world, disk.remove("removed"));
        drop(removed);
        drop(file.append(bytes(b'a', 900)));
        drop(file.sync());
    };
    let (world, node) = prepared(1, fill);
    world.power_loss_to(node, 0);
    assert_eq!(image(&world, node), [("file".to_string(), bytes(b'a', 900))]);
}

#[test]
#[should_panic(expected = "ask `power_loss_outcomes` right before")]
fn there_is_no_outcome_beyond_the_last() {
    let (world, node) = world_with_node(1);
    assert_eq!(world.power_loss_outcomes(node, 9), Outcomes::Exactly(1));
    world.power_loss_to(node, 1);
}

#[test]
fn an_older_image_comes_back_on_any_machine() {
    let (world, node, other) = {
        let (world, node) = prepared(1, torn_file_and_new_name);
        let other = crate::idle_node(&world, "node-2", "zone-a");
        (world, node, other)
    };
    let old = world.image_disk(node);
    let disk = world.host(node).disk();
    run(&world, disk.rename("file", "moved"));
    run(&world, disk.sync_dir(""));
    let new = world.image_disk(node);
    assert_ne!(old, new);
    for host in [node, other] {
        world.crash(host);
        world.restore_disk_image(host, &old);
        assert_eq!(world.image_disk(host), old);
        world.restart(host);
        let disk = world.host(host).disk();
        let file = run(&world, disk.open("file"));
        assert_eq!(run(&world, file.read_at(0, 9_999)), bytes(b'a', 1_024));
        // The disk goes on from there, and the image stays what it is.
        run(&world, file.write_at(0, bytes(b'z', 9)));
        run(&world, file.sync());
        assert_ne!(world.image_disk(host), old);
        assert_eq!(old.files()["file"], bytes(b'a', 1_024));
    }
    assert_eq!(world.fault_counts()["disk.restored"], 2);
}

#[test]
fn a_new_disk_is_empty_and_keeps_the_settings() {
    let (world, node) = prepared(1, torn_file_and_new_name);
    let faults = DiskFaults { write_error_per_mille: 7, ..DiskFaults::NONE };
    world.set_disk_faults(node, faults.clone());
    world.crash(node);
    world.wipe_disk(node);
    assert!(world.image_disk(node).files().is_empty());
    world.restart(node);
    assert!(run(&world, world.host(node).disk().list("")).is_empty());
    assert_eq!(world.disk_faults(node), faults);
    assert_eq!(world.fault_counts()["disk.wiped"], 1);
}

#[test]
#[should_panic(expected = "call `crash` or `power_loss` first, `restart` after")]
fn the_disk_of_a_running_host_is_not_replaced() {
    let (world, node) = world_with_node(1);
    world.wipe_disk(node);
}
