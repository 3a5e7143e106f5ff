//! Files as a running system sees them, and what a crash of the process leaves.

use std::io;

use bytes::Bytes;
use stillpoint_sim::{Completion, DiskSettings, World};

use crate::{LIMIT_NS, world_with_node};

fn number<T>(world: &World, operation: Completion<io::Result<T>>) -> Option<i32> {
    match world.run(LIMIT_NS, operation).expect("disks answer") {
        Ok(_) => None,
        Err(error) => error.raw_os_error(),
    }
}

fn text(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

#[test]
fn errors_are_those_of_linux() {
    let (world, node) = world_with_node(1);
    let disk = world.host(node).disk();
    let (enoent, eexist, enotdir, eisdir) = (Some(2), Some(17), Some(20), Some(21));
    let (einval, enotempty) = (Some(22), Some(39));
    assert_eq!(number(&world, disk.open("file")), enoent);
    assert_eq!(number(&world, disk.create("wal/1")), enoent);
    assert_eq!(number(&world, disk.list("wal")), enoent);
    assert_eq!(number(&world, disk.create_dir("wal")), None);
    assert_eq!(number(&world, disk.create_dir("wal")), eexist);
    assert_eq!(number(&world, disk.create_dir("wal/deeper")), einval);
    assert_eq!(number(&world, disk.create("wal/1")), None);
    assert_eq!(number(&world, disk.create("wal/1")), eexist);
    assert_eq!(number(&world, disk.open("wal")), eisdir);
    assert_eq!(number(&world, disk.remove("wal")), eisdir);
    assert_eq!(number(&world, disk.rename("wal/1", "wal")), enotempty);
    assert_eq!(number(&world, disk.rename("wal/2", "wal/3")), enoent);
    assert_eq!(number(&world, disk.rename("wal/1", "nowhere/3")), enoent);
    assert_eq!(number(&world, disk.create("file")), None);
    assert_eq!(number(&world, disk.list("file")), enotdir);
    assert_eq!(number(&world, disk.create("file/1")), enotdir);
    assert_eq!(number(&world, disk.rename("file", "wal")), eisdir);
    assert_eq!(number(&world, disk.sync_dir("nowhere")), enoent);
    assert_eq!(number(&world, disk.remove("file")), None);
    assert_eq!(number(&world, disk.remove("file")), enoent);
}

#[test]
fn reads_see_writes() {
    let (world, node) = world_with_node(2);
    let disk = world.host(node).disk();
    let run = async {
        let file = disk.create("file").await?;
        assert_eq!(file.append(text("hello")).await?, 0);
        assert_eq!(file.append(text(" world")).await?, 5);
        assert_eq!(file.read_at(3, 5).await?, text("lo wo"));
        assert_eq!(file.read_at(6, 100).await?, text("world"));
        assert_eq!(file.read_at(100, 1).await?, text(""));
        file.write_at(13, text("!")).await?;
        assert_eq!(file.read_at(9, 9).await?, text("ld\0\0!"));
        file.set_len(4).await?;
        file.set_len(6).await?;
        assert_eq!((file.read_at(0, 9).await?, file.len().await?), (text("hell\0\0"), 6));
        file.sync().await
    };
    world.run(LIMIT_NS, run).expect("it ends").expect("no operation fails");
}

#[test]
fn names_are_listed_in_order_and_by_directory() {
    let (world, node) = world_with_node(3);
    let disk = world.host(node).disk();
    let run = async {
        disk.create_dir("wal").await?;
        for path in ["wal/2", "b", "wal/1", "a"] {
            disk.create(path).await?;
        }
        disk.rename("b", "wal/0").await?;
        disk.remove("wal/2").await?;
        Ok::<_, io::Error>((disk.list("").await?, disk.list("wal").await?))
    };
    let (root, wal) = world.run(LIMIT_NS, run).expect("it ends").expect("no operation fails");
    assert_eq!((root, wal), (vec!["a".into(), "wal".into()], vec!["0".into(), "1".into()]));
}

#[test]
fn an_open_file_stays_itself_when_its_name_moves_on() {
    let (world, node) = world_with_node(4);
    let disk = world.host(node).disk();
    let run = async {
        let old = disk.create("file").await?;
        disk.remove("file").await?;
        let new = disk.create("file").await?;
        old.append(text("old")).await?;
        new.append(text("new")).await?;
        disk.sync_dir("").await?;
        assert_eq!(old.read_at(0, 9).await?, text("old"));
        assert_eq!(disk.open("file").await?.read_at(0, 9).await?, text("new"));
        let other = disk.create("other").await?;
        disk.rename("other", "file").await?;
        other.append(text("other")).await?;
        assert_eq!(disk.open("file").await?.read_at(0, 9).await?, text("other"));
        new.sync().await
    };
    world.run(LIMIT_NS, run).expect("it ends").expect("no operation fails");
    assert_eq!(world.peek_file(node, "file"), Some(text("other")));
}

#[test]
fn a_crash_of_the_process_keeps_the_page_cache() {
    let (world, node) = world_with_node(5);
    let disk = world.host(node).disk();
    let run = async {
        let file = disk.create("file").await?;
        file.append(text("never synced")).await
    };
    world.run(LIMIT_NS, run).expect("it ends").expect("no operation fails");
    world.restart(node);
    let disk = world.host(node).disk();
    let run = async { disk.open("file").await?.read_at(0, 99).await };
    let content = world.run(LIMIT_NS, run).expect("it ends").expect("no operation fails");
    assert_eq!(content, text("never synced"));
}

#[test]
fn a_write_under_way_at_the_crash_happens_or_does_not() {
    let mut happened = 0;
    for seed in 0..100 {
        let (world, node) = world_with_node(seed);
        let disk = world.host(node).disk();
        let file = world.run(LIMIT_NS, disk.create("file")).expect("it ends").expect("no error");
        drop(file.append(text("x")));
        world.crash(node);
        happened += world.peek_file(node, "file").expect("its name is in the cache").len();
    }
    assert!((30..70).contains(&happened), "{happened} of 100");
}

#[test]
fn operations_take_their_time() {
    let (world, node) = world_with_node(6);
    let host = world.host(node);
    world.set_disk(node, DiskSettings { slow_per_mille: 0, ..DiskSettings::default() });
    let file = world.run(LIMIT_NS, host.disk().create("file")).expect("it ends").expect("no error");
    let run = async {
        let mut took_ns = Vec::new();
        for turn in 0..300 {
            let begin_ns = host.now_ns();
            match turn % 3 {
                0 => file.write_at(0, text("x")).await?,
                1 => drop(file.read_at(0, 1).await?),
                _ => file.sync().await?,
            }
            took_ns.push(host.now_ns() - begin_ns);
        }
        Ok::<_, io::Error>(took_ns)
    };
    let took_ns = world.run(LIMIT_NS, run).expect("it ends").expect("no operation fails");
    let ranges = [5_000..20_000, 20_000..80_000, 100_000..400_000];
    assert!(took_ns.iter().enumerate().all(|(turn, it)| ranges[turn % 3].contains(it)));
    world.set_disk(node, DiskSettings { slow_per_mille: 1_000, ..DiskSettings::default() });
    let before_ns = world.now_ns();
    world.run(LIMIT_NS, file.sync()).expect("it ends").expect("no error");
    assert!(world.now_ns() - before_ns >= 1_000_000);
    assert_eq!(world.fault_counts()["disk.slow"], 1);
}
