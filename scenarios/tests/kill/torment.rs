//! Load, backups and kills, and the judgement afterwards.

use crate::server::{Connection, Server, pause};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, RwLock};
use std::thread;
use std::time::{Duration, Instant};
use stillpoint_scenarios::history::{History, Observed, OpId, RestoredItem, Seen, WriteId};
use stillpoint_scenarios::oracle::judge;

pub(crate) const TABLE: &str = "torment";
const WRITERS: u32 = 6;
const KEYS: u64 = 40;
/// Longer than the server's own patience.
const PATIENCE: Duration = Duration::from_secs(30);

/// What came of a torment.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Writes that were acknowledged.
    pub(crate) acknowledged: u64,
    /// Backups that became AVAILABLE.
    pub(crate) backups: usize,
    /// Promises that were broken, each with its witness.
    pub(crate) broken: Vec<String>,
}

struct Backup {
    arn: String,
    request_ns: u64,
    answer_ns: u64,
}

struct Field {
    begun: Instant,
    address: RwLock<Option<SocketAddr>>,
    over: AtomicBool,
    history: Mutex<History>,
    acknowledged: AtomicU64,
    backups: Mutex<Vec<Backup>>,
    broken: Mutex<Vec<String>>,
}

/// A small generator of its own for each thread, so that a seed gives the same choices.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Kills the server `kills` times under load, and judges what is left.
pub(crate) fn torment(
    start: &dyn Fn() -> Result<Server, String>,
    seed: u64,
    kills: u32,
) -> Outcome {
    let mut server = start().expect("the first start");
    create_table(&mut Connection::open(server.address, PATIENCE).expect("it listens"));
    let field = Field::new(server.address);
    thread::scope(|scope| {
        let field = &field;
        for client in 0..WRITERS {
            scope.spawn(move || write(field, client, Dice(seed * 100 + u64::from(client))));
        }
        scope.spawn(move || back_up(field));
        let mut dice = Dice(seed);
        for _ in 0..kills {
            pause(200 + dice.below(600));
            server.kill();
            *field.address.write().expect("sound") = None;
            match start() {
                Ok(started) => server = started,
                Err(said) => {
                    field.broken.lock().expect("sound").push(format!("it does not start: {said}"));
                    break;
                }
            }
            *field.address.write().expect("sound") = Some(server.address);
        }
        pause(300);
        field.over.store(true, Ordering::Relaxed);
    });
    let running = field.address.read().expect("sound").is_some();
    if running { field.judge(server.address) } else { field.outcome(Vec::new(), 0) }
}

pub(crate) fn create_table(client: &mut Connection) {
    let body = json!({
        "TableName": TABLE,
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
    });
    let (status, body) = client.call("CreateTable", &body).expect("an answer");
    assert_eq!(status, 200, "{body}");
    await_active(client, TABLE);
}

fn await_active(client: &mut Connection, table: &str) {
    loop {
        let description = json!({"TableName": table});
        let (_, body) = client.call("DescribeTable", &description).expect("an answer");
        if body["Table"]["TableStatus"] == "ACTIVE" {
            return;
        }
        pause(10);
    }
}

impl Field {
    #[expect(clippy::disallowed_methods, reason = "the clients' clock, on a real machine")]
    fn new(address: SocketAddr) -> Self {
        Self {
            begun: Instant::now(),
            address: RwLock::new(Some(address)),
            over: AtomicBool::new(false),
            history: Mutex::default(),
            acknowledged: AtomicU64::new(0),
            backups: Mutex::default(),
            broken: Mutex::default(),
        }
    }

    fn now_ns(&self) -> u64 {
        self.begun.elapsed().as_nanos() as u64
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// A connection to the server as it runs now; none once all is over.
    fn connect(&self) -> Option<Connection> {
        while !self.is_over() {
            let address = *self.address.read().expect("sound");
            if let Some(Ok(connection)) = address.map(|it| Connection::open(it, PATIENCE)) {
                return Some(connection);
            }
            pause(2);
        }
        None
    }

    fn judge(&self, address: SocketAddr) -> Outcome {
        let mut client = Connection::open(address, PATIENCE).expect("it listens");
        let mut broken = Vec::new();
        let backups = std::mem::take(&mut *self.backups.lock().expect("sound"));
        // The table itself is a backup that was made at the end: nothing acknowledged is missing.
        let request_ns = self.now_ns();
        let items = scan(&mut client, TABLE);
        broken.extend(self.verdict("the table", request_ns, self.now_ns(), &items));
        for (number, backup) in backups.iter().enumerate() {
            let table = format!("restored-{number}");
            let restore = json!({"TargetTableName": table, "BackupArn": backup.arn});
            let answer = client.call("RestoreTableFromBackup", &restore).expect("an answer");
            if answer.0 != 200 {
                broken.push(format!("{} cannot be restored: {}", backup.arn, answer.1));
                continue;
            }
            await_active(&mut client, &table);
            let items = scan(&mut client, &table);
            let (request_ns, answer_ns) = (backup.request_ns, backup.answer_ns);
            broken.extend(self.verdict(&backup.arn, request_ns, answer_ns, &items));
        }
        self.outcome(broken, backups.len())
    }

    fn outcome(&self, mut broken: Vec<String>, backups: usize) -> Outcome {
        broken.append(&mut self.broken.lock().expect("sound"));
        Outcome { acknowledged: self.acknowledged.load(Ordering::Relaxed), backups, broken }
    }

    fn verdict(
        &self,
        what: &str,
        request_ns: u64,
        answer_ns: u64,
        items: &[Value],
    ) -> Option<String> {
        let mut history = self.history.lock().expect("sound");
        let items = items.iter().map(|item| restored(&mut history, item)).collect();
        let observed = Observed { request_ns, answer_ns, items, ..Observed::default() };
        let judgement = judge(&history, None, &observed);
        let violated = judgement.levels().iter().any(|(_, verdict)| verdict.violated());
        violated.then(|| format!("{what}:\n{judgement}"))
    }
}

fn restored(history: &mut History, item: &Value) -> RestoredItem {
    let key = history.keys.intern(item["pk"]["S"].as_str().expect("a key"));
    let write = item["w"]["S"].as_str().expect("an identity");
    let (client, seq) = write.split_once('.').expect("two numbers");
    let write = WriteId { client: number(client), seq: number(seq) };
    RestoredItem { key, write, intact: item["again"]["S"] == item["w"]["S"] }
}

fn number(text: &str) -> u32 {
    text.parse().expect("a number")
}

fn scan(client: &mut Connection, table: &str) -> Vec<Value> {
    let mut items = Vec::new();
    let mut request = json!({"TableName": table, "ConsistentRead": true, "Limit": 7});
    loop {
        let (status, body) = client.call("Scan", &request).expect("an answer");
        assert_eq!(status, 200, "{body}");
        items.extend(body["Items"].as_array().expect("items").iter().cloned());
        match body.get("LastEvaluatedKey") {
            Some(key) => request["ExclusiveStartKey"] = key.clone(),
            None => return items,
        }
    }
}

fn write(field: &Field, client: u32, mut dice: Dice) {
    let mut connection = field.connect();
    for seq in 0.. {
        let Some(connected) = &mut connection else { return };
        let (key, write) = (format!("key-{}", dice.below(KEYS)), WriteId { client, seq });
        let (deletes, conditional) = (dice.below(8) == 0, dice.below(4) == 0);
        let (invoked, operation, body) = request(field, &key, write, deletes, conditional);
        match connected.call(operation, &body) {
            Ok((200, _)) => {
                field.history.lock().expect("sound").acknowledge(invoked, field.now_ns());
                field.acknowledged.fetch_add(1, Ordering::Relaxed);
            }
            Ok((400, _)) => field.history.lock().expect("sound").refuse(invoked, field.now_ns()),
            // Its outcome is unknown, and stays so.
            Ok(_) => {}
            Err(_) => connection = field.connect(),
        }
        if field.is_over() {
            return;
        }
    }
}

fn request(
    field: &Field,
    key: &str,
    write: WriteId,
    deletes: bool,
    conditional: bool,
) -> (OpId, &'static str, Value) {
    let mut history = field.history.lock().expect("sound");
    let id = history.keys.intern(key);
    let now_ns = field.now_ns();
    if deletes {
        let body = json!({"TableName": TABLE, "Key": {"pk": {"S": key}}});
        return (history.invoke_delete(id, write, None, now_ns), "DeleteItem", body);
    }
    let identity = format!("{}.{}", write.client, write.seq);
    let item = json!({"pk": {"S": key}, "w": {"S": identity}, "again": {"S": identity}});
    let mut body = json!({"TableName": TABLE, "Item": item});
    let demanded = conditional.then_some(Seen::Absent);
    if conditional {
        body["ConditionExpression"] = "attribute_not_exists(pk)".into();
    }
    (history.invoke_put(id, write, demanded, now_ns), "PutItem", body)
}

fn back_up(field: &Field) {
    let mut connection = field.connect();
    while let Some(connected) = &mut connection {
        let request_ns = field.now_ns();
        let body = json!({"TableName": TABLE, "BackupName": "torment"});
        match connected.call("CreateBackup", &body) {
            Ok((200, body)) => {
                let arn = body["BackupDetails"]["BackupArn"].as_str().expect("an ARN").to_owned();
                let answer_ns = field.now_ns();
                if await_available(field, &mut connection, &arn) {
                    let backup = Backup { arn, request_ns, answer_ns };
                    field.backups.lock().expect("sound").push(backup);
                }
            }
            Ok(_) => {}
            Err(_) => connection = field.connect(),
        }
        if field.is_over() {
            return;
        }
        // Each is restored in the end.
        pause(150);
    }
}

/// Asks until the backup is AVAILABLE, over as many servers as it takes.
fn await_available(field: &Field, connection: &mut Option<Connection>, arn: &str) -> bool {
    while let Some(connected) = connection {
        match connected.call("DescribeBackup", &json!({"BackupArn": arn})) {
            Ok((200, body)) => {
                let details = &body["BackupDescription"]["BackupDetails"];
                if details["BackupStatus"] == "AVAILABLE" {
                    return true;
                }
                pause(5);
            }
            Ok((400, body)) => {
                let broken = format!("{arn} was acknowledged, and is gone: {body}");
                field.broken.lock().expect("sound").push(broken);
                return false;
            }
            // Nobody knows at the moment.
            Ok(_) => {}
            Err(_) => *connection = field.connect(),
        }
        if field.is_over() {
            return false;
        }
    }
    false
}
