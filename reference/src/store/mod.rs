//! Items at rest: what all partitions of a node held at the last checkpoint, in one redb file.
//!
//! The log is where a write becomes durable. From time to time the node hands over what has
//! gathered above the log ([`Batch`]), [`Checkpoint::commit`] puts it to rest, all or nothing, and
//! the log may be cut behind it. What a partition knows besides its items (how far it has applied,
//! its markers) rests beside them as an opaque *image*, in the same commit.
//!
//! # What is promised
//!
//! 1. After a crash at any point, [`Checkpoint::open`] finds the last commit that returned, or the
//!    one under way, and no mixture.
//! 2. What is read is what was committed, or a [`StoreFault`]: bits that rot, writes that went
//!    elsewhere or never arrived, a panic inside redb. After a fault nothing is answered any more;
//!    the owner discards the file and rebuilds the replicas.
//! 3. The same calls ask the same of the disk, byte for byte.
//!
//! # What it cannot see
//!
//! The last commit ends with one write to the file's header. If the disk said that it was durable
//! and then lost it, or its one deciding bit rots, the file is, to the byte, one that crashed just
//! before: the commit before that one is found, whole. Only the log knows better: where it begins
//! behind what an image has applied, the image is too old to be used.
//!
//! # Files
//!
//! `key` and `record` say how things lie in redb; `overlay` (of `pieces`) is the file as redb sees
//! it; `door` is the way into redb; `opening` judges a file, `writing` is one write transaction,
//! `checkpoint` has the disk carry it out, `view` reads. Why redb, and what it costs: decision 6.

mod checkpoint;
mod door;
mod key;
mod opening;
mod overlay;
mod pieces;
mod record;
#[cfg(test)]
mod tests;
mod view;
mod writing;

pub use checkpoint::{Batch, Checkpoint, PartitionBatch};
pub(crate) use opening::damaged;
pub use opening::{CACHE_BYTES, OnDamage, Opened};
pub use view::View;

use crate::ids::{Index, PartitionId};
use crate::partition::{ItemKey, StoreFault};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::fmt;

/// Newest versions by key: the log sequence number of the write that made each, and the item, none
/// if it was deleted.
pub type Versions = BTreeMap<ItemKey, (Index, Option<Bytes>)>;

/// What a partition reads below its recent writes. Object-safe, and answers at once: the time that
/// the disk took is owed, see [`Checkpoint::take_reads`].
pub trait Base: fmt::Debug {
    /// The item under `key`, and the log sequence number of the write that made it.
    ///
    /// # Errors
    /// The store is damaged.
    fn get(
        &self,
        partition: PartitionId,
        key: &ItemKey,
    ) -> Result<Option<(Index, Bytes)>, StoreFault>;

    /// The items of `partition` behind `after`, in key order, until `take` answers false.
    ///
    /// # Errors
    /// The store is damaged; items may have been taken before that was found.
    fn scan(
        &self,
        partition: PartitionId,
        after: Option<&ItemKey>,
        take: &mut dyn FnMut(&ItemKey, Index, &Bytes) -> bool,
    ) -> Result<(), StoreFault>;
}

/// A base that holds nothing.
#[derive(Debug)]
pub struct Nothing;

impl Base for Nothing {
    fn get(&self, _: PartitionId, _: &ItemKey) -> Result<Option<(Index, Bytes)>, StoreFault> {
        Ok(None)
    }

    fn scan(
        &self,
        _: PartitionId,
        _: Option<&ItemKey>,
        _: &mut dyn FnMut(&ItemKey, Index, &Bytes) -> bool,
    ) -> Result<(), StoreFault> {
        Ok(())
    }
}
