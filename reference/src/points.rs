//! The named points that execution passes, for logs and for placing faults by phase.
//!
//! They say *where* a flow is. Nothing reads them back, and no oracle judges by them.

/// A coordinator asks who leads the partitions of a table (detail: backup).
pub const CUT_PROBE: &str = "cut.probe";
/// A leader appended a marker and began to hold writes (detail: partition).
pub const HOLD_BEGIN: &str = "cut.hold_begin";
/// A leader lets writes go again (detail: partition).
pub const HOLD_END: &str = "cut.hold_end";
/// A marker is committed in its leader's own term (detail: partition).
pub const CUT_MARKED: &str = "cut.marked";
/// Every marker is committed; Confirm is sent for the first time (detail: backup).
pub const CUT_CONFIRM: &str = "cut.confirm";
/// A leader got Confirm and begins to make sure that it still leads (detail: partition).
pub const CUT_CHECK: &str = "cut.check";
/// A leader made sure that it still leads and says Held (detail: partition).
pub const CUT_HELD: &str = "cut.held";
/// An attempt failed and another will follow (detail: backup).
pub const CUT_RETRY: &str = "cut.retry";
/// The positions of a cut stand in the metadata log (detail: backup).
pub const CUT_SEALED: &str = "cut.sealed";
/// A backup was given up before its seal; nothing of it stays (detail: backup).
pub const CUT_ABANDONED: &str = "cut.abandoned";
/// A node begins to upload a segment (detail: number of partitions in it).
pub const ARCHIVE_UPLOAD: &str = "archive.upload";
/// A node begins its part of a sealed backup (detail: backup).
pub const ARCHIVE_PART: &str = "archive.part";
/// The manifest of a backup is durable; it can be restored (detail: backup).
pub const BACKUP_AVAILABLE: &str = "backup.available";
/// A worker begins, or begins again, to restore a partition (detail: partition).
pub const RESTORE_COPY: &str = "restore.copy";
/// A batch of restored items is committed (detail: partition).
pub const RESTORE_LOADED: &str = "restore.loaded";
/// A restored partition is complete (detail: partition).
pub const RESTORE_PARTITION: &str = "restore.partition";
/// A restored table opens (detail: restore).
pub const RESTORE_OPEN: &str = "restore.open";
/// A replica became leader of its group (detail: partition).
pub const LEADER: &str = "replication.leader";
