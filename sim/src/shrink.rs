//! Makes a failing tape simple: as few decisions as possible depart from their simplest
//! outcome, and those that do by as little as possible, while the run fails for the same
//! reason.
//!
//! A decision is silenced by giving it raw value 0, which by convention is the shortest, the
//! first, no fault; so one method removes faults, drops delays, straightens schedules and turns
//! knobs back. Sets of decisions are silenced at once, the largest first: a set that cannot be
//! is cut in two, as in delta debugging (Zeller and Hildebrandt, "Simplifying and Isolating
//! Failure-Inducing Input", 2002). What a workload is made of is left to those who know it.

mod universe;

use std::collections::{BTreeMap, BinaryHeap};
use std::fmt;
use std::ops::Range;

use crate::tape::{Muted, Override, Tape};
use crate::world::World;
use universe::{Silence, Universe};

/// What one run came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// Why it failed, in the words by which two failures are held to be the same; `None` if it
    /// did not. Leave out what differs from run to run: times, numbers, names of hosts.
    pub failure: Option<String>,
    /// How many draws there were under each name: see [`World::draws`].
    pub draws: BTreeMap<String, u64>,
}

impl Trial {
    /// The trial of a world that has come to its end.
    pub fn of(world: &World, failure: Option<String>) -> Self {
        Self { failure, draws: world.draws() }
    }
}

/// A tape that cannot be shrunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DoesNotFail;

impl fmt::Display for DoesNotFail {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("the run of this tape does not fail: there is nothing to shrink")
    }
}

impl std::error::Error for DoesNotFail {}

/// A failing tape made simple.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shrunk {
    /// Fails for the same reason as the tape that was given.
    pub tape: Tape,
    /// The reason.
    pub failure: String,
    /// How many decisions the first run took.
    pub decisions_before: u64,
    /// Those that still depart from their simplest outcome; none if they were too many to name.
    pub left: Vec<Override>,
    /// How many those are.
    pub decisions_left: u64,
    /// How many runs it took.
    pub runs: u64,
}

impl fmt::Display for Shrunk {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { decisions_before, decisions_left, runs, .. } = self;
        write!(
            out,
            "{decisions_left} of {decisions_before} decisions matter (found in {runs} runs)"
        )?;
        for Override { name, n, value } in &self.left {
            // The place of the outcome among all that there are, from simplest to least simple.
            let per_mille = (u128::from(*value) * 1_000) >> 64;
            write!(out, "\n  {name}[{n}] = 0.{per_mille:03}")?;
        }
        Ok(())
    }
}

/// A tape lists its decisions one by one if they are not more than this.
const NAMED_MAX: u64 = 64;

/// Shrinks a failing tape with at most `runs_max` runs. Fewer runs give a tape that is right,
/// but less simple.
///
/// # Errors
/// The tape does not fail.
pub fn shrink(
    tape: &Tape,
    runs_max: u64,
    run: impl FnMut(&Tape) -> Trial,
) -> Result<Shrunk, DoesNotFail> {
    let mut shrinking = Shrinking { run, runs: 0, runs_max, failure: String::new() };
    let first = shrinking.make(tape);
    shrinking.failure = first.failure.clone().ok_or(DoesNotFail)?;
    let universe = Universe::new(&first.draws);
    let mut silence = Silence::default();
    let everything = 0..universe.len();
    let mut live = Vec::from([everything]);
    loop {
        let before = silence.len();
        live = shrinking.silence(tape, &universe, &mut silence, live);
        if silence.len() == before || shrinking.is_over() {
            break;
        }
    }
    let simpler = universe.tape(tape, &silence);
    let decisions_left = universe.len() - silence.len();
    let named = if decisions_left <= NAMED_MAX { universe.named(&simpler, &live) } else { vec![] };
    let (tape, left) = shrinking.name(tape, simpler, named);
    let Shrinking { runs, failure, .. } = shrinking;
    Ok(Shrunk { tape, failure, decisions_before: universe.len(), left, decisions_left, runs })
}

/// Runs that are made, and what they must come to.
struct Shrinking<R> {
    run: R,
    runs: u64,
    runs_max: u64,
    failure: String,
}

impl<R: FnMut(&Tape) -> Trial> Shrinking<R> {
    fn make(&mut self, tape: &Tape) -> Trial {
        self.runs += 1;
        (self.run)(tape)
    }

    fn is_over(&self) -> bool {
        self.runs >= self.runs_max
    }

    fn fails_alike(&mut self, tape: &Tape) -> bool {
        !self.is_over() && self.make(tape).failure.as_ref() == Some(&self.failure)
    }

    /// Silences what it can of the given decisions; gives those that it could not.
    fn silence(
        &mut self,
        base: &Tape,
        universe: &Universe,
        silence: &mut Silence,
        decisions: Vec<Range<u64>>,
    ) -> Vec<Range<u64>> {
        // Largest first: if runs are short, they are spent where most is to be had.
        let mut waiting: BinaryHeap<(u64, std::cmp::Reverse<u64>)> = BinaryHeap::new();
        let entry = |it: &Range<u64>| (it.end - it.start, std::cmp::Reverse(it.start));
        waiting.extend(decisions.iter().filter(|it| !it.is_empty()).map(entry));
        let mut live = Vec::new();
        while let Some((len, std::cmp::Reverse(start))) = waiting.pop() {
            let decisions = start..start + len;
            let attempt = silence.with(&decisions);
            if self.fails_alike(&universe.tape(base, &attempt)) {
                *silence = attempt;
            } else if len == 1 || self.is_over() {
                live.push(decisions);
            } else {
                let middle = universe.cut(&decisions);
                waiting.extend([entry(&(start..middle)), entry(&(middle..decisions.end))]);
            }
        }
        live.sort_unstable_by_key(|it| it.start);
        live
    }

    /// Names the decisions that are left, and brings their values as near to 0 as they go. Then
    /// the tape depends on no seed any more.
    fn name(&mut self, base: &Tape, simpler: Tape, named: Vec<Override>) -> (Tape, Vec<Override>) {
        let mut overrides = base.overrides.clone();
        overrides
            .retain(|it| !named.iter().any(|named| (&named.name, named.n) == (&it.name, it.n)));
        let kept = overrides.len();
        overrides.extend(named.iter().cloned());
        let mut tape = Tape { seed: base.seed, muted: vec![Muted::all("*")], overrides };
        if named.is_empty() || !self.fails_alike(&tape) {
            return (simpler, named);
        }
        for at in kept..tape.overrides.len() {
            self.narrow(&mut tape, at);
        }
        let left = tape.overrides[kept..].to_vec();
        (tape, left)
    }

    /// Halves the distance to the smallest value that still fails, until what is left of it
    /// hardly ever changes an outcome.
    fn narrow(&mut self, tape: &mut Tape, at: usize) {
        let (mut passes, mut fails) = (0, tape.overrides[at].value);
        while fails - passes > 1 << 54 && !self.is_over() {
            let middle = passes + (fails - passes) / 2;
            tape.overrides[at].value = middle;
            match self.fails_alike(tape) {
                true => fails = middle,
                false => passes = middle,
            }
        }
        tape.overrides[at].value = fails;
        self.round(tape, at);
    }

    /// Gives a value few digits, if the next such value fails alike.
    fn round(&mut self, tape: &mut Tape, at: usize) {
        let value = tape.overrides[at].value;
        let rounded = value.checked_next_multiple_of(1 << 52).unwrap_or(value);
        tape.overrides[at].value = rounded;
        if rounded != value && !self.fails_alike(tape) {
            tape.overrides[at].value = value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run of three actors that fails when two of its many decisions are large.
    fn trial(tape: &Tape) -> Trial {
        let draws: BTreeMap<String, u64> =
            ["a/loss", "b/loss", "b/delay", "plan/0"].map(|name| (name.to_string(), 1_000)).into();
        let large = |name, n| tape.decision(name, n) >> 62 == 3;
        let fails = large("b/delay", 421) && large("plan/0", 7);
        let other = tape.decision("a/loss", 5) == 0;
        let failure = fails.then_some("lost update").or(other.then_some("deadlock"));
        Trial { failure: failure.map(str::to_string), draws }
    }

    fn failing() -> Tape {
        let fails = |it: &Tape| trial(it).failure.is_some();
        (0..).map(Tape::new).find(fails).expect("one in sixteen fails")
    }

    #[test]
    fn what_is_left_is_what_matters() {
        let shrunk = shrink(&failing(), 500, trial).expect("it fails");
        assert_eq!((shrunk.failure.as_str(), shrunk.decisions_before), ("lost update", 4_000));
        let left: Vec<(&str, u64)> = shrunk.left.iter().map(|it| (&*it.name, it.n)).collect();
        assert_eq!(left, [("plan/0", 7), ("b/delay", 421)]);
        assert_eq!(trial(&shrunk.tape).failure.as_deref(), Some("lost update"));
        // Three quarters is where a decision begins to be large.
        let values = shrunk.left.iter().map(|it| it.value);
        assert!(values.into_iter().all(|it| it >> 62 == 3 && it - (3 << 62) <= 1 << 54));
        assert!(shrunk.runs < 120, "{} runs", shrunk.runs);
        let text = shrunk.to_string();
        assert!(text.contains("2 of 4000 decisions matter"), "{text}");
        assert!(text.contains("\n  b/delay[421] = 0.75"), "{text}");
    }

    #[test]
    fn another_failure_is_not_the_same() {
        // All zeros fail too, but for another reason.
        let silent = Tape { muted: vec![Muted::all("*")], ..failing() };
        assert_eq!(trial(&silent).failure.as_deref(), Some("deadlock"));
        assert_ne!(shrink(&failing(), 500, trial).expect("it fails").tape, silent);
    }

    #[test]
    fn few_runs_give_a_tape_that_still_fails() {
        for runs_max in 1..60 {
            let shrunk = shrink(&failing(), runs_max, trial).expect("it fails");
            assert_eq!(trial(&shrunk.tape).failure.as_deref(), Some("lost update"));
            assert!(shrunk.runs <= runs_max);
        }
    }

    #[test]
    fn a_tape_that_does_not_fail_is_said_not_to() {
        let sound = |it: &Tape| Trial { failure: None, ..trial(it) };
        assert_eq!(shrink(&failing(), 500, sound), Err(DoesNotFail));
    }
}
