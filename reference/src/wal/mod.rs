//! The write-ahead log of one storage node: how it looks on disk, and how it is read
//! back after a crash.
//!
//! One log serves all partitions of a node. It is a row of segment files; a segment is
//! a header of [`SEGMENT_HEADER_LEN`] bytes followed by records without gaps. Log
//! sequence numbers (lsn) rise by one per record and run on across segments. Payloads
//! are opaque here, and so is their `kind`. Nothing in this module reads a file or
//! waits; the node does that.
//!
//! # What the writer must keep, so that [`recover`] may judge
//!
//! 1. A record's `synced_lsn` is at most the highest lsn whose sync had *returned* when
//!    the record was encoded.
//! 2. A segment is created only when its predecessor is synced to the end, and its name
//!    is synced (the directory) before a record in it counts as durable.
//! 3. After [`recover`], the newest segment is set to [`Tail::valid_len`] and synced
//!    before anything is appended or answered. Otherwise leftovers of the torn batch could
//!    follow new records, and records that a process crash left in the page cache alone
//!    would be taken for durable.
//! 4. Segments are removed from the front only, and only while a later one whose header
//!    is synced remains.
//!
//! # What it cannot see
//!
//! The newest synced batch has nothing behind it that vouches for it. If it rots before
//! the next record is written, it looks like a torn tail (Alagappan et al., "Protocol-Aware
//! Recovery for Consensus-Based Storage", FAST 2018, tell the two apart by a second write).
//! One batch is an exception: when a compacted log is all there is, the node sees that what
//! came before is gone, and so that the batch had been synced.

mod error;
mod record;
mod recover;
mod segment;

#[cfg(test)]
mod tests;

pub use error::{Damage, Evidence, WalError};
pub use record::{PAYLOAD_LEN_MAX, RECORD_HEADER_LEN, append_record, record_len};
pub use recover::{Record, Recovered, SegmentSpan, Tail, recover};
pub use segment::{
    FORMAT_VERSION, SEGMENT_HEADER_LEN, encode_header, parse_segment_file_name, segment_file_name,
};

/// The lsn of the first record that a node ever writes. 0 is left free to say "nothing is
/// durable yet" in `synced_lsn`.
pub const FIRST_LSN: u64 = 1;

/// The number of the first segment that a node ever creates.
pub const FIRST_SEGMENT: u64 = 1;

/// The eight bytes at `offset` as a little-endian number; callers have checked the length.
fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    u64::from_le_bytes(bytes[offset..offset + 8].try_into().expect("a slice of eight bytes"))
}

/// The four bytes at `offset` as a little-endian number; callers have checked the length.
fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(bytes[offset..offset + 4].try_into().expect("a slice of four bytes"))
}

/// The two bytes at `offset` as a little-endian number; callers have checked the length.
fn u16_at(bytes: &[u8], offset: usize) -> u16 {
    u16::from_le_bytes(bytes[offset..offset + 2].try_into().expect("a slice of two bytes"))
}
