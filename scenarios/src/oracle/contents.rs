//! Takes a backup apart key by key, asks what explains each, and puts the verdicts together.

use crate::history::{
    CommittedLog, History, KeyId, Observed, OperationKind, RestoredItem, Seen, WriteId,
};
use crate::oracle::bykey::{ByKey, Case, NOBODY, possible};
use crate::oracle::causal;
use crate::oracle::known::Timeline;
use crate::oracle::prefix::Prefixes;
use crate::oracle::span::{Span, Unions, Window};
use crate::oracle::unknown::explain;
use crate::oracle::witness::{Bound, Differences, Unfounded, Witness};
use crate::oracle::{Instants, Judgement, Verdict};

/// What has been found so far.
#[derive(Default)]
struct Findings {
    /// The first item that no write explains.
    unfounded: Option<Box<Witness>>,
    /// The first key that no instant explains.
    unexplained: Option<Box<Witness>>,
    /// The instants that explain the other keys.
    instants: Unions,
    prefixes: Prefixes,
    unattributed: u32,
    differences: Differences,
}

/// The judgement, whatever the size of its input.
pub(crate) fn judge(
    history: &History,
    log: Option<&CommittedLog>,
    observed: &Observed,
) -> Judgement {
    let by_key = ByKey::new(history, log, &observed.items);
    let mut findings = Findings::default();
    for case in by_key.cases() {
        findings.add(&case, log.is_some());
    }
    findings.add_whole(history, observed);
    let prefix = log.and_then(|log| {
        let prefixes = std::mem::take(&mut findings.prefixes);
        prefixes.judge(&history.keys, log, &by_key, &mut findings.differences)
    });
    findings.judge(&by_key, observed, log.is_some(), prefix)
}

impl Findings {
    fn add(&mut self, case: &Case<'_>, logged: bool) {
        let found = match self.add_items(case, logged) {
            Ok(found) => found,
            Err(witness) => {
                self.unfounded.get_or_insert_with(|| witness.clone());
                self.unexplained.get_or_insert(witness);
                return;
            }
        };
        let spans = if logged {
            let timeline = Timeline::new(case);
            self.prefixes.add(case, &timeline, found);
            timeline.spans(case, found)
        } else {
            explain(case, found).map(|explained| {
                self.unattributed += explained.unattributed;
                explained.spans
            })
        };
        match spans {
            Ok(spans) => self.instants.add(case.key.0, spans),
            Err(witness) => {
                self.unexplained.get_or_insert(witness);
            }
        }
    }

    /// The state in which the key was restored, if a write of the history can have led to it.
    fn add_items(&mut self, case: &Case<'_>, logged: bool) -> Result<Seen, Box<Witness>> {
        let item = match case.items {
            [] => return Ok(Seen::Absent),
            [item] => item,
            items => {
                self.differences.twice.push(case.name());
                let found = items.iter().map(|item| item.write).collect();
                return Err(Box::new(Witness::Twice { key: case.name(), found }));
            }
        };
        let witness =
            |why| Box::new(Witness::Unfounded { key: case.name(), found: item.write, why });
        let writer = founded(case, item.write, logged).map_err(|why| {
            self.differences.unfounded.push((case.name(), item.write));
            witness(*why)
        })?;
        if !item.intact {
            self.differences.damaged.push(case.name());
            let damaged = witness(Unfounded::Damaged(*case.op(writer)));
            self.unfounded.get_or_insert(damaged);
        }
        Ok(Seen::Version(item.write))
    }

    /// What concerns the restored table as a whole.
    fn add_whole(&mut self, history: &History, observed: &Observed) {
        let Observed { unknown_items, settings_differ, second, .. } = observed;
        if !unknown_items.is_empty() {
            let items = unknown_items.clone();
            self.unfounded.get_or_insert(Box::new(Witness::Invented { items }));
        }
        self.differences.unknown.clone_from(unknown_items);
        self.differences.settings.clone_from(settings_differ);
        if let Some(second) = second {
            let keys = differing(&observed.items, second);
            let names = keys.into_iter().map(|key| history.keys.name(key));
            self.differences.second = names.collect();
        }
    }

    fn judge(
        self,
        by_key: &ByKey<'_>,
        observed: &Observed,
        logged: bool,
        prefix: Option<Box<Witness>>,
    ) -> Judgement {
        let (request_ns, answer_ns) = (observed.request_ns, observed.answer_ns);
        let cut = Cut { by_key, instants: &self.instants, unattributed: self.unattributed };
        let window = if self.unexplained.is_none() { self.instants.window() } else { None };
        let explained = |verdict: &dyn Fn(&Window) -> Verdict| match (&self.unexplained, &window) {
            (Some(witness), _) => Verdict::Violated(witness.clone()),
            (None, Some(window)) => verdict(window),
            (None, None) => Verdict::Undecided("nothing is known of any key".to_owned()),
        };
        let restore = if self.differences.is_empty() {
            None
        } else {
            Some(Box::new(Witness::Restore(self.differences)))
        };
        let p4 = explained(&|window| cut.exact(window));
        // Where one instant explains everything, nothing before it is missing.
        let p1 = if p4.holds() { Verdict::Holds } else { causal::judge(by_key, logged) };
        Judgement {
            p0: Verdict::from_witness(self.unfounded.or(prefix)),
            p1,
            p3: explained(&|_| cut.unless_unattributed()),
            p4,
            p5: explained(&|window| cut.in_real_time(window, request_ns, answer_ns)),
            p6: Verdict::from_witness(restore),
            skew_ns: window.as_ref().map(|window| window.gap),
            distance_ns: window.as_ref().map(|_| self.instants.distance(request_ns, answer_ns)),
            instants: window.as_ref().map(|w| Instants { from_ns: w.from, until_ns: w.until }),
            unattributed: self.unattributed,
        }
    }
}

/// The instants of all keys together.
struct Cut<'a> {
    by_key: &'a ByKey<'a>,
    instants: &'a Unions,
    unattributed: u32,
}

impl Cut<'_> {
    fn unless_unattributed(&self) -> Verdict {
        match self.unattributed {
            0 => Verdict::Holds,
            count => Verdict::Undecided(unattributed(count)),
        }
    }

    fn exact(&self, window: &Window) -> Verdict {
        if window.gap > 0 {
            return Verdict::Violated(Box::new(self.skew(self.instants, window)));
        }
        self.unless_unattributed()
    }

    fn in_real_time(&self, window: &Window, request_ns: u64, answer_ns: u64) -> Verdict {
        if window.gap > 0 {
            return self.exact(window);
        }
        let clipped = match self.instants.clipped(request_ns, answer_ns) {
            Ok(clipped) => clipped,
            Err(nearest) => {
                let request = Instants { from_ns: request_ns, until_ns: answer_ns };
                let bound = self.bound(self.instants, nearest);
                return Verdict::Violated(Box::new(Witness::OutsideRequest { request, bound }));
            }
        };
        match clipped.window() {
            Some(window) if window.gap > 0 => {
                Verdict::Violated(Box::new(self.skew(&clipped, &window)))
            }
            _ => self.unless_unattributed(),
        }
    }

    fn skew(&self, unions: &Unions, window: &Window) -> Witness {
        Witness::Skew {
            skew_ns: window.gap,
            later: self.bound(unions, window.later),
            earlier: self.bound(unions, window.earlier),
        }
    }

    fn bound(&self, unions: &Unions, (owner, span): (u32, Span)) -> Bound {
        let case = self.by_key.case(KeyId(owner));
        let forced = |by: u32| (by != NOBODY).then(|| *case.op(by));
        Bound {
            key: case.name(),
            found: case.found(),
            instants: Instants { from_ns: span.from.at, until_ns: span.until.at },
            from_by: forced(span.from.by),
            until_by: forced(span.until.by),
            others: u32::try_from(unions.count(owner) - 1).unwrap_or(u32::MAX),
        }
    }
}

/// What is said of so many observations that could not be tied to one delete.
pub(crate) fn unattributed(count: u32) -> String {
    format!(
        "{count} operations saw a key absent after one of several deletes, \
         and only the committed log tells which"
    )
}

/// The operation that wrote this version of the key, if one may have.
fn founded(case: &Case<'_>, write: WriteId, logged: bool) -> Result<u32, Box<Unfounded>> {
    let writer = case.writer(write).ok_or(Box::new(Unfounded::NoSuchWrite))?;
    let op = case.op(writer);
    if op.kind != OperationKind::Put {
        return Err(Box::new(Unfounded::NotAPut(*op)));
    }
    if !possible(op) {
        return Err(Box::new(Unfounded::Refused(*op)));
    }
    if logged && !case.entries.iter().any(|entry| entry.write == write && !entry.deletes) {
        return Err(Box::new(Unfounded::NotCommitted(*op)));
    }
    Ok(writer)
}

/// The keys at which two restored tables differ, in order.
fn differing(one: &[RestoredItem], other: &[RestoredItem]) -> Vec<KeyId> {
    let sorted = |items: &[RestoredItem]| {
        let mut items = items.to_vec();
        items.sort_unstable();
        items
    };
    let (one, other) = (sorted(one), sorted(other));
    let lacks = |items: &[RestoredItem], item: &RestoredItem| items.binary_search(item).is_err();
    let left = one.iter().filter(|item| lacks(&other, item));
    let right = other.iter().filter(|item| lacks(&one, item));
    let mut keys: Vec<KeyId> = left.chain(right).map(|item| item.key).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}
