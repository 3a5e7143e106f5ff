//! The archive: everything a backup and a restore need, in an object store.
//! Uploading, fetching and scheduling are the shell's; this module holds the formats.

pub mod format;
