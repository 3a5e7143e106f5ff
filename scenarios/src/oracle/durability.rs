//! Whether the service under the backups keeps its word: what it acknowledged is in the committed
//! log, what it refused is not, and the log's order explains what clients saw and when.
//!
//! With this, the log may be trusted as the order by which [`super::judge`] judges a backup.

use crate::history::{CommittedLog, History, Operation, OperationKind, Outcome, Seen};
use crate::oracle::Verdict;
use crate::oracle::bykey::{ByKey, Case, NOBODY, over_ns};
use crate::oracle::known::Timeline;
use crate::oracle::witness::Witness;

/// Judges the committed log against what clients were told: every acknowledged write stands in
/// it exactly once, no refused write and nothing that nobody asked for does, and for each key its
/// order agrees with real time, with the conditions of conditional writes and with every read.
///
/// A delete that found nothing may be left out of the log. An empty history is undecided.
#[must_use]
pub fn judge_log(history: &History, log: &CommittedLog) -> Verdict {
    if history.operations.is_empty() {
        return Verdict::Undecided("the history is empty".to_owned());
    }
    let by_key = ByKey::new(history, Some(log), &[]);
    Verdict::from_witness(by_key.cases().find_map(|case| judge_key(&case)))
}

fn judge_key(case: &Case<'_>) -> Option<Box<Witness>> {
    let timeline = Timeline::new(case);
    foreign_entry(case, &timeline)
        .or_else(|| order(case, &timeline))
        .or_else(|| case.operations.iter().find_map(|&number| explained(case, &timeline, number)))
}

fn wrong(case: &Case<'_>, what: &str, because: &[u32]) -> Option<Box<Witness>> {
    let because = case.evidence(because);
    Some(Box::new(Witness::Log { key: case.name(), what: what.to_owned(), because }))
}

/// An entry that nobody asked for, that was refused, or that stands in the log twice.
fn foreign_entry(case: &Case<'_>, timeline: &Timeline) -> Option<Box<Witness>> {
    let mut committed: Vec<_> = case.entries.iter().map(|entry| entry.write).collect();
    committed.sort_unstable();
    if let Some(pair) = committed.windows(2).find(|pair| pair[0] == pair[1]) {
        let writer = case.writer(pair[0]).unwrap_or(NOBODY);
        return wrong(case, &format!("{} was committed twice", pair[0]), &[writer]);
    }
    timeline.positions().iter().find_map(|position| {
        let entry = position.entry?;
        if position.op == NOBODY {
            let what = format!("{} was committed, but nobody asked for it", entry.write);
            return wrong(case, &what, &[]);
        }
        let op = case.op(position.op);
        if op.outcome == Outcome::Refused {
            return wrong(case, "a refused write was committed", &[position.op]);
        }
        if entry.deletes != (op.kind == OperationKind::Delete) {
            return wrong(case, "a put was committed as a delete, or the reverse", &[position.op]);
        }
        None
    })
}

/// A write that stands behind one called after its answer, or whose condition did not hold.
fn order(case: &Case<'_>, timeline: &Timeline) -> Option<Box<Witness>> {
    let positions = timeline.positions();
    (1..positions.len()).find_map(|place| {
        let number = positions[place].op;
        let op = case.op(number);
        let before = timeline.before_write(place);
        if before.at > over_ns(op) {
            let what = "the log puts a write behind one that was called after its answer";
            return wrong(case, what, &[before.by, number]);
        }
        let replaced = match positions[place - 1].entry {
            Some(entry) if !entry.deletes => Seen::Version(entry.write),
            Some(_) | None => Seen::Absent,
        };
        if op.conditional.is_some_and(|demanded| demanded != replaced) {
            let what = format!("a conditional write succeeded although the key was {replaced}");
            return wrong(case, &what, &[number, positions[place - 1].op]);
        }
        None
    })
}

/// An acknowledged operation that the log does not explain.
fn explained(case: &Case<'_>, timeline: &Timeline, number: u32) -> Option<Box<Witness>> {
    let op = case.op(number);
    op.acknowledged_ns()?;
    match op.kind {
        OperationKind::Put | OperationKind::Delete => committed(case, timeline, number),
        OperationKind::Read | OperationKind::EventualRead => match op.saw? {
            Seen::Version(_) => version_read(case, timeline, number),
            Seen::Absent if op.kind == OperationKind::EventualRead => None,
            Seen::Absent if timeline.explains_absence(case, number) => None,
            Seen::Absent => wrong(case, "a read saw no item while there was one", &[number]),
        },
    }
}

fn committed(case: &Case<'_>, timeline: &Timeline, number: u32) -> Option<Box<Witness>> {
    let op = case.op(number);
    let logged = op.write.is_some_and(|write| timeline.position(write).is_some());
    let without_effect = |op: &Operation| {
        op.kind == OperationKind::Delete
            && op.conditional.is_none()
            && timeline.explains_absence(case, number)
    };
    if logged || without_effect(op) {
        return None;
    }
    wrong(case, "an acknowledged write is not in the committed log", &[number])
}

/// A read must not return before the write it saw was called, nor, if it is strongly consistent,
/// be called after the answer to a write that replaced what it saw.
fn version_read(case: &Case<'_>, timeline: &Timeline, number: u32) -> Option<Box<Witness>> {
    let op = case.op(number);
    let Some(Seen::Version(write)) = op.saw else {
        return None;
    };
    let Some(place) = timeline.position(write) else {
        return wrong(case, "a read saw a version that was never committed", &[number]);
    };
    let position = timeline.positions()[place];
    if position.from.at > over_ns(op) {
        let what = "a read saw a version before it could be there";
        return wrong(case, what, &[number, position.from.by]);
    }
    if op.kind == OperationKind::Read && position.until.at < op.invoke_ns {
        let what = "a read saw a version after it had been replaced";
        return wrong(case, what, &[number, position.until.by]);
    }
    None
}
