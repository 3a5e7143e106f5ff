//! Faults that a story places, and the repair that follows each.
//!
//! A fault strikes in a point's callback, at that very instant. Its repair is left with
//! [`Faults`], which the driver runs beside the story: so no fault is for ever unless a story
//! says so, and what was survivable stays survivable.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use stillpoint_sim::{HostId, World};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// A machine to be started again, at this world time.
#[derive(Clone, Copy, Debug)]
pub struct Restart {
    /// The machine.
    pub host: HostId,
    /// When, in world time.
    pub at_ns: u64,
}

/// The repairs that are due.
#[derive(Debug)]
pub struct Faults {
    sender: UnboundedSender<Restart>,
    receiver: UnboundedReceiver<Restart>,
}

impl Default for Faults {
    fn default() -> Self {
        let (sender, receiver) = unbounded_channel();
        Self { sender, receiver }
    }
}

impl Faults {
    /// Where repairs are left.
    #[must_use]
    pub fn repairs(&self) -> UnboundedSender<Restart> {
        self.sender.clone()
    }

    /// Repairs what is due, for as long as it is polled.
    pub async fn repair(mut self, world: World) {
        let driver = world.driver();
        let mut due: BTreeMap<(u64, HostId), ()> = BTreeMap::new();
        loop {
            let next_ns = due.first_key_value().map_or(u64::MAX, |((at_ns, _), ())| *at_ns);
            let mut sleep = pin!(driver.sleep(next_ns.saturating_sub(world.now_ns())));
            let left = poll_fn(|cx| {
                if let Poll::Ready(Some(restart)) = self.receiver.poll_recv(cx) {
                    return Poll::Ready(Some(restart));
                }
                sleep.as_mut().poll(cx).map(|()| None)
            });
            match left.await {
                Some(restart) => drop(due.insert((restart.at_ns, restart.host), ())),
                None => {
                    let ((_, host), ()) = due.pop_first().expect("one was due");
                    if !world.is_up(host) {
                        world.restart(host);
                    }
                }
            }
        }
    }
}
