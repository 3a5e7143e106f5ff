//! Byte ranges that were written and are not on the disk yet, newest content only.

use bytes::{Bytes, BytesMut};
use std::collections::BTreeMap;

/// Ranges that do not overlap, by their offset.
#[derive(Debug, Default)]
pub(super) struct Pieces(BTreeMap<u64, Bytes>);

fn end_of(offset: u64, bytes: &Bytes) -> u64 {
    offset + bytes.len() as u64
}

/// The part of a piece at `offset` that lies in `from..to`.
fn part(offset: u64, bytes: &Bytes, from: u64, to: u64) -> (u64, Bytes) {
    let (start, end) = (from.max(offset), to.min(end_of(offset, bytes)));
    (start, bytes.slice((start - offset) as usize..(end - offset) as usize))
}

impl Pieces {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Lays `bytes` over what stood there.
    pub(super) fn write(&mut self, offset: u64, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        self.remove(offset, end_of(offset, &bytes));
        self.0.insert(offset, bytes);
    }

    /// Forgets what stands in `from..to`.
    pub(super) fn remove(&mut self, from: u64, to: u64) {
        for (offset, piece) in self.overlapping(from, to) {
            self.0.remove(&offset);
            if offset < from {
                let (at, head) = part(offset, &piece, offset, from);
                self.0.insert(at, head);
            }
            if to < end_of(offset, &piece) {
                let (at, tail) = part(offset, &piece, to, u64::MAX);
                self.0.insert(at, tail);
            }
        }
    }

    /// Lays what stands here over `out`, which is the file's content at `offset`.
    pub(super) fn patch(&self, offset: u64, out: &mut [u8]) {
        let end = offset + out.len() as u64;
        for (at, piece) in self.overlapping(offset, end) {
            let (start, bytes) = part(at, &piece, offset, end);
            let start = (start - offset) as usize;
            out[start..start + bytes.len()].copy_from_slice(&bytes);
        }
    }

    /// The piece that holds all `len` bytes at `offset`.
    pub(super) fn whole(&self, offset: u64, len: usize) -> Option<Bytes> {
        let end = offset + len as u64;
        let (&at, piece) = self.0.range(..=offset).next_back()?;
        (end <= end_of(at, piece)).then(|| part(at, piece, offset, end).1)
    }

    /// Whether anything of the `len` bytes at `offset` stands here.
    pub(super) fn touches(&self, offset: u64, len: usize) -> bool {
        let before = self.0.range(..offset + len as u64).next_back();
        before.is_some_and(|(&at, piece)| end_of(at, piece) > offset)
    }

    /// The first run of pieces without gaps between them, as one; at most about `len_max` bytes.
    pub(super) fn first_run(&self, len_max: usize) -> Option<(u64, Bytes)> {
        let mut pieces = self.0.iter();
        let (&start, first) = pieces.next()?;
        let mut run = vec![first];
        let mut end = end_of(start, first);
        for (&at, piece) in pieces {
            if at != end || (end - start) as usize + piece.len() > len_max {
                break;
            }
            run.push(piece);
            end = end_of(at, piece);
        }
        if run.len() == 1 {
            return Some((start, first.clone()));
        }
        let mut joined = BytesMut::with_capacity((end - start) as usize);
        run.into_iter().for_each(|piece| joined.extend_from_slice(piece));
        Some((start, joined.freeze()))
    }

    fn overlapping(&self, from: u64, to: u64) -> Vec<(u64, Bytes)> {
        let before = self.0.range(..from).next_back();
        let before = before.filter(|(at, piece)| end_of(**at, piece) > from);
        let inside = self.0.range(from..to.max(from));
        before.into_iter().chain(inside).map(|(at, piece)| (*at, piece.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LEN: usize = 48;

    fn written() -> impl Strategy<Value = Vec<(usize, usize, u8, bool)>> {
        proptest::collection::vec((0..LEN, 0..16usize, 1..=255u8, any::<bool>()), 0..24)
    }

    proptest! {
        /// Pieces against an array; a zero stands for "not written".
        #[test]
        fn pieces_are_a_sparse_array(steps in written(), max in 1..32usize) {
            let mut model = [0u8; LEN];
            let mut pieces = Pieces::default();
            for (at, len, value, write) in steps {
                let end = (at + len).min(LEN);
                let value = if write { value } else { 0 };
                model[at..end].fill(value);
                if write {
                    pieces.write(at as u64, Bytes::from(vec![value; end - at]));
                } else {
                    pieces.remove(at as u64, end as u64);
                }
            }
            let mut seen = [0u8; LEN];
            pieces.patch(0, &mut seen);
            prop_assert_eq!(seen, model);
            for (at, len) in (0..LEN).flat_map(|at| [1, 3, 9].map(|len| (at, len))) {
                let written = model[at..(at + len).min(LEN)].iter().any(|&value| value != 0);
                prop_assert_eq!(pieces.touches(at as u64, len), written);
                if let Some(found) = pieces.whole(at as u64, len) {
                    prop_assert_eq!(&found[..], &model[at..at + len]);
                }
            }
            let mut taken = [0u8; LEN];
            while let Some((at, run)) = pieces.first_run(max) {
                taken[at as usize..at as usize + run.len()].copy_from_slice(&run);
                pieces.remove(at, at + run.len() as u64);
            }
            prop_assert_eq!(taken, model);
        }
    }
}
