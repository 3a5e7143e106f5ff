//! What clients did, as plain data: who called what on which key, when, and what came back.
//!
//! A history is recorded by a workload, written to a file or read from one. Nothing here
//! judges anything (see [`crate::oracle`]) and nothing here knows the service that was called,
//! so a history of another vendor's endpoint is the same kind of thing.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};

/// A key of the table, as the number [`KeyNames`] gave it: dense, from zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct KeyId(pub u32);

/// The printable keys of a table; a [`KeyId`] is the position of its key in this list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<String>", into = "Vec<String>")]
pub struct KeyNames {
    names: Vec<String>,
    ids: BTreeMap<String, KeyId>,
}

impl KeyNames {
    /// The number of this key, a new one the first time the key is named.
    ///
    /// # Panics
    /// When a table has more than 2^32 keys.
    pub fn intern(&mut self, name: &str) -> KeyId {
        if let Some(&id) = self.ids.get(name) {
            return id;
        }
        let id = KeyId(u32::try_from(self.names.len()).expect("fewer than 2^32 keys in a table"));
        self.names.push(name.to_owned());
        self.ids.insert(name.to_owned(), id);
        id
    }

    /// The number of a key that has been named before.
    #[must_use]
    pub fn id(&self, name: &str) -> Option<KeyId> {
        self.ids.get(name).copied()
    }

    /// The printable key; a number that was never given out prints as `key #n`.
    #[must_use]
    pub fn name(&self, key: KeyId) -> String {
        self.names.get(key.0 as usize).cloned().unwrap_or_else(|| format!("key #{}", key.0))
    }

    /// How many keys have been named.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether no key has been named yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

impl From<Vec<String>> for KeyNames {
    fn from(names: Vec<String>) -> Self {
        let ids = (0..).zip(&names).map(|(number, name)| (name.clone(), KeyId(number))).collect();
        Self { names, ids }
    }
}

impl From<KeyNames> for Vec<String> {
    fn from(keys: KeyNames) -> Self {
        keys.names
    }
}

/// The identity of one write, carried by the item it wrote and so read back from a backup.
///
/// No two operations of a history share one: a retry inside the client belongs to its operation.
/// A delete has an identity too, but leaves no item that could carry it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct WriteId {
    /// The client that wrote.
    pub client: u32,
    /// The client's own count of its writes.
    pub seq: u32,
}

impl fmt::Display for WriteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c{}.{}", self.client, self.seq)
    }
}

/// What a key holds: nothing, or the item some write put there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Seen {
    /// No item: not yet written, or deleted.
    Absent,
    /// The item of this write.
    Version(WriteId),
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => write!(f, "absent"),
            Self::Version(write) => write!(f, "{write}"),
        }
    }
}

/// The state a conditional write demands and, when it succeeds, replaces. An update depends on
/// the version it replaced in the same way, and says which that was when it is acknowledged.
pub type Replaced = Seen;

/// What an operation does to its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum OperationKind {
    /// Leaves an item (`PutItem`, or an `UpdateItem`).
    Put,
    /// Removes the item; of an absent item it changes nothing.
    Delete,
    /// A strongly consistent read: it must see the latest version.
    Read,
    /// An eventually consistent read: it proves that what it saw had happened, and no more.
    EventualRead,
}

/// What the client knows of an operation's fate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Outcome {
    /// Answered with success.
    Acknowledged,
    /// Answered with an error that says it was not done (throttled, condition failed, invalid).
    Refused,
    /// No answer, or one that leaves it open (timeout, HTTP 500): done, not done, or yet to come.
    Unknown,
}

/// One call of one client on one key. Times are nanoseconds on one clock shared by all clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Who called.
    pub client: u32,
    /// On which key.
    pub key: KeyId,
    /// What was asked.
    pub kind: OperationKind,
    /// The identity of a put or delete; `None` for reads.
    pub write: Option<WriteId>,
    /// The state that a conditional write demanded, or that an acknowledged update replaced.
    pub conditional: Option<Replaced>,
    /// When the call was made.
    pub invoke_ns: u64,
    /// When the answer came, counted from 1, so that "none came" takes no room.
    answered: Option<NonZeroU64>,
    /// What the answer said.
    pub outcome: Outcome,
    /// What an acknowledged read saw.
    pub saw: Option<Seen>,
}

// The budget that lets ten million operations be judged in memory.
const _: () = assert!(size_of::<Operation>() <= 64);

impl Operation {
    /// When the answer came; `None` when none came.
    #[must_use]
    pub fn return_ns(&self) -> Option<u64> {
        self.answered.map(|at| at.get() - 1)
    }

    /// Whether this is a put or a delete.
    #[must_use]
    pub fn writes(&self) -> bool {
        matches!(self.kind, OperationKind::Put | OperationKind::Delete)
    }

    /// When the client learnt that the operation had been done; `None` if it never did.
    #[must_use]
    pub fn acknowledged_ns(&self) -> Option<u64> {
        if self.outcome == Outcome::Acknowledged { self.return_ns() } else { None }
    }
}

/// Which operation of a history: its position in [`History::operations`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OpId(pub u32);

/// Every operation on one table, in the order of invocation, and the names of the table's keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// The keys that the operations speak of.
    pub keys: KeyNames,
    /// The operations. Fewer than 2^32 - 1.
    pub operations: Vec<Operation>,
}

impl History {
    /// Records that a client calls a put, conditional on `conditional` if that is given.
    pub fn invoke_put(
        &mut self,
        key: KeyId,
        write: WriteId,
        conditional: Option<Replaced>,
        now_ns: u64,
    ) -> OpId {
        let call =
            Operation { write: Some(write), conditional, ..called(write.client, key, now_ns) };
        self.push(Operation { kind: OperationKind::Put, ..call })
    }

    /// Records that a client calls a delete, conditional on `conditional` if that is given.
    pub fn invoke_delete(
        &mut self,
        key: KeyId,
        write: WriteId,
        conditional: Option<Replaced>,
        now_ns: u64,
    ) -> OpId {
        let call =
            Operation { write: Some(write), conditional, ..called(write.client, key, now_ns) };
        self.push(Operation { kind: OperationKind::Delete, ..call })
    }

    /// Records that a client calls a strongly consistent read.
    pub fn invoke_read(&mut self, client: u32, key: KeyId, now_ns: u64) -> OpId {
        self.push(called(client, key, now_ns))
    }

    /// Records that a client calls an eventually consistent read.
    pub fn invoke_eventual_read(&mut self, client: u32, key: KeyId, now_ns: u64) -> OpId {
        self.push(Operation { kind: OperationKind::EventualRead, ..called(client, key, now_ns) })
    }

    /// The write was answered with success at `now_ns`.
    pub fn acknowledge(&mut self, op: OpId, now_ns: u64) {
        self.answer(op, Outcome::Acknowledged, now_ns);
    }

    /// The update was answered with success at `now_ns`, and with the state that it replaced.
    pub fn acknowledge_update(&mut self, op: OpId, replaced: Replaced, now_ns: u64) {
        self.answer(op, Outcome::Acknowledged, now_ns).conditional = Some(replaced);
    }

    /// The read was answered at `now_ns` with what it saw.
    pub fn acknowledge_read(&mut self, op: OpId, saw: Seen, now_ns: u64) {
        self.answer(op, Outcome::Acknowledged, now_ns).saw = Some(saw);
    }

    /// The operation was answered at `now_ns` with an error that says it was not done.
    pub fn refuse(&mut self, op: OpId, now_ns: u64) {
        self.answer(op, Outcome::Refused, now_ns);
    }

    /// The operation will never be answered, or its answer leaves its fate open. This is also
    /// the state of an operation that was invoked and nothing more, so calling it is a comment.
    pub fn lose(&mut self, op: OpId) {
        let operation = self.operation_mut(op);
        operation.outcome = Outcome::Unknown;
        operation.answered = None;
    }

    fn push(&mut self, operation: Operation) -> OpId {
        let id = OpId(u32::try_from(self.operations.len()).expect("fewer than 2^32 operations"));
        self.operations.push(operation);
        id
    }

    fn answer(&mut self, op: OpId, outcome: Outcome, now_ns: u64) -> &mut Operation {
        let operation = self.operation_mut(op);
        assert!(operation.answered.is_none(), "an operation is answered once: {operation:?}");
        assert!(operation.invoke_ns <= now_ns, "an answer follows its call: {operation:?}");
        operation.outcome = outcome;
        operation.answered = NonZeroU64::new(now_ns.saturating_add(1));
        operation
    }

    fn operation_mut(&mut self, op: OpId) -> &mut Operation {
        self.operations.get_mut(op.0 as usize).expect("an `OpId` comes from this history's invoke")
    }
}

/// A read that has just been called; the other kinds change what differs.
fn called(client: u32, key: KeyId, now_ns: u64) -> Operation {
    Operation {
        client,
        key,
        kind: OperationKind::Read,
        write: None,
        conditional: None,
        invoke_ns: now_ns,
        answered: None,
        outcome: Outcome::Unknown,
        saw: None,
    }
}

/// One committed write, as its partition's log holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEntry {
    /// The key written.
    pub key: KeyId,
    /// The write, as the client named it.
    pub write: WriteId,
    /// Whether it left the key absent.
    pub deletes: bool,
}

/// The committed writes of one partition in order. A delete that found nothing may be left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionLog {
    /// The partition, as the service numbers it.
    pub id: u64,
    /// What was committed, oldest first.
    pub entries: Vec<LogEntry>,
}

/// Every committed write of a table. A parent stands before the partitions it was split into:
/// a key's writes are then in order when the logs are read one after another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommittedLog {
    /// One log for each partition there ever was.
    pub partitions: Vec<PartitionLog>,
}

/// One item found in a restored table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RestoredItem {
    /// Where it was found.
    pub key: KeyId,
    /// The write that it says it comes from.
    pub write: WriteId,
    /// Whether every attribute equals what that write wrote.
    pub intact: bool,
}

/// What is known of one backup from outside: when it was asked for, and what restoring it gave.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// When the backup was requested, on the history's clock.
    pub request_ns: u64,
    /// When that request was answered.
    pub answer_ns: u64,
    /// The contents of the restored table, in any order.
    pub items: Vec<RestoredItem>,
    /// Restored items that carry no identity of any write, printed.
    pub unknown_items: Vec<String>,
    /// Settings (key schema, indexes, billing mode) that differ from what a restore owes, printed.
    pub settings_differ: Vec<String>,
    /// The contents of a second restore of the same backup, if there was one.
    pub second: Option<Vec<RestoredItem>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_survives_being_written_and_read() {
        let mut history = History::default();
        let key = history.keys.intern("order#1");
        let put = history.invoke_put(key, WriteId { client: 1, seq: 0 }, Some(Seen::Absent), 10);
        history.acknowledge(put, 20);
        let read = history.invoke_read(2, key, 30);
        history.acknowledge_read(read, Seen::Version(WriteId { client: 1, seq: 0 }), 40);
        let text = serde_json::to_string(&history).expect("plain data");
        let again: History = serde_json::from_str(&text).expect("what was just written");
        assert_eq!(again, history);
        assert_eq!(again.keys.id("order#1"), Some(key));
    }

    #[test]
    fn a_name_keeps_its_number() {
        let mut keys = KeyNames::default();
        let (first, second) = (keys.intern("a"), keys.intern("b"));
        assert_eq!((keys.intern("a"), first == second, keys.len()), (first, false, 2));
        assert_eq!(keys.name(KeyId(7)), "key #7");
    }

    #[test]
    #[should_panic(expected = "answered once")]
    fn an_operation_cannot_be_answered_twice() {
        let mut history = History::default();
        let key = history.keys.intern("a");
        let put = history.invoke_put(key, WriteId { client: 1, seq: 0 }, None, 10);
        history.refuse(put, 20);
        history.acknowledge(put, 30);
    }
}
