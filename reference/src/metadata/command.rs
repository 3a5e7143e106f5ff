//! What stands in the metadata log, and what comes of it.

use super::catalog::{Backup, ManifestRef, Restore, Table};
use crate::api::{AttributeDefinition, BackupArn, BillingMode, ProvisionedThroughput};
use crate::ids::{Attempt, BackupId, PartitionId, Position, RestoreId, TableId};
use crate::item::KeySchema;
use serde::{Deserialize, Serialize};

/// What a table is made to be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableSpec {
    /// The primary key.
    pub schema: KeySchema,
    /// The attributes that the request defined.
    pub attributes: Vec<AttributeDefinition>,
    /// How the table is billed.
    pub billing_mode: BillingMode,
    /// What is provisioned; zero in on-demand mode.
    pub throughput: ProvisionedThroughput,
}

/// An entry of the metadata log. Each is conditional: it changes nothing where it does not fit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// A new table, closed until its partitions are hosted.
    CreateTable {
        /// Its name.
        name: String,
        /// Its identity.
        id: TableId,
        /// What it is.
        spec: TableSpec,
        /// When it was asked for, by the leader's wall clock.
        created_ms: u64,
    },
    /// Its partitions are hosted: the table opens.
    OpenTable(TableId),
    /// The table closes for good.
    DeleteTable(String),
    /// Its replicas are gone.
    DropTable(TableId),
    /// A backup is asked for.
    StartBackup {
        /// The table's name.
        table: String,
        /// The backup's name.
        name: String,
        /// What makes its ARN unique within a millisecond.
        suffix: u32,
        /// When it was asked for, by the leader's wall clock.
        requested_ms: u64,
    },
    /// The next attempt at its cut begins.
    BeginAttempt(BackupId),
    /// Its cut is sealed.
    Seal {
        /// The backup.
        backup: BackupId,
        /// The attempt that succeeded; it must still be the current one.
        attempt: Attempt,
        /// Where each partition's marker stands.
        positions: Vec<(PartitionId, Position)>,
        /// The instant of the backup, by the leader's wall clock; nothing rests on it.
        instant_ms: u64,
    },
    /// No attempt succeeded in time: the backup leaves the catalog.
    Abandon(BackupId),
    /// Its manifest is durable: the backup becomes AVAILABLE.
    Complete {
        /// The backup.
        backup: BackupId,
        /// Where its manifest stands.
        manifest: ManifestRef,
        /// The archived bytes that it refers to.
        size_bytes: u64,
    },
    /// A backup is deleted, by its ARN.
    DeleteBackup(BackupArn),
    /// A backup is restored into a new table.
    StartRestore {
        /// The backup's ARN.
        backup: BackupArn,
        /// The new table's name.
        target: String,
        /// The new table's identity.
        id: TableId,
        /// Another billing mode and throughput than the backup's, if any.
        billing: Option<(BillingMode, ProvisionedThroughput)>,
        /// When it was asked for, by the leader's wall clock.
        requested_ms: u64,
    },
    /// One partition of a restore is complete.
    PartitionRestored {
        /// The restore.
        restore: RestoreId,
        /// The partition of the new table.
        partition: PartitionId,
        /// How many items it holds.
        items: u64,
    },
    /// Every partition is complete: the new table opens.
    FinishRestore(RestoreId),
    /// The last member has dropped its replicas of a table that is gone.
    ForgetTable(TableId),
}

impl Command {
    /// The bytes that are replicated.
    #[must_use]
    pub fn encode(&self) -> bytes::Bytes {
        postcard::to_stdvec(self).expect("a command is plain data").into()
    }

    /// Reads what [`Command::encode`] wrote; `None` for the empty no-op.
    ///
    /// # Errors
    /// The bytes are no command.
    pub fn decode(payload: &[u8]) -> Result<Option<Self>, postcard::Error> {
        if payload.is_empty() { Ok(None) } else { postcard::from_bytes(payload).map(Some) }
    }
}

/// What a command did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Applied {
    /// The table as it is now.
    Table(Table),
    /// The backup as it is now (or was, when it left the catalog).
    Backup(Backup),
    /// The restore and its new table.
    Restore(Restore, Table),
    /// What the command says was written down.
    Noted,
}

/// Why a command changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// The name is taken by a table that is there.
    TableExists,
    /// The table is being created, deleted or restored.
    TableInUse,
    /// A backup of the table is being made.
    TableBeingBackedUp,
    /// There is no such table.
    TableNotFound,
    /// There is no such backup.
    BackupNotFound,
    /// The backup is being created.
    BackupBeingCreated,
    /// The backup is being restored.
    BackupBeingRestored,
    /// The state moved on before the command was applied.
    Stale,
}
