//! Writes for every partition, just when a backup is asked for.
//!
//! One arrival for each partition is a chain of two: a write to it and, because of that, one to the
//! next partition. Longer chains hop from partition to partition, each write because of the last.

use super::cluster::Shape;
use super::session::CLIENTS;
use super::workload::{Action, Arrival, Keyspace};
use stillpoint_reference::ids::HashRange;
use stillpoint_sim::Dice;

/// The arrivals of a burst come within this time from the request on: some are committed before
/// the markers, some wait behind them.
const LASTS_NS: u64 = 4_000_000;

/// For each of `count` partitions the number of a key that falls into it.
#[must_use]
pub(super) fn one_key_each(space: &Keyspace, count: u32) -> Vec<u32> {
    let ranges = HashRange::tiles(count);
    let mut keys: Vec<Option<u32>> = vec![None; ranges.len()];
    let mut missing = ranges.len();
    for number in 0u32.. {
        let primary = space.schema.key_from_map(&space.key(number)).expect("a key of the schema");
        let hash = primary.hash();
        let place = ranges.partition_point(|it| it.end < hash);
        if keys[place].replace(number).is_none() {
            missing -= 1;
        }
        if missing == 0 {
            break;
        }
    }
    keys.into_iter().flatten().collect()
}

/// Writes of all chains together, about.
const LINKS: u32 = 192;
/// Some chain is under way for this long from the request on, whenever Mark comes.
const CHAINS_LAST_NS: u64 = 300_000_000;

/// Chains of writes, each of which is made because the one before it was acknowledged. The fewer
/// there are, the longer they are, and the earlier they begin.
pub(super) fn chains(space: &Keyspace, shape: Shape, dice: &Dice) -> Vec<Arrival> {
    let keys = one_key_each(space, shape.partitions);
    let count = shape.chains_in_cut;
    let begin_ns = CHAINS_LAST_NS - CHAINS_LAST_NS / u64::from(count) + 1;
    let mut arrivals: Vec<Arrival> = (0..count)
        .map(|n| {
            let at_ns = dice.range(0..begin_ns);
            let hops = (0..LINKS.div_ceil(count)).map(|_| *dice.pick(&keys)).collect();
            let client = n % CLIENTS;
            Arrival { at_ns, action: Action::Put, key: *dice.pick(&keys), client, then: hops }
        })
        .collect();
    arrivals.sort_by_key(|it| (it.at_ns, it.client, it.key));
    arrivals
}

/// The arrivals that give each partition `shape.writes_in_cut` writes, in order of time.
pub(super) fn burst(space: &Keyspace, shape: Shape, dice: &Dice) -> Vec<Arrival> {
    let keys = one_key_each(space, shape.partitions);
    let mut arrivals = Vec::new();
    for (place, key) in keys.iter().enumerate() {
        let next = keys[(place + 1) % keys.len()];
        arrivals.extend((1..shape.writes_in_cut).map(|n| Arrival {
            at_ns: dice.range(0..LASTS_NS),
            action: Action::Put,
            key: *key,
            client: dice.range(0..u64::from(CLIENTS)) as u32,
            then: if n == 1 { vec![next] } else { Vec::new() },
        }));
    }
    arrivals.sort_by_key(|it| (it.at_ns, it.client, it.key));
    arrivals
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Size;
    use std::collections::BTreeMap;
    use stillpoint_sim::{Tape, World};

    #[test]
    fn every_partition_gets_its_writes() {
        let shape = Shape { writes_in_cut: 6, partitions: 300, ..Shape::of(Size::Standard) };
        let ranges = HashRange::tiles(shape.partitions);
        let world = World::new(Tape::new(1));
        for sorted in [true, false] {
            let space = Keyspace::new(sorted, 8);
            let mut counts: BTreeMap<usize, u32> = BTreeMap::new();
            for it in burst(&space, shape, &world.dice("test")) {
                for key in std::iter::once(&it.key).chain(&it.then) {
                    let primary = space.schema.key_from_map(&space.key(*key)).expect("a key");
                    let holds = |range: &HashRange| range.contains(primary.hash());
                    let place = ranges.iter().position(holds).expect("ranges tile all hashes");
                    *counts.entry(place).or_default() += 1;
                }
            }
            assert_eq!(counts.len(), 300);
            assert!(counts.values().all(|it| *it == 6), "{counts:?}");
        }
    }
}
