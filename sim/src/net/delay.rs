//! How long a datagram takes: distributions, drawn in integers, shortest for raw 0.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::dice::{LOG2_DIGITS, StreamId, Streams, minus_log2, scale};

/// A distribution of delays, in nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Delay {
    /// Evenly spread.
    Uniform(Range<u64>),
    /// The shortest, and on top of it an exponentially distributed part: a few take long.
    Exponential {
        /// The shortest.
        min_ns: u64,
        /// The mean of the part on top.
        mean_ns: u64,
        /// The longest: what is drawn above it is as long as this.
        max_ns: u64,
    },
    /// Mostly the one, now and then the other, as over two ways.
    Bimodal {
        /// Evenly spread, in most cases.
        usual: Range<u64>,
        /// Evenly spread, in the others.
        slow: Range<u64>,
        /// Of a thousand, how many are slow.
        slow_per_mille: u64,
    },
}

impl From<Range<u64>> for Delay {
    fn from(range: Range<u64>) -> Self {
        Self::Uniform(range)
    }
}

impl Delay {
    /// From the shortest to the longest there is.
    #[must_use]
    pub fn bounds_ns(&self) -> Range<u64> {
        match self {
            Self::Uniform(range) => range.clone(),
            Self::Exponential { min_ns, max_ns, .. } => *min_ns..max_ns + 1,
            Self::Bimodal { usual, slow, .. } => {
                usual.start.min(slow.start)..usual.end.max(slow.end)
            }
        }
    }

    /// The ranges from which it is drawn evenly.
    pub(crate) fn ranges(&self) -> Vec<&Range<u64>> {
        match self {
            Self::Uniform(range) => vec![range],
            Self::Exponential { .. } => Vec::new(),
            Self::Bimodal { usual, slow, .. } => vec![usual, slow],
        }
    }

    /// The same distribution with everything so many times as long.
    #[must_use]
    pub fn times(&self, times: u64) -> Self {
        let scaled = |it: &Range<u64>| it.start * times..it.end * times;
        match self {
            Self::Uniform(range) => Self::Uniform(scaled(range)),
            Self::Exponential { min_ns, mean_ns, max_ns } => Self::Exponential {
                min_ns: min_ns * times,
                mean_ns: mean_ns * times,
                max_ns: max_ns * times,
            },
            Self::Bimodal { usual, slow, slow_per_mille } => Self::Bimodal {
                usual: scaled(usual),
                slow: scaled(slow),
                slow_per_mille: *slow_per_mille,
            },
        }
    }

    /// One draw of a stream, whatever the distribution.
    #[inline]
    pub(super) fn draw(&self, stream: StreamId, dice: &mut Streams) -> u64 {
        match self {
            Self::Uniform(range) => dice.range(stream, range),
            other => other.of_raw(dice.raw(stream)),
        }
    }

    /// The delay that a raw value stands for: the larger the value, the longer.
    fn of_raw(&self, raw: u64) -> u64 {
        match self {
            Self::Uniform(range) => within(range, raw),
            Self::Exponential { min_ns, mean_ns, max_ns } => {
                let extra_ns = (u128::from(*mean_ns) * u128::from(minus_ln(raw))) >> 32;
                let extra_ns = u64::try_from(extra_ns).unwrap_or(u64::MAX);
                min_ns.saturating_add(extra_ns).min(*max_ns)
            }
            Self::Bimodal { usual, slow, slow_per_mille } => {
                // The raw values from here on are slow ones; both parts are spread to all of 2^64.
                let from = (u128::from(1_000 - slow_per_mille.min(&1_000)) << 64) / 1_000;
                let raw = u128::from(raw);
                match raw < from {
                    true => within(usual, ((raw << 64) / from.max(1)) as u64),
                    false => within(slow, (((raw - from) << 63) / ((1 << 64) - from) * 2) as u64),
                }
            }
        }
    }
}

fn within(range: &Range<u64>, raw: u64) -> u64 {
    assert!(range.start < range.end, "a delay from the empty range {range:?}");
    range.start + scale(raw, range.end - range.start)
}

/// ln 2 in units of 2^-32.
const LN_2: u128 = 2_977_044_472;

/// -ln(1 - raw / 2^64) in units of 2^-32.
fn minus_ln(raw: u64) -> u64 {
    if raw == 0 {
        return 0;
    }
    ((u128::from(minus_log2(raw.wrapping_neg())) * LN_2) >> LOG2_DIGITS) as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EXPONENTIAL: Delay =
        Delay::Exponential { min_ns: 1_000, mean_ns: 1_000_000, max_ns: 20_000_000 };
    const BIMODAL: Delay =
        Delay::Bimodal { usual: 100..200, slow: 5_000..6_000, slow_per_mille: 250 };

    proptest! {
        #[test]
        fn the_logarithm_is_right_to_nine_digits(raw in 0..u64::MAX - (1 << 20)) {
            let exact = -(1.0 - raw as f64 / 2f64.powi(64)).ln();
            let ours = minus_ln(raw) as f64 / 2f64.powi(32);
            prop_assert!((exact - ours).abs() < 2e-9 + exact * 1e-9, "{exact} {ours}");
        }

        #[test]
        fn a_larger_raw_value_is_never_a_shorter_delay(a: u64, b: u64) {
            for delay in [(3..77).into(), EXPONENTIAL, BIMODAL] {
                prop_assert!(delay.of_raw(a.min(b)) <= delay.of_raw(a.max(b)));
            }
        }
    }

    #[test]
    fn zero_is_the_shortest_and_the_largest_the_longest() {
        let ends = |it: Delay| (it.of_raw(0), it.of_raw(u64::MAX));
        assert_eq!(ends((3..77).into()), (3, 76));
        assert_eq!(ends(EXPONENTIAL), (1_000, 20_000_000));
        assert_eq!(ends(BIMODAL), (100, 5_999));
    }

    /// Evenly spaced raw values show the distribution itself.
    #[test]
    fn means_and_shares_are_as_set() {
        let raws = || (0..1_000).map(|it| it * (u64::MAX / 1_000));
        let mean: u64 = raws().map(|it| EXPONENTIAL.of_raw(it)).sum::<u64>() / 1_000;
        assert!((990_000..1_002_000).contains(&mean), "{mean}");
        let slow = raws().filter(|&it| BIMODAL.of_raw(it) >= 5_000).count();
        assert!((249..=251).contains(&slow), "{slow}");
    }
}
