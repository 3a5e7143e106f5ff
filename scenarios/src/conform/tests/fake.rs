//! A world made up in memory: a clock that stands still until somebody waits, clients whose
//! requests reach a [`Service`] some time after their calls and are answered some time later,
//! and an operator beside them. The same every time.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::service::{Bug, Items, Service, refused};
use crate::conform::client::{Chance, Client};
use crate::conform::items::Keyspace;
use crate::conform::ledger::Ledger;
use crate::conform::world::{Answer, Request, World};

/// How long the operator's requests take each way.
const WAY_NS: u64 = 100_000;
/// How long a backup's call takes until its instant, and from then on.
const HALF_CALL_NS: u64 = 15_000_000;
/// How often the state is kept for backups that are made of an old one.
const KEPT_EVERY_NS: u64 = 50_000_000;

/// What happens to a client next.
enum Event {
    /// It asks.
    Call,
    /// Its request takes effect.
    Effect(Request),
    /// The second half of its transaction takes effect.
    Rest(Value),
    /// It gets its answer.
    Answer(Answer),
}

/// The world, without the ledger that its clients write to.
pub(super) struct Fake {
    now_ns: Cell<u64>,
    write_ns: u64,
    table: String,
    service: RefCell<Service>,
    clients: RefCell<Vec<Client>>,
    chance: RefCell<Chance>,
    /// What happens when, and to whom; the count keeps the order of equal instants.
    events: RefCell<BTreeMap<(u64, u64), (usize, Event)>>,
    count: Cell<u64>,
    running: Cell<bool>,
    kept: RefCell<Items>,
    kept_ns: Cell<u64>,
}

impl Fake {
    /// A world of so many clients whose writes take about so long.
    pub(super) fn new(
        clients: u32,
        space: Keyspace,
        table: &str,
        write_ns: u64,
        bug: Option<Bug>,
    ) -> Self {
        Self {
            now_ns: Cell::new(0),
            write_ns,
            table: table.to_owned(),
            service: RefCell::new(Service::new(bug)),
            clients: RefCell::new((0..clients).map(|id| Client::new(id, table, space)).collect()),
            chance: RefCell::new(Chance(7)),
            events: RefCell::default(),
            count: Cell::new(0),
            running: Cell::new(false),
            kept: RefCell::default(),
            kept_ns: Cell::new(0),
        }
    }

    /// Whether the endpoint keeps nothing any more.
    pub(super) fn is_empty(&self) -> bool {
        self.service.borrow().is_empty()
    }

    /// Calls `body` with this world, whose clients write to `ledger`.
    pub(super) fn with_ledger<T>(&self, ledger: &Ledger, body: impl FnOnce(&dyn World) -> T) -> T {
        body(&InWorld { fake: self, ledger })
    }

    fn bug(&self) -> Option<Bug> {
        self.service.borrow().bug
    }

    fn schedule(&self, in_ns: u64, client: usize, event: Event) {
        self.count.set(self.count.get() + 1);
        let at = (self.now_ns.get() + in_ns, self.count.get());
        self.events.borrow_mut().insert(at, (client, event));
    }

    /// About half the time that a write takes.
    fn way_ns(&self) -> u64 {
        self.write_ns / 4 + self.chance.borrow_mut().below(self.write_ns / 2)
    }

    fn advance(&self, ledger: &Ledger, until_ns: u64) {
        while let Some(((at_ns, _), (client, event))) = self.next_until(until_ns) {
            self.now_ns.set(at_ns);
            if at_ns >= self.kept_ns.get() + KEPT_EVERY_NS {
                self.kept_ns.set(at_ns);
                if self.bug() == Some(Bug::Stale) {
                    *self.kept.borrow_mut() = self.service.borrow().items(&self.table);
                }
            }
            self.happen(ledger, client, event);
        }
        self.now_ns.set(until_ns);
    }

    fn next_until(&self, until_ns: u64) -> Option<((u64, u64), (usize, Event))> {
        let mut events = self.events.borrow_mut();
        let first = events.first_entry()?;
        (first.key().0 <= until_ns).then(|| first.remove_entry())
    }

    fn happen(&self, ledger: &Ledger, client: usize, event: Event) {
        match event {
            Event::Call if self.running.get() => {
                let now_ns = || self.now_ns.get();
                let request = self.clients.borrow_mut()[client].next(ledger, &now_ns);
                self.schedule(self.way_ns(), client, Event::Effect(request));
            }
            Event::Call => {}
            Event::Effect(request) => self.take_effect(client, &request),
            Event::Rest(part) => {
                self.service.borrow_mut().part(&part);
                self.schedule(self.way_ns(), client, Event::Answer(Answer::Done(json!({}))));
            }
            Event::Answer(answer) => {
                self.clients.borrow_mut()[client].settle(ledger, self.now_ns.get(), &answer);
                self.schedule(1, client, Event::Call);
            }
        }
    }

    fn take_effect(&self, client: usize, request: &Request) {
        if self.bug() == Some(Bug::TornTransaction) && request.operation == "TransactWriteItems" {
            let parts = &request.input["TransactItems"];
            self.service.borrow_mut().part(&parts[0]);
            return self.schedule(self.way_ns(), client, Event::Rest(parts[1].clone()));
        }
        let losing = self.bug() == Some(Bug::LosesAnswers);
        let fate = if losing { self.chance.borrow_mut().below(200) } else { 200 };
        let answer = match fate {
            0 => Answer::Lost("never done".to_owned()),
            1 => {
                self.service.borrow_mut().answer(request);
                Answer::Lost("done".to_owned())
            }
            _ => self.service.borrow_mut().answer(request),
        };
        self.schedule(self.way_ns(), client, Event::Answer(answer));
    }
}

/// The world as the operator sees it.
struct InWorld<'a> {
    fake: &'a Fake,
    ledger: &'a Ledger,
}

impl InWorld<'_> {
    fn items(&self) -> Items {
        self.fake.service.borrow().items(&self.fake.table)
    }

    /// A backup: the copy is made in the middle of the call.
    fn back_up(&self) -> Answer {
        match self.fake.bug() {
            Some(Bug::RefusesEverything | Bug::OffersNoBackups) => {
                return refused("UnknownOperationException");
            }
            _ => self.sleep(HALF_CALL_NS),
        }
        let mut items = match self.fake.bug() {
            Some(Bug::Stale) => self.fake.kept.borrow().clone(),
            _ => self.items(),
        };
        match self.fake.bug() {
            Some(Bug::Torn) => {
                self.sleep(HALF_CALL_NS);
                let middle = items.len() as u32 / 2;
                items.split_off(&middle);
                items.append(&mut self.items().split_off(&middle));
            }
            _ => self.sleep(HALF_CALL_NS),
        }
        let arn = self.fake.service.borrow_mut().keep_backup(items);
        Answer::Done(json!({ "BackupDetails": { "BackupArn": arn } }))
    }
}

impl World for InWorld<'_> {
    fn now_ns(&self) -> u64 {
        self.fake.now_ns.get()
    }

    fn call(&self, request: &Request) -> Answer {
        self.sleep(WAY_NS);
        let answer = match request.operation {
            "CreateBackup" => self.back_up(),
            "RestoreTableFromBackup" if self.fake.bug() == Some(Bug::Late) => {
                // The copy is made only when somebody asks for it.
                let items = self.items();
                self.fake.service.borrow_mut().remake_backup(&request.input, items);
                self.fake.service.borrow_mut().answer(request)
            }
            _ => self.fake.service.borrow_mut().answer(request),
        };
        self.sleep(WAY_NS);
        answer
    }

    fn sleep(&self, ns: u64) {
        self.fake.advance(self.ledger, self.fake.now_ns.get() + ns);
    }

    fn interrupted(&self) -> bool {
        false
    }

    fn start_writers(&self) {
        if self.fake.running.replace(true) {
            return;
        }
        for client in 0..self.fake.clients.borrow().len() {
            self.fake.schedule(1, client, Event::Call);
        }
    }

    fn rest_writers(&self) {
        self.fake.running.set(false);
        while !self.fake.events.borrow().is_empty() {
            self.sleep(WAY_NS);
        }
    }

    fn stop_writers(&self) {
        self.rest_writers();
    }

    fn tell(&self, _text: &str) {}
}
