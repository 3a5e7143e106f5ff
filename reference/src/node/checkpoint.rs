//! The core's part of a checkpoint: what goes into one, what it frees, and what a node finds of it
//! at its start.
//!
//! A checkpoint takes in what was applied since the last one. Once it is durable the logs forget
//! what nothing needs any more: no follower that is alive, and not the archive. What a replica is
//! rebuilt from when its checkpoint is lost stands in `snapshot.rs`; the flow that writes is in
//! `keeper.rs`, the file itself [`crate::store`]'s.

use super::core::{Core, Hosted, Machine, Output};
use super::message::{HostSpec, Kept, LogRecord};
use crate::ids::{Index, PartitionId, Position};
use crate::metadata::Catalog;
use crate::mutants::Mutants;
use crate::partition::{Notes, StoreFault};
use crate::points;
use crate::replication::Role;
use crate::store::{Base, Batch, Nothing, PartitionBatch, Versions};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::rc::Rc;

/// A part of a checkpoint ends with the replica that brings it to so many changed items.
const PART_CHANGES_MAX: usize = 1_024;

/// Whether a replica's state can be used. Its log can in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It is what the log says.
    Sound,
    /// It is lost; a snapshot from the leader must come first.
    Lost,
    /// A checkpoint is putting a snapshot in its place.
    Installing,
}

/// The state of a replica but for its items, as checkpoints and snapshots carry it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Image {
    /// The last entry that it is the result of.
    pub at: Position,
    /// The state.
    pub state: ImageState,
}

/// What an [`Image`] is of.
#[derive(Debug, Serialize, Deserialize)]
pub enum ImageState {
    /// A partition of a table.
    Partition(Notes),
    /// The catalog.
    Catalog(Box<Catalog>),
}

impl Image {
    /// Reads what a checkpoint stored.
    ///
    /// # Errors
    /// The bytes are no image.
    pub fn decode(bytes: &[u8]) -> Result<Self, StoreFault> {
        postcard::from_bytes(bytes).map_err(|why| StoreFault { why: format!("no image: {why}") })
    }

    /// The position alone, of an image that was just made.
    fn position(bytes: &[u8]) -> Position {
        postcard::take_from_bytes(bytes).expect("an image begins with it").0
    }
}

/// The bytes of an [`Image`], made without copying the state.
fn encode_image(at: Position, machine: &Machine) -> Bytes {
    #[derive(Serialize)]
    struct Borrowed<'a> {
        at: Position,
        state: State<'a>,
    }
    #[derive(Serialize)]
    enum State<'a> {
        Partition(&'a Notes),
        Catalog(&'a Catalog),
    }
    let state = match machine {
        Machine::Partition(it, _) => State::Partition(it.notes()),
        Machine::Catalog(it, ..) => State::Catalog(it),
    };
    postcard::to_stdvec(&Borrowed { at, state }).expect("an image is plain data").into()
}

/// What a node found on its disk at its start.
#[derive(Debug)]
pub struct Found {
    /// The records of its log.
    pub records: Vec<LogRecord>,
    /// The last one's number; the record of this very start must be durable before the first step.
    pub lsn: u64,
    /// The images in its checkpoint.
    pub images: BTreeMap<PartitionId, Bytes>,
    /// The items in its checkpoint.
    pub base: Rc<dyn Base>,
}

impl Found {
    /// What a node finds on an empty disk.
    #[must_use]
    pub fn nothing() -> Self {
        Self { records: Vec::new(), lsn: 0, images: BTreeMap::new(), base: Rc::new(Nothing) }
    }
}

impl Hosted {
    /// The last entry that was applied, and its term.
    pub(super) fn applied(&self) -> Position {
        let index = match &self.machine {
            Machine::Partition(it, _) => it.applied(),
            Machine::Catalog(_, applied, _) => *applied,
        };
        let term = self.replica.log().term_at(index);
        Position { term: term.expect("a log forgets only what a checkpoint holds"), index }
    }

    /// Takes on the state of an image, with the items that `base` holds.
    pub(super) fn resume(&mut self, image: Image, base: Rc<dyn Base>) {
        let Image { at, state } = image;
        match (&mut self.machine, state) {
            (Machine::Partition(it, _), ImageState::Partition(notes)) => {
                it.resume(at.index, notes, base);
            }
            (Machine::Catalog(it, applied, _), ImageState::Catalog(stored)) => {
                **it = stored.of(it.cluster().clone());
                *applied = at.index;
            }
            _ => unreachable!("an image is stored under the name of its partition"),
        }
        (self.durable, self.health) = (at, Health::Sound);
    }

    /// Up to where the log may forget: not what only it knows, and not what is not archived.
    fn forgettable(&self) -> Index {
        match &self.machine {
            Machine::Partition(it, _) => self.durable.index.min(it.archived_through()),
            Machine::Catalog(..) => self.durable.index,
        }
    }
}

impl<M: Mutants> Core<M> {
    /// Lays the checkpoint under the replicas that the log brought back.
    pub(super) fn adopt(&mut self, images: &BTreeMap<PartitionId, Bytes>) {
        let unknown = images.keys().filter(|it| !self.hosted.contains_key(it));
        self.gone.extend(unknown);
        for (&id, hosted) in &mut self.hosted {
            let image = images.get(&id).map(|it| Image::decode(it).expect("its checksum holds"));
            let whole = hosted.replica.log().base().index == Index(0);
            match image {
                // Where they do not fit, the crash came between the installation of a snapshot and
                // its record in the log, or the disk has lost a checkpoint.
                Some(image) if hosted.replica.recover_checkpoint(image.at) => {
                    hosted.resume(image, Rc::clone(&self.base));
                }
                // The state is built anew from an empty one.
                None if whole => {
                    if let Machine::Partition(it, _) = &mut hosted.machine {
                        it.resume(Index(0), Notes::default(), Rc::clone(&self.base));
                    }
                }
                _ => hosted.health = Health::Lost,
            }
        }
    }

    /// Whether there is anything that a checkpoint would save.
    #[must_use]
    pub fn has_unsaved(&self) -> bool {
        let changed = |it: &Hosted| match it.health {
            Health::Sound => it.has_snapshot() || it.durable.index < it.applied().index,
            Health::Lost => it.has_snapshot(),
            Health::Installing => false,
        };
        !self.refounding && (!self.gone.is_empty() || self.hosted.values().any(changed))
    }

    /// The next part of a checkpoint: a bounded number of changes, since writing them takes the
    /// node's time. A replica's changes are all in one part. Until [`Core::end_checkpoint`] no
    /// other part begins.
    pub fn begin_checkpoint(&mut self) -> Batch {
        let removed = std::mem::take(&mut self.gone);
        let mut batch = Batch { partitions: BTreeMap::new(), removed };
        let (first, mut changes) = (self.next_to_save.take(), 0);
        for (&id, hosted) in self.hosted.range_mut(first.unwrap_or(PartitionId(0))..) {
            if changes >= PART_CHANGES_MAX {
                self.next_to_save = Some(id);
                break;
            }
            if let Some(part) = hosted.unsaved() {
                changes += part.changes.len();
                batch.partitions.insert(id, part);
            }
        }
        self.unsaved_bytes = 0;
        batch
    }

    /// Whether the checkpoint has another part.
    #[must_use]
    pub fn checkpoint_goes_on(&self) -> bool {
        self.next_to_save.is_some() && !self.refounding
    }

    /// The checkpoint of `batch` is durable.
    pub fn end_checkpoint(&mut self, batch: &Batch, now_ns: u64, out: &mut Output) {
        for (&id, saved) in &batch.partitions {
            let Some(hosted) = self.hosted.get_mut(&id) else { continue };
            match hosted.health {
                Health::Installing => self.end_install(id, now_ns, out),
                Health::Sound => {
                    if let Machine::Partition(it, _) = &mut hosted.machine {
                        it.thaw();
                    }
                    hosted.durable = Image::position(&saved.image);
                }
                Health::Lost => {}
            }
        }
        self.forget(now_ns);
        out.points.push((points::CHECKPOINT, batch.partitions.len() as u64));
    }

    /// Lets the logs forget what a checkpoint holds and nobody needs.
    fn forget(&mut self, now_ns: u64) {
        let retained_max = self.config.log_retained_entries_max;
        for (id, hosted) in &mut self.hosted {
            let at = crate::replication::Surroundings { now_ns, liveness: &self.liveness };
            let free = hosted.forgettable();
            // A follower that is far behind gets a snapshot; the log does not wait for it.
            let retained = Index(free.0.saturating_sub(retained_max));
            let needed = hosted.replica.needed_by_followers(at).max(retained);
            let sending = self.sending.range((*id, crate::ids::NodeId(0))..);
            let sending = sending.take_while(|((it, _), _)| it == id).map(|(_, it)| *it);
            hosted.replica.forget_through(sending.fold(free.min(needed), Index::min));
        }
    }

    /// How large a compacted log would be at least, in bytes.
    #[must_use]
    pub fn log_bytes_kept(&self) -> u64 {
        let entries = self.hosted.values().flat_map(|it| it.replica.log().entries());
        entries.map(|it| it.payload.len() as u64).sum()
    }

    /// Everything that the node's log must still say: a compacted log begins with it.
    pub fn compact(&mut self) -> Vec<LogRecord> {
        let mut kept: Vec<LogRecord> =
            self.dropped.iter().map(|it| LogRecord::Dropped(*it)).collect();
        for (&id, hosted) in &self.hosted {
            let (replica, spec) = (&hosted.replica, hosted.spec(id));
            let vote = (replica.term(), replica.voted_for());
            let record = Kept { spec, vote, base: replica.log().base() };
            kept.push(LogRecord::Kept(id, Box::new(record)));
            kept.extend(replica.log().records().map(|it| LogRecord::Replica(id, it)));
        }
        let (started, records) = (self.incarnation.0, kept.len() as u64);
        kept.insert(0, LogRecord::Compacted { started, records });
        self.lsn += kept.len() as u64;
        kept
    }

    /// The checkpoint cannot be trusted any more. What the logs do not hold whole is lost here, and
    /// comes back from the leaders; where this node leads, somebody else must.
    pub(super) fn lose_checkpoint(&mut self, fault: StoreFault, now_ns: u64, out: &mut Output) {
        if std::mem::replace(&mut self.refounding, true) {
            return;
        }
        self.fault = Some(fault);
        self.losses += 1;
        let partitions: Vec<PartitionId> = self.hosted.keys().copied().collect();
        for id in partitions {
            self.lose_state(id, now_ns, out);
        }
        out.points.push((points::CHECKPOINT_LOST, 0));
    }

    /// A checkpoint cannot be trusted that was in use when `losses` had been lost before it.
    /// Whoever used it may say so late, when a fresh one stands in its place.
    pub fn lose_earlier_checkpoint(
        &mut self,
        losses: u64,
        fault: StoreFault,
        now_ns: u64,
        out: &mut Output,
    ) {
        if self.losses == losses {
            self.lose_checkpoint(fault, now_ns, out);
        }
    }

    fn lose_state(&mut self, id: PartitionId, now_ns: u64, out: &mut Output) {
        let Some(hosted) = self.hosted.get_mut(&id) else { return };
        hosted.durable = Position::default();
        hosted.staging = None;
        // The catalog is in memory as a whole, and is saved again.
        if matches!(hosted.machine, Machine::Catalog(..)) && hosted.health == Health::Sound {
            return;
        }
        hosted.health = Health::Lost;
        self.with_replica(id, now_ns, out, |replica, at, effects| {
            // A candidate could still win, and then lead without a state to serve from.
            if !replica.hand_over(at, effects) && !matches!(replica.role(), Role::Follower { .. }) {
                replica.abdicate(effects);
            }
        });
    }

    /// How many checkpoints this life of the node has lost.
    #[must_use]
    pub fn checkpoint_losses(&self) -> u64 {
        self.losses
    }

    /// The fault that cost the node its checkpoint, once: a fresh one must be founded.
    pub fn take_fault(&mut self) -> Option<StoreFault> {
        self.fault.take()
    }

    /// A fresh and empty checkpoint is there: what the logs hold whole is built again from them.
    pub fn refound(&mut self, base: Rc<dyn Base>) {
        (self.base, self.refounding) = (base, false);
        for (id, hosted) in &mut self.hosted {
            let whole = hosted.replica.log().base().index == Index(0);
            if let Machine::Partition(it, _) = &mut hosted.machine
                && whole
            {
                it.resume(Index(0), Notes::default(), Rc::clone(&self.base));
                hosted.health = Health::Sound;
                self.changed.insert(*id);
            }
        }
    }
}

impl Hosted {
    /// What a checkpoint has to make durable of this replica.
    fn unsaved(&mut self) -> Option<PartitionBatch> {
        let outrun = self.health == Health::Sound && self.outrun_by_snapshot();
        if self.health == Health::Sound && !outrun {
            self.staging.take_if(|it| it.is_complete());
        }
        match self.health {
            Health::Sound if outrun => Some(self.take_in_snapshot()),
            Health::Lost if self.has_snapshot() => Some(self.take_in_snapshot()),
            Health::Sound if self.durable.index < self.applied().index => Some(self.save()),
            _ => None,
        }
    }

    fn save(&mut self) -> PartitionBatch {
        let image = encode_image(self.applied(), &self.machine);
        let changes = match &mut self.machine {
            Machine::Partition(it, _) => it.freeze(),
            Machine::Catalog(..) => Rc::new(Versions::new()),
        };
        PartitionBatch { image, replace: false, changes }
    }

    /// What is hosted, as its `Hosted` record had it; none for the metadata group.
    pub(super) fn spec(&self, partition: PartitionId) -> Option<HostSpec> {
        match &self.machine {
            Machine::Partition(it, _) => Some(HostSpec {
                table: it.table,
                partition,
                range: it.range,
                epoch: it.epoch,
                members: self.replica.members().to_vec(),
            }),
            Machine::Catalog(..) => None,
        }
    }
}
