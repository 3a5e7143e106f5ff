//! One stream of draws: what of it is at hand, and how more is had.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

use super::block::{BLOCK_DRAWS, block};
use super::names::Name;
use crate::tape::{generator_of, key_of};

/// Draws that are taken from a block at a time, beside the one that is asked for.
const AHEAD: usize = BLOCK_DRAWS - 1;

/// What nearly every draw needs of its stream, and no more: one line of the cache.
#[repr(align(64))]
pub(super) struct Hot {
    /// How many draws there were, whether the tape departs from the seed in the next or a later
    /// one (one bit), and how many draws are here (three bits).
    count: u64,
    /// The next draws of the seed, the last of them first. None that the tape replaces.
    ahead: [u64; AHEAD],
}

const LEFT: u64 = 7;
const DEPARTS: u64 = 8;
const ONE_DRAWN: u64 = 16;

impl Hot {
    pub(super) fn new(departs: bool) -> Self {
        Self { count: if departs { DEPARTS } else { 0 }, ahead: [0; AHEAD] }
    }

    pub(super) fn drawn(&self) -> u64 {
        self.count / ONE_DRAWN
    }

    fn left(&self) -> usize {
        (self.count & LEFT) as usize
    }

    pub(super) fn departs(&self) -> bool {
        self.count & DEPARTS != 0
    }

    pub(super) fn set_departs(&mut self, departs: bool) {
        self.count = self.count & !DEPARTS | if departs { DEPARTS } else { 0 };
    }

    /// The next draw, if it is here.
    pub(super) fn take(&mut self) -> Option<u64> {
        let left = self.left().checked_sub(1)?;
        self.count += ONE_DRAWN - 1;
        Some(self.ahead[left])
    }

    /// Counts a draw that is not wanted.
    pub(super) fn skip(&mut self) {
        self.count += if self.left() > 0 { ONE_DRAWN - 1 } else { ONE_DRAWN };
    }

    /// Takes in what comes next.
    fn fill(&mut self, next: &[u64]) {
        debug_assert_eq!(self.left(), 0, "draws would be lost");
        self.count += next.len() as u64;
        self.ahead.iter_mut().zip(next.iter().rev()).for_each(|(to, from)| *to = *from);
    }
}

/// A stream from which so much was drawn is busy.
const BUSY_DRAWS: u64 = 64;

/// The busy streams of a world that keep a generator: those that are busy first.
pub(super) const GENERATORS_MAX: usize = 1_024;

/// The rest of a stream, wanted once in a block.
pub(super) struct Stream {
    key: [u32; 8],
    pub(super) name: Name,
    generator: Option<Box<ChaCha8Rng>>,
}

impl Stream {
    /// The stream of a name, which is given as text too.
    pub(super) fn new(seed: u64, name: Name, text: &str) -> Self {
        Self { key: key_of(seed, text), name, generator: None }
    }

    /// The next draw, of which nothing is at hand, and takes others ahead, `ahead_max` at most.
    /// So many generators may still be made in this world.
    pub(super) fn refill(
        &mut self,
        hot: &mut Hot,
        ahead_max: usize,
        generators_left: &mut usize,
    ) -> u64 {
        let n = hot.drawn();
        if n >= BUSY_DRAWS && self.generator.is_none() && *generators_left > 0 {
            self.generator = Some(Box::new(generator_of(&self.key)));
            *generators_left -= 1;
        }
        let (value, ahead, len) = self.from(n);
        hot.skip();
        hot.fill(&ahead[..len.min(ahead_max)]);
        value
    }

    /// The seed's value for draw `place`, whose blocks are counted in 64 bits.
    pub(super) fn at(&self, place: u128) -> u64 {
        let draws = BLOCK_DRAWS as u128;
        block(&self.key, (place / draws) as u64)[(place % draws) as usize]
    }

    /// The seed's value for draw `n`, and those that come after it as far as they are at hand.
    fn from(&mut self, n: u64) -> (u64, [u64; AHEAD], usize) {
        let Some(generator) = &mut self.generator else {
            let at = (n % BLOCK_DRAWS as u64) as usize;
            let values = block(&self.key, n / BLOCK_DRAWS as u64);
            let mut ahead = [0; AHEAD];
            ahead[..AHEAD - at].copy_from_slice(&values[at + 1..]);
            return (values[at], ahead, AHEAD - at);
        };
        // A draw takes one u64, which is two words of the ChaCha stream.
        let place = u128::from(n) * 2;
        if generator.get_word_pos() != place {
            generator.set_word_pos(place);
        }
        (generator.next_u64(), std::array::from_fn(|_| generator.next_u64()), AHEAD)
    }
}
