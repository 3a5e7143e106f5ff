//! The way of one datagram, and the part of it that segments of streams share.

use std::rc::Rc;

use bytes::Bytes;

use super::fate::Fate;
use super::settings::transmission_ns;
use super::{NetEvent, NetState, Traffic};
use crate::core::Core;
use crate::event::Event;
use crate::host::{HostId, HostState};
use crate::operation::OperationKind;

/// A line that takes one thing after the other.
struct Line {
    bytes_per_s: u64,
    queue_bytes_max: u64,
    /// How many times as long all takes.
    slowness: u64,
}

impl Line {
    /// When the line, free from `free_ns` on, will have taken what comes at `now_ns`; `None` if
    /// too much waits already. A line that is free takes whatever comes.
    #[inline]
    fn take(&self, free_ns: &mut u64, now_ns: u64, bytes: usize) -> Option<u64> {
        let waiting_ns = free_ns.saturating_sub(now_ns);
        if self.queue_bytes_max != u64::MAX && waiting_ns > 0 {
            let per_s = u128::from(self.bytes_per_s / self.slowness.max(1));
            let waiting_bytes = u128::from(waiting_ns) * per_s / 1_000_000_000;
            if waiting_bytes + bytes as u128 > u128::from(self.queue_bytes_max) {
                return None;
            }
        }
        let busy_ns = transmission_ns(bytes, self.bytes_per_s).saturating_mul(self.slowness);
        *free_ns = now_ns.max(*free_ns).saturating_add(busy_ns);
        Some(*free_ns)
    }
}

/// A way through the network, as drawn for something that is sent now.
pub(crate) struct Transit {
    pub(crate) fate: Fate,
    /// When it will have left; `None` if there was no room in a queue.
    pub(crate) left_ns: Option<u64>,
    /// The life of the receiver's process.
    incarnation: u32,
}

impl NetState {
    /// When something that is sent now will have left its host and passed its link.
    #[inline]
    fn leave(
        &mut self,
        sender: &mut HostState,
        pair: (HostId, HostId),
        now_ns: u64,
        bytes: usize,
    ) -> Option<u64> {
        let line = Line {
            bytes_per_s: self.settings.egress_bytes_per_s,
            queue_bytes_max: self.settings.queue_bytes_max,
            slowness: self.slowness(pair.0, pair.1),
        };
        let left_ns = line.take(&mut sender.egress_free_ns, now_ns, bytes)?;
        let own_line = || self.links.get(&pair)?.bytes_per_s;
        match own_line() {
            None => Some(left_ns),
            Some(bytes_per_s) => {
                let free_ns = self.links_free_ns.entry(pair).or_default();
                Line { bytes_per_s, ..line }.take(free_ns, left_ns, bytes)
            }
        }
    }
}

impl Core {
    /// Draws how something gets from one host to another, and lets it take its place in queues.
    #[inline]
    pub(crate) fn transit(
        &self,
        from: HostId,
        to: HostId,
        bytes: usize,
        traffic: Traffic,
    ) -> Transit {
        let now_ns = self.now_ns.get();
        let mut hosts = self.hosts.borrow_mut();
        let mut net = self.net.borrow_mut();
        let mut dice = self.dice.borrow_mut();
        let incarnation = hosts[to.index()].incarnation;
        let same_zone = Rc::ptr_eq(&hosts[from.index()].zone, &hosts[to.index()].zone);
        let sender = &mut hosts[from.index()];
        let streams = sender.link_streams(traffic, &mut dice);
        let link = if net.links.is_empty() { None } else { net.links.get(&(from, to)) };
        let class = net.settings.delay(from == to, same_zone);
        let mut fate = Fate::draw(&net.settings, link, class, streams, &mut dice);
        if !net.slow_hosts.is_empty() {
            fate.slow_down(net.slowness(from, to));
        }
        // What a host says to itself takes no link.
        let left_ns = match from == to {
            true => Some(now_ns),
            false => net.leave(sender, (from, to), now_ns, bytes),
        };
        Transit { fate, left_ns, incarnation }
    }

    /// Draws what becomes of a datagram and puts its arrivals on the queue.
    pub(crate) fn send(&self, from: HostId, to: HostId, payload: Bytes) {
        let Transit { fate, left_ns, incarnation } =
            self.transit(from, to, payload.len(), Traffic::Datagram);
        if self.is_blocked(from, to) {
            return self.lose(from, to, "net.blocked", &payload);
        }
        if fate.lost {
            return self.lose(from, to, "net.lost", &payload);
        }
        let Some(left_ns) = left_ns else {
            return self.lose(from, to, "net.queue_full", &payload);
        };
        self.count_fault("net.slow", fate.slow.into());
        self.count_fault("net.reordered", fate.reordered.into());
        self.count_fault("net.duplicated", fate.duplicate_delay_ns.is_some().into());
        let is_narrow = self.takes_in_slowly(from, to);
        let push = |delay_ns: u64, payload: Bytes| {
            let at_ns = left_ns.saturating_add(delay_ns);
            let mut queue = self.queue.borrow_mut();
            if !is_narrow {
                queue.push(at_ns, Event::Deliver { from, to, incarnation, payload });
                return;
            }
            let bytes = payload.len();
            let then = Box::new(Event::Deliver { from, to, incarnation, payload });
            queue.push(at_ns, Event::Net(NetEvent::Arrive { from, to, bytes, then }));
        };
        if let Some(delay_ns) = fate.duplicate_delay_ns {
            push(delay_ns, payload.clone());
        }
        let payload = match fate.corrupted && from != to && !payload.is_empty() {
            true => self.corrupt(from, to, &payload),
            false => payload,
        };
        push(fate.delay_ns, payload);
    }

    #[cold]
    fn corrupt(&self, from: HostId, to: HostId, payload: &Bytes) -> Bytes {
        self.emit_on_link(from, to, "net.corrupted", payload);
        self.count_fault("net.corrupted", 1);
        let mut dice = self.dice.borrow_mut();
        self.hosts.borrow_mut()[from.index()].link_streams.corrupt(payload, &mut dice)
    }

    /// Whether what arrives has to wait its turn.
    pub(crate) fn takes_in_slowly(&self, from: HostId, to: HostId) -> bool {
        from != to && self.net.borrow().settings.ingress_bytes_per_s != u64::MAX
    }

    /// Something is there, and taken in when it is its turn.
    pub(super) fn arrive(&self, from: HostId, to: HostId, bytes: usize, then: Event) {
        let taken_ns = {
            let net = self.net.borrow();
            let line = Line {
                bytes_per_s: net.settings.ingress_bytes_per_s,
                queue_bytes_max: net.settings.queue_bytes_max,
                slowness: net.slowness(from, to),
            };
            let free_ns = &mut self.hosts.borrow_mut()[to.index()].ingress_free_ns;
            line.take(free_ns, self.now_ns.get(), bytes)
        };
        match (taken_ns, then) {
            (Some(taken_ns), then) => {
                self.queue.borrow_mut().push(taken_ns, then);
            }
            (None, Event::Deliver { payload, .. }) => {
                self.lose(from, to, "net.queue_full", &payload);
            }
            (None, _) => self.count_fault("net.queue_full", 1),
        }
    }

    /// A datagram arrives, or finds nobody.
    pub(crate) fn deliver(&self, from: HostId, to: HostId, incarnation: u32, payload: Bytes) {
        if self.is_blocked(from, to) {
            return self.lose(from, to, "net.blocked", &payload);
        }
        if !self.is_current(to, incarnation)
            || self.dies_before(to, OperationKind::DatagramDelivered)
        {
            return self.lose(from, to, "net.host_down", &payload);
        }
        self.emit_on_link(from, to, "net.deliver", &payload);
        {
            let state = &mut self.hosts.borrow_mut()[to.index()];
            state.inbox.push((from, payload));
            state.receivers.wake_all();
        }
        self.may_die_after();
    }

    fn lose(&self, from: HostId, to: HostId, why: &'static str, payload: &[u8]) {
        self.emit_on_link(from, to, why, payload);
        self.count_fault(why, 1);
    }
}
