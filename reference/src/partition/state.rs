//! The state machine of a partition: the same on every replica that applied the same entries.

use super::command::{Command, ItemKey};
use super::store::{Change, ItemStore, LayeredStore, StoreFault};
use crate::archive::format::ChunkRef;
use crate::ids::{Attempt, Epoch, HashRange, Index, PartitionId, RestoreId, TableId};
use crate::store::{Base, Nothing, Versions};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::rc::Rc;

/// How far the restore that fills a partition has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreProgress {
    /// The restore.
    pub restore: RestoreId,
    /// The last key loaded.
    pub through: Option<ItemKey>,
    /// How many items were loaded.
    pub items: u64,
    /// Whether the last batch is in.
    pub complete: bool,
}

/// A partition as its log built it.
#[derive(Debug)]
pub struct Partition {
    /// Its name.
    pub id: PartitionId,
    /// The table it belongs to.
    pub table: TableId,
    /// The hashes it is responsible for.
    pub range: HashRange,
    /// Which version of that range.
    pub epoch: Epoch,
    store: LayeredStore,
    notes: Notes,
}

/// What a partition's log builds besides items; a checkpoint and a snapshot carry it whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notes {
    markers: BTreeMap<Attempt, Index>,
    archive: Vec<ChunkRef>,
    restore: Option<RestoreProgress>,
}

impl Partition {
    /// An empty partition, which no checkpoint knows.
    #[must_use]
    pub fn new(id: PartitionId, table: TableId, range: HashRange, epoch: Epoch) -> Self {
        let store = LayeredStore::new(id, Index(0), Rc::new(Nothing));
        Self { id, table, range, epoch, store, notes: Notes::default() }
    }

    /// Goes on from a checkpoint: the entries up to `applied` made these notes, and the items that
    /// `base` holds.
    pub fn resume(&mut self, applied: Index, notes: Notes, base: Rc<dyn Base>) {
        self.store = LayeredStore::new(self.id, applied, base);
        self.notes = notes;
    }

    /// What was built besides items.
    #[must_use]
    pub fn notes(&self) -> &Notes {
        &self.notes
    }

    /// Hands over the items that changed since the last checkpoint; they stay readable.
    pub fn freeze(&mut self) -> Rc<Versions> {
        self.store.freeze()
    }

    /// The checkpoint holds what was frozen.
    pub fn thaw(&mut self) {
        self.store.thaw();
    }

    /// The last entry applied.
    #[must_use]
    pub fn applied(&self) -> Index {
        self.store.applied()
    }

    /// The items.
    #[must_use]
    pub fn store(&self) -> &impl ItemStore {
        &self.store
    }

    /// Where the marker of an attempt stands, if it was applied.
    #[must_use]
    pub fn marker(&self, attempt: Attempt) -> Option<Index> {
        self.notes.markers.get(&attempt).copied()
    }

    /// The archived runs of entries, in order and without holes from index 1 on.
    #[must_use]
    pub fn archive(&self) -> &[ChunkRef] {
        &self.notes.archive
    }

    /// The last entry that stands in the archive.
    #[must_use]
    pub fn archived_through(&self) -> Index {
        Index(self.notes.archive.last().map_or(0, |it| it.last))
    }

    /// How far the restore that fills this partition has come.
    #[must_use]
    pub fn restore(&self) -> Option<&RestoreProgress> {
        self.notes.restore.as_ref()
    }

    /// Applies the committed entry at `at`.
    ///
    /// # Errors
    /// The item store is damaged.
    pub fn apply(&mut self, at: Index, payload: &[u8]) -> Result<(), StoreFault> {
        let command = Command::decode(payload)
            .map_err(|why| StoreFault { why: format!("entry {} is no command: {why}", at.0) })?;
        let changes = match command {
            Some(Command::Write(write)) => vec![Change { key: write.key, item: write.item }],
            Some(Command::Load { restore, after, items }) => self.load(restore, after, items),
            Some(other) => {
                self.note(at, other);
                Vec::new()
            }
            None => Vec::new(),
        };
        self.store.apply(at, changes);
        Ok(())
    }

    fn note(&mut self, at: Index, command: Command) {
        match command {
            Command::Marker { attempt, .. } => {
                self.notes.markers.insert(attempt, at);
            }
            // Two leaders may have archived the same entries; the first to say so is believed.
            Command::Archived(chunk) if chunk.first == self.archived_through().next().0 => {
                self.notes.archive.push(chunk);
            }
            Command::Archived(_) => {}
            Command::Loaded { restore, .. } => {
                let progress = self.notes.restore.get_or_insert_with(|| Self::fresh(restore));
                progress.complete = true;
            }
            Command::Write(_) | Command::Load { .. } => unreachable!("they change items"),
        }
    }

    fn fresh(restore: RestoreId) -> RestoreProgress {
        RestoreProgress { restore, through: None, items: 0, complete: false }
    }

    /// A batch counts only if it continues where the restore stands, so a repeated one is inert.
    fn load(
        &mut self,
        restore: RestoreId,
        after: Option<ItemKey>,
        items: Vec<(ItemKey, Bytes)>,
    ) -> Vec<Change> {
        let progress = self.notes.restore.get_or_insert_with(|| Self::fresh(restore));
        if progress.restore != restore || progress.through != after || progress.complete {
            return Vec::new();
        }
        progress.items += items.len() as u64;
        progress.through = items.last().map(|(key, _)| key.clone()).or(after);
        items.into_iter().map(|(key, item)| Change { key, item: Some(item) }).collect()
    }
}
