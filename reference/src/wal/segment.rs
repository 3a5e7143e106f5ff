//! The segment header and the names of segment files.
//!
//! Layout, little-endian, 512 bytes (one sector, so that it is written whole):
//! magic 0..8, format version 8..10, node 10..12, zero 12..16, segment 16..24,
//! first lsn 24..32, zero 32..504, checksum 504..512 over all before it.
//! Magic, version and checksum keep their places in every later version, so that an old
//! build can tell a newer header from a damaged one.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::error::Damage;
use super::{u16_at, u64_at};

/// Version of the headers and records that this build writes and reads.
pub const FORMAT_VERSION: u16 = 1;

/// Bytes of a segment header; the first record begins right after it.
pub const SEGMENT_HEADER_LEN: usize = 512;

const MAGIC: &[u8; 8] = b"SPWALSEG";
const CHECKSUM_AT: usize = SEGMENT_HEADER_LEN - 8;
/// Seed of header checksums; differs from the record seed so that neither passes as the other.
const HEADER_SEED: u64 = 0x5350_5741_4c53_4547;

/// What an intact header says. Version and node are judged by the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) version: u16,
    pub(super) node: u16,
    pub(super) segment: u64,
    pub(super) first_lsn: u64,
}

/// The first [`SEGMENT_HEADER_LEN`] bytes of segment `segment` of `node`, whose first record
/// will be `first_lsn`.
#[must_use]
pub fn encode_header(node: u16, segment: u64, first_lsn: u64) -> Vec<u8> {
    let mut header = vec![0; SEGMENT_HEADER_LEN];
    header[0..8].copy_from_slice(MAGIC);
    header[8..10].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
    header[10..12].copy_from_slice(&node.to_le_bytes());
    header[16..24].copy_from_slice(&segment.to_le_bytes());
    header[24..32].copy_from_slice(&first_lsn.to_le_bytes());
    seal(&mut header);
    header
}

/// Writes the checksum of a header into its last eight bytes.
pub(super) fn seal(header: &mut [u8]) {
    let checksum = xxh3_64_with_seed(&header[..CHECKSUM_AT], HEADER_SEED);
    header[CHECKSUM_AT..].copy_from_slice(&checksum.to_le_bytes());
}

/// Reads the header at the start of a segment file.
pub(super) fn decode_header(bytes: &[u8]) -> Result<Header, Damage> {
    let Some(header) = bytes.get(..SEGMENT_HEADER_LEN) else {
        return Err(Damage::Short { needed: SEGMENT_HEADER_LEN as u64, found: bytes.len() as u64 });
    };
    if !header.starts_with(MAGIC) {
        return Err(Damage::NotAHeader);
    }
    let stored = u64_at(header, CHECKSUM_AT);
    let computed = xxh3_64_with_seed(&header[..CHECKSUM_AT], HEADER_SEED);
    if stored != computed {
        return Err(Damage::Checksum { stored, computed });
    }
    Ok(Header {
        version: u16_at(header, 8),
        node: u16_at(header, 10),
        segment: u64_at(header, 16),
        first_lsn: u64_at(header, 24),
    })
}

/// The file name of a segment, without a folder. Names sort as numbers do.
#[must_use]
pub fn segment_file_name(segment: u64) -> String {
    format!("{segment:020}.log")
}

/// The segment number in a file name, or `None` for a name that [`segment_file_name`] does
/// not make.
#[must_use]
pub fn parse_segment_file_name(name: &str) -> Option<u64> {
    let segment = name.strip_suffix(".log")?.parse().ok()?;
    (segment_file_name(segment) == name).then_some(segment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_reads_back_and_any_flipped_byte_is_seen() {
        let header = encode_header(7, 3, 41);
        let read = Header { version: FORMAT_VERSION, node: 7, segment: 3, first_lsn: 41 };
        assert_eq!(decode_header(&header), Ok(read));
        for at in 0..header.len() {
            let mut damaged = header.clone();
            damaged[at] ^= 0x10;
            assert!(decode_header(&damaged).is_err(), "byte {at}");
        }
        assert!(decode_header(&header[..511]).is_err());
    }

    #[test]
    fn file_names_sort_as_numbers_and_only_ours_are_parsed() {
        assert!(segment_file_name(9) < segment_file_name(10));
        assert!(segment_file_name(10) < segment_file_name(u64::MAX));
        for segment in [0, 1, u64::MAX] {
            assert_eq!(parse_segment_file_name(&segment_file_name(segment)), Some(segment));
        }
        for name in ["1.log", "+0000000000000000001.log", "00000000000000000001.tmp", ""] {
            assert_eq!(parse_segment_file_name(name), None, "{name}");
        }
    }
}
