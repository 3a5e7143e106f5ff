//! Transactions (P2): every transaction is in a backup wholly or not at all.
//!
//! A part of a transaction is *in* when its key was restored as that part's version or as one
//! that came after it, and *out* when it was restored as one that came before it, or when
//! nothing was ever put there. Which came first is told by real time alone: one was answered
//! before the other was called. That is enough where each key is written by one client at a
//! time, it is never wrong, and where two writes of a key overlapped nothing is said: with reads
//! whose order is unknown the general question is NP-hard.

use std::collections::BTreeMap;

use crate::history::{History, KeyId, Observed, OpId, Operation, OperationKind, Outcome};
use crate::oracle::Verdict;
use crate::oracle::bykey::{ByKey, Case, over_ns, possible};
use crate::oracle::witness::{Part, Witness};

/// Where a part of a transaction stands to what was restored at its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    In,
    Out,
    /// Real time does not tell.
    Open,
}

/// Judges whether `transactions`, each the writes that one call asked for together, are in a
/// backup wholly or not at all.
///
/// A transaction of unknown outcome counts once a part of it was restored; a refused one never
/// does, for what it left behind is no write's item at all (P0).
#[must_use]
pub fn judge_transactions(
    history: &History,
    transactions: &[Vec<OpId>],
    observed: &Observed,
) -> Verdict {
    let by_key = ByKey::new(history, None, &observed.items);
    let shown: BTreeMap<KeyId, Shown<'_>> =
        by_key.cases().map(|case| (case.key, Shown::of(&case, history))).collect();
    let (mut decided, mut open) = (0_u64, 0_u64);
    for transaction in transactions {
        let parts = standings(&shown, history, transaction);
        let first = |standing| parts.iter().find(|(_, it)| *it == standing).map(|(part, _)| *part);
        let (inside, outside) = (first(Standing::In), first(Standing::Out));
        let acknowledged = parts.iter().all(|(op, _)| op.outcome == Outcome::Acknowledged);
        if parts.iter().any(|(op, _)| !possible(op)) || (!acknowledged && inside.is_none()) {
            continue;
        }
        if let (Some(inside), Some(outside)) = (inside, outside) {
            let part = |op: &Operation| {
                let case = by_key.case(op.key);
                Part { key: case.name(), op: *op, found: case.found() }
            };
            let torn = Witness::Torn { inside: part(inside), outside: part(outside) };
            return Verdict::Violated(Box::new(torn));
        }
        let undecided = first(Standing::Open).is_some();
        if undecided { open += 1 } else { decided += 1 }
    }
    match (decided, open) {
        (0, 0) => Verdict::Undecided("no transaction was acknowledged".to_owned()),
        (_, 0) => Verdict::Holds,
        _ => Verdict::Undecided(format!(
            "{open} transactions overlapped other writes of their keys, and only the committed \
             log tells which came first"
        )),
    }
}

fn standings<'a>(
    shown: &BTreeMap<KeyId, Shown<'_>>,
    history: &'a History,
    transaction: &[OpId],
) -> Vec<(&'a Operation, Standing)> {
    let part = |id: &OpId| {
        let op = &history.operations[id.0 as usize];
        (op, shown.get(&op.key).map_or(Standing::Open, |it| it.standing(op)))
    };
    transaction.iter().map(part).collect()
}

/// What was restored at a key.
enum Shown<'a> {
    /// The version of this write, which may have been done.
    Version(&'a Operation),
    /// No item, and nothing ever deletes one there.
    NotYetWritten,
    /// What tells nothing of transactions: no item where there are deletes, several items, or
    /// one that no write explains.
    Other,
}

impl<'a> Shown<'a> {
    fn of(case: &Case<'_>, history: &'a History) -> Self {
        let op = |number: u32| &history.operations[number as usize];
        match case.items {
            [] => {
                let deletes = |op: &Operation| op.kind == OperationKind::Delete && possible(op);
                let mut writes = case.writes.iter().map(|&(_, number)| op(number));
                if writes.any(deletes) { Self::Other } else { Self::NotYetWritten }
            }
            [item] => {
                let writer = case.writer(item.write).map(op).filter(|op| possible(op));
                writer.map_or(Self::Other, Self::Version)
            }
            _ => Self::Other,
        }
    }

    fn standing(&self, part: &Operation) -> Standing {
        match self {
            Self::NotYetWritten => Standing::Out,
            Self::Version(restored) if restored.write == part.write => Standing::In,
            Self::Version(restored) if over_ns(part) < restored.invoke_ns => Standing::In,
            Self::Version(restored) if over_ns(restored) < part.invoke_ns => Standing::Out,
            Self::Version(_) | Self::Other => Standing::Open,
        }
    }
}
