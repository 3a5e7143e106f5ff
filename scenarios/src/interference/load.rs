//! The load of a twin run: arrivals that are drawn before it begins.

use stillpoint_reference::api::{DeleteItemInput, GetItemInput, PutItemInput, Request};
use stillpoint_sim::Dice;

use crate::history::WriteId;
use crate::stage::workload::{Keyspace, Zipf};

/// What a client may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// PutItem.
    Put,
    /// PutItem on condition that the item is there.
    PutIf,
    /// DeleteItem.
    Delete,
    /// GetItem, strongly consistent.
    GetStrong,
    /// GetItem, eventually consistent.
    GetEventual,
}

/// All operations, in the order in which they are shown.
pub const OPERATIONS: [Operation; 5] = [
    Operation::Put,
    Operation::PutIf,
    Operation::Delete,
    Operation::GetStrong,
    Operation::GetEventual,
];

impl Operation {
    /// What it is called in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Put => "PutItem",
            Self::PutIf => "PutItem, conditional",
            Self::Delete => "DeleteItem",
            Self::GetStrong => "GetItem, strong",
            Self::GetEventual => "GetItem, eventual",
        }
    }

    /// Whether it changes nothing.
    #[must_use]
    pub fn reads(self) -> bool {
        matches!(self, Self::GetStrong | Self::GetEventual)
    }

    /// Half of all operations read.
    fn draw(dice: &Dice) -> Self {
        match dice.range(0..100) {
            0..30 => Self::Put,
            30..40 => Self::PutIf,
            40..50 => Self::Delete,
            50..80 => Self::GetStrong,
            _ => Self::GetEventual,
        }
    }
}

/// One operation and when it is due, from the beginning of the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Arrival {
    pub(super) at_ns: u64,
    pub(super) key: u32,
    pub(super) operation: Operation,
}

/// So many arrivals within `lasts_ns`, each at an instant of its own choice: a Poisson process of
/// which the number is known.
pub(super) fn schedule(dice: &Dice, count: u64, keys: u32, lasts_ns: u64) -> Vec<Arrival> {
    let zipf = Zipf::new(keys);
    let draw = |_| Arrival {
        at_ns: dice.range(0..lasts_ns),
        key: zipf.draw(dice),
        operation: Operation::draw(dice),
    };
    let mut arrivals: Vec<Arrival> = (0..count).map(draw).collect();
    arrivals.sort_unstable();
    arrivals
}

/// One put of each key, evenly spread over `lasts_ns`.
pub(super) fn filling(keys: u32, lasts_ns: u64) -> Vec<Arrival> {
    let at_ns = |key: u32| u64::from(key) * lasts_ns / u64::from(keys.max(1));
    (0..keys).map(|key| Arrival { at_ns: at_ns(key), key, operation: Operation::Put }).collect()
}

/// What is sent for the `n`th arrival.
pub(super) fn request(space: &Keyspace, table: &str, arrival: Arrival, n: u32) -> Request {
    let write = WriteId { client: 1, seq: n };
    match arrival.operation {
        Operation::Put => {
            Request::PutItem(PutItemInput::new(table, space.item(arrival.key, write)))
        }
        Operation::PutIf => Request::PutItem(PutItemInput {
            condition_expression: Some("attribute_exists(pk)".to_owned()),
            ..PutItemInput::new(table, space.item(arrival.key, write))
        }),
        Operation::Delete => {
            Request::DeleteItem(DeleteItemInput::new(table, space.key(arrival.key)))
        }
        Operation::GetStrong | Operation::GetEventual => Request::GetItem(GetItemInput {
            table_name: table.to_owned(),
            key: space.key(arrival.key),
            consistent_read: arrival.operation == Operation::GetStrong,
        }),
    }
}
