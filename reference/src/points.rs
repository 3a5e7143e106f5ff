//! The named points that execution passes, for logs and for placing faults by phase.
//!
//! They say *where* a flow is. Nothing reads them back, and no oracle judges by them.

/// Defines the points and the list of them, so that none can be forgotten in it.
macro_rules! points {
    ($($(#[$doc:meta])* pub const $name:ident: &str = $text:literal;)*) => {
        $($(#[$doc])* pub const $name: &str = $text;)*

        /// All points.
        pub const ALL: &[&str] = &[$($name),*];
    };
}

points! {
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
/// Every leader has vouched for its marker; the seal is proposed (detail: backup).
pub const CUT_SEAL: &str = "cut.seal";
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
/// The metadata group's leader takes up a restore (detail: restore).
pub const RESTORE_PLAN: &str = "restore.plan";
/// Every partition of a table that is restored has a quorum of replicas (detail: restore).
pub const RESTORE_HOSTED: &str = "restore.hosted";
/// A worker begins, or begins again, to restore a partition (detail: partition).
pub const RESTORE_COPY: &str = "restore.copy";
/// A worker has fetched an object, or a part of one (detail: bytes).
pub const RESTORE_FETCHED: &str = "restore.fetched";
/// A worker has built a partition's items from what it fetched (detail: partition).
pub const RESTORE_BUILT: &str = "restore.built";
/// A worker is about to propose a batch, or that there is none left (detail: partition).
pub const RESTORE_PROPOSE: &str = "restore.propose";
/// A batch of restored items is committed (detail: partition).
pub const RESTORE_LOADED: &str = "restore.loaded";
/// A restored partition is complete (detail: partition).
pub const RESTORE_PARTITION: &str = "restore.partition";
/// The metadata log has taken that a partition is complete (detail: partition).
pub const RESTORE_NOTED: &str = "restore.noted";
/// Every partition is complete; the metadata log is asked to open the table (detail: restore).
pub const RESTORE_FINISH: &str = "restore.finish";
/// A restored table opens (detail: restore).
pub const RESTORE_OPEN: &str = "restore.open";
/// A replica became leader of its group (detail: partition).
pub const LEADER: &str = "replication.leader";
/// A checkpoint is durable (detail: number of partitions that changed).
pub const CHECKPOINT: &str = "checkpoint.durable";
/// A node's checkpoint is damaged and discarded (detail: 0).
pub const CHECKPOINT_LOST: &str = "checkpoint.lost";
/// A leader begins to send a snapshot (detail: partition).
pub const SNAPSHOT_SEND: &str = "snapshot.send";
/// A follower has a snapshot in its place, durably (detail: partition).
pub const SNAPSHOT_INSTALLED: &str = "snapshot.installed";
/// A node does not start on what it finds on its disk; a person must look (detail: 0).
pub const STORAGE_REFUSED: &str = "node.storage_refused";
/// A node's storage failed; its process ends (detail: 0).
pub const STORAGE_FAILED: &str = "node.storage_failed";
/// A disk without space keeps a node's log waiting (detail: for how many nanoseconds).
pub const DISK_FULL: &str = "log.disk_full";
/// A disk that kept a node's log waiting has space again (detail: 0).
pub const DISK_HAS_SPACE: &str = "log.disk_has_space";
/// A node's log is compacted (detail: bytes that are left of it).
pub const LOG_COMPACTED: &str = "log.compacted";
}

/// The steps of a restore, from the request to the open table.
pub const RESTORE_STEPS: &[&str] = &[
    RESTORE_PLAN,
    RESTORE_HOSTED,
    RESTORE_COPY,
    RESTORE_FETCHED,
    RESTORE_BUILT,
    RESTORE_PROPOSE,
    RESTORE_LOADED,
    RESTORE_PARTITION,
    RESTORE_NOTED,
    RESTORE_FINISH,
    RESTORE_OPEN,
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_point_has_a_name_of_its_own() {
        let names: BTreeSet<&str> = ALL.iter().copied().collect();
        assert_eq!(names.len(), ALL.len());
        assert!(RESTORE_STEPS.iter().all(|it| names.contains(it)));
    }
}
