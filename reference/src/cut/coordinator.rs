//! The coordinator of one backup's cut: a pure state machine on the leader of the metadata group.
//!
//! It asks for what must be durable (`Begin`, `Seal`, `Abandon`) and goes on when the metadata log
//! has taken it. It may vanish at any moment: its successor begins a new attempt.

use super::message::Message;
use crate::ids::{Attempt, BackupId, Epoch, NodeId, PartitionId, Position};
use std::collections::{BTreeMap, BTreeSet};

/// Times of the protocol, on the coordinator's and the leaders' monotonic clocks.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long a probe waits for answers.
    pub probe_ns: u64,
    /// The bound of the hold in the first attempts.
    pub hold_ns: u64,
    /// So many attempts have that bound; it doubles with each that follows.
    pub short_attempts: u32,
    /// The bound of the hold in any attempt: what is promised to writers.
    pub hold_ns_max: u64,
    /// After a failed attempt, before the next probe; grows with the attempts.
    pub pause_ns: u64,
    /// A node that missed so many attempts is asked to let others lead.
    pub misses_max: u32,
    /// After this long the backup is given up.
    pub give_up_ns: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            probe_ns: 100_000_000,
            hold_ns: 20_000_000,
            short_attempts: 1,
            hold_ns_max: 320_000_000,
            pause_ns: 10_000_000,
            misses_max: 3,
            give_up_ns: 45_000_000_000,
        }
    }
}

/// A coordinator that has asked so many nodes to let others lead lets another one coordinate.
const ASKED_MAX: usize = 2;

/// What the coordinator asks of its node.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Send this.
    Send(NodeId, Message),
    /// Have the metadata log begin a new attempt; answer with [`Coordinator::begun`].
    Begin,
    /// Confirm is about to be sent for the first time: this is the instant of the backup.
    Instant,
    /// Have the metadata log seal this attempt with these positions.
    Seal(Attempt, Vec<(PartitionId, Position)>),
    /// The attempt failed; another will follow.
    Retry,
    /// Have another node lead the metadata group, and coordinate: this one blames one node after
    /// the other.
    PassOn,
    /// Have the metadata log forget the backup: no attempt succeeded in time.
    Abandon,
}

#[derive(Debug)]
enum Phase {
    /// Waiting for leaders to say that they lead.
    Probing { leaders: BTreeMap<PartitionId, NodeId> },
    /// Waiting for the metadata log to take a new attempt.
    Beginning { leaders: BTreeMap<PartitionId, NodeId> },
    /// Waiting for every marker to be committed.
    Marking { attempt: Attempt, leaders: BTreeMap<PartitionId, NodeId>, markers: Markers },
    /// Waiting for every leader to vouch for its marker.
    Confirming {
        attempt: Attempt,
        leaders: BTreeMap<PartitionId, NodeId>,
        markers: Markers,
        held: BTreeSet<PartitionId>,
    },
    /// Waiting before the next probe.
    Pausing,
    /// Waiting for the metadata log; nothing remains to be decided here.
    Done,
}

type Markers = BTreeMap<PartitionId, Position>;

/// The coordinator of one backup.
#[derive(Debug)]
pub struct Coordinator {
    backup: BackupId,
    /// The cut set: every partition of the table, its epoch, and who may lead it.
    cut_set: BTreeMap<PartitionId, (Epoch, Vec<NodeId>)>,
    settings: Settings,
    phase: Phase,
    failures: u32,
    misses: BTreeMap<NodeId, u32>,
    /// Who was asked to let others lead.
    asked: BTreeSet<NodeId>,
    deadline_ns: u64,
    give_up_at_ns: u64,
    probed_ns: u64,
    /// How long each node took to answer the newest probe.
    round_trips_ns: BTreeMap<NodeId, u64>,
    /// Marks that are not sent yet, and when they are due.
    deferred: Vec<(u64, NodeId, Message)>,
}

impl Coordinator {
    /// A coordinator that begins to probe at `now_ns`.
    #[must_use]
    pub fn new(
        backup: BackupId,
        cut_set: BTreeMap<PartitionId, (Epoch, Vec<NodeId>)>,
        settings: Settings,
        now_ns: u64,
        out: &mut Vec<Output>,
    ) -> Self {
        assert!(!cut_set.is_empty(), "a table has partitions");
        let mut it = Self {
            backup,
            cut_set,
            settings,
            phase: Phase::Pausing,
            failures: 0,
            misses: BTreeMap::new(),
            asked: BTreeSet::new(),
            deadline_ns: now_ns,
            give_up_at_ns: now_ns + settings.give_up_ns,
            probed_ns: now_ns,
            round_trips_ns: BTreeMap::new(),
            deferred: Vec::new(),
        };
        it.probe(now_ns, out);
        it
    }

    /// When [`Coordinator::tick`] has something to do.
    #[must_use]
    pub fn deadline_ns(&self) -> u64 {
        self.deferred.iter().map(|(at_ns, ..)| *at_ns).fold(self.deadline_ns, u64::min)
    }

    /// The attempt that is under way.
    fn attempt(&self) -> Option<Attempt> {
        match self.phase {
            Phase::Marking { attempt, .. } | Phase::Confirming { attempt, .. } => Some(attempt),
            _ => None,
        }
    }

    fn probe(&mut self, now_ns: u64, out: &mut Vec<Output>) {
        let mut by_node: BTreeMap<NodeId, Vec<(PartitionId, Epoch)>> = BTreeMap::new();
        for (partition, (epoch, members)) in &self.cut_set {
            for node in members {
                by_node.entry(*node).or_default().push((*partition, *epoch));
            }
        }
        let backup = self.backup;
        out.extend(
            by_node.into_iter().map(|(node, partitions)| {
                Output::Send(node, Message::Probe { backup, partitions })
            }),
        );
        self.phase = Phase::Probing { leaders: BTreeMap::new() };
        (self.probed_ns, self.round_trips_ns) = (now_ns, BTreeMap::new());
        self.deadline_ns = now_ns + self.settings.probe_ns;
    }

    /// The metadata log has taken attempt `attempt`: only now may Mark be sent.
    pub fn begun(&mut self, attempt: Attempt, now_ns: u64, out: &mut Vec<Output>) {
        let phase = std::mem::replace(&mut self.phase, Phase::Pausing);
        let Phase::Beginning { leaders } = phase else {
            self.phase = phase;
            return;
        };
        let hold_ns = self.hold_ns();
        let mut by_node: BTreeMap<NodeId, Vec<(PartitionId, Epoch)>> = BTreeMap::new();
        for (partition, node) in &leaders {
            let epoch = self.cut_set[partition].0;
            by_node.entry(*node).or_default().push((*partition, epoch));
        }
        let backup = self.backup;
        for (node, partitions) in by_node {
            let mark = Message::Mark { backup, attempt, hold_ns, partitions };
            match self.mark_delay_ns(node) {
                0 => out.push(Output::Send(node, mark)),
                delay_ns => self.deferred.push((now_ns + delay_ns, node, mark)),
            }
        }
        self.phase = Phase::Marking { attempt, leaders, markers: BTreeMap::new() };
        self.deadline_ns = now_ns + hold_ns;
    }

    /// How much later than others a node hears Mark. One that is near, most often the
    /// coordinator's own, would begin to hold long before the others, and hold all that time for
    /// nothing.
    fn mark_delay_ns(&self, node: NodeId) -> u64 {
        let farthest_ns = self.round_trips_ns.values().max().copied().unwrap_or(0);
        let near = self.round_trips_ns.get(&node).is_some_and(|it| it * 4 < farthest_ns);
        // Never so late that the hold itself gets short.
        if near { (farthest_ns / 2).min(self.settings.hold_ns / 4) } else { 0 }
    }

    fn send_deferred(&mut self, now_ns: u64, out: &mut Vec<Output>) {
        let due = self.deferred.extract_if(.., |(at_ns, ..)| *at_ns <= now_ns);
        out.extend(due.map(|(_, node, mark)| Output::Send(node, mark)));
    }

    fn hold_ns(&self) -> u64 {
        let long = self.failures.saturating_sub(self.settings.short_attempts.saturating_sub(1));
        let doubled = self.settings.hold_ns.saturating_mul(1 << long.min(20));
        doubled.min(self.settings.hold_ns_max)
    }

    /// Takes in a message from a node.
    pub fn receive(&mut self, from: NodeId, message: Message, now_ns: u64, out: &mut Vec<Output>) {
        match message {
            Message::Leads { partitions, .. } => self.on_leads(from, partitions, now_ns, out),
            Message::Marked { attempt, markers, .. } if self.attempt() == Some(attempt) => {
                self.on_marked(from, markers, now_ns, out);
            }
            Message::Held { attempt, markers, .. } if self.attempt() == Some(attempt) => {
                self.on_held(markers, now_ns, out);
            }
            Message::NotHeld { attempt, partitions, .. } if self.attempt() == Some(attempt) => {
                self.on_not_held(from, &partitions, now_ns, out);
            }
            _ => {}
        }
    }

    fn on_leads(
        &mut self,
        from: NodeId,
        partitions: Vec<PartitionId>,
        now_ns: u64,
        out: &mut Vec<Output>,
    ) {
        let Phase::Probing { leaders } = &mut self.phase else { return };
        if !partitions.is_empty() {
            self.round_trips_ns.entry(from).or_insert(now_ns - self.probed_ns);
        }
        let ours = partitions.into_iter().filter(|it| self.cut_set.contains_key(it));
        leaders.extend(ours.map(|it| (it, from)));
        if leaders.len() == self.cut_set.len() {
            let leaders = std::mem::take(leaders);
            self.phase = Phase::Beginning { leaders };
            // The metadata log answers, or this node leads it no more and the coordinator ends.
            self.deadline_ns = now_ns + self.settings.give_up_ns;
            out.push(Output::Begin);
        }
    }

    fn on_marked(
        &mut self,
        from: NodeId,
        reported: Vec<(PartitionId, Position)>,
        now_ns: u64,
        out: &mut Vec<Output>,
    ) {
        let Phase::Marking { attempt, leaders, markers } = &mut self.phase else { return };
        let asked = reported.into_iter().filter(|(it, _)| leaders.get(it) == Some(&from));
        markers.extend(asked);
        if markers.len() == self.cut_set.len() {
            let (attempt, leaders) = (*attempt, std::mem::take(leaders));
            let markers = std::mem::take(markers);
            self.confirm(attempt, leaders, markers, now_ns, out);
        }
    }

    fn confirm(
        &mut self,
        attempt: Attempt,
        leaders: BTreeMap<PartitionId, NodeId>,
        markers: Markers,
        now_ns: u64,
        out: &mut Vec<Output>,
    ) {
        out.push(Output::Instant);
        let mut by_node: BTreeMap<NodeId, Vec<(PartitionId, Position)>> = BTreeMap::new();
        for (partition, position) in &markers {
            by_node.entry(leaders[partition]).or_default().push((*partition, *position));
        }
        let backup = self.backup;
        out.extend(by_node.into_iter().map(|(node, markers)| {
            Output::Send(node, Message::Confirm { backup, attempt, markers })
        }));
        self.phase = Phase::Confirming { attempt, leaders, markers, held: BTreeSet::new() };
        // Holds end by themselves; the rounds that follow them deserve the longest hold's time.
        self.deadline_ns = now_ns + self.settings.hold_ns_max;
    }

    fn on_held(
        &mut self,
        vouched: Vec<(PartitionId, Position)>,
        now_ns: u64,
        out: &mut Vec<Output>,
    ) {
        let Phase::Confirming { attempt, markers, held, .. } = &mut self.phase else { return };
        let matching = vouched.into_iter().filter(|(it, at)| markers.get(it) == Some(at));
        held.extend(matching.map(|(it, _)| it));
        if held.len() == self.cut_set.len() {
            out.push(Output::Seal(*attempt, std::mem::take(markers).into_iter().collect()));
            self.phase = Phase::Done;
            self.deadline_ns = now_ns + self.settings.give_up_ns;
        }
    }

    fn on_not_held(
        &mut self,
        from: NodeId,
        partitions: &[PartitionId],
        now_ns: u64,
        out: &mut Vec<Output>,
    ) {
        let (leaders, vouched) = match &self.phase {
            Phase::Marking { leaders, .. } => (leaders, None),
            Phase::Confirming { leaders, held, .. } => (leaders, Some(held)),
            _ => return,
        };
        // A repeated Confirm may find writes behind a marker that was already vouched for.
        let refuses = partitions.iter().any(|it| {
            leaders.get(it) == Some(&from) && vouched.is_none_or(|held| !held.contains(it))
        });
        if refuses {
            self.fail(now_ns, out);
        }
    }

    /// Time has passed.
    pub fn tick(&mut self, now_ns: u64, out: &mut Vec<Output>) {
        self.send_deferred(now_ns, out);
        if now_ns < self.deadline_ns {
            return;
        }
        match self.phase {
            Phase::Probing { .. } if now_ns >= self.give_up_at_ns => self.abandon(now_ns, out),
            Phase::Probing { .. } | Phase::Pausing => self.probe(now_ns, out),
            Phase::Marking { .. } | Phase::Confirming { .. } => {
                self.blame(out);
                self.fail(now_ns, out);
            }
            Phase::Beginning { .. } | Phase::Done => {
                self.deadline_ns = now_ns + self.settings.give_up_ns;
            }
        }
    }

    fn abandon(&mut self, now_ns: u64, out: &mut Vec<Output>) {
        out.push(Output::Abandon);
        self.phase = Phase::Done;
        self.deadline_ns = now_ns + self.settings.give_up_ns;
    }

    /// The attempt is void. Holds end, and another attempt follows unless time is up.
    fn fail(&mut self, now_ns: u64, out: &mut Vec<Output>) {
        let phase = std::mem::replace(&mut self.phase, Phase::Pausing);
        let (Phase::Marking { attempt, leaders, .. } | Phase::Confirming { attempt, leaders, .. }) =
            phase
        else {
            return;
        };
        self.deferred.clear();
        let backup = self.backup;
        let nodes: BTreeSet<NodeId> = leaders.values().copied().collect();
        let release = |node| Output::Send(node, Message::Release { backup, attempt });
        out.extend(nodes.into_iter().map(release));
        self.failures += 1;
        self.deadline_ns = now_ns + self.settings.pause_ns * u64::from(self.failures.min(20));
        if now_ns >= self.give_up_at_ns {
            self.abandon(now_ns, out);
        } else {
            out.push(Output::Retry);
        }
    }

    /// Time ran out: whoever has not answered has missed the attempt, and those that miss too many
    /// are asked to let others lead. Where that does not help, and somebody else is to be asked,
    /// what they have in common is this node: its own links may be the slow ones.
    fn blame(&mut self, out: &mut Vec<Output>) {
        let (leaders, answered): (_, BTreeSet<PartitionId>) = match &self.phase {
            Phase::Marking { leaders, markers, .. } => (leaders, markers.keys().copied().collect()),
            Phase::Confirming { leaders, held, .. } => (leaders, held.clone()),
            _ => return,
        };
        let mut late: BTreeMap<NodeId, Vec<PartitionId>> = BTreeMap::new();
        for (partition, node) in leaders.iter().filter(|(it, _)| !answered.contains(it)) {
            late.entry(*node).or_default().push(*partition);
        }
        for (node, partitions) in late {
            let misses = self.misses.entry(node).or_default();
            *misses += 1;
            if *misses >= self.settings.misses_max {
                *misses = 0;
                self.asked.insert(node);
                out.push(Output::Send(node, Message::StepAside { partitions }));
            }
        }
        if self.asked.len() >= ASKED_MAX {
            self.asked.clear();
            out.push(Output::PassOn);
        }
    }
}
