//! Waiting for time to pass, by a machine's monotonic clock or by the world's.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::core::Core;
use crate::event::{Event, EventId};
use crate::host::{Host, HostId};
use crate::waits::waits_for;

/// Ends at an instant. It always gives way to the other tasks once, even if the instant
/// has passed, so that a loop of short sleeps cannot stop the world.
#[must_use = "a sleep that is not awaited does not wait"]
pub struct Sleep {
    core: Rc<Core>,
    host: HostId,
    /// What the monotonic clock of the host shows at the end; `None` if the sleep goes by
    /// world time.
    shown_ns: Option<u64>,
    /// World time of the end, as far as is known now.
    deadline_ns: u64,
    /// How often clocks had been changed when `deadline_ns` was worked out.
    clock_changes: u32,
    timer: Option<EventId>,
    /// World time when the timer was set.
    set_ns: u64,
}

impl Sleep {
    /// A sleep until `deadline_ns` of world time.
    pub(crate) fn new(core: Rc<Core>, host: HostId, deadline_ns: u64) -> Self {
        Self::towards(core, host, None, deadline_ns)
    }

    /// A sleep that is made where it is going to lie.
    #[inline]
    fn towards(core: Rc<Core>, host: HostId, shown_ns: Option<u64>, deadline_ns: u64) -> Self {
        let clock_changes = core.clock_changes.get();
        Self { core, host, shown_ns, deadline_ns, clock_changes, timer: None, set_ns: 0 }
    }

    /// Sets the timer anew if the clock will now show the deadline at another instant.
    fn follow_clock(&mut self) {
        let changes = self.core.clock_changes.get();
        let Some(shown_ns) = self.shown_ns.filter(|_| self.clock_changes != changes) else {
            return;
        };
        self.clock_changes = changes;
        let deadline_ns = self.core.instant_of(self.host, shown_ns);
        if deadline_ns != self.deadline_ns {
            self.deadline_ns = deadline_ns;
            if let Some(timer) = self.timer.take() {
                self.core.queue.borrow_mut().cancel(timer);
            }
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.follow_clock();
        let now_ns = self.core.now_ns.get();
        let wakee = || self.core.executor.borrow().wakee(context.waker());
        if self.timer.is_some() && now_ns >= self.deadline_ns {
            // At a later instant than that at which it was set, the timer has been: there is
            // nothing left to be taken back.
            self.timer = self.timer.filter(|_| now_ns == self.set_ns);
            return Poll::Ready(());
        }
        let mut queue = self.core.queue.borrow_mut();
        match self.timer {
            Some(timer) => queue.retarget(timer, wakee()),
            None => {
                let event = Event::Timer { host: self.host, wakee: wakee() };
                let timer = queue.push(self.deadline_ns.max(now_ns), event);
                drop(queue);
                (self.timer, self.set_ns) = (Some(timer), now_ns);
            }
        }
        waits_for(|| format!("time to pass, until {:.6} s", self.deadline_ns as f64 / 1e9));
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(timer) = self.timer {
            self.core.queue.borrow_mut().cancel(timer);
        }
    }
}

impl Host {
    /// Waits until this machine's monotonic clock shows `monotonic_ns`.
    #[inline]
    pub fn sleep_until(&self, monotonic_ns: u64) -> Sleep {
        let deadline_ns = self.core.instant_of(self.id(), monotonic_ns);
        Sleep::towards(self.core.clone(), self.id(), Some(monotonic_ns), deadline_ns)
    }

    /// Waits for `ns` nanoseconds of this machine's monotonic clock from now; 0 lets the other
    /// tasks go first.
    #[inline]
    pub fn sleep(&self, ns: u64) -> Sleep {
        self.sleep_until(self.now_ns().saturating_add(ns))
    }

    /// What a future gives, or `None` if it has not after `ns` nanoseconds of this machine's
    /// monotonic clock; then it is dropped. Of both at one instant the future counts.
    ///
    /// ```
    /// # let world = stillpoint_sim::World::new(stillpoint_sim::Tape::new(1));
    /// let driver = world.driver();
    /// let mail = world.run(1_000_000_000, async move {
    ///     driver.timeout(5_000_000, driver.receive()).await
    /// });
    /// assert_eq!((mail, world.now_ns()), (Ok(None), 5_000_000));
    /// ```
    pub async fn timeout<T>(&self, ns: u64, future: impl Future<Output = T>) -> Option<T> {
        let (mut future, mut over) = (pin!(future), pin!(self.sleep(ns)));
        poll_fn(|context| {
            if let Poll::Ready(value) = future.as_mut().poll(context) {
                return Poll::Ready(Some(value));
            }
            over.as_mut().poll(context).map(|()| None)
        })
        .await
    }
}
