//! DeleteTable.

use super::common::{
    backup, colour, delete, describe, get, key, refused, simple, slow_disks, slow_uploads,
};
use stillpoint_reference::api::{
    CreateTableInput, ExceptionName, PutItemInput, RestoreTableFromBackupInput, TableStatus,
};
use stillpoint_scenarios::stage::operate;

#[test]
fn a_deleted_table_takes_its_items_with_it() {
    for nodes in [1, 3] {
        operate(nodes, async |it| {
            it.open_table("orders", &simple()).await;
            it.fill("orders", [colour("a", "red")]).await;
            let deleted = it.delete_table(delete("orders")).await.expect("accepted");
            assert_eq!(deleted.table_description.table_status, TableStatus::Deleting);
            it.sleep_ms(5_000).await;
            refused(it.get_item(get("orders", key("a"))).await, ExceptionName::ResourceNotFound);
            it.open_table("orders", &simple()).await;
            assert_eq!(it.scan_all("orders").await.0, [], "{nodes} nodes");
        });
    }
}

/// The member that is away is told when it comes back; nobody waits for that.
#[test]
fn a_table_goes_although_a_node_is_away() {
    operate(3, async |it| {
        let away = it.cluster.hosts[2];
        it.open_table("orders", &simple()).await;
        it.fill("orders", [colour("a", "red")]).await;
        it.world.power_loss(away);
        it.sleep_ms(3_000).await;
        it.drop_table("orders").await;
        it.open_table("orders", &simple()).await;
        it.fill("orders", [colour("b", "blue")]).await;
        it.world.restart(away);
        it.sleep_ms(5_000).await;
        assert_eq!(it.scan_all("orders").await.0, [colour("b", "blue")]);
    });
}

#[test]
fn a_table_that_is_not_there_cannot_be_deleted() {
    operate(1, async |it| {
        refused(it.delete_table(delete("orders")).await, ExceptionName::ResourceNotFound);
        refused(it.delete_table(delete("no")).await, ExceptionName::Validation);
        it.open_table("orders", &simple()).await;
        it.drop_table("orders").await;
        refused(it.delete_table(delete("orders")).await, ExceptionName::ResourceNotFound);
    });
}

/// As the API Reference says of DeleteTable: "no error is returned".
#[test]
fn a_table_that_is_being_deleted_may_be_deleted_again() {
    operate(3, async |it| {
        it.open_table("orders", &simple()).await;
        slow_disks(&it);
        for _ in 0..2 {
            let deleted = it.delete_table(delete("orders")).await.expect("accepted");
            assert_eq!(deleted.table_description.table_status, TableStatus::Deleting);
        }
        it.sleep_ms(5_000).await;
        refused(it.describe_table(describe("orders")).await, ExceptionName::ResourceNotFound);
        it.open_table("orders", &simple()).await;
    });
}

#[test]
fn a_table_that_is_being_created_cannot_be_deleted() {
    operate(3, async |it| {
        slow_disks(&it);
        it.create_table(CreateTableInput::on_demand("orders", &simple())).await.expect("accepted");
        refused(it.delete_table(delete("orders")).await, ExceptionName::ResourceInUse);
        it.await_active("orders").await;
    });
}

/// S 72.
#[test]
fn a_table_that_is_being_restored_cannot_be_deleted() {
    operate(3, async |it| {
        slow_disks(&it);
        it.open_table("orders", &simple()).await;
        let arn = it.back_up("orders", "nightly").await;
        let input = RestoreTableFromBackupInput::new("copy", &arn);
        it.restore_table(input).await.expect("accepted");
        refused(it.delete_table(delete("copy")).await, ExceptionName::ResourceInUse);
        it.await_active("copy").await;
        it.drop_table("copy").await;
    });
}

/// S 33.
#[test]
fn a_table_whose_backup_is_being_created_cannot_be_deleted() {
    operate(3, async |it| {
        slow_uploads(&it);
        it.open_table("orders", &simple()).await;
        let created = it.create_backup(backup("orders", "nightly")).await.expect("accepted");
        refused(it.delete_table(delete("orders")).await, ExceptionName::ResourceInUse);
        it.put_item(PutItemInput::new("orders", colour("a", "red"))).await.expect("it is open");
        it.await_available(&created.backup_details.backup_arn).await;
        it.drop_table("orders").await;
    });
}
