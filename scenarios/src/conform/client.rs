//! One client of the load: which request comes next, and what its answer means for the
//! history. It waits for each answer before it asks again; it knows no clock and no network.
//!
//! It writes so that what a history alone leaves undecided stays rare: keys that are deleted
//! and keys of transactions have one client each, and whoever gets no answer there stays away
//! from that key from then on.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Value, json};

use crate::conform::items::{COUNTER, IDENTITY, Keyspace, Use, identity_of, item, key_attributes};
use crate::conform::ledger::{Book, Ledger};
use crate::conform::world::{Answer, Request};
use crate::history::{KeyId, OpId, Seen, WriteId};

/// One thing that a client does to its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Put,
    PutIf(Seen),
    Update,
    Delete,
    DeleteIf(Seen),
    Read,
    /// Puts the key and its partner in one transaction.
    Together,
}

/// What was asked and is not yet answered.
#[derive(Clone, Debug)]
struct UnderWay {
    key: u32,
    action: Action,
    ops: Vec<OpId>,
    write: WriteId,
}

/// A client of the load.
#[derive(Debug)]
pub struct Client {
    id: u32,
    table: String,
    space: Keyspace,
    chance: Chance,
    next_seq: u32,
    /// Keys still to be filled.
    unfilled: VecDeque<u32>,
    filled: bool,
    pairs: Vec<u32>,
    transactions: Vec<u32>,
    shared: Vec<u32>,
    own: Vec<u32>,
    /// Partners of pairs whose first write was acknowledged.
    owed: VecDeque<u32>,
    /// What this client last saw at a key.
    seen: BTreeMap<u32, Seen>,
    /// Keys that it stays away from.
    left: BTreeSet<u32>,
    under_way: Option<UnderWay>,
}

impl Client {
    /// A client of so many, on this table. Clients are numbered from 0.
    #[must_use]
    pub fn new(id: u32, table: &str, space: Keyspace) -> Self {
        let filling = (0..space.len()).filter(|key| space.owner(*key) == id);
        Self {
            id,
            table: table.to_owned(),
            space,
            chance: Chance(u64::from(id)),
            next_seq: 0,
            unfilled: filling.collect(),
            filled: false,
            pairs: space.keys_of(id, Use::PairFirst),
            transactions: space.keys_of(id, Use::Transaction),
            shared: space.keys_of(id, Use::Shared),
            own: space.keys_of(id, Use::Own),
            owed: VecDeque::new(),
            seen: BTreeMap::new(),
            left: BTreeSet::new(),
            under_way: None,
        }
    }

    /// The next request, noted as called now.
    ///
    /// # Panics
    /// If the request before it was not settled.
    pub fn next(&mut self, ledger: &Ledger, now_ns: &dyn Fn() -> u64) -> Request {
        assert!(self.under_way.is_none(), "a client waits for its answer");
        let together = ledger.open().transactions_offered;
        let (key, action) = self.choose(together);
        let writes: Vec<WriteId> = (0..=u32::from(action == Action::Together))
            .map(|_| {
                self.next_seq += 1;
                WriteId { client: self.id, seq: self.next_seq }
            })
            .collect();
        let request = self.request(key, action, &writes);
        // The clock is read under the lock, so that the book is in the order of the calls.
        let book = &mut *ledger.open();
        let ops = self.note(book, key, action, &writes, now_ns());
        self.under_way = Some(UnderWay { key, action, ops, write: writes[0] });
        request
    }

    /// Notes the answer to the last request.
    ///
    /// # Panics
    /// If there was none.
    pub fn settle(&mut self, ledger: &Ledger, now_ns: u64, answer: &Answer) {
        let under_way = self.under_way.take().expect("an answer follows a request");
        let UnderWay { key, action, .. } = under_way;
        let book = &mut *ledger.open();
        match answer {
            Answer::Done(output) => self.settle_done(book, &under_way, now_ns, output),
            Answer::Refused(refusal) => {
                under_way.ops.iter().for_each(|op| book.history.refuse(*op, now_ns));
                let expected = ["ConditionalCheckFailedException", "TransactionCanceledException"];
                if !expected.contains(&refusal.exception.as_str()) {
                    book.refusal.get_or_insert_with(|| refusal.to_string());
                }
                self.seen.remove(&key);
            }
            Answer::Lost(why) => {
                under_way.ops.iter().for_each(|op| book.history.lose(*op));
                book.refusal.get_or_insert_with(|| why.clone());
                self.seen.remove(&key);
                match self.space.used_for(key) {
                    Use::Own if action != Action::Read => {
                        self.left.insert(key);
                    }
                    // A transaction goes by the lower of its two keys.
                    Use::Transaction => {
                        self.left.insert(key.min(self.space.partner(key)));
                    }
                    _ => {}
                }
            }
        }
        if self.unfilled.is_empty() && !self.filled {
            self.filled = true;
            book.filled += 1;
        }
    }

    fn settle_done(&mut self, book: &mut Book, done: &UnderWay, now_ns: u64, output: &Value) {
        let UnderWay { key, action, ref ops, write } = *done;
        let history = &mut book.history;
        let now = match action {
            Action::Read => match seen_in(&output["Item"]) {
                Some(seen) => {
                    history.acknowledge_read(ops[0], seen, now_ns);
                    Some(seen)
                }
                // Not an item of this load: the read tells nothing, the restore will.
                None => None,
            },
            Action::Update => {
                match seen_in(&output["Attributes"]) {
                    Some(replaced) => history.acknowledge_update(ops[0], replaced, now_ns),
                    None => history.acknowledge(ops[0], now_ns),
                }
                Some(Seen::Version(write))
            }
            Action::Delete | Action::DeleteIf(_) => {
                history.acknowledge(ops[0], now_ns);
                Some(Seen::Absent)
            }
            Action::Put | Action::PutIf(_) | Action::Together => {
                ops.iter().for_each(|op| history.acknowledge(*op, now_ns));
                Some(Seen::Version(write))
            }
        };
        if action != Action::Read {
            book.acknowledged += 1;
        }
        match now {
            Some(seen) => self.seen.insert(key, seen),
            None => self.seen.remove(&key),
        };
        if self.filled && action == Action::Put && self.space.used_for(key) == Use::PairFirst {
            self.owed.push_back(self.space.partner(key));
        }
    }

    // What to do.

    fn choose(&mut self, together: bool) -> (u32, Action) {
        if let Some(key) = self.unfilled.pop_front() {
            return (key, Action::Put);
        }
        if let Some(key) = self.owed.pop_front() {
            return (key, Action::Put);
        }
        match self.chance.below(100) {
            // Few: they are dear to some endpoints, and what they slow down tears less.
            0..5 if together => (self.pick(Use::Transaction), Action::Together),
            0..45 => (self.pick(Use::PairFirst), Action::Put),
            45..50 => (self.chance.of(&self.pairs), Action::Read),
            50..75 => self.share(),
            _ => self.own(),
        }
    }

    fn share(&mut self) -> (u32, Action) {
        let key = self.chance.of(&self.shared);
        let action = match (self.chance.below(5), self.seen.get(&key)) {
            (0, _) => Action::Put,
            (1, Some(seen)) => Action::PutIf(*seen),
            (2 | 3, _) => Action::Update,
            _ => Action::Read,
        };
        (key, action)
    }

    fn own(&mut self) -> (u32, Action) {
        let key = self.pick(Use::Own);
        let seen = self.seen.get(&key).copied();
        let action = match (self.chance.below(8), seen) {
            (0 | 1, _) => Action::Delete,
            (2, Some(seen @ Seen::Version(_))) => Action::DeleteIf(seen),
            (3 | 4, Some(seen)) => Action::PutIf(seen),
            (5, _) => Action::PutIf(Seen::Absent),
            (6, _) => Action::Read,
            _ => Action::Put,
        };
        (key, action)
    }

    /// A key of this use that the client does not stay away from; a pair's if none is left.
    fn pick(&mut self, what: Use) -> u32 {
        let keys = match what {
            Use::Own => &mut self.own,
            Use::Transaction => &mut self.transactions,
            _ => return self.chance.of(&self.pairs),
        };
        keys.retain(|key| !self.left.contains(key));
        match keys.is_empty() {
            true => self.chance.of(&self.pairs),
            false => self.chance.of(keys),
        }
    }

    // How to ask.

    fn request(&self, key: u32, action: Action, writes: &[WriteId]) -> Request {
        let mut input = json!({ "TableName": self.table });
        let write = writes[0];
        match action {
            Action::Put => {
                input["Item"] = item(key, write);
                Request::new("PutItem", input)
            }
            Action::PutIf(seen) => {
                input["Item"] = item(key, write);
                demand(&mut input, seen);
                Request::new("PutItem", input)
            }
            Action::Update => {
                input["Key"] = key_attributes(key);
                input["UpdateExpression"] =
                    json!(format!("SET {IDENTITY} = :write ADD {COUNTER} :one"));
                let values = json!({ ":write": { "S": write.to_string() }, ":one": { "N": "1" } });
                input["ExpressionAttributeValues"] = values;
                // So that the history knows which version it replaced.
                input["ReturnValues"] = json!("ALL_OLD");
                Request::new("UpdateItem", input)
            }
            Action::Delete | Action::DeleteIf(_) => {
                input["Key"] = key_attributes(key);
                if let Action::DeleteIf(seen) = action {
                    demand(&mut input, seen);
                }
                Request::new("DeleteItem", input)
            }
            Action::Read => {
                input["Key"] = key_attributes(key);
                input["ConsistentRead"] = json!(true);
                Request::new("GetItem", input)
            }
            Action::Together => {
                let put = |key, write| {
                    let item = item(key, write);
                    json!({ "Put": { "TableName": self.table, "Item": item } })
                };
                let parts = [put(key, write), put(self.space.partner(key), writes[1])];
                Request::new("TransactWriteItems", json!({ "TransactItems": parts }))
            }
        }
    }

    fn note(
        &self,
        book: &mut Book,
        key: u32,
        action: Action,
        writes: &[WriteId],
        now_ns: u64,
    ) -> Vec<OpId> {
        let (history, id, write) = (&mut book.history, KeyId(key), writes[0]);
        let op = match action {
            Action::Put | Action::Together => history.invoke_put(id, write, None, now_ns),
            Action::PutIf(seen) => history.invoke_put(id, write, Some(seen), now_ns),
            Action::Update => {
                let op = history.invoke_put(id, write, None, now_ns);
                book.updates.insert(write, op);
                op
            }
            Action::Delete => history.invoke_delete(id, write, None, now_ns),
            Action::DeleteIf(seen) => history.invoke_delete(id, write, Some(seen), now_ns),
            Action::Read => history.invoke_read(self.id, id, now_ns),
        };
        if action != Action::Together {
            return vec![op];
        }
        let partner = KeyId(self.space.partner(key));
        let ops = vec![op, history.invoke_put(partner, writes[1], None, now_ns)];
        book.transactions.push(ops.clone());
        ops
    }
}

/// Makes a request conditional on what is at its key.
fn demand(input: &mut Value, seen: Seen) {
    match seen {
        Seen::Absent => input["ConditionExpression"] = json!("attribute_not_exists(pk)"),
        Seen::Version(write) => {
            input["ConditionExpression"] = json!(format!("{IDENTITY} = :seen"));
            input["ExpressionAttributeValues"] = json!({ ":seen": { "S": write.to_string() } });
        }
    }
}

/// What an answer shows of a key; nothing if the item carries no write's identity.
fn seen_in(item: &Value) -> Option<Seen> {
    match item.as_object() {
        None => Some(Seen::Absent),
        Some(members) if members.is_empty() => Some(Seen::Absent),
        Some(_) => identity_of(item).map(Seen::Version),
    }
}

/// A stream of numbers that looks random: SplitMix64 (Steele, Lea, Flood, 2014).
#[derive(Clone, Debug)]
pub(super) struct Chance(pub(super) u64);

impl Chance {
    /// A number below `bound`.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % bound.max(1)
    }

    fn of(&mut self, keys: &[u32]) -> u32 {
        keys[self.below(keys.len() as u64) as usize]
    }
}
