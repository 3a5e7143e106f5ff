//! The API of the service: requests, responses and errors as plain data.
//!
//! Names are Amazon's in snake case. Times are epoch milliseconds, and what is optional on the
//! wire is an `Option` here. How all this looks as JSON and HTTP is another layer's business;
//! which errors become which exceptions is decided in [`wire_error`] alone.

mod arn;
mod backup;
mod enums;
mod errors;
mod item;
mod operation;
mod query;
pub(crate) mod shape;
mod table;
mod update;
pub mod wire_error;

pub use arn::{BackupArn, TableArn, table_name_of};
pub use backup::{
    BackupDescription, BackupDetails, BackupSummary, CreateBackupInput, CreateBackupOutput,
    DeleteBackupInput, DeleteBackupOutput, DescribeBackupInput, DescribeBackupOutput,
    ListBackupsInput, ListBackupsOutput, RestoreTableFromBackupInput, RestoreTableFromBackupOutput,
    SourceTableDetails,
};
pub use enums::{
    BackupStatus, BackupType, BackupTypeFilter, BillingMode, KeyType, ReturnValues, Select,
    TableStatus,
};
pub use errors::{
    ApiError, CreateBackupError, CreateTableError, DeleteBackupError, DeleteItemError,
    DeleteTableError, DescribeBackupError, DescribeTableError, GetItemError, ListBackupsError,
    ListTablesError, PutItemError, QueryError, RestoreTableFromBackupError, ScanError,
    UpdateItemError,
};
pub use item::{
    DeleteItemInput, DeleteItemOutput, GetItemInput, GetItemOutput, PutItemInput, PutItemOutput,
    ScanInput, ScanOutput,
};
pub use operation::{Operation, Request, Response};
pub use query::{QueryInput, QueryOutput};
pub use table::{
    AttributeDefinition, CreateTableInput, CreateTableOutput, DeleteTableInput, DeleteTableOutput,
    DescribeTableInput, DescribeTableOutput, KeySchemaElement, ListTablesInput, ListTablesOutput,
    ProvisionedThroughput, RestoreSummary, TableDescription, TableId,
};
pub use update::{UpdateItemInput, UpdateItemOutput};
pub use wire_error::{ExceptionName, WireError};
