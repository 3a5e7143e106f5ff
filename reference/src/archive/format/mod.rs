//! What stands in the object store, byte by byte. Pure functions: no object is fetched
//! or stored here.
//!
//! ```text
//! manifest ── lists ──> parts ── list ──> chunks, which lie in segment objects
//! (one per backup)      (one per node)    (written all the time, by all nodes)
//! ```
//!
//! A *chunk* holds consecutive log entries of one partition. A *segment* gathers the
//! chunks that a node writes in one flush. A *part* says, for some partitions of one
//! backup, where the cut is and which chunks lead up to it. The *manifest* is the root: it
//! names the parts and proves that together they cover the table exactly once.
//!
//! Every object begins with a magic number and a format version and ends in a checksum
//! over all before it; every reference to an object repeats that checksum, so a wrong
//! object in the right place is seen as well. Encoding refuses what decoding would refuse.
//! Errors say which object, which place, what was expected and what was found.

mod backup;
mod chunk;
mod entry;
mod envelope;
mod error;
pub mod keys;
mod part;
mod replay;
mod segment;

#[cfg(test)]
mod tests;

pub use backup::{BackupManifest, PartRef};
pub use chunk::{Chunk, ChunkRef};
pub use entry::LogEntry;
pub use envelope::FORMAT_VERSION;
pub use error::{ArchiveError, Fault};
pub use part::{BackupPart, PartitionCut, PartitionSpan};
pub use replay::{Replay, replay};
pub use segment::{Segment, SegmentBuilder};
