//! The pure heart of a storage node: inputs in, outputs out, no waiting anywhere.
//!
//! This file has the state and the order of things in one step. What concerns replication stands
//! in `replicas.rs`, requests for items in `data.rs`, the leader's part of a cut in `hold.rs`, the
//! metadata group's leader in `catalog.rs`, checkpoints in `checkpoint.rs` and what replaces a lost
//! one in `snapshot.rs`.

use super::catalog::CatalogLead;
use super::checkpoint::{Found, Health};
use super::hold::CheckRound;
use super::message::{
    Call, Caller, Envelope, HostSpec, LogRecord, PartitionTarget, PeerMessage, Reply,
};
use super::snapshot::Staging;
use crate::cut;
use crate::ids::{
    Attempt, BackupId, Incarnation, Index, NodeId, PartitionId, Position, RestoreId, TableId, Term,
};
use crate::metadata::{Backup, Catalog, Cluster, ManifestRef, Work};
use crate::mutants::Mutants;
use crate::partition::{Lead, Notes, Partition, StoreFault};
use crate::replication::{self, Liveness, Message, Replica, Surroundings};
use crate::store::Base;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

/// Everything that a node is told at its start.
#[derive(Clone, Debug)]
pub struct Config {
    /// This node.
    pub me: NodeId,
    /// All nodes.
    pub cluster: Cluster,
    /// Times of replication.
    pub replication: replication::Settings,
    /// Times of the cut.
    pub cut: cut::Settings,
    /// How long a leadership check may take.
    pub check_ns: u64,
    /// Between two uploads of new log entries to the archive.
    pub archive_interval_ns: u64,
    /// An archived segment stops growing at this size.
    pub archive_segment_bytes_max: usize,
    /// Items in one batch of a restore.
    pub restore_batch_items: usize,
    /// A request is answered within this time, if only by an error.
    pub request_ns_max: u64,
    /// A log segment stops growing at this size.
    pub log_segment_bytes_max: u64,
    /// A larger log is compacted, once checkpoints hold at least half of it.
    pub log_bytes_max: u64,
    /// So many entries that the checkpoint holds are kept for followers that are behind; who is
    /// further behind gets a snapshot.
    pub log_retained_entries_max: u64,
    /// Between two checkpoints.
    pub checkpoint_interval_ns: u64,
    /// With so many bytes applied since the last checkpoint the next one does not wait.
    pub checkpoint_bytes_max: usize,
    /// Items of one message of a snapshot stop at this many bytes.
    pub snapshot_batch_bytes: usize,
}

impl Config {
    /// The settings that are meant for use.
    #[must_use]
    pub fn new(me: NodeId, cluster: Cluster) -> Self {
        Self {
            me,
            cluster,
            replication: replication::Settings::default(),
            cut: cut::Settings::default(),
            check_ns: 200_000_000,
            archive_interval_ns: 1_000_000_000,
            archive_segment_bytes_max: 8 << 20,
            restore_batch_items: 256,
            request_ns_max: 3_000_000_000,
            log_segment_bytes_max: 16 << 20,
            log_bytes_max: 64 << 20,
            log_retained_entries_max: 4_096,
            checkpoint_interval_ns: 5_000_000_000,
            checkpoint_bytes_max: 32 << 20,
            snapshot_batch_bytes: 256 << 10,
        }
    }
}

/// What can happen to a node.
#[derive(Debug)]
pub enum Input {
    /// Another node said something.
    Peer(NodeId, Envelope),
    /// A flow of this node makes a call, to this node or another.
    Call(u64, NodeId, Box<Call>),
    /// The log is durable up to here.
    Persisted(u64),
    /// The deadline has come, or time passed otherwise.
    Tick,
}

/// A flow that the shell is to run.
#[derive(Debug)]
pub enum Flow {
    /// See this through while this node leads the metadata group in this term.
    Work(Term, Work),
    /// Remove from the archive what only this backup needed; it has left the catalog.
    Forget(Box<Backup>),
    /// Archive and write a part of a backup; answer the caller.
    ArchivePart {
        /// Whom to answer.
        caller: Caller,
        /// The backup.
        backup: BackupId,
        /// The backup's id in the archive.
        backup_key: String,
        /// The table.
        table: TableId,
        /// The partitions.
        partitions: Vec<PartitionTarget>,
    },
    /// Restore a partition; answer the caller.
    RestorePartition {
        /// Whom to answer.
        caller: Caller,
        /// The restore.
        restore: RestoreId,
        /// The partition to fill.
        target: PartitionId,
        /// The partition of the backup.
        source: PartitionId,
        /// The backup's id in the archive.
        backup_key: String,
        /// Where the backup's manifest stands.
        manifest: ManifestRef,
    },
    /// Send a snapshot of a partition that this node leads.
    SendSnapshot {
        /// The partition.
        partition: PartitionId,
        /// The follower that needs it.
        to: NodeId,
        /// The term in which this node leads.
        term: Term,
    },
}

/// An entry that a replica learned to be committed.
#[derive(Debug)]
pub struct Committed {
    /// The table; none for the metadata group.
    pub table: Option<TableId>,
    /// The partition.
    pub partition: PartitionId,
    /// Where it stands.
    pub position: Position,
    /// What it says.
    pub payload: Bytes,
}

/// What a step asks the shell to do.
#[derive(Debug, Default)]
pub struct Output {
    /// Messages by receiver.
    pub messages: BTreeMap<NodeId, Vec<PeerMessage>>,
    /// Log records, consecutive.
    pub log: Vec<LogRecord>,
    /// Answers to calls of this node's own flows.
    pub replies: Vec<(u64, Reply)>,
    /// Flows to start.
    pub flows: Vec<Flow>,
    /// Entries that were applied.
    pub committed: Vec<Committed>,
    /// Points that were passed.
    pub points: Vec<(&'static str, u64)>,
    /// A checkpoint is wanted before its time.
    pub checkpoint: bool,
}

impl Output {
    /// Takes out the answers to calls, which may have to wait.
    pub(super) fn take_replies(&mut self) -> Self {
        let mut late = Self { replies: std::mem::take(&mut self.replies), ..Self::default() };
        for (&to, messages) in &mut self.messages {
            let replies = messages.extract_if(.., |it| matches!(it, PeerMessage::Reply(..)));
            late.messages.entry(to).or_default().extend(replies);
        }
        late.messages.retain(|_, it| !it.is_empty());
        self.messages.retain(|_, it| !it.is_empty());
        late
    }

    pub(super) fn send(&mut self, to: NodeId, message: PeerMessage) {
        self.messages.entry(to).or_default().push(message);
    }
}

/// What a hosted replica replicates.
#[derive(Debug)]
pub enum Machine {
    /// A partition of a table, and what its leader keeps.
    Partition(Box<Partition>, Option<Lead<Call>>),
    /// The catalog, how far it is applied, and what its leader keeps.
    Catalog(Box<Catalog>, Index, Option<CatalogLead>),
}

/// A replica that this node hosts.
#[derive(Debug)]
pub struct Hosted {
    /// Its part in its group.
    pub replica: Replica,
    /// Its state machine.
    pub machine: Machine,
    /// As what it stands in the digests: the term it leads in, or whom it is bound to in a term.
    pub(super) digested: (Option<Term>, Option<(NodeId, Term)>),
    /// When it will campaign, if it will.
    pub(super) campaign_ns: Option<u64>,
    /// Whether its state can be used.
    pub(super) health: Health,
    /// Up to where the checkpoint holds its state.
    pub(super) durable: Position,
    /// A snapshot that is being received.
    pub(super) staging: Option<Staging>,
}

/// Something that waits for the log to become durable.
#[derive(Debug)]
pub(super) enum Awaiting {
    /// A replica's own entries.
    Entries(PartitionId, Position),
    /// A message of a replica.
    Message(PartitionId, NodeId, Message),
    /// An answer.
    Reply(Caller, Reply),
}

/// A storage node without its surroundings.
#[derive(Debug)]
pub struct Core<M> {
    pub(super) config: Config,
    pub(super) mutants: M,
    pub(super) incarnation: Incarnation,
    pub(super) liveness: Liveness,
    pub(super) hosted: BTreeMap<PartitionId, Hosted>,
    /// Partitions that are gone for good: a request to host one is late, since no id is used twice.
    pub(super) dropped: BTreeSet<PartitionId>,
    /// The last record handed to the log writer, and the last one that is durable.
    pub(super) lsn: u64,
    pub(super) lsn_durable: u64,
    /// Since when records wait to be durable and none has become so.
    pub(super) log_waits_from_ns: Option<u64>,
    pub(super) awaiting: VecDeque<(u64, Awaiting)>,
    pub(super) campaigns: BTreeSet<(u64, PartitionId)>,
    pub(super) holds: BTreeSet<(u64, PartitionId)>,
    pub(super) checks: BTreeMap<u64, CheckRound>,
    pub(super) next_round: u64,
    /// The newest attempt of each backup that its coordinator has given up: a Mark that comes
    /// behind its Release must not hold anything.
    pub(super) released: BTreeMap<BackupId, Attempt>,
    pub(super) led_digests: BTreeMap<NodeId, u64>,
    pub(super) bound_digests: BTreeMap<NodeId, u64>,
    /// Replicas with messages to themselves, with new entries, with new commits or roles.
    pub(super) to_self: VecDeque<(PartitionId, Message)>,
    pub(super) dirty: BTreeSet<PartitionId>,
    pub(super) changed: BTreeSet<PartitionId>,
    pub(super) lagging: BTreeSet<PartitionId>,
    /// Markers that were committed in this step, by coordinator.
    pub(super) marked: BTreeMap<(NodeId, BackupId, Attempt), Vec<(PartitionId, Position)>>,
    pub(super) next_heartbeat_ns: u64,
    /// Since when this node and the leader of the metadata group have not reached one another.
    pub(super) unreached_since_ns: Option<u64>,
    pub(super) next_resend_ns: u64,
    /// The items as of the last checkpoint.
    pub(super) base: Rc<dyn Base>,
    /// Dropped partitions that the checkpoint still holds.
    pub(super) gone: BTreeSet<PartitionId>,
    /// Snapshots on their way, and up to where the log must not forget for them.
    pub(super) sending: BTreeMap<(PartitionId, NodeId), Index>,
    /// The last replica that asked for a snapshot.
    pub(super) asked_last: PartitionId,
    /// Where the checkpoint under way goes on, if it has another part.
    pub(super) next_to_save: Option<PartitionId>,
    /// Bytes of entries applied since the last checkpoint.
    pub(super) unsaved_bytes: usize,
    /// What cost the node its checkpoint, until the shell takes note.
    pub(super) fault: Option<StoreFault>,
    /// How many checkpoints this life of the node has lost.
    pub(super) losses: u64,
    /// The checkpoint is lost, and a fresh one not founded yet.
    pub(super) refounding: bool,
    /// What the wall clock showed at this step; only ever written down for people to read.
    pub(super) wall_ms: u64,
}

impl<M: Mutants> Core<M> {
    /// A node as its disk shows it.
    #[must_use]
    pub fn new(
        config: Config,
        mutants: M,
        found: Found,
        incarnation: Incarnation,
        now_ns: u64,
    ) -> Self {
        let Found { records, lsn, images, base } = found;
        let fresh = incarnation == Incarnation(1);
        let nodes = config.cluster.node_ids();
        let times = config.replication;
        let mut core = Self {
            liveness: Liveness::new(config.me, &nodes, incarnation, now_ns, fresh, times),
            config,
            mutants,
            incarnation,
            hosted: BTreeMap::new(),
            dropped: BTreeSet::new(),
            lsn,
            lsn_durable: lsn,
            log_waits_from_ns: None,
            awaiting: VecDeque::new(),
            campaigns: BTreeSet::new(),
            holds: BTreeSet::new(),
            checks: BTreeMap::new(),
            // An answer may outlive the life that asked: no two lives have a round in common.
            next_round: incarnation.0 << 40,
            released: BTreeMap::new(),
            led_digests: BTreeMap::new(),
            bound_digests: BTreeMap::new(),
            to_self: VecDeque::new(),
            dirty: BTreeSet::new(),
            changed: BTreeSet::new(),
            lagging: BTreeSet::new(),
            marked: BTreeMap::new(),
            next_heartbeat_ns: now_ns,
            unreached_since_ns: None,
            next_resend_ns: now_ns,
            base,
            gone: BTreeSet::new(),
            sending: BTreeMap::new(),
            asked_last: PartitionId::METADATA,
            next_to_save: None,
            unsaved_bytes: 0,
            fault: None,
            losses: 0,
            refounding: false,
            wall_ms: 0,
        };
        core.host_catalog();
        LogRecord::that_count(records).into_iter().for_each(|it| core.recover(it));
        core.adopt(&images);
        core.changed.extend(core.hosted.keys());
        core
    }

    fn host_catalog(&mut self) {
        let members = self.config.cluster.members(PartitionId::METADATA);
        if members.contains(&self.config.me) {
            let catalog = Catalog::new(self.config.cluster.clone());
            let machine = Machine::Catalog(Box::new(catalog), Index(0), None);
            self.insert_replica(PartitionId::METADATA, members, machine);
        }
    }

    pub(super) fn insert_replica(
        &mut self,
        partition: PartitionId,
        members: Vec<NodeId>,
        machine: Machine,
    ) {
        let replica = Replica::new(self.config.me, members, self.config.replication);
        let hosted = Hosted {
            replica,
            machine,
            digested: (None, None),
            campaign_ns: None,
            health: Health::Sound,
            durable: Position::default(),
            staging: None,
        };
        self.hosted.insert(partition, hosted);
    }

    pub(super) fn insert_partition(&mut self, spec: &HostSpec) {
        let mut partition = Partition::new(spec.partition, spec.table, spec.range, spec.epoch);
        partition.resume(Index(0), Notes::default(), Rc::clone(&self.base));
        let machine = Machine::Partition(Box::new(partition), None);
        self.insert_replica(spec.partition, spec.members.clone(), machine);
        // Below it there is nothing to read from before a fresh checkpoint is there.
        if self.refounding
            && let Some(hosted) = self.hosted.get_mut(&spec.partition)
        {
            hosted.health = Health::Lost;
        }
    }

    fn recover(&mut self, record: LogRecord) {
        match record {
            LogRecord::Started(_) | LogRecord::Compacted { .. } => {}
            LogRecord::Hosted(spec) => self.insert_partition(&spec),
            LogRecord::Kept(partition, kept) => {
                match &kept.spec {
                    Some(spec) => self.insert_partition(spec),
                    None => self.host_catalog(),
                }
                if let Some(hosted) = self.hosted.get_mut(&partition) {
                    hosted.replica.recover_kept(kept.vote, kept.base);
                }
            }
            LogRecord::Dropped(partition) => {
                self.hosted.remove(&partition);
                self.dropped.insert(partition);
            }
            LogRecord::Replica(partition, record) => {
                if let Some(hosted) = self.hosted.get_mut(&partition) {
                    hosted.replica.recover(record);
                }
            }
        }
    }

    /// This node.
    #[must_use]
    pub fn me(&self) -> NodeId {
        self.config.me
    }

    /// What this node was told at its start.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// How often it has started.
    #[must_use]
    pub fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// The replicas that it hosts.
    #[must_use]
    pub fn hosted(&self) -> &BTreeMap<PartitionId, Hosted> {
        &self.hosted
    }

    /// The planted bugs.
    #[must_use]
    pub fn mutants(&self) -> &M {
        &self.mutants
    }

    /// When the next [`Input::Tick`] is due.
    #[must_use]
    pub fn deadline_ns(&self) -> u64 {
        let first = |set: &BTreeSet<(u64, PartitionId)>| set.first().map(|(at_ns, _)| *at_ns);
        let resend_ns = (!self.lagging.is_empty()).then_some(self.next_resend_ns);
        let checks_ns = self.checks.values().map(|it| it.deadline_ns).min();
        [
            first(&self.campaigns),
            first(&self.holds),
            resend_ns,
            checks_ns,
            self.liveness.next_expiry_ns(),
            self.coordinators_deadline_ns(),
        ]
        .into_iter()
        .flatten()
        .fold(self.next_heartbeat_ns, u64::min)
    }

    /// Takes one step.
    pub fn step(&mut self, now_ns: u64, wall_ms: u64, input: Input, out: &mut Output) {
        self.wall_ms = wall_ms;
        match input {
            Input::Peer(from, envelope) => self.on_envelope(from, envelope, now_ns, out),
            Input::Call(id, to, call) if to == self.config.me => {
                self.on_call(Caller { node: to, id }, *call, now_ns, out);
            }
            Input::Call(id, to, call) => out.send(to, PeerMessage::Call(id, call)),
            Input::Persisted(lsn) => self.on_persisted(lsn, out),
            Input::Tick => self.on_tick(now_ns, out),
        }
        self.settle(now_ns, out);
        self.watch_log(now_ns);
    }

    /// Carries on until nothing is left that follows from what happened.
    pub(super) fn settle(&mut self, now_ns: u64, out: &mut Output) {
        loop {
            if let Some((partition, message)) = self.to_self.pop_front() {
                let sender = self.liveness.signature(self.config.me);
                self.on_replica(self.config.me, sender, partition, message, now_ns, out);
            } else if let Some(partition) = self.dirty.pop_first() {
                self.with_replica(partition, now_ns, out, |replica, at, effects| {
                    replica.send_appends(at.now_ns, effects);
                });
            } else if let Some(partition) = self.changed.pop_first() {
                self.advance(partition, now_ns, out);
            } else if !self.marked.is_empty() {
                self.report_markers(now_ns, out);
            } else {
                break;
            }
        }
    }

    fn on_envelope(&mut self, from: NodeId, envelope: Envelope, now_ns: u64, out: &mut Output) {
        let sender = envelope.sender;
        for message in envelope.messages {
            match message {
                PeerMessage::Heartbeat(it) => {
                    self.on_heartbeat(from, sender.incarnation, &it, now_ns, out);
                }
                PeerMessage::Believed(leads) => self.on_believed(from, &leads, now_ns, out),
                PeerMessage::Relinquished(leads) => {
                    self.on_relinquished(from, leads, now_ns, out);
                }
                PeerMessage::Replica(partition, message) => {
                    self.on_replica(from, sender, partition, message, now_ns, out);
                }
                PeerMessage::NotHosted(partition) => self.on_not_hosted(from, partition, out),
                PeerMessage::Host(spec) => self.host(spec, now_ns, out),
                PeerMessage::Check { round, leads } => self.on_check(from, round, &leads, out),
                PeerMessage::Checked { round, partitions } => {
                    self.on_checked(from, round, &partitions, now_ns, out);
                }
                PeerMessage::Cut(message) => self.on_cut(from, message, now_ns, out),
                PeerMessage::Call(id, call) => {
                    self.on_call(Caller { node: from, id }, *call, now_ns, out);
                }
                PeerMessage::Reply(id, reply) => out.replies.push((id, *reply)),
            }
        }
    }

    /// Answers a call, of this node or another.
    pub(super) fn answer(&self, caller: Caller, reply: Reply, out: &mut Output) {
        if caller.node == self.config.me {
            out.replies.push((caller.id, reply));
        } else {
            out.send(caller.node, PeerMessage::Reply(caller.id, Box::new(reply)));
        }
    }

    pub(super) fn surroundings(&self, now_ns: u64) -> Surroundings<'_> {
        Surroundings { now_ns, liveness: &self.liveness }
    }

    fn on_call(&mut self, caller: Caller, call: Call, now_ns: u64, out: &mut Output) {
        match call {
            Call::Write { .. } | Call::Update { .. } | Call::Propose { .. } => {
                self.on_write(caller, call, now_ns, out);
            }
            Call::Get { partition, key, consistent } => {
                let read = self.get(partition, &key, consistent, now_ns);
                self.answer_read(caller, read, now_ns, out);
            }
            Call::Scan { partition, after, items_max, bytes_max, consistent } => {
                let limits = (items_max as usize, bytes_max as usize);
                let read = self.scan(partition, after.as_ref(), limits, consistent, now_ns);
                self.answer_read(caller, read, now_ns, out);
            }
            Call::Query { partition, range, forward, items_max, bytes_max, consistent } => {
                let limits = (items_max as usize, bytes_max as usize);
                let read = self.query(partition, &range, forward, limits, consistent, now_ns);
                self.answer_read(caller, read, now_ns, out);
            }
            Call::Metadata(command) => self.on_command(caller, &command, now_ns, out),
            Call::Table(_) | Call::Tables | Call::Backup(_) | Call::Backups => {
                let reply = self.look_up(&call, now_ns);
                self.answer(caller, reply, out);
            }
            Call::Sealed(arn) => self.on_await_seal(caller, &arn, now_ns, out),
            Call::Host(specs) => self.on_host(caller, specs, now_ns, out),
            Call::Drop(partitions) => self.on_drop(caller, &partitions, out),
            Call::Install(install) => self.on_install(caller, *install, out),
            Call::ArchivePart { backup, backup_key, table, partitions } => {
                let flow = Flow::ArchivePart { caller, backup, backup_key, table, partitions };
                out.flows.push(flow);
            }
            Call::RestorePartition { restore, target, source, backup_key, manifest } => {
                let flow = Flow::RestorePartition {
                    caller,
                    restore,
                    target,
                    source,
                    backup_key,
                    manifest,
                };
                out.flows.push(flow);
            }
        }
    }

    /// An answer that a flow of this node gives to a call it took over.
    pub fn answer_late(&mut self, caller: Caller, reply: Reply, out: &mut Output) {
        self.answer(caller, reply, out);
    }
}
