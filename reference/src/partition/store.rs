//! Where the items of a partition rest: recent versions in memory, above what the node's
//! checkpoint holds.
//!
//! A checkpoint takes the recent layer as it is, freezes it, and drops it once it is durable;
//! meanwhile new versions gather in a fresh layer above. What is at rest below is
//! [`crate::store`]'s.

use super::command::ItemKey;
use crate::ids::{Index, PartitionId};
use crate::store::{Base, Versions};
use bytes::Bytes;
use std::collections::btree_map::Range;
use std::fmt;
use std::iter::Peekable;
use std::ops::Bound;
use std::rc::Rc;

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
    fn apply(&mut self, at: Index, changes: Vec<Change>);

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

/// Versions in memory above a checkpoint.
#[derive(Debug)]
pub struct LayeredStore {
    partition: PartitionId,
    applied: Index,
    recent: Versions,
    /// What the checkpoint under way takes in.
    frozen: Option<Rc<Versions>>,
    base: Rc<dyn Base>,
}

impl LayeredStore {
    /// The items of `partition` as `base` holds them, the result of the entries up to `applied`.
    #[must_use]
    pub fn new(partition: PartitionId, applied: Index, base: Rc<dyn Base>) -> Self {
        Self { partition, applied, recent: Versions::new(), frozen: None, base }
    }

    /// Hands over what changed since the last checkpoint, and keeps it readable until
    /// [`LayeredStore::thaw`].
    pub fn freeze(&mut self) -> Rc<Versions> {
        assert!(self.frozen.is_none(), "one checkpoint at a time");
        let frozen = Rc::new(std::mem::take(&mut self.recent));
        self.frozen = Some(Rc::clone(&frozen));
        frozen
    }

    /// The checkpoint holds what was frozen.
    pub fn thaw(&mut self) {
        self.frozen = None;
    }

    fn version(&self, key: &ItemKey) -> Option<&Option<Bytes>> {
        let frozen = || self.frozen.as_ref().and_then(|it| it.get(key));
        self.recent.get(key).or_else(frozen).map(|(_, item)| item)
    }
}

impl ItemStore for LayeredStore {
    fn applied(&self) -> Index {
        self.applied
    }

    fn apply(&mut self, at: Index, changes: Vec<Change>) {
        assert_eq!(at, self.applied.next(), "entries are applied in order, each once");
        self.applied = at;
        let versions = changes.into_iter().map(|Change { key, item }| (key, (at, item)));
        self.recent.extend(versions);
    }

    fn get(&self, key: &ItemKey) -> Result<Option<Bytes>, StoreFault> {
        match self.version(key) {
            Some(item) => Ok(item.clone()),
            None => Ok(self.base.get(self.partition, key)?.map(|(_, item)| item)),
        }
    }

    fn scan(
        &self,
        after: Option<&ItemKey>,
        take: &mut dyn FnMut(&ItemKey, &Bytes) -> bool,
    ) -> Result<(), StoreFault> {
        let mut above = Above::behind(self, after);
        let mut more = true;
        self.base.scan(self.partition, after, &mut |key, _, item| {
            while let Some((newer, version)) = above.next_up_to(key) {
                more = version.as_ref().is_none_or(|it| take(newer, it));
                if !more || newer == key {
                    return more;
                }
            }
            more = take(key, item);
            more
        })?;
        while more && let Some((key, version)) = above.next() {
            more = version.as_ref().is_none_or(|it| take(key, it));
        }
        Ok(())
    }
}

type Layer<'a> = Peekable<Range<'a, ItemKey, (Index, Option<Bytes>)>>;

/// The versions in memory, in key order; of two layers the newer one counts.
struct Above<'a> {
    recent: Layer<'a>,
    frozen: Option<Layer<'a>>,
}

impl<'a> Above<'a> {
    fn behind(store: &'a LayeredStore, after: Option<&ItemKey>) -> Self {
        let bounds = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let frozen = store.frozen.as_ref();
        Self {
            recent: store.recent.range(bounds).peekable(),
            frozen: frozen.map(|it| it.range(bounds).peekable()),
        }
    }

    fn peek_key(&mut self) -> Option<&'a ItemKey> {
        let recent = self.recent.peek().map(|(key, _)| *key);
        let frozen = self.frozen.as_mut().and_then(|it| it.peek()).map(|(key, _)| *key);
        [recent, frozen].into_iter().flatten().min()
    }

    fn next(&mut self) -> Option<(&'a ItemKey, &'a Option<Bytes>)> {
        let key = self.peek_key()?;
        let frozen = self.frozen.as_mut().and_then(|it| it.next_if(|(it, _)| *it == key));
        let newest = self.recent.next_if(|(it, _)| *it == key).or(frozen)?;
        Some((newest.0, &newest.1.1))
    }

    fn next_up_to(&mut self, key: &ItemKey) -> Option<(&'a ItemKey, &'a Option<Bytes>)> {
        if self.peek_key()? <= key { self.next() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::PrimaryKey;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[derive(Debug, Default)]
    struct AtRest(BTreeMap<ItemKey, (Index, Bytes)>);

    impl Base for AtRest {
        fn get(&self, _: PartitionId, key: &ItemKey) -> Result<Option<(Index, Bytes)>, StoreFault> {
            Ok(self.0.get(key).cloned())
        }

        fn scan(
            &self,
            _: PartitionId,
            after: Option<&ItemKey>,
            take: &mut dyn FnMut(&ItemKey, Index, &Bytes) -> bool,
        ) -> Result<(), StoreFault> {
            let start = after.map_or(Bound::Unbounded, Bound::Excluded);
            let _ = self.0.range((start, Bound::Unbounded)).all(|(k, (at, it))| take(k, *at, it));
            Ok(())
        }
    }

    fn key(number: u8) -> ItemKey {
        let primary = PrimaryKey { partition: vec![number].into(), sort: Bytes::new() };
        ItemKey { hash: u64::from(number), primary }
    }

    type Step = (u8, Option<u8>);

    proptest! {
        #[test]
        fn layers_read_as_one_map(
            at_rest in prop::collection::btree_map(0..12_u8, any::<u8>(), 0..8),
            frozen in prop::collection::vec((0..12_u8, prop::option::of(any::<u8>())), 0..8),
            recent in prop::collection::vec((0..12_u8, prop::option::of(any::<u8>())), 0..8),
            after in prop::option::of(0..12_u8),
            count in 0..14_usize,
        ) {
            let item = |it: u8| Bytes::from(vec![it]);
            let mut model: BTreeMap<ItemKey, Bytes> =
                at_rest.iter().map(|(k, it)| (key(*k), item(*it))).collect();
            let base = model.iter().map(|(k, it)| (k.clone(), (Index(1), it.clone()))).collect();
            let mut store = LayeredStore::new(PartitionId(7), Index(0), Rc::new(AtRest(base)));
            let mut write = |store: &mut LayeredStore, (number, value): Step| {
                let change = Change { key: key(number), item: value.map(item) };
                store.apply(store.applied().next(), vec![change]);
                match value {
                    Some(it) => model.insert(key(number), item(it)),
                    None => model.remove(&key(number)),
                };
            };
            frozen.into_iter().for_each(|it| write(&mut store, it));
            store.freeze();
            recent.into_iter().for_each(|it| write(&mut store, it));
            for number in 0..12 {
                prop_assert_eq!(store.get(&key(number)).unwrap(), model.get(&key(number)).cloned());
            }
            let after = after.map(key);
            let start = after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
            let expected: Vec<_> = model
                .range((start, Bound::Unbounded))
                .take(count)
                .map(|(k, it)| (k.clone(), it.clone()))
                .collect();
            let mut seen = Vec::new();
            let mut take = |key: &ItemKey, item: &Bytes| {
                let room = seen.len() < count;
                if room {
                    seen.push((key.clone(), item.clone()));
                }
                room
            };
            store.scan(after.as_ref(), &mut take).unwrap();
            prop_assert_eq!(seen, expected);
        }
    }
}
