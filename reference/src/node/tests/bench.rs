//! A few cores, the envelopes between them, and a stranger who plays coordinator and client.

use crate::cut;
use crate::expression::Condition;
use crate::ids::{
    Attempt, BackupId, Epoch, HashRange, Incarnation, Index, NodeId, PartitionId, Position, TableId,
};
use crate::item::PrimaryKey;
use crate::metadata::{Cluster, NodeInfo};
use crate::mutants::NoMutants;
use crate::node::{
    Call, Config, Core, Envelope, Found, HostSpec, Input, Machine, Output, PeerMessage, Reply,
};
use crate::partition::{Command, ItemKey, Lead, Partition, RequestId};
use crate::replication::{Entry, Sender};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub(super) const MS: u64 = 1_000_000;
/// The partition that the tests are about.
pub(super) const P: PartitionId = PartitionId(7);
pub(super) const BACKUP: BackupId = BackupId(1);
pub(super) const EPOCH: Epoch = Epoch(1);
/// How long holds may last here.
pub(super) const HOLD_NS: u64 = 20 * MS;
/// Who coordinates and calls; no node of the cluster.
const STRANGER: NodeId = NodeId(99);

pub(super) struct Bench {
    cores: Vec<Core<NoMutants>>,
    pub(super) now_ns: u64,
    mail: VecDeque<(NodeId, NodeId, Envelope)>,
    written: Vec<u64>,
    /// Nodes whose disks do not answer.
    pub(super) stalled: BTreeSet<usize>,
    /// Nodes that nobody reaches and that reach nobody, but for the stranger.
    pub(super) isolated: BTreeSet<NodeId>,
    /// Two nodes that do not reach one another.
    pub(super) parted: Option<(NodeId, NodeId)>,
    /// Messages between nodes that are not delivered but kept.
    pub(super) intercepts: fn(&PeerMessage) -> bool,
    /// Those, with who sent them and to whom.
    pub(super) kept: Vec<(NodeId, NodeId, PeerMessage)>,
    /// What the cut's coordinator was told.
    pub(super) told: Vec<cut::Message>,
    /// Answers to calls, by the call's number.
    pub(super) replies: BTreeMap<u64, Vec<Reply>>,
}

impl Bench {
    /// So many nodes, each with a replica of the partition, and one that leads it.
    pub(super) fn new(size: u16) -> Self {
        Self::of_life(size, 1)
    }

    /// The same, of nodes that have started so many times.
    pub(super) fn of_life(size: u16, life: u64) -> Self {
        let nodes: Vec<NodeInfo> =
            (0..size).map(|it| NodeInfo { id: NodeId(it), zone: it as u8 }).collect();
        let (region, account) = ("local".into(), "000000000000".into());
        let cluster =
            Cluster { nodes, partitions_on_demand: 1, partitions_max: 1 << 16, region, account };
        let core = |node| {
            let config = Config::new(NodeId(node), cluster.clone());
            Core::new(config, NoMutants, Found::nothing(), Incarnation(life), 0)
        };
        let mut bench = Self {
            cores: (0..size).map(core).collect(),
            now_ns: 0,
            mail: VecDeque::new(),
            written: vec![0; usize::from(size)],
            stalled: BTreeSet::new(),
            isolated: BTreeSet::new(),
            parted: None,
            intercepts: |_| false,
            kept: Vec::new(),
            told: Vec::new(),
            replies: BTreeMap::new(),
        };
        let members: Vec<NodeId> = (0..size).map(NodeId).collect();
        let range = HashRange { start: 0, end: u64::MAX };
        let spec = HostSpec { table: TableId(1), partition: P, range, epoch: EPOCH, members };
        for node in 0..bench.cores.len() {
            bench.call(node, 0, Call::Host(vec![spec.clone()]));
        }
        bench.advance_ms(2_000);
        assert!(bench.lead(0).is_some(), "the preferred node leads");
        bench.told.clear();
        bench
    }

    fn step(&mut self, node: usize, input: Input) {
        let mut out = Output::default();
        self.cores[node].step(self.now_ns, 0, input, &mut out);
        self.written[node] += out.log.len() as u64;
        let from = NodeId(node as u16);
        for (to, mut messages) in out.messages {
            let kept = messages.extract_if(.., |it| (self.intercepts)(it));
            self.kept.extend(kept.map(|it| (from, to, it)));
            let sender = self.cores[node].liveness().signature(to);
            if to == STRANGER {
                messages.into_iter().for_each(|it| self.hear(it));
            } else {
                self.mail.push_back((from, to, Envelope { sender, number: 0, messages }));
            }
        }
    }

    fn hear(&mut self, message: PeerMessage) {
        match message {
            PeerMessage::Cut(message) => self.told.push(message),
            PeerMessage::Reply(id, reply) => self.replies.entry(id).or_default().push(*reply),
            other => panic!("the stranger is no member: {other:?}"),
        }
    }

    /// The stranger says something to a node, in one envelope.
    pub(super) fn say(&mut self, node: usize, messages: Vec<PeerMessage>) {
        let sender = Sender { incarnation: Incarnation(1), promise: 0 };
        self.step(node, Input::Peer(STRANGER, Envelope { sender, number: 0, messages }));
    }

    pub(super) fn call(&mut self, node: usize, id: u64, call: Call) {
        self.say(node, vec![PeerMessage::Call(id, Box::new(call))]);
    }

    pub(super) fn cut(&mut self, node: usize, message: cut::Message) {
        self.say(node, vec![PeerMessage::Cut(message)]);
    }

    /// Disks and network do what they are asked for, without time passing, until all is quiet.
    pub(super) fn run(&mut self) {
        loop {
            for node in 0..self.cores.len() {
                if !self.stalled.contains(&node) {
                    self.step(node, Input::Persisted(self.written[node]));
                }
            }
            let Some((from, to, envelope)) = self.mail.pop_front() else { break };
            let parted = self.parted.is_some_and(|it| it == (from, to) || it == (to, from));
            if !parted && !self.isolated.contains(&from) && !self.isolated.contains(&to) {
                self.step(usize::from(to.0), Input::Peer(from, envelope));
            }
        }
    }

    /// Time passes, and everybody does what is due.
    pub(super) fn advance_ms(&mut self, time_ms: u64) {
        for _ in 0..time_ms.div_ceil(5) {
            self.now_ns += 5 * MS;
            for node in 0..self.cores.len() {
                if self.cores[node].deadline_ns() <= self.now_ns {
                    self.step(node, Input::Tick);
                }
            }
            self.run();
        }
    }

    pub(super) fn core(&self, node: usize) -> &Core<NoMutants> {
        &self.cores[node]
    }

    pub(super) fn core_mut(&mut self, node: usize) -> &mut Core<NoMutants> {
        &mut self.cores[node]
    }

    /// A node hears this from another, whoever sent it.
    pub(super) fn deliver(&mut self, from: NodeId, to: usize, envelope: Envelope) {
        self.step(to, Input::Peer(from, envelope));
        self.run();
    }

    fn machine(&self, node: usize) -> (&Partition, Option<&Lead<Call>>) {
        match &self.cores[node].hosted()[&P].machine {
            Machine::Partition(state, lead) => (state, lead.as_ref()),
            Machine::Catalog(..) => panic!("a partition was hosted"),
        }
    }

    pub(super) fn state(&self, node: usize) -> &Partition {
        self.machine(node).0
    }

    pub(super) fn lead(&self, node: usize) -> Option<&Lead<Call>> {
        self.machine(node).1
    }

    pub(super) fn holds(&self) -> bool {
        self.lead(0).is_some_and(|it| it.hold.is_some())
    }

    /// The entries of node 0's log behind `after`.
    pub(super) fn log_behind(&self, after: Index) -> Vec<Entry> {
        let log = self.cores[0].hosted()[&P].replica.log();
        log.range(after.next(), log.last().index).to_vec()
    }

    pub(super) fn last(&self) -> Position {
        self.cores[0].hosted()[&P].replica.log().last()
    }

    pub(super) fn reply(&self, id: u64) -> Option<&Reply> {
        match self.replies.get(&id).map(Vec::as_slice) {
            Some([reply]) => Some(reply),
            None => None,
            Some(several) => panic!("call {id} was answered more than once: {several:?}"),
        }
    }

    /// The stranger asks node 0 to begin attempt `attempt`; its marker is the last entry then.
    pub(super) fn mark(&mut self, attempt: u64) -> Position {
        self.cut(0, mark(attempt));
        assert!(self.holds(), "attempt {attempt} was to begin");
        self.last()
    }
}

pub(super) fn mark(attempt: u64) -> cut::Message {
    let (attempt, hold_ns) = (Attempt(attempt), HOLD_NS);
    cut::Message::Mark { backup: BACKUP, attempt, hold_ns, partitions: vec![(P, EPOCH)] }
}

pub(super) fn marked(attempt: u64, at: Position) -> cut::Message {
    cut::Message::Marked { backup: BACKUP, attempt: Attempt(attempt), markers: vec![(P, at)] }
}

pub(super) fn confirm(attempt: u64, at: Position) -> cut::Message {
    cut::Message::Confirm { backup: BACKUP, attempt: Attempt(attempt), markers: vec![(P, at)] }
}

pub(super) fn held(attempt: u64, at: Position) -> cut::Message {
    cut::Message::Held { backup: BACKUP, attempt: Attempt(attempt), markers: vec![(P, at)] }
}

pub(super) fn not_held(attempt: u64) -> cut::Message {
    cut::Message::NotHeld { backup: BACKUP, attempt: Attempt(attempt), partitions: vec![P] }
}

pub(super) fn release(attempt: u64) -> cut::Message {
    cut::Message::Release { backup: BACKUP, attempt: Attempt(attempt) }
}

pub(super) fn key(name: u64) -> ItemKey {
    let partition = Bytes::from(name.to_string());
    ItemKey::new(PrimaryKey { partition, sort: Bytes::new() })
}

/// A put of an empty item under `name`, if `condition` holds; numbered like its call.
pub(super) fn put(id: u64, name: u64, condition: Option<&str>) -> Call {
    let none = BTreeMap::new();
    let parse = |it| Condition::parse(it, &BTreeMap::new(), &none).expect("a condition");
    Call::Write {
        partition: P,
        request: RequestId(id),
        key: key(name),
        item: Some(crate::partition::encode_item(&crate::item::Item::new())),
        condition: condition.map(parse),
        return_old: false,
    }
}

/// The numbers of the requests whose writes stand in these entries, in order.
pub(super) fn requests(entries: &[Entry]) -> Vec<u64> {
    let request = |it: &Entry| match Command::decode(&it.payload) {
        Ok(Some(Command::Write(write))) => Some(write.request.0),
        _ => None,
    };
    entries.iter().filter_map(request).collect()
}
