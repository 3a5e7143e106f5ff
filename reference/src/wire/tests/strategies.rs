//! Every request and every response, drawn at random.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::api::*;
use crate::item::{AttributeValue, Item, Number, ScalarAttributeType};

/// Any text, those that must be escaped among them.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z0-9_.-]{3,9}",
        any::<String>(),
        "[\"\\\\/\u{0}-\u{20}\u{ffff}\u{1f600}]{0,5}"
    ]
}

fn number() -> impl Strategy<Value = Number> {
    (any::<i64>(), -100..=100_i32).prop_map(|(digits, exponent)| {
        format!("{digits}e{exponent}").parse().expect("19 digits, a magnitude of at most 119")
    })
}

fn bytes() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..9).prop_map(Bytes::from)
}

fn value() -> impl Strategy<Value = AttributeValue> {
    let leaf = prop_oneof![
        text().prop_map(AttributeValue::S),
        number().prop_map(AttributeValue::N),
        bytes().prop_map(AttributeValue::B),
        any::<bool>().prop_map(AttributeValue::Bool),
        Just(AttributeValue::Null),
        btree_set(text(), 0..4).prop_map(AttributeValue::SS),
        btree_set(number(), 0..4).prop_map(AttributeValue::NS),
        btree_set(bytes(), 0..4).prop_map(AttributeValue::BS),
    ];
    leaf.prop_recursive(4, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(AttributeValue::L),
            btree_map(text(), inner, 0..3).prop_map(AttributeValue::M),
        ]
    })
}

fn item() -> impl Strategy<Value = Item> {
    btree_map(text(), value(), 0..4)
}

fn names() -> impl Strategy<Value = BTreeMap<String, String>> {
    btree_map(text(), text(), 0..3)
}

/// One of an enumeration's values.
fn one<T: Copy + std::fmt::Debug + 'static>(all: &'static [T]) -> impl Strategy<Value = T> {
    select(all)
}

fn time() -> impl Strategy<Value = u64> {
    prop_oneof![0..100_000_000_000_000_u64, (0..9_999_999_u64).prop_map(|it| it * 1000)]
}

fn throughput() -> impl Strategy<Value = ProvisionedThroughput> {
    any::<(i64, i64)>().prop_map(|(read_capacity_units, write_capacity_units)| {
        ProvisionedThroughput { read_capacity_units, write_capacity_units }
    })
}

fn table_arn() -> impl Strategy<Value = TableArn> {
    ("[a-z]{2}-[a-z]{4}-[1-9]", "[0-9]{12}", "[a-zA-Z0-9_.-]{3,20}")
        .prop_map(|(region, account, table_name)| TableArn { region, account, table_name })
}

fn backup_arn() -> impl Strategy<Value = BackupArn> {
    (table_arn(), 0..100_000_000_000_000_u64, any::<u32>())
        .prop_map(|(table, created_ms, suffix)| table.backup(created_ms, suffix))
}

fn key_schema() -> impl Strategy<Value = Vec<KeySchemaElement>> {
    let element = (text(), one(KeyType::ALL))
        .prop_map(|(attribute_name, key_type)| KeySchemaElement { attribute_name, key_type });
    vec(element, 0..3)
}

fn definitions() -> impl Strategy<Value = Vec<AttributeDefinition>> {
    let definition =
        (text(), one(ScalarAttributeType::ALL)).prop_map(|(attribute_name, attribute_type)| {
            AttributeDefinition { attribute_name, attribute_type }
        });
    vec(definition, 0..3)
}

/// Any request, most of them not valid.
pub(super) fn request() -> impl Strategy<Value = Request> {
    prop_oneof![table_request(), write_request(), read_request(), backup_request(),]
}

fn table_request() -> impl Strategy<Value = Request> {
    let create = (
        text(),
        definitions(),
        key_schema(),
        option::of(one(BillingMode::ALL)),
        option::of(throughput()),
    );
    prop_oneof![
        create.prop_map(
            |(
                table_name,
                attribute_definitions,
                key_schema,
                billing_mode,
                provisioned_throughput,
            )| {
                Request::CreateTable(CreateTableInput {
                    table_name,
                    attribute_definitions,
                    key_schema,
                    billing_mode,
                    provisioned_throughput,
                })
            }
        ),
        text().prop_map(|table_name| Request::DescribeTable(DescribeTableInput { table_name })),
        text().prop_map(|table_name| Request::DeleteTable(DeleteTableInput { table_name })),
        (option::of(text()), any::<Option<i32>>()).prop_map(
            |(exclusive_start_table_name, limit)| {
                Request::ListTables(ListTablesInput { exclusive_start_table_name, limit })
            }
        ),
    ]
}

fn write_request() -> impl Strategy<Value = Request> {
    let parts = (
        text(),
        item(),
        [option::of(text()), option::of(text())],
        names(),
        item(),
        one(ReturnValues::ALL),
    );
    (parts, 0..3).prop_map(
        |((table_name, item, expressions, names, values, return_values), kind)| {
            let [condition_expression, update_expression] = expressions;
            let (expression_attribute_names, expression_attribute_values) = (names, values);
            match kind {
                0 => Request::PutItem(PutItemInput {
                    table_name,
                    item,
                    condition_expression,
                    expression_attribute_names,
                    expression_attribute_values,
                    return_values,
                }),
                1 => Request::DeleteItem(DeleteItemInput {
                    table_name,
                    key: item,
                    condition_expression,
                    expression_attribute_names,
                    expression_attribute_values,
                    return_values,
                }),
                _ => Request::UpdateItem(UpdateItemInput {
                    table_name,
                    key: item,
                    update_expression,
                    condition_expression,
                    expression_attribute_names,
                    expression_attribute_values,
                    return_values,
                }),
            }
        },
    )
}

fn read_request() -> impl Strategy<Value = Request> {
    let get = (text(), item(), any::<bool>()).prop_map(|(table_name, key, consistent_read)| {
        Request::GetItem(GetItemInput { table_name, key, consistent_read })
    });
    let page = (text(), any::<Option<i32>>(), option::of(item()), any::<bool>());
    let scan = page.prop_map(|(table_name, limit, exclusive_start_key, consistent_read)| {
        Request::Scan(ScanInput { table_name, limit, exclusive_start_key, consistent_read })
    });
    prop_oneof![get, scan, query()]
}

fn query() -> impl Strategy<Value = Request> {
    let page = (any::<Option<i32>>(), option::of(item()), any::<[bool; 2]>(), one(Select::ALL));
    let what = ([text(), text()], option::of(text()), names(), item());
    (what, page).prop_map(|((texts, filter_expression, names, values), page)| {
        let [table_name, key_condition_expression] = texts;
        let (limit, exclusive_start_key, [scan_index_forward, consistent_read], select) = page;
        Request::Query(QueryInput {
            table_name,
            key_condition_expression,
            filter_expression,
            expression_attribute_names: names,
            expression_attribute_values: values,
            scan_index_forward,
            limit,
            exclusive_start_key,
            consistent_read,
            select,
        })
    })
}

fn backup_request() -> impl Strategy<Value = Request> {
    let filter =
        (option::of(text()), any::<Option<i32>>(), [option::of(time()), option::of(time())]);
    let list = (filter, option::of(text()), option::of(one(BackupTypeFilter::ALL))).prop_map(
        |((table_name, limit, [lower, upper]), exclusive_start_backup_arn, backup_type)| {
            Request::ListBackups(ListBackupsInput {
                table_name,
                limit,
                time_range_lower_bound_ms: lower,
                time_range_upper_bound_ms: upper,
                exclusive_start_backup_arn,
                backup_type,
            })
        },
    );
    let overrides = (option::of(one(BillingMode::ALL)), option::of(throughput()));
    prop_oneof![
        (text(), text()).prop_map(|(table_name, backup_name)| {
            Request::CreateBackup(CreateBackupInput { table_name, backup_name })
        }),
        text().prop_map(|backup_arn| Request::DescribeBackup(DescribeBackupInput { backup_arn })),
        text().prop_map(|backup_arn| Request::DeleteBackup(DeleteBackupInput { backup_arn })),
        list,
        (text(), text(), overrides).prop_map(|(target_table_name, backup_arn, overrides)| {
            Request::RestoreTableFromBackup(RestoreTableFromBackupInput {
                target_table_name,
                backup_arn,
                billing_mode_override: overrides.0,
                provisioned_throughput_override: overrides.1,
            })
        }),
    ]
}

/// Any response.
pub(super) fn response() -> impl Strategy<Value = Response> {
    prop_oneof![table_response(), item_response(), backup_response()]
}

fn table() -> impl Strategy<Value = TableDescription> {
    let restore =
        (backup_arn(), table_arn(), time(), any::<bool>()).prop_map(|it| RestoreSummary {
            source_backup_arn: it.0,
            source_table_arn: it.1,
            restore_date_time_ms: it.2,
            restore_in_progress: it.3,
        });
    let keys = (text(), definitions(), key_schema(), table_arn(), any::<u128>());
    let state = (one(TableStatus::ALL), time(), throughput(), one(BillingMode::ALL));
    (keys, state, any::<[u64; 2]>(), option::of(restore)).prop_map(
        |(keys, state, counts, restore)| TableDescription {
            table_name: keys.0,
            attribute_definitions: keys.1,
            key_schema: keys.2,
            table_status: state.0,
            creation_date_time_ms: state.1,
            provisioned_throughput: state.2,
            billing_mode: state.3,
            table_size_bytes: counts[0],
            item_count: counts[1],
            table_arn: keys.3,
            table_id: TableId(keys.4),
            restore_summary: restore,
        },
    )
}

fn table_response() -> impl Strategy<Value = Response> {
    prop_oneof![
        (table(), 0..4).prop_map(|(table, kind)| {
            let table_description = table.clone();
            match kind {
                0 => Response::CreateTable(CreateTableOutput { table_description }),
                1 => Response::DeleteTable(DeleteTableOutput { table_description }),
                2 => {
                    let output = RestoreTableFromBackupOutput { table_description };
                    Response::RestoreTableFromBackup(output)
                }
                _ => Response::DescribeTable(DescribeTableOutput { table }),
            }
        }),
        (vec(text(), 0..3), option::of(text())).prop_map(
            |(table_names, last_evaluated_table_name)| {
                Response::ListTables(ListTablesOutput { table_names, last_evaluated_table_name })
            }
        ),
    ]
}

fn item_response() -> impl Strategy<Value = Response> {
    let one_item = (option::of(item()), 0..4).prop_map(|(item, kind)| match kind {
        0 => Response::PutItem(PutItemOutput { attributes: item }),
        1 => Response::DeleteItem(DeleteItemOutput { attributes: item }),
        2 => Response::UpdateItem(UpdateItemOutput { attributes: item }),
        _ => Response::GetItem(GetItemOutput { item }),
    });
    let page = (vec(item(), 0..3), any::<[u32; 2]>(), option::of(item()), any::<bool>());
    let page = page.prop_map(|(items, [count, scanned_count], last_evaluated_key, is_query)| {
        if is_query {
            return Response::Query(QueryOutput {
                items,
                count,
                scanned_count,
                last_evaluated_key,
            });
        }
        Response::Scan(ScanOutput { items, count, scanned_count, last_evaluated_key })
    });
    prop_oneof![one_item, page]
}

fn details() -> impl Strategy<Value = BackupDetails> {
    let state = (one(BackupStatus::ALL), one(BackupType::ALL), any::<u64>());
    (backup_arn(), text(), state, time(), [option::of(time()), option::of(time())]).prop_map(
        |(backup_arn, backup_name, state, created, [expiry, sealed])| BackupDetails {
            backup_arn,
            backup_name,
            backup_size_bytes: state.2,
            backup_status: state.0,
            backup_type: state.1,
            backup_creation_date_time_ms: created,
            backup_expiry_date_time_ms: expiry,
            sealed_at_ms: sealed,
        },
    )
}

fn description() -> impl Strategy<Value = BackupDescription> {
    (details(), table()).prop_map(|(backup_details, table)| BackupDescription {
        backup_details,
        source_table_details: SourceTableDetails {
            table_name: table.table_name,
            table_id: table.table_id,
            table_arn: table.table_arn,
            table_size_bytes: table.table_size_bytes,
            item_count: table.item_count,
            key_schema: table.key_schema,
            table_creation_date_time_ms: table.creation_date_time_ms,
            provisioned_throughput: table.provisioned_throughput,
            billing_mode: table.billing_mode,
        },
    })
}

fn backup_response() -> impl Strategy<Value = Response> {
    prop_oneof![
        details().prop_map(|backup_details| {
            Response::CreateBackup(CreateBackupOutput { backup_details })
        }),
        (description(), any::<bool>()).prop_map(|(backup_description, is_deleted)| {
            if is_deleted {
                return Response::DeleteBackup(DeleteBackupOutput { backup_description });
            }
            Response::DescribeBackup(DescribeBackupOutput { backup_description })
        }),
        (vec(description(), 0..3), option::of(backup_arn())).prop_map(|(backups, last)| {
            Response::ListBackups(ListBackupsOutput {
                backup_summaries: backups.iter().map(BackupDescription::summary).collect(),
                last_evaluated_backup_arn: last,
            })
        }),
    ]
}

/// Strings, none of which a set holds twice.
pub(super) fn distinct_texts() -> impl Strategy<Value = BTreeSet<String>> {
    btree_set(text(), 1..4)
}
