//! How long disk operations take where others use the same disk. The queue itself is tested
//! where it stands; this is what a program sees of it.

use std::io;

use bytes::Bytes;
use stillpoint_sim::{Disk, DiskSettings, File, Host, HostId, World};

use crate::{LIMIT_NS, world_with_node};

const BLOCK: usize = 100_000;

/// No chance in it: writes of 10 µs and reads of 20 µs on a bus of 1 GB/s.
fn steady(world: &World, node: HostId) {
    let settings = DiskSettings {
        write_ns: 10_000..10_001,
        read_ns: 20_000..20_001,
        sync_ns: 50_000..50_001,
        slow_per_mille: 0,
        bytes_per_second: 1_000_000_000,
        parallel: 8,
        background_wait_ns_max: 1_000_000,
    };
    world.set_disk(node, settings);
}

fn block() -> Bytes {
    vec![1; BLOCK].into()
}

async fn write_blocks(file: File, count: u64) -> io::Result<()> {
    let writes: Vec<_> = (0..count).map(|_| file.write_at(0, block())).collect();
    for write in writes {
        write.await?;
    }
    Ok(())
}

fn run<T>(world: &World, operation: impl Future<Output = io::Result<T>>) -> T {
    world.run(LIMIT_NS, operation).expect("it ends").expect("no operation fails")
}

fn create(world: &World, disk: &Disk, path: &str) -> File {
    run(world, disk.create(path))
}

#[test]
fn two_files_share_one_bandwidth() {
    let (world, node) = world_with_node(1);
    steady(&world, node);
    let disk = world.host(node).disk();
    let (a, b) = (create(&world, &disk, "a"), create(&world, &disk, "b"));
    let begin_ns = world.now_ns();
    world.host(node).spawn("other", async move {
        write_blocks(a, 500).await.expect("no operation fails");
    });
    run(&world, write_blocks(b, 500));
    // A thousand blocks, of which the last but a few of the other file may be on their way.
    let took_ns = world.now_ns() - begin_ns;
    assert!((99_000_000..101_000_000).contains(&took_ns), "{took_ns} ns");
}

#[test]
fn a_change_of_speed_holds_from_the_next_operation_on() {
    let (world, node) = world_with_node(2);
    steady(&world, node);
    let file = create(&world, &world.host(node).disk(), "file");
    run(&world, file.write_at(0, block()));
    let took_ns = |operation| {
        let begin_ns = world.now_ns();
        run(&world, operation);
        world.now_ns() - begin_ns
    };
    assert_eq!(took_ns(file.write_at(0, block())), 110_000);
    let slow = DiskSettings { write_ns: 1..2, bytes_per_second: 1_000_000, ..Default::default() };
    world.set_disk(node, DiskSettings { slow_per_mille: 0, ..slow });
    assert_eq!(took_ns(file.write_at(0, block())), 100_000_001);
}

#[test]
fn more_channels_let_those_start_who_wait() {
    let (world, node) = world_with_node(3);
    let settings =
        DiskSettings { sync_ns: 50_000..50_001, slow_per_mille: 0, ..Default::default() };
    world.set_disk(node, DiskSettings { parallel: 1, ..settings.clone() });
    let file = create(&world, &world.host(node).disk(), "file");
    let begin_ns = world.now_ns();
    let syncs: Vec<_> = (0..10).map(|_| file.sync()).collect();
    world.set_disk(node, DiskSettings { parallel: 16, ..settings });
    for sync in syncs {
        run(&world, sync);
    }
    assert_eq!(world.now_ns() - begin_ns, 50_000);
}

/// The longest of a thousand reads, one each 50 µs, in nanoseconds.
async fn longest_read_ns(host: Host, file: File) -> io::Result<u64> {
    let mut longest_ns = 0;
    for _ in 0..1_000 {
        host.sleep(50_000).await;
        let begin_ns = host.now_ns();
        file.read_at(0, 4_000).await?;
        longest_ns = longest_ns.max(host.now_ns() - begin_ns);
    }
    Ok(longest_ns)
}

#[test]
fn a_read_waits_for_one_background_write_at_most() {
    let longest_ns = |background: Option<bool>| {
        let (world, node) = world_with_node(4);
        steady(&world, node);
        let host = world.host(node);
        let (file, other) = (create(&world, &host.disk(), "a"), create(&world, &host.disk(), "b"));
        run(&world, file.append(block()));
        if let Some(background) = background {
            let other = if background { other.in_background() } else { other };
            host.spawn("bulk", async move {
                write_blocks(other, 5_000).await.expect("no operation fails");
            });
        }
        run(&world, longest_read_ns(host, file))
    };
    let alone_ns = longest_ns(None);
    assert_eq!(alone_ns, 24_000);
    let beside_ns = longest_ns(Some(true));
    assert!(beside_ns > alone_ns && beside_ns <= alone_ns + 110_000, "{beside_ns} ns");
    // The same bulk in the foreground is felt.
    assert!(longest_ns(Some(false)) > 10 * beside_ns);
}

#[test]
fn what_waits_at_a_crash_does_not_hold_up_the_next_process() {
    let (world, node) = world_with_node(5);
    steady(&world, node);
    let file = create(&world, &world.host(node).disk(), "file");
    let late = file.in_background();
    let writes = |file: &File| (0..1_000).map(|_| file.write_at(0, block())).collect::<Vec<_>>();
    drop((writes(&file), writes(&late), file, late));
    world.restart(node);
    let disk = world.host(node).disk();
    let begin_ns = world.now_ns();
    run(&world, disk.sync_dir(""));
    assert_eq!(world.now_ns() - begin_ns, 50_000);
    let file = run(&world, disk.open("file"));
    let begin_ns = world.now_ns();
    run(&world, file.in_background().sync());
    assert_eq!(world.now_ns() - begin_ns, 50_000);
}
