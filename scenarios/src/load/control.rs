//! The calls around the load: tables and backups, made, awaited and taken away, by one client.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::clock;
use super::http::{Client, Endpoint};
use super::request;

/// What an endpoint has no right to exceed: a table or a backup is waited for so long.
const STATUS_WAIT_MAX: Duration = Duration::from_secs(300);

/// Between two questions after a status.
const STATUS_PAUSE: Duration = Duration::from_millis(1);

/// After CreateTable real services refuse backups for some seconds; so long it is tried again.
const BACKUPS_WAIT_MAX: Duration = Duration::from_secs(20);

/// Why a call did not do what it was to do: the error's name on the wire, if it is one, and a line
/// that says it all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    name: String,
    pub(super) what: String,
}

impl Failure {
    pub(super) fn new(what: String) -> Failure {
        Failure { name: String::new(), what }
    }
}

/// Servers close connections that have been idle for some seconds (dynalite: 5).
const IDLE_MAX: Duration = Duration::from_secs(1);

/// A backup that stands, and how long it took.
#[derive(Debug, Clone)]
pub(super) struct Backup {
    pub(super) arn: String,
    /// From the call of CreateBackup to its answer.
    pub(super) answered_ns: u64,
    /// From the call of CreateBackup to the first answer that says AVAILABLE.
    pub(super) available_ns: u64,
}

/// One client for calls that are not the load.
pub(super) struct Control<'a> {
    endpoint: &'a Endpoint,
    client: Client<'a>,
    last_call: Instant,
}

impl<'a> Control<'a> {
    pub(super) fn new(endpoint: &'a Endpoint) -> Control<'a> {
        Control { endpoint, client: Client::new(endpoint), last_call: clock::now() }
    }

    fn call(&mut self, operation: &str, body: &Value) -> Result<Value, Failure> {
        let request = request::http(self.endpoint, operation, &body.to_string());
        if clock::now() - self.last_call > IDLE_MAX {
            self.client = Client::new(self.endpoint);
        }
        self.last_call = clock::now();
        let said = |what: &str| format!("{operation}: {what}");
        let answer =
            self.client.call(&request).map_err(|it| Failure::new(said(&it.to_string())))?;
        let parsed: Option<Value> = serde_json::from_slice(answer.body).ok();
        match (answer.status, parsed) {
            (200, Some(body)) => Ok(body),
            (status, body) => {
                let text = String::from_utf8_lossy(&answer.body[..answer.body.len().min(300)]);
                let kind = body.as_ref().and_then(|it| it["__type"].as_str()).unwrap_or_default();
                let name = kind.rsplit('#').next().unwrap_or_default().to_string();
                Err(Failure { name, what: said(&format!("HTTP {status}: {text}")) })
            }
        }
    }

    /// Makes a table with the partition key `pk`, and waits until it is ACTIVE.
    pub(super) fn create_table(&mut self, table: &str) -> Result<(), Failure> {
        self.call(
            "CreateTable",
            &json!({
                "TableName": table,
                "AttributeDefinitions": [{ "AttributeName": "pk", "AttributeType": "S" }],
                "KeySchema": [{ "AttributeName": "pk", "KeyType": "HASH" }],
                "BillingMode": "PAY_PER_REQUEST",
            }),
        )?;
        self.until_active(table)
    }

    /// Asks for the table until it is ACTIVE.
    pub(super) fn until_active(&mut self, table: &str) -> Result<(), Failure> {
        self.until("ACTIVE", "DescribeTable", &json!({ "TableName": table }), |answer| {
            &answer["Table"]["TableStatus"]
        })
    }

    fn until(
        &mut self,
        wanted: &str,
        operation: &str,
        body: &Value,
        status: fn(&Value) -> &Value,
    ) -> Result<(), Failure> {
        let begun = clock::now();
        loop {
            let answer = self.call(operation, body)?;
            if status(&answer) == wanted {
                return Ok(());
            }
            if clock::now() - begun > STATUS_WAIT_MAX {
                let found = status(&answer);
                return Err(Failure::new(format!("{operation}: not {wanted} in time: {found}")));
            }
            clock::sleep(STATUS_PAUSE);
        }
    }

    /// Deletes a table and waits until it is gone.
    pub(super) fn delete_table(&mut self, table: &str) -> Result<(), Failure> {
        let named = json!({ "TableName": table });
        self.call("DeleteTable", &named)?;
        let begun = clock::now();
        while clock::now() - begun < STATUS_WAIT_MAX {
            match self.call("DescribeTable", &named) {
                Err(failure) if failure.name == "ResourceNotFoundException" => return Ok(()),
                Err(failure) => return Err(failure),
                Ok(_) => clock::sleep(STATUS_PAUSE),
            }
        }
        Err(Failure::new(format!("DeleteTable: {table} does not go away")))
    }

    /// Makes a backup and waits until it is AVAILABLE.
    pub(super) fn back_up(&mut self, table: &str) -> Result<Backup, Failure> {
        let body = json!({ "TableName": table, "BackupName": "load" });
        let first = clock::now();
        let (begun, answer) = loop {
            let begun = clock::now();
            match self.call("CreateBackup", &body) {
                Ok(answer) => break (begun, answer),
                Err(failure) if not_yet(&failure, first) => clock::sleep(STATUS_PAUSE),
                Err(failure) => return Err(failure),
            }
        };
        let answered_ns = clock::ns_since(begun);
        let arn = answer["BackupDetails"]["BackupArn"].as_str();
        let arn = arn.ok_or_else(|| Failure::new(format!("CreateBackup: no ARN: {answer}")))?;
        self.until("AVAILABLE", "DescribeBackup", &json!({ "BackupArn": arn }), |answer| {
            &answer["BackupDescription"]["BackupDetails"]["BackupStatus"]
        })?;
        let available_ns = clock::ns_since(begun);
        Ok(Backup { arn: arn.to_string(), answered_ns, available_ns })
    }

    /// Deletes a backup.
    pub(super) fn delete_backup(&mut self, backup: &Backup) -> Result<(), Failure> {
        self.call("DeleteBackup", &json!({ "BackupArn": backup.arn })).map(|_| ())
    }

    /// Restores a backup to a new table and waits until it is ACTIVE. Returns how long both took,
    /// in nanoseconds.
    pub(super) fn restore(&mut self, backup: &Backup, target: &str) -> Result<u64, Failure> {
        let body = json!({ "TargetTableName": target, "BackupArn": backup.arn });
        let begun = clock::now();
        self.call("RestoreTableFromBackup", &body)?;
        self.until_active(target)?;
        Ok(clock::ns_since(begun))
    }

    /// Reads the whole table, page by page, and counts its items.
    pub(super) fn count_items(&mut self, table: &str) -> Result<u64, Failure> {
        let mut body = json!({ "TableName": table, "ConsistentRead": true });
        let mut items = 0;
        loop {
            let page = self.call("Scan", &body)?;
            items += page["Count"].as_u64().unwrap_or(0);
            match page.get("LastEvaluatedKey").filter(|it| !it.is_null()) {
                Some(key) => body["ExclusiveStartKey"] = key.clone(),
                None => return Ok(items),
            }
        }
    }
}

/// Backups are not enabled yet.
fn not_yet(failure: &Failure, first: Instant) -> bool {
    failure.name == "ContinuousBackupsUnavailableException"
        && clock::now() - first < BACKUPS_WAIT_MAX
}
