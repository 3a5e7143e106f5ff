//! Who was woken, and cheap ways to remember whom to wake.
//!
//! A waker may go to any thread, so the list of the woken has a lock. While a world runs, its
//! own thread keeps the list of that world in a place without one.

use std::cell::{Cell, RefCell};
use std::mem::take;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

use crate::waits::is_asked;

/// A task by its slot and its number.
pub(crate) type TaskId = (u32, u64);

/// A task that was woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Waking {
    pub(crate) serial: u64,
    pub(crate) slot: u32,
    /// Whether one of its wakers was used, which then remembers that it was.
    pub(crate) by_waker: bool,
}

/// The tasks of one world that were woken and have not had their turn.
#[derive(Default)]
pub(crate) struct Woken {
    shared: Mutex<Vec<Waking>>,
    /// Whether the shared list holds anything, so that it need not be locked to know.
    is_shared: AtomicBool,
}

thread_local! {
    /// The address of the list of the world that runs on this thread; null if none does.
    static RUNS: Cell<*const Woken> = const { Cell::new(std::ptr::null()) };
    /// The woken of that world, in order.
    static WOKEN_HERE: RefCell<Vec<Waking>> = const { RefCell::new(Vec::new()) };
    /// Whether a world of this thread lodges with another engine, which polls as it likes.
    static LODGES: Cell<bool> = const { Cell::new(false) };
}

/// From now on futures may be polled on this thread while no world runs.
pub(crate) fn allow_others_to_poll() {
    LODGES.set(true);
}

/// Panics if no world runs on this thread: nobody would ever wake who waits now.
#[cold]
pub(crate) fn must_run() {
    assert!(
        !RUNS.get().is_null() || LODGES.get() || is_asked(),
        "awaited outside of a run: time passes and mail arrives only in `World::run(limit_ns, \
         async {{ ... }})`, and neither `block_on` nor `#[tokio::test]` can take its place"
    );
}

impl Woken {
    #[inline]
    fn push(&self, waking: Waking) {
        if RUNS.get() == std::ptr::from_ref(self) {
            WOKEN_HERE.with_borrow_mut(|it| it.push(waking));
        } else {
            self.share([waking]);
        }
    }

    /// Wakes a task without its waker, which so need not be looked at.
    #[inline]
    pub(crate) fn push_task(&self, (slot, serial): TaskId) {
        self.push(Waking { serial, slot, by_waker: false });
    }

    fn share(&self, wakings: impl IntoIterator<Item = Waking>) {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).extend(wakings);
        self.is_shared.store(true, Ordering::Release);
    }

    /// Moves the woken to the end of `into`, in the order in which they were woken; one may be
    /// there more than once.
    #[inline]
    pub(crate) fn take(&self, into: &mut Vec<Waking>) {
        if RUNS.get() == std::ptr::from_ref(self) {
            WOKEN_HERE.with_borrow_mut(|it| into.append(it));
        }
        if self.is_shared.load(Ordering::Acquire) {
            self.take_shared(into);
        }
    }

    fn take_shared(&self, into: &mut Vec<Waking>) {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_shared.store(false, Ordering::Release);
        into.append(&mut shared);
    }
}

/// Keeps a world's list at hand for as long as it lives; one world may run inside another.
pub(crate) struct Running {
    woken: Arc<Woken>,
    outer: *const Woken,
    outer_woken: Vec<Waking>,
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
    /// Whether the task was woken by this and has not been polled since.
    used: AtomicBool,
    woken: Arc<Woken>,
}

impl TaskWake {
    pub(crate) fn new(task: TaskId, woken: Arc<Woken>) -> Arc<Self> {
        Arc::new(Self { task, used: AtomicBool::new(false), woken })
    }

    /// Makes the task wakeable again; called right before each poll that it was used for.
    pub(crate) fn begin_poll(&self) {
        self.used.store(false, Ordering::Relaxed);
    }
}

impl Wake for TaskWake {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Two threads that wake at once may both push: then the task has two turns.
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
            let (slot, serial) = self.task;
            self.woken.push(Waking { serial, slot, by_waker: true });
        }
    }
}

/// Those who wait for one thing. The wakers are kept when they have been woken: mostly the same
/// task waits again, and mostly it is the only one.
///
/// Laid out for [`HostState`](crate::host::HostState): what is mostly needed is at the end.
#[derive(Default)]
#[repr(C)]
pub(crate) struct WakerSet {
    /// Behind the first, in order.
    others: Vec<(Waker, bool)>,
    first: Option<Waker>,
    first_waits: bool,
}

/// More wakers than that are not kept.
const KEPT_MAX: usize = 4;

impl WakerSet {
    /// Waits with this waker.
    #[inline]
    pub(crate) fn wait(&mut self, waker: &Waker) {
        match &self.first {
            Some(first) if first.will_wake(waker) => self.first_waits = true,
            _ => self.wait_as_another(waker),
        }
    }

    fn wait_as_another(&mut self, waker: &Waker) {
        must_run();
        if let Some((_, waits)) = self.others.iter_mut().find(|it| it.0.will_wake(waker)) {
            *waits = true;
            return;
        }
        if self.others.len() + 1 >= KEPT_MAX {
            self.forget_woken();
        }
        match &self.first {
            None => (self.first, self.first_waits) = (Some(waker.clone()), true),
            Some(_) => self.others.push((waker.clone(), true)),
        }
    }

    fn forget_woken(&mut self) {
        self.others.retain(|it| it.1);
        if !self.first_waits {
            let next = (!self.others.is_empty()).then(|| self.others.remove(0).0);
            (self.first_waits, self.first) = (next.is_some(), next);
        }
    }

    /// Wakes all who wait, in the order in which they first came.
    #[inline]
    pub(crate) fn wake_all(&mut self) {
        if let Some(first) = self.first.as_ref().filter(|_| take(&mut self.first_waits)) {
            first.wake_by_ref();
        }
        for (waker, waits) in &mut self.others {
            if take(waits) {
                waker.wake_by_ref();
            }
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn slots(woken: &[Waking]) -> Vec<u32> {
        woken.iter().map(|it| it.slot).collect()
    }

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
            assert_eq!(slots(&inner), [7]);
        }
        let mut seen = Vec::new();
        woken.push_task((4, 0));
        woken.take(&mut seen);
        assert_eq!(slots(&seen), [0, 1, 4, 2]);
        assert_eq!(
            seen.iter().map(|it| it.by_waker).collect::<Vec<_>>(),
            [true, true, false, true]
        );
        tasks[0].begin_poll();
        tasks[0].wake_by_ref();
        drop(running);
        woken.take(&mut seen);
        assert_eq!(slots(&seen), [0, 1, 4, 2, 0]);
    }

    proptest! {
        /// Waits and wakings against a plain list.
        #[test]
        fn those_who_wait_are_woken_in_the_order_in_which_they_came(
            steps in prop::collection::vec(prop::option::weighted(0.8, 0..6u32), 0..60),
        ) {
            let woken = Arc::<Woken>::default();
            let tasks: Vec<_> = (0..6).map(|it| TaskWake::new((it, 0), woken.clone())).collect();
            let _running = Running::new(woken.clone());
            let (mut set, mut model) = (WakerSet::default(), Vec::<(u32, bool)>::new());
            for step in steps {
                let Some(task) = step else {
                    set.wake_all();
                    let mut seen = Vec::new();
                    woken.take(&mut seen);
                    tasks.iter().for_each(|it| it.begin_poll());
                    let woken_now = |it: &mut (u32, bool)| take(&mut it.1).then_some(it.0);
                    let expected = model.iter_mut().filter_map(woken_now);
                    prop_assert!(expected.eq(seen.into_iter().map(|it| it.slot)));
                    continue;
                };
                set.wait(&Waker::from(tasks[task as usize].clone()));
                match model.iter_mut().find(|it| it.0 == task) {
                    Some(known) => known.1 = true,
                    None => {
                        if model.len() >= KEPT_MAX {
                            model.retain(|it| it.1);
                        }
                        model.push((task, true));
                    }
                }
            }
        }
    }
}
