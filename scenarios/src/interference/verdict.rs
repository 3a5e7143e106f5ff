//! From the figures of many seeds to a verdict: is a quantile with backups what it is without?
//!
//! Each seed gives one ratio per operation and quantile, since its arms have the same load and the
//! same machines. What is judged is the mean of the logarithms of these ratios, with the interval
//! of Student's t at 95 %: the whole interval must lie within the bound.

use std::collections::BTreeMap;

use super::{ACKNOWLEDGED_MIN, Arm, ArmReport, OPERATIONS, Operation};

/// A hold may last so long, in nanoseconds.
const HOLD_NS_MAX: u64 = 5_000_000;

/// Student's t, 97.5 %, for 1 to 30 degrees of freedom (NIST/SEMATECH e-Handbook of Statistical
/// Methods, 1.3.6.7.2).
const T_975: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
    2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
    2.052, 2.048, 2.045, 2.042,
];

/// A point of a distribution of latencies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Quantile {
    /// Half of all operations are answered sooner.
    P50,
    /// 99 of 100.
    P99,
    /// 999 of 1,000.
    P999,
    /// The slowest; reported, not bounded.
    Max,
}

impl Quantile {
    /// All of them, in order.
    pub const ALL: [Self; 4] = [Self::P50, Self::P99, Self::P999, Self::Max];

    /// What it is called in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::P50 => "p50",
            Self::P99 => "p99",
            Self::P999 => "p99.9",
            Self::Max => "max",
        }
    }

    /// Its value in an arm, in nanoseconds.
    #[must_use]
    pub fn of(self, report: &ArmReport, operation: Operation) -> u64 {
        let histogram = &report.latencies[&operation];
        match self {
            Self::P50 => histogram.value_at_quantile(0.50),
            Self::P99 => histogram.value_at_quantile(0.99),
            Self::P999 => histogram.value_at_quantile(0.999),
            Self::Max => histogram.max(),
        }
    }

    /// How far the ratio may be from 1: for writes what users are promised; for reads what a
    /// histogram of three digits can tell apart, since a hold does not concern them.
    #[must_use]
    pub fn bound(self, operation: Operation) -> Option<f64> {
        match (self, operation.reads()) {
            (Self::Max, _) => None,
            (Self::P50 | Self::P99, false) => Some(0.01),
            (Self::P999, false) => Some(0.05),
            (Self::P50, true) => Some(0.001),
            (Self::P99, true) => Some(0.005),
            (Self::P999, true) => Some(0.02),
        }
    }
}

/// A quantile of an operation in two arms, over all seeds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// The operation.
    pub operation: Operation,
    /// The quantile.
    pub quantile: Quantile,
    /// Geometric mean over the seeds of the first arm, in nanoseconds.
    pub first_ns: f64,
    /// The same of the second arm.
    pub second_ns: f64,
    /// First to second: geometric mean of the seeds' ratios, and the ends of its 95 % interval.
    pub ratio: (f64, f64, f64),
    /// How far from 1 the interval may reach, if there is a bound.
    pub bound: Option<f64>,
}

impl Comparison {
    /// Whether the interval lies within the bound. What has no bound keeps it.
    #[must_use]
    pub fn kept(&self) -> bool {
        let (_, low, high) = self.ratio;
        self.bound.is_none_or(|bound| low >= 1.0 - bound && high <= 1.0 + bound)
    }
}

/// Something that was demanded, in words, and whether it was so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// What was demanded and what was found.
    pub what: String,
    /// Whether it was kept.
    pub kept: bool,
}

/// What the figures of all seeds say.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// With backups to without, bounded.
    pub backups: Vec<Comparison>,
    /// With archiving to without: what backups cost while nobody takes one; not bounded.
    pub archive: Vec<Comparison>,
    /// The bounds that are no ratios.
    pub others: Vec<Bound>,
    /// The fewest operations that any arm acknowledged.
    pub acknowledged_min: u64,
    /// Seeds that were compared.
    pub seeds: usize,
}

impl Judgement {
    /// Whether there was enough to judge by: two seeds, for an interval, and in each arm enough
    /// operations.
    #[must_use]
    pub fn conclusive(&self) -> bool {
        self.seeds >= 2 && self.acknowledged_min >= ACKNOWLEDGED_MIN
    }

    /// Whether every bound was kept.
    #[must_use]
    pub fn kept(&self) -> bool {
        self.backups.iter().all(Comparison::kept) && self.others.iter().all(|it| it.kept)
    }
}

/// All arms of one seed.
pub type Arms = BTreeMap<Arm, ArmReport>;

/// Compares the arms of these seeds.
#[must_use]
pub fn judge(seeds: &[Arms]) -> Judgement {
    let reports = || seeds.iter().flat_map(BTreeMap::values);
    Judgement {
        backups: compare_all(seeds, Arm::Backups, Arm::Plain, true),
        archive: compare_all(seeds, Arm::Plain, Arm::NoArchive, false),
        others: other_bounds(seeds),
        acknowledged_min: reports().map(|it| it.acknowledged).min().unwrap_or(0),
        seeds: seeds.len(),
    }
}

fn other_bounds(seeds: &[Arms]) -> Vec<Bound> {
    let with = || seeds.iter().map(|it| &it[&Arm::Backups]);
    let hold_ns = with().flat_map(|it| &it.cuts.holds_ns).max().copied().unwrap_or(0);
    let sealed: u64 = with().map(|it| it.cuts.sealed).sum();
    let errors = |arm| -> u64 { seeds.iter().map(|it| it[&arm].errors).sum() };
    let (failed, usual) = (errors(Arm::Backups), errors(Arm::Plain));
    let hold_us = hold_ns / 1_000;
    vec![
        Bound {
            what: format!("hold at most {} us: {hold_us} us", HOLD_NS_MAX / 1_000),
            kept: hold_ns <= HOLD_NS_MAX,
        },
        Bound { what: format!("backups taken: {sealed}"), kept: sealed > 0 },
        Bound {
            what: format!("no more errors with backups than without: {failed}, {usual}"),
            kept: failed <= usual,
        },
    ]
}

fn compare_all(seeds: &[Arms], first: Arm, second: Arm, bounded: bool) -> Vec<Comparison> {
    let mut comparisons = Vec::new();
    for operation in OPERATIONS {
        for quantile in Quantile::ALL {
            let value = |arms: &Arms, arm| quantile.of(&arms[&arm], operation).max(1) as f64;
            let pairs: Vec<(f64, f64)> =
                seeds.iter().map(|it| (value(it, first), value(it, second))).collect();
            let bound = quantile.bound(operation).filter(|_| bounded);
            comparisons.push(compare(operation, quantile, &pairs, bound));
        }
    }
    comparisons
}

fn compare(
    operation: Operation,
    quantile: Quantile,
    pairs: &[(f64, f64)],
    bound: Option<f64>,
) -> Comparison {
    let of = |value: fn(&(f64, f64)) -> f64| -> Vec<f64> {
        pairs.iter().map(|it| libm::log(value(it))).collect()
    };
    Comparison {
        operation,
        quantile,
        first_ns: libm::exp(interval(&of(|it| it.0)).0),
        second_ns: libm::exp(interval(&of(|it| it.1)).0),
        ratio: ratio_of(pairs),
        bound,
    }
}

/// First to second: geometric mean of the pairs' ratios, and the ends of its 95 % interval.
pub(crate) fn ratio_of(pairs: &[(f64, f64)]) -> (f64, f64, f64) {
    let ratios: Vec<f64> = pairs.iter().map(|it| libm::log(it.0 / it.1)).collect();
    let (mean, reach) = interval(&ratios);
    (libm::exp(mean), libm::exp(mean - reach), libm::exp(mean + reach))
}

/// Mean of the values, and how far from it the ends of its 95 % interval are: infinitely far for
/// a single value.
fn interval(values: &[f64]) -> (f64, f64) {
    let n = values.len();
    let mean = values.iter().sum::<f64>() / n as f64;
    if n < 2 {
        return (mean, f64::INFINITY);
    }
    let squares: f64 = values.iter().map(|it| (it - mean) * (it - mean)).sum();
    let error = libm::sqrt(squares / (n - 1) as f64 / n as f64);
    // Beyond the table the last value is on the safe side.
    (mean, T_975[(n - 2).min(T_975.len() - 1)] * error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn p50(pairs: &[(f64, f64)]) -> Comparison {
        compare(Operation::Put, Quantile::P50, pairs, Some(0.01))
    }

    #[test]
    fn an_interval_is_students() {
        // Five values with mean 3 and variance 2.5: 3 plus or minus 2.776 times 0.7071.
        let (mean, reach) = interval(&[1.0, 2.0, 3.0, 4.0, 5.0]);
        assert!((mean - 3.0).abs() < 1e-12 && (reach - 1.962_93).abs() < 1e-4, "{reach}");
        assert_eq!(interval(&[7.0]), (7.0, f64::INFINITY));
    }

    #[test]
    fn a_bound_is_kept_only_by_the_whole_interval() {
        let even = [(100.0, 100.0), (200.0, 200.0), (300.0, 300.0)];
        assert!(p50(&even).kept());
        let slower: Vec<(f64, f64)> = even.iter().map(|it| (it.0 * 1.02, it.1)).collect();
        assert!(!p50(&slower).kept(), "two per cent on each seed");
        let wavering = [(103.0, 100.0), (97.0, 100.0), (100.0, 100.0)];
        assert!(!p50(&wavering).kept(), "its mean is within the bound, its interval is not");
        assert!(!p50(&even[..1]).kept(), "one seed shows nothing");
    }

    #[test]
    fn reads_are_held_to_more_than_writes() {
        for quantile in [Quantile::P50, Quantile::P99, Quantile::P999] {
            let (read, write) =
                (quantile.bound(Operation::GetStrong), quantile.bound(Operation::Put));
            assert!(read < write, "{}", quantile.name());
        }
    }
}
