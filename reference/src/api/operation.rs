//! Every operation: its name, its request and its response, in three enumerations side by side.

use serde::{Deserialize, Serialize};

use super::enums::wire_enum;
use super::*;
use crate::item::ValidationError;

wire_enum! {
    /// The operations of the service.
    Operation {
        /// Creates an empty table.
        CreateTable = "CreateTable",
        /// Tells about a table.
        DescribeTable = "DescribeTable",
        /// Deletes a table.
        DeleteTable = "DeleteTable",
        /// Names the tables.
        ListTables = "ListTables",
        /// Creates or replaces an item.
        PutItem = "PutItem",
        /// Reads an item.
        GetItem = "GetItem",
        /// Changes attributes of an item, or creates it.
        UpdateItem = "UpdateItem",
        /// Deletes an item.
        DeleteItem = "DeleteItem",
        /// Reads the items of one partition key, a page at a time.
        Query = "Query",
        /// Reads all items, a page at a time.
        Scan = "Scan",
        /// Backs up a table.
        CreateBackup = "CreateBackup",
        /// Tells about a backup.
        DescribeBackup = "DescribeBackup",
        /// Lists backups.
        ListBackups = "ListBackups",
        /// Deletes a backup.
        DeleteBackup = "DeleteBackup",
        /// Makes a new table out of a backup.
        RestoreTableFromBackup = "RestoreTableFromBackup",
    }
}

/// A request for one of the operations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each is the operation of its name")]
pub enum Request {
    CreateTable(CreateTableInput),
    DescribeTable(DescribeTableInput),
    DeleteTable(DeleteTableInput),
    ListTables(ListTablesInput),
    PutItem(PutItemInput),
    GetItem(GetItemInput),
    UpdateItem(UpdateItemInput),
    DeleteItem(DeleteItemInput),
    Query(QueryInput),
    Scan(ScanInput),
    CreateBackup(CreateBackupInput),
    DescribeBackup(DescribeBackupInput),
    ListBackups(ListBackupsInput),
    DeleteBackup(DeleteBackupInput),
    RestoreTableFromBackup(RestoreTableFromBackupInput),
}

/// What a request that succeeded is answered with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each is the operation of its name")]
pub enum Response {
    CreateTable(CreateTableOutput),
    DescribeTable(DescribeTableOutput),
    DeleteTable(DeleteTableOutput),
    ListTables(ListTablesOutput),
    PutItem(PutItemOutput),
    GetItem(GetItemOutput),
    UpdateItem(UpdateItemOutput),
    DeleteItem(DeleteItemOutput),
    Query(QueryOutput),
    Scan(ScanOutput),
    CreateBackup(CreateBackupOutput),
    DescribeBackup(DescribeBackupOutput),
    ListBackups(ListBackupsOutput),
    DeleteBackup(DeleteBackupOutput),
    RestoreTableFromBackup(RestoreTableFromBackupOutput),
}

impl Operation {
    /// Whether an [`ExceptionName::InternalServerError`] leaves open if something was changed.
    pub fn writes(self) -> bool {
        match self {
            Self::DescribeTable | Self::ListTables => false,
            Self::GetItem | Self::Query | Self::Scan => false,
            Self::DescribeBackup | Self::ListBackups => false,
            Self::CreateTable | Self::DeleteTable => true,
            Self::PutItem | Self::UpdateItem | Self::DeleteItem => true,
            Self::CreateBackup | Self::DeleteBackup | Self::RestoreTableFromBackup => true,
        }
    }
}

impl Request {
    /// Which operation this is.
    pub fn operation(&self) -> Operation {
        match self {
            Self::CreateTable(_) => Operation::CreateTable,
            Self::DescribeTable(_) => Operation::DescribeTable,
            Self::DeleteTable(_) => Operation::DeleteTable,
            Self::ListTables(_) => Operation::ListTables,
            Self::PutItem(_) => Operation::PutItem,
            Self::GetItem(_) => Operation::GetItem,
            Self::UpdateItem(_) => Operation::UpdateItem,
            Self::DeleteItem(_) => Operation::DeleteItem,
            Self::Query(_) => Operation::Query,
            Self::Scan(_) => Operation::Scan,
            Self::CreateBackup(_) => Operation::CreateBackup,
            Self::DescribeBackup(_) => Operation::DescribeBackup,
            Self::ListBackups(_) => Operation::ListBackups,
            Self::DeleteBackup(_) => Operation::DeleteBackup,
            Self::RestoreTableFromBackup(_) => Operation::RestoreTableFromBackup,
        }
    }

    /// Checks everything that can be told from the request alone. It comes before any look at
    /// what exists [LAB TABLE-442].
    ///
    /// # Errors
    /// The text of the `ValidationException` that answers the request.
    pub fn validate(&self) -> Result<(), ValidationError> {
        match self {
            Self::CreateTable(request) => request.validate(),
            Self::DescribeTable(request) => request.validate(),
            Self::DeleteTable(request) => request.validate(),
            Self::ListTables(request) => request.validate(),
            Self::PutItem(request) => request.validate(),
            Self::GetItem(request) => request.validate(),
            Self::UpdateItem(request) => request.validate(),
            Self::DeleteItem(request) => request.validate(),
            Self::Query(request) => request.validate(),
            Self::Scan(request) => request.validate(),
            Self::CreateBackup(request) => request.validate(),
            Self::DescribeBackup(request) => request.validate(),
            Self::ListBackups(request) => request.validate(),
            Self::DeleteBackup(request) => request.validate(),
            Self::RestoreTableFromBackup(request) => request.validate(),
        }
    }
}

impl Response {
    /// Which operation this answers.
    pub fn operation(&self) -> Operation {
        match self {
            Self::CreateTable(_) => Operation::CreateTable,
            Self::DescribeTable(_) => Operation::DescribeTable,
            Self::DeleteTable(_) => Operation::DeleteTable,
            Self::ListTables(_) => Operation::ListTables,
            Self::PutItem(_) => Operation::PutItem,
            Self::GetItem(_) => Operation::GetItem,
            Self::UpdateItem(_) => Operation::UpdateItem,
            Self::DeleteItem(_) => Operation::DeleteItem,
            Self::Query(_) => Operation::Query,
            Self::Scan(_) => Operation::Scan,
            Self::CreateBackup(_) => Operation::CreateBackup,
            Self::DescribeBackup(_) => Operation::DescribeBackup,
            Self::ListBackups(_) => Operation::ListBackups,
            Self::DeleteBackup(_) => Operation::DeleteBackup,
            Self::RestoreTableFromBackup(_) => Operation::RestoreTableFromBackup,
        }
    }
}

#[cfg(test)]
mod tests;
