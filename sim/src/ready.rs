//! The tasks that are ready, by their priorities.
//!
//! Tasks come in batches, all those whom the events of an instant woke, and then now and then
//! one whom another task woke. A batch is sorted once, which is cheaper than a heap.

use crate::heap::Heap;

/// Fewer tasks than that go into the heap at once.
const BATCH_MIN: usize = 6;

/// Keys, of which the lowest comes first.
#[derive(Default)]
pub(crate) struct Ready {
    /// The highest first, so that the lowest is taken from the end.
    batch: Vec<u128>,
    late: Heap,
}

impl Ready {
    /// Adds all of `keys`, which is empty then.
    pub(crate) fn append(&mut self, keys: &mut Vec<u128>) {
        if keys.len() >= BATCH_MIN && self.batch.is_empty() {
            std::mem::swap(&mut self.batch, keys);
            self.batch.sort_unstable_by(|a, b| b.cmp(a));
        } else {
            keys.drain(..).for_each(|it| self.late.push(it));
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
