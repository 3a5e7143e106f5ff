//! Causality (P1): if a write is in the backup, so is everything that happened before it.
//!
//! *Happened before* is the order of each client's own operations (one was answered before the
//! next was called), from a write to whoever read it, and whatever follows from the two. A write
//! is *in* when the restored version of its key is it or a later one.
//!
//! What must be in is found from what certainly is, in one pass: each client has a horizon, the
//! latest call among its writes that are in, and what it learnt before its horizon is in too. An
//! [`Order`] knows what that means on one key. Every operation is looked at once.

use crate::history::{History, KeyId, Seen};
use crate::oracle::Verdict;
use crate::oracle::bykey::{ByKey, NOBODY};
use crate::oracle::unknown::AnyOrder;
use crate::oracle::witness::{Cause, How, Witness};

mod known;

use known::LogOrder;

/// A write that had to be in and cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Missing(pub(crate) u32);

/// What the order of each key's writes says about what is in a backup. Writes are named by the
/// numbers of their operations.
pub(crate) trait Order {
    /// Takes in what the restored versions show; calls `taken` with each write and the version
    /// that shows it.
    fn begin(&mut self, taken: &mut Vec<(u32, u32)>);

    /// Takes in this write and what then is in on its key; adds what was not in before.
    fn take_in(&mut self, write: u32, taken: &mut Vec<u32>) -> Result<(), Missing>;

    /// Takes in what leaves keys absent that were restored as absent, where what is in does not
    /// do so already. Where there is a choice, it is made only if `guessing`.
    fn settle(&mut self, guessing: bool, taken: &mut Vec<u32>) -> Result<(), Missing>;

    /// Whether this write, if it is in, changed something: else it says nothing of its client.
    fn took_effect(&self, write: u32) -> bool;

    /// Whether one write stands before another on the same key, both being in.
    fn stands_before(&self, write: u32, other: u32) -> bool;

    /// Why it cannot be said that nothing is missing, if it cannot.
    fn doubt(&self) -> Option<String>;
}

const DELETES_DOUBT: &str = "whether something is missing depends on which of several deletes \
                             found an item, and only the committed log tells that";

/// For each operation the write that its client knows of when it has been answered: itself, or
/// what it read; else [`NOBODY`].
pub(crate) type Lessons = Vec<u32>;

/// Judges causality, by the committed log or, without it, by the history alone.
pub(crate) fn judge(by_key: &ByKey<'_>, logged: bool) -> Verdict {
    let history = by_key.history();
    if logged {
        let (order, lessons) = LogOrder::new(history, by_key);
        Search::new(history, order, lessons).verdict(by_key)
    } else {
        let (order, lessons) = AnyOrder::new(history, by_key);
        Search::new(history, order, lessons).verdict(by_key)
    }
}

/// What one client learnt, in the order of the answers, and how far that has been looked at.
struct Client {
    id: u32,
    lessons: Vec<u32>,
    next: usize,
}

/// The search for what must be in.
struct Search<'a, O> {
    history: &'a History,
    order: O,
    lessons: Lessons,
    /// Sorted by the client's number.
    clients: Vec<Client>,
    /// For each write that is in the one because of which it is; itself, if it was restored.
    because: Vec<u32>,
    /// Writes that are in and whose clients' horizons are not yet moved.
    pending: Vec<u32>,
    /// Writes that are in but may have changed nothing.
    idle: Vec<u32>,
    taken: Vec<u32>,
}

impl<'a, O: Order> Search<'a, O> {
    fn new(history: &'a History, order: O, lessons: Lessons) -> Self {
        let clients = clients(history, &lessons);
        let because = vec![NOBODY; history.operations.len()];
        let (pending, idle, taken) = (Vec::new(), Vec::new(), Vec::new());
        Self { history, order, lessons, clients, because, pending, idle, taken }
    }

    fn verdict(mut self, by_key: &ByKey<'_>) -> Verdict {
        self.begin();
        if let Err(missing) = self.run(false) {
            return Verdict::Violated(Box::new(self.witness(by_key, missing)));
        }
        // From here on it is tried whether one explanation among several leaves nothing out.
        let idle = std::mem::take(&mut self.idle);
        self.pending.extend(idle);
        match (self.run(true), self.order.doubt()) {
            (Ok(()), None) => Verdict::Holds,
            (Ok(()), Some(doubt)) => Verdict::Undecided(doubt),
            (Err(_), _) => Verdict::Undecided(DELETES_DOUBT.to_owned()),
        }
    }

    fn begin(&mut self) {
        let mut shown = Vec::new();
        self.order.begin(&mut shown);
        for (write, version) in shown {
            self.because[write as usize] = version;
            self.take(write, false);
        }
    }

    fn take(&mut self, write: u32, guessing: bool) {
        let sure = guessing || self.order.took_effect(write);
        let list = if sure { &mut self.pending } else { &mut self.idle };
        list.push(write);
    }

    fn run(&mut self, guessing: bool) -> Result<(), Missing> {
        loop {
            while let Some(write) = self.pending.pop() {
                self.look_back(write, guessing)?;
            }
            self.order.settle(guessing, &mut self.taken)?;
            let Some(&first) = self.taken.first() else { return Ok(()) };
            self.note_taken(first, guessing);
        }
    }

    /// Takes in what the client of a write that is in had learnt when it called it.
    fn look_back(&mut self, write: u32, guessing: bool) -> Result<(), Missing> {
        let op = &self.history.operations[write as usize];
        let place = self.clients.binary_search_by_key(&op.client, |it| it.id);
        let Ok(place) = place else { return Ok(()) };
        loop {
            let client = &mut self.clients[place];
            let Some(&number) = client.lessons.get(client.next) else { return Ok(()) };
            let answered = self.history.operations[number as usize].return_ns();
            if answered.is_none_or(|at| at >= op.invoke_ns) {
                return Ok(());
            }
            client.next += 1;
            let lesson = self.lessons[number as usize];
            if self.because[lesson as usize] == NOBODY {
                let found = self.order.take_in(lesson, &mut self.taken);
                // Also what is missing has its reason, for the witness.
                self.because[lesson as usize] = write;
                self.note_taken(lesson, guessing);
                found?;
            }
        }
    }

    /// Notes that what was taken in is in because of this write, which stands first among it.
    fn note_taken(&mut self, because: u32, guessing: bool) {
        for write in std::mem::take(&mut self.taken) {
            let reason = &mut self.because[write as usize];
            if *reason == NOBODY {
                *reason = because;
            }
            self.take(write, guessing);
        }
    }

    // The witness.

    fn witness(&self, by_key: &ByKey<'_>, Missing(missing): Missing) -> Witness {
        let mut path = Vec::new();
        let mut write = missing;
        // The path ends at a restored version, whose reason is itself.
        while self.because[write as usize] != NOBODY && self.because[write as usize] != write {
            let next = self.because[write as usize];
            self.add_steps(write, next, &mut path);
            write = next;
        }
        let key = self.history.operations[missing as usize].key;
        Witness::Cause {
            missing: self.cause(How::Begins, missing),
            found: by_key.case(key).found(),
            path,
        }
    }

    fn cause(&self, how: How, number: u32) -> Cause {
        let op = self.history.operations[number as usize];
        Cause { how, key: self.history.keys.name(op.key), op }
    }

    /// How `write` happened before `next`, or why else it is in if `next` is.
    fn add_steps(&self, write: u32, next: u32, path: &mut Vec<Cause>) {
        let (op, later) =
            (self.history.operations[write as usize], self.history.operations[next as usize]);
        let Some(through) = self.learnt_through(write, next) else {
            let before = op.key != later.key || self.order.stands_before(write, next);
            let how = if before { How::Superseded } else { How::Emptied };
            return path.push(self.cause(how, next));
        };
        if through != write {
            path.push(self.cause(How::Read, through));
        }
        path.push(self.cause(How::SameClient, next));
    }

    /// The operation by which the client of `later` knew of `write` when it called `later`.
    fn learnt_through(&self, write: u32, later: u32) -> Option<u32> {
        let op = &self.history.operations[later as usize];
        let place = self.clients.binary_search_by_key(&op.client, |it| it.id).ok()?;
        let answered = |number: u32| self.history.operations[number as usize].return_ns();
        let lessons = self.clients[place].lessons.iter().copied();
        let mut in_time =
            lessons.take_while(|&number| answered(number).is_some_and(|at| at < op.invoke_ns));
        in_time.find(|&number| self.lessons[number as usize] == write)
    }
}

/// What each client learnt, sorted by the answers.
fn clients(history: &History, lessons: &Lessons) -> Vec<Client> {
    let mut ids: Vec<u32> = Vec::new();
    for op in &history.operations {
        if let Err(place) = ids.binary_search(&op.client) {
            ids.insert(place, op.client);
        }
    }
    let mut clients: Vec<Client> =
        ids.iter().map(|&id| Client { id, lessons: Vec::new(), next: 0 }).collect();
    for (number, op) in (0..).zip(&history.operations) {
        if lessons[number as usize] != NOBODY
            && let Ok(place) = ids.binary_search(&op.client)
        {
            clients[place].lessons.push(number);
        }
    }
    for client in &mut clients {
        client.lessons.sort_by_key(|&number| history.operations[number as usize].return_ns());
    }
    clients
}

/// What the backup shows of a key, for an [`Order`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown<T> {
    /// This version.
    Version(T),
    /// No item.
    Absent,
    /// Something that no write of the key explains: nothing follows from it.
    Nonsense,
}

impl Shown<u32> {
    /// What a case shows, as the number of the operation that wrote it.
    pub(crate) fn of(case: &crate::oracle::bykey::Case<'_>) -> Self {
        match case.items {
            [] => Self::Absent,
            [item] => case.writer(item.write).map_or(Self::Nonsense, Self::Version),
            _ => Self::Nonsense,
        }
    }
}

/// What is said when keys were restored as they never were.
pub(crate) fn nonsense(key: KeyId, history: &History) -> String {
    format!("no write explains what was restored at {}", history.keys.name(key))
}

/// Whether an answered operation saw this version of its key.
pub(crate) fn saw_version(seen: Option<Seen>) -> Option<crate::history::WriteId> {
    match seen {
        Some(Seen::Version(write)) => Some(write),
        Some(Seen::Absent) | None => None,
    }
}
