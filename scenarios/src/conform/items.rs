//! The table that is written to: its keys, what each is for, and the item that each write
//! leaves, a function of the key and the write, so that every attribute of a restored item can
//! be compared.

use serde_json::{Value, json};

use crate::history::WriteId;
use crate::recording::write_id;

/// The attribute that carries the identity of the write that made the item.
pub const IDENTITY: &str = "w";
/// The attribute that carries the identity of the put that an item began with.
pub const ORIGIN: &str = "p";
/// The attribute that counts the updates of an item since it was put.
pub const COUNTER: &str = "n";

/// Items that share a partition key.
const SIBLINGS: u32 = 4;
/// Keys come in groups of so many, in which every use has its share.
const GROUP: u32 = 10;

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// One client puts `i` here and, when that is acknowledged, `i` at the key's partner.
    PairFirst,
    /// The partner of a [`Use::PairFirst`].
    PairSecond,
    /// One client writes it together with its partner, in one transaction.
    Transaction,
    /// Every client writes and reads it.
    Shared,
    /// One client puts, deletes and reads it.
    Own,
}

/// The keys of a run. Keys are numbers from 0; the partner of each stands in another partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keyspace {
    keys: u32,
    clients: u32,
}

impl Keyspace {
    /// As many keys as that, or a few less, so that each client has its share of every use.
    #[must_use]
    pub fn new(keys: u32, clients: u32) -> Self {
        let unit = Self::keys_min(clients);
        Self { keys: (keys / unit).max(1) * unit, clients }
    }

    /// The fewest keys that so many clients need.
    #[must_use]
    pub fn keys_min(clients: u32) -> u32 {
        2 * GROUP * clients.max(1)
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.keys
    }

    /// Whether there are none, which is never so.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys == 0
    }

    /// The key that is written together with this one, or after it.
    #[must_use]
    pub fn partner(&self, key: u32) -> u32 {
        let half = self.keys / 2;
        if key < half { key + half } else { key - half }
    }

    /// What a key is for.
    #[must_use]
    pub fn used_for(&self, key: u32) -> Use {
        let half = self.keys / 2;
        match (key % half) % GROUP {
            0..=3 if key < half => Use::PairFirst,
            0..=3 => Use::PairSecond,
            4..=5 => Use::Transaction,
            6..=7 => Use::Shared,
            _ => Use::Own,
        }
    }

    /// The client that fills a key, and alone writes it unless it is shared.
    #[must_use]
    pub fn owner(&self, key: u32) -> u32 {
        (key % (self.keys / 2)) / GROUP % self.clients
    }

    /// The keys of this use that a client writes, the lower of two partners only.
    #[must_use]
    pub fn keys_of(&self, client: u32, what: Use) -> Vec<u32> {
        let half = self.keys / 2;
        let partnered = matches!(what, Use::PairFirst | Use::Transaction);
        let upper = if partnered { half } else { self.keys };
        let mine = |key: &u32| what == Use::Shared || self.owner(*key) == client;
        (0..upper).filter(|key| self.used_for(*key) == what).filter(mine).collect()
    }
}

/// The key attributes of a key.
#[must_use]
pub fn key_attributes(key: u32) -> Value {
    json!({ "pk": { "S": format!("user-{}", key / SIBLINGS) },
            "sk": { "N": (key % SIBLINGS).to_string() } })
}

/// A key as people and oracles name it.
#[must_use]
pub fn key_name(key: u32) -> String {
    format!("user-{}/{}", key / SIBLINGS, key % SIBLINGS)
}

/// The number of the key that an item stands under.
#[must_use]
pub fn key_of(item: &Value) -> Option<u32> {
    let user: u32 = item["pk"]["S"].as_str()?.strip_prefix("user-")?.parse().ok()?;
    let place: u32 = item["sk"]["N"].as_str()?.parse().ok()?;
    if place < SIBLINGS { user.checked_mul(SIBLINGS)?.checked_add(place) } else { None }
}

/// The write that an item says it comes from.
#[must_use]
pub fn identity_of(item: &Value) -> Option<WriteId> {
    write_id(item[IDENTITY]["S"].as_str()?)
}

/// The item that a put leaves: every type of attribute, each with a value of its own.
#[must_use]
pub fn item(key: u32, write: WriteId) -> Value {
    let WriteId { client, seq } = write;
    let mut item = key_attributes(key);
    item[IDENTITY] = json!({ "S": write.to_string() });
    item[ORIGIN] = json!({ "S": write.to_string() });
    item["body"] = json!({ "S": format!("{write} wrote this to {} ", key_name(key)).repeat(2) });
    // Thirty-eight digits, the most that a number may have.
    let long = format!("1{client:016}{seq:021}");
    item["kinds"] = json!({ "M": {
        "long": { "N": long },
        "half": { "N": format!("-{seq}.5") },
        "yes": { "BOOL": seq % 2 == 0 },
        "none": { "NULL": true },
        "empty": { "S": "" },
        "bytes": { "B": base64(&[client.to_be_bytes(), seq.to_be_bytes()].concat()) },
        "list": { "L": [{ "N": client.to_string() }, { "L": [] }, { "M": {} }] },
        "words": { "SS": ["after", format!("before-{seq}")] },
        "numbers": { "NS": ["-1", seq.wrapping_add(1).to_string()] },
    }});
    item
}

/// The item that `last` leaves when it is the latest of so many updates, and `put` the write
/// that they began from; there was no item then if that is none.
#[must_use]
pub fn updated(key: u32, put: Option<WriteId>, updates: u32, last: WriteId) -> Value {
    let mut item = put.map_or_else(|| key_attributes(key), |put| item(key, put));
    item[IDENTITY] = json!({ "S": last.to_string() });
    if updates > 0 {
        item[COUNTER] = json!({ "N": updates.to_string() });
    }
    item
}

/// Whether two items are the same: sets have no order.
#[must_use]
pub fn same(one: &Value, other: &Value) -> bool {
    sorted(one.clone()) == sorted(other.clone())
}

fn sorted(mut value: Value) -> Value {
    match &mut value {
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                let mut inner = sorted(member.take());
                if let (true, Value::Array(set)) =
                    (["SS", "NS", "BS"].contains(&name.as_str()), &mut inner)
                {
                    set.sort_by(|one, other| one.as_str().cmp(&other.as_str()));
                }
                *member = inner;
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|it| *it = sorted(it.take())),
        _ => {}
    }
    value
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |place: usize| u32::from(chunk.get(place).copied().unwrap_or(0));
        let word = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let digit = DIGITS[(word >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_one_use_and_every_client_every_use() {
        let space = Keyspace::new(2_000, 8);
        assert_eq!(space.len(), 1_920);
        let mut owned = vec![0; space.len() as usize];
        for client in 0..8 {
            for what in [Use::PairFirst, Use::Transaction, Use::Own] {
                let keys = space.keys_of(client, what);
                assert!(keys.len() > 10, "{client} {what:?}");
                for key in keys {
                    owned[key as usize] += 1;
                    if what != Use::Own {
                        owned[space.partner(key) as usize] += 1;
                    }
                }
            }
        }
        for key in space.keys_of(0, Use::Shared) {
            owned[key as usize] += 1;
        }
        assert!(owned.iter().all(|count| *count == 1));
    }

    #[test]
    fn partners_stand_in_different_partitions() {
        let space = Keyspace::new(160, 8);
        for key in 0..space.len() {
            let partner = space.partner(key);
            assert_eq!(space.partner(partner), key);
            assert_ne!(key_attributes(key)["pk"], key_attributes(partner)["pk"]);
            assert_eq!(space.owner(key), space.owner(partner));
        }
    }

    #[test]
    fn an_item_tells_its_key_and_its_write() {
        let write = WriteId { client: 3, seq: 17 };
        let put = item(9, write);
        assert_eq!((key_of(&put), identity_of(&put)), (Some(9), Some(write)));
        assert_eq!(key_name(9), "user-2/1");
        assert_eq!(key_of(&json!({ "pk": { "S": "user-0" }, "sk": { "N": "4" } })), None);
        assert_eq!(put["kinds"]["M"]["long"]["N"].as_str().map(str::len), Some(38));
        let after = updated(9, Some(write), 2, WriteId { client: 1, seq: 4 });
        assert_eq!(after["body"], put["body"]);
        assert_ne!(after, put);
    }

    #[test]
    fn sets_have_no_order_and_lists_have() {
        let value = |kind: &str, one: &str, other: &str| json!({ "a": { kind: [one, other] } });
        assert!(same(&value("SS", "x", "y"), &value("SS", "y", "x")));
        assert!(!same(&value("L", "x", "y"), &value("L", "y", "x")));
        assert!(!same(&value("SS", "x", "y"), &value("SS", "x", "z")));
    }

    #[test]
    fn bytes_are_written_as_the_standard_has_them() {
        let vectors =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (bytes, text) in vectors {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
