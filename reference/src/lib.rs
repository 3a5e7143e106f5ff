//! A reference implementation of backup and restore for a DynamoDB-like service.

pub mod archive;
pub mod wal;
