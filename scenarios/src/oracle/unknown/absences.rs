//! Which delete an observation of an absent key saw, where real time leaves only one.

use crate::history::{Operation, OperationKind, Seen};
use crate::oracle::bykey::{Case, over_ns, possible};

/// What an observation of the absent key followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Followed {
    /// This delete, as its place in the key's writes, or the state before all writes.
    One(usize),
    /// One of several: it cannot be told which.
    Several,
    /// Nothing: no order explains the observation.
    Nothing,
}

/// The deletes of a key, sorted so that those an observation may have followed are counted, and
/// a single one is named, without looking at each.
///
/// An observation cannot have followed a delete called after its answer, nor one answered before
/// the call of another write that was itself answered before the observation's call. The latter
/// are among those called in time, so differences of counts and of sums of places are enough.
pub(super) struct Absences {
    initial: usize,
    by_call: Vec<(u64, Total)>,
    by_answer: Vec<(u64, Total)>,
    /// Answers of writes in order; with each the latest call up to there.
    superseding: Vec<(u64, u64)>,
}

/// How many deletes, and the sum of their places.
type Total = (usize, usize);

impl Absences {
    pub(super) fn new(case: &Case<'_>) -> Self {
        let writes = (0..).zip(case.writes.iter().map(|&(_, number)| case.op(number)));
        let writes: Vec<(usize, &Operation)> = writes.filter(|(_, op)| possible(op)).collect();
        let deletes = || writes.iter().filter(|(_, op)| op.kind == OperationKind::Delete);
        let answers =
            writes.iter().filter_map(|(_, op)| Some((op.acknowledged_ns()?, op.invoke_ns)));
        let mut superseding: Vec<(u64, u64)> = answers.collect();
        superseding.sort_unstable();
        let mut latest = 0;
        for (_, call) in &mut superseding {
            latest = latest.max(*call);
            *call = latest;
        }
        Self {
            initial: case.writes.len(),
            by_call: totals(deletes().map(|(place, op)| (op.invoke_ns, *place)).collect()),
            by_answer: totals(deletes().map(|(place, op)| (over_ns(op), *place)).collect()),
            superseding,
        }
    }

    /// What the observation that this operation made followed.
    pub(super) fn followed(&self, op: &Operation) -> Followed {
        let superseding = self.superseding.partition_point(|&(answer, _)| answer < op.invoke_ns);
        let called = total(&self.by_call, |call| call <= over_ns(op));
        let (superseded, start) = match superseding.checked_sub(1) {
            None => ((0, 0), Some(self.initial)),
            Some(last) => {
                let latest_call = self.superseding[last].1;
                (total(&self.by_answer, |answer| answer < latest_call), None)
            }
        };
        let (count, sum) = (called.0 - superseded.0, called.1 - superseded.1);
        match (count, start) {
            (0, None) => Followed::Nothing,
            (0, Some(initial)) => Followed::One(initial),
            (1, None) => Followed::One(sum),
            _ => Followed::Several,
        }
    }
}

/// Whether the operation proves that the key was absent when it took effect.
pub(super) fn proves_absence(op: &Operation) -> bool {
    match op.kind {
        OperationKind::Read => op.saw == Some(Seen::Absent),
        OperationKind::Put => op.conditional == Some(Seen::Absent),
        // A delete of what is absent changes nothing, and an eventually consistent read may
        // have seen the state before all writes.
        OperationKind::Delete | OperationKind::EventualRead => false,
    }
}

fn totals(mut places: Vec<(u64, usize)>) -> Vec<(u64, Total)> {
    places.sort_unstable();
    let mut total = (0, 0);
    let step = |(at, place): (u64, usize)| {
        total = (total.0 + 1, total.1 + place);
        (at, total)
    };
    places.into_iter().map(step).collect()
}

fn total(sorted: &[(u64, Total)], within: impl Fn(u64) -> bool) -> Total {
    let count = sorted.partition_point(|&(at, _)| within(at));
    count.checked_sub(1).map_or((0, 0), |last| sorted[last].1)
}
