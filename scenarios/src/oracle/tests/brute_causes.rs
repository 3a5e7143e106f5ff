//! Causality by its definition, by trying everything: all orders of each key's operations, all
//! cuts of each order at which the key is as it was restored, and all ways to combine the keys.

use std::collections::{BTreeMap, BTreeSet};

use super::brute;
use crate::history::{CommittedLog, History, KeyId, Operation, OperationKind, Seen};

/// One way to explain one key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Way {
    /// The writes that took effect before the cut, as numbers of operations.
    events: BTreeSet<usize>,
    /// What the caller of each operation knows of when it was answered.
    lessons: BTreeMap<usize, Option<usize>>,
}

/// Whether some explanation has everything in that happened before what is in. `None` if the
/// operations of a key have no explanation at all.
pub(super) fn holds(
    history: &History,
    log: Option<&CommittedLog>,
    found: &dyn Fn(KeyId) -> Seen,
) -> Option<bool> {
    let known = |key: &KeyId| history.operations.iter().any(|op| op.key == *key);
    let mut all: Vec<BTreeSet<Way>> = Vec::new();
    for key in (0..history.keys.len() as u32).map(KeyId).filter(known) {
        all.push(ways(history, log, key, found(key))?);
    }
    Some(any_combination(history, &all, &mut Vec::new()))
}

fn any_combination<'a>(
    history: &History,
    rest: &'a [BTreeSet<Way>],
    chosen: &mut Vec<&'a Way>,
) -> bool {
    let Some((ways, rest)) = rest.split_first() else { return closed(history, chosen) };
    ways.iter().any(|way| {
        chosen.push(way);
        let holds = any_combination(history, rest, chosen);
        chosen.pop();
        holds
    })
}

/// Whether what the clients knew of when they called what is in, is in.
fn closed(history: &History, chosen: &[&Way]) -> bool {
    let is_in = |write: usize| chosen.iter().any(|way| way.events.contains(&write));
    let lesson = |number: usize| chosen.iter().find_map(|way| way.lessons.get(&number)).copied();
    let past_is_in = |&event: &usize| {
        let event = &history.operations[event];
        history.operations.iter().enumerate().all(|(number, op)| {
            let before = op.client == event.client
                && op.acknowledged_ns().is_some_and(|at| at < event.invoke_ns);
            !before || lesson(number).flatten().is_none_or(is_in)
        })
    };
    chosen.iter().flat_map(|way| &way.events).all(past_is_in)
}

fn ways(
    history: &History,
    log: Option<&CommittedLog>,
    key: KeyId,
    found: Seen,
) -> Option<BTreeSet<Way>> {
    let number = |op: &Operation| {
        history.operations.iter().position(|other| other == op).expect("it is one of them")
    };
    let logged = |op: &Operation| {
        let entries = log.into_iter().flat_map(|log| &log.partitions).flat_map(|it| &it.entries);
        entries.into_iter().any(|entry| Some(entry.write) == op.write)
    };
    let orders = brute::orders(history, log, key, found)?;
    let mut ways = BTreeSet::new();
    for order in orders {
        let (mut state, mut last_event) = (Seen::Absent, None);
        let (mut events, mut lessons, mut cuts) = (BTreeSet::new(), BTreeMap::new(), Vec::new());
        cuts.extend((state == found).then(BTreeSet::new));
        for op in &order {
            let event = match op.kind {
                OperationKind::Put => true,
                OperationKind::Delete => {
                    if log.is_some() {
                        logged(op)
                    } else {
                        state != Seen::Absent
                    }
                }
                OperationKind::Read | OperationKind::EventualRead => false,
            };
            if event {
                state = if op.kind == OperationKind::Put {
                    Seen::Version(op.write.expect("a put has an identity"))
                } else {
                    Seen::Absent
                };
                last_event = Some(number(op));
                events.insert(number(op));
            }
            let lesson = match (op.kind, op.saw) {
                (OperationKind::EventualRead, Some(Seen::Version(write))) => {
                    history.operations.iter().position(|other| other.write == Some(write))
                }
                (OperationKind::EventualRead, _) => None,
                _ => last_event,
            };
            lessons.insert(number(op), lesson);
            cuts.extend((state == found).then(|| events.clone()));
        }
        ways.extend(cuts.into_iter().map(|events| Way { events, lessons: lessons.clone() }));
    }
    Some(ways)
}
