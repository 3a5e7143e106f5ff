//! Who was woken, and cheap ways to remember whom to wake.
//!
//! A waker may go to any thread, so the list of the woken has a lock. While a world runs, its
//! own thread keeps the list of that world in a place without one.

use std::cell::{Cell, RefCell};
use std::mem::take;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

/// A task by its slot and its number.
pub(crate) type TaskId = (u32, u64);

/// The tasks of one world that were woken and have not had their turn.
#[derive(Default)]
pub(crate) struct Woken {
    shared: Mutex<Vec<TaskId>>,
    /// Whether the shared list holds anything, so that it need not be locked to know.
    is_shared: AtomicBool,
}

thread_local! {
    /// The address of the list of the world that runs on this thread; null if none does.
    static RUNS: Cell<*const Woken> = const { Cell::new(std::ptr::null()) };
    /// The woken of that world, in order.
    static WOKEN_HERE: RefCell<Vec<TaskId>> = const { RefCell::new(Vec::new()) };
}

impl Woken {
    fn push(&self, task: TaskId) {
        if RUNS.get() == std::ptr::from_ref(self) {
            WOKEN_HERE.with_borrow_mut(|it| it.push(task));
        } else {
            self.share([task]);
        }
    }

    fn share(&self, tasks: impl IntoIterator<Item = TaskId>) {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).extend(tasks);
        self.is_shared.store(true, Ordering::Release);
    }

    /// Moves the woken to the end of `into`, in the order in which they were woken.
    pub(crate) fn take(&self, into: &mut Vec<TaskId>) {
        if RUNS.get() == std::ptr::from_ref(self) {
            WOKEN_HERE.with_borrow_mut(|it| into.append(it));
        }
        if self.is_shared.load(Ordering::Acquire) {
            self.take_shared(into);
        }
    }

    fn take_shared(&self, into: &mut Vec<TaskId>) {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_shared.store(false, Ordering::Release);
        into.append(&mut shared);
    }
}

/// Keeps a world's list at hand for as long as it lives; one world may run inside another.
pub(crate) struct Running {
    woken: Arc<Woken>,
    outer: *const Woken,
    outer_woken: Vec<TaskId>,
}

impl Running {
    pub(crate) fn new(woken: Arc<Woken>) -> Self {
        let outer = RUNS.replace(Arc::as_ptr(&woken));
        let mut mine = Vec::new();
        woken.take_shared(&mut mine);
        let outer_woken = WOKEN_HERE.replace(mine);
        Self { woken, outer, outer_woken }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mine = WOKEN_HERE.replace(take(&mut self.outer_woken));
        RUNS.set(self.outer);
        if !mine.is_empty() {
            self.woken.share(mine);
        }
    }
}

/// What a task's waker points at.
pub(crate) struct TaskWake {
    task: TaskId,
    /// Whether the task was woken and has not been polled since.
    queued: AtomicBool,
    woken: Arc<Woken>,
}

impl TaskWake {
    pub(crate) fn new(task: TaskId, woken: Arc<Woken>) -> Arc<Self> {
        Arc::new(Self { task, queued: AtomicBool::new(false), woken })
    }

    /// Makes the task wakeable again; called right before each poll.
    pub(crate) fn begin_poll(&self) {
        self.queued.store(false, Ordering::Relaxed);
    }
}

impl Wake for TaskWake {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Two threads that wake at once may both push: then the task has two turns.
        if !self.queued.load(Ordering::Relaxed) {
            self.queued.store(true, Ordering::Relaxed);
            self.woken.push(self.task);
        }
    }
}

/// Those who wait for one thing. The wakers are kept when they have been woken: mostly the same
/// task waits again.
#[derive(Default)]
pub(crate) struct WakerSet {
    wakers: Vec<(Waker, bool)>,
}

/// More wakers than that are not kept.
const KEPT_MAX: usize = 4;

impl WakerSet {
    /// Waits with this waker.
    pub(crate) fn wait(&mut self, waker: &Waker) {
        match self.wakers.iter_mut().find(|it| it.0.will_wake(waker)) {
            Some((_, waits)) => *waits = true,
            None => {
                if self.wakers.len() >= KEPT_MAX {
                    self.wakers.retain(|it| it.1);
                }
                self.wakers.push((waker.clone(), true));
            }
        }
    }

    /// Wakes all who wait, in the order in which they first came.
    pub(crate) fn wake_all(&mut self) {
        for (waker, waits) in &mut self.wakers {
            if take(waits) {
                waker.wake_by_ref();
            }
        }
    }

    pub(crate) fn clear(&mut self) {
        self.wakers.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_woken_are_known_whoever_wakes_them() {
        let woken = Arc::<Woken>::default();
        let tasks: Vec<_> = (0..3).map(|it| TaskWake::new((it, 0), woken.clone())).collect();
        tasks[0].wake_by_ref();
        let running = Running::new(woken.clone());
        tasks[1].wake_by_ref();
        tasks[1].wake_by_ref();
        {
            let other = Arc::<Woken>::default();
            let _inner = Running::new(other.clone());
            tasks[2].wake_by_ref();
            TaskWake::new((7, 7), other.clone()).wake_by_ref();
            let mut inner = Vec::new();
            other.take(&mut inner);
            assert_eq!(inner, [(7, 7)]);
        }
        let mut seen = Vec::new();
        woken.take(&mut seen);
        assert_eq!(seen, [(0, 0), (1, 0), (2, 0)]);
        tasks[0].begin_poll();
        tasks[0].wake_by_ref();
        drop(running);
        woken.take(&mut seen);
        assert_eq!(seen, [(0, 0), (1, 0), (2, 0), (0, 0)]);
    }
}
