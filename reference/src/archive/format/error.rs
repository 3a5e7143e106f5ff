//! Why an archive object is refused: one type, so that every refusal answers the same
//! four questions.

use std::fmt::Display;

use thiserror::Error;

/// An archive object that must not be used, or must not be written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("archive object {object}, {place}: {fault}: expected {expected}, found {found}")]
pub struct ArchiveError {
    /// Key of the object.
    pub object: String,
    /// Where in it: a byte, a chunk, an entry, a partition.
    pub place: String,
    /// The kind of fault, for callers that decide by it.
    pub fault: Fault,
    /// What had to stand there.
    pub expected: String,
    /// What stood there.
    pub found: String,
}

/// The kinds of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Error)]
pub enum Fault {
    /// Bytes are missing, or there are too many.
    #[error("wrong length")]
    Length,
    /// The magic number is that of something else.
    #[error("not this kind of object")]
    Magic,
    /// An intact object of a format that this build does not know.
    #[error("unknown format version")]
    Version,
    /// The bytes are not those that were written.
    #[error("damaged")]
    Checksum,
    /// The checksum is right, yet the content cannot be read: a bug of the writer.
    #[error("malformed")]
    Malformed,
    /// An intact object of another table, partition, backup, or key.
    #[error("belongs elsewhere")]
    Identity,
    /// Log entries, partitions or hash ranges are missing.
    #[error("hole")]
    Hole,
    /// Log entries, partitions or hash ranges appear twice or out of order.
    #[error("overlap")]
    Overlap,
    /// A term falls, or is not the one that the neighbour states.
    #[error("terms do not join")]
    Term,
}

impl ArchiveError {
    /// Names the fault and its place.
    pub(super) fn new(
        object: &str,
        place: impl Display,
        fault: Fault,
        expected: impl Display,
        found: impl Display,
    ) -> Self {
        ArchiveError {
            object: object.to_owned(),
            place: place.to_string(),
            fault,
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }
}

/// Refuses `found` unless it is `expected`.
pub(super) fn require_eq<T: PartialEq + Display>(
    object: &str,
    place: impl Display,
    fault: Fault,
    expected: T,
    found: T,
) -> Result<(), ArchiveError> {
    if expected == found {
        return Ok(());
    }
    Err(ArchiveError::new(object, place, fault, expected, found))
}

/// Refuses a number that does not continue a row: a hole if it is too high, an overlap if
/// it is too low.
pub(super) fn require_next(
    object: &str,
    place: impl Display,
    expected: u64,
    found: u64,
) -> Result<(), ArchiveError> {
    let fault = if found > expected { Fault::Hole } else { Fault::Overlap };
    require_eq(object, place, fault, expected, found)
}
