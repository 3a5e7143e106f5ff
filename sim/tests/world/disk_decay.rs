//! Disks that say that all is well: syncs that lie, sectors that go bad, rot, writes that go
//! astray or nowhere, reads and writes that are short, and stalls.

use std::collections::BTreeSet;
use std::io;

use bytes::Bytes;
use stillpoint_sim::{Disk, DiskFaults, File, HostId, World};

use crate::{LIMIT_NS, world_with_node};

const EIO: Option<i32> = Some(5);
const EROFS: Option<i32> = Some(30);
const SECTOR: usize = 512;

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

fn ones(bytes: &[u8]) -> u32 {
    bytes.iter().map(|it| it.count_ones()).sum()
}

fn count(world: &World, fault: &str) -> u64 {
    world.fault_counts().get(fault).copied().unwrap_or(0)
}

/// A machine with a durable file of so many bytes of `a`.
fn with_file(seed: u64, len: usize) -> (World, HostId, Disk, File) {
    let (world, node) = world_with_node(seed);
    let disk = world.host(node).disk();
    let file = durable(&world, &disk, "file", bytes(b'a', len));
    (world, node, disk, file)
}

fn durable(world: &World, disk: &Disk, path: &str, content: Bytes) -> File {
    let file = run(world, disk.create(path));
    run(world, file.append(content));
    run(world, file.sync());
    run(world, disk.sync_dir(""));
    file
}

#[test]
fn a_sync_that_lies_is_made_up_for_by_an_honest_one() {
    for honest in [false, true] {
        let left: BTreeSet<(bool, Bytes)> = (0..60).map(|seed| after_a_lie(seed, honest)).collect();
        let (old, new) = (bytes(b'a', 10), bytes(b'b', 10));
        let whole = BTreeSet::from([(true, new.clone())]);
        let all = [(false, old.clone()), (true, old), (false, new.clone()), (true, new)];
        assert_eq!(left, if honest { whole } else { BTreeSet::from(all) });
    }
}

/// What a power loss leaves after syncs that lied, and perhaps others: whether a new name is
/// there, and what an old file holds.
fn after_a_lie(seed: u64, honest: bool) -> (bool, Bytes) {
    let (world, node, disk, file) = with_file(seed, 10);
    world.set_disk_faults(node, DiskFaults { lying_sync_per_mille: 1_000, ..DiskFaults::NONE });
    run(&world, file.write_at(0, bytes(b'b', 10)));
    run(&world, disk.create("new"));
    run(&world, file.sync());
    run(&world, disk.sync_dir(""));
    assert_eq!(count(&world, "disk.lying_sync"), 2);
    if honest {
        world.set_disk_faults(node, DiskFaults::NONE);
        run(&world, file.sync());
        run(&world, disk.sync_dir(""));
    }
    world.power_loss(node);
    let old = world.peek_file(node, "file").expect("its name was synced");
    (world.peek_file(node, "new").is_some(), old)
}

#[test]
fn a_bad_sector_fails_until_it_is_overwritten_whole() {
    let (world, node, _, file) = with_file(1, 8 * SECTOR);
    assert_eq!(world.fail_sectors(node, "no such file", 1), 0);
    assert_eq!(world.fail_sectors(node, "file", 1), 1);
    let fails = |at: u64| {
        let read = world.run(LIMIT_NS, file.read_at(at * SECTOR as u64, 1)).expect("it ends");
        read.is_err_and(|it| it.raw_os_error() == EIO)
    };
    let bad: Vec<u64> = (0..8).filter(|it| fails(*it)).collect();
    assert_eq!(bad.len(), 1, "one of eight");
    let start = bad[0] * SECTOR as u64;
    assert_eq!(file.read_now(0, 8 * SECTOR).expect_err("it reads all").raw_os_error(), EIO);
    assert_eq!(failure(&world, file.write_at(start, bytes(b'b', SECTOR - 1))), EIO);
    run(&world, file.write_at(start, bytes(b'b', SECTOR)));
    assert_eq!(run(&world, file.read_at(start, SECTOR)), bytes(b'b', SECTOR));
    assert_eq!((count(&world, "disk.latent_sector"), count(&world, "disk.unreadable")), (1, 3));
}

#[test]
fn a_bad_sector_outlives_power_unless_its_new_content_is_on_the_medium() {
    for (seed, synced) in (0..40).zip([false, true].into_iter().cycle()) {
        let (world, node, _, file) = with_file(seed, SECTOR);
        world.fail_sectors(node, "file", 1);
        run(&world, file.write_at(0, bytes(b'b', SECTOR)));
        if synced {
            run(&world, file.sync());
        }
        world.power_loss(node);
        world.restart(node);
        let file = run(&world, world.host(node).disk().open("file"));
        match world.run(LIMIT_NS, file.read_at(0, SECTOR)).expect("it ends") {
            Ok(content) => assert_eq!(content, bytes(b'b', SECTOR), "seed {seed}"),
            Err(error) => assert!(!synced && error.raw_os_error() == EIO, "seed {seed}"),
        }
    }
}

#[test]
fn reads_find_bad_sectors_at_a_rate() {
    let (world, node, _, file) = with_file(1, 64 * SECTOR);
    world.set_disk_faults(node, DiskFaults { latent_sector_per_mille: 100, ..DiskFaults::NONE });
    for _ in 0..300 {
        let at = world.driver().dice("test.place").range(0..64) * SECTOR as u64;
        drop(world.run(LIMIT_NS, file.read_at(at, SECTOR)).expect("it ends"));
    }
    assert!((5..60).contains(&count(&world, "disk.latent_sector")));
    assert!(count(&world, "disk.unreadable") > count(&world, "disk.latent_sector"));
}

#[test]
fn a_disk_rots_where_it_is_read() {
    let len = 1 << 20;
    let (world, node, _, file) = with_file(1, len);
    // Ten bits in a MiB; reads of 4 KiB.
    world.set_disk_faults(node, DiskFaults { rot_bits_per_gib_read: 10 << 10, ..DiskFaults::NONE });
    for at in (0..len as u64).step_by(4_096) {
        run(&world, file.read_at(at, 4_096));
    }
    let turned = count(&world, "disk.bit_rot");
    assert!((1..40).contains(&turned), "{turned}");
    world.power_loss(node);
    let rotten = world.peek_file(node, "file").expect("it was synced");
    let differs = |it: &(&u8, u8)| (it.0 ^ it.1).count_ones();
    let differing: u32 = rotten.iter().zip(bytes(b'a', len)).map(|it| differs(&it)).sum();
    assert_eq!(u64::from(differing), turned, "no bit was drawn twice");
}

#[test]
fn rot_strikes_files_in_proportion_to_their_length() {
    let (world, node) = world_with_node(1);
    let disk = world.host(node).disk();
    world.rot_any(node, 5);
    assert_eq!(count(&world, "disk.bit_rot"), 0, "an empty disk has nothing to rot");
    for (path, len) in [("large", 90_000), ("none", 0), ("small", 10_000)] {
        drop(durable(&world, &disk, path, bytes(0, len)));
    }
    world.rot_any(node, 1_000);
    let rotten = |path| ones(&world.peek_file(node, path).expect("it is there"));
    assert!((840..960).contains(&rotten("large")), "{}", rotten("large"));
    assert!((50..150).contains(&rotten("small")), "{}", rotten("small"));
}

#[test]
fn a_write_that_went_nowhere_is_seen_until_the_cache_is_gone() {
    for drop_caches in [false, true] {
        let (world, node, _, file) = with_file(1, 1_000);
        let phantom = DiskFaults { phantom_write_per_mille: 1_000, ..DiskFaults::NONE };
        world.set_disk_faults(node, phantom);
        run(&world, file.write_at(0, bytes(b'b', 10)));
        run(&world, file.append(bytes(b'c', 10)));
        world.set_disk_faults(node, DiskFaults::NONE);
        run(&world, file.append(bytes(b'd', 10)));
        run(&world, file.sync());
        let seen = [bytes(b'b', 10), bytes(b'a', 990), bytes(b'c', 10), bytes(b'd', 10)].concat();
        assert_eq!(run(&world, file.read_at(0, 9_999)), seen);
        if drop_caches {
            world.drop_caches(node)
        } else {
            world.power_loss(node)
        }
        let left = [bytes(b'a', 1_000), bytes(0, 10), bytes(b'd', 10)].concat();
        assert_eq!(world.peek_file(node, "file").expect("it was synced"), left);
        assert_eq!(count(&world, "disk.phantom_write"), 2);
    }
}

#[test]
fn a_write_that_went_astray_leaves_its_place_old_and_another_overwritten() {
    let mut victims = BTreeSet::new();
    for seed in 0..60 {
        let (world, node, disk, file) = with_file(seed, 2 * SECTOR);
        drop(durable(&world, &disk, "other", bytes(b'x', 2 * SECTOR)));
        let astray = DiskFaults { misdirected_write_per_mille: 1_000, ..DiskFaults::NONE };
        world.set_disk_faults(node, astray);
        run(&world, file.write_at(0, bytes(b'b', SECTOR)));
        run(&world, file.sync());
        let seen = [bytes(b'b', SECTOR), bytes(b'a', SECTOR)].concat();
        assert_eq!(run(&world, file.read_at(0, 9_999)), seen);
        assert_eq!(count(&world, "disk.misdirected_write"), 1);
        world.drop_caches(node);
        let both = ["file", "other"].map(|it| world.peek_file(node, it).expect("it is there"));
        let sectors: Vec<u8> = both.concat().chunks(SECTOR).map(|it| it[0]).collect();
        assert_eq!(sectors[0], b'a', "its own place is what it was");
        let victim: Vec<usize> = (0..4).filter(|it| sectors[*it] == b'b').collect();
        assert_eq!(victim.len(), 1);
        victims.insert(victim[0]);
    }
    assert_eq!(victims, BTreeSet::from([1, 2, 3]));
}

#[test]
fn a_dropped_cache_shows_what_a_failed_sync_forgot_and_keeps_what_is_dirty() {
    let (world, node, _, file) = with_file(1, 10);
    run(&world, file.write_at(0, bytes(b'b', 5)));
    run(&world, file.append(bytes(b'd', 2)));
    world.set_disk_faults(node, DiskFaults { sync_error_per_mille: 1_000, ..DiskFaults::NONE });
    assert_eq!(failure(&world, file.sync()), EIO);
    run(&world, file.write_at(5, bytes(b'c', 5)));
    assert_eq!(run(&world, file.read_at(0, 99)), "bbbbbcccccdd");
    world.drop_caches(node);
    assert_eq!(run(&world, file.read_at(0, 99)), "aaaaaccccc\0\0");
    assert_eq!(count(&world, "disk.caches_dropped"), 1);
}

#[test]
fn short_reads_give_at_least_one_byte_and_a_loop_gets_all() {
    let (world, node, _, file) = with_file(1, 1_000);
    world.set_disk_faults(node, DiskFaults { short_read_per_mille: 500, ..DiskFaults::NONE });
    let mut reads = 0;
    for _ in 0..20 {
        let mut got = Vec::new();
        while got.len() < 1_000 {
            let part = run(&world, file.read_at(got.len() as u64, 1_000 - got.len()));
            assert!(!part.is_empty(), "nothing is read at the end alone");
            got.extend_from_slice(&part);
            reads += 1;
        }
        assert_eq!(got, bytes(b'a', 1_000));
    }
    assert_eq!(count(&world, "disk.short_read"), reads - 20);
    assert!(reads > 25);
    assert!(run(&world, file.read_at(1_000, 10)).is_empty());
}

#[test]
fn short_writes_say_how_much_they_wrote_and_no_other_write_is_short() {
    let (world, node, _, file) = with_file(1, 0);
    world.set_disk_faults(node, DiskFaults { short_write_per_mille: 1_000, ..DiskFaults::NONE });
    run(&world, file.append(bytes(b'x', 100)));
    let written = run(&world, file.write_some_at(100, bytes(b'b', 100)));
    assert!((1..100).contains(&written));
    assert_eq!(run(&world, file.len()), 100 + written as u64);
    assert_eq!(run(&world, file.write_some_at(0, bytes(b'c', 1))), 1);
    assert_eq!(count(&world, "disk.short_write"), 1);
}

#[test]
fn a_write_of_some_takes_what_there_is_room_for() {
    let (world, node, _, file) = with_file(1, 10);
    world.set_disk_capacity(node, Some(15));
    assert_eq!(run(&world, file.write_some_at(10, bytes(b'b', 10))), 5);
    assert_eq!(failure(&world, file.write_some_at(15, bytes(b'b', 10))), Some(28));
    assert_eq!(run(&world, file.write_some_at(99, Bytes::new())), 0);
}

#[test]
fn an_operation_that_stalls_takes_seconds() {
    let (world, node, _, file) = with_file(1, 10);
    let (stall_per_mille, stall_ns) = (100, 2_000_000_000..3_000_000_000);
    world.set_disk_faults(node, DiskFaults { stall_per_mille, stall_ns, ..DiskFaults::NONE });
    let mut stalled = 0;
    for _ in 0..100 {
        let before_ns = world.now_ns();
        run(&world, file.read_at(0, 10));
        let took_ns = world.now_ns() - before_ns;
        stalled += u64::from(took_ns >= 2_000_000_000);
        assert!(took_ns < 10_000_000 || (2_000_000_000..3_010_000_000).contains(&took_ns));
    }
    assert!((3..25).contains(&stalled));
    assert_eq!(count(&world, "disk.stall"), stalled);
}

#[test]
fn a_stalled_device_does_nothing_until_it_is_over() {
    let (world, node, _, file) = with_file(1, 10);
    let started_before = file.read_at(0, 10);
    let end_ns = world.now_ns() + 5_000_000_000;
    world.stall_disk(node, 5_000_000_000);
    world.stall_disk(node, 1_000_000_000);
    let submitted_after = file.read_at(0, 10);
    run(&world, started_before);
    assert_eq!(world.now_ns(), end_ns);
    run(&world, submitted_after);
    assert!((end_ns + 1..end_ns + 10_000_000).contains(&world.now_ns()));
    assert_eq!(count(&world, "disk.device_stall"), 2);
    world.stall_disk(node, 5_000_000_000);
    world.power_loss(node);
    world.restart(node);
    let before_ns = world.now_ns();
    drop(run(&world, world.host(node).disk().open("file")));
    assert!(world.now_ns() < before_ns + 10_000_000, "power ends a stall");
}

#[test]
fn a_read_only_disk_refuses_every_change() {
    let (world, node, disk, file) = with_file(1, 10);
    run(&world, file.append(bytes(b'b', 10)));
    world.set_disk_read_only(node, true);
    assert_eq!(failure(&world, file.write_at(0, bytes(b'c', 1))), EROFS);
    assert_eq!(failure(&world, file.set_len(1)), EROFS);
    assert_eq!(failure(&world, file.sync()), EROFS);
    assert_eq!(failure(&world, disk.create("new")), EROFS);
    assert_eq!(failure(&world, disk.create("file")), Some(17), "EEXIST comes first");
    assert_eq!(failure(&world, disk.create_dir("d")), EROFS);
    assert_eq!(failure(&world, disk.remove("file")), EROFS);
    assert_eq!(failure(&world, disk.rename("file", "new")), EROFS);
    assert_eq!(failure(&world, disk.sync_dir("")), EROFS);
    assert_eq!(run(&world, file.len()), 20, "it can be read");
    assert_eq!(count(&world, "disk.read_only"), 8);
    world.set_disk_read_only(node, false);
    run(&world, file.sync());
}

#[test]
fn turning_one_fault_on_shifts_no_other() {
    /// When and how each of some reads ended.
    fn reads(faults: DiskFaults) -> Vec<(u64, Option<i32>)> {
        let (world, node, _, file) = with_file(7, 4_096);
        world.set_disk_faults(node, faults);
        let mut seen = Vec::new();
        for _ in 0..100 {
            let read = world.run(LIMIT_NS, file.read_at(0, 4_096)).expect("it ends");
            seen.push((world.now_ns(), read.err().and_then(|it| it.raw_os_error())));
        }
        seen
    }
    let errors = DiskFaults { read_error_per_mille: 200, ..DiskFaults::NONE };
    let with_others = DiskFaults {
        short_read_per_mille: 300,
        rot_bits_per_gib_read: 1 << 16,
        lying_sync_per_mille: 500,
        ..errors.clone()
    };
    assert_eq!(reads(errors), reads(with_others));
}
