//! Whether a run proves anything: how much was going on while the backups were made.
//!
//! A write *overlaps* a backup call if it was called before the call's answer, answered after
//! its request, and acknowledged. No level is given below [`CLIENTS_MIN`] clients,
//! [`CALLS_MIN`] calls, and [`WRITES_MIN`] writes that overlap each of them. An endpoint that
//! answers in milliseconds ends a call before so many writes can have overlapped it: then
//! calls that follow each other count as one until together they have so many. So what is
//! asked for is the same for all, no write counts that was not under way during a call, and
//! whoever answers sooner is asked more often.

use std::collections::BTreeSet;
use std::fmt;

use crate::conform::ledger::Book;
use crate::history::{History, Observed};

/// Clients whose writes must overlap a call.
pub const CLIENTS_MIN: usize = 8;
/// Writes that must overlap a call, or the calls that count as one.
pub const WRITES_MIN: u64 = 500;
/// Calls, or groups of calls that count as one.
pub const CALLS_MIN: u64 = 5;

/// What overlapped one backup call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overlap {
    /// How many writes.
    pub writes: u64,
    /// Of which clients.
    pub clients: BTreeSet<u32>,
}

impl Overlap {
    /// What overlapped the call that made this backup.
    #[must_use]
    pub fn of(history: &History, observed: &Observed) -> Self {
        let called = history.operations.partition_point(|op| op.invoke_ns <= observed.answer_ns);
        let mut overlap = Self::default();
        for op in history.operations[..called].iter().filter(|op| op.writes()) {
            if op.acknowledged_ns().is_some_and(|at| at >= observed.request_ns) {
                overlap.writes += 1;
                overlap.clients.insert(op.client);
            }
        }
        overlap
    }
}

/// What overlapped all calls so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Calls, those that count as one counted once.
    pub calls: u64,
    /// The calls that are not enough for one yet.
    open: Overlap,
    /// How many backups were restored.
    pub backups: u64,
    /// How many writes overlapped any of them.
    pub writes: u64,
    /// The fewest that overlapped one.
    pub writes_min: Option<u64>,
}

impl Evidence {
    /// The evidence of all these backups, in this order.
    #[must_use]
    pub fn of<'a>(history: &History, backups: impl Iterator<Item = &'a Observed>) -> Self {
        let mut evidence = Self::default();
        backups.for_each(|it| evidence.add(Overlap::of(history, it)));
        evidence
    }

    /// Adds the last backup that is written down.
    pub(super) fn add_last(&mut self, book: &Book) {
        if let Some(last) = book.backups.last() {
            self.add(Overlap::of(&book.history, &last.observed));
        }
    }

    fn add(&mut self, overlap: Overlap) {
        self.backups += 1;
        self.writes += overlap.writes;
        self.writes_min = Some(self.writes_min.unwrap_or(u64::MAX).min(overlap.writes));
        self.open.writes += overlap.writes;
        self.open.clients.extend(overlap.clients);
        if self.open.writes >= WRITES_MIN && self.open.clients.len() >= CLIENTS_MIN {
            self.calls += 1;
            self.open = Overlap::default();
        }
    }

    /// Whether a level may be given.
    #[must_use]
    pub fn suffices(&self) -> bool {
        self.calls >= CALLS_MIN
    }

    /// What is missing, as a sentence; nothing if it suffices.
    #[must_use]
    pub fn missing(&self) -> Option<String> {
        if self.suffices() {
            return None;
        }
        let clients = self.open.clients.len();
        let few = if clients < CLIENTS_MIN && self.open.writes >= WRITES_MIN {
            format!(", of {clients} clients instead of {CLIENTS_MIN}")
        } else {
            String::new()
        };
        Some(format!(
            "not enough was written while backups were made: {} calls of CreateBackup were \
             overlapped by {} writes{few}, and {CALLS_MIN} times {WRITES_MIN} are asked for",
            self.backups, self.writes
        ))
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} writes overlapped their calls", self.writes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::WriteId;

    /// Writes of so many clients, one after the other every `every_ns`, each lasting `lasts_ns`.
    fn history(clients: u32, every_ns: u64, lasts_ns: u64, until_ns: u64) -> History {
        let mut history = History::default();
        let key = history.keys.intern("k");
        for turn in 0..until_ns / every_ns {
            let write = WriteId { client: turn as u32 % clients, seq: turn as u32 };
            let op = history.invoke_put(key, write, None, turn * every_ns);
            history.acknowledge(op, turn * every_ns + lasts_ns);
        }
        history
    }

    fn calls(count: u64, every_ns: u64, lasts_ns: u64) -> Vec<Observed> {
        let call = |turn| Observed {
            request_ns: turn * every_ns,
            answer_ns: turn * every_ns + lasts_ns,
            ..Observed::default()
        };
        (1..=count).map(call).collect()
    }

    #[test]
    fn slow_calls_count_one_by_one_and_quick_ones_together() {
        let history = history(8, 10, 80, 1_000_000);
        let slow = Evidence::of(&history, calls(5, 100_000, 6_000).iter());
        assert!(slow.calls == 5 && slow.suffices() && slow.missing().is_none());
        let quick = Evidence::of(&history, calls(5, 100_000, 600).iter());
        assert!(quick.calls == 0 && !quick.suffices(), "{quick:?}");
        let often = Evidence::of(&history, calls(60, 10_000, 600).iter());
        assert!(often.suffices(), "{often:?}");
    }

    #[test]
    fn whoever_hardly_writes_proves_nothing_however_many_backups_are_made() {
        let idle = history(8, 100_000, 80, 10_000_000);
        let evidence = Evidence::of(&idle, calls(900, 10_000, 600).iter());
        assert_eq!((evidence.backups, evidence.calls), (900, 0), "{evidence:?}");
        let few = Evidence::of(&history(7, 10, 80, 1_000_000), calls(9, 100_000, 9_000).iter());
        assert_eq!(few.calls, 0);
        assert!(few.missing().is_some_and(|it| it.contains("of 7 clients")), "{few:?}");
    }

    #[test]
    fn only_what_was_acknowledged_counts() {
        let mut history = History::default();
        let key = history.keys.intern("k");
        let mut put = |seq, at| history.invoke_put(key, WriteId { client: 1, seq }, None, at);
        let [early, _lost, refused, good, late] =
            [put(0, 1), put(1, 5), put(2, 5), put(3, 6), put(4, 30)];
        history.acknowledge(early, 9);
        history.refuse(refused, 15);
        history.acknowledge(good, 15);
        history.acknowledge(late, 35);
        let observed = Observed { request_ns: 10, answer_ns: 20, ..Observed::default() };
        assert_eq!(Overlap::of(&history, &observed).writes, 1);
    }
}
