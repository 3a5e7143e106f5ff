//! CreateBackup.

use super::common::{
    all_of, as_set, backup, colours, delete, describe_backup, refused, simple, slow_disks,
};
use std::collections::BTreeSet;
use stillpoint_reference::api::{
    BackupArn, BackupStatus, BackupType, CreateTableInput, ExceptionName, ListBackupsInput,
};
use stillpoint_scenarios::stage::operate;

/// S 24.
#[test]
fn a_backup_has_an_arn_a_name_a_time_and_no_expiry() {
    for nodes in [1, 3] {
        operate(nodes, async |it| {
            it.open_table("orders", &simple()).await;
            it.sleep_ms(1_000).await;
            let before_ms = it.wall_ms();
            let created = it.create_backup(backup("orders", "nightly")).await.expect("accepted");
            let (it, after_ms) = (created.backup_details, it.wall_ms());
            let arn = it.backup_arn.to_string();
            assert!((37..=1_024).contains(&arn.len()), "{arn}");
            assert!(
                arn.starts_with("arn:aws:dynamodb:us-east-1:000000000000:table/orders/backup/0")
            );
            assert_eq!(it.backup_name, "nightly");
            assert_eq!(it.backup_type, BackupType::User);
            assert!(matches!(it.backup_status, BackupStatus::Creating | BackupStatus::Available));
            let created_ms = it.backup_creation_date_time_ms;
            assert!((before_ms..=after_ms).contains(&created_ms), "{nodes} nodes");
            assert_eq!(it.backup_arn.created_ms, created_ms);
            assert_eq!(it.backup_expiry_date_time_ms, None);
        });
    }
}

/// S 25.
#[test]
fn names_have_3_to_255_characters_of_the_set() {
    operate(1, async |it| {
        it.open_table("orders", &simple()).await;
        for name in ["", "ab", &"a".repeat(256), "night ly", "nightly$", "nächtlich"] {
            refused(it.create_backup(backup("orders", name)).await, ExceptionName::Validation);
        }
        for name in ["abc", &"a".repeat(255), "A-b_c.9"] {
            let created = it.create_backup(backup("orders", name)).await.expect("accepted");
            assert_eq!(created.backup_details.backup_name, name);
        }
        let list = it.list_backups(ListBackupsInput::default()).await.expect("accepted");
        assert_eq!(list.backup_summaries.len(), 3, "refused requests leave nothing");
    });
}

/// S 26.
#[test]
fn the_table_may_be_named_by_its_arn() {
    operate(3, async |it| {
        let table = it.open_table("orders", &simple()).await;
        let arn = it.back_up(&table.table_arn.to_string(), "nightly").await;
        let source = it.describe_backup(describe_backup(&arn)).await.expect("accepted");
        let source = source.backup_description.source_table_details;
        assert_eq!((source.table_name.as_str(), source.table_id), ("orders", table.table_id));
        for other in ["arn:aws:s3:::orders", "arn:aws:dynamodb:us-east-1:0:table/orders"] {
            refused(it.create_backup(backup(other, "nightly")).await, ExceptionName::Validation);
        }
    });
}

/// S 27.
#[test]
fn a_table_that_is_not_there_cannot_be_backed_up() {
    operate(3, async |it| {
        refused(it.create_backup(backup("orders", "nightly")).await, ExceptionName::TableNotFound);
        it.open_table("orders", &simple()).await;
        it.drop_table("orders").await;
        refused(it.create_backup(backup("orders", "nightly")).await, ExceptionName::TableNotFound);
    });
}

/// S 29, as it is documented.
#[test]
fn a_table_that_is_being_created_or_deleted_is_in_use() {
    operate(3, async |it| {
        slow_disks(&it);
        it.create_table(CreateTableInput::on_demand("orders", &simple())).await.expect("accepted");
        refused(it.create_backup(backup("orders", "nightly")).await, ExceptionName::TableInUse);
        it.await_active("orders").await;
        it.delete_table(delete("orders")).await.expect("accepted");
        refused(it.create_backup(backup("orders", "nightly")).await, ExceptionName::TableInUse);
    });
}

/// S 30 and 35: there is no token, so asking again makes another backup.
#[test]
fn a_name_may_be_given_again_and_again() {
    operate(3, async |it| {
        it.open_table("orders", &simple()).await;
        it.fill("orders", colours(5, "red")).await;
        let first = it.back_up("orders", "nightly").await;
        let second = it.back_up("orders", "nightly").await;
        assert_ne!(first, second);
        for (arn, target) in [(first, "first"), (second, "second")] {
            it.restore(&arn, target).await;
            assert_eq!(as_set(&it.scan_all(target).await.0), as_set(&colours(5, "red")));
        }
    });
}

/// S 30 and 31: no backup of a table waits for another, and fifty a second are not too many.
#[test]
fn fifty_backups_of_one_table_may_be_asked_for_at_once() {
    operate(3, async |it| {
        it.open_table("orders", &simple()).await;
        it.fill("orders", colours(5, "red")).await;
        let fifty = (0..50).map(|_| it.create_backup(backup("orders", "nightly")));
        let created = all_of(fifty).await.into_iter();
        let arns = created.map(|it| it.expect("accepted").backup_details.backup_arn);
        let arns: BTreeSet<BackupArn> = arns.collect();
        assert_eq!(arns.len(), 50);
        for arn in &arns {
            it.await_available(arn).await;
        }
        for (arn, target) in [(arns.first(), "first"), (arns.last(), "last")] {
            it.restore(arn.expect("there are fifty"), target).await;
            assert_eq!(as_set(&it.scan_all(target).await.0), as_set(&colours(5, "red")));
        }
    });
}

/// S 18.
#[test]
fn an_empty_table_has_an_empty_backup() {
    for nodes in [1, 3] {
        operate(nodes, async |it| {
            it.open_table("orders", &simple()).await;
            let arn = it.back_up("orders", "nightly").await;
            it.fill("orders", colours(5, "red")).await;
            it.restore(&arn, "copy").await;
            assert_eq!(it.scan_all("copy").await.0, [], "{nodes} nodes");
        });
    }
}
