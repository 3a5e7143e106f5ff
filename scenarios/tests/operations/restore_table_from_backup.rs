//! RestoreTableFromBackup. What survives a backup stands in `limits.rs`.

use super::common::{
    NO_BACKUP_ARNS, all_of, as_set, backup, colour, colours, delete, describe, get, item, key, n,
    nobodys_backup, provisioned, put_if, refused, s, scan, simple, slow_disks, slow_uploads,
    sorted, units,
};
use bytes::Bytes;
use stillpoint_reference::api::{
    BillingMode, CreateTableInput, DeleteItemInput, ExceptionName, GetItemOutput,
    ProvisionedThroughput, RestoreTableFromBackupInput, TableStatus,
};
use stillpoint_reference::item::{AttributeValue, Item};
use stillpoint_scenarios::stage::operate;

/// S 56 and 73.
#[test]
fn a_table_under_restore_names_its_backup_and_then_is_like_any_other() {
    for nodes in [1, 3] {
        operate(nodes, async |it| {
            slow_disks(&it);
            let source = it.open_table("orders", &simple()).await;
            let arn = it.back_up("orders", "nightly").await;
            let input = RestoreTableFromBackupInput::new("copy", &arn);
            let begun = it.restore_table(input).await.expect("accepted").table_description;
            assert_eq!(begun.table_status, TableStatus::Creating, "{nodes} nodes");
            let summary = begun.restore_summary.expect("it is being restored");
            assert!(summary.restore_in_progress);
            assert_eq!(summary.source_backup_arn, arn);
            assert_eq!(summary.source_table_arn, source.table_arn);
            assert_eq!(summary.restore_date_time_ms, arn.created_ms);
            let described = it.describe_table(describe("copy")).await;
            assert!(described.expect("there").table.restore_summary.is_some());
            assert_eq!(it.await_active("copy").await.restore_summary, None);
        });
    }
}

/// S 66.
#[test]
fn source_and_copy_live_apart() {
    operate(3, async |it| {
        let source = it.open_table("orders", &sorted()).await;
        let at = |sk: &str| item([("pk", s("a")), ("sk", n(sk))]);
        it.fill("orders", ["1", "2"].map(at)).await;
        let arn = it.back_up("orders", "nightly").await;
        it.sleep_ms(1_000).await;
        let copy = it.restore(&arn, "copy").await;
        assert_ne!(copy.table_id, source.table_id);
        assert!(copy.creation_date_time_ms > source.creation_date_time_ms);
        assert_eq!(copy.key_schema, source.key_schema);
        assert_eq!(copy.attribute_definitions, source.attribute_definitions);
        it.fill("copy", [at("3")]).await;
        it.fill("orders", [at("4")]).await;
        assert_eq!(it.scan_all("orders").await.0, ["1", "2", "4"].map(at));
        assert_eq!(it.scan_all("copy").await.0, ["1", "2", "3"].map(at));
    });
}

/// S 14: whatever happens to the source, every restore brings back the same.
#[test]
fn a_backup_never_changes() {
    operate(3, async |it| {
        it.open_table("orders", &simple()).await;
        it.fill("orders", colours(30, "red")).await;
        let arn = it.back_up("orders", "nightly").await;
        it.fill("orders", colours(10, "green")).await;
        it.fill("orders", [colour("new", "green")]).await;
        it.delete_item(DeleteItemInput::new("orders", key("key-20"))).await.expect("accepted");
        it.restore(&arn, "first").await;
        it.fill("orders", colours(30, "blue")).await;
        it.sleep_ms(3_000).await;
        it.restore(&arn, "second").await;
        let ((first, _), (second, _)) = (it.scan_all("first").await, it.scan_all("second").await);
        assert_eq!(as_set(&first), as_set(&colours(30, "red")));
        assert_eq!(first, second);
    });
}

/// S 7: what was refused and what was deleted is not in a backup.
#[test]
fn refused_and_deleted_items_are_not_restored() {
    operate(3, async |it| {
        it.open_table("orders", &simple()).await;
        it.fill("orders", colours(3, "red")).await;
        let put = put_if("orders", colour("key-0", "green"), "attribute_not_exists(pk)");
        refused(it.put_item(put).await, ExceptionName::ConditionalCheckFailed);
        let put = put_if("orders", colour("other", "green"), "attribute_exists(pk)");
        refused(it.put_item(put).await, ExceptionName::ConditionalCheckFailed);
        it.delete_item(DeleteItemInput::new("orders", key("key-1"))).await.expect("accepted");
        let arn = it.back_up("orders", "nightly").await;
        it.restore(&arn, "copy").await;
        let expected = [colour("key-0", "red"), colour("key-2", "red")];
        assert_eq!(as_set(&it.scan_all("copy").await.0), as_set(&expected));
    });
}

/// S 16.
#[test]
fn a_table_of_many_pages_and_partitions_is_restored_completely() {
    operate(3, async |it| {
        // Seven partitions: 3,000 read units each.
        it.create_table(provisioned("orders", 21_000, 1)).await.expect("accepted");
        it.await_active("orders").await;
        let body = |at: u8| AttributeValue::B(Bytes::from(vec![at; 100 << 10]));
        let large = (0..40).map(|at| item([("pk", s(&at.to_string())), ("body", body(at))]));
        let large: Vec<Item> = large.collect();
        it.fill("orders", large.clone()).await;
        let arn = it.back_up("orders", "nightly").await;
        it.restore(&arn, "copy").await;
        let (restored, pages) = it.scan_all("copy").await;
        assert!(pages > 3, "{pages} pages");
        assert_eq!(restored.len(), large.len());
        assert_eq!(as_set(&restored), as_set(&large));
    });
}

/// S 44 and 69.
#[test]
fn a_backup_outlives_its_table() {
    for nodes in [1, 3] {
        operate(nodes, async |it| {
            it.open_table("orders", &simple()).await;
            it.fill("orders", colours(20, "red")).await;
            let arn = it.back_up("orders", "nightly").await;
            it.drop_table("orders").await;
            it.sleep_ms(5_000).await;
            it.restore(&arn, "copy").await;
            let (restored, _) = it.scan_all("copy").await;
            assert_eq!(as_set(&restored), as_set(&colours(20, "red")), "{nodes} nodes");
        });
    }
}

/// S 69.
#[test]
fn a_restore_goes_on_when_its_source_is_deleted() {
    operate(3, async |it| {
        it.open_table("orders", &simple()).await;
        it.fill("orders", colours(20, "red")).await;
        let arn = it.back_up("orders", "nightly").await;
        it.restore_table(RestoreTableFromBackupInput::new("copy", &arn)).await.expect("accepted");
        it.delete_table(delete("orders")).await.expect("accepted");
        it.await_active("copy").await;
        assert_eq!(as_set(&it.scan_all("copy").await.0), as_set(&colours(20, "red")));
    });
}

/// S 68.
#[test]
fn a_copy_can_be_backed_up_and_restored_in_its_turn() {
    operate(3, async |it| {
        it.open_table("orders", &simple()).await;
        it.fill("orders", colours(20, "red")).await;
        let first = it.back_up("orders", "nightly").await;
        it.restore(&first, "copy").await;
        let second = it.back_up("copy", "nightly").await;
        it.restore(&second, "copy-of-copy").await;
        let (restored, _) = it.scan_all("copy-of-copy").await;
        assert_eq!(as_set(&restored), as_set(&colours(20, "red")));
    });
}

/// S 51.
#[test]
fn a_table_that_exists_is_not_overwritten() {
    operate(3, async |it| {
        it.open_table("orders", &simple()).await;
        it.fill("orders", colours(3, "red")).await;
        let arn = it.back_up("orders", "nightly").await;
        it.fill("orders", colours(3, "green")).await;
        let answer = it.restore_table(RestoreTableFromBackupInput::new("orders", &arn)).await;
        refused(answer, ExceptionName::TableAlreadyExists);
        it.sleep_ms(3_000).await;
        assert_eq!(as_set(&it.scan_all("orders").await.0), as_set(&colours(3, "green")));
    });
}

/// S 52.
#[test]
fn a_target_being_created_or_deleted_is_in_use() {
    operate(3, async |it| {
        slow_disks(&it);
        it.open_table("orders", &simple()).await;
        let arn = it.back_up("orders", "nightly").await;
        let restore = |target| RestoreTableFromBackupInput::new(target, &arn);
        it.create_table(CreateTableInput::on_demand("young", &simple())).await.expect("accepted");
        refused(it.restore_table(restore("young")).await, ExceptionName::TableInUse);
        it.restore_table(restore("copy")).await.expect("accepted");
        refused(it.restore_table(restore("copy")).await, ExceptionName::TableInUse);
        it.delete_table(delete("orders")).await.expect("accepted");
        refused(it.restore_table(restore("orders")).await, ExceptionName::TableInUse);
    });
}

/// S 53.
#[test]
fn only_a_backup_that_is_available_can_be_restored() {
    operate(3, async |it| {
        slow_uploads(&it);
        it.open_table("orders", &simple()).await;
        let answer = it.restore_table(RestoreTableFromBackupInput::new("copy", &nobodys_backup()));
        refused(answer.await, ExceptionName::BackupNotFound);
        let created = it.create_backup(backup("orders", "nightly")).await.expect("accepted");
        let arn = created.backup_details.backup_arn;
        let answer = it.restore_table(RestoreTableFromBackupInput::new("copy", &arn)).await;
        refused(answer, ExceptionName::BackupInUse);
        let gone = it.describe_table(describe("copy")).await;
        refused(gone, ExceptionName::ResourceNotFound);
        it.await_available(&arn).await;
        it.restore(&arn, "copy").await;
    });
}

/// S 57.
#[test]
fn nothing_of_a_copy_is_seen_before_all_of_it_is_there() {
    operate(3, async |it| {
        it.open_table("orders", &simple()).await;
        it.fill("orders", colours(60, "red")).await;
        let arn = it.back_up("orders", "nightly").await;
        it.restore_table(RestoreTableFromBackupInput::new("copy", &arn)).await.expect("accepted");
        let mut refusals = 0;
        let page = loop {
            // The router may answer before or after the table opens, so the answer itself counts.
            match it.scan(scan("copy", None, None)).await {
                Ok(page) => break page,
                Err(why) => assert_eq!(why.exception, ExceptionName::ResourceNotFound, "{why:?}"),
            }
            let read = it.get_item(get("copy", key("key-1"))).await;
            assert!(read.is_err() || read == Ok(found()), "{read:?}");
            refusals += 1;
            it.sleep_ms(2).await;
        };
        assert!(refusals > 3, "the restore was over before it could be watched");
        assert_eq!(as_set(&page.items), as_set(&colours(60, "red")));
    });
}

fn found() -> GetItemOutput {
    GetItemOutput { item: Some(colour("key-1", "red")) }
}

/// S 55, what is allowed.
#[test]
fn fifty_restores_may_run_at_once() {
    operate(3, async |it| {
        it.open_table("orders", &simple()).await;
        it.fill("orders", colours(5, "red")).await;
        let arn = it.back_up("orders", "nightly").await;
        let targets: Vec<String> = (0..50).map(|it| format!("copy-{it}")).collect();
        let inputs = targets.iter().map(|it| RestoreTableFromBackupInput::new(it, &arn));
        for begun in all_of(inputs.map(|input| it.restore_table(input))).await {
            begun.expect("accepted");
        }
        for target in &targets {
            it.await_active(target).await;
            assert_eq!(as_set(&it.scan_all(target).await.0), as_set(&colours(5, "red")));
        }
    });
}

/// S 58.
#[test]
fn capacity_is_the_one_recorded_in_the_backup() {
    operate(3, async |it| {
        it.create_table(provisioned("orders", 70, 50)).await.expect("accepted");
        it.await_active("orders").await;
        let arn = it.back_up("orders", "nightly").await;
        it.drop_table("orders").await;
        it.create_table(provisioned("orders", 1, 1)).await.expect("accepted");
        it.await_active("orders").await;
        let copy = it.restore(&arn, "copy").await;
        assert_eq!(copy.billing_mode, BillingMode::Provisioned);
        assert_eq!(copy.provisioned_throughput, units(70, 50));
    });
}

/// S 59.
#[test]
fn billing_and_capacity_can_be_overridden() {
    operate(3, async |it| {
        it.create_table(provisioned("orders", 70, 50)).await.expect("accepted");
        it.await_active("orders").await;
        it.fill("orders", colours(10, "red")).await;
        let arn = it.back_up("orders", "nightly").await;
        let restore = |target, mode, throughput| RestoreTableFromBackupInput {
            billing_mode_override: mode,
            provisioned_throughput_override: throughput,
            ..RestoreTableFromBackupInput::new(target, &arn)
        };
        let (reserved, by_request) = (BillingMode::Provisioned, BillingMode::PayPerRequest);
        for (target, mode, throughput, expected) in [
            ("other-units", None, Some(units(5, 6)), (reserved, units(5, 6))),
            ("by-request", Some(by_request), None, (by_request, ProvisionedThroughput::NONE)),
            ("both", Some(reserved), Some(units(9_000, 1)), (reserved, units(9_000, 1))),
        ] {
            it.restore_table(restore(target, mode, throughput)).await.expect("accepted");
            let copy = it.await_active(target).await;
            assert_eq!((copy.billing_mode, copy.provisioned_throughput), expected, "{target}");
            assert_eq!(as_set(&it.scan_all(target).await.0), as_set(&colours(10, "red")));
        }
    });
}

/// S 59: what does not go together is refused at once, and there is no target.
#[test]
fn overrides_that_do_not_go_together_make_no_table() {
    operate(3, async |it| {
        it.open_table("orders", &simple()).await;
        let arn = it.back_up("orders", "nightly").await;
        for (mode, throughput) in [
            (None, Some(units(5, 5))),
            (Some(BillingMode::PayPerRequest), Some(units(5, 5))),
            (Some(BillingMode::Provisioned), None),
            (Some(BillingMode::Provisioned), Some(units(0, 5))),
        ] {
            let input = RestoreTableFromBackupInput {
                billing_mode_override: mode,
                provisioned_throughput_override: throughput,
                ..RestoreTableFromBackupInput::new("copy", &arn)
            };
            refused(it.restore_table(input).await, ExceptionName::Validation);
        }
        let gone = it.describe_table(describe("copy")).await;
        refused(gone, ExceptionName::ResourceNotFound);
    });
}

/// S 38.
#[test]
fn names_and_arns_that_are_none_are_refused() {
    operate(1, async |it| {
        for arn in NO_BACKUP_ARNS {
            let input = RestoreTableFromBackupInput {
                backup_arn: arn.to_owned(),
                ..RestoreTableFromBackupInput::new("copy", &nobodys_backup())
            };
            refused(it.restore_table(input).await, ExceptionName::Validation);
        }
        for target in ["no", "no name", &"a".repeat(256)] {
            let input = RestoreTableFromBackupInput::new(target, &nobodys_backup());
            refused(it.restore_table(input).await, ExceptionName::Validation);
        }
    });
}
