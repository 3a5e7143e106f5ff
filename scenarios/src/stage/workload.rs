//! What clients do: an open-loop load in the manner of YCSB.
//!
//! Arrivals stand on a schedule before the run begins and are never late because something else
//! was slow; latencies count from the scheduled instant. Every item is a function of its key and
//! of the write that made it, so that a restored item can be compared in every attribute. What an
//! update leaves depends on what was there: see [`super::contents`].

use crate::history::WriteId;
use std::collections::BTreeMap;
use std::ops::Range;
use stillpoint_reference::item::{AttributeValue, Item, KeySchema, Number, ScalarAttributeType};
use stillpoint_sim::Dice;

/// The attribute that carries the identity of the write that made the item.
pub const IDENTITY: &str = "w";
/// The attribute that counts the updates of an item since it was put or created.
pub const COUNTER: &str = "n";

/// What one arrival does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Put an item, whatever is there.
    Put,
    /// Put an item where none is.
    PutIfAbsent,
    /// Put an item over the version that this client last saw there.
    PutOverSeen,
    /// Update whatever is there: it takes the update's identity, and one more is counted.
    Update,
    /// Delete whatever is there.
    Delete,
    /// Delete the version that this client last saw there.
    DeleteSeen,
    /// Read, strongly.
    Read,
    /// Read all items of the key's partition key, strongly.
    Query,
}

/// One arrival.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// When it comes, from the beginning of the load.
    pub at_ns: u64,
    /// What it does.
    pub action: Action,
    /// To which key, by its number.
    pub key: u32,
    /// The client that does it.
    pub client: u32,
    /// Keys that the same client puts to, each as soon as it has been answered: what comes later
    /// because of what came before must not be in a backup without it.
    pub then: Vec<u32>,
}

/// The keys of a table and the items under them.
#[derive(Clone, Debug)]
pub struct Keyspace {
    /// The table's key schema.
    pub schema: KeySchema,
    body_bytes: usize,
}

impl Keyspace {
    /// A table with a partition key, and with a sort key where `sorted`.
    #[must_use]
    pub fn new(sorted: bool, body_bytes: usize) -> Self {
        let simple = KeySchema::simple("pk", ScalarAttributeType::S);
        let schema = match sorted {
            true => simple.with_sort("sk", ScalarAttributeType::N),
            false => simple,
        };
        Self { schema, body_bytes }
    }

    /// The key attributes of the key with this number.
    #[must_use]
    pub fn key(&self, key: u32) -> Item {
        let mut item = Item::new();
        match self.schema.sort {
            // A few items share a partition key, so that sort order matters.
            Some(_) => {
                item.insert("pk".into(), AttributeValue::S(format!("user-{}", key / 3)));
                item.insert("sk".into(), AttributeValue::N(Number::from(i64::from(key % 3) - 1)));
            }
            None => drop(item.insert("pk".into(), AttributeValue::S(format!("user-{key}")))),
        }
        item
    }

    /// The numbers of all keys that share the partition key of this one.
    #[must_use]
    pub fn siblings(&self, key: u32) -> Range<u32> {
        match self.schema.sort {
            Some(_) => key / 3 * 3..key / 3 * 3 + 3,
            None => key..key + 1,
        }
    }

    /// The number of the key that an item stands under.
    #[must_use]
    pub fn number_of(&self, item: &Item) -> Option<u32> {
        let AttributeValue::S(user) = item.get("pk")? else { return None };
        let user: u32 = user.strip_prefix("user-")?.parse().ok()?;
        if self.schema.sort.is_none() {
            return Some(user);
        }
        let sorts = (0..3u32).map(|it| (it, Number::from(i64::from(it) - 1)));
        let AttributeValue::N(found) = item.get("sk")? else { return None };
        let (place, _) = sorts.into_iter().find(|(_, it)| it == found)?;
        Some(user * 3 + place)
    }

    /// The item that `last` leaves under a key when it is the latest of so many updates, and
    /// `put` the write that they began from; there was no item then if that is none.
    #[must_use]
    pub fn updated(&self, key: u32, put: Option<WriteId>, updates: u32, last: WriteId) -> Item {
        let mut item = put.map_or_else(|| self.key(key), |put| self.item(key, put));
        item.insert(IDENTITY.into(), AttributeValue::S(last.to_string()));
        if updates > 0 {
            item.insert(COUNTER.into(), AttributeValue::N(Number::from(u64::from(updates))));
        }
        item
    }

    /// The item that `write` puts under a key.
    #[must_use]
    pub fn item(&self, key: u32, write: WriteId) -> Item {
        let mut item = self.key(key);
        item.insert(IDENTITY.into(), AttributeValue::S(write.to_string()));
        let seed = (u64::from(write.client) << 32 | u64::from(write.seq)) ^ u64::from(key) << 17;
        let body: Vec<u8> = (0..self.body_bytes as u64).map(|at| mix(seed, at) as u8).collect();
        item.insert("body".into(), AttributeValue::B(body.into()));
        item.insert("count".into(), AttributeValue::N(Number::from(mix(seed, 1) as i64)));
        if let Some((name, value)) = rarity(seed) {
            item.insert(name.into(), value);
        }
        item
    }
}

/// One of the types that not every item has.
fn rarity(seed: u64) -> Option<(&'static str, AttributeValue)> {
    let text = |at| format!("{:x}", mix(seed, at) & 0xFFFF);
    Some(match mix(seed, 2) % 12 {
        0 => ("flag", AttributeValue::Bool(mix(seed, 3) & 1 == 0)),
        1 => ("nothing", AttributeValue::Null),
        2 => ("list", AttributeValue::L(vec![AttributeValue::S(text(4)), AttributeValue::Null])),
        3 => {
            let inner = BTreeMap::from([(text(5), AttributeValue::S(String::new()))]);
            ("map", AttributeValue::M(inner))
        }
        4 => ("names", AttributeValue::SS([text(6), text(7)].into())),
        5 => {
            let numbers = [8, 9].map(|at| Number::from(mix(seed, at) as i64));
            ("numbers", AttributeValue::NS(numbers.into()))
        }
        6 => ("blobs", AttributeValue::BS([text(10).into(), text(11).into()].into())),
        _ => return None,
    })
}

/// SplitMix64 of a pair.
fn mix(seed: u64, at: u64) -> u64 {
    let mut it = seed.wrapping_add(at.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    it = (it ^ (it >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    it = (it ^ (it >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    it ^ (it >> 31)
}

/// Which write an item says it comes from.
#[must_use]
pub fn identity_of(item: &Item) -> Option<WriteId> {
    let AttributeValue::S(text) = item.get(IDENTITY)? else { return None };
    let (client, seq) = text.strip_prefix('c')?.split_once('.')?;
    Some(WriteId { client: client.parse().ok()?, seq: seq.parse().ok()? })
}

/// What a load consists of.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// How many writes.
    pub writes: u32,
    /// Over how many keys.
    pub keys: u32,
    /// By how many clients.
    pub clients: u32,
    /// For how long.
    pub lasts_ns: u64,
}

/// For how long a burst's arrivals come: about as long as a cut takes.
const BURST_NS: u64 = 12_000_000;
/// Writes of one client in a burst, each because of the one before.
const CHAIN: u32 = 4;

impl Load {
    /// The schedule, in order of time. A quarter of the writes fills the table first; a third
    /// of the rest comes evenly, the others in bursts from the instants `bursts_ns` on, where
    /// backups are asked for. There, every arrival is a chain of writes, each because of the one
    /// before. One read comes to six writes; every other read is a query.
    #[must_use]
    pub fn schedule(&self, dice: &Dice, bursts_ns: &[u64]) -> Vec<Arrival> {
        assert!(!bursts_ns.is_empty(), "a run asks for at least one backup");
        let zipf = Zipf::new(self.keys);
        let uniform = dice.chance(1, 2);
        let filling = self.writes / 4;
        let lead_ns = self.lasts_ns / 5;
        let mut arrivals: Vec<Arrival> = (0..filling)
            .map(|n| Arrival {
                at_ns: dice.range(0..lead_ns),
                action: Action::Put,
                key: n * self.keys / filling.max(1),
                client: n % self.clients,
                then: Vec::new(),
            })
            .collect();
        let rest = self.writes - filling;
        let draw_key = || match uniform {
            true => dice.range(0..u64::from(self.keys)) as u32,
            false => zipf.draw(dice),
        };
        let draw_client = || dice.range(0..u64::from(self.clients)) as u32;
        let chains = rest * 2 / 3 / CHAIN;
        let even = rest - chains * CHAIN;
        for n in 0..even + rest / 6 {
            let action = match n {
                n if n < even => draw_write(dice),
                n if n % 2 == 0 => Action::Read,
                _ => Action::Query,
            };
            let (at_ns, key) = (dice.range(lead_ns..self.lasts_ns), draw_key());
            let (client, then) = (draw_client(), Vec::new());
            arrivals.push(Arrival { at_ns, action, key, client, then });
        }
        for n in 0..chains as usize {
            let at_ns = bursts_ns[n % bursts_ns.len()] + dice.range(0..BURST_NS);
            let (action, key) = (draw_write(dice), draw_key());
            let then = (1..CHAIN).map(|_| draw_key()).collect();
            arrivals.push(Arrival { at_ns, action, key, client: draw_client(), then });
        }
        arrivals.sort_by_key(|it| (it.at_ns, it.client, it.key));
        arrivals
    }
}

fn draw_write(dice: &Dice) -> Action {
    match dice.range(0..100) {
        0..58 => Action::Put,
        58..70 => Action::Update,
        70..80 => Action::Delete,
        80..86 => Action::PutIfAbsent,
        86..96 => Action::PutOverSeen,
        _ => Action::DeleteSeen,
    }
}

/// Zipf's law with exponent 1 (YCSB uses 0.99) in whole numbers, so that every machine agrees.
pub(crate) struct Zipf {
    /// Sums of the weights up to and including each rank.
    sums: Vec<u64>,
}

impl Zipf {
    /// The law for so many ranks.
    pub(crate) fn new(keys: u32) -> Self {
        let mut sum = 0;
        let weights = (1..=u64::from(keys.max(1))).map(|rank| (1 << 32) / rank);
        let sums = weights.map(|weight| {
            sum += weight;
            sum
        });
        Self { sums: sums.collect() }
    }

    /// A rank, from 0.
    pub(crate) fn draw(&self, dice: &Dice) -> u32 {
        let total = *self.sums.last().expect("at least one key");
        let at = dice.range(0..total);
        self.sums.partition_point(|sum| *sum <= at) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stillpoint_sim::{Tape, World};

    #[test]
    fn an_item_is_a_function_of_its_key_and_its_write() {
        let space = Keyspace::new(true, 32);
        let write = WriteId { client: 3, seq: 17 };
        assert_eq!(space.item(4, write), space.item(4, write));
        assert_ne!(space.item(4, write), space.item(4, WriteId { client: 3, seq: 18 }));
        assert_eq!(identity_of(&space.item(4, write)), Some(write));
        assert_eq!(identity_of(&space.key(4)), None);
    }

    #[test]
    fn keys_that_share_a_partition_key_are_siblings() {
        for space in [Keyspace::new(true, 8), Keyspace::new(false, 8)] {
            for key in 0..12 {
                let share = |it: &u32| space.key(*it)["pk"] == space.key(key)["pk"];
                let sharing: Vec<u32> = (0..12).filter(share).collect();
                assert_eq!(space.siblings(key).collect::<Vec<u32>>(), sharing);
            }
        }
    }

    #[test]
    fn all_attribute_types_occur() {
        let space = Keyspace::new(false, 8);
        let mut seen: Vec<String> = (0..500)
            .flat_map(|seq| space.item(1, WriteId { client: 0, seq }).into_values())
            .map(|it| it.attribute_type().to_string())
            .collect();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 10, "{seen:?}");
    }

    #[test]
    fn the_first_ranks_are_drawn_as_often_as_zipf_says() {
        let world = World::new(Tape::new(1));
        let (dice, zipf) = (world.dice("test"), Zipf::new(100));
        let mut drawn = [0u32; 100];
        (0..100_000).for_each(|_| drawn[zipf.draw(&dice) as usize] += 1);
        // The hundredth harmonic number is 5.187: rank 1 gets 19.3 %, rank 2 half of that.
        assert!((18_500..20_000).contains(&drawn[0]), "{}", drawn[0]);
        assert!((9_000..10_300).contains(&drawn[1]), "{}", drawn[1]);
        assert!(drawn[99] > 0);
    }
}
