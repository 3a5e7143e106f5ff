//! Which blocks came before which, from the earliest answer and the latest call of each.

use super::chains::Chains;
use crate::oracle::span::{Edge, Span};

/// The two times of a block that order it against others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Zone {
    pub(super) first_answer: Edge,
    pub(super) last_call: Edge,
}

impl Zone {
    /// Whether the block was certainly there for a while, and nothing else then.
    pub(super) fn closed(&self) -> bool {
        self.first_answer.at < self.last_call.at
    }
}

/// The zones of one key's blocks, sorted so that the bounds which other blocks put on one block
/// are found without looking at all of them.
pub(super) struct Zones {
    /// First answers in order; with each the two latest last calls up to there.
    by_answer: Vec<(u64, TopTwo)>,
    /// Last calls in order; with each the two earliest first answers from there.
    by_call: Vec<(u64, TopTwo)>,
    /// The closed zones in order; they are disjoint.
    closed: Vec<Span>,
}

/// The two extreme edges of a set of blocks: the second serves the block that is the first.
type TopTwo = [(Edge, Option<usize>); 2];

impl Zones {
    /// Sorts the zones.
    ///
    /// # Errors
    /// Two operations that each prove that the other's block came first.
    pub(super) fn new(chains: &Chains) -> Result<Self, Vec<u32>> {
        let zones: Vec<(usize, Zone)> =
            chains.blocks().map(|block| (block, chains.zone(block))).collect();
        let mut closed: Vec<Span> = zones
            .iter()
            .filter(|(_, zone)| zone.closed())
            .map(|(_, zone)| Span { from: zone.first_answer, until: zone.last_call })
            .collect();
        closed.sort_unstable_by_key(|span| span.from);
        let this = Self { by_answer: by_answer(&zones), by_call: by_call(&zones), closed };
        for &(block, zone) in &zones {
            if this.around(Some(block), zone).is_none() {
                let other = this.latest_call_before(Some(block), zone);
                return Err(vec![other.by, zone.first_answer.by]);
            }
        }
        Ok(this)
    }

    /// The closed zones, in order.
    pub(super) fn closed(&self) -> &[Span] {
        &self.closed
    }

    /// The instants that other blocks leave to the states of a block with this zone; `block` is
    /// the block that it replaces. `None` if another block had to come both before and after.
    pub(super) fn around(&self, block: Option<usize>, zone: Zone) -> Option<Span> {
        let from = self.latest_call_before(block, zone);
        if from.at > zone.first_answer.at {
            return None;
        }
        let place = self.by_call.partition_point(|&(call, _)| call <= zone.first_answer.at);
        let until = self.by_call.get(place).map_or(Edge::NEVER, |(_, top)| other(top, block));
        Some(Span { from, until })
    }

    /// The latest call in blocks that were answered before this one was last called.
    fn latest_call_before(&self, block: Option<usize>, zone: Zone) -> Edge {
        let place = self.by_answer.partition_point(|&(answer, _)| answer < zone.last_call.at);
        let before = place.checked_sub(1).map(|place| &self.by_answer[place].1);
        before.map_or(Edge::START, |top| other(top, block))
    }
}

fn other(top: &TopTwo, block: Option<usize>) -> Edge {
    if block.is_some() && top[0].1 == block { top[1].0 } else { top[0].0 }
}

fn by_answer(zones: &[(usize, Zone)]) -> Vec<(u64, TopTwo)> {
    let mut sorted = zones.to_vec();
    sorted.sort_unstable_by_key(|(_, zone)| zone.first_answer);
    let mut top: TopTwo = [(Edge::START, None); 2];
    let step = |(block, zone): (usize, Zone)| {
        if zone.last_call.at > top[0].0.at {
            top = [(zone.last_call, Some(block)), top[0]];
        } else if zone.last_call.at > top[1].0.at {
            top[1] = (zone.last_call, Some(block));
        }
        (zone.first_answer.at, top)
    };
    sorted.into_iter().map(step).collect()
}

fn by_call(zones: &[(usize, Zone)]) -> Vec<(u64, TopTwo)> {
    let mut sorted = zones.to_vec();
    sorted.sort_unstable_by_key(|(_, zone)| std::cmp::Reverse(zone.last_call));
    let mut top: TopTwo = [(Edge::NEVER, None); 2];
    let step = |(block, zone): (usize, Zone)| {
        if zone.first_answer.at < top[0].0.at {
            top = [(zone.first_answer, Some(block)), top[0]];
        } else if zone.first_answer.at < top[1].0.at {
            top[1] = (zone.first_answer, Some(block));
        }
        (zone.last_call.at, top)
    };
    let mut sorted: Vec<_> = sorted.into_iter().map(step).collect();
    sorted.reverse();
    sorted
}
