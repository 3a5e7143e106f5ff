//! Whether writers feel a backup: what they waited for while a backup call was open, and what
//! they waited for otherwise. Measured and shown; no verdict rests on it, since one run on one
//! machine is no experiment.

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::history::History;
use crate::recording::Taken;

/// What writers waited for, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Waits {
    /// How many writes were acknowledged.
    pub writes: u64,
    /// Half of them took at most so long.
    pub p50_ns: u64,
    /// 99 in 100 took at most so long.
    pub p99_ns: u64,
    /// 999 in 1,000 took at most so long.
    pub p999_ns: u64,
    /// The longest of them.
    pub max_ns: u64,
    /// The longest time in which a write waited and none was acknowledged.
    pub silence_ns: u64,
}

/// Writes that overlapped a backup call, and all others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Felt {
    /// While a call was open, from its request to its answer.
    pub during: Waits,
    /// At all other times.
    pub otherwise: Waits,
}

/// Measures both.
#[must_use]
pub fn felt(history: &History, backups: &[Taken]) -> Felt {
    let calls: Vec<(u64, u64)> =
        backups.iter().map(|it| (it.observed.request_ns, it.observed.answer_ns)).collect();
    let touches = |from: u64, until: u64| {
        let next = calls.partition_point(|(_, answer)| *answer < from);
        calls.get(next).is_some_and(|(request, _)| *request <= until)
    };
    let [mut during, mut otherwise] = [Tally::default(), Tally::default()];
    let mut answers = Vec::new();
    for op in history.operations.iter().filter(|op| op.writes()) {
        let Some(at) = op.acknowledged_ns() else { continue };
        let tally = if touches(op.invoke_ns, at) { &mut during } else { &mut otherwise };
        tally.add(at - op.invoke_ns);
        answers.push((at, op.invoke_ns));
    }
    answers.sort_unstable();
    for pair in answers.windows(2) {
        // Before its call nobody waited for the answer that ends the silence: writers may rest.
        let (from, until) = (pair[0].0.max(pair[1].1), pair[1].0);
        let tally = if touches(from, until) { &mut during } else { &mut otherwise };
        tally.silence_ns = tally.silence_ns.max(until - from);
    }
    Felt { during: during.waits(), otherwise: otherwise.waits() }
}

struct Tally {
    waits_ns: Histogram<u64>,
    silence_ns: u64,
}

impl Default for Tally {
    fn default() -> Self {
        let waits_ns = Histogram::new(3).expect("three digits are possible");
        Self { waits_ns, silence_ns: 0 }
    }
}

impl Tally {
    fn add(&mut self, wait_ns: u64) {
        self.waits_ns.record(wait_ns).expect("an auto-resizing histogram takes every value");
    }

    fn waits(&self) -> Waits {
        let at = |quantile| self.waits_ns.value_at_quantile(quantile);
        Waits {
            writes: self.waits_ns.len(),
            p50_ns: at(0.5),
            p99_ns: at(0.99),
            p999_ns: at(0.999),
            max_ns: self.waits_ns.max(),
            silence_ns: self.silence_ns,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Observed, WriteId};

    #[test]
    fn writes_are_told_apart_by_whether_a_call_was_open() {
        let mut history = History::default();
        let key = history.keys.intern("k");
        // Every millisecond a write of 100 us; those from 40 ms on wait until 60 ms.
        for turn in 0..100_u64 {
            let at = turn * 1_000_000;
            let op = history.invoke_put(key, WriteId { client: 1, seq: turn as u32 }, None, at);
            let held = (40..60).contains(&turn);
            history.acknowledge(op, if held { 60_000_000 } else { at + 100_000 });
        }
        let observed =
            Observed { request_ns: 39_500_000, answer_ns: 60_000_000, ..Observed::default() };
        let taken = Taken { observed, ..Taken::default() };
        let felt = felt(&history, &[taken]);
        assert_eq!((felt.during.writes, felt.otherwise.writes), (21, 79));
        assert_eq!(felt.during.max_ns / 1_000_000, 20);
        // The first of those that were held had been called at 40 ms.
        assert_eq!(felt.during.silence_ns, 20_000_000);
        assert!(felt.otherwise.max_ns < 101_000 && felt.otherwise.silence_ns == 100_000);
    }
}
