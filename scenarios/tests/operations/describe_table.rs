//! DescribeTable.

use super::common::{delete, describe, refused, simple, slow_disks};
use stillpoint_reference::api::{CreateTableInput, ExceptionName, TableStatus};
use stillpoint_scenarios::stage::operate;

#[test]
fn a_table_is_described_from_its_creation_to_its_end() {
    operate(3, async |it| {
        slow_disks(&it);
        it.create_table(CreateTableInput::on_demand("orders", &simple())).await.expect("accepted");
        let status = async || it.describe_table(describe("orders")).await.map(|it| it.table);
        assert_eq!(status().await.expect("it is there").table_status, TableStatus::Creating);
        it.await_active("orders").await;
        it.delete_table(delete("orders")).await.expect("accepted");
        assert_eq!(status().await.expect("it is there").table_status, TableStatus::Deleting);
        it.sleep_ms(5_000).await;
        refused(status().await, ExceptionName::ResourceNotFound);
    });
}

#[test]
fn every_router_describes_a_table_alike() {
    operate(3, async |it| {
        let table = it.open_table("orders", &simple()).await;
        // Requests go to routers at random: twenty reach all three.
        for _ in 0..20 {
            assert_eq!(it.describe_table(describe("orders")).await.expect("there").table, table);
        }
        assert_eq!(table.restore_summary, None, "nothing was restored");
    });
}

#[test]
fn a_table_that_nobody_made_is_not_found() {
    operate(1, async |it| {
        refused(it.describe_table(describe("orders")).await, ExceptionName::ResourceNotFound);
        refused(it.describe_table(describe("??")).await, ExceptionName::Validation);
    });
}
