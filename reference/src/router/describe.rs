//! The catalog's records in the API's words.

use crate::api::{
    self, BackupDescription, BackupDetails, BackupStatus, BackupType, KeySchemaElement, KeyType,
    RestoreSummary, SourceTableDetails, TableDescription,
};
use crate::item::KeySchema;
use crate::metadata::{Backup, BackupState, Cluster, Restore, Table, TableStatus};

/// A table, and the restore that fills it.
pub(super) fn describe_table(
    cluster: &Cluster,
    table: &Table,
    restore: Option<&Restore>,
) -> TableDescription {
    let summary = restore.map(|it| RestoreSummary {
        source_backup_arn: it.backup_arn.clone(),
        source_table_arn: cluster.table_arn(&it.source_table),
        restore_date_time_ms: it.restore_ms,
        restore_in_progress: true,
    });
    table_description(cluster, table, summary)
}

pub(super) fn table_description(
    cluster: &Cluster,
    table: &Table,
    restore_summary: Option<RestoreSummary>,
) -> TableDescription {
    TableDescription {
        table_name: table.name.clone(),
        attribute_definitions: table.spec.attributes.clone(),
        key_schema: key_schema(&table.spec.schema),
        table_status: match table.status {
            TableStatus::Creating => api::TableStatus::Creating,
            TableStatus::Active => api::TableStatus::Active,
            TableStatus::Deleting => api::TableStatus::Deleting,
        },
        creation_date_time_ms: table.created_ms,
        provisioned_throughput: table.spec.throughput,
        billing_mode: table.spec.billing_mode,
        // Amazon refreshes both about every six hours; a table younger than that shows zero.
        table_size_bytes: 0,
        item_count: 0,
        table_arn: cluster.table_arn(&table.name),
        table_id: table.id,
        restore_summary,
    }
}

fn key_schema(schema: &KeySchema) -> Vec<KeySchemaElement> {
    let roles = schema.attributes().zip([KeyType::Hash, KeyType::Range]);
    let element = |(it, key_type): (&crate::item::KeyAttribute, _)| KeySchemaElement {
        attribute_name: it.name.clone(),
        key_type,
    };
    roles.map(element).collect()
}

pub(super) fn backup_details(backup: &Backup) -> BackupDetails {
    let (status, size_bytes, sealed_at_ms) = match backup.state {
        BackupState::Cutting(_) => (BackupStatus::Creating, 0, None),
        BackupState::Sealed { instant_ms, .. } => (BackupStatus::Creating, 0, Some(instant_ms)),
        BackupState::Available { instant_ms, size_bytes, .. } => {
            (BackupStatus::Available, size_bytes, Some(instant_ms))
        }
    };
    BackupDetails {
        backup_arn: backup.arn.clone(),
        backup_name: backup.name.clone(),
        backup_size_bytes: size_bytes,
        backup_status: status,
        backup_type: BackupType::User,
        backup_creation_date_time_ms: backup.requested_ms,
        backup_expiry_date_time_ms: None,
        sealed_at_ms,
    }
}

pub(super) fn backup_description(cluster: &Cluster, backup: &Backup) -> BackupDescription {
    let table = &backup.table;
    BackupDescription {
        backup_details: backup_details(backup),
        source_table_details: SourceTableDetails {
            table_name: table.name.clone(),
            table_id: table.id,
            table_arn: cluster.table_arn(&table.name),
            table_size_bytes: 0,
            item_count: 0,
            key_schema: key_schema(&table.spec.schema),
            table_creation_date_time_ms: table.created_ms,
            provisioned_throughput: table.spec.throughput,
            billing_mode: table.spec.billing_mode,
        },
    }
}
