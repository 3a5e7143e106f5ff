//! What item each write left, by the committed order: a put leaves what it wrote; an update leaves
//! what was there, with its own identity and one more update counted.
//!
//! So an item that was restored is whole only if it shows the put that its latest update builds
//! on, and as many updates as were committed in between: one that was lost, applied twice, or
//! made of an older version than the newest shows.

use super::workload::Keyspace;
use crate::history::{CommittedLog, KeyId, WriteId};
use std::collections::{BTreeMap, BTreeSet};
use stillpoint_reference::item::Item;

/// What a version of an item is made of.
#[derive(Clone, Copy, Debug, Default)]
struct Made {
    /// The put that it began with; an update may have begun with no item.
    put: Option<WriteId>,
    /// How many updates came after that.
    updates: u32,
}

/// The items that writes left.
pub struct Contents<'a> {
    /// The table's keys.
    pub space: &'a Keyspace,
    updated: BTreeMap<WriteId, Made>,
}

impl<'a> Contents<'a> {
    /// What the writes of `log` left, of which `updates` are updates.
    #[must_use]
    pub fn new(space: &'a Keyspace, log: &CommittedLog, updates: &BTreeSet<WriteId>) -> Self {
        let mut there: BTreeMap<KeyId, Made> = BTreeMap::new();
        let mut updated = BTreeMap::new();
        for entry in log.partitions.iter().flat_map(|it| &it.entries) {
            if entry.deletes {
                there.remove(&entry.key);
            } else if updates.contains(&entry.write) {
                let made = there.entry(entry.key).or_default();
                made.updates += 1;
                updated.insert(entry.write, *made);
            } else {
                there.insert(entry.key, Made { put: Some(entry.write), updates: 0 });
            }
        }
        Self { space, updated }
    }

    /// The item that `write` left under this key.
    #[must_use]
    pub fn left_by(&self, write: WriteId, key: u32) -> Item {
        let put = Made { put: Some(write), updates: 0 };
        let Made { put, updates } = self.updated.get(&write).copied().unwrap_or(put);
        self.space.updated(key, put, updates, write)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{LogEntry, PartitionLog};
    use crate::stage::workload::COUNTER;

    fn write(seq: u32) -> WriteId {
        WriteId { client: 1, seq }
    }

    #[test]
    fn an_update_leaves_what_was_there_and_is_counted() {
        let space = Keyspace::new(false, 8);
        let entry = |key, seq, deletes| LogEntry { key: KeyId(key), write: write(seq), deletes };
        let entries = vec![
            entry(0, 1, false),
            entry(0, 2, false),
            entry(1, 3, false),
            entry(0, 4, false),
            entry(0, 5, true),
            entry(0, 6, false),
            entry(0, 7, false),
        ];
        let log = CommittedLog { partitions: vec![PartitionLog { id: 1, entries }] };
        let contents = Contents::new(&space, &log, &[2, 3, 4, 6].map(write).into());
        let left = |key, seq| contents.left_by(write(seq), key);
        assert_eq!(left(0, 1), space.item(0, write(1)));
        assert_eq!(left(0, 2), space.updated(0, Some(write(1)), 1, write(2)));
        assert_eq!(left(1, 3), space.updated(1, None, 1, write(3)));
        assert_eq!(left(0, 4), space.updated(0, Some(write(1)), 2, write(4)));
        assert_eq!(left(0, 6), space.updated(0, None, 1, write(6)), "a delete ends the count");
        assert_eq!(left(0, 7), space.item(0, write(7)));
        assert_eq!(left(0, 4)[COUNTER], 2.into());
        assert_eq!(left(0, 4)["body"], space.item(0, write(1))["body"]);
    }
}
