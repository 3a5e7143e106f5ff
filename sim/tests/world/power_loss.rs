//! What a power loss may take, what it must leave, and that all of it is seen.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use bytes::Bytes;
use stillpoint_sim::{Disk, HostId, World};

use crate::{LIMIT_NS, idle_node, world_with_node};

/// Runs `prepare` on a fresh machine, takes its power, and gives what `path` holds then.
fn after_power_loss<F: Future<Output = io::Result<()>>>(
    seed: u64,
    path: &str,
    prepare: impl FnOnce(Disk) -> F,
) -> Option<Bytes> {
    let (world, node) = world_with_node(seed);
    let run = prepare(world.host(node).disk());
    world.run(LIMIT_NS, run).expect("it ends").expect("no operation fails");
    world.power_loss(node);
    world.peek_file(node, path)
}

fn bytes(byte: u8, len: usize) -> Bytes {
    vec![byte; len].into()
}

/// A durable file of two sectors of `a`, then `b` over parts of both, then `c` over part
/// of the second and beyond the end.
async fn two_overlapping_writes(disk: Disk) -> io::Result<()> {
    let file = disk.create("file").await?;
    disk.sync_dir("").await?;
    file.write_at(0, bytes(b'a', 1024)).await?;
    file.sync().await?;
    file.write_at(256, bytes(b'b', 512)).await?;
    file.write_at(600, bytes(b'c', 900)).await
}

/// The twelve outcomes, by hand: two versions of the first sector, three of the second,
/// and the third there or not.
fn legal_outcomes() -> BTreeSet<Bytes> {
    let first = [bytes(b'a', 512), [bytes(b'a', 256), bytes(b'b', 256)].concat().into()];
    let second = [
        bytes(b'a', 512),
        [bytes(b'b', 256), bytes(b'a', 256)].concat().into(),
        [bytes(b'b', 88), bytes(b'c', 424)].concat().into(),
    ];
    let third = [Bytes::new(), bytes(b'c', 476)];
    let mut outcomes = BTreeSet::new();
    for a in &first {
        for b in &second {
            outcomes.extend(third.iter().map(|c| Bytes::from([&a[..], b, c].concat())));
        }
    }
    outcomes
}

#[test]
fn two_unsynced_writes_end_in_every_legal_way_and_no_other() {
    let outcome = |seed| after_power_loss(seed, "file", two_overlapping_writes);
    let seen: BTreeSet<Bytes> = (0..2_000).map(|seed| outcome(seed).expect("synced")).collect();
    assert_eq!(legal_outcomes().len(), 12);
    assert_eq!(seen, legal_outcomes());
}

#[test]
fn a_gap_reads_as_zeros() {
    let run = |seed| {
        after_power_loss(seed, "file", |disk| async move {
            let file = disk.create("file").await?;
            disk.sync_dir("").await?;
            file.append(bytes(b'x', 700)).await?;
            Ok(())
        })
    };
    let seen: BTreeSet<Bytes> = (0..100).map(|seed| run(seed).expect("synced")).collect();
    let hole = [bytes(0, 512), bytes(b'x', 188)].concat().into();
    let legal = [Bytes::new(), bytes(b'x', 512), hole, bytes(b'x', 700)];
    assert_eq!(seen, legal.into_iter().collect());
}

#[test]
fn what_was_synced_is_there() {
    for seed in 0..200 {
        let content = after_power_loss(seed, "wal/1", |disk| async move {
            disk.create_dir("wal").await?;
            let file = disk.create("wal/1").await?;
            file.append(bytes(b'x', 3_000)).await?;
            file.append(bytes(b'y', 3_000)).await?;
            file.sync().await?;
            disk.sync_dir("wal").await?;
            disk.sync_dir("").await?;
            file.append(bytes(b'z', 3_000)).await?;
            Ok(())
        });
        let content = content.expect("file and directory are durable");
        let synced = [bytes(b'x', 3_000), bytes(b'y', 3_000)].concat();
        assert_eq!(content.get(..6_000), Some(&synced[..]), "seed {seed}");
    }
}

#[test]
fn a_sync_covers_what_was_written_when_it_was_called() {
    let (mut kept, mut lost) = (0, 0);
    for seed in 0..100 {
        let content = after_power_loss(seed, "file", |disk| async move {
            let file = disk.create("file").await?;
            disk.sync_dir("").await?;
            file.append(bytes(b'x', 10)).await?;
            let sync = file.sync();
            file.append(bytes(b'y', 10)).await?;
            sync.await
        });
        match content.expect("its name is durable").len() {
            10 => lost += 1,
            20 => kept += 1,
            len => panic!("{len} bytes after seed {seed}"),
        }
    }
    assert!(kept > 20 && lost > 20, "{kept} kept, {lost} lost");
}

/// A file and a name for it that may not be durable, with a synced content.
async fn unsynced_name(disk: Disk) -> io::Result<()> {
    let file = disk.create("file").await?;
    file.append(bytes(b'x', 10)).await?;
    file.sync().await
}

#[test]
fn a_synced_file_may_lose_its_name() {
    let run = |seed| after_power_loss(seed, "file", unsynced_name);
    let seen: BTreeSet<Option<Bytes>> = (0..50).map(run).collect();
    assert_eq!(seen, BTreeSet::from([None, Some(bytes(b'x', 10))]));
}

/// The names left of three changes: a new file, a rename over an old one, a removal.
fn names_after(seed: u64, sync: bool) -> Vec<String> {
    let (world, node) = world_with_node(seed);
    let disk = world.host(node).disk();
    let run = async {
        disk.create("current").await?;
        disk.create("old").await?;
        disk.sync_dir("").await?;
        disk.create("new").await?;
        disk.rename("new", "current").await?;
        disk.remove("old").await?;
        if sync { disk.sync_dir("").await } else { Ok(()) }
    };
    world.run(LIMIT_NS, run).expect("it ends").expect("no operation fails");
    world.power_loss(node);
    world.restart(node);
    let list = world.host(node).disk().list("");
    world.run(LIMIT_NS, list).expect("it ends").expect("the root is there")
}

#[test]
fn changes_of_one_name_survive_in_order_and_those_of_others_apart() {
    let seen: BTreeSet<Vec<String>> = (0..100).map(|seed| names_after(seed, false)).collect();
    let names = |names: &[&str]| names.iter().map(|it| it.to_string()).collect::<Vec<String>>();
    let legal = [
        names(&["current", "new", "old"]),
        names(&["current", "new"]),
        names(&["current", "old"]),
        names(&["current"]),
    ];
    assert_eq!(seen, legal.into_iter().collect());
    assert!((0..50).all(|seed| names_after(seed, true) == ["current"]));
}

#[test]
fn a_synced_directory_does_not_vouch_for_another() {
    let run = |seed| {
        after_power_loss(seed, "wal/1", |disk| async move {
            disk.create_dir("wal").await?;
            disk.create("wal/1").await?;
            disk.sync_dir("wal").await
        })
    };
    // The root was not synced, so the directory itself may be gone.
    let seen: BTreeSet<bool> = (0..50).map(|seed| run(seed).is_some()).collect();
    assert_eq!(seen, BTreeSet::from([false, true]));
}

#[test]
fn a_synced_rename_takes_the_old_name_with_it() {
    for seed in 0..50 {
        let (world, node) = world_with_node(seed);
        let disk = world.host(node).disk();
        let run = async {
            disk.create_dir("tmp").await?;
            disk.create_dir("wal").await?;
            disk.sync_dir("").await?;
            disk.create("tmp/1").await?;
            disk.rename("tmp/1", "wal/1").await?;
            disk.sync_dir("wal").await
        };
        world.run(LIMIT_NS, run).expect("it ends").expect("no operation fails");
        world.power_loss(node);
        let found = ["tmp/1", "wal/1"].map(|it| world.peek_file(node, it).is_some());
        assert_eq!(found, [false, true], "seed {seed}");
    }
}

#[test]
fn a_sync_of_a_directory_covers_the_names_there_were_when_it_was_called() {
    let run = |seed| {
        after_power_loss(seed, "late", |disk| async move {
            let sync = disk.sync_dir("");
            disk.create("late").await?;
            sync.await
        })
    };
    let seen: BTreeSet<bool> = (0..50).map(|seed| run(seed).is_some()).collect();
    assert_eq!(seen, BTreeSet::from([false, true]));
}

#[test]
fn a_truncation_happens_wholly_or_not_at_all() {
    let run = |seed| {
        after_power_loss(seed, "file", |disk| async move {
            let file = disk.create("file").await?;
            disk.sync_dir("").await?;
            file.append(bytes(b'x', 5_000)).await?;
            file.sync().await?;
            file.set_len(700).await
        })
    };
    let seen: BTreeSet<Bytes> = (0..100).map(|seed| run(seed).expect("synced")).collect();
    assert_eq!(seen, BTreeSet::from([bytes(b'x', 700), bytes(b'x', 5_000)]));
}

#[test]
fn a_zone_loses_power_as_one() {
    let (world, a) = world_with_node(1);
    let (b, c) = (idle_node(&world, "b", "zone-a"), idle_node(&world, "c", "zone-b"));
    let append = |host: HostId| {
        let disk = world.host(host).disk();
        let run = async move { disk.create("file").await?.append(bytes(b'x', 51_200)).await };
        world.run(LIMIT_NS, run).expect("it ends").expect("no operation fails");
    };
    [a, b, c].into_iter().for_each(append);
    world.power_loss_zone("zone-a");
    assert_eq!([a, b, c].map(|it| world.is_up(it)), [false, false, true]);
    assert_eq!(world.fault_counts()["power.loss"], 2);
    assert_eq!(world.peek_file(c, "file"), Some(bytes(b'x', 51_200)));
    assert_ne!(world.peek_file(a, "file"), Some(bytes(b'x', 51_200)));
    assert!(lost_something(&world));
}

fn lost_something(world: &World) -> bool {
    let counts = world.fault_counts();
    counts.contains_key("disk.sectors_lost") || counts.contains_key("disk.names_lost")
}

/// Every file of the root, with what it holds.
type Image = BTreeMap<String, Bytes>;

fn image_after_power_loss<F: Future<Output = io::Result<()>>>(
    seed: u64,
    prepare: impl FnOnce(Disk) -> F,
) -> Image {
    let (world, node) = world_with_node(seed);
    let run = prepare(world.host(node).disk());
    world.run(LIMIT_NS, run).expect("it ends").expect("no operation fails");
    world.power_loss(node);
    world.restart(node);
    let list = world.host(node).disk().list("");
    let names = world.run(LIMIT_NS, list).expect("it ends").expect("the root is there");
    let content =
        |name: String| (name.clone(), world.peek_file(node, &name).expect("it is listed"));
    names.into_iter().map(content).collect()
}

/// A file is replaced as programs do it, but nothing of it is synced: three writes to a new
/// file, then a rename over the old one, which is durable.
async fn replace_without_a_sync(disk: Disk) -> io::Result<()> {
    let old = disk.create("current").await?;
    old.append(bytes(b'o', 600)).await?;
    old.sync().await?;
    disk.sync_dir("").await?;
    let new = disk.create("tmp").await?;
    new.write_at(0, bytes(b'a', 512)).await?;
    new.write_at(256, bytes(b'b', 512)).await?;
    new.write_at(1_024, bytes(b'c', 300)).await?;
    disk.rename("tmp", "current").await
}

/// What the new file may hold, by hand. Its first sector was never written, or by the first
/// write only, or by both; its second was written by the second or not, and its third by the
/// third. Where a later sector survived, the gap before it reads as zeros.
fn legal_contents() -> Vec<Bytes> {
    let (a, b, c) = (bytes(b'a', 512), bytes(b'b', 256), bytes(b'c', 300));
    let ab: Bytes = [bytes(b'a', 256), bytes(b'b', 256)].concat().into();
    let (gap, half_gap) = (bytes(0, 512), bytes(0, 256));
    let files: [&[&Bytes]; 12] = [
        &[],
        &[&a],
        &[&ab],
        &[&gap, &b],
        &[&a, &b],
        &[&ab, &b],
        &[&gap, &gap, &c],
        &[&a, &gap, &c],
        &[&ab, &gap, &c],
        &[&gap, &b, &half_gap, &c],
        &[&a, &b, &half_gap, &c],
        &[&ab, &b, &half_gap, &c],
    ];
    files.iter().map(|parts| parts.iter().flat_map(|it| it.iter().copied()).collect()).collect()
}

/// The 25 images: the new file has no name yet, or is beside the old one, or replaces it.
fn legal_images() -> BTreeSet<Image> {
    let image = |files: &[(&str, &Bytes)]| -> Image {
        files.iter().map(|&(name, content)| (name.to_string(), content.clone())).collect()
    };
    let old = bytes(b'o', 600);
    let mut images = BTreeSet::from([image(&[("current", &old)])]);
    for new in &legal_contents() {
        images.insert(image(&[("current", &old), ("tmp", new)]));
        images.insert(image(&[("current", new)]));
    }
    images
}

#[test]
fn three_writes_and_a_rename_end_in_every_legal_image_and_no_other() {
    let seen: BTreeSet<Image> =
        (0..2_000).map(|seed| image_after_power_loss(seed, replace_without_a_sync)).collect();
    assert_eq!(legal_images().len(), 25);
    assert_eq!(seen, legal_images());
}

#[test]
fn a_removed_file_may_be_back_with_what_it_held() {
    let run = |seed| {
        image_after_power_loss(seed, |disk| async move {
            let file = disk.create("file").await?;
            file.append(bytes(b'x', 900)).await?;
            file.sync().await?;
            disk.sync_dir("").await?;
            drop(file);
            disk.remove("file").await
        })
    };
    let seen: BTreeSet<Image> = (0..50).map(run).collect();
    let back = Image::from([("file".to_string(), bytes(b'x', 900))]);
    assert_eq!(seen, BTreeSet::from([Image::new(), back]));
}
