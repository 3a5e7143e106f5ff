//! Why a log could not be recovered, in words that say what to do.
//! What counts as damage and what as a torn tail is decided in `recover.rs`.

use thiserror::Error;

/// A log that must not be used. None of these is ever answered by cutting the log short:
/// each means that acknowledged records may be lost, or that the files are not ours.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WalError {
    /// Bytes that were durable once no longer read as they were written.
    #[error(
        "log segment {segment} is damaged at byte {offset}, where lsn {lsn} should be: {why}; \
         {evidence}; keep the files, do not truncate them, and leave this node stopped: the others \
         of its replication groups serve what it held, and on an empty disk it would break \
         promises that it no longer remembers"
    )]
    Corrupt {
        /// Number of the damaged (or missing) segment.
        segment: u64,
        /// Bytes from the start of the segment file.
        offset: u64,
        /// The lsn that was expected there.
        lsn: u64,
        /// What is wrong with the bytes.
        why: Damage,
        /// Why this cannot be a torn tail.
        evidence: Evidence,
    },
    /// An intact header of a format that this build does not know.
    #[error(
        "log segment {segment} has format version {found}, this build reads {}: start the build \
         that wrote it, or one that is newer",
        super::FORMAT_VERSION
    )]
    UnknownVersion {
        /// Number of the segment, from its file name.
        segment: u64,
        /// The version in the header.
        found: u16,
    },
    /// An intact header that another node wrote.
    #[error(
        "log segment {segment} was written by node {found}, this is node {expected}: attach the \
         disk that belongs to this node"
    )]
    WrongNode {
        /// Number of the segment, from its file name.
        segment: u64,
        /// The node that recovers.
        expected: u16,
        /// The node in the header.
        found: u16,
    },
}

/// What is wrong with the bytes at one place.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Damage {
    /// Fewer bytes are left than a header or a record needs.
    #[error("{found} bytes are left of {needed}")]
    Short {
        /// Bytes that a header, or this record by its own account, needs.
        needed: u64,
        /// Bytes there are.
        found: u64,
    },
    /// The magic number is missing, or bytes that must be zero are not.
    #[error("no header begins here")]
    NotAHeader,
    /// The length field exceeds [`super::PAYLOAD_LEN_MAX`].
    #[error("the payload claims {found} bytes")]
    TooLong {
        /// The length field.
        found: u32,
    },
    /// The checksum of the header, or of the record with its payload, does not fit.
    #[error("the checksum says {stored:016x}, the bytes say {computed:016x}")]
    Checksum {
        /// The checksum that was written.
        stored: u64,
        /// The checksum of the bytes that were read.
        computed: u64,
    },
    /// An intact record or header which belongs elsewhere in the log.
    #[error("lsn {found} stands here")]
    Lsn {
        /// The lsn found.
        found: u64,
    },
    /// A record which calls itself, or what comes after it, durable.
    #[error("the record names lsn {synced_lsn} as durable before it was written")]
    SyncedAhead {
        /// The synced lsn found.
        synced_lsn: u64,
    },
    /// An intact header of another segment under this segment's name.
    #[error("the header is that of segment {found}")]
    SegmentNumber {
        /// The number found.
        found: u64,
    },
    /// A segment number is skipped.
    #[error("the segment file is missing")]
    SegmentMissing,
    /// What a compacted log consists of is not all there.
    #[error("the records that stand for all that came before are cut short")]
    CompactionCut,
}

/// Why damaged bytes must have been durable.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Evidence {
    /// A segment is created only when its predecessor is synced.
    #[error("segment {segment} exists, so this one had been synced")]
    LaterSegment {
        /// The later segment.
        segment: u64,
    },
    /// A later record was written when this place was known to be durable.
    #[error("the record of lsn {lsn} at byte {offset} knew lsn {synced_lsn} to be durable")]
    LaterRecord {
        /// Where the later record begins, in bytes from the start of the same segment.
        offset: u64,
        /// Its lsn.
        lsn: u64,
        /// Its synced lsn, which is at least the damaged one.
        synced_lsn: u64,
    },
    /// Predecessors are removed only when a later header is durable.
    #[error("its predecessors are gone, so it had been synced")]
    NoPredecessor,
    /// The bytes carry a valid checksum: they were written so, not torn.
    #[error("its checksum is right, so it is whole, and in the wrong place")]
    Whole,
}
