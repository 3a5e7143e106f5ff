//! What each operation may answer instead of succeeding, in Amazon's words.
//!
//! One enumeration per operation lists exactly its errors. Payloads are the names or ARNs that
//! the texts show. Exception names and HTTP codes are not here: see [`super::wire_error`].
//!
//! Three variants stand in every enumeration. `Validation`: the request is wrong in itself.
//! `Throttling`: refused for lack of capacity, surely without effect. `InternalServerError`: the
//! service failed; its payload is for the log, never for the client. **On a write its outcome is
//! unknown**: it may have happened, or may still happen [Developer Guide,
//! "Error handling with DynamoDB"].

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::item::ValidationError;

/// Declares the errors of one operation: its own, then the three that all have.
macro_rules! operation_error {
    ($(#[$doc:meta])* $name:ident {
        $($(#[$variant_meta:meta])* $variant:ident $(($payload:ty))? $({ $($fields:tt)* })?,)*
    }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$variant_meta])* $variant $(($payload))? $({ $($fields)* })?,)*
            /// The request is wrong in itself.
            #[error(transparent)]
            Validation(#[from] ValidationError),
            /// Refused for lack of capacity; nothing was done.
            #[error("Rate exceeded")]
            Throttling,
            /// The service failed, for the reason given here to the log; a write's outcome is
            /// unknown.
            #[error("Internal server error")]
            InternalServerError(String),
        }
    };
}

operation_error! {
    /// Errors of CreateTable.
    CreateTableError {
        /// A table of this name exists, in whatever status.
        #[error("Table already exists: {0}")]
        ResourceInUse(String),
        /// Too many tables, or table operations at once; the payload says which limit.
        #[error("Subscriber limit exceeded: {0}")]
        LimitExceeded(String),
    }
}

operation_error! {
    /// Errors of DescribeTable.
    DescribeTableError {
        /// No table has this name.
        #[error("Requested resource not found: Table: {0} not found")]
        ResourceNotFound(String),
    }
}

operation_error! {
    /// Errors of DeleteTable.
    DeleteTableError {
        /// No table has this name.
        #[error("Requested resource not found: Table: {0} not found")]
        ResourceNotFound(String),
        /// The table is being created or restored.
        #[error("Attempt to change a resource which is still in use: Table is being created: {0}")]
        TableBeingCreated(String),
        /// A backup of the table is being created. That this is refused is documented; the
        /// code and text are ours.
        #[error(
            "Attempt to change a resource which is still in use: Table is being backed up: {0}"
        )]
        TableBeingBackedUp(String),
        /// Too many table operations at once; the payload says which limit.
        #[error("Subscriber limit exceeded: {0}")]
        LimitExceeded(String),
    }
}

operation_error! {
    /// Errors of ListTables.
    ListTablesError {}
}

operation_error! {
    /// Errors of PutItem.
    PutItemError {
        /// The table does not exist, or is not open for data yet.
        #[error("Requested resource not found")]
        ResourceNotFound,
        /// The condition does not hold; nothing was changed.
        #[error("The conditional request failed")]
        ConditionalCheckFailed,
    }
}

operation_error! {
    /// Errors of GetItem.
    GetItemError {
        /// The table does not exist, or is not open for data yet.
        #[error("Requested resource not found")]
        ResourceNotFound,
    }
}

operation_error! {
    /// Errors of UpdateItem.
    UpdateItemError {
        /// The table does not exist, or is not open for data yet.
        #[error("Requested resource not found")]
        ResourceNotFound,
        /// The condition does not hold; nothing was changed.
        #[error("The conditional request failed")]
        ConditionalCheckFailed,
    }
}

operation_error! {
    /// Errors of DeleteItem.
    DeleteItemError {
        /// The table does not exist, or is not open for data yet.
        #[error("Requested resource not found")]
        ResourceNotFound,
        /// The condition does not hold; nothing was changed.
        #[error("The conditional request failed")]
        ConditionalCheckFailed,
    }
}

operation_error! {
    /// Errors of Query.
    QueryError {
        /// The table does not exist, or is not open for data yet.
        #[error("Requested resource not found")]
        ResourceNotFound,
    }
}

operation_error! {
    /// Errors of Scan.
    ScanError {
        /// The table does not exist, or is not open for data yet.
        #[error("Requested resource not found")]
        ResourceNotFound,
    }
}

operation_error! {
    /// Errors of CreateBackup.
    CreateBackupError {
        /// No table has this name; the observed answer for a table being created, too.
        #[error("Table not found: {0}")]
        TableNotFound(String),
        /// The table is being created or deleted: the documented answer.
        #[error("Table is being created or deleted: {0}")]
        TableInUse(String),
        /// Backups of this new table are not enabled yet.
        #[error("Backups are being enabled for the table: {0}. Please retry later")]
        ContinuousBackupsUnavailable(String),
        /// A conflicting operation on a backup of the table is under way.
        #[error(
            "There is another ongoing conflicting backup control plane operation on the table: {0}"
        )]
        BackupInUse(String),
        /// Too many backup operations at once; the payload says which limit.
        #[error("Subscriber limit exceeded: {0}")]
        LimitExceeded(String),
    }
}

operation_error! {
    /// Errors of DescribeBackup.
    DescribeBackupError {
        /// No backup has this ARN (any more).
        #[error("Backup not found: {0}")]
        BackupNotFound(String),
    }
}

operation_error! {
    /// Errors of ListBackups.
    ListBackupsError {}
}

operation_error! {
    /// Errors of DeleteBackup.
    DeleteBackupError {
        /// No backup has this ARN (any more).
        #[error("Backup not found: {0}")]
        BackupNotFound(String),
        /// The backup with this ARN is being created.
        #[error("Backup is being created: {0}")]
        BackupBeingCreated(String),
        /// The backup with this ARN feeds a restore.
        #[error("Backup is being used to restore table: {0}")]
        BackupBeingRestored(String),
        /// Too many backup operations at once; the payload says which limit.
        #[error("Subscriber limit exceeded: {0}")]
        LimitExceeded(String),
    }
}

operation_error! {
    /// Errors of RestoreTableFromBackup.
    RestoreTableFromBackupError {
        /// The target exists.
        #[error("Table already exists: {0}")]
        TableAlreadyExists(String),
        /// The target is being created or deleted.
        #[error("Table is being created or deleted: {0}")]
        TableInUse(String),
        /// The target is being restored already.
        #[error("Table: {table} is already being restored from backup: {backup}")]
        TableBeingRestored {
            /// The target's name.
            table: String,
            /// The ARN of the backup that it is restored from.
            backup: String,
        },
        /// No backup has this ARN (any more).
        #[error("Backup not found: {0}")]
        BackupNotFound(String),
        /// The backup with this ARN is being created.
        #[error("Backup is being created: {0}")]
        BackupBeingCreated(String),
        /// The backup with this ARN feeds another restore.
        #[error("Backup is being used to restore another table: {0}")]
        BackupBeingRestored(String),
        /// Too many restores at once; the payload says which limit.
        #[error("Subscriber limit exceeded: {0}")]
        LimitExceeded(String),
    }
}

/// Any error of any operation: what the service answers beside a [`super::Response`].
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[error(transparent)]
#[expect(missing_docs, reason = "each is the operation of its name")]
pub enum ApiError {
    CreateTable(#[from] CreateTableError),
    DescribeTable(#[from] DescribeTableError),
    DeleteTable(#[from] DeleteTableError),
    ListTables(#[from] ListTablesError),
    PutItem(#[from] PutItemError),
    GetItem(#[from] GetItemError),
    UpdateItem(#[from] UpdateItemError),
    DeleteItem(#[from] DeleteItemError),
    Query(#[from] QueryError),
    Scan(#[from] ScanError),
    CreateBackup(#[from] CreateBackupError),
    DescribeBackup(#[from] DescribeBackupError),
    ListBackups(#[from] ListBackupsError),
    DeleteBackup(#[from] DeleteBackupError),
    RestoreTableFromBackup(#[from] RestoreTableFromBackupError),
}
