//! One write transaction: the changes of a batch, in slices.

use super::checkpoint::Batch;
use super::door::{Door, fault};
use super::view::{IMAGES, ITEMS};
use super::{key, record};
use crate::ids::{Index, PartitionId};
use crate::partition::StoreFault;
use bytes::Bytes;
use redb::{Database, Table, WriteTransaction};
use std::collections::VecDeque;
use std::rc::Rc;

/// Changes between two moments at which others get their turn.
pub(super) const SLICE_CHANGES: usize = 256;

/// One thing to change.
#[derive(Debug)]
pub(super) enum Edit {
    /// All items of a partition go.
    Forget(PartitionId),
    /// The partition's image is this one; none removes it.
    Image(PartitionId, Option<Bytes>),
    /// The item under this encoded key; none removes it.
    Item(Vec<u8>, Index, Option<Bytes>),
}

/// The edits that a batch asks for, in order.
pub(super) fn edits(batch: Batch) -> VecDeque<Edit> {
    let mut edits = VecDeque::new();
    for partition in batch.removed {
        edits.extend([Edit::Forget(partition), Edit::Image(partition, None)]);
    }
    for (partition, part) in batch.partitions {
        if part.replace {
            edits.push_back(Edit::Forget(partition));
        }
        let items = part.changes.into_iter();
        edits.extend(
            items.map(|(at, (index, item))| Edit::Item(key::encode(partition, &at), index, item)),
        );
        edits.push_back(Edit::Image(partition, Some(part.image)));
    }
    edits
}

/// A write transaction that is given up, through the door, if it is dropped.
pub(super) struct Writing {
    door: Rc<Door>,
    transaction: Option<WriteTransaction>,
}

impl Writing {
    /// The caller sees to it that nobody else writes: redb would block the thread.
    pub(super) fn begin(door: &Rc<Door>, database: &Database) -> Result<Self, StoreFault> {
        let transaction = door.enter(|| {
            let mut transaction = database.try_begin_write().map_err(fault)?;
            // A root that fails its checksum can be told from a commit that a crash cut short.
            transaction.set_two_phase_commit(true);
            Ok(transaction)
        })?;
        Ok(Self { door: door.clone(), transaction: Some(transaction) })
    }

    pub(super) fn transaction(&self) -> &WriteTransaction {
        self.transaction.as_ref().expect("it is there until it is committed or dropped")
    }

    /// Applies a slice of the edits and removes them from the front. Gives the reads it asked for.
    pub(super) fn apply(
        &self,
        edits: &mut VecDeque<Edit>,
    ) -> Result<Vec<(u64, usize)>, StoreFault> {
        let slice = || {
            let mut items = self.transaction().open_table(ITEMS).map_err(fault)?;
            let mut images = self.transaction().open_table(IMAGES).map_err(fault)?;
            let mut room = SLICE_CHANGES;
            while room > 0 {
                let Some(edit) = edits.pop_front() else { break };
                let spent = match &edit {
                    Edit::Forget(partition) => forget(&mut items, *partition, room)?,
                    Edit::Image(partition, image) => set_image(&mut images, *partition, image)?,
                    Edit::Item(at, index, item) => set_item(&mut items, at, *index, item)?,
                };
                if spent == room && matches!(edit, Edit::Forget(_)) {
                    edits.push_front(edit);
                }
                room -= spent;
            }
            Ok(())
        };
        self.door.enter_apart(slice).map(|((), reads)| reads)
    }

    /// Commits, as far as redb is concerned. Gives the reads it asked for.
    pub(super) fn commit(mut self) -> Result<Vec<(u64, usize)>, StoreFault> {
        let transaction = self.transaction.take().expect("it is committed once");
        self.door.enter_apart(|| transaction.commit().map_err(fault)).map(|((), reads)| reads)
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if let Some(transaction) = self.transaction.take() {
            // A store that is at fault already is not entered: its transaction just goes.
            let abort = || transaction.abort().map_err(fault);
            let _ = self.door.enter_apart(abort);
        }
    }
}

/// Removes up to `room` items of a partition; gives how many.
fn forget(
    items: &mut Table<'_, &'static [u8], &'static [u8]>,
    partition: PartitionId,
    room: usize,
) -> Result<usize, StoreFault> {
    let range = key::range(partition, None);
    let all = items.extract_from_if::<&[u8], _>(key::borrowed(&range), |_, _| true);
    let mut forgotten = 0;
    for entry in all.map_err(fault)?.take(room) {
        entry.map_err(fault)?;
        forgotten += 1;
    }
    Ok(forgotten)
}

fn set_image(
    images: &mut Table<'_, u64, &'static [u8]>,
    partition: PartitionId,
    image: &Option<Bytes>,
) -> Result<usize, StoreFault> {
    match image {
        Some(image) => {
            let image = record::image(partition, image);
            images.insert(partition.0, image.as_slice()).map_err(fault)?;
        }
        None => drop(images.remove(partition.0).map_err(fault)?),
    }
    Ok(1)
}

fn set_item(
    items: &mut Table<'_, &'static [u8], &'static [u8]>,
    at: &[u8],
    index: Index,
    item: &Option<Bytes>,
) -> Result<usize, StoreFault> {
    match item {
        Some(item) => {
            let item = record::item(at, index, item);
            items.insert(at, item.as_slice()).map_err(fault)?;
        }
        None => drop(items.remove(at).map_err(fault)?),
    }
    Ok(1)
}
