//! The one place that decides how an error looks to a client: exception, HTTP status, text,
//! and whether asking again may help.
//!
//! Exceptions are those that the service model declares for the operation. ValidationException
//! and ThrottlingException may answer any operation.

use serde::{Deserialize, Serialize};

use super::enums::wire_enum;
use super::*;

wire_enum! {
    /// The exceptions of the service.
    ExceptionName {
        /// The backup is being created, or feeds a restore.
        BackupInUse = "BackupInUseException",
        /// No such backup.
        BackupNotFound = "BackupNotFoundException",
        /// The condition of a write does not hold.
        ConditionalCheckFailed = "ConditionalCheckFailedException",
        /// Backups are not enabled yet for a new table.
        ContinuousBackupsUnavailable = "ContinuousBackupsUnavailableException",
        /// The service failed; the outcome of a write is unknown.
        InternalServerError = "InternalServerError",
        /// Too many operations at once.
        LimitExceeded = "LimitExceededException",
        /// The table exists or is in a status that forbids the operation.
        ResourceInUse = "ResourceInUseException",
        /// No such table, or it is not ACTIVE.
        ResourceNotFound = "ResourceNotFoundException",
        /// The target of a restore exists.
        TableAlreadyExists = "TableAlreadyExistsException",
        /// The table is being created or deleted.
        TableInUse = "TableInUseException",
        /// No such table, said by the operations on backups.
        TableNotFound = "TableNotFoundException",
        /// Too many requests in too short a time.
        Throttling = "ThrottlingException",
        /// The request is wrong in itself.
        Validation = "ValidationException",
    }
}

impl ExceptionName {
    /// The status of the HTTP response.
    pub fn http_status(self) -> u16 {
        match self {
            Self::InternalServerError => 500,
            _ => 400,
        }
    }

    /// Whether the same request may succeed later without anybody's doing.
    ///
    /// Developer Guide, "Error handling with DynamoDB", column "OK to retry?"; for the exceptions
    /// of backups, which it leaves out, the answer of the most similar one. After an
    /// InternalServerError a write may have happened already: asking again is safe for what is
    /// idempotent, and CreateBackup is not.
    pub fn retryable(self) -> bool {
        match self {
            Self::ContinuousBackupsUnavailable
            | Self::InternalServerError
            | Self::LimitExceeded
            | Self::Throttling => true,
            Self::BackupInUse
            | Self::BackupNotFound
            | Self::ConditionalCheckFailed
            | Self::ResourceInUse
            | Self::ResourceNotFound
            | Self::TableAlreadyExists
            | Self::TableInUse
            | Self::TableNotFound
            | Self::Validation => false,
        }
    }
}

/// An error as a client gets it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireError {
    /// Its name, sent in `__type`.
    pub exception: ExceptionName,
    /// The status of the HTTP response.
    pub http_status: u16,
    /// The text, sent in `message`.
    pub message: String,
    /// Whether asking again may help; not sent.
    pub retryable: bool,
}

impl WireError {
    /// Something failed that is not the client's doing.
    #[must_use]
    pub fn internal(message: &str) -> Self {
        let exception = ExceptionName::InternalServerError;
        Self {
            exception,
            http_status: exception.http_status(),
            message: message.to_owned(),
            retryable: exception.retryable(),
        }
    }
}

impl From<&ApiError> for WireError {
    fn from(error: &ApiError) -> Self {
        let exception = error.exception();
        Self {
            exception,
            http_status: exception.http_status(),
            message: error.to_string(),
            retryable: exception.retryable(),
        }
    }
}

impl ApiError {
    /// Under which name this error is sent.
    pub fn exception(&self) -> ExceptionName {
        match self {
            Self::CreateTable(error) => create_table(error),
            Self::DescribeTable(error) => describe_table(error),
            Self::DeleteTable(error) => delete_table(error),
            Self::ListTables(error) => list_tables(error),
            Self::PutItem(error) => put_item(error),
            Self::GetItem(error) => get_item(error),
            Self::UpdateItem(error) => update_item(error),
            Self::DeleteItem(error) => delete_item(error),
            Self::Query(error) => query(error),
            Self::Scan(error) => scan(error),
            Self::CreateBackup(error) => create_backup(error),
            Self::DescribeBackup(error) => describe_backup(error),
            Self::ListBackups(error) => list_backups(error),
            Self::DeleteBackup(error) => delete_backup(error),
            Self::RestoreTableFromBackup(error) => restore_table_from_backup(error),
        }
    }
}

fn create_table(error: &CreateTableError) -> ExceptionName {
    use CreateTableError as E;
    match error {
        E::ResourceInUse(_) => ExceptionName::ResourceInUse,
        E::LimitExceeded(_) => ExceptionName::LimitExceeded,
        E::Validation(_) => ExceptionName::Validation,
        E::Throttling => ExceptionName::Throttling,
        E::InternalServerError(_) => ExceptionName::InternalServerError,
    }
}

fn describe_table(error: &DescribeTableError) -> ExceptionName {
    use DescribeTableError as E;
    match error {
        E::ResourceNotFound(_) => ExceptionName::ResourceNotFound,
        E::Validation(_) => ExceptionName::Validation,
        E::Throttling => ExceptionName::Throttling,
        E::InternalServerError(_) => ExceptionName::InternalServerError,
    }
}

fn delete_table(error: &DeleteTableError) -> ExceptionName {
    use DeleteTableError as E;
    match error {
        E::ResourceNotFound(_) => ExceptionName::ResourceNotFound,
        E::TableBeingCreated(_) | E::TableBeingBackedUp(_) => ExceptionName::ResourceInUse,
        E::LimitExceeded(_) => ExceptionName::LimitExceeded,
        E::Validation(_) => ExceptionName::Validation,
        E::Throttling => ExceptionName::Throttling,
        E::InternalServerError(_) => ExceptionName::InternalServerError,
    }
}

fn list_tables(error: &ListTablesError) -> ExceptionName {
    use ListTablesError as E;
    match error {
        E::Validation(_) => ExceptionName::Validation,
        E::Throttling => ExceptionName::Throttling,
        E::InternalServerError(_) => ExceptionName::InternalServerError,
    }
}

fn put_item(error: &PutItemError) -> ExceptionName {
    use PutItemError as E;
    match error {
        E::ResourceNotFound => ExceptionName::ResourceNotFound,
        E::ConditionalCheckFailed => ExceptionName::ConditionalCheckFailed,
        E::Validation(_) => ExceptionName::Validation,
        E::Throttling => ExceptionName::Throttling,
        E::InternalServerError(_) => ExceptionName::InternalServerError,
    }
}

fn get_item(error: &GetItemError) -> ExceptionName {
    use GetItemError as E;
    match error {
        E::ResourceNotFound => ExceptionName::ResourceNotFound,
        E::Validation(_) => ExceptionName::Validation,
        E::Throttling => ExceptionName::Throttling,
        E::InternalServerError(_) => ExceptionName::InternalServerError,
    }
}

fn update_item(error: &UpdateItemError) -> ExceptionName {
    use UpdateItemError as E;
    match error {
        E::ResourceNotFound => ExceptionName::ResourceNotFound,
        E::ConditionalCheckFailed => ExceptionName::ConditionalCheckFailed,
        E::Validation(_) => ExceptionName::Validation,
        E::Throttling => ExceptionName::Throttling,
        E::InternalServerError(_) => ExceptionName::InternalServerError,
    }
}

fn delete_item(error: &DeleteItemError) -> ExceptionName {
    use DeleteItemError as E;
    match error {
        E::ResourceNotFound => ExceptionName::ResourceNotFound,
        E::ConditionalCheckFailed => ExceptionName::ConditionalCheckFailed,
        E::Validation(_) => ExceptionName::Validation,
        E::Throttling => ExceptionName::Throttling,
        E::InternalServerError(_) => ExceptionName::InternalServerError,
    }
}

fn query(error: &QueryError) -> ExceptionName {
    use QueryError as E;
    match error {
        E::ResourceNotFound => ExceptionName::ResourceNotFound,
        E::Validation(_) => ExceptionName::Validation,
        E::Throttling => ExceptionName::Throttling,
        E::InternalServerError(_) => ExceptionName::InternalServerError,
    }
}

fn scan(error: &ScanError) -> ExceptionName {
    use ScanError as E;
    match error {
        E::ResourceNotFound => ExceptionName::ResourceNotFound,
        E::Validation(_) => ExceptionName::Validation,
        E::Throttling => ExceptionName::Throttling,
        E::InternalServerError(_) => ExceptionName::InternalServerError,
    }
}

fn create_backup(error: &CreateBackupError) -> ExceptionName {
    use CreateBackupError as E;
    match error {
        E::TableNotFound(_) => ExceptionName::TableNotFound,
        E::TableInUse(_) => ExceptionName::TableInUse,
        E::ContinuousBackupsUnavailable(_) => ExceptionName::ContinuousBackupsUnavailable,
        E::BackupInUse(_) => ExceptionName::BackupInUse,
        E::LimitExceeded(_) => ExceptionName::LimitExceeded,
        E::Validation(_) => ExceptionName::Validation,
        E::Throttling => ExceptionName::Throttling,
        E::InternalServerError(_) => ExceptionName::InternalServerError,
    }
}

fn describe_backup(error: &DescribeBackupError) -> ExceptionName {
    use DescribeBackupError as E;
    match error {
        E::BackupNotFound(_) => ExceptionName::BackupNotFound,
        E::Validation(_) => ExceptionName::Validation,
        E::Throttling => ExceptionName::Throttling,
        E::InternalServerError(_) => ExceptionName::InternalServerError,
    }
}

fn list_backups(error: &ListBackupsError) -> ExceptionName {
    use ListBackupsError as E;
    match error {
        E::Validation(_) => ExceptionName::Validation,
        E::Throttling => ExceptionName::Throttling,
        E::InternalServerError(_) => ExceptionName::InternalServerError,
    }
}

fn delete_backup(error: &DeleteBackupError) -> ExceptionName {
    use DeleteBackupError as E;
    match error {
        E::BackupNotFound(_) => ExceptionName::BackupNotFound,
        E::BackupBeingCreated(_) | E::BackupBeingRestored(_) => ExceptionName::BackupInUse,
        E::LimitExceeded(_) => ExceptionName::LimitExceeded,
        E::Validation(_) => ExceptionName::Validation,
        E::Throttling => ExceptionName::Throttling,
        E::InternalServerError(_) => ExceptionName::InternalServerError,
    }
}

fn restore_table_from_backup(error: &RestoreTableFromBackupError) -> ExceptionName {
    use RestoreTableFromBackupError as E;
    match error {
        E::TableAlreadyExists(_) => ExceptionName::TableAlreadyExists,
        E::TableInUse(_) | E::TableBeingRestored { .. } => ExceptionName::TableInUse,
        E::BackupNotFound(_) => ExceptionName::BackupNotFound,
        E::BackupBeingCreated(_) | E::BackupBeingRestored(_) => ExceptionName::BackupInUse,
        E::LimitExceeded(_) => ExceptionName::LimitExceeded,
        E::Validation(_) => ExceptionName::Validation,
        E::Throttling => ExceptionName::Throttling,
        E::InternalServerError(_) => ExceptionName::InternalServerError,
    }
}

#[cfg(test)]
mod tests;
