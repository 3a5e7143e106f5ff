//! Waiting for virtual time to pass.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::core::Core;
use crate::event::{Event, EventId};
use crate::host::HostId;
use crate::waits::waits_for;

/// Ends at an instant. It always gives way to the other tasks once, even if the instant
/// has passed, so that a loop of short sleeps cannot stop the world.
#[must_use = "a sleep that is not awaited does not wait"]
pub struct Sleep {
    core: Rc<Core>,
    host: HostId,
    deadline_ns: u64,
    timer: Option<EventId>,
}

impl Sleep {
    /// A sleep until `deadline_ns` of world time.
    pub(crate) fn new(core: Rc<Core>, host: HostId, deadline_ns: u64) -> Self {
        Self { core, host, deadline_ns, timer: None }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let now_ns = self.core.now_ns.get();
        let wakee = || self.core.executor.borrow().wakee(context.waker());
        let mut queue = self.core.queue.borrow_mut();
        match self.timer {
            Some(_) if now_ns >= self.deadline_ns => return Poll::Ready(()),
            Some(timer) => queue.retarget(timer, wakee()),
            None => {
                let event = Event::Timer { host: self.host, wakee: wakee() };
                let timer = queue.push(self.deadline_ns.max(now_ns), event);
                drop(queue);
                self.timer = Some(timer);
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
