//! Amazon resource names of tables and backups: building and parsing them.
//!
//! Forms: `arn:aws:dynamodb:<region>:<account>:table/<name>` and, of a backup, the same with
//! `/backup/<14 digits>-<8 hex>`. The digits are the creation time in epoch milliseconds [LAB
//! BACKUP-006]; a suffix of zeros is a SYSTEM backup's [LAB BACKUP-015].

use std::fmt;

use serde::{Deserialize, Serialize};

use super::shape::is_name;
use crate::item::ValidationError;

const PREFIX: &str = "arn:aws:dynamodb:";
const TIME_DIGITS: usize = 14;
const SUFFIX_DIGITS: usize = 8;

/// Names a table within all accounts and Regions.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TableArn {
    /// The Region, such as `us-east-1`.
    pub region: String,
    /// The account: twelve digits.
    pub account: String,
    /// The table's name.
    pub table_name: String,
}

/// Names a backup. It orders by table, then by creation time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BackupArn {
    /// The table that was backed up; it may be gone.
    pub table: TableArn,
    /// When the backup was requested, in epoch milliseconds, below 10^14.
    pub created_ms: u64,
    /// Tells apart the backups of one millisecond; 0 for SYSTEM backups.
    pub suffix: u32,
}

impl TableArn {
    /// Reads a table's ARN; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix(PREFIX)?.splitn(3, ':');
        let (region, account, resource) = (parts.next()?, parts.next()?, parts.next()?);
        let table_name = resource.strip_prefix("table/")?;
        let region_is_plain = !region.is_empty() && is_plain(region);
        let account_is_plain = account.len() == 12 && all_digits(account);
        (region_is_plain && account_is_plain && is_name(table_name)).then(|| Self {
            region: region.to_owned(),
            account: account.to_owned(),
            table_name: table_name.to_owned(),
        })
    }

    /// The ARN of a backup of this table.
    pub fn backup(&self, created_ms: u64, suffix: u32) -> BackupArn {
        BackupArn { table: self.clone(), created_ms, suffix }
    }
}

impl BackupArn {
    /// Reads the ARN of a backup.
    ///
    /// # Errors
    /// `Invalid Backup ARN` for every other text, an ARN of a table included [LAB BACKUP-012].
    pub fn parse(text: &str) -> Result<Self, ValidationError> {
        Self::parts(text).ok_or_else(|| ValidationError::new("Invalid Backup ARN"))
    }

    fn parts(text: &str) -> Option<Self> {
        let (table, backup) = text.split_once("/backup/")?;
        let (time, suffix) = backup.split_once('-')?;
        let suffix_is_hex = suffix.len() == SUFFIX_DIGITS
            && suffix.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if time.len() != TIME_DIGITS || !all_digits(time) || !suffix_is_hex {
            return None;
        }
        Some(Self {
            table: TableArn::parse(table)?,
            created_ms: time.parse().ok()?,
            suffix: u32::from_str_radix(suffix, 16).ok()?,
        })
    }
}

/// The table's name in a field that takes a name or an ARN.
///
/// # Errors
/// The text is neither a valid name nor the ARN of a table.
pub fn table_name_of(name_or_arn: &str) -> Result<&str, ValidationError> {
    if is_name(name_or_arn) {
        return Ok(name_or_arn);
    }
    match TableArn::parse(name_or_arn) {
        Some(arn) => Ok(&name_or_arn[name_or_arn.len() - arn.table_name.len()..]),
        None => Err(ValidationError::new(
            "Invalid table/index name.  Table/index names must be \
             between 3 and 255 characters long, and may contain only the characters a-z, A-Z, \
             0-9, '_', '-', and '.'",
        )),
    }
}

fn all_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

impl fmt::Display for TableArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { region, account, table_name } = self;
        write!(f, "{PREFIX}{region}:{account}:table/{table_name}")
    }
}

impl fmt::Display for BackupArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, created_ms, suffix } = self;
        write!(f, "{table}/backup/{created_ms:0TIME_DIGITS$}-{suffix:0SUFFIX_DIGITS$x}")
    }
}

#[cfg(test)]
mod tests;
