//! Tasks, and which of those that are ready runs next.
//!
//! A task draws a priority each time it is woken, under its own name; the lowest runs
//! first, ties go to the one woken first. So all zeros is first come, first served, and
//! a task that is added elsewhere changes no other task's draws. A task that is woken alone
//! runs next whatever its draw; that is then counted, but not computed.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{RawWakerVTable, Wake, Waker};

use crate::dice::{StreamId, Streams};
use crate::host::HostId;
use crate::ready::Ready;
use crate::wake::{Running, TaskId, TaskWake, Woken};

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
pub(crate) struct TaskHead {
    pub(crate) host: HostId,
    pub(crate) incarnation: u32,
    schedule: StreamId,
    /// Its last waking that was given a priority: keys of earlier ones, or of a task that had
    /// this slot before, are void.
    waking: u64,
    wake: Arc<TaskWake>,
    pub(crate) waker: Waker,
}

impl TaskHead {
    /// The number of the task, never used twice in one world.
    pub(crate) fn serial(&self) -> u64 {
        self.wake.task().1
    }
}

/// A task that waits for its turn: one line of the cache.
#[repr(align(64))]
pub(crate) struct Task {
    pub(crate) head: TaskHead,
    pub(crate) future: LocalFuture,
}

/// What to poll next.
pub(crate) enum Picked {
    Driver,
    /// The task was taken out of its slot, which stays reserved until
    /// [`Executor::put_back`] or [`Executor::release`].
    Task(u32, Task),
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
    fn new(slot: u32, head: &TaskHead) -> Self {
        let (data, vtable) = (head.waker.data(), head.waker.vtable());
        Self { task: (slot, head.serial()), data, vtable }
    }

    fn is_of(&self, waker: &Waker) -> bool {
        waker.data() == self.data && std::ptr::eq(waker.vtable(), self.vtable)
    }
}

/// All tasks of a world.
#[derive(Default)]
pub(crate) struct Executor {
    slots: Vec<Option<Task>>,
    free: Vec<u32>,
    serials: u64,
    driver: Option<TaskHead>,
    woken: Arc<Woken>,
    /// Emptied and refilled at each turn, kept for its memory.
    woken_now: Vec<TaskId>,
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
    fn head(&mut self, slot: u32, host: HostId, incarnation: u32, schedule: StreamId) -> TaskHead {
        let serial = self.serials;
        self.serials += 1;
        let wake = TaskWake::new((slot, serial), self.woken.clone());
        let waker = Waker::from(wake.clone());
        TaskHead { host, incarnation, schedule, waking: u64::MAX, wake, waker }
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
        let head = self.head(slot, host, incarnation, schedule);
        head.waker.wake_by_ref();
        self.slots[slot as usize] = Some(Task { head, future });
    }

    /// Prepares for a new driver, woken; gives its waker.
    pub(crate) fn start_driver(&mut self, schedule: StreamId) -> Waker {
        let head = self.head(DRIVER_SLOT, HostId::DRIVER, 0, schedule);
        head.waker.wake_by_ref();
        let waker = head.waker.clone();
        self.driver = Some(head);
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

    fn head_in(&self, slot: u32) -> Option<&TaskHead> {
        match slot {
            DRIVER_SLOT => self.driver.as_ref(),
            _ => self.slots[slot as usize].as_ref().map(|it| &it.head),
        }
    }

    fn alive(&self, slot: u32, serial: u64) -> Option<&TaskHead> {
        self.head_in(slot).filter(|it| it.serial() == serial)
    }

    /// Whom to wake for what is polled with this waker.
    pub(crate) fn wakee(&self, waker: &Waker) -> Wakee {
        match &self.polled {
            Some(it) if it.is_of(waker) => Wakee::Task(it.task),
            _ => Wakee::Other(waker.clone()),
        }
    }

    /// Wakes it, if it is still alive. Not while a task is out of its slot: events happen
    /// between polls.
    pub(crate) fn wake(&self, wakee: &Wakee) {
        match wakee {
            Wakee::Other(waker) => waker.wake_by_ref(),
            Wakee::Task((slot, serial)) => {
                if let Some(head) = self.alive(*slot, *serial) {
                    head.wake.wake_by_ref();
                }
            }
        }
    }

    /// Gives each task that was woken since the last call its priority.
    fn admit_woken(&mut self, dice: &mut Streams) {
        let Self { woken, woken_now, slots, driver, keys_now, wakings, ready, paused, .. } = self;
        woken.take(woken_now);
        // A task that is paused misses its turn and may meet others later.
        let alone = woken_now.len() == 1 && ready.is_empty() && paused.is_empty();
        for (slot, serial) in woken_now.drain(..) {
            let head = match slot {
                DRIVER_SLOT => driver.as_mut(),
                _ => slots[slot as usize].as_mut().map(|it| &mut it.head),
            };
            // Tasks of a host that crashed meanwhile are gone; they draw nothing.
            if let Some(head) = head.filter(|it| it.serial() == serial) {
                head.waking = *wakings;
                let priority = match alone {
                    true => dice.pass_over(head.schedule),
                    false => dice.raw(head.schedule),
                };
                keys_now.push(key(priority, *wakings, slot));
                *wakings += 1;
            }
        }
        if !keys_now.is_empty() {
            ready.append(keys_now);
        }
    }

    /// The task to poll next, if any is ready.
    pub(crate) fn pick(&mut self, dice: &mut Streams) -> Option<Picked> {
        self.admit_woken(dice);
        while let Some(key) = self.ready.pop() {
            let (waking, slot) = of_key(key);
            let Some(head) = self.head_in(slot).filter(|it| it.waking == waking) else {
                continue;
            };
            if !self.paused.is_empty() && self.paused.contains(&head.host) {
                self.missed.push((head.host, key));
                continue;
            }
            head.wake.begin_poll();
            self.polled = Some(Polled::new(slot, head));
            if slot == DRIVER_SLOT {
                return Some(Picked::Driver);
            }
            let task = self.slots[slot as usize].take().expect("its head was there");
            return Some(Picked::Task(slot, task));
        }
        None
    }

    /// How many slots there are; some may be free.
    pub(crate) fn slots_len(&self) -> u32 {
        self.slots.len() as u32
    }

    /// Takes a task out of its slot, with its host and the stream of its priorities; the slot
    /// stays reserved until [`Executor::put_back`] or [`Executor::release`].
    pub(crate) fn take(&mut self, slot: u32) -> Option<(HostId, StreamId, Task)> {
        let task = self.slots[slot as usize].take()?;
        Some((task.head.host, task.head.schedule, task))
    }

    /// Lets no task of a host run until [`Executor::resume`]; false if that was so already.
    pub(crate) fn pause(&mut self, host: HostId) -> bool {
        self.paused.insert(host)
    }

    /// Gives the tasks of a host the turns that they have missed; false if it was not paused.
    pub(crate) fn resume(&mut self, host: HostId) -> bool {
        let was_paused = self.paused.remove(&host);
        let missed = std::mem::take(&mut self.missed);
        let (due, others) = missed.into_iter().partition(|(of, _)| *of == host);
        self.missed = others;
        let due: Vec<(HostId, u128)> = due;
        self.ready.append(&mut due.into_iter().map(|it| it.1).collect());
        was_paused
    }

    /// Returns a task that is not done after its poll.
    pub(crate) fn put_back(&mut self, slot: u32, task: Task) {
        self.slots[slot as usize] = Some(task);
    }

    /// Frees the slot of a task that is done.
    pub(crate) fn release(&mut self, slot: u32) {
        self.free.push(slot);
    }

    /// Takes out the tasks that `doomed` names; the caller drops them, and must hold no
    /// borrow of the world then: a drop may run any code.
    pub(crate) fn take_tasks(&mut self, doomed: impl Fn(&TaskHead) -> bool) -> Vec<Task> {
        let mut taken = Vec::new();
        for (slot, task) in self.slots.iter_mut().enumerate() {
            if task.as_ref().is_some_and(|it| doomed(&it.head)) {
                taken.extend(task.take());
                self.free.push(slot as u32);
            }
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::Task;

    #[test]
    fn a_task_is_one_line_of_the_cache() {
        assert_eq!(size_of::<Option<Task>>(), 64);
    }
}
