//! The second phase of a run: a core is well for good, the rest stays broken, and progress can be
//! demanded.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use super::active::Injection;
use crate::host::HostId;
use crate::timer::Sleep;
use crate::waits::Waiting;
use crate::world::World;

/// Something that was not done in time, and what there is to know about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// What was not done.
    pub what: String,
    /// How long it was waited for, in nanoseconds.
    pub limit_ns: u64,
    /// The faults that were in the world then, and disks that stalled.
    pub faults: Vec<String>,
    /// Machines that were down.
    pub down: Vec<String>,
    /// On what each task waited.
    pub waiting: Vec<Waiting>,
}

impl fmt::Display for Stuck {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} was not done within {} ms", self.what, self.limit_ns / 1_000_000)?;
        self.faults.iter().try_for_each(|it| write!(out, "\n  still so: {it}"))?;
        self.down.iter().try_for_each(|it| write!(out, "\n  down: {it}"))?;
        self.waiting.iter().try_for_each(|it| write!(out, "\n  {it}"))
    }
}

impl Error for Stuck {}

impl World {
    /// Heals these machines, the object store, and the links among them and with the driver, for
    /// good: their faults are lifted, whoever is down starts again, and nothing strikes them any
    /// more. What is broken elsewhere stays broken. As TigerBeetle's VOPR does before it demands
    /// progress (<https://github.com/tigerbeetle/tigerbeetle>, `src/vopr.zig`).
    pub fn heal_for_good(&self, core: &[HostId]) {
        let core: BTreeSet<HostId> = core.iter().copied().collect();
        let numbers: Vec<u64> = {
            let mut active = self.core().active.borrow_mut();
            active.heal(core.clone());
            active.by_number.keys().copied().collect()
        };
        self.disarm_crashes();
        numbers.into_iter().for_each(|it| self.narrow(it, &core));
        for &a in &core {
            for &b in core.iter().chain([&HostId::DRIVER]).filter(|it| **it != a) {
                self.core().open_for_good(a, b);
                self.core().open_for_good(b, a);
            }
            self.end_disk_stall(a);
            self.start_unless_held(a);
            self.resume(a);
        }
    }

    /// Lets a fault go on outside of the core only.
    fn narrow(&self, number: u64, core: &BTreeSet<HostId>) {
        let injection = self.core().active.borrow_mut().by_number.remove(&number);
        let Some(Injection { fault, hosts, since_ns, net, images }) = injection else {
            return;
        };
        let is_core = |it: &HostId| core.contains(it);
        let (inside, outside): (Vec<_>, Vec<_>) = hosts.into_iter().partition(is_core);
        if inside.is_empty() && !outside.is_empty() {
            // Its links with the core stay as bad as they are.
            let kept = Injection { fault, hosts: outside, since_ns, net, images };
            self.core().active.borrow_mut().by_number.insert(number, kept);
            return;
        }
        if outside.is_empty() {
            self.note_lifted(number);
        }
        self.tell_lifted(number, &fault, &inside);
        let lifted =
            Injection { fault: fault.clone(), hosts: inside, since_ns, net, images: vec![] };
        self.undo(lifted);
        if outside.is_empty() {
            return;
        }
        let net = self.apply_to_network(&fault, &outside);
        let images = images.into_iter().filter(|it| outside.contains(&it.0)).collect();
        let kept = Injection { fault, hosts: outside, since_ns, net, images };
        self.core().active.borrow_mut().by_number.insert(number, kept);
    }

    /// Waits for a future for so many nanoseconds of true time at most; for a driver.
    ///
    /// # Errors
    /// It was not done by then: the error says what was broken and on what everybody waited. The
    /// run is over then (see [`World::waiting`]).
    pub async fn within<T>(
        &self,
        limit_ns: u64,
        what: &str,
        future: impl Future<Output = T>,
    ) -> Result<T, Box<Stuck>> {
        let until_ns = self.now_ns().saturating_add(limit_ns);
        let mut over = pin!(Sleep::new(self.core().clone(), HostId::DRIVER, until_ns));
        let mut future = pin!(future);
        let done = poll_fn(|context| {
            if let Poll::Ready(done) = future.as_mut().poll(context) {
                return Poll::Ready(Some(done));
            }
            over.as_mut().poll(context).map(|()| None)
        });
        done.await.ok_or_else(|| Box::new(self.stuck(what, limit_ns)))
    }

    /// A disk that stalls at this moment: whoever began it, it is no fault that is lifted.
    fn stall_in_words(&self, host: HostId) -> Option<String> {
        let left_ns = self.core().disk_stalled_until(host)? - self.now_ns();
        let name = self.host(host).name();
        Some(format!("{name} has a disk that stalls for another {} ms", left_ns / 1_000_000))
    }

    /// What there is to know of something that is not done after so long.
    pub fn stuck(&self, what: &str, limit_ns: u64) -> Stuck {
        let down = self.machines().into_iter().filter(|it| !self.is_up(*it));
        let stalled = self.machines().into_iter().filter_map(|it| self.stall_in_words(it));
        Stuck {
            what: what.to_string(),
            limit_ns,
            faults: self.faults_active().into_iter().chain(stalled).collect(),
            down: down.map(|it| self.host(it).name().to_string()).collect(),
            waiting: self.waiting(),
        }
    }
}
