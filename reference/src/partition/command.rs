//! What stands in a partition's log.

use crate::archive::format::ChunkRef;
use crate::ids::{Attempt, BackupId, RestoreId};
use crate::item::PrimaryKey;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Where an item stands in its table: by the hash of its partition key, then by its key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ItemKey {
    /// The hash of the partition key; partitions are ranges of it.
    pub hash: u64,
    /// The key itself.
    pub primary: PrimaryKey,
}

impl ItemKey {
    /// The place of this primary key.
    #[must_use]
    pub fn new(primary: PrimaryKey) -> Self {
        Self { hash: primary.hash(), primary }
    }
}

/// The number under which a client sent a request; written beside the effect, as an audit needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RequestId(pub u64);

/// One item put or deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Write {
    /// The request that asked for it.
    pub request: RequestId,
    /// Which item.
    pub key: ItemKey,
    /// The new item, encoded; none deletes it.
    pub item: Option<Bytes>,
}

/// One entry of a partition's log. The no-op that opens a term has an empty payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// An item is put or deleted.
    Write(Write),
    /// A cut may end here. Changes nothing.
    Marker {
        /// The backup it was set for.
        backup: BackupId,
        /// The attempt it was set in.
        attempt: Attempt,
    },
    /// A run of entries stands in the archive.
    Archived(ChunkRef),
    /// Items of a restore, behind `after` and up to the last of them.
    Load {
        /// The restore they belong to.
        restore: RestoreId,
        /// The key up to which the restore had come before.
        after: Option<ItemKey>,
        /// Keys, in order, and encoded items.
        items: Vec<(ItemKey, Bytes)>,
    },
    /// The restore of this partition is complete.
    Loaded {
        /// The restore.
        restore: RestoreId,
        /// How many items it brought.
        items: u64,
    },
}

impl Command {
    /// The bytes that are replicated, archived and replayed.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        postcard::to_stdvec(self).expect("a command is plain data").into()
    }

    /// Reads what [`Command::encode`] wrote; `None` for the empty no-op.
    ///
    /// # Errors
    /// The bytes are no command.
    pub fn decode(payload: &[u8]) -> Result<Option<Self>, postcard::Error> {
        if payload.is_empty() { Ok(None) } else { postcard::from_bytes(payload).map(Some) }
    }

    /// Whether an encoded entry changes items or their completeness: worth an upload by itself,
    /// unlike markers and notes about uploads. Looks at the variant only.
    #[must_use]
    pub fn changes_items(payload: &[u8]) -> bool {
        const WRITE: u8 = 0;
        const LOAD: u8 = 3;
        const LOADED: u8 = 4;
        matches!(payload.first(), Some(&(WRITE | LOAD | LOADED)))
    }

    /// Whether it is an effect in the sense of the cut: anything but markers (and no-ops).
    #[must_use]
    pub fn has_effect(&self) -> bool {
        !matches!(self, Self::Marker { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_items_is_told_by_the_first_byte() {
        let key = ItemKey::new(PrimaryKey { partition: "p".into(), sort: Bytes::new() });
        let write = Write { request: RequestId(1), key, item: None };
        let restore = RestoreId(1);
        let chunk =
            ChunkRef { object: "o".into(), offset: 0, len: 1, first: 1, last: 1, checksum: 0 };
        let commands = [
            (Command::Write(write), true),
            (Command::Marker { backup: BackupId(1), attempt: Attempt(1) }, false),
            (Command::Archived(chunk), false),
            (Command::Load { restore, after: None, items: Vec::new() }, true),
            (Command::Loaded { restore, items: 0 }, true),
        ];
        for (command, expected) in commands {
            assert_eq!(Command::changes_items(&command.encode()), expected, "{command:?}");
        }
        assert!(!Command::changes_items(b""), "the no-op");
    }
}
