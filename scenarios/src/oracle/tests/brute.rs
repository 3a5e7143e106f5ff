//! The definition itself, by trying everything: all orders of a key's operations, with and
//! without each write of unknown outcome, and all positions of a cut in each order.

use crate::history::{
    CommittedLog, History, KeyId, LogEntry, Operation, OperationKind, Outcome, Seen, WriteId,
};

/// For one key, the intervals of instants at which it was as it was restored, as they come.
/// With a log the writes stand in its order. `None` if no order explains the operations at all.
pub(super) fn instants(
    history: &History,
    log: Option<&CommittedLog>,
    key: KeyId,
    found: Seen,
) -> Option<Vec<(u64, u64)>> {
    let search = Search::run(history, log, key, found);
    search.explained.then_some(search.intervals)
}

/// All orders that explain the operations of a key; `None` if there is none.
pub(super) fn orders(
    history: &History,
    log: Option<&CommittedLog>,
    key: KeyId,
    found: Seen,
) -> Option<Vec<Vec<Operation>>> {
    let search = Search::run(history, log, key, found);
    search.explained.then_some(search.orders)
}

/// Whether an operation can matter: one that was refused and is nowhere to be seen cannot.
fn keeps(op: &Operation, entries: Option<&[LogEntry]>, found: Seen) -> bool {
    let logged = entries.is_some_and(|list| list.iter().any(|e| Some(e.write) == op.write));
    let restored = op.write.map(Seen::Version) == Some(found);
    op.outcome == Outcome::Acknowledged
        || logged
        || (entries.is_none() && op.outcome == Outcome::Unknown && op.writes())
        || restored
}

struct Search {
    operations: Vec<Operation>,
    entries: Option<Vec<LogEntry>>,
    found: Seen,
    order: Vec<usize>,
    intervals: Vec<(u64, u64)>,
    orders: Vec<Vec<Operation>>,
    explained: bool,
}

impl Search {
    fn run(history: &History, log: Option<&CommittedLog>, key: KeyId, found: Seen) -> Self {
        let of_key = history.operations.iter().filter(|op| op.key == key);
        let mut operations: Vec<Operation> = of_key.copied().collect();
        let entries = log.map(|log| {
            let entries = log.partitions.iter().flat_map(|partition| &partition.entries);
            entries.filter(|entry| entry.key == key).copied().collect::<Vec<LogEntry>>()
        });
        operations.retain(|op| keeps(op, entries.as_deref(), found));
        let mut search = Self {
            operations,
            entries,
            found,
            order: Vec::new(),
            intervals: Vec::new(),
            orders: Vec::new(),
            explained: false,
        };
        search.extend();
        search
    }

    fn extend(&mut self) {
        let must = |op: &Operation| op.acknowledged_ns().is_some() || self.entries.is_some();
        let placed = |place: usize| self.order.contains(&place);
        if (0..self.operations.len()).all(|p| placed(p) || !must(&self.operations[p])) {
            self.record();
        }
        for place in 0..self.operations.len() {
            if !self.order.contains(&place) && self.may_follow(place) {
                self.order.push(place);
                self.extend();
                self.order.pop();
            }
        }
    }

    fn may_follow(&self, place: usize) -> bool {
        let op = &self.operations[place];
        let latest_call = self.order.iter().map(|&p| call(&self.operations[p])).max();
        if latest_call.is_some_and(|latest| latest > answer(op)) {
            return false;
        }
        let state = self.state(self.order.len());
        if op.conditional.is_some_and(|demanded| demanded != state) {
            return false;
        }
        match op.kind {
            OperationKind::Read => op.saw == Some(state),
            OperationKind::EventualRead => match op.saw {
                Some(Seen::Version(write)) => self.has(write),
                _ => true,
            },
            OperationKind::Put | OperationKind::Delete => self.in_log_order(op, state),
        }
    }

    /// With a log: the write is the log's next, or a delete that finds nothing and is not in it.
    fn in_log_order(&self, op: &Operation, state: Seen) -> bool {
        let Some(entries) = &self.entries else {
            return op.outcome != Outcome::Refused;
        };
        let logged = |op: &Operation| entries.iter().any(|entry| Some(entry.write) == op.write);
        if !logged(op) {
            let without_effect = op.kind == OperationKind::Delete && op.conditional.is_none();
            return without_effect && state == Seen::Absent;
        }
        let next = entries.get(self.logged_so_far(entries));
        op.outcome != Outcome::Refused && next.is_some_and(|entry| Some(entry.write) == op.write)
    }

    fn logged_so_far(&self, entries: &[LogEntry]) -> usize {
        let logged = |p: usize| entries.iter().any(|e| Some(e.write) == self.operations[p].write);
        self.order.iter().filter(|&&p| logged(p)).count()
    }

    fn has(&self, write: WriteId) -> bool {
        self.order.iter().any(|&p| self.operations[p].write == Some(write))
    }

    fn state(&self, count: usize) -> Seen {
        let mut writes = self.order[..count].iter().map(|&p| &self.operations[p]);
        let last = writes.rfind(|op| op.writes());
        match last {
            Some(Operation { kind: OperationKind::Put, write: Some(write), .. }) => {
                Seen::Version(*write)
            }
            _ => Seen::Absent,
        }
    }

    fn record(&mut self) {
        let missing = |entries: &Vec<LogEntry>| entries.len() > self.logged_so_far(entries);
        if self.entries.as_ref().is_some_and(missing) {
            return;
        }
        self.explained = true;
        self.orders.push(self.order.iter().map(|&place| self.operations[place]).collect());
        for cut in 0..=self.order.len() {
            if self.state(cut) != self.found {
                continue;
            }
            let (before, after) = self.order.split_at(cut);
            let from = before.iter().map(|&p| call(&self.operations[p])).max().unwrap_or(0);
            let until = after.iter().map(|&p| answer(&self.operations[p])).min();
            let until = until.unwrap_or(u64::MAX);
            if from <= until {
                self.intervals.push((from, until));
            }
        }
    }
}

fn call(op: &Operation) -> u64 {
    // What an eventually consistent read saw may have been replaced before its call.
    if op.kind == OperationKind::EventualRead { 0 } else { op.invoke_ns }
}

fn answer(op: &Operation) -> u64 {
    op.acknowledged_ns().unwrap_or(u64::MAX)
}

/// The smallest window that meets all unions; `None` if one of them is empty.
pub(super) fn skew(unions: &[Vec<(u64, u64)>]) -> Option<u64> {
    let ends = unions.iter().flatten().flat_map(|&(from, until)| [from, until]);
    ends.filter_map(|start| {
        let next = |union: &Vec<(u64, u64)>| {
            let reach = union.iter().filter(|(_, until)| *until >= start);
            reach.map(|&(from, _)| from.max(start)).min()
        };
        let reach: Option<Vec<u64>> = unions.iter().map(next).collect();
        Some(reach?.into_iter().max()? - start)
    })
    .min()
}

/// Whether one instant from `from` to `until` lies in all unions.
pub(super) fn common(unions: &[Vec<(u64, u64)>], from: u64, until: u64) -> bool {
    let inside = |union: &Vec<(u64, u64)>, at: u64| union.iter().any(|&(f, u)| f <= at && at <= u);
    let ends = unions.iter().flatten().flat_map(|&(from, until)| [from, until]);
    ends.chain([from, until])
        .filter(|&at| from <= at && at <= until)
        .any(|at| unions.iter().all(|union| inside(union, at)))
}

/// Whether some prefix of each partition's log leaves every key as it was restored.
pub(super) fn prefix(log: &CommittedLog, found: &dyn Fn(KeyId) -> Seen) -> bool {
    log.partitions.iter().all(|partition| {
        let entries = &partition.entries;
        let state = |included: usize, key: KeyId| {
            let last = entries[..included].iter().rev().find(|entry| entry.key == key);
            let put = last.filter(|entry| !entry.deletes);
            put.map_or(Seen::Absent, |entry| Seen::Version(entry.write))
        };
        (0..=entries.len())
            .any(|included| entries.iter().all(|e| state(included, e.key) == found(e.key)))
    })
}
