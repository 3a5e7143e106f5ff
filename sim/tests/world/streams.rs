//! Ordered streams: whatever the network does, bytes arrive in order and without gaps, or both
//! ends learn that they do not.

use std::cell::RefCell;
use std::future::{Future, pending};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use stillpoint_sim::{HostId, NetSettings, RunError, Stream, StreamSettings, Tape, World};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{LIMIT_NS, fault, idle_node, world_with_node};

const PORT: u16 = 80;
const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;

fn run<T>(world: &World, driver: impl Future<Output = T>) -> T {
    world.run(10 * LIMIT_NS, driver).expect("it ends")
}

/// A stream from the driver to a node, and the node's end of it.
async fn connected(world: &World, node: HostId) -> (Stream, Stream) {
    let listener = world.host(node).listen(PORT).expect("the port is free");
    let here = world.driver().connect(node, PORT).await.expect("somebody listens");
    (here, listener.accept().await)
}

/// Reads to the end.
async fn read_all(stream: &mut Stream) -> io::Result<Vec<u8>> {
    let (mut all, mut buffer) = (Vec::new(), [0; 3_000]);
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(all),
            count => all.extend(&buffer[..count]),
        }
    }
}

fn code<T>(result: io::Result<T>) -> Option<i32> {
    result.err().and_then(|it| it.raw_os_error())
}

fn pattern(len: u32) -> Vec<u8> {
    (0..len).map(|it| (it % 251) as u8).collect()
}

/// Echoes what each connection says, until it ends.
fn echo_server(world: &World, name: &str) -> HostId {
    let node = world.add_host(name, "zone-a");
    world.boot(node, |host| async move {
        let listener = host.listen(PORT).expect("the port is free");
        loop {
            let (mut reader, mut writer) = listener.accept().await.into_split();
            host.spawn("echo", async move {
                let mut buffer = [0; 1_000];
                while let Ok(count @ 1..) = reader.read(&mut buffer).await {
                    if writer.write_all(&buffer[..count]).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    node
}

/// Sends a megabyte to an echo and back through a network with these settings; gives how long
/// it took, in nanoseconds.
fn echo_through(seed: u64, net: NetSettings) -> (World, u64) {
    let world = World::new(Tape::new(seed));
    let node = echo_server(&world, "echo");
    world.set_net(net);
    let driver = world.driver();
    let inner = driver.clone();
    run(&world, async move {
        inner.sleep(MS).await;
        let (mut reader, mut writer) =
            inner.connect(node, PORT).await.expect("the echo listens").into_split();
        let sent = pattern(1_000_000);
        let expected = sent.clone();
        inner.spawn("writer", async move {
            writer.write_all(&sent).await.expect("the echo reads");
        });
        let mut echoed = vec![0; expected.len()];
        reader.read_exact(&mut echoed).await.expect("all comes back");
        assert!(echoed == expected, "bytes changed on the way");
        assert_eq!(reader.read(&mut [0]).await.expect("a clean end"), 0);
    });
    let took_ns = world.now_ns();
    (world, took_ns)
}

#[test]
fn what_is_written_arrives() {
    let (world, took_ns) = echo_through(1, NetSettings::default());
    assert!(took_ns < SECOND, "{took_ns}");
    assert!(world.fault_counts().is_empty());
}

#[test]
fn a_bad_network_makes_delay_and_no_gaps() {
    for seed in 0..10 {
        let (world, took_ns) = echo_through(
            seed,
            NetSettings {
                loss_per_million: 30_000,
                corrupt_per_million: 30_000,
                duplicate_per_million: 30_000,
                reorder_per_million: 30_000,
                slow_per_mille: 20,
                queue_bytes_max: 100_000,
                ..NetSettings::default()
            },
        );
        assert!(took_ns > 400 * MS, "something was sent again: {took_ns}");
        assert!(fault(&world, "stream.lost") > 0 && fault(&world, "stream.corrupted") > 0);
        assert_eq!(fault(&world, "net.corrupted"), 0, "corruption reached a reader");
    }
}

#[test]
fn a_seed_repeats_its_streams() {
    let net = NetSettings { loss_per_million: 10_000, ..NetSettings::default() };
    let hash = |seed| echo_through(seed, net.clone()).0.hash();
    assert_eq!(hash(3), hash(3));
    assert_ne!(hash(3), hash(4));
}

#[test]
fn a_writer_waits_for_its_reader() {
    let (world, node) = world_with_node(1);
    let window_bytes = 10_000;
    world.set_streams(StreamSettings { window_bytes, ..StreamSettings::default() });
    let (inner, driver) = (world.clone(), world.driver());
    run(&world, async move {
        let (mut here, mut there) = connected(&inner, node).await;
        let written = Rc::new(RefCell::new(0));
        let count = written.clone();
        driver.spawn("writer", async move {
            while let Ok(bytes) = here.write(&[7; 1_000]).await {
                *count.borrow_mut() += bytes as u64;
            }
        });
        driver.sleep(SECOND).await;
        // As much as both ends keep, and nothing more.
        assert_eq!(*written.borrow(), 2 * window_bytes);
        driver.sleep(100 * SECOND).await;
        assert_eq!(*written.borrow(), 2 * window_bytes);
        let begin_ns = inner.now_ns();
        there.read_exact(&mut vec![0; 50_000]).await.expect("the writer goes on");
        assert!(inner.now_ns() - begin_ns < 100 * MS, "the writer is told of room at once");
        assert!(*written.borrow() >= 50_000);
    });
}

#[test]
fn an_end_that_writes_no_more_still_reads() {
    let (world, node) = world_with_node(2);
    let inner = world.clone();
    run(&world, async move {
        let (mut here, mut there) = connected(&inner, node).await;
        here.write_all(b"question").await.expect("open");
        here.shutdown().await.expect("open");
        assert_eq!(code(here.write(b"more").await), Some(32), "EPIPE");
        assert_eq!(read_all(&mut there).await.expect("open"), b"question");
        there.write_all(b"answer").await.expect("open the other way");
        drop(there);
        assert_eq!(read_all(&mut here).await.expect("closed cleanly"), b"answer");
    });
}

#[test]
fn connections_are_refused_where_nobody_listens() {
    let (world, node) = world_with_node(3);
    let inner = world.clone();
    run(&world, async move {
        let driver = inner.driver();
        assert_eq!(code(driver.connect(node, PORT).await), Some(111), "ECONNREFUSED");
        let listener = inner.host(node).listen(PORT).expect("free");
        assert_eq!(code(inner.host(node).listen(PORT)), Some(98), "EADDRINUSE");
        drop(listener);
        assert_eq!(code(driver.connect(node, PORT).await), Some(111), "ECONNREFUSED");
        inner.host(node).listen(PORT).expect("free again");
        // The machine runs on when its process dies.
        inner.crash(node);
        assert_eq!(code(driver.connect(node, PORT).await), Some(111), "ECONNREFUSED");
        inner.power_loss(node);
        let begin_ns = inner.now_ns();
        assert_eq!(code(driver.connect(node, PORT).await), Some(110), "ETIMEDOUT");
        assert_eq!((inner.now_ns() - begin_ns) / SECOND, 127);
    });
}

#[test]
fn a_process_that_dies_ends_its_streams() {
    let (world, node) = world_with_node(4);
    let inner = world.clone();
    run(&world, async move {
        let driver = inner.driver();
        let (mut here, mut there) = connected(&inner, node).await;
        there.write_all(b"last words").await.expect("open");
        inner.crash(node);
        // What it wrote comes, then the end; who writes then is told.
        assert_eq!(read_all(&mut here).await.expect("its kernel says so"), b"last words");
        here.write_all(b"hello?").await.expect("nobody knows yet");
        driver.sleep(10 * MS).await;
        assert_eq!(code(here.write(b"?").await), Some(32), "EPIPE");
        inner.restart(node);
        let (mut here, there) = connected(&inner, node).await;
        here.write_all(b"never read").await.expect("open");
        driver.sleep(10 * MS).await;
        inner.crash(node);
        // It left bytes unread: its kernel says that they are lost.
        assert_eq!(code(here.read(&mut [0]).await), Some(104), "ECONNRESET");
        assert_eq!(here.read(&mut [0]).await.expect("told once"), 0);
        assert_eq!(code(here.write(b"?").await), Some(32), "EPIPE");
        drop(there);
    });
}

#[test]
fn nobody_tells_of_a_power_loss() {
    let (world, node) = world_with_node(5);
    let inner = world.clone();
    run(&world, async move {
        let driver = inner.driver();
        let (mut first, _lost) = connected(&inner, node).await;
        let (mut second, _lost) = connected(&inner, node).await;
        let (mut third, _lost) = connected(&inner, node).await;
        inner.power_loss(node);
        driver.spawn("reader", async move {
            third.read(&mut [0]).await.expect("it never hears anything");
            panic!("a half-open stream said something");
        });
        driver.sleep(1_000 * SECOND).await;
        first.write_all(b"hello?").await.expect("the kernel takes it");
        let begin_ns = inner.now_ns();
        assert_eq!(code(first.read(&mut [0]).await), Some(110), "ETIMEDOUT");
        let gave_up_s = (inner.now_ns() - begin_ns) / SECOND;
        assert!((924..1_060).contains(&gave_up_s), "{gave_up_s}");
        // The restarted machine knows of no such stream.
        inner.restart(node);
        second.write_all(b"hello?").await.expect("the kernel takes it");
        assert_eq!(code(second.read(&mut [0]).await), Some(104), "ECONNRESET");
    });
}

#[test]
fn a_partition_is_waited_out_or_given_up_on() {
    let (world, node) = world_with_node(6);
    world.set_streams(StreamSettings { timeout_ns: 30 * SECOND, ..StreamSettings::default() });
    let inner = world.clone();
    run(&world, async move {
        let driver = inner.driver();
        let (mut here, mut there) = connected(&inner, node).await;
        let cut = inner.isolate(node);
        here.write_all(b"late").await.expect("the kernel takes it");
        driver.sleep(20 * SECOND).await;
        inner.lift(cut);
        there.read_exact(&mut [0; 4]).await.expect("it was sent again");
        assert!(inner.now_ns() >= 20 * SECOND && inner.now_ns() < 50 * SECOND);
        let cut = inner.isolate(node);
        here.write_all(b"lost").await.expect("the kernel takes it");
        assert_eq!(code(here.read(&mut [0]).await), Some(110), "ETIMEDOUT");
        assert_eq!(fault(&inner, "stream.timed_out"), 1);
        inner.lift(cut);
        // The other end has noticed nothing, until it writes.
        there.write_all(b"still there?").await.expect("the kernel takes it");
        assert_eq!(code(there.read(&mut [0]).await), Some(104), "ECONNRESET");
    });
}

#[test]
fn streams_are_reset_at_both_ends() {
    let (world, node) = world_with_node(7);
    let other = idle_node(&world, "other", "zone-b");
    let inner = world.clone();
    run(&world, async move {
        let (mut here, mut there) = connected(&inner, node).await;
        let (mut near, mut far) = connected(&inner, other).await;
        far.write_all(b"!").await.expect("open");
        inner.driver().sleep(10 * MS).await;
        assert_eq!(inner.reset_streams(node, HostId::DRIVER), 1);
        assert_eq!(fault(&inner, "stream.cut"), 1);
        assert_eq!(code(here.read(&mut [0]).await), Some(104));
        assert_eq!(code(there.write(b"?").await), Some(104));
        assert_eq!(near.read(&mut [0]).await.expect("of other hosts"), 1);
        assert_eq!(inner.reset_streams(node, HostId::DRIVER), 0, "none is left");
    });
}

#[test]
fn reads_can_be_short() {
    let (world, node) = world_with_node(8);
    let short_reads_per_million = 500_000;
    world.set_streams(StreamSettings { short_reads_per_million, ..StreamSettings::default() });
    let inner = world.clone();
    let sizes = run(&world, async move {
        let (mut here, mut there) = connected(&inner, node).await;
        let mut sizes = Vec::new();
        for _ in 0..100 {
            here.write_all(&[1; 100]).await.expect("open");
            inner.driver().sleep(10 * MS).await;
            let mut left = 100;
            while left > 0 {
                let count = there.read(&mut [0; 200]).await.expect("open");
                sizes.push((count, left));
                left -= count;
            }
        }
        sizes
    });
    let short = sizes.iter().filter(|(count, there)| count < there).count() as u64;
    assert_eq!(short, fault(&world, "stream.short_read"));
    assert!(short > 50 && sizes.len() as u64 == 100 + short);
}

/// Polls once, as other people's code does that knows the traits only.
fn poll_once(stream: &mut Stream, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
    let mut context = Context::from_waker(std::task::Waker::noop());
    Pin::new(stream).poll_read(&mut context, buffer)
}

#[test]
fn the_traits_of_tokio_are_there() {
    let (world, node) = world_with_node(9);
    let inner = world.clone();
    run(&world, async move {
        let (mut here, mut there) = connected(&inner, node).await;
        let mut storage = [0; 8];
        let mut buffer = ReadBuf::new(&mut storage);
        assert!(poll_once(&mut there, &mut buffer).is_pending());
        let wrote = std::future::poll_fn(|context| {
            let mut here = pin!(&mut here);
            here.as_mut().poll_write(context, b"abc")
        });
        assert_eq!(wrote.await.expect("open"), 3);
        inner.driver().sleep(10 * MS).await;
        assert!(poll_once(&mut there, &mut buffer).is_ready());
        assert_eq!(buffer.filled(), b"abc");
        std::future::poll_fn(|context| Pin::new(&mut here).poll_shutdown(context))
            .await
            .expect("open");
        inner.driver().sleep(10 * MS).await;
        assert!(poll_once(&mut there, &mut buffer).is_ready());
        assert_eq!(buffer.filled(), b"abc", "the end adds nothing");
    });
}

#[test]
fn a_paused_process_keeps_its_streams() {
    let (world, node) = (World::new(Tape::new(10)), HostId(1));
    assert_eq!(echo_server(&world, "echo"), node);
    let inner = world.clone();
    run(&world, async move {
        let driver = inner.driver();
        driver.sleep(MS).await;
        let mut stream = driver.connect(node, PORT).await.expect("the echo listens");
        inner.pause(node);
        // Its kernel takes what comes, for as long as there is room.
        stream.write_all(&[1; 1_000]).await.expect("open");
        driver.sleep(2_000 * SECOND).await;
        inner.resume(node);
        stream.read_exact(&mut [0; 1_000]).await.expect("it is there again");
        assert_eq!(fault(&inner, "stream.timed_out"), 0);
    });
}

/// When all ends are closed the world knows of no stream any more, and nothing is left to happen.
#[test]
fn streams_leave_nothing_behind() {
    let (world, node) = world_with_node(11);
    let inner = world.clone();
    run(&world, async move {
        for _ in 0..20 {
            let (mut here, mut there) = connected(&inner, node).await;
            here.write_all(&[1; 1_000]).await.expect("open");
            here.shutdown().await.expect("open");
            read_all(&mut there).await.expect("open");
        }
        let (here, _) = connected(&inner, node).await;
        inner.power_loss(node);
        drop(here);
    });
    assert_eq!(world.run(LIMIT_NS, pending::<()>()), Err(RunError::Deadlock));
    assert_eq!(world.reset_streams(HostId::DRIVER, node), 0);
}
