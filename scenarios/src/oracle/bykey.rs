//! Everything that concerns one key, side by side: its operations, its committed writes, its
//! restored items. The table is taken apart once, by counting; judges then go key by key.

use crate::history::{
    CommittedLog, History, KeyId, LogEntry, Operation, Outcome, RestoredItem, Seen, WriteId,
};

/// The number of an operation that does not exist: what holds by itself is forced by nobody.
pub(crate) const NOBODY: u32 = u32::MAX;

/// Values sorted into groups by key, in their original order within each group.
struct Groups<T> {
    starts: Vec<u32>,
    values: Vec<T>,
}

impl<T: Copy> Groups<T> {
    fn new(keys: usize, pairs: impl Iterator<Item = (KeyId, T)> + Clone) -> Self {
        let mut starts = vec![0_u32; keys + 1];
        let mut some = None;
        for (key, value) in pairs.clone() {
            starts[key.0 as usize + 1] += 1;
            some = Some(value);
        }
        for key in 0..keys {
            starts[key + 1] += starts[key];
        }
        let Some(filler) = some else {
            return Self { starts, values: Vec::new() };
        };
        let mut values = vec![filler; starts[keys] as usize];
        let mut next = starts.clone();
        for (key, value) in pairs {
            let slot = &mut next[key.0 as usize];
            values[*slot as usize] = value;
            *slot += 1;
        }
        Self { starts, values }
    }

    fn of(&self, key: KeyId) -> &[T] {
        let key = key.0 as usize;
        &self.values[self.starts[key] as usize..self.starts[key + 1] as usize]
    }
}

/// One committed write and where it stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) write: WriteId,
    pub(crate) deletes: bool,
    /// The position of its partition in the list of logs.
    pub(crate) partition: u32,
    /// How many entries stand before it in its partition's log.
    pub(crate) index: u32,
}

/// Where a committed write stands: less than half an [`Entry`].
#[derive(Clone, Copy)]
struct Place {
    partition: u32,
    index: u32,
}

/// A history, a log and restored items, sorted by key.
pub(crate) struct ByKey<'a> {
    history: &'a History,
    keys: u32,
    operations: Groups<u32>,
    log: Option<&'a CommittedLog>,
    places: Option<Groups<Place>>,
    items: Groups<RestoredItem>,
}

impl<'a> ByKey<'a> {
    pub(crate) fn new(
        history: &'a History,
        log: Option<&'a CommittedLog>,
        items: &[RestoredItem],
    ) -> Self {
        let places = || log.into_iter().flat_map(placed);
        let named = history.operations.iter().map(|op| op.key);
        let named = named.chain(items.iter().map(|item| item.key));
        let named = named.chain(places().map(|(key, _)| key));
        let keys = named.map(|key| key.0 + 1).max().unwrap_or(0);
        let size = keys as usize;
        Self {
            history,
            keys,
            operations: Groups::new(
                size,
                (0..).zip(&history.operations).map(|(number, op)| (op.key, number)),
            ),
            log,
            places: log.map(|log| Groups::new(size, placed(log))),
            items: Groups::new(size, items.iter().map(|item| (item.key, *item))),
        }
    }

    pub(crate) fn history(&self) -> &'a History {
        self.history
    }

    /// Every key of which anything is known.
    pub(crate) fn cases(&self) -> impl Iterator<Item = Case<'_>> {
        (0..self.keys).map(|key| self.case(KeyId(key))).filter(|case| !case.is_empty())
    }

    fn entries(&self, key: KeyId) -> Vec<Entry> {
        let (Some(log), Some(places)) = (self.log, &self.places) else { return Vec::new() };
        let entry = |&Place { partition, index }: &Place| {
            let LogEntry { write, deletes, .. } =
                log.partitions[partition as usize].entries[index as usize];
            Entry { write, deletes, partition, index }
        };
        places.of(key).iter().map(entry).collect()
    }

    /// What is known of this key.
    pub(crate) fn case(&self, key: KeyId) -> Case<'_> {
        let operations = self.operations.of(key);
        let identified = |&number: &u32| {
            self.history.operations[number as usize].write.map(|write| (write, number))
        };
        let mut writes: Vec<(WriteId, u32)> = operations.iter().filter_map(identified).collect();
        writes.sort_unstable();
        Case {
            history: self.history,
            key,
            operations,
            writes,
            entries: self.entries(key),
            items: self.items.of(key),
        }
    }
}

fn placed(log: &CommittedLog) -> impl Iterator<Item = (KeyId, Place)> + Clone {
    (0..).zip(&log.partitions).flat_map(|(partition, entries)| {
        let indexed = (0..).zip(&entries.entries);
        indexed.map(move |(index, entry)| (entry.key, Place { partition, index }))
    })
}

/// One key.
pub(crate) struct Case<'a> {
    history: &'a History,
    pub(crate) key: KeyId,
    /// The numbers of its operations, in the order of the history.
    pub(crate) operations: &'a [u32],
    /// Its writes and the numbers of their operations, sorted.
    pub(crate) writes: Vec<(WriteId, u32)>,
    /// Its committed writes in order; empty without a log.
    pub(crate) entries: Vec<Entry>,
    pub(crate) items: &'a [RestoredItem],
}

impl<'a> Case<'a> {
    fn is_empty(&self) -> bool {
        self.operations.is_empty() && self.entries.is_empty() && self.items.is_empty()
    }

    pub(crate) fn op(&self, number: u32) -> &'a Operation {
        &self.history.operations[number as usize]
    }

    pub(crate) fn name(&self) -> String {
        self.history.keys.name(self.key)
    }

    /// Where a write of this key stands in `writes`.
    pub(crate) fn find(&self, write: WriteId) -> Option<usize> {
        self.writes.binary_search_by_key(&write, |&(id, _)| id).ok()
    }

    /// The operation that this write is.
    pub(crate) fn writer(&self, write: WriteId) -> Option<u32> {
        self.find(write).map(|place| self.writes[place].1)
    }

    /// The operations with these numbers, for a witness.
    pub(crate) fn evidence(&self, numbers: &[u32]) -> Vec<Operation> {
        let mut numbers = numbers.to_vec();
        numbers.retain(|&number| number != NOBODY);
        numbers.dedup();
        numbers.into_iter().map(|number| *self.op(number)).collect()
    }

    /// What the restored table holds at this key: its first item, if it has several.
    pub(crate) fn found(&self) -> Seen {
        self.items.first().map_or(Seen::Absent, |item| Seen::Version(item.write))
    }
}

/// When an operation was certainly over: for ever open unless it was acknowledged.
pub(crate) fn over_ns(operation: &Operation) -> u64 {
    operation.acknowledged_ns().unwrap_or(u64::MAX)
}

/// Whether the operation may have been done.
pub(crate) fn possible(operation: &Operation) -> bool {
    operation.outcome != Outcome::Refused
}
