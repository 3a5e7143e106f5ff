//! Keys of items as redb sorts them: bytes whose order is that of (partition, [`ItemKey`]).
//!
//! Layout: partition (8, big-endian), hash (8, big-endian), the partition key with each zero byte
//! written as `00 ff` and closed by `00 00`, then the sort key as it is. The escape makes a
//! partition key that begins another sort before it, whatever their sort keys are.

use crate::ids::PartitionId;
use crate::item::PrimaryKey;
use crate::partition::ItemKey;
use bytes::Bytes;
use std::ops::Bound;

const ESCAPED_ZERO: [u8; 2] = [0, 0xff];
const CLOSE: [u8; 2] = [0, 0];

/// Where an item stands in the table of all items of a node.
pub(super) fn encode(partition: PartitionId, key: &ItemKey) -> Vec<u8> {
    let PrimaryKey { partition: head, sort } = &key.primary;
    let mut bytes = Vec::with_capacity(18 + head.len() + sort.len());
    bytes.extend_from_slice(&partition.0.to_be_bytes());
    bytes.extend_from_slice(&key.hash.to_be_bytes());
    for &byte in head {
        if byte == 0 {
            bytes.extend_from_slice(&ESCAPED_ZERO);
        } else {
            bytes.push(byte);
        }
    }
    bytes.extend_from_slice(&CLOSE);
    bytes.extend_from_slice(sort);
    bytes
}

/// Reads what [`encode`] wrote; `None` for anything else.
pub(super) fn decode(bytes: &[u8]) -> Option<(PartitionId, ItemKey)> {
    let (partition, rest) = bytes.split_first_chunk::<8>()?;
    let (hash, mut rest) = rest.split_first_chunk::<8>()?;
    let mut head = Vec::with_capacity(rest.len());
    loop {
        let plain = rest.iter().position(|&byte| byte == 0)?;
        head.extend_from_slice(&rest[..plain]);
        let (mark, behind) = rest[plain..].split_first_chunk::<2>()?;
        rest = behind;
        match *mark {
            ESCAPED_ZERO => head.push(0),
            CLOSE => break,
            _ => return None,
        }
    }
    let primary = PrimaryKey { partition: head.into(), sort: Bytes::copy_from_slice(rest) };
    let key = ItemKey { hash: u64::from_be_bytes(*hash), primary };
    Some((PartitionId(u64::from_be_bytes(*partition)), key))
}

/// Owned ends of a range of encoded keys.
pub(super) type KeyRange = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// All keys of a partition, or those behind `after`.
pub(super) fn range(partition: PartitionId, after: Option<&ItemKey>) -> KeyRange {
    let start = match after {
        Some(key) => Bound::Excluded(encode(partition, key)),
        None => Bound::Included(partition.0.to_be_bytes().to_vec()),
    };
    let next = partition.0.checked_add(1);
    let end = next.map_or(Bound::Unbounded, |next| Bound::Excluded(next.to_be_bytes().to_vec()));
    (start, end)
}

/// The same range, borrowed.
pub(super) fn borrowed(range: &KeyRange) -> (Bound<&[u8]>, Bound<&[u8]>) {
    (range.0.as_ref().map(Vec::as_slice), range.1.as_ref().map(Vec::as_slice))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Few byte values, so that keys begin one another and hold what the escape is made of.
    fn part() -> impl Strategy<Value = Bytes> {
        let byte = prop_oneof![Just(0u8), Just(1), Just(0xfe), Just(0xff), any::<u8>()];
        proptest::collection::vec(byte, 0..6).prop_map(Bytes::from)
    }

    fn place() -> impl Strategy<Value = (PartitionId, ItemKey)> {
        let number = prop_oneof![Just(0u64), Just(1), Just(255), Just(256), Just(u64::MAX)];
        (number.clone(), number, part(), part()).prop_map(|(partition, hash, head, sort)| {
            let primary = PrimaryKey { partition: head, sort };
            (PartitionId(partition), ItemKey { hash, primary })
        })
    }

    proptest! {
        #[test]
        fn bytes_sort_as_keys_do(a in place(), b in place()) {
            prop_assert_eq!(encode(a.0, &a.1).cmp(&encode(b.0, &b.1)), a.cmp(&b));
        }

        #[test]
        fn a_key_comes_back(a in place()) {
            prop_assert_eq!(decode(&encode(a.0, &a.1)), Some(a));
        }

        #[test]
        fn a_range_holds_the_keys_of_its_partition_behind_its_start(a in place(), b in place()) {
            use std::ops::RangeBounds;
            let bytes = encode(b.0, &b.1);
            prop_assert_eq!(range(a.0, None).contains(&bytes), a.0 == b.0);
            prop_assert_eq!(range(a.0, Some(&a.1)).contains(&bytes), a.0 == b.0 && a.1 < b.1);
        }
    }

    #[test]
    fn foreign_bytes_are_no_key() {
        let whole = encode(
            PartitionId(1),
            &ItemKey::new(PrimaryKey { partition: Bytes::from_static(b"a"), sort: Bytes::new() }),
        );
        for len in 0..whole.len() {
            assert_eq!(decode(&whole[..len]), None, "{len} bytes of a key");
        }
    }
}
