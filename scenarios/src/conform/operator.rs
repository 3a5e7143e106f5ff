//! Whoever makes tables, backups and restores during a run, through the public API, and takes
//! away again what it made. Nothing but what it made itself is ever deleted.

use serde_json::{Value, json};

use crate::conform::world::{Answer, Refusal, Request, World};

/// How often a state is asked for while waiting for it, at first.
const POLL_NS: u64 = 2_000_000;
/// How long to wait before a request is tried again that was refused for the moment.
const AGAIN_NS: u64 = 250_000_000;
/// How long to go on trying; a new table's backups take some seconds to be enabled on the real
/// service.
const TRYING_NS_MAX: u64 = 60_000_000_000;
/// How long a table or a backup may take to become usable.
const WAITING_NS_MAX: u64 = 1_800_000_000_000;
/// How long a table may take to go.
const GOING_NS_MAX: u64 = 60_000_000_000;
/// Items asked for at once, so that a scan has several pages.
const PAGE_ITEMS: u32 = 500;

/// Errors that say "not now": the request is tried again.
const NOT_NOW: [&str; 9] = [
    "BackupInUseException",
    "ContinuousBackupsUnavailableException",
    "InternalServerError",
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ResourceInUseException",
    "TableInUseException",
    "ThrottlingException",
];

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The endpoint refused it.
    Refused(&'static str, Refusal),
    /// Nothing tells whether it was done.
    Lost(&'static str, String),
    /// It took too long, or what came is no answer of the API.
    Stuck(String),
    /// Somebody asked to stop.
    Interrupted,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(operation, refusal) => write!(f, "{operation} was refused: {refusal}"),
            Self::Lost(operation, why) => write!(f, "{operation} was not answered: {why}"),
            Self::Stuck(what) => write!(f, "{what}"),
            Self::Interrupted => write!(f, "interrupted"),
        }
    }
}

/// A backup as its request and its status tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// Its ARN.
    pub arn: String,
    /// When it was asked for.
    pub request_ns: u64,
    /// When that was answered.
    pub answer_ns: u64,
    /// When it was seen to be AVAILABLE.
    pub available_ns: u64,
}

/// Makes things and remembers them until they are gone.
pub struct Operator<'a> {
    world: &'a dyn World,
    tables: Vec<String>,
    backups: Vec<String>,
    /// What may be there, though no answer said so.
    doubtful: Option<String>,
    /// Whether the interrupt is heeded: not while cleaning up.
    heeding: bool,
}

impl<'a> Operator<'a> {
    /// An operator who has made nothing yet.
    #[must_use]
    pub fn new(world: &'a dyn World) -> Self {
        Self { world, tables: Vec::new(), backups: Vec::new(), doubtful: None, heeding: true }
    }

    /// Asks once.
    fn ask(&self, operation: &'static str, input: Value) -> Result<Value, Failure> {
        match self.world.call(&Request::new(operation, input)) {
            Answer::Done(output) => Ok(output),
            Answer::Refused(refusal) => Err(Failure::Refused(operation, refusal)),
            Answer::Lost(why) => Err(Failure::Lost(operation, why)),
        }
    }

    /// Waits a little before the next try; longer, the longer it has waited.
    fn pause(
        &self,
        since_ns: u64,
        at_least_ns: u64,
        limit_ns: u64,
        what: &str,
    ) -> Result<(), Failure> {
        if self.heeding && self.world.interrupted() {
            return Err(Failure::Interrupted);
        }
        let waited_ns = self.world.now_ns() - since_ns;
        if waited_ns > limit_ns {
            return Err(Failure::Stuck(format!("{what} within {} s", limit_ns / 1_000_000_000)));
        }
        self.world.sleep(at_least_ns.max(waited_ns / 32));
        Ok(())
    }

    /// Asks until it is done or refused for good.
    fn insist(&self, operation: &'static str, input: &Value) -> Result<Value, Failure> {
        let since_ns = self.world.now_ns();
        loop {
            match self.ask(operation, input.clone()) {
                Err(Failure::Refused(_, refusal))
                    if NOT_NOW.contains(&refusal.exception.as_str()) =>
                {
                    let what = format!("{operation} is refused ({refusal}) and was not taken");
                    self.pause(since_ns, AGAIN_NS, TRYING_NS_MAX, &what)?;
                }
                Err(Failure::Lost(_, why)) => {
                    let what = format!("{operation} is not answered ({why})");
                    self.pause(since_ns, AGAIN_NS, TRYING_NS_MAX, &what)?;
                }
                other => return other,
            }
        }
    }

    // Tables.

    /// Creates a table with a partition key and a sort key, waits until it is open, and returns
    /// its description.
    ///
    /// # Errors
    /// It was refused, or does not open.
    pub fn create_table(&mut self, name: &str) -> Result<Value, Failure> {
        let input = json!({
            "TableName": name,
            "AttributeDefinitions": [
                { "AttributeName": "pk", "AttributeType": "S" },
                { "AttributeName": "sk", "AttributeType": "N" },
            ],
            "KeySchema": [
                { "AttributeName": "pk", "KeyType": "HASH" },
                { "AttributeName": "sk", "KeyType": "RANGE" },
            ],
            "BillingMode": "PAY_PER_REQUEST",
        });
        // Asked once: only the answer tells whose table it is if there is one of this name.
        if let Err(failure) = self.ask("CreateTable", input) {
            if matches!(failure, Failure::Lost(..)) {
                self.doubtful = Some(format!("table {name}, if it was created after all"));
            }
            return Err(failure);
        }
        self.tables.push(name.to_owned());
        self.await_active(name)
    }

    fn await_active(&self, name: &str) -> Result<Value, Failure> {
        let since_ns = self.world.now_ns();
        loop {
            match self.ask("DescribeTable", json!({ "TableName": name })) {
                Ok(output) if output["Table"]["TableStatus"] == "ACTIVE" => {
                    return Ok(output["Table"].clone());
                }
                Err(refused @ Failure::Refused(..)) if !is_not_found(&refused) => {
                    return Err(refused);
                }
                _ => {
                    self.pause(since_ns, POLL_NS, WAITING_NS_MAX, &format!("{name} does not open"))?
                }
            }
        }
    }

    /// Whether the endpoint takes transactions, found out by one that changes nothing: it
    /// deletes what is not there.
    pub fn offers_transactions(&self, table: &str) -> bool {
        let delete = |name: &str| {
            let key = json!({ "pk": { "S": name }, "sk": { "N": "0" } });
            json!({ "Delete": { "TableName": table, "Key": key } })
        };
        let parts = [delete("nobody-1"), delete("nobody-2")];
        self.ask("TransactWriteItems", json!({ "TransactItems": parts })).is_ok()
    }

    /// All items of a table, page by page, read strongly.
    ///
    /// # Errors
    /// A page was refused, or does not come.
    pub fn scan(&self, table: &str) -> Result<Vec<Value>, Failure> {
        let (mut items, mut start) = (Vec::new(), Value::Null);
        loop {
            let mut input =
                json!({ "TableName": table, "ConsistentRead": true, "Limit": PAGE_ITEMS });
            if !start.is_null() {
                input["ExclusiveStartKey"] = start.clone();
            }
            let mut page = self.insist("Scan", &input)?;
            let Value::Array(found) = page["Items"].take() else {
                return Err(Failure::Stuck("Scan answers without Items".to_owned()));
            };
            items.extend(found);
            let next = page["LastEvaluatedKey"].take();
            if next.as_object().is_none_or(serde_json::Map::is_empty) {
                return Ok(items);
            }
            if next == start {
                return Err(Failure::Stuck(format!("Scan of {table} does not get on")));
            }
            start = next;
        }
    }

    /// Deletes a table that this operator made; it may take a while to be gone.
    ///
    /// # Errors
    /// It was refused.
    pub fn drop_table(&mut self, name: &str) -> Result<(), Failure> {
        match self.insist("DeleteTable", &json!({ "TableName": name })) {
            Err(refused) if !is_not_found(&refused) => Err(refused),
            _ => {
                self.tables.retain(|it| it != name);
                Ok(())
            }
        }
    }

    /// Waits until a table is gone.
    ///
    /// # Errors
    /// It does not go.
    pub fn await_gone(&self, name: &str) -> Result<(), Failure> {
        let since_ns = self.world.now_ns();
        loop {
            match self.ask("DescribeTable", json!({ "TableName": name })) {
                Err(refused) if is_not_found(&refused) => return Ok(()),
                _ => self.pause(since_ns, POLL_NS, GOING_NS_MAX, &format!("{name} does not go"))?,
            }
        }
    }

    // Backups.

    /// Asks for a backup and waits until it is AVAILABLE.
    ///
    /// # Errors
    /// It was refused, or its answer was lost, or it does not become AVAILABLE.
    pub fn back_up(&mut self, table: &str, name: &str) -> Result<Made, Failure> {
        let input = json!({ "TableName": table, "BackupName": name });
        let since_ns = self.world.now_ns();
        let (request_ns, answer_ns, output) = loop {
            let request_ns = self.world.now_ns();
            let answer = self.ask("CreateBackup", input.clone());
            let answer_ns = self.world.now_ns();
            match answer {
                Ok(output) => break (request_ns, answer_ns, output),
                Err(Failure::Refused(_, refusal))
                    if NOT_NOW.contains(&refusal.exception.as_str()) =>
                {
                    let what = format!("CreateBackup is refused ({refusal}) and was not taken");
                    self.pause(since_ns, AGAIN_NS, TRYING_NS_MAX, &what)?;
                }
                Err(other) => return Err(other),
            }
        };
        let arn = output["BackupDetails"]["BackupArn"].as_str();
        let arn = arn.ok_or_else(|| Failure::Stuck("CreateBackup names no ARN".to_owned()))?;
        self.backups.push(arn.to_owned());
        let available_ns = self.await_available(arn)?;
        Ok(Made { arn: arn.to_owned(), request_ns, answer_ns, available_ns })
    }

    fn await_available(&self, arn: &str) -> Result<u64, Failure> {
        let since_ns = self.world.now_ns();
        loop {
            match self.ask("DescribeBackup", json!({ "BackupArn": arn })) {
                Ok(output)
                    if output["BackupDescription"]["BackupDetails"]["BackupStatus"]
                        == "AVAILABLE" =>
                {
                    return Ok(self.world.now_ns());
                }
                Err(refused @ Failure::Refused(..)) => return Err(refused),
                _ => {
                    let what = format!("{arn} does not become AVAILABLE");
                    self.pause(since_ns, POLL_NS, WAITING_NS_MAX, &what)?;
                }
            }
        }
    }

    /// Restores a backup into a new table, waits until it is open, and returns its description
    /// and its items.
    ///
    /// # Errors
    /// It was refused, or the table does not open or cannot be read.
    pub fn restore(&mut self, arn: &str, target: &str) -> Result<(Value, Vec<Value>), Failure> {
        let input = json!({ "BackupArn": arn, "TargetTableName": target });
        match self.insist("RestoreTableFromBackup", &input) {
            // An earlier try whose answer was lost may have begun it; the name is ours alone.
            Err(Failure::Refused(_, refusal))
                if refusal.exception == "TableAlreadyExistsException" => {}
            other => drop(other?),
        }
        self.tables.push(target.to_owned());
        let table = self.await_active(target)?;
        Ok((table, self.scan(target)?))
    }

    /// Deletes a backup that this operator made.
    ///
    /// # Errors
    /// It was refused.
    pub fn drop_backup(&mut self, arn: &str) -> Result<(), Failure> {
        match self.insist("DeleteBackup", &json!({ "BackupArn": arn })) {
            Err(refused) if !is_not_found(&refused) => Err(refused),
            _ => {
                self.backups.retain(|it| it != arn);
                Ok(())
            }
        }
    }

    // The end.

    /// Deletes everything that this operator made, heeding no interrupt. `table` may also have
    /// backups that it does not know of, where an answer was lost. Returns what is left behind.
    pub fn clean_up(&mut self, table: &str) -> Vec<String> {
        self.heeding = false;
        let mut left = Vec::from_iter(self.doubtful.take());
        self.find_backups(table);
        for arn in self.backups.clone() {
            if let Err(why) = self.drop_backup(&arn) {
                left.push(format!("backup {arn} ({why})"));
            }
        }
        for name in self.tables.clone() {
            if let Err(why) = self.drop_table(&name) {
                left.push(format!("table {name} ({why})"));
            }
        }
        left
    }

    /// Adds the backups that the endpoint lists for a table that this operator made.
    fn find_backups(&mut self, table: &str) {
        if self.backups.is_empty() && !self.tables.iter().any(|it| it == table) {
            return;
        }
        let listed = self.ask("ListBackups", json!({ "TableName": table }));
        let Ok(Value::Array(summaries)) = listed.map(|mut it| it["BackupSummaries"].take()) else {
            return;
        };
        for summary in summaries.iter().filter(|it| it["TableName"] == table) {
            if let Some(arn) = summary["BackupArn"].as_str()
                && !self.backups.iter().any(|it| it == arn)
            {
                self.backups.push(arn.to_owned());
            }
        }
    }
}

fn is_not_found(failure: &Failure) -> bool {
    const NAMES: [&str; 3] =
        ["ResourceNotFoundException", "BackupNotFoundException", "TableNotFoundException"];
    matches!(failure, Failure::Refused(_, it) if NAMES.contains(&it.exception.as_str()))
}
