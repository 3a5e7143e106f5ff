//! One group of replicas on nodes in memory, and the invariants that hold after every step.

use crate::ids::{Incarnation, Index, NodeId, Position, Term};
use crate::replication::{
    Effects, Entry, Heartbeat, Liveness, Message, Record, Replica, Sender, Settings, Surroundings,
};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// One millisecond on a monotonic clock.
pub(super) const MS: u64 = 1_000_000;

/// What travels between nodes.
#[derive(Clone, Debug)]
pub(super) enum Payload {
    Heartbeat(Heartbeat),
    /// The sender is bound to the receiver, in this term, or not at all.
    Believed(Option<Term>),
    Relinquished(Term),
    Replica(Message),
}

/// A datagram in flight.
#[derive(Clone, Debug)]
pub(super) struct Packet {
    pub(super) from: NodeId,
    pub(super) to: NodeId,
    pub(super) payload: Payload,
    sender: Sender,
}

#[derive(Debug)]
enum Awaiting {
    Entries(Position),
    Message(NodeId, Message),
}

/// A node with one replica, its clock and its log.
#[derive(Debug)]
pub(super) struct Node {
    me: NodeId,
    members: Vec<NodeId>,
    /// How far this clock goes while a perfect one goes 1000.
    rate: u64,
    now_ns: u64,
    incarnation: Incarnation,
    pub(super) liveness: Liveness,
    pub(super) replica: Replica,
    records: Vec<Record>,
    durable: usize,
    awaiting: VecDeque<(usize, Awaiting)>,
    outbox: Vec<(NodeId, Payload)>,
}

impl Node {
    fn new(me: NodeId, members: &[NodeId]) -> Self {
        let (incarnation, settings) = (Incarnation(1), Settings::default());
        let now_ns = u64::from(me.0) * 7_000 * MS;
        Self {
            me,
            members: members.to_vec(),
            rate: [1000, 960, 1040, 980, 1020][usize::from(me.0)],
            now_ns,
            incarnation,
            liveness: Liveness::new(me, members, incarnation, now_ns, true, settings),
            replica: Replica::new(me, members.to_vec(), settings),
            records: Vec::new(),
            durable: 0,
            awaiting: VecDeque::new(),
            outbox: Vec::new(),
        }
    }

    /// Power is lost and comes back: the durable records are found again, and `extra` of those
    /// that were on their way to the disk.
    fn crash(&mut self, extra: usize) {
        self.records.truncate(self.durable + extra);
        self.durable = self.records.len();
        self.awaiting.clear();
        self.incarnation.0 += 1;
        let (members, settings) = (self.members.clone(), Settings::default());
        self.liveness =
            Liveness::new(self.me, &members, self.incarnation, self.now_ns, false, settings);
        self.replica = Replica::new(self.me, members, settings);
        for record in &self.records {
            self.replica.recover(record.clone());
        }
    }

    pub(super) fn has_lease(&self) -> bool {
        self.replica.has_lease(Surroundings { now_ns: self.now_ns, liveness: &self.liveness })
    }

    /// Whether it may answer reads of the newest state.
    pub(super) fn serves(&self) -> bool {
        self.replica.is_ready() && self.has_lease()
    }

    /// Lets the replica take a step and carries out what it asks for.
    pub(super) fn step<T>(
        &mut self,
        step: impl FnOnce(&mut Replica, Surroundings<'_>, &mut Effects) -> T,
    ) -> T {
        let mut effects = Effects::default();
        let at = Surroundings { now_ns: self.now_ns, liveness: &self.liveness };
        let result = step(&mut self.replica, at, &mut effects);
        self.carry_out(effects);
        result
    }

    fn carry_out(&mut self, effects: Effects) {
        let sends = effects.sends.into_iter();
        self.outbox.extend(sends.map(|(to, message)| (to, Payload::Replica(message))));
        for record in effects.records {
            let last = match &record {
                Record::Entries(entries) => entries.last().map(Entry::position),
                Record::Vote { .. } | Record::Reset(_) => None,
            };
            self.records.push(record);
            let entries = last.map(|it| (self.records.len(), Awaiting::Entries(it)));
            self.awaiting.extend(entries);
        }
        for (to, message) in effects.sends_after_persist {
            self.awaiting.push_back((self.records.len(), Awaiting::Message(to, message)));
        }
        self.settle();
    }

    /// Goes on with what waited for records that are durable by now.
    fn settle(&mut self) {
        while self.awaiting.front().is_some_and(|(at, _)| *at <= self.durable) {
            let (_, then) = self.awaiting.pop_front().expect("it was just seen");
            match then {
                Awaiting::Entries(position) => {
                    self.step(|it, _, effects| it.on_persisted(position, effects));
                }
                Awaiting::Message(to, message) if to == self.me => {
                    let (me, sender) = (self.me, self.liveness.signature(self.me));
                    self.step(|it, at, effects| it.receive(me, sender, message, at, effects));
                }
                Awaiting::Message(to, message) if self.replica.still_means(to, &message) => {
                    self.outbox.push((to, Payload::Replica(message)));
                }
                Awaiting::Message(..) => {}
            }
        }
    }

    pub(super) fn persist(&mut self) {
        self.durable = self.records.len();
        self.settle();
    }

    pub(super) fn beat(&mut self) {
        let led = if self.replica.is_leader() { self.replica.term().0 } else { 0 };
        for to in self.liveness.peers().collect::<Vec<NodeId>>() {
            let heartbeat = self.liveness.heartbeat(to, self.now_ns, led, false);
            self.outbox.push((to, Payload::Heartbeat(heartbeat)));
        }
    }

    pub(super) fn receive(&mut self, packet: Packet) {
        let Packet { from, sender, payload, .. } = packet;
        match payload {
            Payload::Heartbeat(heartbeat) => self.on_heartbeat(from, sender, &heartbeat),
            Payload::Believed(term) => self.on_believed(from, term),
            Payload::Relinquished(term) => {
                self.step(|it, _, effects| it.on_relinquished(from, term, effects));
            }
            Payload::Replica(message) => {
                self.step(|it, at, effects| it.receive(from, sender, message, at, effects));
            }
        }
    }

    fn on_heartbeat(&mut self, from: NodeId, sender: Sender, heartbeat: &Heartbeat) {
        let now_ns = self.now_ns;
        let change = self.liveness.on_heartbeat(from, sender.incarnation, heartbeat, now_ns);
        if change.new_incarnation || change.new_promise {
            self.step(|it, at, effects| it.reassert(from, at.now_ns, effects));
        }
        let bound = self.replica.bound_to() == Some(from);
        let believed = bound.then(|| self.replica.term());
        let equal = believed.map_or(0, |it| it.0) == heartbeat.led_digest;
        if self.liveness.on_digest(from, equal) {
            self.outbox.push((from, Payload::Believed(believed)));
        }
    }

    fn on_believed(&mut self, from: NodeId, believed: Option<Term>) {
        if let Some(term) = believed {
            self.step(|it, _, effects| it.learn_term(term, effects));
        }
        if !self.replica.is_leader() {
            let relinquished = believed.map(|term| (from, Payload::Relinquished(term)));
            self.outbox.extend(relinquished);
        } else if believed != Some(self.replica.term()) {
            self.step(|it, at, effects| it.reassert(from, at.now_ns, effects));
        }
    }

    /// The log that is found again if power is lost now.
    fn durable_log(&self) -> Vec<&Entry> {
        let mut log: Vec<&Entry> = Vec::new();
        for record in &self.records[..self.durable] {
            if let Record::Entries(entries) = record {
                log.truncate(entries.first().map_or(log.len(), |it| it.index.0 as usize - 1));
                log.extend(entries);
            }
        }
        log
    }
}

/// Nodes, what is in flight between them, and what was seen so far.
#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) nodes: Vec<Node>,
    pub(super) packets: Vec<Packet>,
    /// Links, by sender and receiver, on which everything is delayed.
    pub(super) closed: BTreeSet<(NodeId, NodeId)>,
    leaders: BTreeMap<Term, NodeId>,
    /// Every committed entry, and the term of the leader that committed it.
    pub(super) committed: Vec<(Entry, Term)>,
    proposals: u64,
}

impl Cluster {
    pub(super) fn new(size: u16) -> Self {
        let members: Vec<NodeId> = (0..size).map(NodeId).collect();
        Self {
            nodes: members.iter().map(|it| Node::new(*it, &members)).collect(),
            packets: Vec::new(),
            closed: BTreeSet::new(),
            leaders: BTreeMap::new(),
            committed: Vec::new(),
            proposals: 0,
        }
    }

    /// Has one node do something, sends what it has to say, and checks everything.
    pub(super) fn at<T>(&mut self, node: usize, act: impl FnOnce(&mut Node) -> T) -> T {
        let place = node % self.nodes.len();
        let node = &mut self.nodes[place];
        let result = act(node);
        for (to, payload) in std::mem::take(&mut node.outbox) {
            let (from, sender) = (node.me, node.liveness.signature(to));
            self.packets.push(Packet { from, to, payload, sender });
        }
        self.check();
        result
    }

    pub(super) fn advance(&mut self, time_ns: u64) {
        self.nodes.iter_mut().for_each(|it| it.now_ns += time_ns * it.rate / 1000);
        self.check();
    }

    pub(super) fn deliver(&mut self, place: usize) {
        if place < self.packets.len() {
            let packet = self.packets.remove(place);
            self.at(usize::from(packet.to.0), |it| it.receive(packet));
        }
    }

    pub(super) fn crash(&mut self, node: usize, extra: usize) {
        self.at(node, |it| it.crash(extra.min(it.records.len() - it.durable)));
    }

    pub(super) fn campaign(&mut self, node: usize) {
        self.at(node, |it| it.step(Replica::campaign));
    }

    pub(super) fn propose(&mut self, node: usize) -> Option<Position> {
        self.proposals += 1;
        let payload = Bytes::from(self.proposals.to_string());
        self.at(node, |it| {
            it.step(|replica, at, effects| {
                let position = replica.propose(payload, true, effects);
                replica.send_appends(at.now_ns, effects);
                position
            })
        })
    }

    /// Every node makes its log durable, and what is in flight on open links arrives, in order.
    pub(super) fn flow(&mut self) {
        (0..self.nodes.len()).for_each(|it| self.at(it, Node::persist));
        let open = |it: &Packet| !self.closed.contains(&(it.from, it.to));
        let (arriving, delayed) = std::mem::take(&mut self.packets).into_iter().partition(open);
        self.packets = delayed;
        for packet in arriving {
            self.at(usize::from(packet.to.0), |it| it.receive(packet));
        }
    }

    /// Healthy life for 50 ms, as far as links are open.
    pub(super) fn round(&mut self) {
        self.advance(50 * MS);
        for node in 0..self.nodes.len() {
            self.at(node, Node::beat);
            self.at(node, |it| it.step(Replica::resend));
        }
        (0..3).for_each(|_| self.flow());
    }

    /// The node that may answer reads of the newest state.
    pub(super) fn leader(&self) -> Option<usize> {
        self.nodes.iter().position(Node::serves)
    }

    /// Has `node` elected by all, and its opening committed.
    pub(super) fn elect(&mut self, node: usize) {
        (0..3).for_each(|_| self.round());
        self.campaign(node);
        (0..3).for_each(|_| self.round());
        assert!(self.nodes[node].serves(), "node {node} was to lead");
    }

    /// Cuts `node` off from the others: what is sent is delayed until the links open.
    pub(super) fn isolate(&mut self, node: u16) {
        for other in (0..self.nodes.len() as u16).filter(|&it| it != node) {
            self.closed.insert((NodeId(node), NodeId(other)));
            self.closed.insert((NodeId(other), NodeId(node)));
        }
    }

    fn check(&mut self) {
        self.check_one_leader_per_term();
        self.check_commits();
        self.check_logs_match();
        let serving: Vec<&Node> = self.nodes.iter().filter(|it| it.serves()).collect();
        assert!(serving.len() <= 1, "two nodes serve at once: {serving:#?}");
        if let [node] = serving[..] {
            let all = self.committed.len() as u64;
            assert_eq!(node.replica.commit().0, all, "{} serves an old state", node.me);
        }
    }

    fn check_one_leader_per_term(&mut self) {
        for node in self.nodes.iter().filter(|it| it.replica.is_leader()) {
            let leader = *self.leaders.entry(node.replica.term()).or_insert(node.me);
            assert_eq!(leader, node.me, "two leaders in {:?}", node.replica.term());
        }
    }

    fn check_commits(&mut self) {
        for node in &self.nodes {
            let (log, commit) = (node.replica.log(), node.replica.commit());
            let known = log.range(Index(1), commit);
            assert_eq!(known.len() as u64, commit.0, "what is committed is in the log");
            for (place, entry) in known.iter().enumerate() {
                match self.committed.get(place) {
                    Some((there, _)) => assert_eq!(there, entry, "a committed entry changed"),
                    None => self.committed.push((entry.clone(), node.replica.term())),
                }
            }
        }
        let leaders = self.nodes.iter().filter(|it| it.replica.is_leader());
        for (node, (entry, in_term)) in
            leaders.flat_map(|it| self.committed.iter().map(move |c| (it, c)))
        {
            let has = node.replica.log().get(entry.index) == Some(entry);
            assert!(has || node.replica.term() < *in_term, "{} lacks {entry:?}", node.me);
        }
        let logs: Vec<Vec<&Entry>> = self.nodes.iter().map(Node::durable_log).collect();
        for (place, (entry, _)) in self.committed.iter().enumerate() {
            let copies = logs.iter().filter(|it| it.get(place) == Some(&entry)).count();
            assert!(copies > logs.len() / 2, "{entry:?} is committed with {copies} copies");
        }
    }

    /// Two logs with the same term at one index are equal up to there.
    fn check_logs_match(&self) {
        for (place, node) in self.nodes.iter().enumerate() {
            for other in &self.nodes[..place] {
                let (a, b) = (node.replica.log(), other.replica.log());
                let common = a.last().index.0.min(b.last().index.0);
                let same = |it: &Index| a.term_at(*it) == b.term_at(*it);
                let last = (1..=common).rev().map(Index).find(same).unwrap_or_default();
                let (a, b) = (a.range(Index(1), last), b.range(Index(1), last));
                assert_eq!(a, b, "the logs of {} and {}", node.me, other.me);
            }
        }
    }
}
