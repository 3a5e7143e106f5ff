//! Backups: the five operations on them and what they tell.
//!
//! Tables of this service have no secondary indexes, streams, TTL or own encryption keys, so
//! there are no source table feature details and no overrides of indexes or encryption.

use serde::{Deserialize, Serialize};

use super::shape::Shape;
use super::{
    BackupArn, BackupStatus, BackupType, BackupTypeFilter, BillingMode, KeySchemaElement,
    ProvisionedThroughput, TableArn, TableDescription, TableId, table_name_of,
};
use crate::item::ValidationError;

/// Lengths of the ARN of a backup in requests [API].
const BACKUP_ARN_LENGTH_MIN: usize = 37;
const ARN_LENGTH_MAX: usize = 1024;

/// What there is to tell about a backup itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupDetails {
    /// The backup's ARN: its identity.
    pub backup_arn: BackupArn,
    /// Its name, which need not be unique.
    pub backup_name: String,
    /// Bytes of items: a statistic that lags.
    pub backup_size_bytes: u64,
    /// Where it is in its life.
    pub backup_status: BackupStatus,
    /// Who asked for it.
    pub backup_type: BackupType,
    /// When it was requested, in epoch ms.
    pub backup_creation_date_time_ms: u64,
    /// When it goes by itself, in epoch ms; SYSTEM backups only.
    pub backup_expiry_date_time_ms: Option<u64>,
    /// An extension of this service: the instant whose state the backup holds, in epoch ms,
    /// once the cut through all partitions is sealed.
    pub sealed_at_ms: Option<u64>,
}

/// The source table as it was when the backup was requested.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceTableDetails {
    /// The table's name.
    pub table_name: String,
    /// Its identity among all that had the name.
    pub table_id: TableId,
    /// Its ARN.
    pub table_arn: TableArn,
    /// Bytes of items: a statistic that lags.
    pub table_size_bytes: u64,
    /// Number of items: a statistic that lags.
    pub item_count: u64,
    /// Roles of the key attributes.
    pub key_schema: Vec<KeySchemaElement>,
    /// When the table was created, in epoch ms.
    pub table_creation_date_time_ms: u64,
    /// Reserved capacity; zeros when paid by request.
    pub provisioned_throughput: ProvisionedThroughput,
    /// How capacity was paid for.
    pub billing_mode: BillingMode,
}

/// A backup with its source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupDescription {
    /// The backup.
    pub backup_details: BackupDetails,
    /// The table, frozen as it was.
    pub source_table_details: SourceTableDetails,
}

impl BackupDescription {
    /// The line that ListBackups shows.
    pub fn summary(&self) -> BackupSummary {
        let (details, source) = (self.backup_details.clone(), &self.source_table_details);
        BackupSummary {
            table_name: source.table_name.clone(),
            table_id: source.table_id,
            table_arn: source.table_arn.clone(),
            backup_arn: details.backup_arn,
            backup_name: details.backup_name,
            backup_creation_date_time_ms: details.backup_creation_date_time_ms,
            backup_expiry_date_time_ms: details.backup_expiry_date_time_ms,
            backup_status: details.backup_status,
            backup_type: details.backup_type,
            backup_size_bytes: details.backup_size_bytes,
        }
    }
}

/// A backup in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupSummary {
    /// The source table's name.
    pub table_name: String,
    /// The source table's identity.
    pub table_id: TableId,
    /// The source table's ARN.
    pub table_arn: TableArn,
    /// The backup's ARN.
    pub backup_arn: BackupArn,
    /// The backup's name.
    pub backup_name: String,
    /// When it was requested, in epoch ms.
    pub backup_creation_date_time_ms: u64,
    /// When it goes by itself, in epoch ms; SYSTEM backups only.
    pub backup_expiry_date_time_ms: Option<u64>,
    /// CREATING or AVAILABLE.
    pub backup_status: BackupStatus,
    /// Who asked for it.
    pub backup_type: BackupType,
    /// Bytes of items: a statistic that lags.
    pub backup_size_bytes: u64,
}

/// A request to back up a table. Without a token: asking twice makes two backups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateBackupInput {
    /// The table's name or ARN.
    pub table_name: String,
    /// 3 to 255 characters of `[a-zA-Z0-9_.-]`, not necessarily unique.
    pub backup_name: String,
}

impl CreateBackupInput {
    /// Checks both names; [`table_name_of`] then gives the table's.
    ///
    /// # Errors
    /// A name has a wrong length or characters, or the ARN is no table's.
    pub fn validate(&self) -> Result<(), ValidationError> {
        Shape::new()
            .length("tableName", &self.table_name, 1, ARN_LENGTH_MAX)
            .name("backupName", &self.backup_name)
            .finish()?;
        table_name_of(&self.table_name).map(drop)
    }
}

/// The backup, CREATING or AVAILABLE.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateBackupOutput {
    /// The backup.
    pub backup_details: BackupDetails,
}

/// A request to describe a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DescribeBackupInput {
    /// The backup's ARN.
    pub backup_arn: String,
}

impl DescribeBackupInput {
    /// Checks that the ARN is a backup's.
    ///
    /// # Errors
    /// A wrong length, or the ARN of something else.
    pub fn validate(&self) -> Result<(), ValidationError> {
        validate_backup_arn(&self.backup_arn)
    }
}

/// What there is to tell about a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DescribeBackupOutput {
    /// The backup and its source.
    pub backup_description: BackupDescription,
}

/// A request to delete a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteBackupInput {
    /// The backup's ARN.
    pub backup_arn: String,
}

impl DeleteBackupInput {
    /// Checks that the ARN is a backup's.
    ///
    /// # Errors
    /// A wrong length, or the ARN of something else.
    pub fn validate(&self) -> Result<(), ValidationError> {
        validate_backup_arn(&self.backup_arn)
    }
}

/// The backup that is gone, with status DELETED.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteBackupOutput {
    /// The backup and its source.
    pub backup_description: BackupDescription,
}

fn validate_backup_arn(text: &str) -> Result<(), ValidationError> {
    Shape::new().length("backupArn", text, BACKUP_ARN_LENGTH_MIN, ARN_LENGTH_MAX).finish()?;
    BackupArn::parse(text).map(drop)
}

/// A request for a page of backups.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListBackupsInput {
    /// Only backups of tables with this name (or ARN), which may be gone.
    pub table_name: Option<String>,
    /// 1 to 100 backups; 100 when absent.
    pub limit: Option<i32>,
    /// Only backups requested at this time or later, in epoch ms.
    pub time_range_lower_bound_ms: Option<u64>,
    /// Only backups requested before this time, in epoch ms.
    pub time_range_upper_bound_ms: Option<u64>,
    /// The backup after which the page begins; it need not exist any more.
    pub exclusive_start_backup_arn: Option<String>,
    /// USER when absent.
    pub backup_type: Option<BackupTypeFilter>,
}

impl ListBackupsInput {
    /// Backups on a page at most.
    pub const LIMIT_MAX: i32 = 100;

    /// Checks the limit, the names and the order of the bounds.
    ///
    /// # Errors
    /// The limit is not 1 to 100, the lower bound is above the upper, or a name or ARN is none.
    pub fn validate(&self) -> Result<(), ValidationError> {
        let mut shape = Shape::new();
        if let Some(name) = &self.table_name {
            shape = shape.length("tableName", name, 1, ARN_LENGTH_MAX);
        }
        if let Some(limit) = self.limit {
            shape = shape.between("limit", limit.into(), 1, Self::LIMIT_MAX.into());
        }
        shape.finish()?;
        self.table_name.as_deref().map(table_name_of).transpose()?;
        if let Some(arn) = &self.exclusive_start_backup_arn {
            validate_backup_arn(arn)?;
        }
        match (self.time_range_lower_bound_ms, self.time_range_upper_bound_ms) {
            (Some(lower), Some(upper)) if lower > upper => Err(ValidationError::new(
                "Time range lower bound must be less than or equal to upper bound",
            )),
            _ => Ok(()),
        }
    }
}

/// A page of backups in the order of their creation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListBackupsOutput {
    /// CREATING and AVAILABLE backups.
    pub backup_summaries: Vec<BackupSummary>,
    /// Where the next page begins; absent exactly at the end.
    pub last_evaluated_backup_arn: Option<BackupArn>,
}

/// A request to make a new table out of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreTableFromBackupInput {
    /// The name of a table that does not exist.
    pub target_table_name: String,
    /// The backup's ARN.
    pub backup_arn: String,
    /// The source's recorded mode when absent.
    pub billing_mode_override: Option<BillingMode>,
    /// The source's recorded capacity when absent.
    pub provisioned_throughput_override: Option<ProvisionedThroughput>,
}

impl RestoreTableFromBackupInput {
    /// A restore that overrides nothing.
    pub fn new(target_table_name: &str, backup_arn: &BackupArn) -> Self {
        Self {
            target_table_name: target_table_name.to_owned(),
            backup_arn: backup_arn.to_string(),
            billing_mode_override: None,
            provisioned_throughput_override: None,
        }
    }

    /// Checks everything that can be told without the backup.
    ///
    /// # Errors
    /// The name, the ARN, or units of capacity below 1.
    pub fn validate(&self) -> Result<(), ValidationError> {
        let mut shape = Shape::new().name("targetTableName", &self.target_table_name);
        if let Some(throughput) = &self.provisioned_throughput_override {
            shape = throughput.shape("provisionedThroughputOverride", shape);
        }
        shape.finish()?;
        validate_backup_arn(&self.backup_arn)
    }

    /// The settings of the restored table: what the backup recorded, with the overrides.
    ///
    /// # Errors
    /// Overrides that do not go together, or not with the source [LAB TABLE-273].
    pub fn effective_billing(
        &self,
        source: &SourceTableDetails,
    ) -> Result<(BillingMode, ProvisionedThroughput), ValidationError> {
        let mode = self.billing_mode_override.unwrap_or(source.billing_mode);
        let recorded = source.provisioned_throughput;
        match (mode, self.provisioned_throughput_override) {
            (BillingMode::PayPerRequest, None) => Ok((mode, ProvisionedThroughput::NONE)),
            (BillingMode::PayPerRequest, Some(_)) => Err(ValidationError::new(
                "Cannot override ProvisionedThroughput unless BillingMode is PROVISIONED",
            )),
            (BillingMode::Provisioned, Some(throughput)) => Ok((mode, throughput)),
            (BillingMode::Provisioned, None) if self.billing_mode_override.is_none() => {
                Ok((mode, recorded))
            }
            (BillingMode::Provisioned, None) => Err(ValidationError::new(
                "Must override ProvisionedThroughput if BillingMode is overridden to PROVISIONED",
            )),
        }
    }
}

/// The new table, CREATING, with its restore summary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreTableFromBackupOutput {
    /// The new table.
    pub table_description: TableDescription,
}

#[cfg(test)]
mod tests;
