//! What all objects have in common: magic number, format version, checksum at the end;
//! and a reader that turns missing bytes into errors.
//!
//! Layout, little-endian: magic 0..4, version 4..6, zero 6..8, body, checksum (8 bytes)
//! over all before it. These keep their places in every later version, so that a newer
//! object can be told from a damaged one.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::error::{ArchiveError, Fault, require_eq};

/// Version of all archive objects that this build writes and reads.
pub const FORMAT_VERSION: u16 = 1;

/// Bytes before the body.
pub(super) const HEAD_LEN: usize = 8;
/// Bytes behind the body.
pub(super) const CHECKSUM_LEN: usize = 8;

/// Seed of the checksums of all objects; the magic number is among what they cover, so an
/// object of one kind never passes for another.
const OBJECT_SEED: u64 = 0x5350_4152_4348_4956;

/// A kind of object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) magic: [u8; 4],
}

impl Kind {
    /// Begins an object.
    pub(super) fn begin(self) -> Vec<u8> {
        let mut out = self.magic.to_vec();
        out.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        out.extend_from_slice(&[0, 0]);
        out
    }

    /// Ends an object; answers its checksum too.
    pub(super) fn seal(self, mut out: Vec<u8>) -> (Bytes, u64) {
        let checksum = checksum_of(&out);
        out.extend_from_slice(&checksum.to_le_bytes());
        (Bytes::from(out), checksum)
    }

    /// Checks length, magic number, checksum and version of a whole object that begins at
    /// byte `base` of `object`; answers a reader of its body, and its checksum.
    pub(super) fn open<'a>(
        self,
        object: &'a str,
        base: u64,
        bytes: &Bytes,
    ) -> Result<(Reader<'a>, u64), ArchiveError> {
        let place = format!("{} at byte {base}", self.name);
        let fail = |fault, expected: String, found: String| {
            Err(ArchiveError::new(object, &place, fault, expected, found))
        };
        if bytes.len() < HEAD_LEN + CHECKSUM_LEN {
            let needed = format!("at least {} bytes", HEAD_LEN + CHECKSUM_LEN);
            return fail(Fault::Length, needed, format!("{} bytes", bytes.len()));
        }
        if bytes[..4] != self.magic {
            return fail(Fault::Magic, text(&self.magic), text(&bytes[..4]));
        }
        let body_end = bytes.len() - CHECKSUM_LEN;
        let stored = u64_of(&bytes[body_end..]);
        let computed = checksum_of(&bytes[..body_end]);
        if stored != computed {
            return fail(Fault::Checksum, hex(stored), hex(computed));
        }
        let version = u16::from_le_bytes([bytes[4], bytes[5]]);
        require_eq(object, &place, Fault::Version, FORMAT_VERSION, version)?;
        let reader = Reader { object, base, bytes: bytes.slice(..body_end), at: HEAD_LEN };
        Ok((reader, stored))
    }

    /// A whole object whose body is `value` in postcard's encoding.
    pub(super) fn encode_value<T: Serialize>(self, value: &T) -> (Bytes, u64) {
        let out = postcard::to_extend(value, self.begin()).expect("plain data always encodes");
        self.seal(out)
    }

    /// Reads an object made by [`Kind::encode_value`]; answers its checksum too.
    pub(super) fn decode_value<T: DeserializeOwned>(
        self,
        object: &str,
        bytes: &Bytes,
    ) -> Result<(T, u64), ArchiveError> {
        let (reader, checksum) = self.open(object, 0, bytes)?;
        Ok((reader.rest_as_value()?, checksum))
    }
}

/// Reads numbers and slices in order; every error names the byte in the object.
pub(super) struct Reader<'a> {
    object: &'a str,
    base: u64,
    bytes: Bytes,
    at: usize,
}

impl Reader<'_> {
    /// Where the reader stands, in bytes from the start of the object in the store.
    pub(super) fn place(&self) -> u64 {
        self.base + self.at as u64
    }

    /// Whether the body is used up.
    pub(super) fn is_empty(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// The next `len` bytes, without copying them.
    pub(super) fn take(&mut self, len: usize) -> Result<Bytes, ArchiveError> {
        let left = self.bytes.len() - self.at;
        if left < len {
            let place = format!("byte {}", self.place());
            let (expected, found) = (format!("{len} bytes"), format!("{left} bytes"));
            return Err(ArchiveError::new(self.object, place, Fault::Length, expected, found));
        }
        self.at += len;
        Ok(self.bytes.slice(self.at - len..self.at))
    }

    pub(super) fn u32(&mut self) -> Result<u32, ArchiveError> {
        let bytes = self.take(4)?;
        Ok(u32::from_le_bytes(bytes[..].try_into().expect("four bytes were taken")))
    }

    pub(super) fn u64(&mut self) -> Result<u64, ArchiveError> {
        Ok(u64_of(&self.take(8)?))
    }

    pub(super) fn u128(&mut self) -> Result<u128, ArchiveError> {
        let bytes = self.take(16)?;
        Ok(u128::from_le_bytes(bytes[..].try_into().expect("sixteen bytes were taken")))
    }

    /// All that is left, read as one value in postcard's encoding.
    pub(super) fn rest_as_value<T: DeserializeOwned>(&self) -> Result<T, ArchiveError> {
        let rest = &self.bytes[self.at..];
        let fail = |found: String| {
            let place = format!("body at byte {}", self.place());
            ArchiveError::new(self.object, place, Fault::Malformed, "one encoded value", found)
        };
        match postcard::take_from_bytes(rest) {
            Ok((value, [])) => Ok(value),
            Ok((_, left)) => Err(fail(format!("{} bytes behind it", left.len()))),
            Err(error) => Err(fail(error.to_string())),
        }
    }
}

/// The checksum of an object, over everything before the checksum.
fn checksum_of(bytes: &[u8]) -> u64 {
    xxh3_64_with_seed(bytes, OBJECT_SEED)
}

/// A checksum as errors show it.
pub(super) fn hex(checksum: u64) -> String {
    format!("checksum {checksum:016x}")
}

fn text(magic: &[u8]) -> String {
    format!("magic \"{}\"", magic.escape_ascii())
}

/// Eight bytes as a little-endian number; callers have checked the length.
pub(super) fn u64_of(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().expect("a slice of eight bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: Kind = Kind { name: "test object", magic: *b"SPxx" };

    #[test]
    fn a_sealed_body_holds_one_value_and_nothing_else() {
        let decode = |body: &[u8]| {
            let (bytes, _) = KIND.seal([&KIND.begin(), body].concat());
            KIND.decode_value::<u8>("key", &bytes).map(|(value, _)| value)
        };
        assert_eq!(decode(&[7]), Ok(7));
        assert_eq!(decode(&[7, 7]).unwrap_err().found, "1 bytes behind it");
        assert_eq!(decode(&[]).unwrap_err().fault, Fault::Malformed);
    }

    #[test]
    fn one_kind_of_object_never_passes_for_another() {
        let other = Kind { name: "other object", magic: *b"SPyy" };
        let (bytes, _) = other.encode_value(&7_u8);
        let error = KIND.decode_value::<u8>("key", &bytes).unwrap_err();
        assert_eq!(
            error.to_string(),
            "archive object key, test object at byte 0: not this kind of object: \
             expected magic \"SPxx\", found magic \"SPyy\""
        );
        let mut disguised = bytes.to_vec();
        disguised[..4].copy_from_slice(&KIND.magic);
        let error = KIND.decode_value::<u8>("key", &disguised.into()).unwrap_err();
        assert_eq!(error.fault, Fault::Checksum);
    }
}
