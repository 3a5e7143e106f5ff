//! Full disks, disks that fail, and syncs that fail and then forget.

use std::io;

use bytes::Bytes;
use stillpoint_sim::{Disk, DiskFaults, HostId, World};

use crate::{LIMIT_NS, world_with_node};

const EIO: Option<i32> = Some(5);
const ENOSPC: Option<i32> = Some(28);

fn run<T>(world: &World, operation: impl Future<Output = io::Result<T>>) -> T {
    world.run(LIMIT_NS, operation).expect("it ends").expect("no operation fails")
}

/// The error number of what must fail.
fn failure<T>(world: &World, operation: impl Future<Output = io::Result<T>>) -> Option<i32> {
    let result = world.run(LIMIT_NS, operation).expect("disks answer");
    result.err().expect("it fails").raw_os_error()
}

fn bytes(byte: u8, len: usize) -> Bytes {
    vec![byte; len].into()
}

fn disk_of(world: &World, node: HostId) -> Disk {
    world.host(node).disk()
}

#[test]
fn a_full_disk_takes_what_there_is_room_for() {
    let (world, node) = world_with_node(1);
    let disk = disk_of(&world, node);
    world.set_disk_capacity(node, Some(1_000));
    let file = run(&world, disk.create("file"));
    run(&world, file.append(bytes(b'a', 900)));
    assert_eq!(failure(&world, file.append(bytes(b'b', 200))), ENOSPC);
    assert_eq!(run(&world, file.len()), 1_000);
    assert_eq!(world.peek_file(node, "file").expect("it is there")[900..], bytes(b'b', 100));
    assert_eq!(failure(&world, file.set_len(1_001)), ENOSPC);
    assert_eq!(failure(&world, file.write_at(5_000, bytes(b'c', 1))), ENOSPC);
    assert_eq!(run(&world, file.len()), 1_000);
    run(&world, file.write_at(0, bytes(b'd', 1_000)));
    assert_eq!(world.fault_counts()["disk.no_space"], 3);
    world.set_disk_capacity(node, None);
    run(&world, file.append(bytes(b'e', 10_000)));
}

#[test]
fn freed_space_counts_again() {
    let (world, node) = world_with_node(2);
    let disk = disk_of(&world, node);
    world.set_disk_capacity(node, Some(1_000));
    let (first, second) = (run(&world, disk.create("a")), run(&world, disk.create("b")));
    run(&world, first.append(bytes(b'a', 1_000)));
    assert_eq!(failure(&world, second.append(bytes(b'b', 1))), ENOSPC);
    run(&world, first.set_len(600));
    run(&world, second.append(bytes(b'b', 400)));
    // A file without a name takes space for as long as it is open.
    run(&world, disk.remove("a"));
    assert_eq!(failure(&world, second.append(bytes(b'b', 1))), ENOSPC);
    drop(first);
    run(&world, second.append(bytes(b'b', 600)));
    // So does one that a rename replaced, and here nobody has that open.
    drop(run(&world, disk.create("c")));
    run(&world, disk.rename("c", "b"));
    drop(second);
    let third = run(&world, disk.open("b"));
    run(&world, third.append(bytes(b'c', 1_000)));
}

#[test]
fn reads_fail_as_often_as_asked_for() {
    let (world, node) = world_with_node(3);
    let file = run(&world, disk_of(&world, node).create("file"));
    run(&world, file.append(bytes(b'a', 10)));
    world.set_disk_faults(node, DiskFaults { read_error_per_mille: 100, ..Default::default() });
    let (mut failed, mut failed_now) = (0, 0);
    for _ in 0..1_000 {
        let read = world.run(LIMIT_NS, file.read_at(0, 10)).expect("it ends");
        failed += u64::from(read.is_err_and(|it| it.raw_os_error() == EIO));
        failed_now += u64::from(file.read_now(0, 10).is_err_and(|it| it.raw_os_error() == EIO));
        run(&world, file.write_at(0, bytes(b'a', 10)));
    }
    assert!((60..140).contains(&failed) && (60..140).contains(&failed_now));
    assert_eq!(world.fault_counts()["disk.read_error"], failed + failed_now);
    world.set_disk_faults(node, DiskFaults::default());
    (0..1_000).for_each(|_| drop(run(&world, file.read_at(0, 10))));
}

#[test]
fn a_write_that_fails_changes_nothing() {
    let (world, node) = world_with_node(4);
    let disk = disk_of(&world, node);
    let file = run(&world, disk.create("file"));
    run(&world, file.append(bytes(b'a', 10)));
    world.set_disk_faults(node, DiskFaults { write_error_per_mille: 1_000, ..Default::default() });
    assert_eq!(failure(&world, file.append(bytes(b'b', 10))), EIO);
    assert_eq!(failure(&world, file.set_len(5)), EIO);
    assert_eq!(failure(&world, disk.create("other")), EIO);
    assert_eq!(failure(&world, disk.rename("file", "other")), EIO);
    assert_eq!(run(&world, disk.list("")), ["file"]);
    assert_eq!(run(&world, file.read_at(0, 99)), bytes(b'a', 10));
    run(&world, file.sync());
    assert_eq!(world.fault_counts()["disk.write_error"], 4);
}

/// Lets every sync fail, or none.
fn set_syncs(world: &World, node: HostId, fail: bool) {
    let sync_error_per_mille = if fail { 1_000 } else { 0 };
    world.set_disk_faults(node, DiskFaults { sync_error_per_mille, ..Default::default() });
}

#[test]
fn a_failed_sync_forgets_what_it_should_have_written() {
    for seed in 0..50 {
        let (world, node) = world_with_node(seed);
        let disk = disk_of(&world, node);
        let file = run(&world, disk.create("file"));
        run(&world, disk.sync_dir(""));
        run(&world, file.append(bytes(b'a', 1_000)));
        run(&world, file.sync());
        run(&world, file.write_at(0, bytes(b'b', 1_000)));
        set_syncs(&world, node, true);
        assert_eq!(failure(&world, file.sync()), EIO);
        set_syncs(&world, node, false);
        run(&world, file.append(bytes(b'c', 1_000)));
        // All looks well, and the program believes that this has written everything.
        run(&world, file.sync());
        let seen = [bytes(b'b', 1_000), bytes(b'c', 1_000)].concat();
        assert_eq!(run(&world, file.read_at(0, 9_999)), seen);
        assert_eq!(world.fault_counts()["disk.sync_error"], 1);
        world.restart(node);
        assert_eq!(world.peek_file(node, "file"), Some(seen.into()));
        world.power_loss(node);
        let left = [bytes(b'a', 1_000), bytes(b'c', 1_000)].concat();
        assert_eq!(world.peek_file(node, "file"), Some(left.into()), "seed {seed}");
    }
}

#[test]
fn a_failed_sync_of_a_directory_forgets_its_names() {
    for seed in 0..50 {
        let (world, node) = world_with_node(seed);
        let disk = disk_of(&world, node);
        run(&world, disk.create("forgotten"));
        set_syncs(&world, node, true);
        assert_eq!(failure(&world, disk.sync_dir("")), EIO);
        set_syncs(&world, node, false);
        run(&world, disk.create("kept"));
        run(&world, disk.sync_dir(""));
        assert_eq!(run(&world, disk.list("")), ["forgotten", "kept"]);
        world.power_loss(node);
        world.restart(node);
        let list = disk_of(&world, node).list("");
        assert_eq!(run(&world, list), ["kept"], "seed {seed}");
    }
}

#[test]
fn what_rots_stays_rotten_and_is_counted() {
    let world = World::new(stillpoint_sim::Tape::new(1));
    let host = world.add_host("a", "zone");
    world.boot(host, |process| async move {
        let file = process.disk().create("f").await.unwrap();
        file.write_at(0, vec![0; 4_096].into()).await.unwrap();
        file.sync().await.unwrap();
        process.disk().sync_dir("").await.unwrap();
    });
    let driver = world.driver();
    world.run(1_000_000_000, async move { driver.sleep(100_000_000).await }).unwrap();
    world.rot_file(host, "f", 5);
    world.rot_file(host, "no such file", 5);
    let ones = |bytes: &[u8]| bytes.iter().map(|it| it.count_ones()).sum::<u32>();
    let rotten = world.peek_file(host, "f").unwrap();
    assert!(ones(&rotten) > 0, "nothing has changed");
    world.power_loss(host);
    assert_eq!(world.peek_file(host, "f").unwrap(), rotten, "a power loss heals nothing");
    assert!(world.fault_counts()["disk.bit_rot"] == 5);
}
