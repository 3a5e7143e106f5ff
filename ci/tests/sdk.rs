//! The running server as users of Amazon's SDK for Rust meet it: waiters, paginators, typed errors,
//! and the whole way from a table under load to its restored copy.

use std::collections::BTreeMap;
use std::thread::JoinHandle;
use std::time::Duration;

use aws_sdk_dynamodb::client::Waiters;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{
    AsyncSleep, BehaviorVersion, Credentials, Region, Sleep, StalledStreamProtectionConfig,
};
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::operation::create_backup::CreateBackupError;
use aws_sdk_dynamodb::operation::describe_backup::DescribeBackupError;
use aws_sdk_dynamodb::operation::get_item::GetItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::restore_table_from_backup::RestoreTableFromBackupError;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BackupStatus, BillingMode, KeySchemaElement, KeyType,
    ScalarAttributeType, TableStatus,
};
use aws_sdk_dynamodb::{Client, Config};
use stillpoint_reference::mutants::NoMutants;
use stillpoint_reference::server::{self as service, Options, ServeError};
use tempfile::TempDir;
use tokio::sync::oneshot;

/// Writers, each counting upwards on a key of its own.
const WRITERS: usize = 4;

/// Plain items besides those of every type.
const PLAIN_ITEMS: usize = 300;

/// A table or a backup is waited for so long.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// A server on a thread of its own, stopped when dropped.
struct Server {
    endpoint: String,
    stop: Option<oneshot::Sender<()>>,
    serving: Option<JoinHandle<Result<(), ServeError>>>,
    _data: TempDir,
}

impl Server {
    #[expect(clippy::disallowed_methods, reason = "a real server beside the test's own thread")]
    fn start() -> Self {
        let data = tempfile::tempdir().expect("a temporary directory");
        let options = Options::new(data.path(), "127.0.0.1:0".parse().expect("an address"));
        let (stop, stopped) = oneshot::channel();
        let (tell, told) = std::sync::mpsc::channel();
        let serving = std::thread::spawn(move || {
            let announce = |address| tell.send(address).expect("the test listens");
            service::run(options, NoMutants, None, announce, async { drop(stopped.await) })
        });
        let endpoint = format!("http://{}", told.recv().expect("it starts"));
        Self { endpoint, stop: Some(stop), serving: Some(serving), _data: data }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.serving.take().expect("it is there until now").join();
        if !std::thread::panicking() {
            ended.expect("it does not panic").expect("it ends well");
        }
    }
}

type Item = BTreeMap<String, AttributeValue>;

/// Sleeps little: the SDK's waiters ask again after 20 seconds.
#[derive(Debug)]
struct Impatient;

impl AsyncSleep for Impatient {
    fn sleep(&self, time: Duration) -> Sleep {
        Sleep::new(tokio::time::sleep(time.min(Duration::from_millis(20))))
    }
}

/// A client that does not retry: what fails shall be seen, and a retried CreateBackup makes two.
fn client(endpoint: &str) -> Client {
    let http = aws_smithy_http_client::Builder::new().build_http();
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(Credentials::new("AKIDEXAMPLE", "secret", None, None, "test"))
        .endpoint_url(endpoint)
        .http_client(http)
        .region(Region::new("us-east-1"))
        .retry_config(RetryConfig::disabled())
        // These would measure their time by sleeping.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .timeout_config(TimeoutConfig::disabled())
        .sleep_impl(Impatient);
    Client::from_conf(config.build())
}

/// Runs a test on the machine's clock.
fn block_on(test: impl Future<Output = ()>) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().expect("a runtime").block_on(test);
}

async fn pause() {
    tokio::time::sleep(Duration::from_millis(5)).await;
}

fn string(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

fn number(number: usize) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// One item of every type, and plain ones.
fn items() -> BTreeMap<String, Item> {
    let nested =
        [("a".to_string(), AttributeValue::L(vec![string("b"), AttributeValue::Null(true)]))];
    let values = [
        ("string", string("ümläuts, 漢字 and \"quotes\"")),
        ("empty", string("")),
        ("digits", AttributeValue::N("12345678901234567890123456789012345678".into())),
        ("fraction", AttributeValue::N("-0.5".into())),
        ("binary", AttributeValue::B(Blob::new((0..=255).collect::<Vec<u8>>()))),
        ("true", AttributeValue::Bool(true)),
        ("null", AttributeValue::Null(true)),
        ("strings", AttributeValue::Ss(vec!["a".into(), "b".into()])),
        ("numbers", AttributeValue::Ns(vec!["1".into(), "2.5".into()])),
        ("binaries", AttributeValue::Bs(vec![Blob::new([0]), Blob::new([255])])),
        ("map", AttributeValue::M(nested.into())),
    ];
    let item = |key: String, value: AttributeValue| {
        (key.clone(), Item::from([("pk".into(), string(key)), ("value".into(), value)]))
    };
    let typed = values.map(|(name, value)| item(format!("type-{name}"), value));
    let plain = (0..PLAIN_ITEMS).map(|it| item(format!("item-{it}"), number(it)));
    typed.into_iter().chain(plain).collect()
}

async fn create_table(client: &Client, table: &str) -> Result<(), aws_sdk_dynamodb::Error> {
    let key = KeySchemaElement::builder().attribute_name("pk").key_type(KeyType::Hash).build()?;
    let string = ScalarAttributeType::S;
    let attribute =
        AttributeDefinition::builder().attribute_name("pk").attribute_type(string).build()?;
    let call = client.create_table().table_name(table).key_schema(key);
    let call = call.attribute_definitions(attribute).billing_mode(BillingMode::PayPerRequest);
    call.send().await?;
    Ok(())
}

/// A table that is ACTIVE.
async fn table(client: &Client, table: &str) {
    create_table(client, table).await.expect("the table is made");
    until_exists(client, table).await;
}

async fn until_exists(client: &Client, table: &str) {
    let waiter = client.wait_until_table_exists().table_name(table);
    waiter.wait(WAIT_MAX).await.expect("the table becomes ACTIVE");
}

async fn put(client: &Client, table: &str, item: Item) {
    let item = item.into_iter().collect();
    client.put_item().table_name(table).set_item(Some(item)).send().await.expect("a put");
}

/// The whole table by the paginator, in pages of 50; sets as they were written.
async fn scan(client: &Client, table: &str) -> BTreeMap<String, Item> {
    let scan = client.scan().table_name(table).consistent_read(true).limit(50);
    let mut pages = scan.into_paginator().send();
    let mut found = BTreeMap::new();
    while let Some(page) = pages.next().await {
        for item in page.expect("a page").items.unwrap_or_default() {
            let item: Item =
                item.into_iter().map(|(name, value)| (name, in_order(value))).collect();
            let key = item["pk"].as_s().expect("a string").clone();
            assert!(found.insert(key.clone(), item).is_none(), "{key} is returned twice");
        }
    }
    found
}

/// Sets have no order; these are compared in theirs.
fn in_order(value: AttributeValue) -> AttributeValue {
    match value {
        AttributeValue::Ss(mut set) => {
            set.sort();
            AttributeValue::Ss(set)
        }
        AttributeValue::Ns(mut set) => {
            set.sort();
            AttributeValue::Ns(set)
        }
        AttributeValue::Bs(mut set) => {
            set.sort_by_key(|blob| blob.as_ref().to_vec());
            AttributeValue::Bs(set)
        }
        other => other,
    }
}

/// Makes a backup and waits until it is AVAILABLE. Returns its ARN.
async fn back_up(client: &Client, table: &str, name: &str) -> String {
    let call = || client.create_backup().table_name(table).backup_name(name).send();
    let details = loop {
        match call().await {
            Ok(answer) => break answer.backup_details.expect("details"),
            // Backups of a new table are not enabled at once.
            Err(error) => match error.into_service_error() {
                CreateBackupError::ContinuousBackupsUnavailableException(_) => pause().await,
                other => panic!("{other:?}"),
            },
        }
    };
    let arn = details.backup_arn().to_string();
    while status(client, &arn).await != BackupStatus::Available {
        pause().await;
    }
    arn
}

async fn status(client: &Client, arn: &str) -> BackupStatus {
    let answer = client.describe_backup().backup_arn(arn).send().await.expect("it is there");
    let details = answer.backup_description.and_then(|it| it.backup_details);
    details.expect("details").backup_status().clone()
}

/// Counts upwards on one key until told to stop; says what it knows to be written.
async fn count_upwards(
    client: &Client,
    table: &str,
    writer: usize,
    acknowledged: &std::cell::RefCell<[usize; WRITERS]>,
    stop: &std::cell::Cell<bool>,
) {
    for count in 1.. {
        if stop.get() {
            return;
        }
        let key = string(format!("writer-{writer}"));
        put(client, table, Item::from([("pk".into(), key), ("value".into(), number(count))])).await;
        acknowledged.borrow_mut()[writer] = count;
    }
}

/// A backup while writers run: its ARN, and from where to where each writer's count may lie.
async fn back_up_under_load(client: &Client, table: &str) -> (String, [(usize, usize); WRITERS]) {
    let acknowledged = std::cell::RefCell::new([0; WRITERS]);
    let stop = std::cell::Cell::new(false);
    let all_beyond = |least: [usize; WRITERS]| {
        (0..WRITERS).all(|writer| acknowledged.borrow()[writer] > least[writer])
    };
    let operator = async {
        while !all_beyond([3; WRITERS]) {
            pause().await;
        }
        let low = *acknowledged.borrow();
        let arn = back_up(client, table, "while-writers-run").await;
        let after = *acknowledged.borrow();
        while !all_beyond(after) {
            pause().await;
        }
        stop.set(true);
        (arn, std::array::from_fn(|writer| (low[writer], after[writer] + 1)))
    };
    let write = |writer| count_upwards(client, table, writer, &acknowledged, &stop);
    let (outcome, (), (), (), ()) = tokio::join!(operator, write(0), write(1), write(2), write(3));
    outcome
}

#[test]
fn a_table_that_was_backed_up_under_load_and_deleted_comes_back() {
    let server = Server::start();
    block_on(async {
        let client = client(&server.endpoint);
        table(&client, "orders").await;
        let wanted = items();
        for item in wanted.values() {
            put(&client, "orders", item.clone()).await;
        }
        let (arn, counts) = back_up_under_load(&client, "orders").await;

        client.delete_table().table_name("orders").send().await.expect("it is deleted");
        let gone = client.wait_until_table_not_exists().table_name("orders");
        gone.wait(WAIT_MAX).await.expect("it goes away");
        let restore = client.restore_table_from_backup().target_table_name("restored");
        let answer = restore.backup_arn(&arn).send().await.expect("a restore begins");
        let described = answer.table_description.expect("a description");
        assert_eq!(described.table_status, Some(TableStatus::Creating));
        until_exists(&client, "restored").await;

        let mut found = scan(&client, "restored").await;
        for (writer, (low, high)) in counts.into_iter().enumerate() {
            let item = found.remove(&format!("writer-{writer}")).expect("it had written");
            let count = item["value"].as_n().expect("a number").parse().expect("a whole one");
            assert!((low..=high).contains(&count), "{count} is not from {low} to {high}");
        }
        assert_eq!(found, wanted);
    });
}

#[test]
fn lists_come_in_pages_and_every_name_comes_once() {
    let server = Server::start();
    block_on(async {
        let client = client(&server.endpoint);
        let names = ["a-table", "b-table", "c-table"];
        for name in names {
            table(&client, name).await;
        }
        let tables = client.list_tables().limit(2).into_paginator().items().send();
        let tables: Vec<String> = tables.try_collect().await.expect("pages of tables");
        assert_eq!(tables, names);

        let mut made = Vec::new();
        for number in 0..5 {
            made.push(back_up(&client, "b-table", &format!("backup-{number}")).await);
        }
        let mut listed = Vec::new();
        let mut last = None;
        loop {
            let call = client.list_backups().table_name("b-table").limit(2);
            let page = call.set_exclusive_start_backup_arn(last).send().await.expect("a page");
            assert!(page.backup_summaries().len() <= 2);
            let arns = page.backup_summaries().iter().filter_map(|it| it.backup_arn.clone());
            listed.extend(arns);
            last = page.last_evaluated_backup_arn;
            if last.is_none() {
                break;
            }
        }
        listed.sort();
        made.sort();
        assert_eq!(listed, made);
    });
}

/// The error of the operation that the service named; anything else fails the test.
macro_rules! refused {
    ($call:expr, $variant:path) => {{
        let error = $call.send().await.expect_err("it must be refused").into_service_error();
        assert!(matches!(error, $variant(_)), "{error:?}");
        assert!(error.message().is_some_and(|text| !text.is_empty()), "{error:?}");
        let id = aws_sdk_dynamodb::operation::RequestId::request_id(&error);
        assert!(id.is_some_and(|id| !id.is_empty()), "no request id: {error:?}");
    }};
}

#[test]
fn what_is_refused_has_the_type_that_programs_match_on() {
    let server = Server::start();
    block_on(async {
        let client = client(&server.endpoint);
        table(&client, "there").await;
        let arn = back_up(&client, "there", "backup").await;
        let key = string("a");

        let again = create_table(&client, "there").await.expect_err("it is there already");
        assert!(matches!(again, aws_sdk_dynamodb::Error::ResourceInUseException(_)), "{again:?}");
        refused!(
            client.get_item().table_name("none").key("pk", key.clone()),
            GetItemError::ResourceNotFoundException
        );
        let unmet = client.put_item().table_name("there").item("pk", key);
        refused!(
            unmet.condition_expression("attribute_exists(pk)"),
            PutItemError::ConditionalCheckFailedException
        );
        refused!(
            client.create_backup().table_name("none").backup_name("backup"),
            CreateBackupError::TableNotFoundException
        );
        let restore = client.restore_table_from_backup().backup_arn(&arn);
        refused!(
            restore.target_table_name("there"),
            RestoreTableFromBackupError::TableAlreadyExistsException
        );
        client.delete_backup().backup_arn(&arn).send().await.expect("it is deleted");
        refused!(
            client.describe_backup().backup_arn(&arn),
            DescribeBackupError::BackupNotFoundException
        );
        let short = client.create_backup().table_name("there").backup_name("a").send().await;
        let short = short.expect_err("a name of one letter").into_service_error();
        assert_eq!(short.code(), Some("ValidationException"), "{short:?}");
    });
}
