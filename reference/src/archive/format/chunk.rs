//! A chunk: consecutive log entries of one partition of one table. It can be fetched by a
//! ranged get and verified alone, from its [`ChunkRef`].
//!
//! Body: table id (16 bytes), partition, first index, last index, previous term (8 each),
//! entries.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::entry::LogEntry;
use super::envelope::{Kind, Reader, hex};
use super::error::{ArchiveError, Fault, require_eq, require_next};

const KIND: Kind = Kind { name: "chunk", magic: *b"SPck" };

/// Where a chunk lies, and what must be found there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ChunkRef {
    /// Key of the segment object that holds it.
    pub object: String,
    /// First byte of the chunk in that object.
    pub offset: u64,
    /// Bytes of the chunk.
    pub len: u64,
    /// Index of its first log entry.
    pub first: u64,
    /// Index of its last log entry.
    pub last: u64,
    /// The checksum at the chunk's end.
    pub checksum: u64,
}

/// A chunk read back and verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// The object that it was read from or is to be written to, for messages.
    pub object: String,
    /// The table it belongs to.
    pub table_id: u128,
    /// The partition it belongs to.
    pub partition: u64,
    /// Term of the entry before the first, 0 if the first has index 1. It joins chunks:
    /// two archivers that saw different logs are noticed here.
    pub previous_term: u64,
    /// The entries, without holes; at least one.
    pub entries: Vec<LogEntry>,
}

impl Chunk {
    /// Index of the first entry.
    #[must_use]
    pub fn first(&self) -> u64 {
        self.entries.first().map_or(0, |entry| entry.index)
    }

    /// Index of the last entry.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.entries.last().map_or(0, |entry| entry.index)
    }

    /// Term of the last entry.
    #[must_use]
    pub fn last_term(&self) -> u64 {
        self.entries.last().map_or(self.previous_term, |entry| entry.term)
    }

    /// Reads a chunk that was fetched by its reference.
    ///
    /// # Errors
    ///
    /// If the bytes are damaged, cut short, not the chunk that `chunk_ref` describes, of
    /// another table or partition, or hold entries with holes or falling terms.
    pub fn decode(
        table_id: u128,
        partition: u64,
        chunk_ref: &ChunkRef,
        bytes: &Bytes,
    ) -> Result<Chunk, ArchiveError> {
        let object = chunk_ref.object.as_str();
        let place = format!("chunk at byte {}", chunk_ref.offset);
        require_eq(object, &place, Fault::Length, chunk_ref.len, bytes.len() as u64)?;
        let (mut reader, checksum) = KIND.open(object, chunk_ref.offset, bytes)?;
        if checksum != chunk_ref.checksum {
            let (expected, found) = (hex(chunk_ref.checksum), hex(checksum));
            return Err(ArchiveError::new(object, &place, Fault::Identity, expected, found));
        }
        let (chunk, first, last) = read_body(object, &mut reader)?;
        let table = |id: u128| format!("table {id:032x}");
        require_eq(object, &place, Fault::Identity, table(table_id), table(chunk.table_id))?;
        let of_partition = |id: u64| format!("partition {id}");
        let (expected, found) = (of_partition(partition), of_partition(chunk.partition));
        require_eq(object, &place, Fault::Identity, expected, found)?;
        let range = |first, last| format!("entries {first} to {last}");
        let referenced = range(chunk_ref.first, chunk_ref.last);
        require_eq(object, &place, Fault::Identity, referenced, range(first, last))?;
        chunk.check()?;
        let held = range(chunk.first(), chunk.last());
        require_eq(object, &place, Fault::Hole, range(first, last), held)?;
        Ok(chunk)
    }

    /// Appends the chunk to the segment object `out`; answers its reference.
    pub(super) fn encode(&self, out: &mut Vec<u8>) -> Result<ChunkRef, ArchiveError> {
        self.check()?;
        Ok(self.encode_unchecked(out))
    }

    fn encode_unchecked(&self, out: &mut Vec<u8>) -> ChunkRef {
        let mut body = KIND.begin();
        body.extend_from_slice(&self.table_id.to_le_bytes());
        for number in [self.partition, self.first(), self.last(), self.previous_term] {
            body.extend_from_slice(&number.to_le_bytes());
        }
        for entry in &self.entries {
            entry.encode(&mut body);
        }
        let (bytes, checksum) = KIND.seal(body);
        let chunk_ref = ChunkRef {
            object: self.object.clone(),
            offset: out.len() as u64,
            len: bytes.len() as u64,
            first: self.first(),
            last: self.last(),
            checksum,
        };
        out.extend_from_slice(&bytes);
        chunk_ref
    }

    /// Refuses holes, falling terms, and a chunk without entries.
    fn check(&self) -> Result<(), ArchiveError> {
        let object = self.object.as_str();
        let place = || format!("chunk of partition {}", self.partition);
        let Some(first) = self.entries.first() else {
            let (fault, found) = (Fault::Hole, "none");
            return Err(ArchiveError::new(object, place(), fault, "at least one entry", found));
        };
        let starts_log = first.index == 1;
        if first.index == 0 || starts_log != (self.previous_term == 0) {
            let expected = "entry 1 with previous term 0, or a later one with its own";
            let found = format!("entry {}, previous term {}", first.index, self.previous_term);
            return Err(ArchiveError::new(object, place(), Fault::Term, expected, found));
        }
        let (mut index, mut term) = (first.index, self.previous_term);
        for entry in &self.entries {
            check_entry(object, self.partition, (index, term), entry)?;
            index = entry.index.saturating_add(1);
            term = entry.term;
        }
        Ok(())
    }
}

/// Refuses an entry other than that of index `expected.0`, with a term below `expected.1`.
fn check_entry(
    object: &str,
    partition: u64,
    expected: (u64, u64),
    entry: &LogEntry,
) -> Result<(), ArchiveError> {
    let place = || format!("partition {partition}, entry {}", entry.index);
    require_next(object, place(), expected.0, entry.index)?;
    let term_min = expected.1.max(1);
    if entry.term < term_min {
        let (expected, found) = (format!("a term from {term_min}"), entry.term);
        return Err(ArchiveError::new(object, place(), Fault::Term, expected, found));
    }
    Ok(())
}

/// The chunk in `reader`, with the first and last index that it claims.
fn read_body(object: &str, reader: &mut Reader) -> Result<(Chunk, u64, u64), ArchiveError> {
    let (table_id, partition) = (reader.u128()?, reader.u64()?);
    let (first, last, previous_term) = (reader.u64()?, reader.u64()?, reader.u64()?);
    let mut entries = Vec::new();
    while !reader.is_empty() {
        entries.push(LogEntry::decode(object, reader)?);
    }
    let object = object.to_owned();
    Ok((Chunk { object, table_id, partition, previous_term, entries }, first, last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::format::envelope::CHECKSUM_LEN;

    const TABLE: u128 = 0xa;
    const PARTITION: u64 = 5;

    /// A chunk of entries (index, term), written without the checks of the encoder.
    fn forged(previous_term: u64, entries: &[(u64, u64)]) -> (ChunkRef, Bytes) {
        let entry = |&(index, term)| LogEntry { term, index, payload: Bytes::from_static(b"x") };
        let entries = entries.iter().map(entry).collect();
        let object = "segment".to_owned();
        let chunk = Chunk { object, table_id: TABLE, partition: PARTITION, previous_term, entries };
        let mut out = Vec::new();
        let chunk_ref = chunk.encode_unchecked(&mut out);
        (chunk_ref, out.into())
    }

    fn fault_of(previous_term: u64, entries: &[(u64, u64)]) -> Option<Fault> {
        let (chunk_ref, bytes) = forged(previous_term, entries);
        Chunk::decode(TABLE, PARTITION, &chunk_ref, &bytes).err().map(|error| error.fault)
    }

    #[test]
    fn decoding_refuses_what_a_faulty_writer_could_have_sealed() {
        assert_eq!(fault_of(2, &[(7, 2), (8, 3)]), None);
        assert_eq!(fault_of(2, &[]), Some(Fault::Hole));
        assert_eq!(fault_of(2, &[(7, 2), (9, 3)]), Some(Fault::Hole));
        assert_eq!(fault_of(2, &[(7, 2), (7, 2)]), Some(Fault::Overlap));
        assert_eq!(fault_of(2, &[(7, 3), (8, 2)]), Some(Fault::Term));
        assert_eq!(fault_of(3, &[(7, 2)]), Some(Fault::Term));
        assert_eq!(fault_of(0, &[(1, 0)]), Some(Fault::Term));
        assert_eq!(fault_of(0, &[(7, 2)]), Some(Fault::Term));
        assert_eq!(fault_of(1, &[(1, 1)]), Some(Fault::Term));
        assert_eq!(fault_of(1, &[(0, 1)]), Some(Fault::Term));
    }

    #[test]
    fn an_entry_that_rotted_before_the_chunk_was_sealed_is_refused() {
        let (chunk_ref, bytes) = forged(2, &[(7, 2)]);
        let mut body = bytes[..bytes.len() - CHECKSUM_LEN].to_vec();
        let payload_at = body.len() - CHECKSUM_LEN - 1;
        body[payload_at] = b'y';
        let (bytes, checksum) = KIND.seal(body);
        let chunk_ref = ChunkRef { checksum, ..chunk_ref };
        let error = Chunk::decode(TABLE, PARTITION, &chunk_ref, &bytes).unwrap_err();
        assert_eq!((error.fault, error.place.as_str()), (Fault::Checksum, "entry 7 at byte 56"));
    }

    #[test]
    fn a_chunk_of_another_table_partition_or_range_is_refused() {
        let (chunk_ref, bytes) = forged(2, &[(7, 2), (8, 2)]);
        let fault = |table_id, partition, chunk_ref: &ChunkRef| {
            Chunk::decode(table_id, partition, chunk_ref, &bytes).err().map(|error| error.fault)
        };
        assert_eq!(fault(TABLE, PARTITION, &chunk_ref), None);
        assert_eq!(fault(TABLE + 1, PARTITION, &chunk_ref), Some(Fault::Identity));
        assert_eq!(fault(TABLE, PARTITION + 1, &chunk_ref), Some(Fault::Identity));
        let other = ChunkRef { last: 9, ..chunk_ref.clone() };
        assert_eq!(fault(TABLE, PARTITION, &other), Some(Fault::Identity));
        let other = ChunkRef { checksum: 1, ..chunk_ref };
        assert_eq!(fault(TABLE, PARTITION, &other), Some(Fault::Identity));
    }
}
