//! DescribeBackup.

use super::common::{
    NO_BACKUP_ARNS, backup, describe_backup, nobodys_backup, provisioned, refused, simple,
    slow_uploads, sorted, units,
};
use stillpoint_reference::api::{
    BackupStatus, BillingMode, DescribeBackupInput, ExceptionName, KeyType, ListBackupsInput,
};
use stillpoint_scenarios::stage::operate;

#[test]
fn a_backup_is_creating_until_it_is_archived_and_then_available() {
    for nodes in [1, 3] {
        operate(nodes, async |it| {
            slow_uploads(&it);
            it.open_table("orders", &simple()).await;
            let created = it.create_backup(backup("orders", "nightly")).await.expect("accepted");
            let arn = created.backup_details.backup_arn;
            let status = async || {
                let described = it.describe_backup(describe_backup(&arn)).await.expect("there");
                described.backup_description.backup_details.backup_status
            };
            assert_eq!(status().await, BackupStatus::Creating, "{nodes} nodes");
            it.await_available(&arn).await;
            assert_eq!(status().await, BackupStatus::Available, "{nodes} nodes");
        });
    }
}

/// S 36.
#[test]
fn the_source_is_described_as_it_was_whatever_became_of_it() {
    operate(3, async |it| {
        let first = provisioned("orders", 4_000, 2_000);
        it.create_table(first).await.expect("accepted");
        let table = it.await_active("orders").await;
        let arn = it.back_up("orders", "nightly").await;
        let source = async || {
            let described = it.describe_backup(describe_backup(&arn)).await.expect("there");
            described.backup_description.source_table_details
        };
        let before = source().await;
        assert_eq!(before.table_name, "orders");
        assert_eq!(before.table_id, table.table_id);
        assert_eq!(before.table_arn, table.table_arn);
        assert_eq!(before.table_creation_date_time_ms, table.creation_date_time_ms);
        assert_eq!(before.billing_mode, BillingMode::Provisioned);
        assert_eq!(before.provisioned_throughput, units(4_000, 2_000));
        let [only] = &before.key_schema[..] else { panic!("{:?}", before.key_schema) };
        assert_eq!((only.attribute_name.as_str(), only.key_type), ("pk", KeyType::Hash));

        it.drop_table("orders").await;
        assert_eq!(source().await, before);
        let again = it.open_table("orders", &sorted()).await;
        assert_ne!(again.table_id, before.table_id);
        assert_eq!(source().await, before);
    });
}

/// S 34.
#[test]
fn create_describe_and_list_tell_the_same_time() {
    operate(3, async |it| {
        it.open_table("orders", &simple()).await;
        let created = it.create_backup(backup("orders", "nightly")).await.expect("accepted");
        let created = created.backup_details;
        it.await_available(&created.backup_arn).await;
        let described = it.describe_backup(describe_backup(&created.backup_arn)).await;
        let described = described.expect("there").backup_description;
        let listed = it.list_backups(ListBackupsInput::default()).await.expect("accepted");
        assert_eq!(listed.backup_summaries, [described.summary()]);
        let time_ms = created.backup_creation_date_time_ms;
        assert_eq!(described.backup_details.backup_creation_date_time_ms, time_ms);
        assert_eq!(listed.backup_summaries[0].backup_creation_date_time_ms, time_ms);
    });
}

/// S 38.
#[test]
fn an_arn_that_nobody_has_is_not_found_and_one_that_is_none_is_refused() {
    operate(3, async |it| {
        it.open_table("orders", &simple()).await;
        let answer = it.describe_backup(describe_backup(&nobodys_backup())).await;
        refused(answer, ExceptionName::BackupNotFound);
        for arn in NO_BACKUP_ARNS {
            let input = DescribeBackupInput { backup_arn: arn.to_owned() };
            refused(it.describe_backup(input).await, ExceptionName::Validation);
        }
    });
}
