//! The instants that explain a key when the order of its writes is known from the committed log.
//!
//! A key in the state after its n-th write stood there no earlier than the latest call among the
//! first n writes and what saw their predecessors, and no later than the earliest answer among
//! the later writes and what saw them. That two of them overlap in time is no excuse.

use crate::history::{OperationKind, Seen, WriteId};
use crate::oracle::bykey::{Case, Entry, NOBODY, over_ns, possible};
use crate::oracle::span::{Edge, Span, union};
use crate::oracle::witness::Witness;

/// The states of one key in order. Position 0 is "not yet written", position n the state after
/// the n-th committed write.
pub(crate) struct Timeline {
    positions: Vec<Position>,
    /// Each committed version and its position, sorted.
    versions: Vec<(WriteId, usize)>,
}

/// One state of a key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Position {
    /// The write that led to it; none for position 0.
    pub(crate) entry: Option<Entry>,
    /// That write's operation, or [`NOBODY`].
    pub(crate) op: u32,
    /// The latest call among operations that came before this state or led to it.
    pub(crate) from: Edge,
    /// The earliest answer among operations that came after this state.
    pub(crate) until: Edge,
    /// The latest call of a read that saw this state.
    read_last: Edge,
    /// The earliest answer of a read that saw this state.
    read_first: Edge,
}

impl Position {
    fn absent(&self) -> bool {
        self.entry.is_none_or(|entry| entry.deletes)
    }
}

/// An operation that proves that the key was absent at some instant between its call and its
/// answer, without saying after which write: a read, or a delete that found nothing.
#[derive(Clone, Copy)]
struct Absence {
    op: u32,
    invoke_ns: u64,
    over_ns: u64,
}

impl Timeline {
    pub(crate) fn new(case: &Case<'_>) -> Self {
        let mut timeline = Self::of_writes(case);
        timeline.add_version_reads(case);
        timeline.sweep(case);
        timeline.add_absences(case);
        timeline
    }

    pub(crate) fn positions(&self) -> &[Position] {
        &self.positions
    }

    /// The state that this committed version is.
    pub(crate) fn position(&self, write: WriteId) -> Option<usize> {
        let place = self.versions.binary_search_by_key(&write, |&(id, _)| id).ok()?;
        Some(self.versions[place].1)
    }

    /// The positions at which the key was as it was restored.
    pub(crate) fn reflecting(&self, found: Seen) -> Vec<usize> {
        match found {
            Seen::Version(write) => self.position(write).into_iter().collect(),
            Seen::Absent => {
                (0..self.positions.len()).filter(|&p| self.positions[p].absent()).collect()
            }
        }
    }

    /// The instants at which the key was as it was restored.
    pub(crate) fn spans(&self, case: &Case<'_>, found: Seen) -> Result<Vec<Span>, Box<Witness>> {
        let reflecting = self.reflecting(found);
        let of = |&place: &usize| {
            let Position { from, until, .. } = self.positions[place];
            Span { from, until }
        };
        let spans = union(reflecting.iter().map(of).collect());
        if !spans.is_empty() {
            return Ok(spans);
        }
        let last = reflecting.last().map(of);
        let because = last.map_or(Vec::new(), |s| case.evidence(&[s.from.by, s.until.by]));
        Err(Box::new(Witness::NoInstant { key: case.name(), found, because }))
    }

    /// The latest call among operations that stand before the write at `place`: if the write was
    /// answered before that, the log contradicts real time.
    pub(crate) fn before_write(&self, place: usize) -> Edge {
        let previous = &self.positions[place - 1];
        previous.from.later(previous.read_last)
    }

    /// Whether the key was absent at some instant of this operation.
    pub(crate) fn explains_absence(&self, case: &Case<'_>, op: u32) -> bool {
        let absent = self.reflecting(Seen::Absent);
        !self.legal(&absent, &absence(case, op)).is_empty()
    }

    /// The first state in which this operation may have met the key absent, if it proves that
    /// the key was absent.
    pub(crate) fn absence_met(&self, case: &Case<'_>, op: u32) -> Option<usize> {
        self.proves_absence(case, op).then_some(())?;
        let absent = self.reflecting(Seen::Absent);
        self.legal(&absent, &absence(case, op)).first().copied()
    }

    fn of_writes(case: &Case<'_>) -> Self {
        let start = Position {
            entry: None,
            op: NOBODY,
            from: Edge::START,
            until: Edge::NEVER,
            read_last: Edge::START,
            read_first: Edge::NEVER,
        };
        let after = |&entry: &Entry| Position {
            entry: Some(entry),
            op: case.writer(entry.write).unwrap_or(NOBODY),
            ..start
        };
        let positions: Vec<Position> =
            std::iter::once(start).chain(case.entries.iter().map(after)).collect();
        let mut versions: Vec<_> = (1..).zip(&case.entries).map(|(p, e)| (e.write, p)).collect();
        versions.sort_unstable();
        Self { positions, versions }
    }

    fn add_version_reads(&mut self, case: &Case<'_>) {
        for &number in case.operations {
            let op = case.op(number);
            let Some(Seen::Version(write)) = op.saw else {
                continue;
            };
            let Some(place) = self.position(write) else {
                continue;
            };
            let position = &mut self.positions[place];
            position.read_first = position.read_first.earlier(Edge { at: over_ns(op), by: number });
            // An eventually consistent read may see what was replaced long before its call.
            if op.kind == OperationKind::Read {
                position.read_last =
                    position.read_last.later(Edge { at: op.invoke_ns, by: number });
            }
        }
    }

    /// Carries each bound to the positions it reaches.
    fn sweep(&mut self, case: &Case<'_>) {
        for place in 1..self.positions.len() {
            let before = self.before_write(place);
            let by = self.positions[place].op;
            let invoke_ns = if by == NOBODY { 0 } else { case.op(by).invoke_ns };
            self.positions[place].from = before.later(Edge { at: invoke_ns, by });
        }
        for place in (1..self.positions.len()).rev() {
            let Position { op: by, until, read_first, .. } = self.positions[place];
            let answer_ns = if by == NOBODY { u64::MAX } else { over_ns(case.op(by)) };
            let write = Edge { at: answer_ns, by };
            self.positions[place - 1].until = until.earlier(read_first).earlier(write);
        }
    }

    /// An absence may belong to several positions, and binds the others only if all of its
    /// positions lie on one side. Both bounds of a position grow with the position, so the legal
    /// ones among the absent are neighbours, and a lowest and a highest tell everything.
    fn add_absences(&mut self, case: &Case<'_>) {
        let absences: Vec<Absence> = self.absences(case);
        if absences.is_empty() {
            return;
        }
        let absent = self.reflecting(Seen::Absent);
        let mut above = vec![Edge::START; self.positions.len()];
        let mut below = vec![Edge::NEVER; self.positions.len()];
        for absence in absences {
            let legal = self.legal(&absent, &absence);
            if let (Some(&low), Some(&high)) = (legal.first(), legal.last()) {
                above[high] = above[high].later(Edge { at: absence.invoke_ns, by: absence.op });
                below[low] = below[low].earlier(Edge { at: absence.over_ns, by: absence.op });
            }
        }
        for place in 1..self.positions.len() {
            above[place] = above[place].later(above[place - 1]);
            self.positions[place].from = self.positions[place].from.later(above[place - 1]);
        }
        for place in (0..self.positions.len() - 1).rev() {
            below[place] = below[place].earlier(below[place + 1]);
            self.positions[place].until = self.positions[place].until.earlier(below[place + 1]);
        }
    }

    /// Those of the `absent` positions to which the absence can belong.
    fn legal<'p>(&self, absent: &'p [usize], absence: &Absence) -> &'p [usize] {
        let lowest = absent.partition_point(|&p| self.positions[p].until.at < absence.invoke_ns);
        let highest = absent.partition_point(|&p| self.positions[p].from.at <= absence.over_ns);
        absent.get(lowest..highest).unwrap_or(&[])
    }

    fn absences(&self, case: &Case<'_>) -> Vec<Absence> {
        let proves = case.operations.iter().filter(|&&number| self.proves_absence(case, number));
        proves.map(|&number| absence(case, number)).collect()
    }

    fn proves_absence(&self, case: &Case<'_>, number: u32) -> bool {
        let op = case.op(number);
        match op.kind {
            OperationKind::Read => op.saw == Some(Seen::Absent),
            OperationKind::Delete => {
                let logged = op.write.is_some_and(|write| self.position(write).is_some());
                op.conditional.is_none() && op.acknowledged_ns().is_some() && !logged
            }
            OperationKind::Put | OperationKind::EventualRead => false,
        }
    }
}

fn absence(case: &Case<'_>, number: u32) -> Absence {
    let op = case.op(number);
    debug_assert!(possible(op), "a refused operation proves nothing");
    Absence { op: number, invoke_ns: op.invoke_ns, over_ns: over_ns(op) }
}
