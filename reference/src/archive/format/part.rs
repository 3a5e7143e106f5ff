//! A backup part: what one node says about some partitions of one backup. For each, where
//! the cut is and which chunks hold the log up to it.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::backup::PartRef;
use super::chunk::ChunkRef;
use super::envelope::{Kind, hex};
use super::error::{ArchiveError, Fault, require_eq, require_next};

const KIND: Kind = Kind { name: "backup part", magic: *b"SPbp" };

/// A partition and the hash range that it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PartitionSpan {
    /// The partition.
    pub partition: u64,
    /// First hash value that it holds.
    pub hash_start: u64,
    /// Last hash value that it holds.
    pub hash_end: u64,
}

/// One partition of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionCut {
    /// The partition and its hash range at the cut.
    pub span: PartitionSpan,
    /// Index of the last log entry that belongs to the backup; 0 for an empty log.
    pub cut_index: u64,
    /// Term of that entry; 0 for an empty log.
    pub cut_term: u64,
    /// The chunks that hold entries 1 to `cut_index`, in order. The last may go on beyond.
    pub chunks: Vec<ChunkRef>,
}

impl PartitionCut {
    /// Refuses chunks that do not hold every entry up to the cut exactly once.
    fn check(&self, object: &str) -> Result<(), ArchiveError> {
        let partition = self.span.partition;
        let mut next = 1;
        for (number, chunk) in self.chunks.iter().enumerate() {
            let place = format!("partition {partition}, chunk {number}");
            require_next(object, &place, next, chunk.first)?;
            if chunk.last < chunk.first {
                let expected = format!("a last entry from {}", chunk.first);
                let fault = Fault::Malformed;
                return Err(ArchiveError::new(object, place, fault, expected, chunk.last));
            }
            next = chunk.last.saturating_add(1);
        }
        if next <= self.cut_index {
            let place = format!("partition {partition}, last chunk");
            let expected = format!("entries up to the cut at {}", self.cut_index);
            let found = format!("entries up to {}", next - 1);
            return Err(ArchiveError::new(object, place, Fault::Hole, expected, found));
        }
        let place = format!("partition {partition}, cut");
        let empty = |is_empty| {
            if is_empty { "an empty log" } else { "a log with entries" }
        };
        let (by_index, by_term) = (empty(self.cut_index == 0), empty(self.cut_term == 0));
        require_eq(object, place, Fault::Term, by_index, by_term)
    }
}

/// A backup part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupPart {
    /// The backup it belongs to.
    pub backup_id: String,
    /// The table that was backed up.
    pub table_id: u128,
    /// Its partitions.
    pub partitions: Vec<PartitionCut>,
}

impl BackupPart {
    /// The object to be stored under `key`, and the reference that the manifest needs.
    ///
    /// # Errors
    ///
    /// If the chunks of a partition do not tile its log from entry 1 to the cut.
    pub fn encode(&self, key: &str) -> Result<(Bytes, PartRef), ArchiveError> {
        self.check(key)?;
        let (bytes, checksum) = KIND.encode_value(self);
        let part_ref = PartRef {
            object: key.to_owned(),
            len: bytes.len() as u64,
            checksum,
            partitions: self.spans(),
        };
        Ok((bytes, part_ref))
    }

    /// Reads a part that was fetched by its reference.
    ///
    /// # Errors
    ///
    /// If the bytes are damaged, not the part that `part_ref` describes, of another backup
    /// or table, or the chunks of a partition do not tile its log up to the cut.
    pub fn decode(
        backup_id: &str,
        table_id: u128,
        part_ref: &PartRef,
        bytes: &Bytes,
    ) -> Result<BackupPart, ArchiveError> {
        let object = part_ref.object.as_str();
        require_eq(object, "object", Fault::Length, part_ref.len, bytes.len() as u64)?;
        let (part, checksum): (BackupPart, u64) = KIND.decode_value(object, bytes)?;
        let identity = |expected: String, found: String| {
            require_eq(object, "object", Fault::Identity, expected, found)
        };
        identity(hex(part_ref.checksum), hex(checksum))?;
        identity(format!("backup {backup_id}"), format!("backup {}", part.backup_id))?;
        let table = |id: u128| format!("table {id:032x}");
        identity(table(table_id), table(part.table_id))?;
        identity(format!("{:?}", part_ref.partitions), format!("{:?}", part.spans()))?;
        part.check(object)?;
        Ok(part)
    }

    fn spans(&self) -> Vec<PartitionSpan> {
        self.partitions.iter().map(|cut| cut.span).collect()
    }

    fn check(&self, object: &str) -> Result<(), ArchiveError> {
        self.partitions.iter().try_for_each(|cut| cut.check(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fault of a partition with the chunks (first, last) and the cut (index, term).
    fn fault(chunks: &[(u64, u64)], (cut_index, cut_term): (u64, u64)) -> Option<Fault> {
        let object = "segment".to_owned();
        let chunk = ChunkRef { object, offset: 0, len: 1, first: 1, last: 1, checksum: 1 };
        let reference = |&(first, last)| ChunkRef { first, last, ..chunk.clone() };
        let span = PartitionSpan { partition: 1, hash_start: 0, hash_end: u64::MAX };
        let chunks = chunks.iter().map(reference).collect();
        let partitions = vec![PartitionCut { span, cut_index, cut_term, chunks }];
        let part = BackupPart { backup_id: "backup".to_owned(), table_id: 1, partitions };
        part.encode("part").err().map(|error| error.fault)
    }

    #[test]
    fn chunks_tile_the_log_up_to_the_cut() {
        assert_eq!(fault(&[(1, 4), (5, 9)], (9, 2)), None);
        assert_eq!(fault(&[(1, 4), (5, 9)], (6, 2)), None);
        assert_eq!(fault(&[], (0, 0)), None);
        assert_eq!(fault(&[(1, 4), (5, 9)], (10, 2)), Some(Fault::Hole));
        assert_eq!(fault(&[(1, 4), (6, 9)], (9, 2)), Some(Fault::Hole));
        assert_eq!(fault(&[(2, 4)], (4, 2)), Some(Fault::Hole));
        assert_eq!(fault(&[(1, 4), (4, 9)], (9, 2)), Some(Fault::Overlap));
        assert_eq!(fault(&[(1, 0)], (0, 0)), Some(Fault::Malformed));
    }

    #[test]
    fn only_an_empty_log_is_cut_at_nothing() {
        assert_eq!(fault(&[(1, 1)], (1, 0)), Some(Fault::Term));
        assert_eq!(fault(&[], (0, 1)), Some(Fault::Term));
    }
}
