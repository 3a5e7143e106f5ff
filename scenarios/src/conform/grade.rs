//! The ladder of promises over all backups of a recording, and whether that is what was
//! demanded.
//!
//! A level is violated if one backup violates it, whatever the evidence; it holds if it holds
//! for every backup and there is evidence enough; else it is undecided, which never counts as
//! a pass.

use std::fmt;

use serde::Serialize;

use crate::conform::evidence::{Evidence, Overlap};
use crate::conform::waits::{Felt, felt};
use crate::oracle::{Judgement, Verdict, judge, judge_transactions};
use crate::recording::{Recording, Taken};

/// What Amazon promises of a backup: everything up to a minute before the request, nothing from
/// later than a minute after it (API reference, `CreateBackup`).
pub const WINDOW_NS: u64 = 60_000_000_000;

/// A rung of the ladder, weakest first; `docs/promises.md` defines each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Rung {
    /// P0, item by item: every item is the whole item of one write that was not refused.
    Item,
    /// P1, causal cut.
    Causal,
    /// P2, atomic cut.
    Atomic,
    /// P3, bounded skew.
    Skew,
    /// P4, exact cut.
    Exact,
    /// P5, real-time cut.
    RealTime,
    /// P6, exact restore.
    Restore,
}

/// All rungs, weakest first.
pub const RUNGS: [Rung; 7] = [
    Rung::Item,
    Rung::Causal,
    Rung::Atomic,
    Rung::Skew,
    Rung::Exact,
    Rung::RealTime,
    Rung::Restore,
];

impl Rung {
    /// Its short name, as `docs/promises.md` has it.
    #[must_use]
    pub fn code(self) -> &'static str {
        ["P0", "P1", "P2", "P3", "P4", "P5", "P6"][self as usize]
    }

    /// What it is about.
    #[must_use]
    pub fn name(self) -> &'static str {
        const NAMES: [&str; 7] = [
            "whole items",
            "causal cut",
            "atomic cut",
            "bounded skew",
            "exact cut",
            "real-time cut",
            "exact restore",
        ];
        NAMES[self as usize]
    }
}

/// How a promise stands after all backups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It was kept every time, and there is evidence enough.
    Holds,
    /// It was broken.
    Violated {
        /// By which backup first.
        backup: String,
        /// What proves it, as lines.
        witness: String,
        /// By how many backups in all.
        times: usize,
    },
    /// It cannot be said; the text says what is missing.
    Undecided(String),
    /// The endpoint has nothing that the promise speaks of.
    NotOffered,
}

impl Standing {
    /// One word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Violated { .. } => "violated",
            Self::Undecided(_) => "undecided",
            Self::NotOffered => "not offered",
        }
    }
}

/// One backup, judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// Its name.
    pub name: String,
    /// How long its call lasted.
    pub call_ns: u64,
    /// How long it took from the request until it was seen to be AVAILABLE.
    pub available_ns: u64,
    /// How many writes overlapped its call.
    pub overlap: u64,
    /// How many items it held.
    pub items: usize,
    /// The verdict of each rung.
    pub verdicts: Vec<Verdict>,
    /// The verdict on Amazon's window.
    pub window: Verdict,
    /// The skew, if instants explain every item.
    pub skew_ns: Option<u64>,
    /// The smallest window about the call that explains every item by itself.
    pub distance_ns: Option<u64>,
}

/// What was found out about an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grade {
    /// What was driven.
    pub endpoint: String,
    /// How many operations were recorded.
    pub operations: usize,
    /// How many of its clients wrote.
    pub clients: usize,
    /// Each backup.
    pub backups: Vec<Judged>,
    /// How each rung stands, in the order of [`RUNGS`].
    pub rungs: Vec<Standing>,
    /// How Amazon's window stands.
    pub window: Standing,
    /// What the verdicts rest on.
    pub evidence: Evidence,
    /// What writers felt of the backups.
    pub felt: Felt,
}

/// What is demanded of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// What Amazon documents: whole items (P0), its window, and exact restores (P6).
    Documented,
    /// That, and this rung and all below it.
    UpTo(Rung),
}

/// Whether an endpoint does what was demanded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conformance {
    /// It does.
    Conforms,
    /// It does not: the promises that it broke.
    Violates(Vec<String>),
    /// It cannot be said: what is missing.
    Undecided(String),
}

/// Judges a recording.
#[must_use]
pub fn grade(recording: &Recording) -> Grade {
    let Recording { history, backups, .. } = recording;
    let evidence = Evidence::of(history, backups.iter().map(|it| &it.observed));
    let judged: Vec<Judged> = backups.iter().map(|it| judge_one(recording, it)).collect();
    let stand = |of: &dyn Fn(&Judged) -> Verdict| standing(&judged, of, &evidence);
    let rung = |(place, rung): (usize, &Rung)| match rung {
        Rung::Atomic if !recording.transactions_offered => Standing::NotOffered,
        _ => stand(&|it| it.verdicts[place].clone()),
    };
    let mut clients: Vec<u32> =
        history.operations.iter().filter(|op| op.writes()).map(|op| op.client).collect();
    clients.sort_unstable();
    clients.dedup();
    Grade {
        endpoint: recording.endpoint.clone(),
        operations: history.operations.len(),
        clients: clients.len(),
        rungs: RUNGS.iter().enumerate().map(rung).collect(),
        window: stand(&|it| it.window.clone()),
        felt: felt(history, backups),
        backups: judged,
        evidence,
    }
}

/// Whether the last backup of a recording breaks what is demanded.
#[must_use]
pub fn last_violates(recording: &Recording, demand: Demand) -> bool {
    let Some(last) = recording.backups.last() else { return false };
    let judged = judge_one(recording, last);
    let broken = |rung: &Rung| judged.verdicts[*rung as usize].violated();
    judged.window.violated() || demand.rungs().iter().any(broken)
}

fn judge_one(recording: &Recording, taken: &Taken) -> Judged {
    let (history, observed) = (&recording.history, &taken.observed);
    let judgement = judge(history, None, observed);
    let p2 = match recording.transactions_offered {
        true => judge_transactions(history, &recording.transactions, observed),
        false => Verdict::Undecided("no transactions".to_owned()),
    };
    let window = window(&judgement);
    let Judgement { p0, p1, p3, p4, p5, p6, skew_ns, distance_ns, .. } = judgement;
    Judged {
        name: taken.name.clone(),
        call_ns: observed.answer_ns - observed.request_ns,
        available_ns: taken.available_ns - observed.request_ns,
        overlap: Overlap::of(history, observed).writes,
        items: observed.items.len(),
        verdicts: vec![p0, p1, p2, p3, p4, p5, p6],
        window,
        skew_ns,
        distance_ns,
    }
}

/// Amazon's window: each item by itself finds an instant that explains it, at most a minute
/// from the call. When the request was received lies within the call.
fn window(judgement: &Judgement) -> Verdict {
    match judgement.distance_ns {
        // Then P5 is violated as well, and its witness will do.
        Some(distance_ns) if distance_ns > WINDOW_NS => judgement.p5.clone(),
        _ => judgement.p3.clone(),
    }
}

fn standing(judged: &[Judged], of: &dyn Fn(&Judged) -> Verdict, evidence: &Evidence) -> Standing {
    let verdicts: Vec<(&str, Verdict)> =
        judged.iter().map(|it| (it.name.as_str(), of(it))).collect();
    let violated = |(_, verdict): &&(&str, Verdict)| verdict.violated();
    let times = verdicts.iter().filter(violated).count();
    if let Some((backup, Verdict::Violated(witness))) = verdicts.iter().find(violated) {
        let (backup, witness) = ((*backup).to_owned(), witness.to_string());
        return Standing::Violated { backup, witness, times };
    }
    for (backup, verdict) in &verdicts {
        if let Verdict::Undecided(why) = verdict {
            return Standing::Undecided(format!("{backup}: {why}"));
        }
    }
    match evidence.missing() {
        _ if verdicts.is_empty() => Standing::Undecided("no backup was restored".to_owned()),
        Some(missing) => Standing::Undecided(missing),
        None => Standing::Holds,
    }
}

impl Grade {
    /// The strongest rung that holds together with every one below it that the endpoint
    /// offers.
    #[must_use]
    pub fn strongest(&self) -> Option<Rung> {
        let rungs = RUNGS.iter().zip(&self.rungs);
        let up_to =
            rungs.take_while(|(_, it)| matches!(it, Standing::Holds | Standing::NotOffered));
        up_to.filter(|(_, it)| **it == Standing::Holds).map(|(rung, _)| *rung).last()
    }

    /// The weakest rung that is violated.
    #[must_use]
    pub fn weakest_violated(&self) -> Option<Rung> {
        let mut rungs = RUNGS.iter().zip(&self.rungs);
        rungs.find(|(_, it)| matches!(it, Standing::Violated { .. })).map(|(rung, _)| *rung)
    }

    /// The largest skew of a backup; `None` if there is none or one has no instants at all.
    #[must_use]
    pub fn skew_ns(&self) -> Option<u64> {
        let skews: Option<Vec<u64>> = self.backups.iter().map(|it| it.skew_ns).collect();
        skews?.into_iter().max()
    }

    /// Whether the endpoint does what is demanded.
    #[must_use]
    pub fn conformance(&self, demand: Demand) -> Conformance {
        let rungs = demand.rungs();
        let demanded = || {
            let rungs = rungs.iter().map(|it| (it.code(), &self.rungs[*it as usize]));
            rungs.chain([("the window of a minute", &self.window)])
        };
        let broken = demanded().filter(|(_, it)| matches!(it, Standing::Violated { .. }));
        let broken: Vec<String> = broken.map(|(name, _)| name.to_owned()).collect();
        if !broken.is_empty() {
            return Conformance::Violates(broken);
        }
        let mut open = demanded().filter_map(|(name, it)| match it {
            Standing::Undecided(why) => Some(format!("{name}: {why}")),
            _ => None,
        });
        open.next().map_or(Conformance::Conforms, Conformance::Undecided)
    }
}

impl Demand {
    /// The rungs that are demanded; Amazon's window always is.
    #[must_use]
    pub fn rungs(self) -> Vec<Rung> {
        let up_to = match self {
            Self::Documented => Rung::Item,
            Self::UpTo(rung) => rung,
        };
        RUNGS.into_iter().filter(|it| *it <= up_to || *it == Rung::Restore).collect()
    }
}

impl fmt::Display for Demand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Documented => write!(f, "what Amazon documents (P0, P6, its window of a minute)"),
            Self::UpTo(rung) => write!(f, "P0 to {}, and P6", rung.code()),
        }
    }
}
