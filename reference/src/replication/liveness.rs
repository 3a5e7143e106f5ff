//! What one node knows about the others: who is heard from, and which promises stand.
//!
//! A heartbeat from A that reaches B makes B promise: "until my clock shows now + lease, no
//! partition that follows a leader of your incarnation on your node elects anybody else here". B's
//! next heartbeat names the heartbeat that it answers, and A counts the promise from the moment
//! it had *sent* that one, less a margin for drift: A's idea of the promise ends before B's does.

use super::Settings;
use super::message::Sender;
use crate::ids::{Incarnation, NodeId, Term};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The one periodic message between a pair of nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// The sender's monotonic clock when it was sent.
    pub sent_ns: u64,
    /// The receiver's heartbeat that this answers: its incarnation, and its clock at sending.
    pub answers: Option<(Incarnation, u64)>,
    /// A digest of the (partition, term) pairs that the sender leads and the receiver is member
    /// of. The receiver compares it with what it believes.
    pub led_digest: u64,
    /// The number of the sender's promise to the receiver; it changes whenever one lapses.
    pub promise: u64,
    /// The newest heartbeat of the receiver that was heard: its incarnation, and its clock at
    /// sending. It promises nothing, but tells how long the way there and back takes.
    pub echo: Option<(Incarnation, u64)>,
    /// Whether the sender is fit to lead: it has heard the receiver lately, promises reach it
    /// before they are over, and what it writes gets to its disk. Nobody makes promises to others:
    /// such a node could neither commit anything nor be deposed.
    pub fit: bool,
    /// Who leads the metadata group and in which term, if the sender does or hears who does.
    pub coordinator: Option<(Term, NodeId)>,
}

#[derive(Debug, Default)]
struct Peer {
    /// The newest incarnation that was heard from.
    incarnation: Incarnation,
    /// When it was heard from last.
    heard_ns: Option<u64>,
    /// Until when this node's promise to that incarnation stands.
    promised_until_ns: u64,
    /// The number of that promise.
    promised: u64,
    /// Until when the peer's promise to this node stands.
    promise_until_ns: u64,
    /// The number of the peer's promise.
    promise: u64,
    /// The heartbeat to answer next.
    answers: Option<(Incarnation, u64)>,
    /// The newest heartbeat that was heard.
    echo: Option<(Incarnation, u64)>,
    /// How long a heartbeat to the peer and its echo took, lately.
    round_trip_ns: u64,
    /// The heartbeat by which that was measured: an echo of it that comes again, since the peer has
    /// heard none after it, tells of a cut and not of a slow link.
    measured_by_ns: u64,
    /// Who leads the metadata group, as the peer said last.
    coordinator: Option<(Term, NodeId)>,
    /// How many heartbeats in a row showed another idea of who leads what.
    digest_mismatches: u32,
}

impl Peer {
    /// Gives or renews this node's promise, and answers with it.
    fn promise_support(
        &mut self,
        incarnation: Incarnation,
        sent_ns: u64,
        now_ns: u64,
        lease_ns: u64,
    ) {
        if self.promised_until_ns <= now_ns {
            self.promised += 1;
        }
        self.promised_until_ns = self.promised_until_ns.max(now_ns + lease_ns);
        if self.answers.is_none_or(|(_, newest_ns)| sent_ns > newest_ns) {
            self.answers = Some((incarnation, sent_ns));
        }
    }
}

/// What a heartbeat changed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Change {
    /// The peer has restarted: what it had accepted before must be accepted again.
    pub new_incarnation: bool,
    /// The peer gave its promise anew after it had lapsed: likewise.
    pub new_promise: bool,
}

/// One node's knowledge of its peers.
#[derive(Debug)]
pub struct Liveness {
    incarnation: Incarnation,
    settings: Settings,
    /// Before this instant, promises of an earlier incarnation may still stand.
    votes_from_ns: u64,
    peers: BTreeMap<NodeId, Peer>,
}

impl Liveness {
    /// A node that has just started. `fresh` says that it never ran before, so that no promise of
    /// an earlier incarnation can stand.
    #[must_use]
    pub fn new(
        me: NodeId,
        nodes: &[NodeId],
        incarnation: Incarnation,
        now_ns: u64,
        fresh: bool,
        settings: Settings,
    ) -> Self {
        let others = nodes.iter().filter(|&&it| it != me);
        let peers: BTreeMap<_, _> = others.map(|&it| (it, Peer::default())).collect();
        // Promises are made to peers: who is alone has made none.
        let none_stands = fresh || peers.is_empty();
        let votes_from_ns = if none_stands { now_ns } else { now_ns + settings.lease_ns };
        Self { incarnation, settings, votes_from_ns, peers }
    }

    /// The other nodes.
    pub fn peers(&self) -> impl Iterator<Item = NodeId> {
        self.peers.keys().copied()
    }

    /// Whether this node may vote: no promise of an earlier incarnation of it can stand any more.
    #[must_use]
    pub fn may_vote(&self, now_ns: u64) -> bool {
        now_ns >= self.votes_from_ns
    }

    /// When [`Liveness::may_vote`] begins to hold.
    #[must_use]
    pub fn votes_from_ns(&self) -> u64 {
        self.votes_from_ns
    }

    /// Whether this node has promised not to elect another leader than one on `node`.
    #[must_use]
    pub fn promised(&self, node: NodeId, incarnation: Incarnation, now_ns: u64) -> bool {
        self.peers
            .get(&node)
            .is_some_and(|it| it.incarnation == incarnation && now_ns < it.promised_until_ns)
    }

    /// When the promise to `node` ends, if it stands.
    #[must_use]
    pub fn promise_ends_ns(&self, node: NodeId, now_ns: u64) -> Option<u64> {
        let until_ns = self.peers.get(&node)?.promised_until_ns;
        (now_ns < until_ns).then_some(until_ns)
    }

    /// Whether `node` has promised this node its support, and the promise is this one.
    #[must_use]
    pub fn supported_by(&self, node: NodeId, under: Sender, now_ns: u64) -> bool {
        self.peers.get(&node).is_some_and(|it| {
            it.incarnation == under.incarnation
                && it.promise == under.promise
                && now_ns < it.promise_until_ns
        })
    }

    /// The newest promise of `node` to this one that was heard of.
    #[must_use]
    pub fn newest_promise_of(&self, node: NodeId) -> Sender {
        let peer = self.peers.get(&node);
        peer.map_or(Sender { incarnation: Incarnation(0), promise: 0 }, |it| Sender {
            incarnation: it.incarnation,
            promise: it.promise,
        })
    }

    /// How this node signs what it sends to `to`.
    #[must_use]
    pub fn signature(&self, to: NodeId) -> Sender {
        let promise = self.peers.get(&to).map_or(0, |it| it.promised);
        Sender { incarnation: self.incarnation, promise }
    }

    /// Whether `node` was heard from lately.
    #[must_use]
    pub fn alive(&self, node: NodeId, now_ns: u64) -> bool {
        self.promise_ends_ns(node, now_ns).is_some()
    }

    /// The heartbeat to send to `to`, from a node whose log is `stuck` or not.
    #[must_use]
    pub fn heartbeat(&self, to: NodeId, now_ns: u64, led_digest: u64, stuck: bool) -> Heartbeat {
        let answers = self.peers.get(&to).and_then(|it| it.answers);
        let promise = self.signature(to).promise;
        let heard_ns = self.peers.get(&to).and_then(|it| it.heard_ns);
        let hears = heard_ns.is_some_and(|it| now_ns < it + self.settings.lease_ns);
        let in_time = self.peers.get(&to).is_some_and(|it| it.round_trip_ns < self.usable_ns());
        let echo = self.peers.get(&to).and_then(|it| it.echo);
        let fit = hears && in_time && !stuck;
        Heartbeat { sent_ns: now_ns, answers, led_digest, promise, echo, fit, coordinator: None }
    }

    /// Who leads the metadata group, as peers say that were heard lately: the newest of them.
    #[must_use]
    pub fn coordinator(&self, now_ns: u64) -> Option<(Term, NodeId)> {
        let alive = self.peers.values().filter(|it| now_ns < it.promised_until_ns);
        alive.filter_map(|it| it.coordinator).max()
    }

    /// Whether any promise of `node` to this one stands: they hear one another, in time.
    #[must_use]
    pub fn reaches(&self, node: NodeId, now_ns: u64) -> bool {
        self.peers.get(&node).is_some_and(|it| now_ns < it.promise_until_ns)
    }

    /// For how long a promise can be used, counted from the heartbeat that it answers.
    fn usable_ns(&self) -> u64 {
        self.settings.lease_ns - self.settings.lease_margin_ns
    }

    /// Takes in a heartbeat; one from an old incarnation is ignored. Returns what it changed.
    pub fn on_heartbeat(
        &mut self,
        from: NodeId,
        incarnation: Incarnation,
        heartbeat: &Heartbeat,
        now_ns: u64,
    ) -> Change {
        let Some(peer) = self.peers.get_mut(&from) else { return Change::default() };
        if incarnation < peer.incarnation {
            return Change::default();
        }
        let new_incarnation = incarnation > peer.incarnation;
        if new_incarnation {
            *peer = Peer { incarnation, promised: peer.promised, ..Peer::default() };
        }
        peer.heard_ns = Some(now_ns);
        peer.coordinator = heartbeat.coordinator;
        if peer.echo.is_none_or(|(_, newest_ns)| heartbeat.sent_ns > newest_ns) {
            peer.echo = Some((incarnation, heartbeat.sent_ns));
        }
        if let Some((mine, sent_ns)) = heartbeat.echo
            && mine == self.incarnation
            && sent_ns > peer.measured_by_ns
        {
            peer.round_trip_ns = now_ns.saturating_sub(sent_ns);
            peer.measured_by_ns = sent_ns;
        }
        if heartbeat.fit {
            peer.promise_support(incarnation, heartbeat.sent_ns, now_ns, self.settings.lease_ns);
        }
        let new_promise = heartbeat.promise > peer.promise;
        if let Some((mine, sent_ns)) = heartbeat.answers
            && mine == self.incarnation
            && heartbeat.promise >= peer.promise
        {
            let until_ns = sent_ns + self.settings.lease_ns - self.settings.lease_margin_ns;
            let standing = if new_promise { 0 } else { peer.promise_until_ns };
            peer.promise = heartbeat.promise;
            peer.promise_until_ns = standing.max(until_ns);
        }
        Change { new_incarnation, new_promise }
    }

    /// Notes whether the sender's idea of what it leads equals this node's. Returns true when they
    /// have differed for two heartbeats, and so not because a message was on its way.
    pub fn on_digest(&mut self, from: NodeId, equal: bool) -> bool {
        let Some(peer) = self.peers.get_mut(&from) else { return false };
        peer.digest_mismatches = if equal { 0 } else { peer.digest_mismatches + 1 };
        peer.digest_mismatches >= 2
    }

    /// Promises that have ended by now: their nodes are suspected, once.
    pub fn take_expired(&mut self, now_ns: u64) -> Vec<NodeId> {
        let expired = self
            .peers
            .iter_mut()
            .filter(|(_, it)| it.promised_until_ns != 0 && it.promised_until_ns <= now_ns);
        expired
            .map(|(&node, peer)| {
                peer.promised_until_ns = 0;
                node
            })
            .collect()
    }

    /// The next instant at which a promise ends.
    #[must_use]
    pub fn next_expiry_ns(&self) -> Option<u64> {
        self.peers.values().map(|it| it.promised_until_ns).filter(|&it| it != 0).min()
    }
}
