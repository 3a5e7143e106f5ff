//! Each message once, over a network that may deliver it twice.
//!
//! Loss is harmless: whoever needs an answer asks again. Repetition is not: a write that is carried
//! out twice is two writes. On a stream the transport would see to this; on datagrams we do.

use crate::env::Address;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// How many numbers behind the newest one are told apart; older messages count as lost.
const WINDOW: u64 = 1_024;
/// How many requests of clients are remembered.
const REQUESTS_MAX: usize = 4_096;

/// The numbers that arrived from one sender lately.
#[derive(Debug, Default)]
struct Window {
    newest: u64,
    seen: BTreeSet<u64>,
}

impl Window {
    fn is_first(&mut self, number: u64) -> bool {
        if number + WINDOW <= self.newest {
            return false;
        }
        self.newest = self.newest.max(number);
        let floor = self.newest.saturating_sub(WINDOW);
        while self.seen.first().is_some_and(|it| *it <= floor && *it != number) {
            self.seen.pop_first();
        }
        self.seen.insert(number)
    }
}

/// What has arrived, from nodes and from clients.
#[derive(Debug, Default)]
pub(super) struct Once {
    nodes: BTreeMap<(Address, u64), Window>,
    requests: BTreeSet<(Address, u64)>,
    order: VecDeque<(Address, u64)>,
}

impl Once {
    /// Whether the envelope of this number, from this life of a node, arrives for the first time.
    pub(super) fn is_first_envelope(
        &mut self,
        from: Address,
        incarnation: u64,
        number: u64,
    ) -> bool {
        // Earlier lives are over: what still arrives from them is as good as lost.
        let newest = self.nodes.range((from, 0)..=(from, u64::MAX)).next_back();
        if newest.is_some_and(|((_, life), _)| *life > incarnation) {
            return false;
        }
        self.nodes.retain(|(node, life), _| *node != from || *life == incarnation);
        self.nodes.entry((from, incarnation)).or_default().is_first(number)
    }

    /// Whether the request of this number arrives for the first time.
    pub(super) fn is_first_request(&mut self, from: Address, id: u64) -> bool {
        let first = self.requests.insert((from, id));
        if first {
            self.order.push_back((from, id));
            if self.order.len() > REQUESTS_MAX
                && let Some(oldest) = self.order.pop_front()
            {
                self.requests.remove(&oldest);
            }
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::NodeId;

    #[test]
    fn what_is_repeated_is_dropped_in_any_order() {
        let (mut once, from) = (Once::default(), Address::Node(NodeId(1)));
        for number in [1, 3, 2, 900, 1_025] {
            assert!(once.is_first_envelope(from, 1, number), "{number}");
            assert!(!once.is_first_envelope(from, 1, number), "{number} again");
        }
        assert!(!once.is_first_envelope(from, 1, 1), "too old to tell");
        assert!(!once.is_first_envelope(from, 1, 2), "remembered");
        assert!(once.is_first_envelope(from, 1, 4), "late, but within the window");
        assert!(once.is_first_envelope(Address::Node(NodeId(2)), 1, 4), "another sender");
    }

    #[test]
    fn a_new_life_counts_anew_and_the_old_one_is_over() {
        let (mut once, from) = (Once::default(), Address::Node(NodeId(1)));
        assert!(once.is_first_envelope(from, 1, 7));
        assert!(once.is_first_envelope(from, 2, 7));
        assert!(!once.is_first_envelope(from, 1, 8));
    }

    #[test]
    fn requests_are_remembered_up_to_a_bound() {
        let (mut once, from) = (Once::default(), Address::Client(1));
        assert!(once.is_first_request(from, 0));
        assert!(!once.is_first_request(from, 0));
        (1..=REQUESTS_MAX as u64).for_each(|id| assert!(once.is_first_request(from, id)));
        assert_eq!(once.requests.len(), REQUESTS_MAX);
    }
}
