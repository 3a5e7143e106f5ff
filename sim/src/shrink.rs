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
const NAMED_MAX: u64 = 128;

/// Shrinks a failing tape with at most `runs_max` runs. Fewer runs give a tape that is right,
/// but less simple.
///
/// # Errors
/// The tape does not fail.
pub fn shrink(
    tape: &Tape,
    runs_max: u64,
    mut run: impl FnMut(&Tape) -> Trial,
) -> Result<Shrunk, DoesNotFail> {
    shrink_while(tape, runs_max, |tape| Some(run(tape)))
}

/// The same where `run` may end the search before that: it gives `None` instead of making a run
/// when its time is over.
///
/// # Errors
/// The tape does not fail, or not even its own run was made.
pub fn shrink_while(
    tape: &Tape,
    runs_max: u64,
    run: impl FnMut(&Tape) -> Option<Trial>,
) -> Result<Shrunk, DoesNotFail> {
    let draws = BTreeMap::new();
    let mut shrinking = Shrinking { run, runs: 0, runs_max, failure: String::new(), draws };
    shrinking.begin(tape)?;
    let decisions_before = Universe::new(&shrinking.draws).len();
    let mut tape = tape.clone();
    let (left, decisions_left) = loop {
        let universe = Universe::new(&shrinking.draws);
        let live = shrinking.simplify(&mut tape, &universe);
        let decisions_left = live.iter().map(|it| it.end - it.start).sum();
        if decisions_left > NAMED_MAX {
            break (Vec::new(), decisions_left);
        }
        let named = universe.named(&tape, &live);
        if let Some(left) = shrinking.name(&mut tape, &named) {
            break (left, decisions_left);
        }
        // Simpler runs may take decisions under names that no run before them knew.
        let now_live = Universe::new(&shrinking.draws).departing(&tape);
        if now_live == live || shrinking.is_over() {
            break (named, decisions_left);
        }
    };
    let Shrinking { runs, failure, .. } = shrinking;
    Ok(Shrunk { tape, failure, decisions_before, left, decisions_left, runs })
}

/// Runs that are made, and what they must come to.
struct Shrinking<R> {
    run: R,
    runs: u64,
    runs_max: u64,
    failure: String,
    /// The draws of the simplest run so far that failed as it should.
    draws: BTreeMap<String, u64>,
}

impl<R: FnMut(&Tape) -> Option<Trial>> Shrinking<R> {
    fn make(&mut self, tape: &Tape) -> Option<Trial> {
        let trial = (self.run)(tape);
        match trial {
            Some(_) => self.runs += 1,
            None => self.runs_max = self.runs,
        }
        trial
    }

    /// Makes the first run, and takes from it what all others must come to.
    fn begin(&mut self, tape: &Tape) -> Result<(), DoesNotFail> {
        let Trial { failure, draws } = self.make(tape).ok_or(DoesNotFail)?;
        self.failure = failure.ok_or(DoesNotFail)?;
        self.draws = draws;
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.runs >= self.runs_max
    }

    fn fails_alike(&mut self, tape: &Tape) -> bool {
        if self.is_over() {
            return false;
        }
        let Some(Trial { failure, draws }) = self.make(tape) else {
            return false;
        };
        let alike = failure.as_ref() == Some(&self.failure);
        if alike {
            self.draws = draws;
        }
        alike
    }

    /// Silences what it can of what departs on a tape from its simplest outcome; gives the
    /// decisions that it could not.
    fn simplify(&mut self, tape: &mut Tape, universe: &Universe) -> Vec<Range<u64>> {
        let mut silence = Silence::default();
        let mut live = universe.departing(tape);
        loop {
            let before = silence.len();
            live = self.silence(tape, universe, &mut silence, live);
            if silence.len() == before || self.is_over() {
                break;
            }
        }
        *tape = universe.tape(tape, &silence);
        live
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

    /// Names the decisions that are left, all others being muted, and brings their values as near
    /// to 0 as they go. Then the tape depends on no seed any more. Gives nothing, and leaves the
    /// tape as it is, if other decisions matter too.
    fn name(&mut self, tape: &mut Tape, named: &[Override]) -> Option<Vec<Override>> {
        let muted = vec![Muted::all("*")];
        let mut closed = Tape { seed: tape.seed, muted, overrides: named.to_vec() };
        if !self.fails_alike(&closed) {
            return None;
        }
        for at in 0..closed.overrides.len() {
            self.narrow(&mut closed, at);
        }
        *tape = closed;
        Some(tape.overrides.clone())
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

    /// Takes decisions under another name once its `b/way` is silenced, and one of them matters.
    fn branching(tape: &Tape) -> Trial {
        let large = |name, n| tape.decision(name, n) >> 63 == 1;
        let names: &[&str] = if large("b/way", 0) { &["a/x", "b/way"] } else { &["a/x", "c/new"] };
        let draws = names.iter().map(|name| (name.to_string(), 100)).collect();
        let fails = large("a/x", 30) && (large("b/way", 0) || large("c/new", 5));
        Trial { failure: fails.then(|| "lost update".to_string()), draws }
    }

    #[test]
    fn decisions_that_only_simpler_runs_take_are_named_too() {
        let leads_elsewhere = |it: &Tape| {
            let silent = Tape { muted: vec![Muted::all("b/way")], ..it.clone() };
            it.decision("b/way", 0) >> 63 == 1
                && [it, &silent].iter().all(|it| branching(it).failure.is_some())
        };
        let tape = (0..).map(Tape::new).find(leads_elsewhere).expect("one in eight does");
        let shrunk = shrink(&tape, 500, branching).expect("it fails");
        let left: Vec<(&str, u64)> = shrunk.left.iter().map(|it| (&*it.name, it.n)).collect();
        assert_eq!(left, [("c/new", 5), ("a/x", 30)]);
        assert_eq!(shrunk.tape.muted, [Muted::all("*")]);
        assert_eq!(shrunk.decisions_left, 2);
        assert!(branching(&shrunk.tape).failure.is_some());
    }

    #[test]
    fn what_is_simple_already_takes_few_runs() {
        let shrunk = shrink(&failing(), 500, trial).expect("it fails");
        let again = shrink(&shrunk.tape, 500, trial).expect("it fails");
        assert_eq!(again.left, shrunk.left);
        assert!(again.runs < 25, "{} runs", again.runs);
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
    fn a_search_that_is_ended_gives_what_it_has() {
        for made in 1..60 {
            let mut left = made;
            let run = |it: &Tape| {
                left = u64::checked_sub(left, 1)?;
                Some(trial(it))
            };
            let ended = shrink_while(&failing(), 500, run).expect("it fails");
            assert_eq!(ended, shrink(&failing(), made, trial).expect("it fails"));
        }
    }

    #[test]
    fn a_tape_that_does_not_fail_is_said_not_to() {
        let sound = |it: &Tape| Trial { failure: None, ..trial(it) };
        assert_eq!(shrink(&failing(), 500, sound), Err(DoesNotFail));
    }
}
