//! A world on an engine that is not its own: the simplest there could be.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use stillpoint_sim::{Engine, Guest, GuestTask, HostId, RunError, Tape, World};

const MS: u64 = 1_000_000;

/// Polls every task in every round, the newest first; a datagram takes a millisecond.
#[derive(Default)]
struct Simple {
    now_ns: Cell<u64>,
    wakes: RefCell<BTreeSet<u64>>,
    tasks: RefCell<Vec<Pin<Box<GuestTask>>>>,
    sent: RefCell<BTreeMap<u64, Vec<(HostId, Bytes)>>>,
    shut: RefCell<BTreeSet<(HostId, HostId)>>,
}

impl Engine for Simple {
    fn now_ns(&self) -> u64 {
        self.now_ns.get()
    }

    fn wake_at(&self, engine_ns: u64) {
        self.wakes.borrow_mut().insert(engine_ns);
    }

    fn spawn(&self, _host: HostId, task: GuestTask) {
        self.tasks.borrow_mut().insert(0, Box::pin(task));
    }

    fn send(&self, from: HostId, to: HostId, datagram: Bytes) {
        if !self.shut.borrow().contains(&(from, to)) {
            let arrives_ns = self.now_ns.get() + MS;
            self.wakes.borrow_mut().insert(arrives_ns);
            self.sent.borrow_mut().entry(arrives_ns).or_default().push((to, datagram));
        }
    }

    fn set_link(&self, from: HostId, to: HostId, open: bool) {
        match open {
            true => self.shut.borrow_mut().remove(&(from, to)),
            false => self.shut.borrow_mut().insert((from, to)),
        };
    }
}

impl Simple {
    fn round(&self, guest: &Guest) {
        let due = self.sent.borrow_mut().remove(&self.now_ns.get());
        due.into_iter().flatten().for_each(|(to, datagram)| guest.arrive(to, datagram));
        guest.catch_up();
        for mut task in self.tasks.take() {
            if task.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
                self.tasks.borrow_mut().push(task);
            }
        }
    }
}

/// Runs a world to the end of its driver; says how many tasks are left, too.
fn run<T: 'static>(
    world: &World,
    driver: impl Future<Output = T> + 'static,
) -> (Result<T, RunError>, usize) {
    let engine = Rc::new(Simple::default());
    let guest = world.lodge(Rc::clone(&engine) as Rc<dyn Engine>);
    let mut driving = pin!(guest.drive(1_000 * MS, driver));
    loop {
        // What a round wakes, this engine polls in the next.
        for _ in 0..10 {
            engine.round(&guest);
            let polled = driving.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            if let Poll::Ready(outcome) = polled {
                engine.round(&guest);
                return (outcome, engine.tasks.borrow().len());
            }
        }
        let next_ns = engine.wakes.borrow_mut().pop_first().expect("the limit is a timer");
        engine.now_ns.set(next_ns.max(engine.now_ns.get()));
    }
}

fn echo(world: &World) -> HostId {
    let echo = world.add_host("echo", "zone-a");
    world.boot(echo, |host| async move {
        let file = match host.disk().create("log").await {
            Ok(file) => file,
            Err(_) => host.disk().open("log").await.expect("an earlier life has made it"),
        };
        loop {
            let (from, message) = host.receive().await;
            file.append(message.clone()).await.expect("disks work here");
            file.sync().await.expect("disks work here");
            host.send(from, message);
        }
    });
    echo
}

#[test]
fn programs_run_as_they_do_at_home_in_the_engines_time() {
    let world = World::new(Tape::new(1));
    let echo = echo(&world);
    let driver = world.driver();
    let (outcome, _) = run(&world, async move {
        driver.sleep(5 * MS).await;
        let begun_ns = driver.now_ns();
        driver.send(echo, Bytes::from_static(b"hello"));
        (driver.receive().await.1, driver.now_ns() - begun_ns)
    });
    let (answer, took_ns) = outcome.expect("it ends");
    assert_eq!(answer, "hello");
    // There and back on the engine's network, and the disk in between on ours.
    assert!((2 * MS + 1..3 * MS).contains(&took_ns), "{took_ns}");
}

#[test]
fn a_crash_ends_the_tasks_and_what_was_sent_before_it_is_lost_on_the_next_life() {
    let world = World::new(Tape::new(1));
    let echo = echo(&world);
    let (driver, acting) = (world.driver(), world.clone());
    let (outcome, tasks) = run(&world, async move {
        driver.sleep(MS).await;
        driver.send(echo, Bytes::from_static(b"to the first life"));
        acting.restart(echo);
        driver.sleep(10 * MS).await;
        driver.send(echo, Bytes::from_static(b"to the second"));
        let answer = driver.receive().await.1;
        acting.crash(echo);
        answer
    });
    assert_eq!(outcome.expect("it ends"), "to the second");
    assert_eq!(world.fault_counts()["net.host_down"], 1);
    assert_eq!(tasks, 0, "the engine is rid of the tasks of both lives");
}

#[test]
fn a_panic_of_a_program_is_its_machines_crash_and_a_panic_of_the_driver_ends_the_run() {
    let world = World::new(Tape::new(1));
    let node = world.add_host("node", "zone-a");
    world.boot(node, |host| async move {
        host.sleep(MS).await;
        panic!("a bug in the program");
    });
    let driver = world.driver();
    let (outcome, _) = run(&world, async move {
        driver.sleep(5 * MS).await;
        panic!("a bug in the test");
    });
    let outcome: Result<(), RunError> = outcome;
    let Err(RunError::DriverPanicked(message)) = outcome else { panic!("{outcome:?}") };
    assert!(message.starts_with("a bug in the test"), "{message}");
    assert!(!world.is_up(node));
    assert!(world.panics()[0].message.starts_with("a bug in the program"));
}

#[test]
fn a_run_has_a_limit_in_the_worlds_time() {
    let world = World::new(Tape::new(1));
    let (outcome, _) = run(&world, std::future::pending::<()>());
    assert_eq!(outcome, Err(RunError::TimeLimit));
    assert_eq!(world.now_ns(), 1_000 * MS);
}

#[test]
fn a_blocked_way_is_shut_by_the_engine_and_opened_again() {
    let world = World::new(Tape::new(1));
    let echo = echo(&world);
    let (driver, acting) = (world.driver(), world.clone());
    let (outcome, _) = run(&world, async move {
        driver.sleep(MS).await;
        acting.block(HostId::DRIVER, echo);
        driver.send(echo, Bytes::from_static(b"lost"));
        driver.sleep(10 * MS).await;
        acting.heal_all();
        driver.send(echo, Bytes::from_static(b"heard"));
        driver.receive().await.1
    });
    assert_eq!(outcome.expect("it ends"), "heard");
    assert_eq!(world.fault_counts().get("net.blocked"), None, "it never came to our own door");
}

#[test]
fn a_callback_and_a_call_at_an_instant_come_as_they_do_at_home() {
    let world = World::new(Tape::new(1));
    let echo = echo(&world);
    world.at(3 * MS, move |it| it.crash(echo));
    let driver = world.driver();
    let (outcome, _) = run(&world, async move {
        driver.sleep(2 * MS).await;
        let before = driver.sees_up(echo);
        driver.sleep(2 * MS).await;
        (before, driver.sees_up(echo))
    });
    assert_eq!(outcome, Ok((true, false)));
}

#[test]
fn nothing_keeps_a_world_that_was_a_guest_in_memory() {
    let world = World::new(Tape::new(1));
    let token = Rc::new(());
    let held = Rc::clone(&token);
    let node = world.add_host("node", "zone-a");
    world.boot(node, move |host| {
        let held = Rc::clone(&held);
        async move {
            host.disk().create("log").await.expect("disks work here");
            host.sleep(u64::MAX).await;
            drop(held);
        }
    });
    let driver = world.driver();
    let (outcome, tasks) = run(&world, async move { driver.sleep(MS).await });
    assert_eq!((outcome, tasks), (Ok(()), 1));
    assert!(Rc::strong_count(&token) > 1, "its task is there");
    drop(world);
    assert_eq!(Rc::strong_count(&token), 1);
}
