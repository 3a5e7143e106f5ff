//! One record of the log.
//!
//! Layout, little-endian: checksum 0..8 over all that follows (payload included),
//! magic 8..12, payload length 12..16, lsn 16..24, synced lsn 24..32, kind 32,
//! zero 33..40, payload from 40. Records follow one another without padding.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::error::Damage;
use super::{u32_at, u64_at};

/// Bytes of a record before its payload.
pub const RECORD_HEADER_LEN: usize = 40;

/// Longest payload, in bytes. A bound lets a damaged length be recognised at once; it is
/// four times the largest transaction (4 MB).
pub const PAYLOAD_LEN_MAX: usize = 16 << 20;

const MAGIC: u32 = u32::from_le_bytes(*b"SPwr");
/// Seed of record checksums.
const RECORD_SEED: u64 = 0x5350_5741_4c52_4543;

/// What the header of an intact record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RecordHeader {
    pub(super) lsn: u64,
    pub(super) synced_lsn: u64,
    pub(super) kind: u8,
    pub(super) payload_len: usize,
}

impl RecordHeader {
    /// Bytes of the whole record.
    pub(super) fn record_len(&self) -> usize {
        record_len(self.payload_len)
    }
}

/// Bytes that a record with a payload of `payload_len` bytes takes on disk.
#[must_use]
pub const fn record_len(payload_len: usize) -> usize {
    RECORD_HEADER_LEN + payload_len
}

/// Appends one record to `out`, which may be a batch or a whole segment.
///
/// `synced_lsn` is the highest lsn known to be durable now, 0 for none.
///
/// # Panics
///
/// If `synced_lsn` is not below `lsn`, or the payload exceeds [`PAYLOAD_LEN_MAX`]: both
/// would write a log that cannot be recovered.
pub fn append_record(out: &mut Vec<u8>, lsn: u64, synced_lsn: u64, kind: u8, payload: &[u8]) {
    assert!(synced_lsn < lsn, "lsn {lsn} is written, yet lsn {synced_lsn} is said to be durable");
    assert!(payload.len() <= PAYLOAD_LEN_MAX, "a payload of {} bytes", payload.len());
    let payload_len = u32::try_from(payload.len()).expect("bounded by PAYLOAD_LEN_MAX");
    let start = out.len();
    out.reserve(record_len(payload.len()));
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(&MAGIC.to_le_bytes());
    out.extend_from_slice(&payload_len.to_le_bytes());
    out.extend_from_slice(&lsn.to_le_bytes());
    out.extend_from_slice(&synced_lsn.to_le_bytes());
    out.extend_from_slice(&[kind, 0, 0, 0, 0, 0, 0, 0]);
    out.extend_from_slice(payload);
    let checksum = xxh3_64_with_seed(&out[start + 8..], RECORD_SEED);
    out[start..start + 8].copy_from_slice(&checksum.to_le_bytes());
}

/// Reads the record at the start of `bytes`; what follows it is not looked at.
pub(super) fn decode_record(bytes: &[u8]) -> Result<RecordHeader, Damage> {
    let header = decode_unverified(bytes)?;
    let stored = u64_at(bytes, 0);
    let computed = xxh3_64_with_seed(&bytes[8..header.record_len()], RECORD_SEED);
    if stored != computed {
        return Err(Damage::Checksum { stored, computed });
    }
    if header.synced_lsn >= header.lsn {
        return Err(Damage::SyncedAhead { synced_lsn: header.synced_lsn });
    }
    Ok(header)
}

/// The fields of what looks like a record that lies wholly within `bytes`.
fn decode_unverified(bytes: &[u8]) -> Result<RecordHeader, Damage> {
    let found = bytes.len() as u64;
    let Some(header) = bytes.get(..RECORD_HEADER_LEN) else {
        return Err(Damage::Short { needed: RECORD_HEADER_LEN as u64, found });
    };
    if u32_at(header, 8) != MAGIC {
        return Err(Damage::NotAHeader);
    }
    let payload_len = u32_at(header, 12);
    if payload_len as usize > PAYLOAD_LEN_MAX {
        return Err(Damage::TooLong { found: payload_len });
    }
    let needed = record_len(payload_len as usize);
    if bytes.len() < needed {
        return Err(Damage::Short { needed: needed as u64, found });
    }
    Ok(RecordHeader {
        lsn: u64_at(header, 16),
        synced_lsn: u64_at(header, 24),
        kind: header[32],
        payload_len: payload_len as usize,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_and_any_flipped_byte_is_seen() {
        let mut bytes = Vec::new();
        append_record(&mut bytes, 9, 4, 2, b"payload");
        let header = RecordHeader { lsn: 9, synced_lsn: 4, kind: 2, payload_len: 7 };
        assert_eq!(decode_record(&bytes), Ok(header));
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x01;
            assert!(decode_record(&damaged).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_damaged_length_is_refused_before_it_is_hashed() {
        let mut bytes = Vec::new();
        append_record(&mut bytes, 1, 0, 0, b"x");
        bytes[12..16].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(decode_record(&bytes), Err(Damage::TooLong { found: u32::MAX }));
        bytes[12..16].copy_from_slice(&2_u32.to_le_bytes());
        assert_eq!(decode_record(&bytes), Err(Damage::Short { needed: 42, found: 41 }));
    }

    #[test]
    #[should_panic(expected = "is said to be durable")]
    fn a_record_may_not_vouch_for_itself() {
        append_record(&mut Vec::new(), 5, 5, 0, b"");
    }
}
