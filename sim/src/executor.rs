//! Tasks, and which of those that are ready runs next.
//!
//! A task draws a priority each time it is woken, under its own name; the lowest runs
//! first, ties go to the one woken first. So all zeros is first come, first served, and
//! a task that is added elsewhere changes no other task's draws.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

use crate::dice::{StreamId, Streams};
use crate::host::HostId;

/// A boxed future that lives on this thread.
pub(crate) type LocalFuture = Pin<Box<dyn Future<Output = ()>>>;

/// The slot of the driver, whose future lives in `World::run` instead of here.
pub(crate) const DRIVER_SLOT: u32 = u32::MAX;

/// Where wakers note whom they woke. They must be `Send`, hence the lock; nobody else
/// ever holds it.
type WokenList = Arc<Mutex<Vec<(u32, u64)>>>;

/// What a task's waker points at.
pub(crate) struct TaskWake {
    slot: u32,
    serial: u64,
    /// Whether the task was woken and has not been polled since.
    queued: AtomicBool,
    woken: WokenList,
}

impl Wake for TaskWake {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::Relaxed) {
            let mut woken = self.woken.lock().unwrap_or_else(PoisonError::into_inner);
            woken.push((self.slot, self.serial));
        }
    }
}

/// What the executor knows of a task beside its future.
pub(crate) struct TaskHead {
    pub(crate) host: HostId,
    pub(crate) incarnation: u32,
    schedule: StreamId,
    wake: Arc<TaskWake>,
    pub(crate) waker: Waker,
}

impl TaskHead {
    /// The number of the task, never used twice in one world.
    pub(crate) fn serial(&self) -> u64 {
        self.wake.serial
    }

    /// Makes the task wakeable again; called right before each poll.
    pub(crate) fn begin_poll(&self) {
        self.wake.queued.store(false, Ordering::Relaxed);
    }
}

/// A task that waits for its turn.
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

/// All tasks of a world.
#[derive(Default)]
pub(crate) struct Executor {
    slots: Vec<Option<Task>>,
    free: Vec<u32>,
    serials: u64,
    driver: Option<TaskHead>,
    woken: WokenList,
    /// Emptied and refilled at each turn, kept for its memory.
    woken_now: Vec<(u32, u64)>,
    /// (priority, order of waking, slot, serial), lowest first.
    ready: BinaryHeap<Reverse<(u64, u64, u32, u64)>>,
    wakes: u64,
}

impl Executor {
    fn head(&mut self, slot: u32, host: HostId, incarnation: u32, schedule: StreamId) -> TaskHead {
        let serial = self.serials;
        self.serials += 1;
        let queued = AtomicBool::new(false);
        let wake = Arc::new(TaskWake { slot, serial, queued, woken: self.woken.clone() });
        let waker = Waker::from(wake.clone());
        TaskHead { host, incarnation, schedule, wake, waker }
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
            u32::try_from(self.slots.len() - 1).expect("memory ends long before 2^32 tasks")
        });
        let head = self.head(slot, host, incarnation, schedule);
        head.wake.wake_by_ref();
        self.slots[slot as usize] = Some(Task { head, future });
    }

    /// Prepares for a new driver, woken; gives its waker.
    pub(crate) fn start_driver(&mut self, schedule: StreamId) -> Waker {
        let head = self.head(DRIVER_SLOT, HostId::DRIVER, 0, schedule);
        head.wake.wake_by_ref();
        let waker = head.waker.clone();
        self.driver = Some(head);
        waker
    }

    /// Forgets the driver: its wakers no longer wake anything.
    pub(crate) fn end_driver(&mut self) {
        self.driver = None;
    }

    fn alive(&self, slot: u32, serial: u64) -> Option<&TaskHead> {
        let head = match slot {
            DRIVER_SLOT => self.driver.as_ref(),
            _ => self.slots[slot as usize].as_ref().map(|it| &it.head),
        };
        head.filter(|it| it.serial() == serial)
    }

    /// Gives each task that was woken since the last call its priority.
    fn admit_woken(&mut self, dice: &mut Streams) {
        let mut woken_now = std::mem::take(&mut self.woken_now);
        let woken = &self.woken;
        woken_now.append(&mut woken.lock().unwrap_or_else(PoisonError::into_inner));
        for (slot, serial) in woken_now.drain(..) {
            // Tasks of a host that crashed meanwhile are gone; they draw nothing.
            let Some(head) = self.alive(slot, serial) else {
                continue;
            };
            let priority = dice.raw(head.schedule);
            self.ready.push(Reverse((priority, self.wakes, slot, serial)));
            self.wakes += 1;
        }
        self.woken_now = woken_now;
    }

    /// The task to poll next, if any is ready.
    pub(crate) fn pick(&mut self, dice: &mut Streams) -> Option<Picked> {
        self.admit_woken(dice);
        while let Some(Reverse((_, _, slot, serial))) = self.ready.pop() {
            let Some(head) = self.alive(slot, serial) else {
                continue;
            };
            head.begin_poll();
            if slot == DRIVER_SLOT {
                return Some(Picked::Driver);
            }
            let task = self.slots[slot as usize].take().expect("alive says it is there");
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
