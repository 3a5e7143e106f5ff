//! Datagrams: bandwidth, drawn latency, loss, duplication, and partitions.
//!
//! Order is not kept: each datagram has its own latency. Whether a host is there to
//! receive is `process.rs`'s business; it shows here as a changed incarnation.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::rc::Rc;

use bytes::Bytes;

use crate::core::Core;
use crate::dice::{StreamId, Streams};
use crate::event::Event;
use crate::host::HostId;
use crate::world::World;

/// How the network behaves; can be changed at any time and counts for what is sent then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetSettings {
    /// Latency from a host to itself, in nanoseconds.
    pub same_host_ns: Range<u64>,
    /// Latency between hosts of one zone, in nanoseconds.
    pub same_zone_ns: Range<u64>,
    /// Latency between zones, in nanoseconds.
    pub cross_zone_ns: Range<u64>,
    /// What a host can send to others, in bytes per second of payload.
    pub egress_bytes_per_s: u64,
    /// Of a thousand datagrams, how many take ten times their latency.
    pub slow_per_mille: u64,
    /// Of a million datagrams, how many are lost.
    pub loss_per_million: u64,
    /// Of a million datagrams, how many arrive twice.
    pub duplicate_per_million: u64,
}

impl Default for NetSettings {
    /// Latencies of a region with several zones, 10 Gbit/s out of each host; nothing slow,
    /// lost or duplicated.
    fn default() -> Self {
        Self {
            same_host_ns: 5_000..15_000,
            same_zone_ns: 80_000..250_000,
            cross_zone_ns: 300_000..1_200_000,
            egress_bytes_per_s: 1_250_000_000,
            slow_per_mille: 0,
            loss_per_million: 0,
            duplicate_per_million: 0,
        }
    }
}

impl NetSettings {
    /// How long a host's link is busy with a datagram.
    fn transmission_ns(&self, bytes: usize) -> u64 {
        (bytes as u64).saturating_mul(1_000_000_000) / self.egress_bytes_per_s.max(1)
    }

    fn latency_ns(&self, same_host: bool, same_zone: bool) -> &Range<u64> {
        match (same_host, same_zone) {
            (true, _) => &self.same_host_ns,
            (false, true) => &self.same_zone_ns,
            (false, false) => &self.cross_zone_ns,
        }
    }
}

/// The network as a whole.
#[derive(Default)]
pub(crate) struct NetState {
    settings: NetSettings,
    /// Directed pairs between which nothing passes.
    blocked: BTreeSet<(HostId, HostId)>,
    /// Directed pairs with a latency of their own.
    slow_links: BTreeMap<(HostId, HostId), Range<u64>>,
}

/// What a sender draws from, each its own stream: turning one fault on shifts no other.
pub(crate) struct LinkStreams {
    latency: StreamId,
    slow: StreamId,
    loss: StreamId,
    duplicate: StreamId,
    duplicate_latency: StreamId,
}

impl LinkStreams {
    pub(crate) fn new(host: &str, dice: &mut Streams) -> Self {
        let mut stream = |concern| dice.intern(&format!("{host}/net.{concern}"));
        Self {
            latency: stream("latency"),
            slow: stream("slow"),
            loss: stream("loss"),
            duplicate: stream("duplicate"),
            duplicate_latency: stream("duplicate_latency"),
        }
    }
}

/// What becomes of one datagram.
struct Fate {
    delay_ns: u64,
    slow: bool,
    lost: bool,
    duplicate_delay_ns: Option<u64>,
}

impl Fate {
    /// Latency is drawn for a lost datagram too, so that loss shifts no latency.
    fn draw(
        settings: &NetSettings,
        latency_ns: &Range<u64>,
        streams: &LinkStreams,
        dice: &mut Streams,
    ) -> Self {
        let mut chance = |stream, num, den| num > 0 && dice.rarely(stream, num, den);
        let slow = chance(streams.slow, settings.slow_per_mille, 1_000);
        let lost = chance(streams.loss, settings.loss_per_million, 1_000_000);
        let twice = chance(streams.duplicate, settings.duplicate_per_million, 1_000_000);
        let delay_ns = dice.range(streams.latency, latency_ns);
        Self {
            delay_ns: if slow { delay_ns * 10 } else { delay_ns },
            slow,
            lost,
            duplicate_delay_ns: twice.then(|| dice.range(streams.duplicate_latency, latency_ns)),
        }
    }
}

impl Core {
    /// Draws what becomes of a datagram and puts its arrivals on the queue.
    pub(crate) fn send(&self, from: HostId, to: HostId, payload: Bytes) {
        let now_ns = self.now_ns.get();
        let (fate, incarnation, sent_ns) = {
            let mut hosts = self.hosts.borrow_mut();
            let (sender, receiver) = (&hosts[from.index()], &hosts[to.index()]);
            let incarnation = receiver.incarnation;
            let net = self.net.borrow();
            let settings = &net.settings;
            let usual =
                || settings.latency_ns(from == to, Rc::ptr_eq(&sender.zone, &receiver.zone));
            let range = net.slow_links.get(&(from, to)).unwrap_or_else(usual);
            let mut dice = self.dice.borrow_mut();
            let fate = Fate::draw(settings, range, &sender.link_streams, &mut dice);
            // What a host says to itself takes no link.
            let sent_ns = if from == to {
                now_ns
            } else {
                let free_ns = &mut hosts[from.index()].egress_free_ns;
                *free_ns = now_ns.max(*free_ns) + settings.transmission_ns(payload.len());
                *free_ns
            };
            (fate, incarnation, sent_ns)
        };
        if self.is_blocked(from, to) {
            return self.lose(from, to, "net.blocked", &payload);
        }
        if fate.lost {
            return self.lose(from, to, "net.lost", &payload);
        }
        self.count_fault("net.slow", fate.slow.into());
        self.count_fault("net.duplicated", fate.duplicate_delay_ns.is_some().into());
        let mut queue = self.queue.borrow_mut();
        if let Some(delay_ns) = fate.duplicate_delay_ns {
            let payload = payload.clone();
            queue.push(sent_ns + delay_ns, Event::Deliver { from, to, incarnation, payload });
        }
        queue.push(sent_ns + fate.delay_ns, Event::Deliver { from, to, incarnation, payload });
    }

    /// A datagram arrives, or finds nobody.
    pub(crate) fn deliver(&self, from: HostId, to: HostId, incarnation: u32, payload: Bytes) {
        if self.is_blocked(from, to) {
            return self.lose(from, to, "net.blocked", &payload);
        }
        if !self.is_current(to, incarnation) {
            return self.lose(from, to, "net.host_down", &payload);
        }
        self.emit_on_link(from, to, "net.deliver", &payload);
        let state = &mut self.hosts.borrow_mut()[to.index()];
        state.inbox.push_back((from, payload));
        state.receivers.wake_all();
    }

    fn lose(&self, from: HostId, to: HostId, why: &'static str, payload: &[u8]) {
        self.emit_on_link(from, to, why, payload);
        self.count_fault(why, 1);
    }

    fn is_blocked(&self, from: HostId, to: HostId) -> bool {
        let blocked = &self.net.borrow().blocked;
        !blocked.is_empty() && blocked.contains(&(from, to))
    }
}

impl World {
    /// The network's settings.
    pub fn net(&self) -> NetSettings {
        self.core().net.borrow().settings.clone()
    }

    /// Changes the network's settings for all datagrams sent from now on.
    pub fn set_net(&self, settings: NetSettings) {
        self.core().net.borrow_mut().settings = settings;
    }

    /// Gives the link from one host to another, in this direction, a latency of its own.
    pub fn set_link_latency(&self, from: HostId, to: HostId, latency_ns: Range<u64>) {
        self.core().net.borrow_mut().slow_links.insert((from, to), latency_ns);
        self.core().count_fault("net.slow_link", 1);
    }

    /// Lets nothing pass from one host to another, what is under way included. The other
    /// direction stays open.
    pub fn block(&self, from: HostId, to: HostId) {
        self.core().net.borrow_mut().blocked.insert((from, to));
        self.core().emit_on_link(from, to, "net.block", &[]);
    }

    /// Opens one direction again.
    pub fn unblock(&self, from: HostId, to: HostId) {
        self.core().net.borrow_mut().blocked.remove(&(from, to));
        self.core().emit_on_link(from, to, "net.unblock", &[]);
    }

    /// Lets nothing pass between the hosts of one side and those of the other, both ways.
    pub fn partition(&self, one_side: &[HostId], other_side: &[HostId]) {
        for &a in one_side {
            for &b in other_side {
                self.block(a, b);
                self.block(b, a);
            }
        }
    }

    /// Cuts a host off from all others there are, the driver among them.
    pub fn isolate(&self, host: HostId) {
        self.core().count_fault("net.isolated", 1);
        let others: Vec<HostId> = self.hosts().into_iter().filter(|&it| it != host).collect();
        self.partition(&[host], &others);
    }

    /// Lets nothing pass from these hosts to one, while what it sends still arrives.
    pub fn deafen(&self, host: HostId, to: &[HostId]) {
        self.core().count_fault("net.deafened", 1);
        to.iter().filter(|&&it| it != host).for_each(|&it| self.block(it, host));
    }

    /// Lifts all blocks.
    pub fn heal_all(&self) {
        let blocked = std::mem::take(&mut self.core().net.borrow_mut().blocked);
        for (from, to) in blocked {
            self.core().emit_on_link(from, to, "net.unblock", &[]);
        }
    }
}
