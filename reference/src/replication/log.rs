//! The entries of one replica's log, in memory.

use super::message::Record;
use crate::ids::{Index, Position, Term};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Where many entries are recorded at once, each record has about so many bytes.
const RECORD_BYTES: usize = 1 << 20;

/// One entry of a replicated log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The term in which a leader appended it.
    pub term: Term,
    /// Its log sequence number.
    pub index: Index,
    /// Whether it changes anything that a reader could see. Markers and no-ops do not.
    pub effect: bool,
    /// What it says; only the state machine above understands it.
    pub payload: Bytes,
}

impl Entry {
    /// Where the entry stands.
    #[must_use]
    pub fn position(&self) -> Position {
        Position { term: self.term, index: self.index }
    }
}

/// How many of these entries make a batch of about `bytes_max` bytes: at least one if there is one.
#[must_use]
pub fn fitting(entries: &[Entry], bytes_max: usize) -> usize {
    let mut bytes = 0;
    let fitting = entries.iter().take_while(|it| {
        let fits = bytes == 0 || bytes + it.payload.len() <= bytes_max;
        bytes += it.payload.len() + 1;
        fits
    });
    fitting.count()
}

/// A gapless sequence of entries behind a base: what stood up to there is in the state machine's
/// checkpoint, and gone from here.
#[derive(Debug, Default)]
pub struct Log {
    base: Position,
    entries: Vec<Entry>,
}

impl Log {
    /// An empty log behind `base`, which is committed.
    #[must_use]
    pub fn behind(base: Position) -> Self {
        Self { base, entries: Vec::new() }
    }

    /// The position before the first entry that is kept.
    #[must_use]
    pub fn base(&self) -> Position {
        self.base
    }

    /// The position of the last entry; the base if none is kept.
    #[must_use]
    pub fn last(&self) -> Position {
        self.entries.last().map_or(self.base, Entry::position)
    }

    /// All entries that are kept.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Where the entry at `index` stands in `entries`, or would stand.
    fn place(&self, index: Index) -> Option<usize> {
        index.0.checked_sub(self.base.index.0 + 1).map(|it| it as usize)
    }

    /// The entry at `index`, if it is kept.
    #[must_use]
    pub fn get(&self, index: Index) -> Option<&Entry> {
        self.entries.get(self.place(index)?)
    }

    /// The term of the entry at `index`: known for the base and all behind it.
    #[must_use]
    pub fn term_at(&self, index: Index) -> Option<Term> {
        if index == self.base.index {
            Some(self.base.term)
        } else {
            self.get(index).map(|it| it.term)
        }
    }

    /// The entries from `first` on, at least one if there is one, up to about `bytes_max` bytes.
    #[must_use]
    pub fn batch(&self, first: Index, bytes_max: usize) -> Vec<Entry> {
        let from = self.place(first).unwrap_or(0);
        let tail = self.entries.get(from..).unwrap_or_default();
        tail[..fitting(tail, bytes_max)].to_vec()
    }

    /// All entries that are kept, in records that the node's log can hold.
    pub fn records(&self) -> impl Iterator<Item = Record> {
        let mut first = self.base.index.next();
        std::iter::from_fn(move || {
            let entries = self.batch(first, RECORD_BYTES);
            first = entries.last()?.index.next();
            Some(Record::Entries(entries))
        })
    }

    /// The entries from `first` to `last`, both included, as far as they are kept.
    #[must_use]
    pub fn range(&self, first: Index, last: Index) -> &[Entry] {
        let from = self.place(first).unwrap_or(0);
        let to = self.place(last).map_or(0, |it| (it + 1).min(self.entries.len()));
        self.entries.get(from..to).unwrap_or_default()
    }

    /// Appends an entry, which must continue the log.
    pub fn push(&mut self, entry: Entry) {
        assert_eq!(entry.index, self.last().index.next(), "a log has no holes");
        assert!(entry.term >= self.last().term, "terms do not go back along a log");
        self.entries.push(entry);
    }

    /// Removes the entry at `first` and all after it.
    pub fn truncate_from(&mut self, first: Index) {
        let place = self.place(first).expect("what lies before the base is committed");
        self.entries.truncate(place);
    }

    /// Forgets the entries up to `last`, which the state machine's checkpoint holds.
    pub fn forget_through(&mut self, last: Index) {
        if let Some(place) = self.place(last)
            && let Some(entry) = self.entries.get(place)
        {
            self.base = entry.position();
            self.entries.drain(..=place);
        }
    }

    /// The index of the last entry that has an effect; where none is kept, of the base.
    #[must_use]
    pub fn last_effect(&self) -> Index {
        self.entries.iter().rev().find(|it| it.effect).map_or(self.base.index, |it| it.index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(index: u64) -> Entry {
        let (term, effect) = (Term(1 + index / 3), index.is_multiple_of(2));
        Entry { term, index: Index(index), effect, payload: Bytes::from(vec![0; index as usize]) }
    }

    fn log(len: u64) -> Log {
        let mut log = Log::default();
        (1..=len).for_each(|it| log.push(entry(it)));
        log
    }

    #[test]
    fn a_long_log_is_recorded_in_several_records() {
        let mut log = Log::behind(Position { term: Term(1), index: Index(5) });
        let payload = Bytes::from(vec![0; RECORD_BYTES / 3]);
        for index in 6..=15 {
            let (term, index) = (Term(1), Index(index));
            log.push(Entry { term, index, effect: true, payload: payload.clone() });
        }
        let entries = |it| match it {
            Record::Entries(entries) => entries,
            other => panic!("no entries: {other:?}"),
        };
        let records: Vec<Vec<Entry>> = log.records().map(entries).collect();
        assert!(records.iter().all(|it| it.len() <= 3) && records.len() > 3);
        assert_eq!(records.concat(), log.entries());
        assert_eq!(Log::behind(log.last()).records().count(), 0);
    }

    proptest! {
        #[test]
        fn what_is_kept_looks_as_if_nothing_had_been_forgotten(
            len in 0..20_u64, last in 0..25_u64, first in 0..25_u64, to in 0..25_u64,
        ) {
            let (whole, mut short) = (log(len), log(len));
            short.forget_through(Index(last));
            let base = if last <= len { last } else { 0 };
            prop_assert_eq!(short.base().index, Index(base));
            prop_assert_eq!(short.last(), whole.last());
            for index in (0..25).map(Index) {
                let kept = index.0 > base;
                prop_assert_eq!(short.get(index), whole.get(index).filter(|_| kept));
                let known = index.0 >= base;
                prop_assert_eq!(short.term_at(index), whole.term_at(index).filter(|_| known));
            }
            let first = Index(first.max(base + 1));
            prop_assert_eq!(short.batch(first, 30), whole.batch(first, 30));
            prop_assert_eq!(short.range(first, Index(to)), whole.range(first, Index(to)));
            prop_assert_eq!(short.last_effect(), whole.last_effect().max(Index(base)));
            if first <= whole.last().index.next() {
                let (mut whole, mut short) = (whole, short);
                whole.truncate_from(first);
                short.truncate_from(first);
                prop_assert_eq!(short.last(), whole.last());
            }
        }
    }
}
