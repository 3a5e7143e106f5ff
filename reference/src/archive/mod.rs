//! The archive: log entries go to the object store all the time, whether anybody backs up or not.
//!
//! A node archives what it leads: new committed entries of all its partitions of a table share one
//! segment object. That a run of entries stands in the archive is itself written to the
//! partition's log, so a new leader goes on where the last one is known to have stopped; two
//! leaders that archive the same entries do no harm. [`format`] has the bytes; fetching them back
//! is [`crate::restore`]'s.

pub mod format;
mod upload;

pub(crate) use upload::{Parts, covered};
pub use upload::{keep_archiving, put_surely, write_part};
