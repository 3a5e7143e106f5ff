//! One entry of a partition's replicated log, as it is archived.
//!
//! Layout, little-endian: payload length 0..4, term 4..12, index 12..20, payload,
//! checksum (8 bytes) over all before it. What the payload means is the partition's.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::envelope::{Reader, hex};
use super::error::{ArchiveError, Fault};

/// Seed of entry checksums.
const ENTRY_SEED: u64 = 0x5350_4c4f_4745_4e54;
/// Bytes of an entry besides its payload.
const FRAME_LEN: usize = 4 + 8 + 8 + 8;

/// One log entry. The log of a partition begins at index 1 and has no holes; terms begin
/// at 1 and never fall.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEntry {
    /// Term of the leader that appended it.
    pub term: u64,
    /// Position in the partition's log.
    pub index: u64,
    /// The partition's own encoding of what happened.
    pub payload: Bytes,
}

impl LogEntry {
    /// The checksum that stands behind this entry in a chunk. It depends on term, index and
    /// payload alone, so replicas and archive can be compared entry by entry.
    ///
    /// # Panics
    ///
    /// If the payload is longer than `u32::MAX` bytes.
    #[must_use]
    pub fn checksum(&self) -> u64 {
        let mut out = Vec::with_capacity(self.encoded_len());
        self.encode_unsealed(&mut out);
        xxh3_64_with_seed(&out, ENTRY_SEED)
    }

    /// Bytes that this entry takes in a chunk.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        FRAME_LEN + self.payload.len()
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        self.encode_unsealed(out);
        let checksum = xxh3_64_with_seed(&out[start..], ENTRY_SEED);
        out.extend_from_slice(&checksum.to_le_bytes());
    }

    fn encode_unsealed(&self, out: &mut Vec<u8>) {
        let len = u32::try_from(self.payload.len()).expect("a log entry is far below 4 GiB");
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(&self.term.to_le_bytes());
        out.extend_from_slice(&self.index.to_le_bytes());
        out.extend_from_slice(&self.payload);
    }

    pub(super) fn decode(object: &str, reader: &mut Reader) -> Result<Self, ArchiveError> {
        let start = reader.place();
        let len = reader.u32()? as usize;
        let (term, index) = (reader.u64()?, reader.u64()?);
        let entry = LogEntry { term, index, payload: reader.take(len)? };
        let (stored, computed) = (reader.u64()?, entry.checksum());
        if stored != computed {
            let place = format!("entry {index} at byte {start}");
            let (expected, found) = (hex(stored), hex(computed));
            return Err(ArchiveError::new(object, place, Fault::Checksum, expected, found));
        }
        Ok(entry)
    }
}
