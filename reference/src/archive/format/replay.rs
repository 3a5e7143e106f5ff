//! Replaying a partition's log from its chunks, up to the cut and not one entry further.
//!
//! A chunk by itself was verified when it was decoded. Here they are joined: no hole or
//! overlap between chunks, terms that meet, one partition, and at the end the very entry
//! that the cut names.

use super::chunk::Chunk;
use super::entry::LogEntry;
use super::error::{ArchiveError, Fault, require_eq, require_next};
use super::part::PartitionCut;

/// Takes the chunks of one partition in order, and gives back the entries up to the cut.
/// Call [`Replay::finish`] at the end: without it a missing last chunk goes unnoticed.
#[derive(Clone, Debug)]
pub struct Replay {
    table_id: u128,
    partition: u64,
    cut_index: u64,
    cut_term: u64,
    /// Index and term of the last entry taken, entries beyond the cut included.
    last: (u64, u64),
    /// Term of the entry at the cut, once it was taken.
    term_at_cut: Option<u64>,
}

impl Replay {
    /// A replay of the log that `cut` describes, from its first entry.
    #[must_use]
    pub fn new(table_id: u128, cut: &PartitionCut) -> Self {
        Replay {
            table_id,
            partition: cut.span.partition,
            cut_index: cut.cut_index,
            cut_term: cut.cut_term,
            last: (0, 0),
            term_at_cut: None,
        }
    }

    /// Takes the next chunk; answers its entries that belong to the backup, perhaps none.
    ///
    /// # Errors
    ///
    /// If the chunk is not the one that follows, or the entry at the cut is of another
    /// term than the backup says.
    pub fn accept(&mut self, mut chunk: Chunk) -> Result<Vec<LogEntry>, ArchiveError> {
        self.check_join(&chunk)?;
        self.last = (chunk.last(), chunk.last_term());
        chunk.entries.retain(|entry| entry.index <= self.cut_index);
        if let Some(entry) = chunk.entries.last().filter(|entry| entry.index == self.cut_index) {
            let place = format!("partition {}, entry {} at the cut", self.partition, entry.index);
            require_eq(&chunk.object, place, Fault::Term, self.cut_term, entry.term)?;
            self.term_at_cut = Some(entry.term);
        }
        Ok(chunk.entries)
    }

    /// Ends the replay.
    ///
    /// # Errors
    ///
    /// If the chunks ended before the cut.
    pub fn finish(self) -> Result<(), ArchiveError> {
        if self.cut_index == 0 || self.term_at_cut.is_some() {
            return Ok(());
        }
        let place = format!("log of partition {}", self.partition);
        let expected = format!("entries up to the cut at {}", self.cut_index);
        let found = format!("entries up to {}", self.last.0);
        let object = format!("table {:032x}", self.table_id);
        Err(ArchiveError::new(&object, place, Fault::Hole, expected, found))
    }

    fn check_join(&self, chunk: &Chunk) -> Result<(), ArchiveError> {
        let (object, first) = (chunk.object.as_str(), chunk.first());
        let place = || format!("chunk of partition {} from entry {first}", chunk.partition);
        let owner = |table_id, partition| format!("table {table_id:032x}, partition {partition}");
        let expected = owner(self.table_id, self.partition);
        let found = owner(chunk.table_id, chunk.partition);
        require_eq(object, place(), Fault::Identity, expected, found)?;
        require_next(object, place(), self.last.0.saturating_add(1), first)?;
        require_eq(object, place(), Fault::Term, self.last.1, chunk.previous_term)
    }
}

/// The entries 1 to `cut.cut_index` of a partition, from its chunks in order. After an
/// error nothing more comes.
pub fn replay(
    table_id: u128,
    cut: &PartitionCut,
    chunks: impl IntoIterator<Item = Chunk>,
) -> impl Iterator<Item = Result<LogEntry, ArchiveError>> {
    let mut chunks = chunks.into_iter();
    let mut state = Some(Replay::new(table_id, cut));
    let batches = std::iter::from_fn(move || {
        let mut replay = state.take()?;
        let Some(chunk) = chunks.next() else {
            return Some(replay.finish().map(|()| Vec::new()));
        };
        let batch = replay.accept(chunk);
        // After an error the state stays taken, which ends the iteration.
        state = batch.is_ok().then_some(replay);
        Some(batch)
    });
    batches.flat_map(|batch| match batch {
        Ok(entries) => entries.into_iter().map(Ok).collect::<Vec<_>>(),
        Err(error) => vec![Err(error)],
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::archive::format::PartitionSpan;

    /// A chunk of partition 1 with the entries (index, term).
    fn chunk(previous_term: u64, entries: &[(u64, u64)]) -> Chunk {
        let entry = |&(index, term)| LogEntry { term, index, payload: Bytes::new() };
        let entries = entries.iter().map(entry).collect();
        Chunk { object: "segment".to_owned(), table_id: 7, partition: 1, previous_term, entries }
    }

    fn cut(cut_index: u64, cut_term: u64) -> PartitionCut {
        let span = PartitionSpan { partition: 1, hash_start: 0, hash_end: u64::MAX };
        PartitionCut { span, cut_index, cut_term, chunks: Vec::new() }
    }

    #[test]
    fn chunks_of_two_leaders_that_disagree_do_not_join() {
        let mut replay = Replay::new(7, &cut(3, 2));
        replay.accept(chunk(0, &[(1, 1), (2, 1)])).unwrap();
        let fault = replay.accept(chunk(2, &[(3, 2)])).unwrap_err().fault;
        assert_eq!(fault, Fault::Term);
        assert_eq!(replay.accept(chunk(1, &[(3, 2)])).unwrap().len(), 1);
        assert_eq!(replay.finish(), Ok(()));
    }

    #[test]
    fn nothing_comes_behind_an_error() {
        let chunks = vec![chunk(0, &[(1, 1)]), chunk(1, &[(3, 1)]), chunk(1, &[(2, 1)])];
        let cut = cut(2, 1);
        let mut entries = replay(7, &cut, chunks);
        assert!(entries.next().unwrap().is_ok());
        assert_eq!(entries.next().unwrap().unwrap_err().fault, Fault::Hole);
        assert!(entries.next().is_none());
    }

    #[test]
    fn an_empty_log_replays_to_nothing() {
        assert_eq!(replay(7, &cut(0, 0), vec![]).count(), 0);
        let error = replay(7, &cut(1, 1), vec![]).next().unwrap().unwrap_err();
        assert_eq!((error.fault, error.found.as_str()), (Fault::Hole, "entries up to 0"));
    }
}
