//! The world and its run loop.
//!
//! All events of an instant happen before any task runs; then the ready tasks run one by
//! one, in the order their dice say; only when none is left does time move on.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};

use crate::core::Core;
use crate::dice::{Dice, TapeFit};
use crate::event::{Due, Event};
use crate::executor::{DRIVER_SLOT, Wakee};
use crate::host::{Host, HostId};
use crate::log::EventRecord;
use crate::panics::{guarded, install_hook};
use crate::tape::{Override, Tape};

/// How many polls may happen at one instant before a run is called stuck.
pub const POLLS_PER_INSTANT_MAX: u64 = 2_000_000;

/// Why a run ended without the driver's result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunError {
    /// The virtual time allowed is over.
    TimeLimit,
    /// Nothing is left that could happen, and the driver still waits.
    Deadlock,
    /// Tasks keep waking one another while time stands still.
    Livelock,
    /// The driver, a task of its host or a point's callback panicked, with this message.
    DriverPanicked(String),
}

/// What to do about a driver that is not done.
const ASK: &str = ", and the driver still waits: `World::waiting` says for what everybody waits, \
                   and so does the error of `World::within`";

impl fmt::Display for RunError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimeLimit => write!(out, "the virtual time allowed is over{ASK}"),
            Self::Deadlock => write!(out, "nothing is left that could happen{ASK}"),
            Self::Livelock => out.write_str(
                "tasks run on and on while time stands still: a loop that waits for others has \
                 to `sleep`",
            ),
            Self::DriverPanicked(message) => write!(out, "the driver panicked: {message}"),
        }
    }
}

impl Error for RunError {}

type Describer = Box<dyn Fn(&str, &[u8]) -> String>;

/// Ends the world when its last [`World`] is gone. Tasks hold the core through their
/// `Host`s, so nobody else would.
struct Owner {
    core: Rc<Core>,
    describer: RefCell<Option<Describer>>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        let core = &self.core;
        core.closed.set(true);
        core.drop_doomed();
        let tasks = core.executor.borrow_mut().take_tasks(|_| true);
        tasks.into_iter().for_each(|it| core.drop_task(it));
        core.drop_lodgers(|_| true);
        let guest = core.guest.take();
        drop(guest);
        let programs: Vec<_> =
            core.hosts.borrow_mut().iter_mut().map(|it| it.program.take()).collect();
        drop(programs);
        core.clear_callbacks();
        let active = core.active.take();
        drop(active);
        let calls = core.calls.borrow_mut().clear();
        drop(calls);
        core.drop_disk_operations();
    }
}

/// A deterministic world, on one thread, in virtual time.
///
/// Clones are handles to the same world. Programs must not keep one (they have their
/// [`Host`]); the driver may.
#[derive(Clone)]
pub struct World(Rc<Owner>);

/// A world that may be gone: what keeps one does not keep the world.
#[derive(Clone)]
pub(crate) struct WeakWorld(Weak<Owner>);

impl WeakWorld {
    pub(crate) fn upgrade(&self) -> Option<World> {
        self.0.upgrade().map(World)
    }
}

impl World {
    /// A world at time 0 that holds nothing but the driver's host.
    pub fn new(tape: Tape) -> Self {
        let core = Rc::new(Core::new(tape));
        let driver = core.add_host("driver", "driver");
        {
            let state = &mut core.hosts.borrow_mut()[driver.index()];
            (state.up, state.powered) = (true, true);
        }
        Self(Rc::new(Owner { core, describer: RefCell::default() }))
    }

    /// Whether somebody else has a handle of this world.
    pub(crate) fn is_shared(&self) -> bool {
        Rc::strong_count(&self.0) > 1
    }

    pub(crate) fn downgrade(&self) -> WeakWorld {
        WeakWorld(Rc::downgrade(&self.0))
    }

    pub(crate) fn core(&self) -> &Rc<Core> {
        &self.0.core
    }

    /// Lets the world run until `driver` is done, for at most `limit_ns` of virtual time
    /// from now. What the hosts were doing then is still there for a next run.
    ///
    /// # Errors
    /// See [`RunError`]. The driver is dropped.
    pub fn run<T>(&self, limit_ns: u64, driver: impl Future<Output = T>) -> Result<T, RunError> {
        install_hook();
        let schedule = {
            let mut hosts = self.core().hosts.borrow_mut();
            let mut dice = self.core().dice.borrow_mut();
            hosts[HostId::DRIVER.index()].schedule("main", &mut dice)
        };
        let waker = self.core().executor.borrow_mut().start_driver(schedule);
        let end_ns = self.core().now_ns.get().saturating_add(limit_ns);
        let _running = self.core().executor.borrow().enter();
        let result = self.run_until(end_ns, pin!(driver), &mut Context::from_waker(&waker));
        self.core().executor.borrow_mut().end_driver();
        result
    }

    fn run_until<T>(
        &self,
        end_ns: u64,
        mut driver: Pin<&mut impl Future<Output = T>>,
        context: &mut Context<'_>,
    ) -> Result<T, RunError> {
        let mut polls_this_instant = 0;
        loop {
            self.let_due_events_happen()?;
            self.core().drop_doomed();
            let picked = self.core().executor.borrow_mut().pick(&mut self.core().dice.borrow_mut());
            let Some(picked) = picked else {
                self.advance(end_ns)?;
                polls_this_instant = 0;
                continue;
            };
            polls_this_instant += 1;
            if polls_this_instant > POLLS_PER_INSTANT_MAX {
                return Err(RunError::Livelock);
            }
            let result = match picked {
                DRIVER_SLOT => self.poll_driver(driver.as_mut(), context)?,
                slot => {
                    self.poll_task(slot)?;
                    self.core().drop_doomed();
                    Poll::Pending
                }
            };
            if self.core().points.borrow().are_reached() {
                guarded(|| self.run_callbacks()).map_err(RunError::DriverPanicked)?;
            }
            if let Poll::Ready(value) = result {
                return Ok(value);
            }
        }
    }

    pub(crate) fn let_due_events_happen(&self) -> Result<(), RunError> {
        let core = self.core();
        let now_ns = core.now_ns.get();
        loop {
            let mut queue = core.queue.borrow_mut();
            let Some((insertion, due)) = queue.pop_until(now_ns) else {
                return Ok(());
            };
            drop(queue);
            match due {
                Due::Timer { host, task } => {
                    core.end_timer(host, insertion, &Wakee::Task(task));
                }
                Due::Deliver { from, to, incarnation, payload } => {
                    core.deliver(from, to, incarnation, payload);
                }
                Due::Disk { host, operation } => core.end_disk_operation(host, operation),
                Due::Other(Event::Call { number }) => {
                    guarded(|| self.make_call(number)).map_err(RunError::DriverPanicked)?;
                }
                Due::Other(event) => core.happen(insertion, event),
            }
        }
    }

    /// Moves time on to the next event.
    fn advance(&self, end_ns: u64) -> Result<(), RunError> {
        let core = self.core();
        let next_ns = core.queue.borrow_mut().next_time_ns().ok_or(RunError::Deadlock)?;
        core.now_ns.set(next_ns.min(end_ns));
        core.dice.borrow_mut().set_instant(core.now_ns.get());
        if next_ns > end_ns { Err(RunError::TimeLimit) } else { Ok(()) }
    }

    fn poll_driver<T>(
        &self,
        driver: Pin<&mut impl Future<Output = T>>,
        context: &mut Context<'_>,
    ) -> Result<Poll<T>, RunError> {
        self.core().executor.borrow_mut().begin_driver_poll();
        self.core().emit(HostId::DRIVER, "poll", b"driver");
        guarded(|| driver.poll(context)).map_err(RunError::DriverPanicked)
    }

    fn poll_task(&self, slot: u32) -> Result<(), RunError> {
        let core = self.core();
        let mut task = core.executor.borrow_mut().begin_poll(slot);
        let host = task.host;
        core.emit(host, "poll", &task.serial.to_le_bytes());
        let mut context = Context::from_waker(&task.waker);
        let polled = guarded(|| task.future.as_mut().poll(&mut context));
        let goes_on =
            matches!(polled, Ok(Poll::Pending)) && core.is_current(host, task.incarnation);
        if goes_on {
            core.executor.borrow_mut().put_back(slot, task);
            return Ok(());
        }
        core.executor.borrow_mut().release(slot);
        if let Err(message) = polled {
            if host == HostId::DRIVER {
                return Err(RunError::DriverPanicked(message));
            }
            // Whoever was killed in the middle of this poll is not heard any more.
            if core.is_current(host, task.incarnation) {
                core.report_panic(host, message);
                self.crash(host);
            }
        }
        core.drop_task(task);
        Ok(())
    }

    /// True time, in nanoseconds since the world began. Hosts have their own clocks.
    pub fn now_ns(&self) -> u64 {
        self.core().now_ns.get()
    }

    /// The driver's own host: always up, in the zone `driver`, with network, disk and
    /// object store like any other.
    pub fn driver(&self) -> Host {
        self.core().handle(HostId::DRIVER)
    }

    /// The handle of a host's running process, to do things in its name.
    pub fn host(&self, host: HostId) -> Host {
        self.core().handle(host)
    }

    /// All hosts, the driver first.
    pub fn hosts(&self) -> Vec<HostId> {
        (0..self.core().hosts.borrow().len()).map(|it| HostId(it as u16)).collect()
    }

    /// Dice under any name, for actors that are not hosts.
    pub fn dice(&self, name: &str) -> Dice {
        let stream = self.core().dice.borrow_mut().intern(name);
        Dice::new(self.core().clone(), stream)
    }

    /// From now on a draw depends on seed, name and the instant at which it is taken, instead of
    /// its number under the name. So two worlds that differ in one event draw alike again as soon
    /// as they do the same things at the same instants: what then differs comes from the event,
    /// not from other dice. A tape's overrides go on counting by number.
    pub fn draw_by_instant(&self) {
        let now_ns = self.now_ns();
        self.core().dice.borrow_mut().draw_by_instant(now_ns);
    }

    /// Starts or stops keeping every decision; costs memory.
    pub fn record_decisions(&self, on: bool) {
        self.core().dice.borrow_mut().record(on);
    }

    /// The decisions since recording began, in the order they were taken.
    pub fn decisions(&self) -> Vec<Override> {
        self.core().dice.borrow().decisions()
    }

    /// How many of the tape's overrides have replaced a draw so far.
    pub fn overrides_matched(&self) -> u64 {
        self.core().dice.borrow().overrides_matched()
    }

    /// How many draws there were so far under each name.
    pub fn draws(&self) -> BTreeMap<String, u64> {
        self.core().dice.borrow().draws()
    }

    /// Which of the tape's departures from its seed were asked for so far, and which were not:
    /// if some were not at the end of a run, it is not the run that the tape was made of.
    pub fn tape_fit(&self) -> TapeFit {
        self.core().dice.borrow().fit()
    }

    /// The rolling hash over every event so far.
    pub fn hash(&self) -> u64 {
        self.core().log.borrow().hash()
    }

    /// How many events there were so far, tasks picked to run included.
    pub fn events_count(&self) -> u64 {
        self.core().log.borrow().count()
    }

    /// Starts or stops keeping every event; costs memory.
    pub fn record_events(&self, on: bool) {
        self.core().log.borrow_mut().record(on);
    }

    /// The events since recording began.
    pub fn events(&self) -> Vec<EventRecord> {
        self.core().log.borrow().records().to_vec()
    }

    /// Sets how [`World::transcript`] puts a payload into words, given kind and payload.
    pub fn describe_payloads(&self, describe: impl Fn(&str, &[u8]) -> String + 'static) {
        *self.0.describer.borrow_mut() = Some(Box::new(describe));
    }

    /// The recorded events, one line each: time in nanoseconds, actor, kind, payload.
    /// Without a describer a payload is shown by its length.
    pub fn transcript(&self) -> String {
        let describer = self.0.describer.borrow();
        let describe = |kind: &str, payload: &[u8]| match &*describer {
            Some(describe) => describe(kind, payload),
            None => format!("{} bytes", payload.len()),
        };
        let log = self.core().log.borrow();
        log.records().iter().map(|it| it.line(describe) + "\n").collect()
    }

    /// How often each fault took effect, as `net.lost` or `process.crash`.
    pub fn fault_counts(&self) -> BTreeMap<&'static str, u64> {
        self.core().fault_counts()
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[test]
    fn nothing_keeps_a_dropped_world_in_memory() {
        let world = World::new(Tape::new(1));
        let node = world.add_host("node-1", "zone-a");
        world.boot(node, |host| async move {
            let open = host.disk().create("file");
            let put = host.objects().put("key", bytes::Bytes::new());
            let listener = host.listen(1).expect("the port is free");
            let stream = host.connect(host.id(), 1).await;
            host.sleep(1_000_000).await;
            drop((open, put, listener, stream));
            pending().await
        });
        let driver = world.driver();
        let own = driver.clone();
        world.on_point("never", move |_, _, _| drop(own.clone()));
        driver.spawn("sleeper", driver.sleep(u64::MAX));
        world.run(1_000_000_000, async move { driver.sleep(500_000).await }).expect("it ends");
        let core = Rc::downgrade(world.core());
        drop(world);
        assert!(core.upgrade().is_none());
    }
}
