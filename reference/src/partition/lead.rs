//! What the leader of a partition keeps beside the state machine: writes that are not committed
//! yet, who waits for which entry, and the hold of a cut. All of it is lost with the leadership.

use super::command::ItemKey;
use super::state::Partition;
use super::store::{ItemStore, StoreFault};
use crate::expression::Condition;
use crate::ids::{Attempt, BackupId, Index, NodeId, Position, Term};
use crate::item::Item;
use crate::node::{Caller, Reply};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};

/// Somebody who is answered once an entry is committed.
#[derive(Debug)]
pub struct Waiter {
    /// Whom to answer.
    pub caller: Caller,
    /// What to say then.
    pub reply: Reply,
}

/// A hold of writes, begun behind a marker and never extended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The backup it is for.
    pub backup: BackupId,
    /// The attempt it is for.
    pub attempt: Attempt,
    /// When it ends by itself, on this node's monotonic clock.
    pub deadline_ns: u64,
}

/// A marker that a leader appended, and who wants to hear of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marker {
    /// The node that coordinates the cut.
    pub coordinator: NodeId,
    /// The backup it is for.
    pub backup: BackupId,
    /// The attempt it is for.
    pub attempt: Attempt,
    /// Where it stands.
    pub at: Position,
}

/// A write that came during a hold: it has not been looked at yet.
#[derive(Debug)]
pub struct Queued<C> {
    /// Who asked.
    pub caller: Caller,
    /// For what.
    pub call: C,
}

/// What came of a conditional write when it was held against the newest version of its item.
#[derive(Debug)]
pub enum Evaluated {
    /// It may be appended; this is the version that it replaces.
    Allowed(Option<Item>),
    /// Its condition is false; true of the committed state once `after` is committed.
    Refused {
        /// The version it met.
        old: Option<Item>,
        /// The entry that made that version, if it is not committed yet.
        after: Option<Index>,
    },
}

/// The leader's part of a partition.
#[derive(Debug)]
pub struct Lead<C> {
    /// The term in which it leads.
    pub term: Term,
    /// The newest uncommitted version of each item, and the entry that makes it.
    pending: BTreeMap<ItemKey, (Index, Option<Bytes>)>,
    waiters: BTreeMap<Index, Vec<Waiter>>,
    /// The hold, while one is active.
    pub hold: Option<Hold>,
    /// What came during the hold, in order.
    pub queue: VecDeque<Queued<C>>,
    /// The newest attempt whose Mark this leader has seen, per backup.
    pub attempts_seen: BTreeMap<BackupId, Attempt>,
    /// The marker that this leader appended, until it is reported committed.
    pub unreported: Option<Marker>,
    /// Markers that this leader appended itself, by attempt.
    pub appended: BTreeMap<Attempt, Position>,
    /// The last entry with an effect in the log, committed or not.
    pub last_effect: Index,
}

impl<C> Lead<C> {
    /// A new leader in `term`, whose log's last effect stands at `last_effect`.
    #[must_use]
    pub fn new(term: Term, last_effect: Index) -> Self {
        Self {
            term,
            pending: BTreeMap::new(),
            waiters: BTreeMap::new(),
            hold: None,
            queue: VecDeque::new(),
            attempts_seen: BTreeMap::new(),
            unreported: None,
            appended: BTreeMap::new(),
            last_effect,
        }
    }

    /// Holds a condition against the newest version of an item, uncommitted ones included.
    ///
    /// # Errors
    /// The item store is damaged.
    pub fn evaluate(
        &self,
        partition: &Partition,
        key: &ItemKey,
        condition: Option<&Condition>,
        wants_old: bool,
    ) -> Result<Evaluated, StoreFault> {
        if condition.is_none() && !wants_old {
            return Ok(Evaluated::Allowed(None));
        }
        let (after, stored) = match self.pending.get(key) {
            Some((index, item)) => (Some(*index), item.clone()),
            None => (None, partition.store().get(key)?),
        };
        let old = stored.as_deref().map(decode_item).transpose()?;
        let holds = condition.is_none_or(|it| it.holds(old.as_ref()));
        Ok(if holds { Evaluated::Allowed(old) } else { Evaluated::Refused { old, after } })
    }

    /// The entry that makes the newest version of an item, if it is not committed yet.
    #[must_use]
    pub fn uncommitted(&self, key: &ItemKey) -> Option<Index> {
        self.pending.get(key).map(|(index, _)| *index)
    }

    /// Notes an uncommitted write.
    pub fn wrote(&mut self, key: ItemKey, at: Index, item: Option<Bytes>) {
        self.pending.insert(key, (at, item));
    }

    /// Answers `waiter` once the entry at `at` is committed.
    pub fn wait(&mut self, at: Index, waiter: Waiter) {
        self.waiters.entry(at).or_default().push(waiter);
    }

    /// The entry at `at` was applied: who waited for it may be answered.
    pub fn committed(&mut self, at: Index, key: Option<&ItemKey>) -> Vec<Waiter> {
        if let Some(key) = key
            && self.pending.get(key).is_some_and(|(index, _)| *index <= at)
        {
            self.pending.remove(key);
        }
        self.waiters.remove(&at).unwrap_or_default()
    }

    /// Everybody who still waits, when the leadership ends: for uncommitted entries, and in the
    /// queue of a hold.
    pub fn abandon(&mut self) -> (Vec<Waiter>, Vec<Queued<C>>) {
        let waiters = std::mem::take(&mut self.waiters).into_values().flatten().collect();
        (waiters, self.queue.drain(..).collect())
    }
}

/// Reads a stored item.
///
/// # Errors
/// The bytes are no item: the store is damaged.
pub fn decode_item(bytes: &[u8]) -> Result<Item, StoreFault> {
    postcard::from_bytes(bytes).map_err(|why| StoreFault { why: format!("no item: {why}") })
}

/// The bytes under which an item is stored.
#[must_use]
pub fn encode_item(item: &Item) -> Bytes {
    postcard::to_stdvec(item).expect("an item is plain data").into()
}
