//! Faults that last: blocks, flapping blocks, slow hosts, links of their own. Each call gives a
//! [`NetFault`], and lifting that leaves all others as they are.

use std::collections::BTreeSet;
use std::ops::Range;

use super::{Delay, LinkSettings, NetEvent, NetState};
use crate::core::Core;
use crate::event::Event;
use crate::host::HostId;
use crate::world::World;

/// A directed pair of hosts.
type Pair = (HostId, HostId);

/// Names a fault of the network until it is lifted with [`World::lift`]. It may be dropped:
/// [`World::heal_all`] lifts all blocks anyhow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NetFault(u64);

/// What one call has done to the network.
pub(super) enum Cause {
    Block { pairs: BTreeSet<Pair>, shut: bool, flapping: Option<Flapping> },
    SlowHost { host: HostId },
    Link { pair: Pair, settings: LinkSettings },
}

/// A block that opens and shuts by turns.
#[derive(Clone)]
pub(super) struct Flapping {
    shut_ns: Range<u64>,
    open_ns: Range<u64>,
}

impl NetState {
    fn add(&mut self, cause: Cause) -> NetFault {
        let number = self.causes_count;
        self.causes_count += 1;
        self.causes.insert(number, cause);
        NetFault(number)
    }

    /// One more reason, or one less, for which nothing passes from one host to another: true if
    /// it was the first or the last.
    fn count_block(&mut self, pair: Pair, more: bool) -> bool {
        let reasons = self.blocked.entry(pair).or_default();
        *reasons = if more { *reasons + 1 } else { *reasons - 1 };
        let turned = *reasons == u32::from(more);
        if *reasons == 0 {
            self.blocked.remove(&pair);
        }
        turned
    }

    /// Opens a pair, and no block that is on will shut it again: true if it was shut.
    fn forget_blocks(&mut self, pair: Pair) -> bool {
        for cause in self.causes.values_mut() {
            if let Cause::Block { pairs, .. } = cause {
                pairs.remove(&pair);
            }
        }
        self.blocked.remove(&pair).is_some()
    }

    /// By what a datagram's times are multiplied, for slow hosts at either end.
    pub(super) fn slowness(&self, from: HostId, to: HostId) -> u64 {
        let touches = |it: &&(u64, HostId, u64)| it.1 == from || it.1 == to;
        self.slow_hosts.iter().filter(touches).fold(1, |all, it| all.saturating_mul(it.2))
    }

    /// Puts the settings of a link together again, the latest on top.
    fn settle_link(&mut self, pair: Pair) {
        let delay_ns = self.own_delays.get(&pair).cloned();
        let mut settled = LinkSettings { delay_ns, ..LinkSettings::default() };
        for cause in self.causes.values() {
            if let Cause::Link { pair: of, settings } = cause
                && *of == pair
            {
                settled = settled.under(settings);
            }
        }
        if settled == LinkSettings::default() {
            self.links.remove(&pair);
        } else {
            self.links.insert(pair, settled);
        }
    }
}

impl Core {
    /// Gives the link from one host to another, in this direction, a latency of its own.
    pub(crate) fn own_delay(&self, from: HostId, to: HostId, delay: Delay) {
        let mut net = self.net.borrow_mut();
        net.own_delays.insert((from, to), delay);
        net.settle_link((from, to));
    }

    pub(crate) fn is_blocked(&self, from: HostId, to: HostId) -> bool {
        let blocked = &self.net.borrow().blocked;
        !blocked.is_empty() && blocked.contains_key(&(from, to))
    }

    /// Opens one direction for whatever is on, also for what flaps and is open now.
    pub(crate) fn open_for_good(&self, from: HostId, to: HostId) {
        let was_shut = self.net.borrow_mut().forget_blocks((from, to));
        if was_shut {
            self.emit_on_link(from, to, "net.unblock", &[]);
        }
    }

    /// Blocks pairs for one more reason, in the order given.
    fn block_pairs(&self, pairs: impl IntoIterator<Item = Pair>) -> NetFault {
        let mut distinct = BTreeSet::new();
        for pair in pairs {
            if distinct.insert(pair) {
                self.net.borrow_mut().count_block(pair, true);
            }
            self.emit_on_link(pair.0, pair.1, "net.block", &[]);
        }
        let cause = Cause::Block { pairs: distinct, shut: true, flapping: None };
        self.net.borrow_mut().add(cause)
    }

    /// Takes a reason back from pairs that it blocked; those without any other open.
    fn open_pairs(&self, pairs: &BTreeSet<Pair>) {
        for &pair in pairs {
            if self.net.borrow_mut().count_block(pair, false) {
                self.emit_on_link(pair.0, pair.1, "net.unblock", &[]);
            }
        }
    }

    /// A flapping block opens or shuts, and will do the other some time later.
    pub(super) fn flap(&self, number: u64) {
        let (pairs, was_shut, flapping) = match self.net.borrow().causes.get(&number) {
            Some(Cause::Block { pairs, shut, flapping: Some(flapping) }) => {
                (pairs.clone(), *shut, flapping.clone())
            }
            _ => return,
        };
        if was_shut {
            self.open_pairs(&pairs);
        } else {
            for &pair in &pairs {
                if self.net.borrow_mut().count_block(pair, true) {
                    self.emit_on_link(pair.0, pair.1, "net.block", &[]);
                }
            }
            self.count_fault("net.flapped", 1);
        }
        if let Some(Cause::Block { shut, .. }) = self.net.borrow_mut().causes.get_mut(&number) {
            *shut = !was_shut;
        }
        self.expect_flap(number, if was_shut { &flapping.open_ns } else { &flapping.shut_ns });
    }

    fn expect_flap(&self, number: u64, wait_ns: &Range<u64>) {
        let wait_ns = {
            let mut dice = self.dice.borrow_mut();
            let stream = dice.intern("network/net.flap");
            dice.range(stream, wait_ns)
        };
        let event = Event::Net(NetEvent::Flap { fault: number });
        // Or time would stand still.
        self.queue.borrow_mut().push(self.now_ns.get() + wait_ns.max(1), event);
    }
}

/// All directed pairs between two sides, both ways.
fn pairs_between<'a>(
    one_side: &'a [HostId],
    other_side: &'a [HostId],
) -> impl Iterator<Item = Pair> + 'a {
    let pairs = move |&a: &HostId| other_side.iter().flat_map(move |&b| [(a, b), (b, a)]);
    one_side.iter().flat_map(pairs)
}

impl World {
    /// Lets nothing pass from one host to another, what is under way included. The other
    /// direction stays open.
    pub fn block(&self, from: HostId, to: HostId) -> NetFault {
        self.core().block_pairs([(from, to)])
    }

    /// Opens one direction again, for whatever reasons it was blocked.
    pub fn unblock(&self, from: HostId, to: HostId) {
        self.core().net.borrow_mut().forget_blocks((from, to));
        self.core().emit_on_link(from, to, "net.unblock", &[]);
    }

    /// Lets nothing pass between the hosts of one side and those of the other, both ways. Who is
    /// on neither side still talks with all.
    pub fn partition(&self, one_side: &[HostId], other_side: &[HostId]) -> NetFault {
        self.core().block_pairs(pairs_between(one_side, other_side))
    }

    /// Lets nothing pass from the hosts of one side to those of the other; the way back is open.
    pub fn partition_one_way(&self, from: &[HostId], to: &[HostId]) -> NetFault {
        self.core().block_pairs(from.iter().flat_map(|&a| to.iter().map(move |&b| (a, b))))
    }

    /// Cuts a zone off from all hosts that stand elsewhere now, both ways.
    pub fn partition_zone(&self, zone: &str) -> NetFault {
        let is_inside = |it: &HostId| &*self.core().hosts.borrow()[it.index()].zone == zone;
        let (inside, outside): (Vec<_>, Vec<_>) = self.hosts().into_iter().partition(is_inside);
        self.core().count_fault("net.zone_cut_off", 1);
        self.partition(&inside, &outside)
    }

    /// Cuts a host off from all others there are, the driver among them.
    pub fn isolate(&self, host: HostId) -> NetFault {
        self.core().count_fault("net.isolated", 1);
        let others: Vec<HostId> = self.hosts().into_iter().filter(|&it| it != host).collect();
        self.partition(&[host], &others)
    }

    /// Lets nothing pass from these hosts to one, while what it sends still arrives.
    pub fn deafen(&self, host: HostId, to: &[HostId]) -> NetFault {
        self.core().count_fault("net.deafened", 1);
        let others = to.iter().filter(|&&it| it != host);
        self.core().block_pairs(others.map(|&it| (it, host)))
    }

    /// As [`World::partition`], but shut and open by turns until it is lifted, shut first. How
    /// long each lasts is drawn anew, in nanoseconds.
    ///
    /// # Panics
    /// If a range is empty.
    pub fn flap(
        &self,
        one_side: &[HostId],
        other_side: &[HostId],
        shut_ns: Range<u64>,
        open_ns: Range<u64>,
    ) -> NetFault {
        let fault = self.partition(one_side, other_side);
        let flapping = Flapping { shut_ns, open_ns };
        self.core().count_fault("net.flapped", 1);
        self.core().expect_flap(fault.0, &flapping.shut_ns);
        if let Some(Cause::Block { flapping: it, .. }) =
            self.core().net.borrow_mut().causes.get_mut(&fault.0)
        {
            *it = Some(flapping);
        }
        fault
    }

    /// Makes everything that a host sends or gets take so many times as long.
    pub fn slow_host(&self, host: HostId, times: u64) -> NetFault {
        self.core().emit(host, "net.slow_host", &times.to_le_bytes());
        self.core().count_fault("net.slow_host", 1);
        let mut net = self.core().net.borrow_mut();
        let fault = net.add(Cause::SlowHost { host });
        net.slow_hosts.push((fault.0, host, times));
        fault
    }

    /// Makes the link from one host to another, in this direction, behave otherwise than the
    /// network does. Of several such settings of one link the latest counts, value by value.
    pub fn set_link(&self, from: HostId, to: HostId, settings: LinkSettings) -> NetFault {
        self.core().emit_on_link(from, to, "net.link", &[]);
        self.core().count_fault("net.link_set", 1);
        let mut net = self.core().net.borrow_mut();
        let fault = net.add(Cause::Link { pair: (from, to), settings });
        net.settle_link((from, to));
        fault
    }

    /// Gives the link from one host to another, in this direction, a latency of its own, in
    /// nanoseconds, below whatever [`World::set_link`] says.
    pub fn set_link_latency(&self, from: HostId, to: HostId, latency_ns: impl Into<Delay>) {
        self.core().own_delay(from, to, latency_ns.into());
        self.core().count_fault("net.slow_link", 1);
    }

    /// Takes back what [`World::set_link_latency`] has set.
    pub fn clear_link_latency(&self, from: HostId, to: HostId) {
        let mut net = self.core().net.borrow_mut();
        net.own_delays.remove(&(from, to));
        net.settle_link((from, to));
    }

    /// Lifts one fault and leaves all others as they are. No effect if it was lifted before.
    pub fn lift(&self, fault: NetFault) {
        let cause = self.core().net.borrow_mut().causes.remove(&fault.0);
        match cause {
            Some(Cause::Block { pairs, shut: true, .. }) => self.core().open_pairs(&pairs),
            Some(Cause::Link { pair, .. }) => {
                self.core().net.borrow_mut().settle_link(pair);
                self.core().emit_on_link(pair.0, pair.1, "net.link_restored", &[]);
            }
            Some(Cause::SlowHost { host }) => {
                self.core().net.borrow_mut().slow_hosts.retain(|it| it.0 != fault.0);
                self.core().emit(host, "net.slow_host_lifted", &[]);
            }
            Some(Cause::Block { .. }) | None => {}
        }
    }

    /// Lifts all blocks, those that flap too. Slow hosts and links stay as they are.
    pub fn heal_all(&self) {
        let blocked = {
            let mut net = self.core().net.borrow_mut();
            net.causes.retain(|_, it| !matches!(it, Cause::Block { .. }));
            std::mem::take(&mut net.blocked)
        };
        for (from, to) in blocked.into_keys() {
            self.core().emit_on_link(from, to, "net.unblock", &[]);
        }
    }
}
