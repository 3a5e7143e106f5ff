//! Makes a failing run simple: as few of its decisions as possible depart from their simplest
//! outcome, while it breaks the same promise in the same way.
//!
//! Which decisions are silenced in which order is the business of the world's own shrinking;
//! here it learns what a run of a story is and when two of them fail alike.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use stillpoint_sim::{Shrunk, Tape, Trial, shrink_while};

use crate::campaign::panics;
use crate::campaign::pool::Limits;
use crate::campaign::tally::sound_verdict;
use crate::report::{Failure, Runner, SeedReport, SeedRequest, Verdict};

/// A failing run, and the simplest one that fails alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Simplified {
    /// The promise that both break, and in which way: see [`Failure::reason`].
    pub reason: String,
    /// What the run that was given came to.
    pub before: SeedReport,
    /// The simple run.
    pub request: SeedRequest,
    /// What it came to.
    pub after: SeedReport,
    /// The decisions that are left, and how many there were.
    pub shrunk: Shrunk,
    /// Whether the search was cut short, so that a longer one may find a simpler run.
    pub cut_short: bool,
}

/// Why there is no simpler run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotSimplified {
    /// The run breaks no promise; this is its verdict.
    DoesNotFail(Verdict),
    /// The simulation itself panicked, with this message and place.
    Crashed(String),
    /// The run did not fail a second time.
    DoesNotRepeat,
}

/// Searches with at most `runs_max` runs, and until the limits' deadline or an interrupt; on one
/// thread, since each run depends on what the one before it came to. `each` is told of every
/// run.
///
/// # Errors
/// There is nothing to make simple, or it cannot be done.
pub fn simplify(
    runner: &dyn Runner,
    request: &SeedRequest,
    limits: &Limits<'_>,
    runs_max: u64,
    each: &mut dyn FnMut(Made<'_>),
) -> Result<Simplified, NotSimplified> {
    let quiet = SeedRequest { event_log: false, ..request.clone() };
    let before = panics::catch(|| runner.run(&quiet)).map_err(NotSimplified::Crashed)?;
    let reason = reason_like(&before, None)
        .ok_or_else(|| NotSimplified::DoesNotFail(sound_verdict(&before)))?;
    let mut search = Search { runner, quiet, reason, limits, runs: 0, ended: false, each };
    let shrunk = shrink_while(&request.tape(), runs_max, |tape| search.make(tape))
        .map_err(|_| NotSimplified::DoesNotRepeat)?;
    let Search { reason, ended, .. } = search;
    let cut_short = ended || shrunk.runs >= runs_max;
    let request = request.clone().on_tape(&shrunk.tape);
    let after = panics::catch(|| runner.run(&request)).map_err(NotSimplified::Crashed)?;
    if reason_like(&after, Some(&reason)).as_ref() != Some(&reason) {
        return Err(NotSimplified::DoesNotRepeat);
    }
    Ok(Simplified { reason, before, request, after, shrunk, cut_short })
}

struct Search<'a> {
    runner: &'a dyn Runner,
    quiet: SeedRequest,
    reason: String,
    limits: &'a Limits<'a>,
    runs: u64,
    ended: bool,
    each: &'a mut dyn FnMut(Made<'_>),
}

impl Search<'_> {
    fn make(&mut self, tape: &Tape) -> Option<Trial> {
        // The first run is the one that is shrunk: without it there is nothing at all.
        if self.runs > 0 && is_over(self.limits) {
            self.ended = true;
            return None;
        }
        self.runs += 1;
        let tried = self.quiet.clone().on_tape(tape);
        // A simulation that panics breaks no promise, so that is another failure than this one.
        let Ok(report) = panics::catch(|| self.runner.run(&tried)) else {
            return Some(Trial { failure: None, draws: BTreeMap::new() });
        };
        let failure = reason_like(&report, Some(&self.reason));
        let alike = failure.as_ref() == Some(&self.reason);
        (self.each)(Made { runs: self.runs, alike: alike.then_some(&report) });
        Some(Trial { failure, draws: report.draws })
    }
}

/// A run that was made in the search.
#[derive(Debug, Clone, Copy)]
pub struct Made<'a> {
    /// How many there were, with this one.
    pub runs: u64,
    /// What it came to, if it fails as it should.
    pub alike: Option<&'a SeedReport>,
}

fn is_over(limits: &Limits<'_>) -> bool {
    limits.interrupted.load(Ordering::Relaxed)
        || limits.deadline_ns.is_some_and(|deadline_ns| (limits.now_ns)() >= deadline_ns)
}

/// Why a run fails: for the wanted reason if that is one of its reasons, else for the first.
fn reason_like(report: &SeedReport, wanted: Option<&String>) -> Option<String> {
    let Verdict::Broken(failures) = sound_verdict(report) else {
        return None;
    };
    let reasons: Vec<String> = failures.iter().map(Failure::reason).collect();
    let wanted = wanted.filter(|wanted| reasons.contains(wanted));
    wanted.or(reasons.first()).cloned()
}
