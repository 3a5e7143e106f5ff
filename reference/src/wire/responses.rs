//! Every response, member by member. What this service does not have is left out.

use super::body::{Body, Slot};
use super::member::{
    BillingModeSummary, Member, Optional, OptionalSeconds, Required, Seconds, Wire,
};
use super::refused::Refusal;
use super::structure::structure;
use super::writer::Writer;
use crate::api::{
    BackupDescription, BackupDetails, BackupSummary, CreateBackupOutput, CreateTableOutput,
    DeleteBackupOutput, DeleteItemOutput, DeleteTableOutput, DescribeBackupOutput,
    DescribeTableOutput, GetItemOutput, ListBackupsOutput, ListTablesOutput, PutItemOutput,
    QueryOutput, RestoreSummary, RestoreTableFromBackupOutput, ScanOutput, SourceTableDetails,
    TableDescription, UpdateItemOutput,
};

structure! { RestoreSummary {
    source_backup_arn: Required = "SourceBackupArn",
    source_table_arn: Required = "SourceTableArn",
    restore_date_time_ms: Seconds = "RestoreDateTime",
    restore_in_progress: Required = "RestoreInProgress",
} }

structure! { TableDescription {
    table_name: Required = "TableName",
    attribute_definitions: Required = "AttributeDefinitions",
    key_schema: Required = "KeySchema",
    table_status: Required = "TableStatus",
    creation_date_time_ms: Seconds = "CreationDateTime",
    provisioned_throughput: Required = "ProvisionedThroughput",
    billing_mode: BillingModeSummary = "BillingModeSummary",
    table_size_bytes: Required = "TableSizeBytes",
    item_count: Required = "ItemCount",
    table_arn: Required = "TableArn",
    table_id: Required = "TableId",
    restore_summary: Optional = "RestoreSummary",
} }

structure! { CreateTableOutput {
    table_description: Required = "TableDescription",
} }

structure! { DescribeTableOutput {
    table: Required = "Table",
} }

structure! { DeleteTableOutput {
    table_description: Required = "TableDescription",
} }

structure! { ListTablesOutput {
    table_names: Required = "TableNames",
    last_evaluated_table_name: Optional = "LastEvaluatedTableName",
} }

structure! { PutItemOutput {
    attributes: Optional = "Attributes",
} }

structure! { DeleteItemOutput {
    attributes: Optional = "Attributes",
} }

structure! { UpdateItemOutput {
    attributes: Optional = "Attributes",
} }

structure! { GetItemOutput {
    item: Optional = "Item",
} }

// Where only a count was asked for, Amazon leaves out `Items`; here it is empty.
structure! { QueryOutput {
    items: Required = "Items",
    count: Required = "Count",
    scanned_count: Required = "ScannedCount",
    last_evaluated_key: Optional = "LastEvaluatedKey",
} }

structure! { ScanOutput {
    items: Required = "Items",
    count: Required = "Count",
    scanned_count: Required = "ScannedCount",
    last_evaluated_key: Optional = "LastEvaluatedKey",
} }

// `SealedDateTime` is an extension of this service, which clients that do not know it pass over.
structure! { BackupDetails {
    backup_arn: Required = "BackupArn",
    backup_name: Required = "BackupName",
    backup_size_bytes: Required = "BackupSizeBytes",
    backup_status: Required = "BackupStatus",
    backup_type: Required = "BackupType",
    backup_creation_date_time_ms: Seconds = "BackupCreationDateTime",
    backup_expiry_date_time_ms: OptionalSeconds = "BackupExpiryDateTime",
    sealed_at_ms: OptionalSeconds = "SealedDateTime",
} }

structure! { SourceTableDetails {
    table_name: Required = "TableName",
    table_id: Required = "TableId",
    table_arn: Required = "TableArn",
    table_size_bytes: Required = "TableSizeBytes",
    item_count: Required = "ItemCount",
    key_schema: Required = "KeySchema",
    table_creation_date_time_ms: Seconds = "TableCreationDateTime",
    provisioned_throughput: Required = "ProvisionedThroughput",
    billing_mode: Required = "BillingMode",
} }

structure! { BackupDescription {
    backup_details: Required = "BackupDetails",
    source_table_details: Required = "SourceTableDetails",
} }

structure! { BackupSummary {
    table_name: Required = "TableName",
    table_id: Required = "TableId",
    table_arn: Required = "TableArn",
    backup_arn: Required = "BackupArn",
    backup_name: Required = "BackupName",
    backup_creation_date_time_ms: Seconds = "BackupCreationDateTime",
    backup_expiry_date_time_ms: OptionalSeconds = "BackupExpiryDateTime",
    backup_status: Required = "BackupStatus",
    backup_type: Required = "BackupType",
    backup_size_bytes: Required = "BackupSizeBytes",
} }

structure! { CreateBackupOutput {
    backup_details: Required = "BackupDetails",
} }

structure! { DescribeBackupOutput {
    backup_description: Required = "BackupDescription",
} }

structure! { DeleteBackupOutput {
    backup_description: Required = "BackupDescription",
} }

structure! { ListBackupsOutput {
    backup_summaries: Required = "BackupSummaries",
    last_evaluated_backup_arn: Optional = "LastEvaluatedBackupArn",
} }

structure! { RestoreTableFromBackupOutput {
    table_description: Required = "TableDescription",
} }
