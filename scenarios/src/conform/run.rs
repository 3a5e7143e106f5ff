//! One run: a table is filled and written to, backups of it are made and restored one after
//! the other until there is evidence enough, and everything is taken away again.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::conform::evidence::Evidence;
use crate::conform::ledger::{Book, Ledger};
use crate::conform::operator::{Failure, Made, Operator};
use crate::conform::world::World;
use crate::history::Observed;
use crate::recording::{Recording, Taken};

/// How long the writers may take to fill the table while nothing is acknowledged.
const FILLING_NS_MAX: u64 = 30_000_000_000;
/// How often it is looked whether the table is filled.
const LOOK_NS: u64 = 5_000_000;
/// Writes that are acknowledged between one backup and the next, so that they differ.
const BETWEEN: u64 = 32;
/// How long to wait for those.
const BETWEEN_NS_MAX: u64 = 1_000_000_000;
/// One backup in so many is restored twice.
const TWICE_EVERY: u32 = 8;
/// Answers to CreateBackup that may be lost, one after the other.
const LOST_MAX: u32 = 3;

/// What a run is asked for.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What is driven, for a person.
    pub endpoint: String,
    /// How the names of all tables and backups begin.
    pub prefix: String,
    /// The fewest backups.
    pub backups_min: u32,
    /// The most backups.
    pub backups_max: u32,
    /// How long to go on making backups, in nanoseconds from the first.
    pub budget_ns: u64,
}

impl Settings {
    /// The table that is written to.
    #[must_use]
    pub fn table(&self) -> String {
        format!("{}-source", self.prefix)
    }
}

/// Why a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// There is evidence enough.
    Enough,
    /// The last backup was one that the caller looked for.
    Found,
    /// As many backups were made as were allowed.
    Backups,
    /// The time was up.
    Budget,
    /// It could not go on, and why.
    Failed(String),
}

/// What a run left.
#[derive(Clone, Debug)]
pub struct Run {
    /// What is to be judged.
    pub recording: Recording,
    /// Why there is no more of it.
    pub ended: Ended,
    /// What could not be taken away again.
    pub left_behind: Vec<String>,
}

/// Drives an endpoint. `found`, if given, looks at what there is after each backup, and ends the
/// run if it says so.
pub fn run(
    world: &dyn World,
    ledger: &Ledger,
    settings: &Settings,
    found: Option<&dyn Fn(&Recording) -> bool>,
) -> Run {
    let table = settings.table();
    let mut operator = Operator::new(world);
    let mut drive = Drive { world, ledger, settings, operator: &mut operator, table: &table };
    let ended = drive.all(found).unwrap_or_else(|why| Ended::Failed(why.to_string()));
    world.stop_writers();
    world.tell("cleaning up");
    let left_behind = operator.clean_up(&table);
    Run { recording: recording(settings, &ledger.open()), ended, left_behind }
}

fn recording(settings: &Settings, book: &Book) -> Recording {
    Recording {
        endpoint: settings.endpoint.clone(),
        transactions_offered: book.transactions_offered,
        history: book.history.clone(),
        transactions: book.transactions.clone(),
        backups: book.backups.clone(),
    }
}

struct Drive<'a, 'w> {
    world: &'w dyn World,
    ledger: &'a Ledger,
    settings: &'a Settings,
    operator: &'a mut Operator<'w>,
    table: &'a str,
}

impl Drive<'_, '_> {
    fn all(&mut self, found: Option<&dyn Fn(&Recording) -> bool>) -> Result<Ended, Failure> {
        let source = self.operator.create_table(self.table)?;
        let offered = self.operator.offers_transactions(self.table);
        self.ledger.open().transactions_offered = offered;
        self.world.tell("filling the table");
        self.world.start_writers();
        self.await_filled()?;
        let begun_ns = self.world.now_ns();
        let (mut evidence, mut lost) = (Evidence::default(), 0);
        let mut last: Option<Made> = None;
        for number in 0..self.settings.backups_max {
            self.await_writes(BETWEEN);
            let made = match self.operator.back_up(self.table, &self.backup_name(number)) {
                Err(Failure::Lost(..)) if lost < LOST_MAX => {
                    lost += 1;
                    continue;
                }
                other => other?,
            };
            lost = 0;
            if let Some(before) = last.replace(made.clone()) {
                self.operator.drop_backup(&before.arn)?;
            }
            self.restore(number, &made, &source)?;
            evidence.add_last(&self.ledger.open());
            self.world.tell(&format!("{} backups restored; {evidence}", number + 1));
            if found.is_some_and(|it| it(&recording(self.settings, &self.ledger.open()))) {
                return Ok(Ended::Found);
            }
            if number + 1 >= self.settings.backups_min && evidence.suffices() {
                return self.after_the_table(&made).map(|()| Ended::Enough);
            }
            if self.world.interrupted() {
                return Err(Failure::Interrupted);
            }
            if self.world.now_ns() - begun_ns > self.settings.budget_ns {
                return self.after_the_table(&made).map(|()| Ended::Budget);
            }
        }
        Ok(Ended::Backups)
    }

    fn backup_name(&self, number: u32) -> String {
        format!("{}-{number}", self.settings.prefix)
    }

    fn await_filled(&self) -> Result<(), Failure> {
        let (mut acknowledged, mut since_ns) = (0, self.world.now_ns());
        loop {
            let (filled, now, refusal) = {
                let book = self.ledger.open();
                (book.filled, book.acknowledged, book.refusal.clone())
            };
            if filled == self.clients() {
                // Where every write is refused, filling is over at once.
                return if now > 0 { Ok(()) } else { Err(no_write(refusal)) };
            }
            if now > acknowledged {
                (acknowledged, since_ns) = (now, self.world.now_ns());
            }
            if self.world.now_ns() - since_ns > FILLING_NS_MAX {
                return Err(no_write(refusal));
            }
            if self.world.interrupted() {
                return Err(Failure::Interrupted);
            }
            self.world.sleep(LOOK_NS);
        }
    }

    fn clients(&self) -> u32 {
        self.ledger.open().clients
    }

    fn await_writes(&self, count: u64) {
        let acknowledged = || self.ledger.open().acknowledged;
        let (until, since_ns) = (acknowledged() + count, self.world.now_ns());
        while acknowledged() < until && self.world.now_ns() - since_ns < BETWEEN_NS_MAX {
            self.world.sleep(LOOK_NS);
        }
    }

    /// Restores a backup, now and then twice, and writes down what came of it.
    fn restore(&mut self, number: u32, made: &Made, source: &Value) -> Result<(), Failure> {
        let twice = number.is_multiple_of(TWICE_EVERY);
        // Writers tell nothing of a backup that is made; they only make a slow endpoint slower.
        // Where they go on, a restore that looks at the table itself is found out.
        if !twice {
            self.world.rest_writers();
        }
        let target = format!("{}-restored-{number}", self.settings.prefix);
        let (table, items) = self.operator.restore(&made.arn, &target)?;
        self.operator.drop_table(&target)?;
        let mut taken = self.taken(number, made, &items);
        taken.observed.settings_differ = settings_differ(source, &table);
        if twice {
            let target = format!("{target}-again");
            let (_, items) = self.operator.restore(&made.arn, &target)?;
            self.operator.drop_table(&target)?;
            taken.observed.second = Some(self.taken(number, made, &items).observed.items);
        }
        self.ledger.open().backups.push(taken);
        self.world.start_writers();
        Ok(())
    }

    fn taken(&self, number: u32, made: &Made, items: &[Value]) -> Taken {
        let book = self.ledger.open();
        let mut observed = Observed {
            request_ns: made.request_ns,
            answer_ns: made.answer_ns,
            ..Observed::default()
        };
        for item in items {
            match book.restored(item) {
                Ok(item) => observed.items.push(item),
                Err(unknown) => observed.unknown_items.push(unknown),
            }
        }
        Taken { name: self.backup_name(number), available_ns: made.available_ns, observed }
    }

    /// A backup outlives its table: the last one is restored once more when that is gone.
    fn after_the_table(&mut self, made: &Made) -> Result<(), Failure> {
        self.world.stop_writers();
        self.operator.drop_table(self.table)?;
        self.operator.await_gone(self.table)?;
        let target = format!("{}-after", self.settings.prefix);
        let (_, items) = self.operator.restore(&made.arn, &target)?;
        self.operator.drop_table(&target)?;
        let taken = self.taken(0, made, &items);
        if let Some(last) = self.ledger.open().backups.last_mut() {
            last.observed.second = Some(taken.observed.items);
        }
        Ok(())
    }
}

fn no_write(refusal: Option<String>) -> Failure {
    let why = refusal.unwrap_or_else(|| "no answer says why".to_owned());
    Failure::Stuck(format!("no write is acknowledged: {why}"))
}

/// The settings of a restored table that are not those of the table that was backed up.
fn settings_differ(source: &Value, restored: &Value) -> Vec<String> {
    let billing = |table: &Value| table["BillingModeSummary"]["BillingMode"].clone();
    let sorted = |list: &Value| {
        let texts = list.as_array().into_iter().flatten().map(Value::to_string);
        texts.collect::<BTreeSet<String>>()
    };
    let mut differ = Vec::new();
    for name in
        ["KeySchema", "AttributeDefinitions", "GlobalSecondaryIndexes", "LocalSecondaryIndexes"]
    {
        if sorted(&source[name]) != sorted(&restored[name]) {
            differ.push(format!("{name}: {} instead of {}", restored[name], source[name]));
        }
    }
    // Where the endpoint tells of it at all.
    let (was, is) = (billing(source), billing(restored));
    if !was.is_null() && !is.is_null() && was != is {
        differ.push(format!("BillingMode: {is} instead of {was}"));
    }
    differ
}
