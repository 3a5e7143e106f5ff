//! What fixes a run: a seed, and the decisions in which the run departs from it.
//!
//! How the decisions are used is `dice.rs`'s business, how a tape is written as a line of text
//! `tape/text.rs`'s, and how a failing one is made simple `shrink.rs`'s.

mod text;

use std::ops::Range;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128_with_seed;

pub use text::TapeError;

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

/// Decisions that all have their simplest outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Muted {
    /// The names it is about; a `*` stands for any characters, none included: `*/net.loss`.
    pub names: String,
    /// The draws under each of those names, from 0.
    pub draws: Range<u64>,
}

impl Muted {
    /// All draws under these names.
    pub fn all(names: impl Into<String>) -> Self {
        Self { names: names.into(), draws: 0..u64::MAX }
    }

    /// Whether it is about this name.
    pub fn is_about(&self, name: &str) -> bool {
        matches(&self.names, name)
    }
}

/// Whether a pattern, in which `*` stands for any characters, fits a text.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(text) = text.strip_prefix(head) else {
        return false;
    };
    // The first `*` may take any number of characters.
    let starts = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    starts.into_iter().any(|at| matches(rest, &text[at..]))
}

/// Everything that decides a run: the same tape gives the same events.
///
/// It can be written and read as one line of text: `17`, or
/// `17 mute=*/net.loss mute=node-1/disk.crash[4..] set=swarm/fault-2[0]:1f`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tape {
    /// The seed of all decisions that are not named below.
    pub seed: u64,
    /// The decisions that have their simplest outcome instead, unless they are overridden.
    #[serde(default)]
    pub muted: Vec<Muted>,
    /// The decisions that have another outcome. Of two for the same draw the later one counts.
    #[serde(default)]
    pub overrides: Vec<Override>,
}

impl Tape {
    /// The tape of a bare seed.
    pub fn new(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// The raw value of draw `n` under `name`, computed from the tape alone.
    ///
    /// This is the law that a running world obeys draw by draw.
    pub fn decision(&self, name: &str, n: u64) -> u64 {
        let replaced = self.overrides.iter().rev().find(|it| it.n == n && it.name == name);
        if let Some(replaced) = replaced {
            return replaced.value;
        }
        if self.muted.iter().any(|it| it.draws.contains(&n) && it.is_about(name)) {
            return 0;
        }
        let mut generator = generator_of(&key_of(self.seed, name));
        // A draw takes one u64, which is two words of the ChaCha stream.
        generator.set_word_pos(u128::from(n) * 2);
        generator.next_u64()
    }
}

/// The key behind one name: 256 bits of hash of seed and name.
pub(crate) fn key_of(seed: u64, name: &str) -> [u32; 8] {
    let low = xxh3_128_with_seed(name.as_bytes(), seed);
    let high = xxh3_128_with_seed(name.as_bytes(), !seed);
    let word = |n: usize| {
        let half = if n < 4 { low } else { high };
        (half >> (n % 4 * 32)) as u32
    };
    std::array::from_fn(word)
}

/// The generator of a key: ChaCha8.
pub(crate) fn generator_of(key: &[u32; 8]) -> ChaCha8Rng {
    let mut seed = [0u8; 32];
    for (bytes, word) in seed.chunks_mut(4).zip(key) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    ChaCha8Rng::from_seed(seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        let fits = |pattern, text| matches(pattern, text);
        assert!(fits("node-1/net.loss", "node-1/net.loss"));
        assert!(!fits("node-1/net.loss", "node-11/net.loss"));
        assert!(fits("*/net.loss", "node-1/net.loss") && fits("node-1/*", "node-1/net.loss"));
        assert!(fits("*", "") && fits("a*b*c", "abbc") && fits("a**c", "ac"));
        assert!(!fits("*/net.loss", "node-1/net.losses") && !fits("a*b", "ac"));
    }

    #[test]
    fn muting_gives_zero_and_an_override_counts_more() {
        let mut tape = Tape::new(9);
        let before = tape.decision("a/x", 3);
        tape.muted.push(Muted { names: "a/*".into(), draws: 2..5 });
        tape.overrides.push(Override { name: "a/x".into(), n: 4, value: 7 });
        let values: Vec<u64> = (1..6).map(|n| tape.decision("a/x", n)).collect();
        assert_ne!(before, 0);
        assert_eq!((values[1], values[2], values[3]), (0, 0, 7));
        assert_ne!((values[0], values[4]), (0, 0));
        assert_ne!(tape.decision("b/x", 3), 0);
    }
}
