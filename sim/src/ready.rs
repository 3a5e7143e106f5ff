//! The tasks that are ready, by their priorities.
//!
//! Tasks come in batches, all those whom the events of an instant woke, and then now and then
//! one whom another task woke. A batch is sorted once, which is cheaper than a heap; a large one
//! is dealt out by the first bits of its keys before, which drawn priorities spread evenly.

use std::mem::replace;

use crate::heap::Heap;

/// Fewer tasks than that go into the heap at once.
const BATCH_MIN: usize = 6;

/// From so many tasks on they are dealt out.
const DEALT_MIN: usize = 64;

/// At most so many places they are dealt to, one per task otherwise.
const PLACES_MAX: usize = 1 << 12;

/// Keys, of which the lowest comes first.
#[derive(Default)]
pub(crate) struct Ready {
    /// The highest first, so that the lowest is taken from the end.
    batch: Vec<u128>,
    /// For each place where in the batch it ends; kept for its memory.
    ends: Vec<u32>,
    late: Heap,
}

impl Ready {
    /// Adds all of `keys`, which is empty then.
    pub(crate) fn append(&mut self, keys: &mut Vec<u128>) {
        if keys.len() >= BATCH_MIN && self.batch.is_empty() {
            self.sort_into_batch(keys);
        } else {
            keys.drain(..).for_each(|it| self.late.push(it));
        }
    }

    fn sort_into_batch(&mut self, keys: &mut Vec<u128>) {
        if keys.len() < DEALT_MIN {
            std::mem::swap(&mut self.batch, keys);
            return self.batch.sort_unstable_by(|a, b| b.cmp(a));
        }
        let places = keys.len().next_power_of_two().min(PLACES_MAX);
        let unused_bits = u128::BITS - places.ilog2();
        // The highest first.
        let place = |key: u128| places - 1 - (key >> unused_bits) as usize;
        self.ends.clear();
        self.ends.resize(places, 0);
        keys.iter().for_each(|it| self.ends[place(*it)] += 1);
        let mut before = 0;
        for end in &mut self.ends {
            before += replace(end, before);
        }
        self.batch.resize(keys.len(), 0);
        for key in keys.drain(..) {
            let end = &mut self.ends[place(key)];
            self.batch[*end as usize] = key;
            *end += 1;
        }
        let mut begin = 0;
        for &end in &self.ends {
            let end = end as usize;
            if end - begin > 1 {
                self.batch[begin..end].sort_unstable_by(|a, b| b.cmp(a));
            }
            begin = end;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.batch.is_empty() && self.late.peek().is_none()
    }

    /// Takes the lowest key.
    pub(crate) fn pop(&mut self) -> Option<u128> {
        match (self.batch.last(), self.late.peek()) {
            (Some(&lowest), Some(late)) if late < lowest => self.late.pop(),
            (None, _) => self.late.pop(),
            _ => self.batch.pop(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// A batch of any size, of keys that are spread in any way.
        #[test]
        fn large_batches_are_sorted(
            keys in prop::collection::vec(any::<u128>(), 0..600),
            shift in 0..128u32,
        ) {
            let mut keys: Vec<u128> = keys.into_iter().map(|it| it >> shift).collect();
            let (mut ready, mut model) = (Ready::default(), keys.clone());
            model.sort_unstable();
            ready.append(&mut keys);
            let popped: Vec<u128> = std::iter::from_fn(|| ready.pop()).collect();
            prop_assert_eq!(popped, model);
        }

        /// Batches and pops against a sorted list.
        #[test]
        fn keys_come_lowest_first(
            steps in prop::collection::vec((prop::collection::vec(0..50u128, 0..20), 0..15), 0..9),
        ) {
            let (mut ready, mut model) = (Ready::default(), Vec::new());
            for (mut keys, pops) in steps {
                model.extend(keys.iter().copied());
                model.sort_unstable_by(|a, b| b.cmp(a));
                ready.append(&mut keys);
                prop_assert!(keys.is_empty());
                for _ in 0..pops {
                    prop_assert_eq!(ready.pop(), model.pop());
                }
            }
            while let Some(key) = model.pop() {
                prop_assert_eq!(ready.pop(), Some(key));
            }
            prop_assert_eq!(ready.pop(), None);
        }
    }
}
