//! Filling a partition of a new table from a backup.
//!
//! The plan stands in the catalog: which partition is made from which, and which are complete. A
//! [`Worker`] runs where the new partition's leader is. How far it has come stands in that
//! partition's own log, in the very entries that bring the items; so any worker can go on after
//! any crash, and a batch that is repeated is inert. The table stays closed until every partition
//! is complete.

mod worker;

pub use worker::Worker;
pub(crate) use worker::Workers;
