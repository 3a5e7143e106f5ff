//! What a cluster can serve: the highest rate at which nobody waits long.

use stillpoint_reference::mutants::NoMutants;

use super::{Arm, ArmReport, Setup, run};

/// A rate is sustained if 99 of 100 operations are answered within this time of when they were
/// due, in nanoseconds: "single-digit millisecond" is what DynamoDB's users count on.
pub(super) const PATIENCE_NS: u64 = 10_000_000;
/// The seed of all probes: capacity is a figure of the setup, not of a seed.
const SEED: u64 = 0;
/// The first rate to be tried, in operations per second.
const RATE_FIRST: u64 = 500;
/// Each probe lasts so long, in simulated nanoseconds.
const PROBE_NS: u64 = 3_000_000_000;
/// The search ends when it knows the capacity to one part in so many.
const PRECISION: u64 = 32;

/// One rate that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Operations per second.
    pub rate_per_s: u64,
    /// What 99 of 100 operations did not exceed, in nanoseconds.
    pub p99_ns: u64,
    /// How busy the busiest processor was, in thousandths.
    pub busy_per_mille: u64,
    /// Whether the rate was sustained.
    pub sustained: bool,
}

/// The highest rate that was sustained, and how it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Operations per second.
    pub rate_per_s: u64,
    /// All probes, in the order in which they were made.
    pub probes: Vec<Probe>,
}

impl Capacity {
    /// Seven tenths of it: the load at which arms are compared.
    #[must_use]
    pub fn load_per_s(&self) -> u64 {
        self.rate_per_s * 7 / 10
    }
}

/// Doubles the rate until it is not sustained, then halves the gap. The same setup has the same
/// capacity on every machine.
#[must_use]
pub fn find_capacity(setup: &Setup) -> Capacity {
    let mut found = Capacity { rate_per_s: 0, probes: Vec::new() };
    let mut rate = RATE_FIRST;
    let mut too_high = None;
    loop {
        let probe = probe(setup, rate);
        match probe.sustained {
            true => found.rate_per_s = rate,
            false => too_high = Some(rate),
        }
        found.probes.push(probe);
        rate = match too_high {
            None => rate * 2,
            Some(high) if high - found.rate_per_s <= high / PRECISION => return found,
            Some(high) => found.rate_per_s.midpoint(high),
        };
    }
}

fn probe(setup: &Setup, rate_per_s: u64) -> Probe {
    let setup = Setup { load_ns: PROBE_NS, ..*setup };
    let report = run(&setup, SEED, Arm::Plain, setup.operations(rate_per_s), &NoMutants);
    let p99_ns = p99_of_all_ns(&report);
    let sustained = report.errors == 0 && p99_ns <= PATIENCE_NS;
    Probe { rate_per_s, p99_ns, busy_per_mille: report.busy_per_mille, sustained }
}

fn p99_of_all_ns(report: &ArmReport) -> u64 {
    let mut histograms = report.latencies.values();
    let mut all = histograms.next().expect("there are operations").clone();
    histograms.for_each(|it| all.add(it).expect("all have the same digits and grow as needed"));
    all.value_at_quantile(0.99)
}
