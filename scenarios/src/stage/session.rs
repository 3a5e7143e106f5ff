//! One run as its clients live it: the load, the backups, the restores, and the history of it all.

use super::burst::{burst, chains};
use super::client::{Answer, Client, Unanswered};
use super::cluster::{Cluster, Shape};
use super::recorder::Recorder;
use super::transcript::Transcript;
use super::workload::{Action, Arrival, COUNTER, IDENTITY, Keyspace, Load, identity_of};
use crate::history::{History, KeyId, OpId, Seen, WriteId};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use stillpoint_reference::api::{
    BackupArn, BackupStatus, BillingMode, CreateBackupInput, CreateTableInput, DeleteItemInput,
    DescribeBackupInput, DescribeTableInput, ExceptionName, GetItemInput, ProvisionedThroughput,
    PutItemInput, Request, Response, RestoreTableFromBackupInput, ReturnValues, ScanInput,
    TableDescription, TableStatus, UpdateItemInput,
};
use stillpoint_reference::item::{AttributeValue, Item};
use stillpoint_sim::{Dice, Host};

/// The table that is backed up.
pub const TABLE: &str = "orders";
/// Clients of the load.
pub(super) const CLIENTS: u32 = 8;
/// Clients wait so long for an answer; routers answer sooner, if only by an error.
pub(super) const PATIENCE_NS: u64 = 4_000_000_000;
/// CreateBackup answers after its cut is sealed or given up.
const BACKUP_PATIENCE_NS: u64 = 60_000_000_000;
/// How often a state is asked for while waiting for it.
pub(super) const POLL_NS: u64 = 10_000_000;
/// Nothing that a story waits for may take longer, or the run proves nothing.
pub const WAIT_NS_MAX: u64 = 90_000_000_000;
/// How often CreateBackup or a restore is tried again after an error.
const TRIES_MAX: u32 = 16;

/// A backup that was asked for and became AVAILABLE.
#[derive(Clone, Debug)]
pub struct BackupTaken {
    /// Its ARN.
    pub arn: BackupArn,
    /// When the request that made it was sent.
    pub request_ns: u64,
    /// When that request was answered.
    pub answer_ns: u64,
    /// When it was seen to be AVAILABLE.
    pub available_ns: u64,
    /// The table when it was asked for.
    pub source: TableDescription,
    /// The fewest writes that a partition committed between the request and the seal, if the
    /// stage counted them.
    pub writes_in_cut_min: Option<u64>,
}

/// What a restore brought back.
#[derive(Clone, Debug)]
pub struct Restored {
    /// The new table.
    pub table: TableDescription,
    /// All its items.
    pub items: Vec<Item>,
}

/// The clients of one run.
pub struct Session {
    client: Client,
    recorder: Rc<RefCell<Recorder>>,
    shape: Shape,
    /// The table's keys and items.
    pub space: Keyspace,
    /// What the clients did.
    pub history: RefCell<History>,
    /// Which of their writes are updates.
    pub updates: RefCell<BTreeSet<WriteId>>,
    /// What a person reads of it.
    pub transcript: Transcript,
    began_ns: u64,
    next_seq: RefCell<BTreeMap<u32, u32>>,
    pub(super) last_seen: RefCell<BTreeMap<u32, Seen>>,
    under_way: Cell<usize>,
    /// How long each acknowledged write took, from the instant at which it was due.
    pub latencies_ns: RefCell<Vec<u64>>,
}

impl Session {
    /// A session on a cluster that has just booted.
    #[must_use]
    pub fn new(cluster: &Cluster, shape: Shape, sorted: bool, transcript: Transcript) -> Rc<Self> {
        let client = cluster.client.clone();
        let began_ns = client.host().now_ns();
        Rc::new(Self {
            client,
            recorder: Rc::clone(&cluster.recorder),
            shape,
            space: Keyspace::new(sorted, shape.body_bytes),
            history: RefCell::default(),
            updates: RefCell::default(),
            transcript,
            began_ns,
            next_seq: RefCell::default(),
            last_seen: RefCell::default(),
            under_way: Cell::new(0),
            latencies_ns: RefCell::default(),
        })
    }

    pub(super) fn host(&self) -> &Host {
        self.client.host()
    }

    /// Time since the session began, which is when the world did.
    #[must_use]
    pub fn now_ns(&self) -> u64 {
        self.host().now_ns() - self.began_ns
    }

    /// Tells whoever reads the run.
    pub fn note(&self, text: &str) {
        self.transcript.note(self.now_ns(), text);
    }

    pub(super) fn next_write(&self, client: u32) -> WriteId {
        let mut next = self.next_seq.borrow_mut();
        let seq = next.entry(client).or_default();
        *seq += 1;
        WriteId { client, seq: *seq }
    }

    pub(super) async fn call(
        &self,
        write: WriteId,
        request: Request,
    ) -> Result<Answer, Unanswered> {
        let id = u64::from(write.client) << 32 | u64::from(write.seq);
        self.client.call(id, request, PATIENCE_NS).await
    }

    /// A call of the operator, who is no client of the workload.
    pub(super) async fn ask(
        &self,
        request: Request,
        patience_ns: u64,
    ) -> Result<Answer, Unanswered> {
        let write = self.next_write(u32::MAX);
        let id = u64::from(write.client) << 32 | u64::from(write.seq);
        self.client.call(id, request, patience_ns).await
    }

    // Tables.

    /// Creates the table and waits until it is open.
    pub async fn create_table(&self) -> Option<TableDescription> {
        let units = i64::from(self.shape.partitions) * 3_000;
        let input = CreateTableInput {
            billing_mode: Some(BillingMode::Provisioned),
            provisioned_throughput: Some(ProvisionedThroughput {
                read_capacity_units: 3_000,
                write_capacity_units: (units - 3_000) / 3,
            }),
            ..CreateTableInput::on_demand(TABLE, &self.space.schema)
        };
        let deadline_ns = self.now_ns() + WAIT_NS_MAX;
        while self.now_ns() < deadline_ns {
            let answer = self.ask(Request::CreateTable(input.clone()), PATIENCE_NS).await;
            let there = match &answer {
                Ok(Ok(_)) => true,
                Ok(Err(error)) => error.exception == ExceptionName::ResourceInUse,
                Err(Unanswered) => false,
            };
            if there {
                return self.await_active(TABLE, &|| WAIT_NS_MAX).await;
            }
            self.host().sleep(POLL_NS).await;
        }
        None
    }

    pub(super) async fn await_active(
        &self,
        table: &str,
        patience_ns: &dyn Fn() -> u64,
    ) -> Option<TableDescription> {
        let begun_ns = self.now_ns();
        while self.now_ns() < begun_ns + patience_ns() {
            let input = DescribeTableInput { table_name: table.to_owned() };
            let answer = self.ask(Request::DescribeTable(input), PATIENCE_NS).await;
            if let Ok(Ok(Response::DescribeTable(output))) = answer
                && output.table.table_status == TableStatus::Active
            {
                return Some(output.table);
            }
            self.host().sleep(POLL_NS).await;
        }
        None
    }

    // The load.

    /// Starts the load beside whatever else goes on.
    pub fn start_load(self: &Rc<Self>, dice: &Dice, bursts_ns: &[u64]) {
        let Shape { writes, keys, load_ns: lasts_ns, .. } = self.shape;
        let load = Load { writes, keys, clients: CLIENTS, lasts_ns };
        self.start(load.schedule(dice, bursts_ns));
    }

    /// Starts writes on every partition, as many as the shape says, beside whatever else goes on.
    pub fn start_burst(self: &Rc<Self>, dice: &Dice) {
        self.start(burst(&self.space, self.shape, dice));
    }

    /// Starts chains of writes, as many as the shape says, beside whatever else goes on.
    pub fn start_chains(self: &Rc<Self>, dice: &Dice) {
        self.start(chains(&self.space, self.shape, dice));
    }

    fn start(self: &Rc<Self>, schedule: Vec<Arrival>) {
        self.under_way.set(self.under_way.get() + schedule.len());
        let (session, begins_ns) = (Rc::clone(self), self.host().now_ns());
        self.host().spawn("load", async move {
            for arrival in schedule {
                session.host().sleep_until(begins_ns + arrival.at_ns).await;
                let performing = Rc::clone(&session);
                session.host().spawn("operation", async move {
                    let Arrival { at_ns, client, action, key, then } = arrival;
                    // However late it really begins, its latency counts from when it was due.
                    let due_ns = begins_ns + at_ns - performing.began_ns;
                    performing.perform(client, action, key, due_ns).await;
                    for key in then {
                        performing.perform(client, Action::Put, key, performing.now_ns()).await;
                    }
                    performing.under_way.set(performing.under_way.get() - 1);
                });
            }
        });
    }

    /// Waits until every operation of the load has been answered or given up.
    pub async fn await_load(&self) {
        while self.under_way.get() > 0 {
            self.host().sleep(POLL_NS).await;
        }
    }

    async fn perform(&self, client: u32, action: Action, key: u32, due_ns: u64) {
        let id = self.key_id(key);
        let write = self.next_write(client);
        match action {
            Action::Read => return self.read(key, id, write).await,
            Action::Query => return self.query(key, write).await,
            _ => {}
        }
        let seen = self.last_seen.borrow().get(&key).copied();
        let demanded = match (action, seen) {
            (Action::PutIfAbsent, _) => Some(Seen::Absent),
            (Action::PutOverSeen | Action::DeleteSeen, Some(seen @ Seen::Version(_))) => Some(seen),
            _ => None,
        };
        let deletes = matches!(action, Action::Delete | Action::DeleteSeen);
        let request = match action {
            _ if deletes => self.delete_request(key, demanded),
            Action::Update => self.update_request(key, write),
            _ => self.put_request(key, write, demanded),
        };
        let invoked = {
            let (mut history, now_ns) = (self.history.borrow_mut(), self.now_ns());
            match deletes {
                true => history.invoke_delete(id, write, demanded, now_ns),
                false => history.invoke_put(id, write, demanded, now_ns),
            }
        };
        let answer = self.call(write, request).await;
        if self.settle(invoked, &answer) {
            let now = if deletes { Seen::Absent } else { Seen::Version(write) };
            self.last_seen.borrow_mut().insert(key, now);
            self.latencies_ns.borrow_mut().push(self.now_ns() - due_ns);
        }
    }

    pub(super) fn key_id(&self, key: u32) -> KeyId {
        let schema = &self.space.schema;
        let primary = schema.key_from_map(&self.space.key(key)).expect("a key of the schema");
        self.history.borrow_mut().keys.intern(&super::key_name(schema, &primary))
    }

    fn put_request(&self, key: u32, write: WriteId, demanded: Option<Seen>) -> Request {
        let mut input = PutItemInput::new(TABLE, self.space.item(key, write));
        (input.condition_expression, input.expression_attribute_values) = condition(demanded);
        Request::PutItem(input)
    }

    fn delete_request(&self, key: u32, demanded: Option<Seen>) -> Request {
        let mut input = DeleteItemInput::new(TABLE, self.space.key(key));
        (input.condition_expression, input.expression_attribute_values) = condition(demanded);
        Request::DeleteItem(input)
    }

    fn update_request(&self, key: u32, write: WriteId) -> Request {
        self.updates.borrow_mut().insert(write);
        let update = format!("SET {IDENTITY} = :write ADD {COUNTER} :one");
        let mut input = UpdateItemInput::new(TABLE, self.space.key(key), &update);
        input.expression_attribute_values = BTreeMap::from([
            (":write".to_owned(), AttributeValue::S(write.to_string())),
            (":one".to_owned(), AttributeValue::from(1)),
        ]);
        // So that the history knows which version it replaced.
        input.return_values = ReturnValues::AllOld;
        Request::UpdateItem(input)
    }

    /// Takes down what came of a write. Returns whether it was acknowledged.
    fn settle(&self, invoked: OpId, answer: &Result<Answer, Unanswered>) -> bool {
        let (mut history, now_ns) = (self.history.borrow_mut(), self.now_ns());
        match answer {
            Ok(Ok(Response::UpdateItem(output))) => match seen(output.attributes.as_ref()) {
                Some(replaced) => history.acknowledge_update(invoked, replaced, now_ns),
                None => history.acknowledge(invoked, now_ns),
            },
            Ok(Ok(_)) => history.acknowledge(invoked, now_ns),
            Ok(Err(error)) if error.exception != ExceptionName::InternalServerError => {
                history.refuse(invoked, now_ns);
            }
            Ok(Err(_)) | Err(Unanswered) => history.lose(invoked),
        }
        matches!(answer, Ok(Ok(_)))
    }

    async fn read(&self, key: u32, id: KeyId, by: WriteId) {
        let input = GetItemInput {
            table_name: TABLE.to_owned(),
            key: self.space.key(key),
            consistent_read: true,
        };
        let invoked = self.history.borrow_mut().invoke_read(by.client, id, self.now_ns());
        if let Ok(Ok(Response::GetItem(output))) = self.call(by, Request::GetItem(input)).await
            && let Some(seen) = seen(output.item.as_ref())
        {
            self.last_seen.borrow_mut().insert(key, seen);
            self.history.borrow_mut().acknowledge_read(invoked, seen, self.now_ns());
        }
    }

    /// Reads the whole table at the end, as one strong read of every key that was ever written.
    pub async fn read_everything(&self) -> Option<Vec<Item>> {
        let reader = self.next_write(u32::MAX - 1).client;
        let keys = self.history.borrow().keys.len();
        let invoked: Vec<OpId> = (0..keys)
            .map(|it| {
                let key = KeyId(it as u32);
                self.history.borrow_mut().invoke_read(reader, key, self.now_ns())
            })
            .collect();
        let items = self.scan(TABLE).await?;
        let mut seen: BTreeMap<KeyId, Seen> = BTreeMap::new();
        for item in &items {
            let primary = self.space.schema.key_of(item).expect("stored items have keys");
            let name = super::key_name(&self.space.schema, &primary);
            let key = self.history.borrow_mut().keys.intern(&name);
            seen.insert(key, identity_of(item).map_or(Seen::Absent, Seen::Version));
        }
        for (number, op) in invoked.into_iter().enumerate() {
            let saw = seen.get(&KeyId(number as u32)).copied().unwrap_or(Seen::Absent);
            self.history.borrow_mut().acknowledge_read(op, saw, self.now_ns());
        }
        Some(items)
    }

    /// All items of a table, page by page.
    pub async fn scan(&self, table: &str) -> Option<Vec<Item>> {
        let (mut items, mut start, mut tries) = (Vec::new(), None, 0);
        loop {
            let input = ScanInput {
                table_name: table.to_owned(),
                // Small pages, so that paging itself is exercised.
                limit: Some(50),
                exclusive_start_key: start.clone(),
                consistent_read: true,
            };
            match self.ask(Request::Scan(input), PATIENCE_NS).await {
                Ok(Ok(Response::Scan(output))) => {
                    tries = 0;
                    items.extend(output.items);
                    start = output.last_evaluated_key;
                    if start.is_none() {
                        return Some(items);
                    }
                }
                _ if tries < TRIES_MAX => {
                    tries += 1;
                    self.host().sleep(10 * POLL_NS).await;
                }
                _ => return None,
            }
        }
    }

    // Backups and restores.

    /// Asks for a backup and waits until it is AVAILABLE.
    pub async fn back_up(&self, name: &str, source: &TableDescription) -> Option<BackupTaken> {
        for _ in 0..TRIES_MAX {
            let input =
                CreateBackupInput { table_name: TABLE.to_owned(), backup_name: name.to_owned() };
            let request_ns = self.now_ns();
            if self.shape.writes_in_cut > 0 {
                // It ends by itself when the cut is sealed.
                self.recorder.borrow_mut().begin_count();
            }
            let answer = self.ask(Request::CreateBackup(input), BACKUP_PATIENCE_NS).await;
            let answer_ns = self.now_ns();
            match answer {
                Ok(Ok(Response::CreateBackup(output))) => {
                    self.note(&format!("CreateBackup {name} -> sealed"));
                    let arn = output.backup_details.backup_arn;
                    let (source, writes_in_cut_min) = (source.clone(), self.fewest_writes(source));
                    let available_ns = self.await_available(&arn).await?;
                    self.note(&format!("DescribeBackup {name} -> AVAILABLE"));
                    return Some(BackupTaken {
                        arn,
                        request_ns,
                        answer_ns,
                        available_ns,
                        source,
                        writes_in_cut_min,
                    });
                }
                Ok(Err(error)) => {
                    self.note(&format!("CreateBackup {name} -> {}", error.exception));
                }
                other => self.note(&format!("CreateBackup {name} -> {other:?}")),
            }
            self.host().sleep(20 * POLL_NS).await;
        }
        None
    }

    /// The fewest writes that a partition committed while the last backup was cut.
    fn fewest_writes(&self, source: &TableDescription) -> Option<u64> {
        let counted = || self.recorder.borrow().fewest_counted(source.table_id);
        let fewest = if self.shape.writes_in_cut > 0 { counted() } else { None };
        if let Some(fewest) = fewest {
            self.note(&format!(
                "every partition committed at least {fewest} writes between request and seal"
            ));
        }
        fewest
    }

    async fn await_available(&self, arn: &BackupArn) -> Option<u64> {
        let begun_ns = self.now_ns();
        while self.now_ns() < begun_ns + WAIT_NS_MAX {
            let input = DescribeBackupInput { backup_arn: arn.to_string() };
            let answer = self.ask(Request::DescribeBackup(input), PATIENCE_NS).await;
            if let Ok(Ok(Response::DescribeBackup(output))) = answer
                && output.backup_description.backup_details.backup_status == BackupStatus::Available
            {
                return Some(self.now_ns());
            }
            // Whoever has waited for a minute can wait for another second.
            let waited_ns = self.now_ns() - begun_ns;
            self.host().sleep(POLL_NS.max(waited_ns / 64)).await;
        }
        None
    }

    /// Restores a backup into a new table, waits until it is open, and reads all of it.
    /// It is waited for as long as `patience_ns` says, asked anew each time.
    pub async fn restore(
        &self,
        backup: &BackupTaken,
        target: &str,
        patience_ns: &dyn Fn() -> u64,
    ) -> Option<Restored> {
        let table = self.restore_until_active(backup, target, patience_ns).await?;
        let items = self.scan(target).await?;
        self.note(&format!("Scan {target} -> {} items", items.len()));
        Some(Restored { table, items })
    }

    /// Restores a backup into a new table and waits until it is open, for as long as
    /// `patience_ns` says, asked anew each time.
    pub async fn restore_until_active(
        &self,
        backup: &BackupTaken,
        target: &str,
        patience_ns: &dyn Fn() -> u64,
    ) -> Option<TableDescription> {
        for _ in 0..TRIES_MAX {
            let input = RestoreTableFromBackupInput::new(target, &backup.arn);
            let answer = self.ask(Request::RestoreTableFromBackup(input), PATIENCE_NS).await;
            let begun = match &answer {
                Ok(Ok(_)) => true,
                // An earlier try whose answer was lost has begun it.
                Ok(Err(error)) => matches!(
                    error.exception,
                    ExceptionName::TableInUse | ExceptionName::TableAlreadyExists
                ),
                Err(Unanswered) => false,
            };
            if begun {
                self.note(&format!("RestoreTableFromBackup {target} -> CREATING"));
                let table = self.await_active(target, patience_ns).await?;
                self.note(&format!("DescribeTable {target} -> ACTIVE"));
                return Some(table);
            }
            self.host().sleep(20 * POLL_NS).await;
        }
        None
    }

    /// Waits until this time of the session.
    pub async fn wait_until(&self, at_ns: u64) {
        self.host().sleep_until(self.began_ns + at_ns).await;
    }
}

/// What an answer shows of a key; nothing if the item carries no write's identity.
pub(super) fn seen(item: Option<&Item>) -> Option<Seen> {
    item.map_or(Some(Seen::Absent), |it| identity_of(it).map(Seen::Version))
}

type Condition = (Option<String>, BTreeMap<String, AttributeValue>);

fn condition(demanded: Option<Seen>) -> Condition {
    match demanded {
        None => (None, BTreeMap::new()),
        Some(Seen::Absent) => (Some("attribute_not_exists(pk)".to_owned()), BTreeMap::new()),
        Some(Seen::Version(write)) => {
            let values = [(":seen".to_owned(), AttributeValue::S(write.to_string()))];
            (Some("w = :seen".to_owned()), values.into())
        }
    }
}
