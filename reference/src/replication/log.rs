//! The entries of one replica's log, in memory.

use crate::ids::{Index, Position, Term};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

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

/// A gapless sequence of entries that begins at index 1.
#[derive(Debug, Default)]
pub struct Log {
    entries: Vec<Entry>,
}

impl Log {
    /// The position of the last entry; zero if there is none.
    #[must_use]
    pub fn last(&self) -> Position {
        self.entries.last().map_or_else(Position::default, Entry::position)
    }

    /// The entry at `index`.
    #[must_use]
    pub fn get(&self, index: Index) -> Option<&Entry> {
        self.entries.get(index.0.checked_sub(1)? as usize)
    }

    /// The term of the entry at `index`; index 0 has term 0.
    #[must_use]
    pub fn term_at(&self, index: Index) -> Option<Term> {
        if index.0 == 0 { Some(Term(0)) } else { self.get(index).map(|it| it.term) }
    }

    /// The entries from `first` on, at least one if there is one, up to about `bytes_max` bytes.
    #[must_use]
    pub fn batch(&self, first: Index, bytes_max: usize) -> Vec<Entry> {
        let mut bytes = 0;
        let from = (first.0.max(1) - 1) as usize;
        let tail = self.entries.get(from..).unwrap_or_default();
        tail.iter()
            .take_while(|it| {
                let fits = bytes == 0 || bytes + it.payload.len() <= bytes_max;
                bytes += it.payload.len() + 1;
                fits
            })
            .cloned()
            .collect()
    }

    /// The entries from `first` to `last`, both included.
    #[must_use]
    pub fn range(&self, first: Index, last: Index) -> &[Entry] {
        let from = (first.0.max(1) - 1) as usize;
        let to = (last.0 as usize).min(self.entries.len());
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
        self.entries.truncate((first.0.max(1) - 1) as usize);
    }

    /// The index of the last entry that has an effect; zero if there is none.
    #[must_use]
    pub fn last_effect(&self) -> Index {
        self.entries.iter().rev().find(|it| it.effect).map_or(Index(0), |it| it.index)
    }
}
