//! Boot, crash, restart, panics, points, and how a run can end.

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::process::Command;
use std::rc::Rc;
use std::task::{Poll, Waker};

use bytes::Bytes;
use stillpoint_sim::{Host, HostId, RunError, Tape, WORLD_EPOCH_MS, World};

use crate::{LIMIT_NS, idle_node, world_with_node};

fn sleep(world: &World, ns: u64) {
    let driver = world.driver();
    world.run(LIMIT_NS, async move { driver.sleep(ns).await }).expect("it ends");
}

#[test]
fn a_crash_ends_tasks_and_a_restart_begins_anew() {
    let world = World::new(Tape::new(1));
    let ticks = Rc::new(Cell::new(0));
    let node = world.add_host("node-1", "zone-a");
    let count = ticks.clone();
    world.boot(node, move |host| {
        let ticks = count.clone();
        async move {
            ticks.set(100 * (ticks.get() / 100 + 1));
            loop {
                host.sleep(1_000_000).await;
                ticks.set(ticks.get() + 1);
            }
        }
    });
    sleep(&world, 5_500_000);
    assert_eq!(ticks.get(), 105);
    world.crash(node);
    assert!(!world.is_up(node));
    sleep(&world, 5_000_000);
    assert_eq!(ticks.get(), 105);
    world.restart(node);
    sleep(&world, 3_500_000);
    assert_eq!(ticks.get(), 203);
    assert_eq!(world.fault_counts()["process.crash"], 1);
    assert_eq!(world.fault_counts()["process.restart"], 1);
}

#[test]
fn a_process_stays_the_release_as_which_it_was_started() {
    let (world, node) = world_with_node(1);
    let old = world.host(node);
    world.set_release(node, 5);
    assert_eq!((old.release(), world.host(node).release()), (0, 0), "it runs on as it is");
    world.restart(node);
    assert_eq!((old.release(), world.host(node).release()), (0, 5), "the old handle is of the old");
}

#[test]
fn mail_to_a_crashed_host_is_lost_and_mail_from_it_arrives() {
    let (world, node) = world_with_node(2);
    world.host(node).send(HostId::DRIVER, Bytes::from_static(b"last words"));
    world.driver().send(node, Bytes::from_static(b"too late"));
    world.restart(node);
    let (driver, reborn) = (world.driver(), world.host(node));
    let heard = world.run(LIMIT_NS, async move { driver.receive().await });
    assert_eq!(heard, Ok((node, Bytes::from_static(b"last words"))));
    let got = world.run(LIMIT_NS, async move { reborn.receive().await });
    assert_eq!(got, Err(RunError::Deadlock));
    assert_eq!(world.fault_counts()["net.host_down"], 1);
}

#[test]
fn a_handle_of_a_dead_process_does_nothing() {
    let (world, node) = world_with_node(3);
    let dead = world.host(node);
    world.restart(node);
    dead.send(HostId::DRIVER, Bytes::new());
    dead.point("ghost", 0);
    dead.spawn("ghost", async { panic!("a dead process runs nothing") });
    let driver = world.driver();
    assert_eq!(world.run(LIMIT_NS, async move { driver.receive().await }), Err(RunError::Deadlock));
    assert!(world.point_counts().is_empty() && world.panics().is_empty());
    let create = dead.disk().create("file");
    assert!(matches!(world.run(LIMIT_NS, create), Err(RunError::Deadlock)));
    let put = dead.objects().put("key", Bytes::new());
    assert_eq!(world.run(LIMIT_NS, put), Err(RunError::Deadlock));
}

fn panicking_world() -> (World, HostId) {
    let world = World::new(Tape::new(4));
    let node = world.add_host("node-1", "zone-a");
    world.boot(node, |host| async move {
        let background = host.clone();
        host.spawn("background", async move {
            background.sleep(2_000).await;
            background.point("background ran on", 0);
        });
        host.sleep(1_000).await;
        panic!("turn {} went wrong", 7);
    });
    sleep(&world, 10_000);
    (world, node)
}

#[test]
fn a_panic_is_the_crash_of_its_host_alone() {
    let (world, node) = panicking_world();
    let panics = world.panics();
    assert_eq!(panics.len(), 1);
    assert_eq!((panics[0].host, panics[0].time_ns), (node, 1_000));
    assert!(panics[0].message.starts_with("turn 7 went wrong at "), "{}", panics[0].message);
    assert!(panics[0].message.contains("processes.rs:"), "{}", panics[0].message);
    assert!(!world.is_up(node));
    assert!(world.point_counts().is_empty());
    assert_eq!(world.fault_counts()["process.panic"], 1);
}

/// The tests of this file that panic inside a world, run in a process of their own, where
/// the standard error can be looked at.
#[test]
fn panics_inside_a_world_print_nothing() {
    let tests = ["processes::a_panic_is_the_crash_of_its_host_alone"];
    let this = std::env::current_exe().expect("a test is a program");
    let run = Command::new(this).args(tests).args(["--exact", "--nocapture"]).output();
    let run = run.expect("a test can be run by hand");
    assert!(String::from_utf8_lossy(&run.stdout).contains("1 passed"));
    assert_eq!(String::from_utf8_lossy(&run.stderr), "");
}

#[test]
fn a_panic_of_the_driver_is_the_result_of_the_run() {
    let (world, _) = world_with_node(5);
    let direct = world.run::<()>(LIMIT_NS, async { panic!("first") });
    assert!(matches!(direct, Err(RunError::DriverPanicked(it)) if it.starts_with("first at ")));
    world.driver().spawn("helper", async { panic!("second") });
    let spawned = world.run::<()>(LIMIT_NS, pending());
    assert!(matches!(spawned, Err(RunError::DriverPanicked(it)) if it.starts_with("second")));
    world.on_point("here", |_, _, _| panic!("third"));
    world.driver().point("here", 0);
    let callback = world.run::<()>(LIMIT_NS, pending());
    assert!(matches!(callback, Err(RunError::DriverPanicked(it)) if it.starts_with("third")));
    assert!(world.panics().is_empty());
}

#[test]
fn a_run_ends_at_its_limit() {
    let (world, _) = world_with_node(6);
    let driver = world.driver();
    let run = world.run(1_000, async move { driver.sleep(2_000).await });
    assert_eq!((run, world.now_ns()), (Err(RunError::TimeLimit), 1_000));
    // The sleep was dropped with its driver: nothing is left that could happen.
    assert_eq!(world.run::<()>(LIMIT_NS, pending()), Err(RunError::Deadlock));
    assert_eq!(world.now_ns(), 1_000);
}

#[test]
fn a_sleep_wakes_the_task_that_awaits_it_last() {
    let (world, _) = world_with_node(15);
    let driver = world.driver();
    let mut sleep = Box::pin(driver.sleep(1_000));
    let run = async move {
        poll_fn(|context| {
            assert!(sleep.as_mut().poll(context).is_pending());
            Poll::Ready(())
        })
        .await;
        let heir = driver.clone();
        driver.spawn("heir", async move {
            sleep.await;
            heir.point("woken", 0);
        });
        driver.receive().await;
    };
    // The driver itself is never woken again.
    assert_eq!(world.run(LIMIT_NS, run), Err(RunError::Deadlock));
    assert_eq!(world.point_counts()["woken"], 1);
}

#[test]
fn tasks_that_never_let_time_pass_are_found_out() {
    let (world, _) = world_with_node(7);
    let spin = poll_fn(|context| {
        context.waker().wake_by_ref();
        Poll::<()>::Pending
    });
    assert_eq!(world.run(LIMIT_NS, spin), Err(RunError::Livelock));
}

#[test]
fn short_sleeps_let_others_run() {
    let (world, node) = world_with_node(8);
    let host = world.host(node);
    let seen = Rc::new(Cell::new(false));
    let set = seen.clone();
    host.spawn("other", async move { set.set(true) });
    let wait = async move {
        while !seen.get() {
            host.sleep(0).await;
        }
    };
    assert_eq!(world.run(LIMIT_NS, wait), Ok(()));
}

/// Wakes and spawns when it is dropped, as guards and channels do.
struct OnDrop {
    host: Host,
    wake: Rc<RefCell<Option<Waker>>>,
    dropped: Rc<Cell<u32>>,
}

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.dropped.set(self.dropped.get() + 1);
        if let Some(waker) = self.wake.borrow_mut().take() {
            waker.wake();
        }
        self.host.send(HostId::DRIVER, Bytes::new());
        self.host.spawn("from_drop", async { panic!("spawned by the dead") });
    }
}

#[test]
fn tasks_that_hold_one_anothers_wakers_can_be_dropped() {
    let world = World::new(Tape::new(9));
    let dropped = Rc::new(Cell::new(0));
    let node = world.add_host("node-1", "zone-a");
    let counter = dropped.clone();
    world.boot(node, move |host| {
        let slots: [Rc<RefCell<Option<Waker>>>; 2] = Default::default();
        for at in 0..2 {
            let (own, wake) = (slots[at].clone(), slots[1 - at].clone());
            let guard = OnDrop { host: host.clone(), wake, dropped: counter.clone() };
            host.spawn("member", async move {
                let _guard = guard;
                poll_fn::<(), _>(|context| {
                    *own.borrow_mut() = Some(context.waker().clone());
                    Poll::Pending
                })
                .await;
            });
        }
        pending()
    });
    sleep(&world, 1_000);
    world.crash(node);
    assert_eq!(dropped.get(), 2);
    let driver = world.driver();
    assert_eq!(world.run(LIMIT_NS, async move { driver.receive().await }), Err(RunError::Deadlock));
    assert!(world.panics().is_empty());
}

#[test]
fn a_panic_while_a_crash_drops_tasks_is_reported() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("dropped the wrong way");
        }
    }
    let (world, node) = world_with_node(10);
    world.host(node).spawn("bomb", async {
        let _bomb = Bomb;
        pending::<()>().await;
    });
    sleep(&world, 1_000);
    world.crash(node);
    assert_eq!(world.panics().len(), 1);
    assert!(world.panics()[0].message.starts_with("dropped the wrong way"));
}

#[test]
fn the_end_of_a_world_drops_what_is_in_it() {
    let token = Rc::new(());
    let world = World::new(Tape::new(11));
    let node = world.add_host("node-1", "zone-a");
    let held = token.clone();
    world.boot(node, move |host| {
        let held = held.clone();
        async move {
            let _held = (held, host.disk().create("file"), host.objects().list(""));
            pending().await
        }
    });
    let held = token.clone();
    let driver = world.driver();
    world.on_point("never", move |_, _, _| drop((held.clone(), driver.clone())));
    sleep(&world, 1_000);
    assert!(Rc::strong_count(&token) > 2);
    drop(world);
    assert_eq!(Rc::strong_count(&token), 1);
}

#[test]
fn a_callback_may_crash_the_host_that_reached_the_point() {
    let world = World::new(Tape::new(12));
    let node = world.add_host("node-1", "zone-a");
    world.boot(node, |host| async move {
        host.point("sealed", 42);
        host.point("same poll", 0);
        host.sleep(1_000).await;
        host.point("next poll", 0);
    });
    let seen = Rc::new(RefCell::new(Vec::new()));
    let into = seen.clone();
    world.on_point("sealed", move |world, host, detail| {
        into.borrow_mut().push((host, detail, world.is_up(host)));
        world.crash(host);
    });
    sleep(&world, 10_000);
    assert_eq!(*seen.borrow(), [(node, 42, true)]);
    let counts: Vec<_> = world.point_counts().into_iter().collect();
    assert_eq!(counts, [("same poll", 1), ("sealed", 1)]);
}

#[test]
fn a_callback_may_set_another() {
    let (world, node) = world_with_node(13);
    let calls = Rc::new(Cell::new(0));
    let counter = calls.clone();
    world.on_point("step", move |world, _, _| {
        counter.set(counter.get() + 1);
        let counter = counter.clone();
        world.on_point("step", move |_, _, _| counter.set(counter.get() + 10));
    });
    for expected in [1, 12, 33] {
        world.host(node).point("step", 0);
        sleep(&world, 1);
        assert_eq!(calls.get(), expected);
    }
}

#[test]
fn clocks_disagree_and_outlive_the_process() {
    let (world, node) = world_with_node(14);
    let other = idle_node(&world, "node-2", "zone-a");
    sleep(&world, 5_000_000);
    let before = world.host(node);
    assert_ne!(before.now_ns(), world.host(other).now_ns());
    assert_eq!(before.wall_ms(), WORLD_EPOCH_MS + 5);
    world.set_clock_offset(node, -6_500_000);
    assert_eq!(before.wall_ms(), WORLD_EPOCH_MS - 2);
    assert_eq!(world.host(other).wall_ms(), WORLD_EPOCH_MS + 5);
    let shown = before.now_ns();
    world.restart(node);
    let after = world.host(node);
    assert_eq!(after.now_ns(), shown);
    world.run(LIMIT_NS, after.sleep_until(shown + 777)).expect("it ends");
    assert_eq!((after.now_ns(), world.now_ns()), (shown + 777, 5_000_777));
}
