//! A world as the guest of another simulation engine: their scheduler, their network, their clock.
//!
//! Everything else stays the world's own: machines and what kills them, disks, the object store,
//! dice, points, the event log. So whatever runs in a [`World`] runs on another [`Engine`]
//! unchanged, and what it does there is judged alike. Sleeps, disk operations and requests to the
//! object store stay in the world's queue; the engine's clock decides when they are over.
//!
//! The engines themselves are adapters elsewhere: this crate depends on none.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::{BufMut, Bytes, BytesMut};

use crate::core::Core;
use crate::executor::LocalFuture;
use crate::host::HostId;
use crate::panics::{guarded, install_hook};
use crate::wake::allow_others_to_poll;
use crate::world::{POLLS_PER_INSTANT_MAX, RunError, WeakWorld, World};

/// What a world takes from the engine that it is a guest of, and nothing else.
///
/// Its methods are called while tasks of the world are polled: they must put down what they are
/// asked for and return, and must not call back into the world.
pub trait Engine {
    /// The engine's clock, in nanoseconds since any instant. It must not run backwards.
    fn now_ns(&self) -> u64;

    /// Asks for a [`Guest::catch_up`] as soon as the engine's clock shows `engine_ns`. A later
    /// call asks for one more; an earlier or a superfluous one does no harm.
    fn wake_at(&self, engine_ns: u64);

    /// Runs a task on the engine's scheduler, on the engine's machine for `host`. Ending the tasks
    /// of a machine that crashes is the world's business: they end by themselves.
    fn spawn(&self, host: HostId, task: GuestTask);

    /// Sends a datagram over the engine's network. Where it arrives, if it does, it is to be
    /// handed to [`Guest::arrive`] as it is.
    fn send(&self, from: HostId, to: HostId, datagram: Bytes);

    /// Opens the way from one machine to another, in this direction, or lets nothing pass on it
    /// that is sent from now on.
    fn set_link(&self, from: HostId, to: HostId, open: bool);
}

/// Bytes that a datagram is longer on the engine's network than in the world: who sent it, and to
/// which life of the receiver.
const ENVELOPE_BYTES: usize = 6;

/// A task of the world as the engine sees it.
#[must_use = "a task that is not spawned never runs"]
pub struct GuestTask {
    world: WeakWorld,
    state: Rc<GuestState>,
    serial: u64,
}

impl fmt::Debug for GuestTask {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "GuestTask({})", self.serial)
    }
}

impl Future for GuestTask {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        match self.world.upgrade() {
            Some(world) => world.poll_lodger(&self.state, self.serial, context),
            None => Poll::Ready(()),
        }
    }
}

/// A task of the world, as the world keeps it.
struct Lodger {
    host: HostId,
    incarnation: u32,
    /// Absent while it is polled.
    future: Option<LocalFuture>,
    /// Wakes its [`GuestTask`], so that this ends when the task is taken away.
    waker: Option<Waker>,
}

/// What a world keeps of its engine.
pub(crate) struct GuestState {
    engine: Rc<dyn Engine>,
    world: WeakWorld,
    /// What the engine's clock showed when the world's showed `world_base_ns`.
    engine_base_ns: u64,
    world_base_ns: u64,
    lodgers: RefCell<BTreeMap<u64, Lodger>>,
    serials: Cell<u64>,
    /// Directed links that the engine has been told to shut.
    shut: RefCell<BTreeSet<(HostId, HostId)>>,
    /// When the engine will let the world catch up at the latest, in world time.
    armed_ns: Cell<u64>,
    polls_this_instant: Cell<u64>,
    failure: RefCell<Option<RunError>>,
    driver: RefCell<Option<Waker>>,
}

impl GuestState {
    fn now_ns(&self) -> u64 {
        let since_ns = self.engine.now_ns().saturating_sub(self.engine_base_ns);
        self.world_base_ns.saturating_add(since_ns)
    }

    /// Takes in a task and has the engine run it.
    pub(crate) fn adopt(self: &Rc<Self>, host: HostId, incarnation: u32, future: LocalFuture) {
        let serial = self.serials.replace(self.serials.get() + 1);
        let lodger = Lodger { host, incarnation, future: Some(future), waker: None };
        self.lodgers.borrow_mut().insert(serial, lodger);
        let task = GuestTask { world: self.world.clone(), state: Rc::clone(self), serial };
        self.engine.spawn(host, task);
    }

    /// Takes a task out to be polled; none if it was taken away.
    fn begin_poll(&self, serial: u64, waker: &Waker) -> Option<(HostId, u32, LocalFuture)> {
        let mut lodgers = self.lodgers.borrow_mut();
        let lodger = lodgers.get_mut(&serial)?;
        lodger.waker = Some(waker.clone());
        Some((lodger.host, lodger.incarnation, lodger.future.take()?))
    }

    fn put_back(&self, serial: u64, future: LocalFuture) {
        if let Some(lodger) = self.lodgers.borrow_mut().get_mut(&serial) {
            lodger.future = Some(future);
        }
    }

    /// Takes away the tasks that `doomed` names. The caller drops them, when nothing is borrowed.
    fn take_away(&self, doomed: impl Fn(HostId) -> bool) -> Vec<(HostId, LocalFuture)> {
        let mut lodgers = self.lodgers.borrow_mut();
        let serials: Vec<u64> =
            lodgers.iter().filter(|(_, it)| doomed(it.host)).map(|(serial, _)| *serial).collect();
        let taken = serials.iter().filter_map(|it| lodgers.remove(it));
        let wake = |it: &mut Lodger| it.waker.take().into_iter().for_each(Waker::wake);
        taken
            .filter_map(|mut it| (wake(&mut it), it.future.map(|future| (it.host, future))).1)
            .collect()
    }

    /// Ends the run, unless something else has ended it already.
    fn fail(&self, why: RunError) {
        self.failure.borrow_mut().get_or_insert(why);
        self.driver.borrow_mut().take().into_iter().for_each(Waker::wake);
    }
}

impl Core {
    /// What is kept of the engine, if the world is a guest.
    pub(crate) fn guest(&self) -> Option<Rc<GuestState>> {
        self.guest.borrow().clone()
    }

    /// Sends over the engine's network; false if the world is no guest.
    pub(crate) fn send_as_guest(&self, from: HostId, to: HostId, payload: &Bytes) -> bool {
        let Some(guest) = self.guest() else { return false };
        // The engine hears of a block when it first matters.
        let blocked = self.is_blocked(from, to);
        let changed = match blocked {
            true => guest.shut.borrow_mut().insert((from, to)),
            false => guest.shut.borrow_mut().remove(&(from, to)),
        };
        if changed {
            guest.engine.set_link(from, to, !blocked);
        }
        let incarnation = self.hosts.borrow()[to.index()].incarnation;
        let mut datagram = BytesMut::with_capacity(ENVELOPE_BYTES + payload.len());
        datagram.put_u16_le(from.0);
        datagram.put_u32_le(incarnation);
        datagram.put_slice(payload);
        guest.engine.send(from, to, datagram.freeze());
        true
    }

    /// Drops the tasks of a machine, or of all.
    pub(crate) fn drop_lodgers(&self, doomed: impl Fn(HostId) -> bool) {
        let taken = self.guest().map(|it| it.take_away(doomed));
        for (host, future) in taken.into_iter().flatten() {
            self.drop_lodger(host, future);
        }
    }

    fn drop_lodger(&self, host: HostId, future: LocalFuture) {
        if let Err(message) = guarded(|| drop(future)) {
            self.report_panic(host, message);
        }
    }
}

impl World {
    /// Makes this world the guest of an engine, with all tasks that there are already. From now on
    /// it is the engine that runs it, by polling tasks and by [`Guest`]; [`World::run`] is over.
    /// What is on its way through the world's own network still arrives. What tasks wait for is
    /// the engine's to know: [`World::waiting`] has nobody to ask.
    ///
    /// Machines must have been added before.
    ///
    /// # Panics
    /// If the world is a guest already.
    pub fn lodge(&self, engine: Rc<dyn Engine>) -> Guest {
        install_hook();
        allow_others_to_poll();
        let core = self.core();
        let state = Rc::new(GuestState {
            engine_base_ns: engine.now_ns(),
            engine,
            world: self.downgrade(),
            world_base_ns: core.now_ns.get(),
            lodgers: RefCell::default(),
            serials: Cell::new(0),
            shut: RefCell::default(),
            armed_ns: Cell::new(u64::MAX),
            polls_this_instant: Cell::new(0),
            failure: RefCell::default(),
            driver: RefCell::default(),
        });
        let before = core.guest.replace(Some(Rc::clone(&state)));
        assert!(before.is_none(), "a world lodges with one engine, once");
        for task in core.executor.borrow_mut().take_tasks(|_| true) {
            state.adopt(task.host, task.incarnation, task.future);
        }
        self.ask_for_more_time(&state);
        Guest { world: self.downgrade(), state }
    }

    /// Lets everything happen that the engine's clock is past, each event at its own instant.
    fn catch_up(&self, guest: &GuestState) {
        let core = self.core();
        let until_ns = guest.now_ns();
        let next_ns = || core.queue.borrow_mut().next_time_ns().filter(|it| *it <= until_ns);
        while let Some(next_ns) = next_ns() {
            self.let_time_pass(guest, next_ns);
            if let Err(why) = self.let_due_events_happen() {
                guest.fail(why);
            }
            core.drop_doomed();
        }
        self.let_time_pass(guest, until_ns);
    }

    fn let_time_pass(&self, guest: &GuestState, until_ns: u64) {
        let core = self.core();
        if until_ns > core.now_ns.get() {
            core.now_ns.set(until_ns);
            core.dice.borrow_mut().set_instant(until_ns);
            guest.polls_this_instant.set(0);
        }
    }

    /// Has the engine come back for the next event.
    fn ask_for_more_time(&self, guest: &GuestState) {
        let core = self.core();
        if guest.armed_ns.get() <= core.now_ns.get() {
            guest.armed_ns.set(u64::MAX);
        }
        let next_ns = core.queue.borrow_mut().next_time_ns().unwrap_or(u64::MAX);
        if next_ns < guest.armed_ns.get() {
            guest.armed_ns.set(next_ns);
            let from_now_ns = next_ns.saturating_sub(guest.world_base_ns);
            guest.engine.wake_at(guest.engine_base_ns.saturating_add(from_now_ns));
        }
    }

    fn poll_lodger(&self, guest: &GuestState, serial: u64, context: &mut Context<'_>) -> Poll<()> {
        let core = self.core();
        self.catch_up(guest);
        guest.polls_this_instant.set(guest.polls_this_instant.get() + 1);
        if guest.polls_this_instant.get() > POLLS_PER_INSTANT_MAX {
            guest.fail(RunError::Livelock);
            return Poll::Pending;
        }
        let Some((host, incarnation, mut future)) = guest.begin_poll(serial, context.waker())
        else {
            return Poll::Ready(());
        };
        core.emit(host, "poll", &serial.to_le_bytes());
        let polled = guarded(|| future.as_mut().poll(context));
        let goes_on = matches!(polled, Ok(Poll::Pending)) && core.is_current(host, incarnation);
        if goes_on {
            guest.put_back(serial, future);
        } else {
            guest.lodgers.borrow_mut().remove(&serial);
            self.end_lodger(guest, host, polled.err());
            core.drop_lodger(host, future);
        }
        self.end_poll(guest);
        if goes_on { Poll::Pending } else { Poll::Ready(()) }
    }

    /// A task has ended; if by a panic, its machine's process has ended with it.
    fn end_lodger(&self, guest: &GuestState, host: HostId, panic: Option<String>) {
        match panic {
            None => {}
            Some(message) if host == HostId::DRIVER => {
                guest.fail(RunError::DriverPanicked(message));
            }
            Some(message) => {
                self.core().report_panic(host, message);
                self.crash(host);
            }
        }
    }

    fn end_poll(&self, guest: &GuestState) {
        if let Err(message) = guarded(|| self.run_callbacks()) {
            guest.fail(RunError::DriverPanicked(message));
        }
        self.ask_for_more_time(guest);
    }
}

/// The engine's side of a world that is its guest.
#[derive(Clone)]
pub struct Guest {
    world: WeakWorld,
    state: Rc<GuestState>,
}

impl fmt::Debug for Guest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Guest({} tasks)", self.state.lodgers.borrow().len())
    }
}

impl Guest {
    /// Lets everything happen that is due by the engine's clock.
    pub fn catch_up(&self) {
        if let Some(world) = self.world.upgrade() {
            world.catch_up(&self.state);
            world.end_poll(&self.state);
        }
    }

    /// A datagram that [`Engine::send`] was given has arrived at `to`.
    ///
    /// # Panics
    /// If it is not one that [`Engine::send`] was given.
    pub fn arrive(&self, to: HostId, mut datagram: Bytes) {
        assert!(datagram.len() >= ENVELOPE_BYTES, "a datagram that no world has sent");
        let envelope = datagram.split_to(ENVELOPE_BYTES);
        let from = HostId(u16::from_le_bytes([envelope[0], envelope[1]]));
        let life = [envelope[2], envelope[3], envelope[4], envelope[5]];
        if let Some(world) = self.world.upgrade() {
            world.catch_up(&self.state);
            world.core().deliver(from, to, u32::from_le_bytes(life), datagram);
            world.ask_for_more_time(&self.state);
        }
    }

    /// The driver, to be run by the engine as a task of the driver's machine: done when `driver`
    /// is, or when the run cannot go on. It lasts `limit_ns` of the world's time at most.
    pub fn drive<T, F>(
        &self,
        limit_ns: u64,
        driver: F,
    ) -> impl Future<Output = Result<T, RunError>> + use<T, F>
    where
        F: Future<Output = T>,
    {
        let guest = self.clone();
        let mut driver = Box::pin(driver);
        let limit = self.world.upgrade().map(|it| it.driver().sleep(limit_ns));
        let mut limit = Box::pin(async move {
            match limit {
                Some(limit) => limit.await,
                None => std::future::pending().await,
            }
        });
        poll_fn(move |context| guest.poll_driver(driver.as_mut(), limit.as_mut(), context))
    }

    fn poll_driver<T>(
        &self,
        driver: Pin<&mut impl Future<Output = T>>,
        limit: Pin<&mut impl Future<Output = ()>>,
        context: &mut Context<'_>,
    ) -> Poll<Result<T, RunError>> {
        let Some(world) = self.world.upgrade() else { return Poll::Pending };
        world.catch_up(&self.state);
        *self.state.driver.borrow_mut() = Some(context.waker().clone());
        world.core().emit(HostId::DRIVER, "poll", b"driver");
        let polled = guarded(|| driver.poll(context)).map_err(RunError::DriverPanicked);
        let timed_out = limit.poll(context).is_ready();
        world.end_poll(&self.state);
        if let Some(why) = self.state.failure.borrow_mut().take() {
            return Poll::Ready(Err(why));
        }
        match polled? {
            Poll::Ready(value) => Poll::Ready(Ok(value)),
            Poll::Pending if timed_out => Poll::Ready(Err(RunError::TimeLimit)),
            Poll::Pending => Poll::Pending,
        }
    }
}
