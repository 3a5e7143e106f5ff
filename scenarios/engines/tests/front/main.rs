//! Amazon's SDK for Rust and the service's HTTP front inside of turmoil, which breaks the way
//! between them: what was acknowledged is there, retries make nothing twice, backups are exact.
//!
//! Behind the front stand three nodes of a world that lodges with turmoil; one of them loses power.
#![cfg(feature = "turmoil")]

/// Calls until the outcome is known: the answer, or what the service says against it.
macro_rules! known {
    ($call:expr) => {
        loop {
            match $call.send().await {
                Ok(answer) => break Ok(answer),
                Err(error) => match crate::code(&error) {
                    // Nothing was decided: the front or a node could not do it now.
                    None => {}
                    Some(code) if code == "InternalServerError" => {}
                    Some(code) => break Err(code),
                },
            }
            tokio::time::sleep(crate::ms(50)).await;
        }
    };
}

mod http;
mod table;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BackupStatus, BillingMode, KeySchemaElement, KeyType,
    ScalarAttributeType, TableStatus,
};
use stillpoint_engines::{Engine, address};
use stillpoint_reference::mutants::{Mutants, NoMutants};
use stillpoint_scenarios::report::Size;
use stillpoint_scenarios::stage::{Cluster, Shape};
use stillpoint_scenarios::stories::Planted;
use stillpoint_sim::{Dice, HostId, Tape, World};
use table::{Items, scan, wrongs};
use tokio::task::spawn_local;
use tokio::time::sleep;

/// Each writes `<writer>-<number>`, counting upwards, and goes on when it knows the item written.
const WRITERS: usize = 3;
const TABLE: &str = "orders";
const SEEDS: u64 = 6;
/// Faults of the way between client and front, one after the other.
const FAULTS: u32 = 8;
/// A run is given up after so much of the world's time.
const LIMIT_NS: u64 = 600_000_000_000;

fn string(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// How far each writer has got.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    /// Numbers below this were asked to be written.
    called: usize,
    /// Numbers below this are known to be written.
    done: usize,
}

/// What clients know.
#[derive(Default)]
struct Notes {
    progress: RefCell<[Progress; WRITERS]>,
    /// Writes that an earlier attempt of theirs was found to have carried out.
    found_done: Cell<u64>,
    stop: Cell<bool>,
}

impl Notes {
    /// A write is known to be carried out.
    fn carried_out(&self, outcome: Result<(), String>) {
        match outcome {
            Ok(()) => {}
            Err(code) if code == "ConditionalCheckFailedException" => {
                self.found_done.set(self.found_done.get() + 1);
            }
            Err(code) => panic!("a write: {code}"),
        }
    }

    fn done(&self) -> [usize; WRITERS] {
        self.progress.borrow().map(|it| it.done)
    }

    fn called(&self) -> [usize; WRITERS] {
        self.progress.borrow().map(|it| it.called)
    }
}

/// What a run came to.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    /// Of everything that happened behind the front.
    hash: u64,
    writes: usize,
    found_done: u64,
    connections: u64,
    backups: usize,
    /// What was wrong.
    wrongs: Vec<String>,
}

/// The error of a call by its code in Amazon's words; `None` if its outcome is unknown.
fn code<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> Option<String> {
    error.as_service_error().and_then(|it| it.code()).map(str::to_owned)
}

async fn create_table(client: &Client) {
    let key = KeySchemaElement::builder().attribute_name("pk").key_type(KeyType::Hash).build();
    let string = ScalarAttributeType::S;
    let attribute =
        AttributeDefinition::builder().attribute_name("pk").attribute_type(string).build();
    let call = client.create_table().table_name(TABLE).key_schema(key.expect("it is complete"));
    let call = call.attribute_definitions(attribute.expect("it is complete"));
    let made = known!(call.clone().billing_mode(BillingMode::PayPerRequest));
    let made = made.map(drop);
    assert!(made.is_ok() || made == Err("ResourceInUseException".to_owned()), "{made:?}");
    until_active(client, TABLE).await;
}

async fn until_active(client: &Client, table: &str) {
    loop {
        let described = known!(client.describe_table().table_name(table));
        let status = described.ok().and_then(|it| it.table?.table_status);
        if status == Some(TableStatus::Active) {
            return;
        }
        sleep(ms(200)).await;
    }
}

async fn write(client: Client, writer: usize, notes: Rc<Notes>) {
    for number in 0.. {
        if notes.stop.get() {
            return;
        }
        notes.progress.borrow_mut()[writer].called = number + 1;
        put(&client, writer, number, &notes).await;
        count(&client, writer, number, &notes).await;
        notes.progress.borrow_mut()[writer].done = number + 1;
    }
}

/// Writes an item that is not there yet.
async fn put(client: &Client, writer: usize, number: usize, notes: &Notes) {
    let put = client.put_item().table_name(TABLE).item("pk", key(writer, number));
    let put = put.item("value", AttributeValue::N(number.to_string()));
    let put = known!(put.clone().condition_expression("attribute_not_exists(pk)"));
    notes.carried_out(put.map(drop));
}

/// Counts the item. An attempt that is carried out late or once more would count it twice, if it
/// were not for the condition.
async fn count(client: &Client, writer: usize, number: usize, notes: &Notes) {
    let update = client.update_item().table_name(TABLE).key("pk", counter(writer));
    let update = update.update_expression("SET latest = :number ADD items :one");
    let update = update.condition_expression("attribute_not_exists(pk) OR latest < :number");
    let update = update.expression_attribute_values(":one", AttributeValue::N("1".to_owned()));
    let number = AttributeValue::N(number.to_string());
    let updated = known!(update.clone().expression_attribute_values(":number", number.clone()));
    notes.carried_out(updated.map(drop));
}

fn counter(writer: usize) -> AttributeValue {
    string(format!("{writer}-items"))
}

fn key(writer: usize, number: usize) -> AttributeValue {
    string(format!("{writer}-{number}"))
}

/// Breaks the way between the client and the front, again and again, and mends it each time.
async fn break_the_way(client: HostId, front: HostId, dice: Dice) {
    let (client, front) = (address(client), address(front));
    for _ in 0..FAULTS {
        sleep(ms(dice.range(300..1_500))).await;
        let kind = dice.range(0..4);
        match kind {
            0 => turmoil::partition(client, front),
            1 => turmoil::partition_oneway(client, front),
            // What is asked arrives, what is answered does not.
            2 => turmoil::partition_oneway(front, client),
            _ => turmoil::hold(client, front),
        }
        sleep(ms(dice.range(500..5_000))).await;
        match kind {
            3 => turmoil::release(client, front),
            _ => turmoil::repair(client, front),
        }
    }
}

async fn lose_power_once(world: World, node: HostId) {
    sleep(ms(4_000)).await;
    world.power_loss(node);
    sleep(ms(5_000)).await;
    world.restart(node);
}

/// Makes a backup while writers run: its ARN, and what each writer had done before, and had begun
/// by the answer.
async fn back_up(client: &Client, notes: &Notes) -> (String, [usize; WRITERS], [usize; WRITERS]) {
    let done = notes.done();
    let details = loop {
        match known!(client.create_backup().table_name(TABLE).backup_name("nightly")) {
            Ok(answer) => break answer.backup_details,
            // Backups of a new table are not enabled at once.
            Err(code) if code == "ContinuousBackupsUnavailableException" => sleep(ms(200)).await,
            Err(code) => panic!("a backup: {code}"),
        }
    };
    let arn = details.expect("an answer has details").backup_arn().to_owned();
    (arn, done, notes.called())
}

/// All backups, each AVAILABLE.
async fn backups(client: &Client) -> BTreeSet<String> {
    let listed = known!(client.list_backups().table_name(TABLE)).expect("they can be listed");
    let arns = listed.backup_summaries.unwrap_or_default().into_iter();
    let arns: BTreeSet<String> = arns.filter_map(|it| it.backup_arn).collect();
    for arn in &arns {
        loop {
            let told = known!(client.describe_backup().backup_arn(arn)).expect("it is there");
            let details = told.backup_description.and_then(|it| it.backup_details);
            if details.is_some_and(|it| it.backup_status == BackupStatus::Available) {
                break;
            }
            sleep(ms(200)).await;
        }
    }
    arns
}

async fn restore(client: &Client, arn: &str, table: &str) -> Items {
    let call = client.restore_table_from_backup().backup_arn(arn).target_table_name(table);
    let begun = known!(call.clone()).map(drop);
    // Then an earlier attempt has begun it.
    let by_earlier = begun.as_ref().is_err_and(|code| code.starts_with("Table"));
    assert!(begun.is_ok() || by_earlier, "{begun:?}");
    until_active(client, table).await;
    scan(client, table).await
}

async fn act(world: World, node: HostId, front: HostId) -> Seen {
    let (client, connections) = http::client(address(front));
    create_table(&client).await;
    let notes: Rc<Notes> = Rc::default();
    let writers: Vec<_> =
        (0..WRITERS).map(|it| spawn_local(write(client.clone(), it, Rc::clone(&notes)))).collect();
    let dice = world.dice("front/faults");
    let faults = spawn_local(break_the_way(HostId::DRIVER, front, dice.clone()));
    let power = spawn_local(lose_power_once(world.clone(), node));
    sleep(ms(dice.range(1_000..6_000))).await;
    let (arn, low, high) = back_up(&client, &notes).await;
    for task in [faults, power] {
        task.await.expect("the way is broken and mended");
    }
    notes.stop.set(true);
    for writer in writers {
        writer.await.expect("a writer ends");
    }
    let done = notes.done();
    let mut wrong = wrongs(TABLE, &scan(&client, TABLE).await, done, notes.called());
    let backups = backups(&client).await;
    for (n, it) in backups.iter().enumerate() {
        let table = format!("restored-{n}");
        let items = restore(&client, it, &table).await;
        // A backup that nobody was told of holds some moment of the same minutes.
        let (low, high) = if *it == arn { (low, high) } else { ([0; WRITERS], done) };
        wrong.extend(wrongs(&table, &items, low, high));
    }
    if !backups.contains(&arn) {
        wrong.push(format!("{arn} was acknowledged and is not listed"));
    }
    Seen {
        hash: world.hash(),
        writes: done.iter().sum(),
        found_done: notes.found_done.get(),
        connections: connections.load(Ordering::Relaxed),
        backups: backups.len(),
        wrongs: wrong,
    }
}

/// One run, on a thread of its own as every run on another engine.
fn run<M: Mutants + Sync>(seed: u64, mutants: &M) -> Seen {
    let told = thread::scope(|it| it.spawn(|| run_here(seed, mutants)).join());
    told.unwrap_or_else(|why| std::panic::resume_unwind(why))
}

fn run_here<M: Mutants>(seed: u64, mutants: &M) -> Seen {
    // The SDK draws from it how long it waits before it tries again.
    fastrand::seed(seed);
    let world = World::new(Tape::new(seed));
    let cluster = Cluster::boot(&world, Shape::of(Size::Small), |_| {}, mutants);
    let front = world.add_host("front", "zone-a");
    let nodes = cluster.hosts.clone();
    world.boot(front, move |host| http::serve(host, nodes.clone()));
    let node = *world.dice("front/victim").pick(&cluster.hosts);
    let seen: Rc<RefCell<Option<Seen>>> = Rc::default();
    let (told, acting_in) = (Rc::clone(&seen), world.clone());
    let driver = async move { *told.borrow_mut() = Some(act(acting_in, node, front).await) };
    Engine::Turmoil.run(seed, &world, LIMIT_NS, Box::pin(driver)).expect("it comes to its end");
    assert!(world.panics().is_empty(), "{:?}", world.panics());
    seen.take().expect("the driver has told")
}

#[test]
fn what_the_sdk_was_told_holds_whatever_happens_on_the_way() {
    let (mut found_done, mut connections) = (0, 0);
    for seed in 1..=SEEDS {
        let seen = run(seed, &NoMutants);
        assert_eq!(seen.wrongs, Vec::<String>::new(), "seed {seed}");
        assert!(seen.writes > WRITERS, "seed {seed}: hardly anything was written: {seen:?}");
        assert!(seen.backups >= 1, "seed {seed}: {seen:?}");
        found_done += seen.found_done;
        connections += seen.connections;
    }
    // Otherwise nothing was tested: answers were lost, and connections with them.
    assert!(found_done > 0, "no retry ever found its first attempt carried out");
    assert!(connections > SEEDS * 4, "no connection ever broke: {connections}");
}

#[test]
fn a_planted_bug_shows_through_the_sdk() {
    let seen = run(1, &Planted::RestoreDropsAnItem);
    assert!(!seen.wrongs.is_empty(), "{seen:?}");
}

#[test]
fn a_seed_is_one_run() {
    assert_eq!(run(2, &NoMutants), run(2, &NoMutants));
}
