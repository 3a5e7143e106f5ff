//! What was explored, added up: of every figure one can say what it counts.

use std::collections::BTreeMap;
use std::fmt;

use super::Astray;
use super::coordinates::Coordinates;
use super::survey::{CrashPoint, Survey};
use crate::disk::Outcomes;
use crate::operation::{CrashKind, OperationKind};

/// The figures of one kind of operation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Operations of all machines in the span.
    pub operations: u64,
    /// Crash points, which are explored under the name of such an operation.
    pub points: u64,
    /// Moments right before and right after operations of any kind that these stand for.
    pub moments: u64,
    /// The fewest outcomes that a crash point has, both kinds of crashes together.
    pub outcomes_min: usize,
    /// The most; more than that, where the bound cut.
    pub outcomes_max: usize,
    /// Outcomes to be explored: as many runs.
    pub outcomes: u64,
    /// Outcomes that there are, as far as they were counted.
    pub counted: u64,
    /// Crash points that have more outcomes than are explored.
    pub cut: u64,
    /// Crash points that have more outcomes than were counted.
    pub uncounted: u64,
    /// Runs that were made.
    pub runs: u64,
    /// Runs in which the scenario found something wrong.
    pub broken: u64,
}

/// What came of exploring a span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accounting {
    /// By the kind of operation.
    pub rows: BTreeMap<OperationKind, Row>,
    /// How many runs there are to be made.
    pub planned: u64,
    /// What was wrong in the run without a crash.
    pub undisturbed: Option<String>,
    /// What was wrong where, in the order of the coordinates.
    pub violations: BTreeMap<Coordinates, String>,
    /// Runs that say nothing, and why.
    pub astray: BTreeMap<Coordinates, Astray>,
    /// The bound on the outcomes of each kind of crash at each point.
    pub bound: usize,
}

impl Accounting {
    /// Of nothing so far. `wanted` are the kinds of crashes that are explored, each with up to
    /// `bound` outcomes at a point.
    pub fn new(survey: &Survey, bound: usize, wanted: impl Fn(CrashKind) -> bool) -> Self {
        let mut rows: BTreeMap<OperationKind, Row> = BTreeMap::new();
        for (&(_, kind), &operations) in &survey.operations {
            rows.entry(kind).or_default().operations += operations;
        }
        for point in &survey.points {
            let row = rows.entry(point.site.kind).or_default();
            row.moments += point.stands_for;
            row.add_point(&outcomes_of(point, &wanted), bound);
        }
        let planned = rows.values().map(|it| it.outcomes).sum();
        Self {
            rows,
            planned,
            undisturbed: None,
            violations: BTreeMap::new(),
            astray: BTreeMap::new(),
            bound,
        }
    }

    /// Adds what the scenario said of the run without a crash.
    pub fn add_undisturbed(&mut self, result: Result<(), String>) {
        self.undisturbed = result.err();
    }

    /// Adds a run; it does not matter which comes first.
    pub fn add(&mut self, at: &Coordinates, came: Result<Result<(), String>, Astray>) {
        let row = self.rows.entry(at.site.kind).or_default();
        row.runs += 1;
        match came {
            Ok(Ok(())) => {}
            Ok(Err(why)) => {
                row.broken += 1;
                self.violations.insert(at.clone(), why);
            }
            Err(why) => drop(self.astray.insert(at.clone(), why)),
        }
    }

    /// A figure, summed over the kinds of operations.
    pub fn sum(&self, figure: impl Fn(&Row) -> u64) -> u64 {
        self.rows.values().map(figure).sum()
    }

    /// Whether every outcome within the bound was explored and nothing was wrong.
    pub fn is_clean(&self) -> bool {
        let explored = self.planned > 0 && self.sum(|it| it.runs) == self.planned;
        let silent = self.undisturbed.is_none() && self.violations.is_empty();
        explored && silent && self.astray.is_empty()
    }

    /// The fewest and the most outcomes of a crash point, over all of them.
    pub fn spread(&self) -> (usize, usize) {
        let some = || self.rows.values().filter(|it| it.points > 0);
        let min = some().map(|it| it.outcomes_min).min().unwrap_or(0);
        (min, some().map(|it| it.outcomes_max).max().unwrap_or(0))
    }
}

fn outcomes_of(point: &CrashPoint, wanted: impl Fn(CrashKind) -> bool) -> Vec<Outcomes> {
    let kinds = [CrashKind::Process, CrashKind::Power].into_iter().filter(|&it| wanted(it));
    kinds.map(|it| point.outcomes(it)).collect()
}

impl Row {
    fn add_point(&mut self, outcomes: &[Outcomes], bound: usize) {
        let found = outcomes.iter().map(|it| it.found().min(bound)).sum();
        let counted: usize = outcomes.iter().map(|it| it.found()).sum();
        let is_uncounted = outcomes.iter().any(|it| matches!(it, Outcomes::AtLeast(_)));
        self.outcomes_min = if self.points == 0 { found } else { self.outcomes_min.min(found) };
        self.outcomes_max = self.outcomes_max.max(found);
        self.points += 1;
        self.outcomes += found as u64;
        self.counted += counted as u64;
        self.cut += u64::from(is_uncounted || counted > found);
        self.uncounted += u64::from(is_uncounted);
    }
}

/// The line: how many crash points, how many outcomes, and whether those were all.
impl fmt::Display for Accounting {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (points, runs) = (self.sum(|it| it.points), self.sum(|it| it.runs));
        let outcomes = match self.spread() {
            (min, max) if min == max => grouped(min as u64),
            (min, max) => format!("{} to {}", grouped(min as u64), grouped(max as u64)),
        };
        write!(out, "{} crash points x {outcomes} outcomes: ", grouped(points))?;
        // A run that went astray says nothing about its outcome.
        let explored = runs - self.astray.len() as u64;
        if explored != self.planned {
            return write!(out, "{} of {} explored", grouped(explored), grouped(self.planned));
        }
        let (cut, counted) = (self.sum(|it| it.cut), grouped(self.sum(|it| it.counted)));
        if cut == 0 {
            return write!(out, "all {counted} explored at one fault");
        }
        let counted = match self.sum(|it| it.uncounted) {
            0 => counted,
            _ => format!("at least {counted}"),
        };
        let (runs, cut, bound) = (grouped(runs), grouped(cut), grouped(self.bound as u64));
        write!(out, "{runs} of {counted} explored at one fault, cut at {bound} in {cut} points")
    }
}

/// A number with a comma between its thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
