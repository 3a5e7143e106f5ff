//! The endpoint's side of a made-up world: tables, backups and restores in memory, exact and at
//! once, and the bugs that can be planted in them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::conform::items::key_of;
use crate::conform::world::{Answer, Refusal, Request};

/// A bug, or something that only looks like one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bug {
    /// The upper half of the keys is copied later than the lower.
    Torn,
    /// A transaction writes its second item later than its first.
    TornTransaction,
    /// The copy is made when a restore asks for it.
    Late,
    /// The backup is the state of some time ago.
    Stale,
    /// One item of the backup is an older version.
    LosesAWrite,
    /// The backup holds an item that was deleted.
    BringsBackADelete,
    /// An item of the backup has attributes of two versions.
    MixesVersions,
    /// The backup holds what a refused write would have written.
    KeepsTheRefused,
    /// The second restore of a backup lacks an item.
    SecondDiffers,
    /// A restored table is billed otherwise.
    ForgetsBilling,
    /// One answer in a hundred is lost; what was asked is done or not. No bug.
    LosesAnswers,
    /// Everything is refused.
    RefusesEverything,
    /// Tables can be made and nothing can be written.
    RefusesWrites,
    /// There are no backups.
    OffersNoBackups,
}

/// The items of a table.
pub(super) type Items = BTreeMap<u32, Value>;

/// Everything that the endpoint keeps.
#[derive(Default)]
pub(super) struct Service {
    pub(super) bug: Option<Bug>,
    tables: BTreeMap<String, Table>,
    backups: BTreeMap<String, Backup>,
    made: u32,
    /// What was at each key before, and what was refused, for the bugs.
    older: Items,
    refused: Items,
    deleted: Items,
}

struct Table {
    items: Items,
    billing: &'static str,
}

struct Backup {
    items: Items,
    restores: u32,
}

impl Service {
    /// An endpoint that keeps nothing yet.
    pub(super) fn new(bug: Option<Bug>) -> Self {
        Self { bug, ..Self::default() }
    }

    /// Whether nothing is kept.
    pub(super) fn is_empty(&self) -> bool {
        self.tables.is_empty() && self.backups.is_empty()
    }

    /// The items of a table as they are now.
    pub(super) fn items(&self, table: &str) -> Items {
        self.tables.get(table).map(|it| it.items.clone()).unwrap_or_default()
    }

    /// Keeps a backup with these items, spoilt as the bug wants it. Returns its ARN.
    pub(super) fn keep_backup(&mut self, mut items: Items) -> String {
        self.spoil(&mut items);
        self.made += 1;
        let arn = format!("arn:made-up:backup/{}", self.made);
        self.backups.insert(arn.clone(), Backup { items, restores: 0 });
        arn
    }

    /// Makes a backup that was not yet restored anew, with these items.
    pub(super) fn remake_backup(&mut self, input: &Value, items: Items) {
        let arn = input["BackupArn"].as_str().unwrap_or_default();
        if let Some(backup) = self.backups.get_mut(arn).filter(|it| it.restores == 0) {
            backup.items = items;
        }
    }

    fn spoil(&mut self, items: &mut Items) {
        let other = |from: &Items| {
            let mut other = from.iter().filter(|(key, it)| items.get(key) != Some(it));
            other.next().map(|(key, item)| (*key, item.clone()))
        };
        match self.bug {
            Some(Bug::LosesAWrite) => {
                let here = |(key, _): &(&u32, &Value)| items.contains_key(key);
                let older = self.older.iter().find(here).map(|(key, it)| (*key, it.clone()));
                items.extend(older);
            }
            Some(Bug::BringsBackADelete) => {
                let gone = |(key, _): &(&u32, &Value)| !items.contains_key(key);
                let deleted = self.deleted.iter().find(gone).map(|(key, it)| (*key, it.clone()));
                items.extend(deleted);
            }
            Some(Bug::KeepsTheRefused) => items.extend(other(&self.refused)),
            Some(Bug::MixesVersions) => {
                let pair = self.older.iter().find(|(key, old)| {
                    items.get(key).is_some_and(|item| item["body"] != old["body"])
                });
                if let Some((key, old)) = pair.map(|(key, old)| (*key, old["body"].clone()))
                    && let Some(item) = items.get_mut(&key)
                {
                    item["body"] = old;
                }
            }
            _ => {}
        }
    }

    /// Does what a request asks, at this instant. Backups are made elsewhere, for they take
    /// time.
    pub(super) fn answer(&mut self, request: &Request) -> Answer {
        let input = &request.input;
        let table = input["TableName"].as_str().unwrap_or_default();
        match (request.operation, self.bug) {
            (_, Some(Bug::RefusesEverything)) => refused("UnknownOperationException"),
            (
                "PutItem" | "UpdateItem" | "DeleteItem" | "TransactWriteItems",
                Some(Bug::RefusesWrites),
            ) => refused("AccessDeniedException"),
            ("CreateTable", _) => {
                let empty = Table { items: Items::new(), billing: "PAY_PER_REQUEST" };
                self.tables.insert(table.to_owned(), empty);
                Answer::Done(json!({}))
            }
            ("DescribeTable", _) => match self.tables.get(table) {
                Some(it) => Answer::Done(json!({ "Table": {
                    "TableStatus": "ACTIVE",
                    "KeySchema": [{ "AttributeName": "pk" }],
                    "BillingModeSummary": { "BillingMode": it.billing },
                }})),
                None => refused("ResourceNotFoundException"),
            },
            ("DeleteTable", _) => match self.tables.remove(table) {
                Some(_) => Answer::Done(json!({})),
                None => refused("ResourceNotFoundException"),
            },
            ("Scan", _) => self.scan(table, input),
            ("PutItem", _) => self.put(table, input),
            ("UpdateItem", _) => self.update(table, input),
            ("DeleteItem", _) => self.delete(table, input),
            ("GetItem", _) => {
                let item = key_of(&input["Key"]).and_then(|key| self.items_of(table).get(&key));
                Answer::Done(item.map_or(json!({}), |item| json!({ "Item": item })))
            }
            ("TransactWriteItems", _) => {
                for part in input["TransactItems"].as_array().into_iter().flatten() {
                    self.part(part);
                }
                Answer::Done(json!({}))
            }
            ("RestoreTableFromBackup", _) => self.restore(input),
            ("DescribeBackup", _) => {
                let details = json!({ "BackupStatus": "AVAILABLE" });
                Answer::Done(json!({ "BackupDescription": { "BackupDetails": details } }))
            }
            ("DeleteBackup", _) => {
                match self.backups.remove(input["BackupArn"].as_str().unwrap_or_default()) {
                    Some(_) => Answer::Done(json!({})),
                    None => refused("BackupNotFoundException"),
                }
            }
            ("ListBackups", _) => Answer::Done(json!({ "BackupSummaries": [] })),
            _ => refused("UnknownOperationException"),
        }
    }

    /// One item of a transaction; a delete of what is not there changes nothing.
    pub(super) fn part(&mut self, part: &Value) {
        let put = &part["Put"];
        if put.is_object() {
            self.put(put["TableName"].as_str().unwrap_or_default(), put);
        }
    }

    fn items_of(&mut self, table: &str) -> &mut Items {
        &mut self.tables.get_mut(table).expect("the kit made this table").items
    }

    /// Whether the condition of a write is met.
    fn allows(&mut self, table: &str, key: u32, input: &Value) -> bool {
        let seen = input["ExpressionAttributeValues"][":seen"].clone();
        let item = self.items_of(table).get(&key);
        match input["ConditionExpression"].as_str() {
            None => true,
            Some("attribute_not_exists(pk)") => item.is_none(),
            Some("w = :seen") => item.is_some_and(|it| it["w"] == seen),
            Some(other) => panic!("a condition that the kit does not use: {other}"),
        }
    }

    fn put(&mut self, table: &str, input: &Value) -> Answer {
        let item = input["Item"].clone();
        let key = key_of(&item).expect("the kit writes keys of its own");
        if !self.allows(table, key, input) {
            self.refused.insert(key, item);
            return refused("ConditionalCheckFailedException");
        }
        self.replace(table, key, Some(item));
        Answer::Done(json!({}))
    }

    fn delete(&mut self, table: &str, input: &Value) -> Answer {
        let key = key_of(&input["Key"]).expect("the kit deletes keys of its own");
        if !self.allows(table, key, input) {
            return refused("ConditionalCheckFailedException");
        }
        self.replace(table, key, None);
        Answer::Done(json!({}))
    }

    fn update(&mut self, table: &str, input: &Value) -> Answer {
        let key = key_of(&input["Key"]).expect("the kit updates keys of its own");
        let old = self.items_of(table).get(&key).cloned();
        let mut item = old.clone().unwrap_or_else(|| input["Key"].clone());
        item["w"] = input["ExpressionAttributeValues"][":write"].clone();
        let count: u32 = item["n"]["N"].as_str().and_then(|it| it.parse().ok()).unwrap_or(0);
        item["n"] = json!({ "N": (count + 1).to_string() });
        self.replace(table, key, Some(item));
        Answer::Done(old.map_or(json!({}), |old| json!({ "Attributes": old })))
    }

    fn replace(&mut self, table: &str, key: u32, item: Option<Value>) {
        let gone = item.is_none();
        let items = self.items_of(table);
        let old = match item {
            Some(item) => items.insert(key, item),
            None => items.remove(&key),
        };
        if let Some(old) = old {
            let kept = if gone { &mut self.deleted } else { &mut self.older };
            kept.insert(key, old);
        }
    }

    fn scan(&mut self, table: &str, input: &Value) -> Answer {
        // Small pages, whatever is asked for.
        const PAGE: usize = 100;
        let start = key_of(&input["ExclusiveStartKey"]).map_or(0, |key| key + 1);
        let items = self.items_of(table);
        let page: Vec<Value> = items.range(start..).take(PAGE).map(|(_, it)| it.clone()).collect();
        let more = items.range(start..).nth(PAGE).is_some();
        let mut output = json!({ "Items": page });
        if let (true, Some(last)) = (more, page.last()) {
            output["LastEvaluatedKey"] = json!({ "pk": last["pk"], "sk": last["sk"] });
        }
        Answer::Done(output)
    }

    fn restore(&mut self, input: &Value) -> Answer {
        let name = |member: &str| input[member].as_str().unwrap_or_default().to_owned();
        let Some(backup) = self.backups.get_mut(&name("BackupArn")) else {
            return refused("BackupNotFoundException");
        };
        backup.restores += 1;
        let mut items = backup.items.clone();
        if self.bug == Some(Bug::SecondDiffers) && backup.restores > 1 {
            items.pop_first();
        }
        let forgets = self.bug == Some(Bug::ForgetsBilling);
        let billing = if forgets { "PROVISIONED" } else { "PAY_PER_REQUEST" };
        self.tables.insert(name("TargetTableName"), Table { items, billing });
        Answer::Done(json!({}))
    }
}

/// An error of the client's own making.
pub(super) fn refused(exception: &str) -> Answer {
    let (exception, message) = (exception.to_owned(), String::new());
    Answer::Refused(Refusal { http_status: 400, exception, message })
}
