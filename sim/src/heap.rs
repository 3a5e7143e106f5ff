//! A heap of small keys, lowest first, in which each has four below it: they lie side by side in
//! one line of the cache, and the heap is half as deep as one of two.

/// Keys are compared as numbers.
#[derive(Default)]
pub(crate) struct Heap(Vec<u128>);

/// How many keys lie below each.
const WIDTH: usize = 4;

impl Heap {
    pub(crate) fn push(&mut self, key: u128) {
        self.0.push(key);
        self.rise(self.0.len() - 1, key);
    }

    pub(crate) fn peek(&self) -> Option<u128> {
        self.0.first().copied()
    }

    pub(crate) fn pop(&mut self) -> Option<u128> {
        let last = self.0.pop()?;
        let Some(&lowest) = self.0.first() else {
            return Some(last);
        };
        let free = self.sink();
        self.rise(free, last);
        Some(lowest)
    }

    /// Puts a key where `at` is free, or higher.
    fn rise(&mut self, mut at: usize, key: u128) {
        let keys = &mut self.0[..];
        while at > 0 {
            let above = (at - 1) / WIDTH;
            if keys[above] <= key {
                break;
            }
            keys[at] = keys[above];
            at = above;
        }
        keys[at] = key;
    }

    /// Moves the free place from the top down to where nothing is below it, by the lowest keys.
    /// What is put there was at the bottom before and mostly stays: so no step asks whether to
    /// stop, which a processor would guess wrong.
    fn sink(&mut self) -> usize {
        let keys = &mut self.0[..];
        let mut at = 0;
        loop {
            let first = at * WIDTH + 1;
            let below = match keys.get(first..first + WIDTH) {
                Some(four) => {
                    let left = usize::from(four[1] < four[0]);
                    let right = 2 + usize::from(four[3] < four[2]);
                    first + if four[right] < four[left] { right } else { left }
                }
                None => match (first..keys.len()).min_by_key(|it| keys[*it]) {
                    Some(below) => below,
                    None => return at,
                },
            };
            keys[at] = keys[below];
            at = below;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Pushes and pops against the standard library's heap.
        #[test]
        fn keys_come_lowest_first(steps in prop::collection::vec(any::<Option<u128>>(), 0..300)) {
            let (mut heap, mut model) = (Heap::default(), BinaryHeap::new());
            for step in steps {
                match step {
                    Some(key) => {
                        heap.push(key % 50);
                        model.push(Reverse(key % 50));
                    }
                    None => prop_assert_eq!(heap.pop(), model.pop().map(|it| it.0)),
                }
                prop_assert_eq!(heap.peek(), model.peek().map(|it| it.0));
            }
            while let Some(Reverse(key)) = model.pop() {
                prop_assert_eq!(heap.pop(), Some(key));
            }
            prop_assert_eq!(heap.pop(), None);
        }
    }
}
