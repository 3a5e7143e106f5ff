//! DeleteBackup.

use super::common::{
    NO_BACKUP_ARNS, as_set, backup, colours, delete_backup, describe_backup, nobodys_backup,
    refused, simple, slow_uploads,
};
use stillpoint_reference::api::{
    BackupStatus, DeleteBackupInput, ExceptionName, ListBackupsInput, RestoreTableFromBackupInput,
};
use stillpoint_scenarios::stage::operate;

/// S 43 and 47.
#[test]
fn a_deleted_backup_is_gone_for_every_operation() {
    for nodes in [1, 3] {
        operate(nodes, async |it| {
            it.open_table("orders", &simple()).await;
            let arn = it.back_up("orders", "nightly").await;
            let described = it.describe_backup(describe_backup(&arn)).await.expect("there");
            let mut expected = described.backup_description;
            expected.backup_details.backup_status = BackupStatus::Deleted;
            let deleted = it.delete_backup(delete_backup(&arn)).await.expect("accepted");
            assert_eq!(deleted.backup_description, expected, "{nodes} nodes");

            let gone = ExceptionName::BackupNotFound;
            refused(it.describe_backup(describe_backup(&arn)).await, gone);
            refused(it.delete_backup(delete_backup(&arn)).await, gone);
            let input = RestoreTableFromBackupInput::new("copy", &arn);
            refused(it.restore_table(input).await, gone);
            let list = it.list_backups(ListBackupsInput::default()).await.expect("accepted");
            assert_eq!(list.backup_summaries, []);
        });
    }
}

/// S 32.
#[test]
fn a_backup_that_is_being_created_cannot_be_deleted() {
    operate(3, async |it| {
        slow_uploads(&it);
        it.open_table("orders", &simple()).await;
        let created = it.create_backup(backup("orders", "nightly")).await.expect("accepted");
        let arn = created.backup_details.backup_arn;
        refused(it.delete_backup(delete_backup(&arn)).await, ExceptionName::BackupInUse);
        it.await_available(&arn).await;
        it.delete_backup(delete_backup(&arn)).await.expect("nothing is in its way any more");
    });
}

/// S 48.
#[test]
fn a_backup_that_feeds_a_restore_cannot_be_deleted() {
    operate(3, async |it| {
        it.open_table("orders", &simple()).await;
        it.fill("orders", colours(20, "red")).await;
        let arn = it.back_up("orders", "nightly").await;
        let input = RestoreTableFromBackupInput::new("copy", &arn);
        it.restore_table(input).await.expect("accepted");
        refused(it.delete_backup(delete_backup(&arn)).await, ExceptionName::BackupInUse);
        it.await_active("copy").await;
        assert_eq!(as_set(&it.scan_all("copy").await.0), as_set(&colours(20, "red")));
        it.delete_backup(delete_backup(&arn)).await.expect("nothing is in its way any more");
        assert_eq!(it.scan_all("copy").await.0.len(), 20, "a restored table needs no backup");
    });
}

/// S 17.
#[test]
fn a_newer_backup_does_not_need_the_older_one() {
    operate(3, async |it| {
        it.open_table("orders", &simple()).await;
        it.fill("orders", colours(20, "red")).await;
        let older = it.back_up("orders", "older").await;
        it.fill("orders", colours(5, "green")).await;
        let newer = it.back_up("orders", "newer").await;
        let (expected, _) = it.scan_all("orders").await;
        it.delete_backup(delete_backup(&older)).await.expect("accepted");
        it.sleep_ms(5_000).await;
        it.restore(&newer, "copy").await;
        assert_eq!(as_set(&it.scan_all("copy").await.0), as_set(&expected));
    });
}

/// S 38.
#[test]
fn an_arn_that_nobody_has_is_not_found_and_one_that_is_none_is_refused() {
    operate(3, async |it| {
        let answer = it.delete_backup(delete_backup(&nobodys_backup())).await;
        refused(answer, ExceptionName::BackupNotFound);
        for arn in NO_BACKUP_ARNS {
            let input = DeleteBackupInput { backup_arn: arn.to_owned() };
            refused(it.delete_backup(input).await, ExceptionName::Validation);
        }
    });
}
