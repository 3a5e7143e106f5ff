//! Whether what a backup holds of each partition is a prefix of that partition's log, and if it
//! is not, how it differs from the prefix that its newest item implies.

use crate::history::{CommittedLog, KeyId, KeyNames, Seen};
use crate::oracle::bykey::{ByKey, Case, Entry, NOBODY};
use crate::oracle::known::Timeline;
use crate::oracle::span::{Edge, Span, Unions, Window, union};
use crate::oracle::witness::{Differences, Position, Witness};

/// For each partition and key the lengths of prefix that explain the key.
#[derive(Debug, Default)]
pub(crate) struct Prefixes {
    lengths: Vec<(u32, KeyId, Seen, Span)>,
}

impl Prefixes {
    /// Adds one key in the state in which it was restored. A key whose range was split has
    /// committed writes in several partitions, and says something about each of them.
    pub(crate) fn add(&mut self, case: &Case<'_>, timeline: &Timeline, found: Seen) {
        let reflecting = timeline.reflecting(found);
        let mut first = 0;
        for run in case.entries.chunk_by(|one, other| one.partition == other.partition) {
            let spans = reflecting.iter().map(|&place| length(run, place.saturating_sub(first)));
            for span in union(spans.collect()) {
                self.lengths.push((run[0].partition, case.key, found, span));
            }
            first += run.len();
        }
    }

    /// A partition of which no prefix explains all keys, as a witness, and everything that is
    /// missing, extra or wrong in such partitions.
    pub(crate) fn judge(
        mut self,
        keys: &KeyNames,
        log: &CommittedLog,
        by_key: &ByKey<'_>,
        differences: &mut Differences,
    ) -> Option<Box<Witness>> {
        self.lengths.sort_by_key(|&(partition, ..)| partition);
        let mut witness = None;
        for lengths in self.lengths.chunk_by(|one, other| one.0 == other.0) {
            let mut unions = Unions::default();
            for (_, key, _, span) in lengths {
                unions.add(key.0, [*span]);
            }
            let Some(window) = unions.window().filter(|window| window.gap > 0) else {
                continue;
            };
            compare(keys, lengths, by_key, differences);
            let partition = log.partitions[lengths[0].0 as usize].id;
            witness
                .get_or_insert_with(|| Box::new(contradiction(keys, partition, lengths, &window)));
        }
        witness
    }
}

/// The lengths of prefix that hold exactly the first `included` of a key's entries in one log.
fn length(run: &[Entry], included: usize) -> Span {
    let edge = |at: u64| Edge { at, by: NOBODY };
    let from = included.min(run.len()).checked_sub(1).map_or(0, |last| run[last].index + 1);
    let until = run.get(included).map_or(u64::MAX, |next| u64::from(next.index));
    Span { from: edge(u64::from(from)), until: edge(until) }
}

fn contradiction(
    keys: &KeyNames,
    partition: u64,
    lengths: &[(u32, KeyId, Seen, Span)],
    window: &Window,
) -> Witness {
    let position = |(owner, span): (u32, Span)| {
        let found = lengths.iter().find(|(_, key, ..)| key.0 == owner).map(|&(.., found, _)| found);
        Position {
            key: keys.name(KeyId(owner)),
            found: found.unwrap_or(Seen::Absent),
            entries: (span.from.at, span.until.at),
        }
    };
    let (longer, shorter) = (position(window.later), position(window.earlier));
    Witness::Prefix { partition, longer, shorter }
}

/// Compares each key with the state at the longest prefix that a present item implies.
fn compare(
    keys: &KeyNames,
    lengths: &[(u32, KeyId, Seen, Span)],
    by_key: &ByKey<'_>,
    differences: &mut Differences,
) {
    let present = lengths.iter().filter(|(_, _, found, _)| *found != Seen::Absent);
    let implied = present.map(|(.., span)| span.from.at).max().unwrap_or(0);
    for spans in lengths.chunk_by(|one, other| one.1 == other.1) {
        let (partition, key, found, _) = spans[0];
        if spans.iter().any(|(.., span)| span.from.at <= implied && implied <= span.until.at) {
            continue;
        }
        let owed = owed(&by_key.case(key), partition, implied);
        let name = keys.name(key);
        match (found, owed) {
            (Seen::Absent, Seen::Version(owed)) => differences.missing.push((name, owed)),
            (Seen::Version(found), Seen::Absent) => differences.extra.push((name, found)),
            (Seen::Version(found), Seen::Version(owed)) if found != owed => {
                differences.wrong.push((name, found, owed));
            }
            _ => {}
        }
    }
}

/// The state of a key in which this many entries of the partition's log leave it.
fn owed(case: &Case<'_>, partition: u32, included: u64) -> Seen {
    let inside = |entry: &&Entry| {
        entry.partition < partition
            || (entry.partition == partition && u64::from(entry.index) < included)
    };
    match case.entries.iter().rev().find(inside) {
        Some(entry) if !entry.deletes => Seen::Version(entry.write),
        Some(_) | None => Seen::Absent,
    }
}
