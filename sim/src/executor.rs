//! Tasks, and which of those that are ready runs next.
//!
//! A task draws a priority each time it is woken, under its own name; the lowest runs
//! first, ties go to the one woken first. So all zeros is first come, first served, and
//! a task that is added elsewhere changes no other task's draws. A task that is woken alone
//! runs next whatever its draw; that is then counted, but not computed.

use std::collections::BTreeSet;
use std::future::Future;
use std::mem::{replace, take};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{RawWakerVTable, Waker};

use crate::dice::{StreamId, Streams};
use crate::host::HostId;
use crate::ready::Ready;
use crate::wake::{Running, TaskId, TaskWake, Waking, Woken, must_run};

/// A boxed future that lives on this thread.
pub(crate) type LocalFuture = Pin<Box<dyn Future<Output = ()>>>;

/// The slot of the driver, whose future lives in `World::run` instead of here.
pub(crate) const DRIVER_SLOT: u32 = (1 << SLOT_BITS) - 1;

/// How many bits name a slot, and so how many tasks there can be.
const SLOT_BITS: u32 = 24;

/// Tasks in the order in which they have their turn: by priority, then by order of waking. 40
/// bits count wakings: enough for days of a processor's time.
fn key(priority: u64, waking: u64, slot: u32) -> u128 {
    debug_assert!(waking < 1 << (64 - SLOT_BITS), "a world that ran for too long");
    u128::from(priority) << 64 | u128::from(waking << SLOT_BITS) | u128::from(slot)
}

/// The waking and the slot of a key.
fn of_key(key: u128) -> (u64, u32) {
    let low = key as u64;
    (low >> SLOT_BITS, low as u32 & DRIVER_SLOT)
}

/// What the executor knows of a task beside its future.
struct TaskHead {
    serial: u64,
    wake: Arc<TaskWake>,
    host: HostId,
    /// Whether it has a priority and has not been polled since.
    queued: bool,
    /// Whether `wake` was used since the last poll; if not, it need not be touched.
    used_wake: bool,
    incarnation: u32,
    schedule: StreamId,
    /// Its last waking that was given a priority: keys of earlier ones, or of a task that had
    /// this slot before, are void. The low half of the number: void keys do not outlive the
    /// instant, or the pause of their host.
    waking: u32,
}

impl TaskHead {
    /// Whether what was woken is this task. Those of a host that crashed meanwhile are gone: they
    /// draw nothing.
    #[inline]
    fn is_number(&self, serial: u64) -> bool {
        self.serial == serial
    }

    /// Makes the task wakeable again.
    #[inline]
    fn begin_poll(&mut self) {
        self.queued = false;
        if take(&mut self.used_wake) {
            self.wake.begin_poll();
        }
    }
}

/// A task in its slot: one line of the cache.
#[repr(align(64))]
struct Slot {
    head: TaskHead,
    /// `None` while the task is polled. Nothing else moves for a poll: a processor is slow to
    /// read what it has just copied.
    body: Option<(LocalFuture, Waker)>,
}

/// A task out of its slot.
pub(crate) struct Task {
    pub(crate) host: HostId,
    pub(crate) incarnation: u32,
    /// The number of the task, never used twice in one world.
    pub(crate) serial: u64,
    pub(crate) future: LocalFuture,
    pub(crate) waker: Waker,
}

/// Whom an event wakes. A task that waits for it by itself is named, which costs nothing;
/// for one that waits through a combinator the combinator's waker is kept.
pub(crate) enum Wakee {
    Task(TaskId),
    Other(Waker),
}

/// The task that was picked last, and how to recognise its waker.
struct Polled {
    task: TaskId,
    data: *const (),
    vtable: &'static RawWakerVTable,
}

impl Polled {
    fn new(task: TaskId, waker: &Waker) -> Self {
        Self { task, data: waker.data(), vtable: waker.vtable() }
    }

    fn is_of(&self, waker: &Waker) -> bool {
        waker.data() == self.data && std::ptr::eq(waker.vtable(), self.vtable)
    }
}

/// What is known of the task in a slot.
#[inline]
fn head_in<'a>(
    slots: &'a mut [Option<Slot>],
    driver: &'a mut Option<(TaskHead, Waker)>,
    slot: u32,
) -> Option<&'a mut TaskHead> {
    match slot {
        DRIVER_SLOT => driver.as_mut().map(|it| &mut it.0),
        _ => slots[slot as usize].as_mut().map(|it| &mut it.head),
    }
}

/// All tasks of a world.
#[derive(Default)]
pub(crate) struct Executor {
    slots: Vec<Option<Slot>>,
    free: Vec<u32>,
    serials: u64,
    driver: Option<(TaskHead, Waker)>,
    woken: Arc<Woken>,
    /// Emptied and refilled at each turn, kept for its memory.
    woken_now: Vec<Waking>,
    /// Their keys, before they are added to those that are ready; kept for its memory.
    keys_now: Vec<u128>,
    ready: Ready,
    wakings: u64,
    polled: Option<Polled>,
    /// Hosts whose tasks are not run at present, and the keys of the turns that those have missed.
    paused: BTreeSet<HostId>,
    missed: Vec<(HostId, u128)>,
}

impl Executor {
    /// A new task, woken.
    fn head(
        &mut self,
        slot: u32,
        host: HostId,
        incarnation: u32,
        schedule: StreamId,
    ) -> (TaskHead, Waker) {
        let serial = self.serials;
        self.serials += 1;
        let wake = TaskWake::new((slot, serial), self.woken.clone());
        let waker = Waker::from(wake.clone());
        waker.wake_by_ref();
        let (queued, used_wake, waking) = (false, false, 0);
        (TaskHead { serial, wake, host, queued, used_wake, incarnation, schedule, waking }, waker)
    }

    /// Adds a task, woken.
    pub(crate) fn spawn(
        &mut self,
        host: HostId,
        incarnation: u32,
        schedule: StreamId,
        future: LocalFuture,
    ) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            assert!(self.slots.len() < DRIVER_SLOT as usize, "more tasks than a world holds");
            (self.slots.len() - 1) as u32
        });
        let (head, waker) = self.head(slot, host, incarnation, schedule);
        self.slots[slot as usize] = Some(Slot { head, body: Some((future, waker)) });
    }

    /// Prepares for a new driver, woken; gives its waker.
    pub(crate) fn start_driver(&mut self, schedule: StreamId) -> Waker {
        let (head, waker) = self.head(DRIVER_SLOT, HostId::DRIVER, 0, schedule);
        self.driver = Some((head, waker.clone()));
        waker
    }

    /// Makes waking cheap on this thread for as long as the guard lives.
    pub(crate) fn enter(&self) -> Running {
        Running::new(self.woken.clone())
    }

    /// Forgets the driver: its wakers no longer wake anything.
    pub(crate) fn end_driver(&mut self) {
        self.driver = None;
        self.polled = None;
    }

    /// Whom to wake for what is polled with this waker.
    pub(crate) fn wakee(&self, waker: &Waker) -> Wakee {
        match &self.polled {
            Some(it) if it.is_of(waker) => Wakee::Task(it.task),
            _ => {
                must_run();
                Wakee::Other(waker.clone())
            }
        }
    }

    /// Wakes it, if it is still alive when its turn is drawn.
    #[inline]
    pub(crate) fn wake(&self, wakee: &Wakee) {
        match wakee {
            Wakee::Other(waker) => waker.wake_by_ref(),
            Wakee::Task(task) => self.woken.push_task(*task),
        }
    }

    /// Gives each task that was woken a priority.
    fn admit_woken(&mut self, dice: &mut Streams) {
        let Self { woken_now, slots, driver, keys_now, wakings, ready, .. } = self;
        for Waking { serial, slot, by_waker } in woken_now.drain(..) {
            let Some(head) = head_in(slots, driver, slot).filter(|it| it.is_number(serial)) else {
                continue;
            };
            head.used_wake |= by_waker;
            // Woken before and not polled since: this is one waking.
            if !replace(&mut head.queued, true) {
                head.waking = *wakings as u32;
                keys_now.push(key(dice.raw(head.schedule), *wakings, slot));
                *wakings += 1;
            }
        }
        if !keys_now.is_empty() {
            ready.append(keys_now);
        }
    }

    /// Gives the only task that is woken its turn, whatever its priority.
    fn pick_alone(&mut self, waking: Waking, dice: &mut Streams) -> Option<u32> {
        let head = head_in(&mut self.slots, &mut self.driver, waking.slot);
        let head = head.filter(|it| it.is_number(waking.serial))?;
        head.used_wake |= waking.by_waker;
        dice.pass_over(head.schedule);
        self.wakings += 1;
        Some(waking.slot)
    }

    /// The slot of the task to poll next, if any is ready: [`DRIVER_SLOT`] for the driver. It is
    /// for the caller to begin the poll.
    pub(crate) fn pick(&mut self, dice: &mut Streams) -> Option<u32> {
        self.woken.take(&mut self.woken_now);
        // A task that is paused misses its turn and may meet others later.
        if self.woken_now.len() <= 1 && self.ready.is_empty() && self.paused.is_empty() {
            let waking = self.woken_now.pop()?;
            return self.pick_alone(waking, dice);
        }
        self.admit_woken(dice);
        while let Some(key) = self.ready.pop() {
            let (waking, slot) = of_key(key);
            let head = head_in(&mut self.slots, &mut self.driver, slot);
            let Some(head) = head.filter(|it| it.queued && it.waking == waking as u32) else {
                continue;
            };
            if !self.paused.is_empty() && self.paused.contains(&head.host) {
                self.missed.push((head.host, key));
                continue;
            }
            return Some(slot);
        }
        None
    }

    /// The driver is polled next.
    pub(crate) fn begin_driver_poll(&mut self) {
        if let Some((head, waker)) = &mut self.driver {
            head.begin_poll();
            self.polled = Some(Polled::new((DRIVER_SLOT, head.serial), waker));
        }
    }

    /// Takes the task that was picked out of its slot, to be polled.
    #[inline(always)]
    pub(crate) fn begin_poll(&mut self, slot: u32) -> Task {
        let Slot { head, body } = self.slots[slot as usize].as_mut().expect("it was picked");
        head.begin_poll();
        let (future, waker) = body.take().expect("it is not polled yet");
        self.polled = Some(Polled::new((slot, head.serial), &waker));
        let &mut TaskHead { host, incarnation, serial, .. } = head;
        Task { host, incarnation, serial, future, waker }
    }

    /// How many slots there are; some may be free.
    pub(crate) fn slots_len(&self) -> u32 {
        self.slots.len() as u32
    }

    /// Takes a task out of its slot, with the stream of its priorities; the slot stays reserved
    /// until [`Executor::put_back`] or [`Executor::release`].
    pub(crate) fn take(&mut self, slot: u32) -> Option<(StreamId, Task)> {
        let Slot { head, body } = self.slots[slot as usize].as_mut()?;
        let (future, waker) = body.take()?;
        let &mut TaskHead { host, incarnation, serial, schedule, .. } = head;
        Some((schedule, Task { host, incarnation, serial, future, waker }))
    }

    /// Lets no task of a host run until [`Executor::resume`]; false if that was so already.
    pub(crate) fn pause(&mut self, host: HostId) -> bool {
        self.paused.insert(host)
    }

    /// Gives the tasks of a host the turns that they have missed; false if it was not paused.
    pub(crate) fn resume(&mut self, host: HostId) -> bool {
        let was_paused = self.paused.remove(&host);
        let missed = take(&mut self.missed);
        let (due, others) = missed.into_iter().partition(|(of, _)| *of == host);
        self.missed = others;
        let due: Vec<(HostId, u128)> = due;
        self.ready.append(&mut due.into_iter().map(|it| it.1).collect());
        was_paused
    }

    /// Returns a task that is not done after its poll.
    #[inline(always)]
    pub(crate) fn put_back(&mut self, slot: u32, task: Task) {
        let slot = self.slots[slot as usize].as_mut().expect("it is reserved");
        slot.body = Some((task.future, task.waker));
    }

    /// Frees the slot of a task that is done.
    pub(crate) fn release(&mut self, slot: u32) {
        self.slots[slot as usize] = None;
        self.free.push(slot);
    }

    /// Takes out the tasks that `doomed` names; the caller drops them, and must hold no
    /// borrow of the world then: a drop may run any code.
    pub(crate) fn take_tasks(&mut self, doomed: impl Fn(HostId) -> bool) -> Vec<Task> {
        let mut taken = Vec::new();
        for slot in 0..self.slots_len() {
            if self.slots[slot as usize].as_ref().is_some_and(|it| doomed(it.head.host))
                && let Some((_, task)) = self.take(slot)
            {
                taken.push(task);
                self.release(slot);
            }
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::Slot;

    #[test]
    fn a_task_is_one_line_of_the_cache() {
        assert_eq!(size_of::<Option<Slot>>(), 64);
    }
}
