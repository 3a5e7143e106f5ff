//! Where the items of a partition rest.

use super::command::ItemKey;
use crate::ids::Index;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;

/// A change to one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which item.
    pub key: ItemKey,
    /// The new item, encoded; none removes it.
    pub item: Option<Bytes>,
}

/// The store cannot be trusted any more: its replica must be rebuilt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreFault {
    /// What was found.
    pub why: String,
}

impl fmt::Display for StoreFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the item store is damaged ({}); discard it and rebuild the replica", self.why)
    }
}

impl std::error::Error for StoreFault {}

/// Items in key order, and up to which log entry they are the result.
///
/// A fault means that the store cannot be trusted; the replica above it must be rebuilt.
pub trait ItemStore {
    /// The log sequence number of the last entry applied.
    fn applied(&self) -> Index;

    /// Applies the changes of the entry at `at`, all or none.
    ///
    /// # Errors
    /// The store is damaged.
    fn apply(&mut self, at: Index, changes: Vec<Change>) -> Result<(), StoreFault>;

    /// The item under `key`, encoded.
    ///
    /// # Errors
    /// The store is damaged.
    fn get(&self, key: &ItemKey) -> Result<Option<Bytes>, StoreFault>;

    /// The items behind `after`, in order, until `take` answers false for one (which is left out).
    ///
    /// # Errors
    /// The store is damaged.
    fn scan(
        &self,
        after: Option<&ItemKey>,
        take: &mut dyn FnMut(&ItemKey, &Bytes) -> bool,
    ) -> Result<(), StoreFault>;
}

/// A store in memory, rebuilt from the log at each start.
#[derive(Debug, Default)]
pub struct MemoryStore {
    applied: Index,
    items: BTreeMap<ItemKey, Bytes>,
}

impl ItemStore for MemoryStore {
    fn applied(&self) -> Index {
        self.applied
    }

    fn apply(&mut self, at: Index, changes: Vec<Change>) -> Result<(), StoreFault> {
        assert_eq!(at, self.applied.next(), "entries are applied in order, each once");
        self.applied = at;
        for Change { key, item } in changes {
            match item {
                Some(item) => self.items.insert(key, item),
                None => self.items.remove(&key),
            };
        }
        Ok(())
    }

    fn get(&self, key: &ItemKey) -> Result<Option<Bytes>, StoreFault> {
        Ok(self.items.get(key).cloned())
    }

    fn scan(
        &self,
        after: Option<&ItemKey>,
        take: &mut dyn FnMut(&ItemKey, &Bytes) -> bool,
    ) -> Result<(), StoreFault> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let behind = self.items.range((start, Bound::Unbounded));
        for (key, item) in behind {
            if !take(key, item) {
                break;
            }
        }
        Ok(())
    }
}
