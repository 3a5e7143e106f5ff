//! What redb holds for us: items, images of partitions and the header, each with its checksum.
//!
//! Layout, little-endian. Item: checksum 0..8, sequence number 8..16, bytes from 16. Image:
//! checksum 0..8, bytes from 8. Header: checksum 0..8, format version 8..12, node 12..14. A
//! checksum is XXH3 with 64 bits over the place (the encoded key, or the partition) and all that
//! follows it, under a seed for each kind: bytes that stand in a wrong place are as wrong as bytes
//! that changed.

use crate::ids::{Index, NodeId, PartitionId};
use crate::partition::StoreFault;
use bytes::Bytes;
use xxhash_rust::xxh3::Xxh3;

/// The format that this build writes, and the newest that it reads.
pub(super) const FORMAT_VERSION: u32 = 1;

const ITEM_SEED: u64 = 0x5350_4954_454d_3031;
const IMAGE_SEED: u64 = 0x5350_494d_4147_3031;
const HEADER_SEED: u64 = 0x5350_4845_4144_3031;
const CHECKSUM_LEN: usize = 8;

fn checksum(seed: u64, place: &[u8], rest: &[u8]) -> [u8; CHECKSUM_LEN] {
    let mut hasher = Xxh3::with_seed(seed);
    hasher.update(&(place.len() as u64).to_le_bytes());
    hasher.update(place);
    hasher.update(rest);
    hasher.digest().to_le_bytes()
}

fn seal(seed: u64, place: &[u8], head: &[u8], bytes: &[u8]) -> Vec<u8> {
    let mut record = Vec::with_capacity(CHECKSUM_LEN + head.len() + bytes.len());
    record.extend_from_slice(&[0; CHECKSUM_LEN]);
    record.extend_from_slice(head);
    record.extend_from_slice(bytes);
    let sum = checksum(seed, place, &record[CHECKSUM_LEN..]);
    record[..CHECKSUM_LEN].copy_from_slice(&sum);
    record
}

fn unseal<'a>(seed: u64, place: &[u8], record: &'a [u8]) -> Option<&'a [u8]> {
    let (stored, rest) = record.split_first_chunk::<CHECKSUM_LEN>()?;
    (*stored == checksum(seed, place, rest)).then_some(rest)
}

/// An item as it rests under `key`.
pub(super) fn item(key: &[u8], index: Index, bytes: &[u8]) -> Vec<u8> {
    seal(ITEM_SEED, key, &index.0.to_le_bytes(), bytes)
}

/// The item that rests under `key`, and the log sequence number of the write that made it.
pub(super) fn read_item(key: &[u8], record: &[u8]) -> Result<(Index, Bytes), StoreFault> {
    unseal(ITEM_SEED, key, record)
        .and_then(|rest| rest.split_first_chunk::<8>())
        .map(|(index, bytes)| (Index(u64::from_le_bytes(*index)), Bytes::copy_from_slice(bytes)))
        .ok_or_else(|| StoreFault { why: format!("the item under {key:02x?} fails its checksum") })
}

/// A partition's image as it rests.
pub(super) fn image(partition: PartitionId, bytes: &[u8]) -> Vec<u8> {
    seal(IMAGE_SEED, &partition.0.to_le_bytes(), &[], bytes)
}

/// A partition's image.
pub(super) fn read_image(partition: PartitionId, record: &[u8]) -> Result<Bytes, StoreFault> {
    unseal(IMAGE_SEED, &partition.0.to_le_bytes(), record)
        .map(Bytes::copy_from_slice)
        .ok_or_else(|| StoreFault { why: format!("the image of {partition} fails its checksum") })
}

/// Whose file it is, and how it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) version: u32,
    pub(super) node: NodeId,
}

impl Header {
    pub(super) fn encode(self) -> Vec<u8> {
        seal(HEADER_SEED, &[], &self.version.to_le_bytes(), &self.node.0.to_le_bytes())
    }

    /// A newer version may append fields: what stands behind the node is not looked at.
    pub(super) fn decode(record: &[u8]) -> Result<Self, StoreFault> {
        let fields = unseal(HEADER_SEED, &[], record).and_then(|rest| {
            let (version, rest) = rest.split_first_chunk::<4>()?;
            let (node, _) = rest.split_first_chunk::<2>()?;
            Some((u32::from_le_bytes(*version), NodeId(u16::from_le_bytes(*node))))
        });
        let (version, node) =
            fields.ok_or_else(|| StoreFault { why: "the header fails its checksum".to_owned() })?;
        Ok(Self { version, node })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_only_where_it_was_put() {
        let record = item(b"here", Index(7), b"value");
        let expected = (Index(7), Bytes::from_static(b"value"));
        assert_eq!(read_item(b"here", &record), Ok(expected));
        assert!(read_item(b"there", &record).is_err());
        let image = image(PartitionId(3), b"image");
        assert_eq!(read_image(PartitionId(3), &image), Ok(Bytes::from_static(b"image")));
        assert!(read_image(PartitionId(4), &image).is_err());
        assert!(read_item(&3u64.to_le_bytes(), &image).is_err(), "an image is no item");
    }

    #[test]
    fn every_flipped_bit_and_every_lost_byte_is_seen() {
        let record = item(b"key", Index(7), b"some value");
        for bit in 0..record.len() * 8 {
            let mut flipped = record.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(read_item(b"key", &flipped).is_err(), "bit {bit}");
        }
        for len in 0..record.len() {
            assert!(read_item(b"key", &record[..len]).is_err(), "{len} bytes of it");
        }
    }

    #[test]
    fn a_header_comes_back() {
        let header = Header { version: FORMAT_VERSION, node: NodeId(258) };
        assert_eq!(Header::decode(&header.encode()), Ok(header));
        assert!(Header::decode(&header.encode()[1..]).is_err());
    }
}
