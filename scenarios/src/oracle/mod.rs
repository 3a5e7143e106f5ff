//! Judges of backups: the strongest consistency a backup satisfies, the weakest it violates, and
//! a witness that a person can follow.
//!
//! [`judge`] looks at one backup; [`durability::judge_log`] at the service underneath it. Both
//! judge plain data from [`crate::history`] and know no implementation. Transactions (P2) are
//! judged by [`atomic::judge_transactions`], the archive (P7) elsewhere.
//!
//! A verdict has three values. `Undecided` never counts as a pass.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::history::{CommittedLog, History, Observed};

pub mod agreement;
pub mod atomic;
pub mod durability;
pub mod witness;

mod bykey;
mod causal;
mod contents;
mod kind;
mod known;
mod prefix;
mod span;
mod unknown;

#[cfg(test)]
mod tests;

pub use agreement::Both;
pub use atomic::judge_transactions;
pub use durability::judge_log;
pub use witness::Witness;

/// Whether a promise was kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// It was.
    Holds,
    /// It was not, and this is why.
    Violated(Box<Witness>),
    /// It cannot be said; the text says what is missing. Never a pass.
    Undecided(String),
}

impl Verdict {
    /// Whether the promise was kept.
    #[must_use]
    pub fn holds(&self) -> bool {
        *self == Self::Holds
    }

    /// Whether the promise was broken.
    #[must_use]
    pub fn violated(&self) -> bool {
        matches!(self, Self::Violated(_))
    }

    fn from_witness(witness: Option<Box<Witness>>) -> Self {
        witness.map_or(Self::Holds, Self::Violated)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Holds => write!(f, "holds"),
            Self::Violated(witness) => write!(f, "violated\n{witness}"),
            Self::Undecided(missing) => write!(f, "undecided: {missing}"),
        }
    }
}

/// The levels of consistency that [`judge`] tells apart, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Level {
    /// What the backup holds of each partition is a prefix of that partition's committed writes;
    /// without a log: every item is the whole item of one write that was not refused.
    PartitionPrefix,
    /// What happened before a write that is in is in too.
    CausalCut,
    /// Every item was in the table at some instant; [`Judgement::skew_ns`] says how far apart.
    BoundedSkew,
    /// One instant explains every item.
    ExactCut,
    /// That instant lies between the request and its answer.
    RealTimeCut,
    /// The restored table is the backup: nothing missing, extra, mixed or different.
    ExactRestore,
}

/// Instants from `from_ns` to `until_ns`, both included; `u64::MAX` stands for "for ever".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instants {
    /// The first instant.
    pub from_ns: u64,
    /// The last instant.
    pub until_ns: u64,
}

/// What [`judge`] found out about one backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// Partition prefix.
    pub p0: Verdict,
    /// Causal cut.
    pub p1: Verdict,
    /// Bounded skew: holds when there is a skew at all, that is when every item can be explained.
    pub p3: Verdict,
    /// Exact cut.
    pub p4: Verdict,
    /// Real-time cut.
    pub p5: Verdict,
    /// Exact restore.
    pub p6: Verdict,
    /// The length of the smallest window in which every item finds an instant that explains it.
    pub skew_ns: Option<u64>,
    /// The smallest window about the request and its answer in which each item, by itself, finds
    /// an instant that explains it: how much earlier or later. `DynamoDB` promises a minute.
    pub distance_ns: Option<u64>,
    /// With a skew of 0, the first instants that explain everything; else that smallest window.
    pub instants: Option<Instants>,
    /// How many observations of an absent key could not be tied to one of several deletes. They
    /// are left out, and what holds without them only is undecided. With a log there are none.
    pub unattributed: u32,
}

/// The names of the levels, in the order of [`Judgement::levels`].
pub const NAMES: [&str; 6] = ["P0", "P1", "P3", "P4", "P5", "P6"];

impl Judgement {
    /// Each level with its verdict, weakest level first.
    #[must_use]
    pub fn levels(&self) -> [(Level, &Verdict); 6] {
        [
            (Level::PartitionPrefix, &self.p0),
            (Level::CausalCut, &self.p1),
            (Level::BoundedSkew, &self.p3),
            (Level::ExactCut, &self.p4),
            (Level::RealTimeCut, &self.p5),
            (Level::ExactRestore, &self.p6),
        ]
    }

    /// The strongest level that holds together with every level below it.
    #[must_use]
    pub fn strongest(&self) -> Option<Level> {
        let levels = self.levels();
        levels.iter().take_while(|(_, verdict)| verdict.holds()).map(|(level, _)| *level).last()
    }

    /// The weakest level that is violated.
    #[must_use]
    pub fn weakest_violated(&self) -> Option<Level> {
        self.levels().iter().find(|(_, verdict)| verdict.violated()).map(|(level, _)| *level)
    }
}

impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut previous = None;
        for (name, (_, verdict)) in NAMES.iter().zip(self.levels()) {
            match previous.replace(verdict) == Some(verdict) && verdict.violated() {
                true => writeln!(f, "{name} violated for the same reason")?,
                false => writeln!(f, "{name} {verdict}")?,
            }
        }
        match self.skew_ns {
            Some(skew_ns) => write!(f, "skew {}", witness::Millis(skew_ns)),
            None => write!(f, "skew: no instants explain every item"),
        }
    }
}

/// Grades one backup against what the clients did.
///
/// With the committed `log` the order of each key's writes is known; without it every order that
/// real time, reads and conditional writes allow is considered. Takes time in proportion to the
/// history, times its logarithm.
///
/// An empty history decides nothing; an empty restored table can violate a promise but never
/// keep one.
#[must_use]
pub fn judge(history: &History, log: Option<&CommittedLog>, observed: &Observed) -> Judgement {
    let mut judgement = contents::judge(history, log, observed);
    let nothing = if history.operations.is_empty() {
        Some("the history is empty")
    } else if observed.items.is_empty() {
        Some("the restored table is empty")
    } else {
        None
    };
    if let Some(missing) = nothing {
        undecide(&mut judgement, missing);
    }
    judgement
}

/// Turns every pass into "undecided".
fn undecide(judgement: &mut Judgement, missing: &str) {
    let Judgement { p0, p1, p3, p4, p5, p6, .. } = judgement;
    for verdict in [p0, p1, p3, p4, p5, p6] {
        if verdict.holds() {
            *verdict = Verdict::Undecided(missing.to_owned());
        }
    }
}
