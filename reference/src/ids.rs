//! The names of things: nodes, partitions, tables, terms, log positions, backups.
//!
//! Plain newtypes with an order, so that every map in the service is an ordered map.

pub use crate::api::TableId;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A storage node of the cluster, numbered from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeId(pub u16);

/// A partition, unique in the cluster and never reused. Partition 0 is the metadata group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PartitionId(pub u64);

impl PartitionId {
    /// The replication group that keeps the catalog.
    pub const METADATA: Self = Self(0);
}

/// A term of leadership in a replication group.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Term(pub u64);

/// A log sequence number of one partition; the first entry stands at 1.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Index(pub u64);

impl Index {
    /// The position after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// A place in a log: the entry's term and its index.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Position {
    /// The term in which the entry was appended.
    pub term: Term,
    /// Where it stands.
    pub index: Index,
}

/// How often a node has started; kept in its log, so it only grows.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Incarnation(pub u64);

/// A backup in the catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BackupId(pub u64);

/// One attempt at a cut; numbered by the metadata log over all backups, never used again.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Attempt(pub u64);

/// A restore in the catalog: the plan that turns a backup into a new table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RestoreId(pub u64);

/// Which version of a partition's key range is meant; a split or a move raises it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Epoch(pub u64);

/// A contiguous range of partition-key hashes, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HashRange {
    /// The first hash in the range.
    pub start: u64,
    /// The last hash in the range.
    pub end: u64,
}

impl HashRange {
    /// Whether `hash` falls into this range.
    #[must_use]
    pub fn contains(self, hash: u64) -> bool {
        self.start <= hash && hash <= self.end
    }

    /// `count` ranges of equal width that tile all hashes, in order.
    #[must_use]
    pub fn tiles(count: u32) -> Vec<Self> {
        let edge = |i: u32| ((u128::from(i) << 64) / u128::from(count)) as u64;
        (0..count)
            .map(|i| Self {
                start: edge(i),
                end: if i + 1 == count { u64::MAX } else { edge(i + 1) - 1 },
            })
            .collect()
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node-{}", self.0)
    }
}

impl fmt::Display for PartitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "partition-{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::HashRange;

    #[test]
    fn tiles_cover_every_hash_exactly_once() {
        for count in [1, 2, 3, 7, 64, 4096] {
            let tiles = HashRange::tiles(count);
            assert_eq!(tiles.len(), count as usize);
            assert_eq!(tiles[0].start, 0);
            assert_eq!(tiles.last().expect("at least one").end, u64::MAX);
            for pair in tiles.windows(2) {
                assert_eq!(pair[0].end + 1, pair[1].start);
            }
        }
    }
}
