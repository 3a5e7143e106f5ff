//! What tests of several operations share: small tables, small items, and the names of errors.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::ops::Range;
use std::task::Poll;
use stillpoint_reference::api::{
    BackupArn, CreateBackupInput, CreateTableInput, DeleteBackupInput, DeleteItemInput,
    DeleteTableInput, DescribeBackupInput, DescribeTableInput, ExceptionName, GetItemInput,
    ProvisionedThroughput, PutItemInput, ScanInput, WireError,
};
use stillpoint_reference::item::{AttributeValue, Item, KeySchema, Number, ScalarAttributeType};
use stillpoint_scenarios::stage::Operator;
use stillpoint_sim::{DiskSettings, ObjectSettings};

/// A table with a string as its partition key.
pub(crate) fn simple() -> KeySchema {
    KeySchema::simple("pk", ScalarAttributeType::S)
}

/// A table with a string as its partition key and a number as its sort key.
pub(crate) fn sorted() -> KeySchema {
    simple().with_sort("sk", ScalarAttributeType::N)
}

pub(crate) fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

pub(crate) fn n(text: &str) -> AttributeValue {
    AttributeValue::N(text.parse::<Number>().expect("a number"))
}

/// An item of these attributes.
pub(crate) fn item<const LEN: usize>(attributes: [(&str, AttributeValue); LEN]) -> Item {
    attributes.map(|(name, value)| (name.to_owned(), value)).into()
}

/// The key of a [`simple`] table.
pub(crate) fn key(pk: &str) -> Item {
    item([("pk", s(pk))])
}

/// An item of a [`simple`] table.
pub(crate) fn colour(pk: &str, colour: &str) -> Item {
    item([("pk", s(pk)), ("colour", s(colour))])
}

/// `count` items of a [`simple`] table.
pub(crate) fn colours(count: u32, it: &str) -> Vec<Item> {
    (0..count).map(|n| colour(&format!("key-{n}"), it)).collect()
}

/// Items in an order of their own, so that two tables' contents can be compared.
pub(crate) fn as_set(items: &[Item]) -> BTreeMap<String, &Item> {
    items.iter().map(|it| (format!("{it:?}"), it)).collect()
}

/// Asserts that the answer is the error of this name, which is the client's fault.
#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(answer: Result<T, WireError>, as_what: ExceptionName) {
    match answer {
        Err(error) => {
            assert_eq!(error.exception, as_what, "{error:?}");
            assert_eq!(error.http_status, 400, "{error:?}");
        }
        Ok(output) => panic!("expected {as_what}, but got {output:?}"),
    }
}

/// A table with reserved capacity; 3,000 read units are a partition's worth.
pub(crate) fn provisioned(name: &str, read: i64, write: i64) -> CreateTableInput {
    CreateTableInput {
        billing_mode: None,
        provisioned_throughput: Some(units(read, write)),
        ..CreateTableInput::on_demand(name, &simple())
    }
}

pub(crate) fn units(read: i64, write: i64) -> ProvisionedThroughput {
    ProvisionedThroughput { read_capacity_units: read, write_capacity_units: write }
}

pub(crate) fn describe(table: &str) -> DescribeTableInput {
    DescribeTableInput { table_name: table.to_owned() }
}

pub(crate) fn delete(table: &str) -> DeleteTableInput {
    DeleteTableInput { table_name: table.to_owned() }
}

/// A strong read.
pub(crate) fn get(table: &str, key: Item) -> GetItemInput {
    GetItemInput { table_name: table.to_owned(), key, consistent_read: true }
}

/// A strong scan of one page.
pub(crate) fn scan(table: &str, limit: Option<i32>, start: Option<Item>) -> ScanInput {
    let table_name = table.to_owned();
    ScanInput { table_name, limit, exclusive_start_key: start, consistent_read: true }
}

/// A put under a condition that names no values.
pub(crate) fn put_if(table: &str, item: Item, condition: &str) -> PutItemInput {
    PutItemInput {
        condition_expression: Some(condition.to_owned()),
        ..PutItemInput::new(table, item)
    }
}

/// A delete under a condition that names no values.
pub(crate) fn delete_if(table: &str, key: Item, condition: &str) -> DeleteItemInput {
    DeleteItemInput {
        condition_expression: Some(condition.to_owned()),
        ..DeleteItemInput::new(table, key)
    }
}

pub(crate) fn backup(table: &str, name: &str) -> CreateBackupInput {
    CreateBackupInput { table_name: table.to_owned(), backup_name: name.to_owned() }
}

pub(crate) fn describe_backup(arn: &BackupArn) -> DescribeBackupInput {
    DescribeBackupInput { backup_arn: arn.to_string() }
}

pub(crate) fn delete_backup(arn: &BackupArn) -> DeleteBackupInput {
    DeleteBackupInput { backup_arn: arn.to_string() }
}

/// The ARN of a backup that nobody made.
pub(crate) fn nobodys_backup() -> BackupArn {
    let text =
        "arn:aws:dynamodb:us-east-1:000000000000:table/orders/backup/01489602797149-73d8d5bc";
    BackupArn::parse(text).expect("it has the form of a backup's ARN")
}

/// Texts that are ARNs of no backup: a table's, and nonsense that is long enough.
pub(crate) const NO_BACKUP_ARNS: [&str; 3] = [
    "arn:aws:dynamodb:us-east-1:000000000000:table/orders",
    "this-is-certainly-no-amazon-resource-name",
    "short",
];

/// Waits for all of these at once; their results are in the same order.
pub(crate) async fn all_of<T>(tasks: impl IntoIterator<Item: Future<Output = T>>) -> Vec<T> {
    let mut tasks: Vec<_> = tasks.into_iter().map(|it| (Box::pin(it), None)).collect();
    poll_fn(|cx| {
        for (task, done) in &mut tasks {
            if done.is_none()
                && let Poll::Ready(value) = task.as_mut().poll(cx)
            {
                *done = Some(value);
            }
        }
        match tasks.iter().all(|(_, done)| done.is_some()) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
    tasks.into_iter().map(|(_, done)| done.expect("all are done")).collect()
}

/// Makes every fsync slow, so that states that are soon over can be seen: what has to be decided
/// by the metadata group takes several of them.
pub(crate) fn slow_disks(it: &Operator) {
    for &host in &it.cluster.hosts {
        it.world.set_disk(host, DiskSettings { sync_ns: SYNC_NS, ..DiskSettings::default() });
    }
}

/// Makes every upload slow, so that a backup is CREATING for longer than its table's requests take.
pub(crate) fn slow_uploads(it: &Operator) {
    it.world.set_objects(ObjectSettings { put_ns: PUT_NS, ..it.world.objects() });
}

const SYNC_NS: Range<u64> = 20_000_000..20_000_001;
const PUT_NS: Range<u64> = 500_000_000..500_000_001;
