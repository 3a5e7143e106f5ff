//! The catalog: tables, the partition map, backups, restores. It is the state machine of the
//! metadata group's log, pure, and the same on every member.

mod catalog;
mod command;
mod placement;
#[cfg(test)]
mod tests;
mod work;

pub use catalog::{
    Backup, BackupState, Catalog, ManifestRef, PartitionInfo, Restore, Table, TableStatus, Work,
};
pub use command::{Applied, Command, Refusal, TableSpec};
pub use placement::{Cluster, NodeInfo};
pub use work::{forget, see_through};
