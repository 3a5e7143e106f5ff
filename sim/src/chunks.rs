//! A list that grows without moving what is in it, and without room to spare for as much again.

use std::ops::{Index, IndexMut};

/// How many items lie together.
const CHUNK: usize = 256;

/// Items by number, in the order in which they were added.
pub(crate) struct Chunks<T>(Vec<Vec<T>>);

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Chunks<T> {
    pub(crate) fn push(&mut self, item: T) {
        if self.len().is_multiple_of(CHUNK) {
            self.0.push(Vec::with_capacity(CHUNK));
        }
        self.0.last_mut().expect("one was added if there was none").push(item);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.last().map_or(0, |it| (self.0.len() - 1) * CHUNK + it.len())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().flatten()
    }
}

impl<T> Index<usize> for Chunks<T> {
    type Output = T;

    fn index(&self, at: usize) -> &T {
        &self.0[at / CHUNK][at % CHUNK]
    }
}

impl<T> IndexMut<usize> for Chunks<T> {
    fn index_mut(&mut self, at: usize) -> &mut T {
        &mut self.0[at / CHUNK][at % CHUNK]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_found_by_number_and_in_order() {
        let mut chunks = Chunks::default();
        for it in 0..1_000usize {
            assert_eq!(chunks.len(), it);
            chunks.push(it);
        }
        chunks[700] = 7;
        assert_eq!((chunks[0], chunks[255], chunks[256], chunks[700]), (0, 255, 256, 7));
        assert!(chunks.iter().enumerate().all(|(at, it)| *it == at || at == 700));
    }
}
