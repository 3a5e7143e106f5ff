//! What fixes a run: a seed, and the decisions in which the run departs from it.
//!
//! How the decisions are used is `dice.rs`'s business.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128_with_seed;

/// One decision, addressed by name and number, with its raw value.
///
/// On a [`Tape`] it replaces what the seed would have given. The world also reports the
/// decisions it took in this form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// Actor and concern, as in `node-2/net.latency`.
    pub name: String,
    /// The how-manieth draw under that name, from 0.
    pub n: u64,
    /// The raw draw. 0 is the simplest outcome by convention: shortest, first, no fault.
    pub value: u64,
}

/// Everything that decides a run: the same tape gives the same events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tape {
    /// The seed of all decisions that are not overridden.
    pub seed: u64,
    /// The decisions that are. Of two for the same draw the later one counts.
    pub overrides: Vec<Override>,
}

impl Tape {
    /// The tape of a bare seed.
    pub fn new(seed: u64) -> Self {
        Self { seed, overrides: Vec::new() }
    }

    /// The raw value of draw `n` under `name`, computed from the tape alone.
    ///
    /// This is the law that a running world obeys draw by draw.
    pub fn decision(&self, name: &str, n: u64) -> u64 {
        let replaced = self.overrides.iter().rev().find(|it| it.n == n && it.name == name);
        if let Some(replaced) = replaced {
            return replaced.value;
        }
        let mut generator = generator_of(self.seed, name);
        // A draw takes one u64, which is two words of the ChaCha stream.
        generator.set_word_pos(u128::from(n) * 2);
        generator.next_u64()
    }
}

/// The generator behind one name: a ChaCha8 keyed with 256 bits of hash of seed and name.
pub(crate) fn generator_of(seed: u64, name: &str) -> ChaCha8Rng {
    let mut key = [0u8; 32];
    let low = xxh3_128_with_seed(name.as_bytes(), seed);
    let high = xxh3_128_with_seed(name.as_bytes(), !seed);
    key[..16].copy_from_slice(&low.to_le_bytes());
    key[16..].copy_from_slice(&high.to_le_bytes());
    ChaCha8Rng::from_seed(key)
}
