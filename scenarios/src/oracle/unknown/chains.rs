//! The blocks of one key: which writes certainly happened, which directly followed which, and
//! which reads belong to them.

use std::cell::LazyCell;
use std::ops::Deref;

use super::absences::{Absences, Followed, proves_absence};
use super::zones::Zone;
use super::{answered, called};
use crate::history::{Operation, OperationKind, Seen};
use crate::oracle::bykey::{Case, NOBODY, possible};
use crate::oracle::span::{Edge, Span};

/// One write of the key with the reads that saw it. The state before all writes counts as one.
#[derive(Clone, Copy, Debug)]
struct Link {
    /// The call of the write itself.
    call: Edge,
    /// The latest call among the write and its reads.
    last_call: Edge,
    /// The earliest answer among the write and its reads.
    first_answer: Edge,
    puts: bool,
    /// Whether it may have happened.
    possible: bool,
    /// Whether it has happened.
    certain: bool,
    /// The write that this one is known to follow directly, if it happened.
    follows: Option<usize>,
    /// The certain write that follows this one directly.
    followed_by: Option<usize>,
    /// The first write of its chain.
    head: usize,
    /// The instants that its own chain leaves to the state after it: after its call and
    /// everything that came before it in the chain, before the answer to whatever follows.
    own: Span,
    /// Of the first link of a chain: the zone of the whole.
    zone: Zone,
}

/// The end of a chain of writes that may have happened.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tail {
    /// The latest call among them.
    pub(super) last_call: Edge,
    /// The block that they follow; `None` if they follow no write in particular.
    pub(super) behind: Option<usize>,
}

/// The links of one key, by their place in [`Case::writes`]; the state before all comes last.
/// A block is named by the first link of its chain.
pub(super) struct Chains {
    links: Vec<Link>,
    unattributed: u32,
}

/// Operations that contradict each other.
type Contradiction = Vec<u32>;

impl Chains {
    pub(super) fn new(case: &Case<'_>, found: Seen) -> Result<Self, Contradiction> {
        let mut links: Vec<Link> =
            case.writes.iter().enumerate().map(|(place, _)| link(case, place)).collect();
        links.push(START);
        let mut chains = Self { links, unattributed: 0 };
        let absences = LazyCell::new(|| Absences::new(case));
        chains.add_reads(case, &absences)?;
        chains.add_conditions(case, &absences)?;
        if let Seen::Version(write) = found
            && let Some(place) = case.find(write)
        {
            chains.links[place].certain = true;
        }
        chains.spread_certainty();
        chains.connect(case)?;
        Ok(chains)
    }

    pub(super) fn unattributed(&self) -> u32 {
        self.unattributed
    }

    /// The link that stands for the state before all writes.
    pub(super) fn initial(&self) -> usize {
        self.links.len() - 1
    }

    pub(super) fn is_certain(&self, place: usize) -> bool {
        self.links[place].certain
    }

    pub(super) fn block_of(&self, place: usize) -> usize {
        self.links[place].head
    }

    pub(super) fn blocks(&self) -> impl Iterator<Item = usize> {
        (0..self.links.len()).filter(|&p| self.links[p].certain && self.links[p].head == p)
    }

    /// The zone of the block that begins at `head`.
    pub(super) fn zone(&self, head: usize) -> Zone {
        self.links[head].zone
    }

    /// The instants that its own chain leaves to the state after this write.
    pub(super) fn own_span(&self, place: usize) -> Span {
        self.links[place].own
    }

    /// The earliest answer in blocks that hold a put, apart from the first block.
    pub(super) fn first_other_put(&self) -> Edge {
        let first = self.initial();
        let with_puts = self.blocks().filter(|&b| b != first && self.chain(b).any(|l| l.puts));
        with_puts.fold(Edge::NEVER, |edge, block| edge.earlier(self.zone(block).first_answer))
    }

    /// The chain that a write nobody saw succeed would end; `None` if it cannot have succeeded.
    pub(super) fn tail_of(&self, place: usize) -> Option<Tail> {
        let mut last_call = self.links[place].last_call;
        let mut before = self.links[place].follows;
        for _ in 0..self.links.len() {
            let Some(previous) = before else {
                return Some(Tail { last_call, behind: None });
            };
            let link = &self.links[previous];
            if !link.possible {
                return None;
            }
            if link.certain {
                let behind = Some(link.head);
                return link.followed_by.is_none().then_some(Tail { last_call, behind });
            }
            last_call = last_call.later(link.last_call);
            before = link.follows;
        }
        None
    }

    /// The places of the writes in the block that begins at `head`, in the order of its chain.
    pub(super) fn places(&self, head: usize) -> impl Iterator<Item = usize> {
        std::iter::successors(Some(head), |&place| self.links[place].followed_by)
    }

    fn chain(&self, first: usize) -> impl Iterator<Item = &Link> {
        let next = |link: &&Link| link.followed_by.map(|place| &self.links[place]);
        std::iter::successors(Some(&self.links[first]), next)
    }

    fn add_reads(
        &mut self,
        case: &Case<'_>,
        absences: &impl Deref<Target = Absences>,
    ) -> Result<(), Contradiction> {
        for &number in case.operations {
            let op = case.op(number);
            let followed = match op.saw {
                Some(Seen::Version(write)) => {
                    case.find(write).map_or(Followed::Nothing, Followed::One)
                }
                Some(Seen::Absent) if proves_absence(op) => absences.followed(op),
                Some(Seen::Absent) | None => continue,
            };
            match followed {
                Followed::One(place) => self.links[place].add_read(op, number),
                Followed::Several => self.unattributed += 1,
                Followed::Nothing => return Err(vec![number]),
            }
        }
        Ok(())
    }

    fn add_conditions(
        &mut self,
        case: &Case<'_>,
        absences: &impl Deref<Target = Absences>,
    ) -> Result<(), Contradiction> {
        for (place, &(_, number)) in case.writes.iter().enumerate() {
            let op = case.op(number);
            let followed = match op.conditional {
                Some(Seen::Version(write)) => {
                    case.find(write).map_or(Followed::Nothing, Followed::One)
                }
                Some(Seen::Absent) if proves_absence(op) => absences.followed(op),
                // A delete on the condition that there is nothing to delete.
                Some(Seen::Absent) => Followed::Several,
                None => continue,
            };
            let link = &mut self.links[place];
            match followed {
                Followed::One(place) => link.follows = Some(place),
                Followed::Several => self.unattributed += u32::from(link.possible),
                Followed::Nothing if link.certain => return Err(vec![number]),
                Followed::Nothing => link.possible = false,
            }
        }
        Ok(())
    }

    /// What a write that happened replaced had happened too.
    fn spread_certainty(&mut self) {
        for place in 0..self.links.len() {
            let mut certain = self.links[place].certain.then_some(place);
            while let Some(follows) = certain.and_then(|place| self.links[place].follows) {
                certain = (!self.links[follows].certain).then_some(follows);
                self.links[follows].certain = true;
            }
        }
    }

    /// Ties each certain write to the one it follows, and bounds each chain.
    fn connect(&mut self, case: &Case<'_>) -> Result<(), Contradiction> {
        let number = |place: usize| case.writes.get(place).map_or(NOBODY, |&(_, number)| number);
        for place in 0..self.links.len() {
            let Link { certain, possible, follows, .. } = self.links[place];
            if certain && !possible {
                return Err(vec![number(place)]);
            }
            if let (true, Some(follows)) = (certain, follows)
                && let Some(other) = self.links[follows].followed_by.replace(place)
            {
                return Err(vec![number(other), number(place)]);
            }
        }
        let begins = |link: &Link| link.certain && link.follows.is_none();
        let heads: Vec<usize> = (0..self.links.len()).filter(|&p| begins(&self.links[p])).collect();
        heads.into_iter().try_for_each(|head| self.bound_chain(head))?;
        // A ring has no head: each of its writes would have to follow the other.
        let ring = |link: &Link| link.certain && link.head == NO_HEAD;
        self.links.iter().position(ring).map_or(Ok(()), |place| Err(vec![number(place)]))
    }

    /// Bounds each write of a chain by the others.
    ///
    /// # Errors
    /// A write, or a read that saw it, that was answered before what it follows was called.
    fn bound_chain(&mut self, head: usize) -> Result<(), Contradiction> {
        let mut last_call = Edge::START;
        let mut places = Vec::new();
        let mut next = Some(head);
        while let Some(place) = next {
            let link = &mut self.links[place];
            link.head = head;
            link.own.from = last_call.later(link.call);
            if link.first_answer.at < link.own.from.at {
                return Err(vec![link.own.from.by, link.first_answer.by]);
            }
            last_call = last_call.later(link.last_call);
            places.push(place);
            next = link.followed_by;
        }
        let mut first_answer = Edge::NEVER;
        for &place in places.iter().rev() {
            let link = &mut self.links[place];
            link.own.until = first_answer;
            first_answer = first_answer.earlier(link.first_answer);
        }
        self.links[head].zone = Zone { first_answer, last_call };
        Ok(())
    }
}

impl Link {
    fn add_read(&mut self, op: &Operation, number: u32) {
        self.certain = true;
        self.first_answer = self.first_answer.earlier(answered(op, number));
        // An eventually consistent read may see what was replaced long before its call.
        if op.kind == OperationKind::Read {
            self.last_call = self.last_call.later(called(op, number));
        }
    }
}

const NO_HEAD: usize = usize::MAX;

/// The state before all writes, with no neighbour yet.
const START: Link = Link {
    call: Edge::START,
    last_call: Edge::START,
    first_answer: Edge::START,
    puts: false,
    possible: true,
    certain: true,
    follows: None,
    followed_by: None,
    head: NO_HEAD,
    own: Span { from: Edge::START, until: Edge::NEVER },
    zone: Zone { first_answer: Edge::NEVER, last_call: Edge::START },
};

fn link(case: &Case<'_>, place: usize) -> Link {
    let number = case.writes[place].1;
    let op = case.op(number);
    Link {
        call: called(op, number),
        last_call: called(op, number),
        first_answer: answered(op, number),
        puts: op.kind == OperationKind::Put,
        possible: possible(op),
        certain: op.acknowledged_ns().is_some(),
        ..START
    }
}
