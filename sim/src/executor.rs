//! Tasks, and which of those that are ready runs next.
//!
//! A task draws a priority each time it is woken, under its own name; the lowest runs
//! first, ties go to the one woken first. So all zeros is first come, first served, and
//! a task that is added elsewhere changes no other task's draws.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{RawWakerVTable, Waker};

use crate::dice::{StreamId, Streams};
use crate::host::HostId;
use crate::wake::{Running, TaskId, TaskWake, Woken};

/// A boxed future that lives on this thread.
pub(crate) type LocalFuture = Pin<Box<dyn Future<Output = ()>>>;

/// The slot of the driver, whose future lives in `World::run` instead of here.
pub(crate) const DRIVER_SLOT: u32 = u32::MAX;

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
        self.wake.serial()
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
    /// Lowest first.
    ready: BinaryHeap<Reverse<Turn>>,
    wakes: u64,
    polled: Option<Polled>,
    /// Hosts whose tasks are not run at present, and the turns that those have missed.
    paused: BTreeSet<HostId>,
    missed: Vec<(HostId, Turn)>,
}

/// (priority, order of waking, slot, serial)
type Turn = (u64, u64, u32, u64);

impl Executor {
    fn head(&mut self, slot: u32, host: HostId, incarnation: u32, schedule: StreamId) -> TaskHead {
        let serial = self.serials;
        self.serials += 1;
        let wake = TaskWake::new((slot, serial), self.woken.clone());
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

    fn alive(&self, slot: u32, serial: u64) -> Option<&TaskHead> {
        let head = match slot {
            DRIVER_SLOT => self.driver.as_ref(),
            _ => self.slots[slot as usize].as_ref().map(|it| &it.head),
        };
        head.filter(|it| it.serial() == serial)
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
                    head.waker.wake_by_ref();
                }
            }
        }
    }

    /// Gives each task that was woken since the last call its priority.
    fn admit_woken(&mut self, dice: &mut Streams) {
        let mut woken_now = std::mem::take(&mut self.woken_now);
        let woken = &self.woken;
        woken.take(&mut woken_now);
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
        while let Some(Reverse(turn)) = self.ready.pop() {
            let (_, _, slot, serial) = turn;
            let Some(head) = self.alive(slot, serial) else {
                continue;
            };
            if !self.paused.is_empty() && self.paused.contains(&head.host) {
                self.missed.push((head.host, turn));
                continue;
            }
            head.wake.begin_poll();
            self.polled = Some(Polled::new(slot, head));
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
        let due: Vec<(HostId, Turn)> = due;
        self.ready.extend(due.into_iter().map(|(_, turn)| Reverse(turn)));
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
