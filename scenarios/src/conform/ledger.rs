//! What all clients of a run write down together: the history, and what only their own side
//! knows of a write.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::conform::items::{self, Keyspace};
use crate::history::{History, KeyId, OpId, Operation, Outcome, RestoredItem, Seen, WriteId};
use crate::recording::Taken;

/// The book and the lock about it.
#[derive(Debug, Default)]
pub struct Ledger(Mutex<Book>);

/// What is written down.
#[derive(Debug, Default)]
pub struct Book {
    /// What the clients did, in the order of their calls.
    pub history: History,
    /// Writes that were asked for together.
    pub transactions: Vec<Vec<OpId>>,
    /// Backups that were restored.
    pub backups: Vec<Taken>,
    /// Writes that are updates.
    pub updates: BTreeMap<WriteId, OpId>,
    /// Whether clients may use transactions.
    pub transactions_offered: bool,
    /// How many writes were acknowledged.
    pub acknowledged: u64,
    /// How many clients there are.
    pub clients: u32,
    /// How many clients have put every key that they fill.
    pub filled: u32,
    /// The first refusal of a write that no condition explains.
    pub refusal: Option<String>,
}

impl Ledger {
    /// A ledger of so many clients on these keys, none of them written.
    #[must_use]
    pub fn new(clients: u32, space: Keyspace) -> Self {
        let mut book = Book { clients, ..Book::default() };
        for key in 0..space.len() {
            book.history.keys.intern(&items::key_name(key));
        }
        Self(Mutex::new(book))
    }

    /// The book, for whoever writes or reads next. What a panicking thread left is still true.
    pub fn open(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    /// What an item found in a restored table is worth; a text if it is no write's.
    ///
    /// # Errors
    /// The item, printed, if its key or its identity tells nothing.
    pub fn restored(&self, item: &Value) -> Result<RestoredItem, String> {
        let found = items::key_of(item).zip(items::identity_of(item));
        let known = found.filter(|(key, _)| (*key as usize) < self.history.keys.len());
        let (key, write) = known.ok_or_else(|| item.to_string())?;
        Ok(RestoredItem { key: KeyId(key), write, intact: self.is_intact(key, write, item) })
    }

    /// Whether an item is whole: what its put wrote, and as many updates as came after it.
    fn is_intact(&self, key: u32, write: WriteId, item: &Value) -> bool {
        let (mut updates, mut version) = (0, write);
        let put = loop {
            let Some(op) = self.updates.get(&version) else { break Some(version) };
            updates += 1;
            match self.operation(*op) {
                Operation {
                    outcome: Outcome::Acknowledged, conditional: Some(replaced), ..
                } => match replaced {
                    Seen::Absent => break None,
                    Seen::Version(before) => version = *before,
                },
                // An update that nobody answered does not say what it replaced.
                _ => return is_plausible(key, write, item),
            }
        };
        items::same(item, &items::updated(key, put, updates, write))
    }

    fn operation(&self, op: OpId) -> &Operation {
        &self.history.operations[op.0 as usize]
    }
}

/// Whether an item is what some number of updates of the put that it names left.
fn is_plausible(key: u32, write: WriteId, item: &Value) -> bool {
    let put = item[items::ORIGIN]["S"].as_str().and_then(crate::recording::write_id);
    let updates = item[items::COUNTER]["N"].as_str().and_then(|it| it.parse().ok());
    updates.is_some_and(|updates: u32| items::same(item, &items::updated(key, put, updates, write)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: u32 = 3;

    fn write(seq: u32) -> WriteId {
        WriteId { client: 1, seq }
    }

    /// A put, then updates, each of which says what it replaced if it was answered.
    fn book(answered: [bool; 2]) -> Book {
        let ledger = Ledger::new(1, Keyspace::new(20, 1));
        let Book { mut history, mut updates, .. } = std::mem::take(&mut *ledger.open());
        let put = history.invoke_put(KeyId(KEY), write(0), None, 0);
        history.acknowledge(put, 1);
        for (seq, answered) in (1..).zip(answered) {
            let op = history.invoke_put(KeyId(KEY), write(seq), None, 2);
            updates.insert(write(seq), op);
            if answered {
                history.acknowledge_update(op, Seen::Version(write(seq - 1)), 3);
            }
        }
        Book { history, updates, ..Book::default() }
    }

    fn intact(book: &Book, item: &Value) -> bool {
        book.restored(item).expect("it carries an identity").intact
    }

    #[test]
    fn an_updated_item_shows_its_put_and_every_update() {
        let book = book([true, true]);
        let left = |updates| items::updated(KEY, Some(write(0)), updates, write(2));
        assert!(intact(&book, &left(2)));
        assert!(!intact(&book, &left(1)), "an update was lost");
        assert!(!intact(&book, &items::updated(KEY, Some(write(7)), 2, write(2))));
        let mut mixed = left(2);
        mixed["body"] = items::item(KEY, write(1))["body"].clone();
        assert!(!intact(&book, &mixed), "made of two versions");
    }

    #[test]
    fn an_unanswered_update_leaves_the_count_open_but_not_the_rest() {
        let book = book([false, true]);
        let left = |updates| items::updated(KEY, Some(write(0)), updates, write(2));
        assert!(intact(&book, &left(2)) && intact(&book, &left(1)));
        let mut mixed = left(2);
        mixed["body"] = items::item(KEY, write(1))["body"].clone();
        assert!(!intact(&book, &mixed));
    }

    #[test]
    fn what_carries_no_identity_is_nobodys() {
        let book = book([true, true]);
        let mut stranger = items::item(KEY, write(0));
        stranger[items::IDENTITY] = serde_json::json!({ "S": "me" });
        assert!(book.restored(&stranger).is_err());
        assert!(book.restored(&items::item(99_999, write(0))).is_err(), "a key of nobody");
    }
}
