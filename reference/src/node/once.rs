//! Each message once, over a network that may deliver it twice.
//!
//! Loss is harmless: whoever needs an answer asks again. Repetition is not: a write that is carried
//! out twice is two writes. On a stream the transport would see to this; on datagrams we do.

use crate::env::Address;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// How many numbers behind the newest one are told apart; older messages count as lost. A sender
/// numbers what it sends to all, so this is what it sends to everybody while one message is late:
/// tens of milliseconds' worth in the thickest burst. A power of two.
const WINDOW: u64 = 1 << 16;
/// How many requests of clients are remembered.
const REQUESTS_MAX: usize = 1 << 16;

/// The numbers that arrived from one sender lately.
#[derive(Debug)]
struct Window {
    newest: u64,
    /// One bit for each number of the window, by the number modulo [`WINDOW`].
    seen: Vec<u64>,
}

impl Default for Window {
    fn default() -> Self {
        Self { newest: 0, seen: vec![0; (WINDOW / 64) as usize] }
    }
}

impl Window {
    fn is_first(&mut self, number: u64) -> bool {
        if number + WINDOW <= self.newest {
            return false;
        }
        // Numbers that the window moves on to were not seen, whatever their bits stood for before.
        for passed in (self.newest + 1..=number).take(WINDOW as usize) {
            let (word, bit) = Self::place(passed);
            self.seen[word] &= !bit;
        }
        self.newest = self.newest.max(number);
        let (word, bit) = Self::place(number);
        let first = self.seen[word] & bit == 0;
        self.seen[word] |= bit;
        first
    }

    /// The word and the bit in it that stand for a number.
    fn place(number: u64) -> (usize, u64) {
        let at = number % WINDOW;
        ((at / 64) as usize, 1 << (at % 64))
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
    use proptest::prelude::*;

    #[test]
    fn what_is_repeated_is_dropped_in_any_order() {
        let (mut once, from) = (Once::default(), Address::Node(NodeId(1)));
        for number in [1, 3, 2, 900, WINDOW + 1] {
            assert!(once.is_first_envelope(from, 1, number), "{number}");
            assert!(!once.is_first_envelope(from, 1, number), "{number} again");
        }
        assert!(!once.is_first_envelope(from, 1, 1), "too old to tell");
        assert!(!once.is_first_envelope(from, 1, 2), "remembered");
        assert!(once.is_first_envelope(from, 1, 4), "late, but within the window");
        assert!(once.is_first_envelope(Address::Node(NodeId(2)), 1, 4), "another sender");
    }

    /// With a window of 1,024 an answer that was ten milliseconds late in a burst counted as lost,
    /// and whoever waited for it waited for seconds.
    #[test]
    fn what_a_burst_overtakes_is_not_lost() {
        let (mut once, from) = (Once::default(), Address::Node(NodeId(1)));
        (1..=50_000).for_each(|number| assert!(once.is_first_envelope(from, 1, number)));
        assert!(once.is_first_envelope(from, 1, 0));
    }

    proptest! {
        /// Against a set that forgets nothing.
        #[test]
        fn every_number_within_the_window_is_first_once(
            numbers in prop::collection::vec(0..3 * WINDOW, 1..200),
        ) {
            let (mut window, mut all, mut newest) = (Window::default(), BTreeSet::new(), 0);
            for number in numbers {
                let fits = number + WINDOW > newest;
                prop_assert_eq!(window.is_first(number), fits && all.insert(number));
                newest = newest.max(number);
            }
        }
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
