//! CreateTable.

use super::common::{delete, describe, provisioned, refused, simple, slow_disks, sorted, units};
use stillpoint_reference::api::{
    BillingMode, CreateTableInput, ExceptionName, KeyType, ProvisionedThroughput, TableStatus,
};
use stillpoint_reference::item::ScalarAttributeType;
use stillpoint_scenarios::stage::operate;

#[test]
fn a_new_table_is_creating_and_then_active() {
    for nodes in [1, 3] {
        operate(nodes, async |it| {
            let input = CreateTableInput::on_demand("orders", &sorted());
            let created = it.create_table(input).await.expect("accepted").table_description;
            assert_eq!(created.table_status, TableStatus::Creating, "{nodes} nodes");
            let table = it.await_active("orders").await;
            assert_eq!(table.table_id, created.table_id);
            assert_eq!(table.creation_date_time_ms, created.creation_date_time_ms);
        });
    }
}

#[test]
fn a_table_shows_the_keys_and_the_capacity_it_was_made_with() {
    operate(3, async |it| {
        let table = it.open_table("orders", &sorted()).await;
        let keys: Vec<_> =
            table.key_schema.iter().map(|it| (it.attribute_name.as_str(), it.key_type)).collect();
        assert_eq!(keys, [("pk", KeyType::Hash), ("sk", KeyType::Range)]);
        let types: Vec<_> =
            table.attribute_definitions.iter().map(|it| it.attribute_type).collect();
        assert_eq!(types, [ScalarAttributeType::S, ScalarAttributeType::N]);
        assert_eq!(table.billing_mode, BillingMode::PayPerRequest);
        assert_eq!(table.provisioned_throughput, ProvisionedThroughput::NONE);
        assert_eq!(
            table.table_arn.to_string(),
            "arn:aws:dynamodb:us-east-1:000000000000:table/orders"
        );

        it.create_table(provisioned("invoices", 7, 5)).await.expect("accepted");
        let table = it.await_active("invoices").await;
        assert_eq!(table.billing_mode, BillingMode::Provisioned, "the default");
        assert_eq!(table.provisioned_throughput, units(7, 5));
    });
}

#[test]
fn a_name_that_is_taken_is_refused_in_every_status() {
    operate(3, async |it| {
        slow_disks(&it);
        let input = CreateTableInput::on_demand("orders", &simple());
        let first = it.create_table(input.clone()).await.expect("accepted").table_description;
        refused(it.create_table(input.clone()).await, ExceptionName::ResourceInUse);
        assert_eq!(it.await_active("orders").await.table_id, first.table_id);
        refused(it.create_table(input.clone()).await, ExceptionName::ResourceInUse);
        it.delete_table(delete("orders")).await.expect("accepted");
        refused(it.create_table(input).await, ExceptionName::ResourceInUse);
    });
}

#[test]
fn a_name_that_is_free_again_can_be_taken_again() {
    operate(3, async |it| {
        let before = it.open_table("orders", &simple()).await;
        it.drop_table("orders").await;
        let after = it.open_table("orders", &simple()).await;
        assert_ne!(before.table_id, after.table_id);
        assert!(after.creation_date_time_ms > before.creation_date_time_ms);
    });
}

#[test]
fn a_request_that_is_wrong_in_itself_makes_no_table() {
    operate(1, async |it| {
        let good = CreateTableInput::on_demand("orders", &sorted());
        let named = |name: &str| CreateTableInput { table_name: name.to_owned(), ..good.clone() };
        let mut one_key = good.clone();
        one_key.key_schema.truncate(1);
        let mut swapped = good.clone();
        swapped.key_schema.reverse();
        let unpaid = CreateTableInput { billing_mode: None, ..good.clone() };
        let wrong = [
            named("ab"),
            named(&"a".repeat(256)),
            named("or ders"),
            one_key,
            swapped,
            unpaid,
            provisioned("orders", 0, 1),
        ];
        for input in wrong {
            refused(it.create_table(input).await, ExceptionName::Validation);
        }
        refused(it.describe_table(describe("orders")).await, ExceptionName::ResourceNotFound);
    });
}

#[test]
fn names_of_3_and_of_255_characters_are_names() {
    operate(1, async |it| {
        for name in ["a.b", &"-".repeat(255)] {
            assert_eq!(it.open_table(name, &simple()).await.table_name, name);
        }
    });
}
