//! The blocks of a stream: ChaCha with eight rounds, computed one by one wherever they are wanted.
//!
//! A generator that keeps its place takes a third of a kilobyte, but computes four blocks in the
//! time of one: so the busy streams of a small world have one, and those of a large world, whose
//! memory is the slower part, have only their keys. That both give the same numbers is the law
//! of [`Tape::decision`](crate::Tape::decision), which asks the generator.

/// Draws that a block gives: one line of the cache.
pub(super) const BLOCK_DRAWS: usize = 8;

/// The first row of the state: "expand 32-byte k" (RFC 8439, section 2.3).
const CONSTANTS: Row = [0x6170_7865, 0x3320_646E, 0x7962_2D32, 0x6B20_6574];

/// Four words that are worked on side by side.
type Row = [u32; 4];

/// Two of the eight rounds each.
const DOUBLE_ROUNDS: usize = 4;

/// What the stream of a key gives for draws `8 * number` and the seven after it.
pub(super) fn block(key: &[u32; 8], number: u64) -> [u64; BLOCK_DRAWS] {
    let [k0, k1, k2, k3, k4, k5, k6, k7] = *key;
    let begin: [Row; 4] = [
        CONSTANTS,
        [k0, k1, k2, k3],
        [k4, k5, k6, k7],
        [number as u32, (number >> 32) as u32, 0, 0],
    ];
    let mut rows = begin;
    for _ in 0..DOUBLE_ROUNDS {
        round(&mut rows);
        rotate_rows(&mut rows, 1);
        round(&mut rows);
        rotate_rows(&mut rows, 3);
    }
    for (row, before) in rows.iter_mut().zip(begin) {
        *row = add(*row, before);
    }
    let words = rows.as_flattened();
    std::array::from_fn(|n| u64::from(words[2 * n]) | u64::from(words[2 * n + 1]) << 32)
}

/// A quarter round on each column (RFC 8439, section 2.1).
#[inline(always)]
fn round([a, b, c, d]: &mut [Row; 4]) {
    *a = add(*a, *b);
    *d = turn(*d, *a, 16);
    *c = add(*c, *d);
    *b = turn(*b, *c, 12);
    *a = add(*a, *b);
    *d = turn(*d, *a, 8);
    *c = add(*c, *d);
    *b = turn(*b, *c, 7);
}

/// Puts the diagonals where the columns are, and with `3` for `1` back.
#[inline(always)]
fn rotate_rows([_, b, c, d]: &mut [Row; 4], by: usize) {
    b.rotate_left(by);
    c.rotate_left(2);
    d.rotate_left(4 - by);
}

#[inline(always)]
fn add(a: Row, b: Row) -> Row {
    std::array::from_fn(|n| a[n].wrapping_add(b[n]))
}

#[inline(always)]
fn turn(a: Row, b: Row, by: u32) -> Row {
    std::array::from_fn(|n| (a[n] ^ b[n]).rotate_left(by))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand_chacha::rand_core::Rng;

    use super::*;
    use crate::tape::generator_of;

    proptest! {
        #[test]
        fn a_block_is_what_the_generator_gives(key: [u32; 8], number: u64) {
            let mut generator = generator_of(&key);
            generator.set_word_pos(u128::from(number) * 16);
            let expected: Vec<u64> = (0..BLOCK_DRAWS).map(|_| generator.next_u64()).collect();
            prop_assert_eq!(block(&key, number).to_vec(), expected);
        }
    }
}
