//! The instants that explain a key when the order of its writes is not known.
//!
//! A *block* is a chain of writes that must follow each other directly (each conditional on the
//! one before) with the reads that saw them. Its *zone* runs between its earliest answer and its
//! latest call (Gibbons and Korach, "Testing shared memories", 1997): where the answer comes
//! first, the block was certainly there in between, and nothing else was. Blocks whose zones
//! tell which came first bound the instants of a restored state; any other block may stand on
//! either side of the instant, as long as the instant is not inside its zone. So a key yields a
//! union of intervals.

use crate::history::{Operation, OperationKind, Seen};
use crate::oracle::bykey::{Case, possible};
use crate::oracle::span::{Edge, Span, union, without};
use crate::oracle::witness::Witness;

mod absences;
mod causes;
mod chains;
mod zones;

pub(crate) use causes::AnyOrder;
use chains::Chains;
use zones::{Zone, Zones};

/// The instants at which a key was as it was restored.
pub(crate) struct Explained {
    pub(crate) spans: Vec<Span>,
    /// How many observations of the absent key were left out.
    pub(crate) unattributed: u32,
}

/// The instants at which the key was as it was restored, over all orders of its operations.
pub(crate) fn explain(case: &Case<'_>, found: Seen) -> Result<Explained, Box<Witness>> {
    let chains = Chains::new(case, found).map_err(|because| contradiction(case, &because))?;
    let zones = Zones::new(&chains).map_err(|because| contradiction(case, &because))?;
    let mut candidates = Candidates::new(&chains, &zones);
    match found {
        Seen::Version(write) => candidates.add_certain(case.find(write)),
        Seen::Absent => candidates.add_absent(case),
    }
    // A block whose zone has an inside leaves no other zone near: only the others have holes.
    let mut spans = without(&union(std::mem::take(&mut candidates.open)), zones.closed());
    spans.append(&mut candidates.inside);
    let spans: Vec<Span> = union(spans).into_iter().map(from_start).collect();
    if spans.is_empty() {
        let because = case.evidence(&candidates.refuted);
        return Err(Box::new(Witness::NoInstant { key: case.name(), found, because }));
    }
    Ok(Explained { spans, unattributed: chains.unattributed() })
}

fn contradiction(case: &Case<'_>, because: &[u32]) -> Box<Witness> {
    Box::new(Witness::NotLinearizable { key: case.name(), because: case.evidence(because) })
}

/// Instants are counted from 1 while blocks are compared: 0 is the state before the history, so
/// that it comes before every operation.
fn called(op: &Operation, by: u32) -> Edge {
    Edge { at: op.invoke_ns.saturating_add(1), by }
}

fn answered(op: &Operation, by: u32) -> Edge {
    let at = op.acknowledged_ns().map_or(u64::MAX, |at| at.saturating_add(1));
    Edge { at, by }
}

fn from_start(span: Span) -> Span {
    let back = |edge: Edge| Edge { at: edge.at.saturating_sub(1), ..edge };
    let until = if span.until.at == u64::MAX { span.until } else { back(span.until) };
    Span { from: back(span.from), until }
}

/// The intervals of every write that the restored state may reflect.
struct Candidates<'a> {
    chains: &'a Chains,
    zones: &'a Zones,
    /// Intervals of blocks whose calls all came before their first answer.
    open: Vec<Span>,
    /// Intervals that no other block's zone can enter.
    inside: Vec<Span>,
    /// The operations that leave no instant to the last write that was given up.
    refuted: Vec<u32>,
}

impl<'a> Candidates<'a> {
    fn new(chains: &'a Chains, zones: &'a Zones) -> Self {
        Self { chains, zones, open: Vec::new(), inside: Vec::new(), refuted: Vec::new() }
    }

    /// A write that certainly happened.
    fn add_certain(&mut self, write: Option<usize>) {
        let Some(write) = write else { return };
        let block = self.chains.block_of(write);
        let zone = self.chains.zone(block);
        self.add(Some(block), zone, self.chains.own_span(write));
    }

    /// "Not yet written", or any delete.
    fn add_absent(&mut self, case: &Case<'_>) {
        self.add_not_yet_written();
        for (place, &(_, number)) in case.writes.iter().enumerate() {
            let op = case.op(number);
            if op.kind != OperationKind::Delete || !possible(op) {
                continue;
            }
            if self.chains.is_certain(place) {
                self.add_certain(Some(place));
            } else {
                self.add_possible(place);
            }
        }
    }

    /// Only puts end the state before all writes: deletes leave it as it is.
    fn add_not_yet_written(&mut self) {
        let own = self.chains.own_span(self.chains.initial());
        let until = own.until.earlier(self.chains.first_other_put());
        self.inside.push(Span { from: Edge::START, until });
    }

    /// A delete that nobody saw succeed: if it did, it stands by itself or ends a chain.
    fn add_possible(&mut self, place: usize) {
        let Some(tail) = self.chains.tail_of(place) else {
            return;
        };
        let last_call = tail.last_call;
        match tail.behind {
            None => {
                let zone = Zone { first_answer: Edge::NEVER, last_call };
                self.add(None, zone, Span { from: last_call, until: Edge::NEVER });
            }
            Some(block) => {
                let zone = self.chains.zone(block);
                let last_call = zone.last_call.later(last_call);
                let zone = Zone { last_call, ..zone };
                self.add(Some(block), zone, Span { from: last_call, until: Edge::NEVER });
            }
        }
    }

    fn add(&mut self, block: Option<usize>, zone: Zone, own: Span) {
        let Some(around) = self.zones.around(block, zone) else {
            return;
        };
        let from = own.from.later(around.from);
        let span = Span { from, until: own.until.earlier(around.until) };
        if span.is_empty() {
            self.refuted = vec![span.from.by, span.until.by];
        }
        if zone.closed() { self.inside.push(span) } else { self.open.push(span) }
    }
}
