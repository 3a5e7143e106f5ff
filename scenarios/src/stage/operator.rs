//! A quiet cluster and one operator who uses its API: what a test of an operation needs.
//!
//! No faults, no load and no judgement happen here; whoever wants faults reaches the [`World`].
//! Waiting for a state ends in a panic after [`WAIT_NS_MAX`], since a test cannot go on without it.

use super::client::{Client, Unanswered};
use super::cluster::{Cluster, Shape};
use crate::report::Size;
use std::cell::Cell;
use stillpoint_reference::api::{
    BackupArn, BackupStatus, CreateBackupInput, CreateBackupOutput, CreateTableInput,
    CreateTableOutput, DeleteBackupInput, DeleteBackupOutput, DeleteItemInput, DeleteItemOutput,
    DeleteTableInput, DeleteTableOutput, DescribeBackupInput, DescribeBackupOutput,
    DescribeTableInput, DescribeTableOutput, ExceptionName, GetItemInput, GetItemOutput,
    ListBackupsInput, ListBackupsOutput, ListTablesInput, ListTablesOutput, PutItemInput,
    PutItemOutput, QueryInput, QueryOutput, Request, Response, RestoreTableFromBackupInput,
    RestoreTableFromBackupOutput, ScanInput, ScanOutput, TableDescription, TableStatus,
    UpdateItemInput, UpdateItemOutput, WireError,
};
use stillpoint_reference::item::{Item, KeySchema};
use stillpoint_reference::mutants::{Mutants, NoMutants};
use stillpoint_sim::{Tape, World};

/// How long a test may last, in simulated time.
const RUN_NS_MAX: u64 = 600_000_000_000;
/// How long an operator waits for a state.
const WAIT_NS_MAX: u64 = 60_000_000_000;
/// Longer than any router takes to answer, CreateBackup included.
const PATIENCE_NS: u64 = 60_000_000_000;
/// How often a state is asked for while waiting for it.
const POLL_NS: u64 = 5_000_000;

/// Someone who uses the API of a cluster, and can reach into its world.
pub struct Operator {
    /// The world, to place faults in.
    pub world: World,
    /// The cluster.
    pub cluster: Cluster,
    client: Client,
    next_id: Cell<u64>,
}

/// Boots `nodes` nodes (of which three hold each partition, or one if there is but one) and lets
/// `act` use them.
///
/// # Panics
/// `act` panicked, or did not end within ten simulated minutes.
pub fn operate<T, F: Future<Output = T>>(nodes: u16, act: impl FnOnce(Operator) -> F) -> T {
    operate_with(nodes, &NoMutants, act)
}

/// The same with planted bugs.
///
/// # Panics
/// As for [`operate`].
pub fn operate_with<M: Mutants, T, F: Future<Output = T>>(
    nodes: u16,
    mutants: &M,
    act: impl FnOnce(Operator) -> F,
) -> T {
    let world = World::new(Tape::new(1));
    let shape = Shape { nodes, ..Shape::of(Size::Small) };
    let cluster = Cluster::boot(&world, shape, |_| {}, mutants);
    let client = cluster.client.clone();
    let operator = Operator { world: world.clone(), cluster, client, next_id: Cell::new(1) };
    world.run(RUN_NS_MAX, act(operator)).unwrap_or_else(|why| panic!("{why}"))
}

/// Declares the operations: each sends its request and takes apart its own response.
macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident($input:ty) -> $output:ty = $operation:ident,)+) => {
        impl Operator {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// What the service answered instead.
                pub async fn $name(&self, input: $input) -> Result<$output, WireError> {
                    match self.ask(Request::$operation(input)).await? {
                        Response::$operation(output) => Ok(output),
                        other => panic!("asked for {}, got {other:?}", stringify!($operation)),
                    }
                }
            )+
        }
    };
}

operations! {
    /// CreateTable.
    create_table(CreateTableInput) -> CreateTableOutput = CreateTable,
    /// DescribeTable.
    describe_table(DescribeTableInput) -> DescribeTableOutput = DescribeTable,
    /// DeleteTable.
    delete_table(DeleteTableInput) -> DeleteTableOutput = DeleteTable,
    /// ListTables.
    list_tables(ListTablesInput) -> ListTablesOutput = ListTables,
    /// PutItem.
    put_item(PutItemInput) -> PutItemOutput = PutItem,
    /// GetItem.
    get_item(GetItemInput) -> GetItemOutput = GetItem,
    /// UpdateItem.
    update_item(UpdateItemInput) -> UpdateItemOutput = UpdateItem,
    /// DeleteItem.
    delete_item(DeleteItemInput) -> DeleteItemOutput = DeleteItem,
    /// Query.
    query(QueryInput) -> QueryOutput = Query,
    /// Scan.
    scan(ScanInput) -> ScanOutput = Scan,
    /// CreateBackup.
    create_backup(CreateBackupInput) -> CreateBackupOutput = CreateBackup,
    /// DescribeBackup.
    describe_backup(DescribeBackupInput) -> DescribeBackupOutput = DescribeBackup,
    /// ListBackups.
    list_backups(ListBackupsInput) -> ListBackupsOutput = ListBackups,
    /// DeleteBackup.
    delete_backup(DeleteBackupInput) -> DeleteBackupOutput = DeleteBackup,
    /// RestoreTableFromBackup.
    restore_table(RestoreTableFromBackupInput) -> RestoreTableFromBackupOutput =
        RestoreTableFromBackup,
}

impl Operator {
    async fn ask(&self, request: Request) -> Result<Response, WireError> {
        let (id, operation) = (self.next_id.get(), request.operation());
        self.next_id.set(id + 1);
        let answer = self.client.call(id, request, PATIENCE_NS).await;
        answer.unwrap_or_else(|Unanswered| panic!("{operation} was not answered"))
    }

    /// Lets simulated time pass.
    pub async fn sleep_ms(&self, ms: u64) {
        self.client.host().sleep(ms * 1_000_000).await;
    }

    /// The operator's wall clock, in epoch milliseconds.
    #[must_use]
    pub fn wall_ms(&self) -> u64 {
        self.client.host().wall_ms()
    }

    /// Creates a table paid by request and waits until it is open.
    ///
    /// # Panics
    /// The table was refused, or does not open.
    pub async fn open_table(&self, name: &str, schema: &KeySchema) -> TableDescription {
        let created = self.create_table(CreateTableInput::on_demand(name, schema)).await;
        created.unwrap_or_else(|why| panic!("CreateTable {name}: {why:?}"));
        self.await_active(name).await
    }

    /// Waits until a table is ACTIVE.
    ///
    /// # Panics
    /// It does not become so.
    pub async fn await_active(&self, name: &str) -> TableDescription {
        let deadline_ns = self.world.now_ns() + WAIT_NS_MAX;
        while self.world.now_ns() < deadline_ns {
            let input = DescribeTableInput { table_name: name.to_owned() };
            if let Ok(output) = self.describe_table(input).await
                && output.table.table_status == TableStatus::Active
            {
                return output.table;
            }
            self.client.host().sleep(POLL_NS).await;
        }
        panic!("{name} does not become ACTIVE");
    }

    /// Deletes a table and waits until it is gone.
    ///
    /// # Panics
    /// It was refused, or does not go.
    pub async fn drop_table(&self, name: &str) {
        let deleted = self.delete_table(DeleteTableInput { table_name: name.to_owned() }).await;
        deleted.unwrap_or_else(|why| panic!("DeleteTable {name}: {why:?}"));
        let deadline_ns = self.world.now_ns() + WAIT_NS_MAX;
        while self.world.now_ns() < deadline_ns {
            let input = DescribeTableInput { table_name: name.to_owned() };
            match self.describe_table(input).await {
                Err(why) if why.exception == ExceptionName::ResourceNotFound => return,
                _ => self.client.host().sleep(POLL_NS).await,
            }
        }
        panic!("{name} does not go");
    }

    /// Puts items, one after the other.
    ///
    /// # Panics
    /// One was refused.
    pub async fn fill(&self, table: &str, items: impl IntoIterator<Item = Item>) {
        for item in items {
            let put = self.put_item(PutItemInput::new(table, item)).await;
            put.unwrap_or_else(|why| panic!("PutItem into {table}: {why:?}"));
        }
    }

    /// Reads all items of a table, page by page, and says how many pages there were.
    ///
    /// # Panics
    /// A page was refused.
    pub async fn scan_all(&self, table: &str) -> (Vec<Item>, u32) {
        let (mut items, mut pages, mut start) = (Vec::new(), 0, None);
        loop {
            let input = ScanInput {
                table_name: table.to_owned(),
                limit: None,
                exclusive_start_key: start,
                consistent_read: true,
            };
            let page = self.scan(input).await.unwrap_or_else(|why| panic!("Scan {table}: {why:?}"));
            items.extend(page.items);
            pages += 1;
            match page.last_evaluated_key {
                Some(key) => start = Some(key),
                None => return (items, pages),
            }
        }
    }

    /// Backs a table up and waits until the backup is AVAILABLE.
    ///
    /// # Panics
    /// It was refused, or does not become so.
    pub async fn back_up(&self, table: &str, name: &str) -> BackupArn {
        let (table_name, backup_name) = (table.to_owned(), name.to_owned());
        let created = self.create_backup(CreateBackupInput { table_name, backup_name }).await;
        let created = created.unwrap_or_else(|why| panic!("CreateBackup of {table}: {why:?}"));
        let arn = created.backup_details.backup_arn;
        self.await_available(&arn).await;
        arn
    }

    /// Waits until a backup is AVAILABLE.
    ///
    /// # Panics
    /// It does not become so.
    pub async fn await_available(&self, arn: &BackupArn) {
        let deadline_ns = self.world.now_ns() + WAIT_NS_MAX;
        while self.world.now_ns() < deadline_ns {
            let input = DescribeBackupInput { backup_arn: arn.to_string() };
            if let Ok(output) = self.describe_backup(input).await
                && output.backup_description.backup_details.backup_status == BackupStatus::Available
            {
                return;
            }
            self.client.host().sleep(POLL_NS).await;
        }
        panic!("{arn} does not become AVAILABLE");
    }

    /// Restores a backup, overriding nothing, and waits until the new table is open.
    ///
    /// # Panics
    /// It was refused, or the table does not open.
    pub async fn restore(&self, arn: &BackupArn, target: &str) -> TableDescription {
        let begun = self.restore_table(RestoreTableFromBackupInput::new(target, arn)).await;
        begun.unwrap_or_else(|why| panic!("RestoreTableFromBackup to {target}: {why:?}"));
        self.await_active(target).await
    }
}
