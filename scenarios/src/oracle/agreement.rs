//! Every backup is judged twice, and the two judgements must agree.
//!
//! By the committed log the order of each key's writes is known; by the clients' history alone
//! every order counts that clients cannot rule out. The log's order is one of these. So the log
//! may show a violation where clients see none, but never the reverse: what no order explains,
//! the log's does not explain. Where the two disagree, the log, the history or a judge is wrong,
//! and nothing that rests on them may be believed.

use super::witness::{Millis, Witness};
use super::{Judgement, NAMES, Verdict, judge};
use crate::history::{CommittedLog, History, Observed};

/// A backup's two judgements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Both {
    /// By the committed log.
    pub by_log: Judgement,
    /// By the clients' history alone.
    pub by_history: Judgement,
}

/// A promise that is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// The name of the promise.
    pub promise: String,
    /// In which way it is broken: see [`Witness::kind`].
    pub kind: &'static str,
    /// Why, in several lines.
    pub explanation: String,
}

impl Both {
    /// Judges a backup both ways.
    #[must_use]
    pub fn judge(history: &History, log: &CommittedLog, observed: &Observed) -> Self {
        Self {
            by_log: judge(history, Some(log), observed),
            by_history: judge(history, None, observed),
        }
    }

    /// Each promise that one of the two finds broken, with what the other says of it, and every
    /// disagreement.
    #[must_use]
    pub fn alarms(&self) -> Vec<Alarm> {
        let (by_log, by_history) = (self.by_log.levels(), self.by_history.levels());
        let mut alarms = Vec::new();
        for (place, name) in NAMES.iter().enumerate() {
            let (log, history) = (by_log[place].1, by_history[place].1);
            if let Verdict::Violated(witness) = log {
                alarms.push(violated((*name).to_owned(), witness));
            }
            if let Verdict::Violated(witness) = history {
                alarms.push(violated(format!("{name} (by history alone)"), witness));
            }
            if history.violated() && !log.violated() {
                let promise = format!("{name} (the judges disagree)");
                let explanation = disagreement(log, history);
                alarms.push(Alarm { promise, kind: DISAGREEMENT, explanation });
            }
        }
        alarms.extend(self.skew_disagreement());
        alarms
    }

    /// What the judgement by the log could not decide. By history alone some questions have no
    /// answer, and there only a violation counts.
    #[must_use]
    pub fn undecided(&self) -> Option<String> {
        let levels = self.by_log.levels();
        let mut undecided = NAMES.iter().zip(levels).filter_map(|(name, (_, verdict))| {
            let Verdict::Undecided(why) = verdict else { return None };
            Some(format!("{name}: {why}"))
        });
        undecided.next()
    }

    /// More orders explain at least as much: by history alone the skew cannot be larger.
    fn skew_disagreement(&self) -> Option<Alarm> {
        let (by_log, by_history) = (self.by_log.skew_ns?, self.by_history.skew_ns?);
        let what = || {
            let (by_log, by_history) = (Millis(by_log), Millis(by_history));
            format!("  a skew of {by_log} by the log, of {by_history} by history alone")
        };
        (by_history > by_log).then(|| Alarm {
            promise: "skew (the judges disagree)".to_owned(),
            kind: DISAGREEMENT,
            explanation: what(),
        })
    }
}

const DISAGREEMENT: &str = "one judge finds what the other rules out";

fn violated(promise: String, witness: &Witness) -> Alarm {
    Alarm { promise, kind: witness.kind(), explanation: witness.to_string() }
}

fn disagreement(log: &Verdict, history: &Verdict) -> String {
    format!("  by the committed log: {log}\n  by the clients' history alone: {history}")
}
