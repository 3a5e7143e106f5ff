//! Causality where only the clients' history is known: what is in of a key are blocks, and with
//! each those that real time puts before it.
//!
//! A block that real time puts behind the restored version cannot be in; one that may stand on
//! either side is in if something that is in happened after it. So what must be in is found
//! without choosing an order, except where a key was restored as absent and several deletes may
//! have left it so: if one choice finds nothing missing, nothing need be, and else it is open.

use super::absences::{Absences, Followed, proves_absence};
use super::chains::Chains;
use crate::history::{History, KeyId, OperationKind};
use crate::oracle::bykey::{ByKey, Case, NOBODY, possible};
use crate::oracle::causal::{Lessons, Missing, Order, Shown, nonsense, saw_version};
use crate::oracle::contents::unattributed;

/// A block of one key.
struct Block {
    /// Where its writes begin and end in the list of all, in the order of its chain.
    start: usize,
    end: usize,
    first_answer: u64,
    last_call: u64,
    /// Up to here its writes are in.
    taken: usize,
}

impl Block {
    fn begun(&self) -> bool {
        self.start < self.taken
    }
}

/// A delete that may have been the last write before the backup.
struct Candidate {
    write: u32,
    call: u64,
    /// The block that it ends; none if nobody saw it succeed.
    block: Option<usize>,
    taken: bool,
}

struct Key {
    key: KeyId,
    /// Its blocks in the list of all, by their first answers.
    start: usize,
    end: usize,
    /// Up to here those are in that real time puts before others that are.
    next: usize,
    /// The latest call among blocks that are in, and in which of them it is.
    latest: (u64, usize),
    /// The restored version: its block, and where in the list of all writes it stands.
    shown: Shown<(usize, usize)>,
    /// Deletes that may have left the key absent.
    candidates: Vec<Candidate>,
    /// Whether there are candidates that are not considered: those amid chains.
    others: bool,
    /// Whether it is in the list of unsettled keys.
    unsettled: bool,
}

/// A block that is in stands behind the restored version.
#[derive(Clone, Copy, Debug)]
struct Contradiction;

/// All orders that the history allows.
pub(crate) struct AnyOrder<'a> {
    history: &'a History,
    /// All writes that certainly happened, by key and block.
    writes: Vec<u32>,
    blocks: Vec<Block>,
    /// The block of each operation, or [`NOBODY`].
    block_of: Vec<u32>,
    keys: Vec<Key>,
    /// Keys restored as absent in which something was taken in since they were looked at.
    unsettled: Vec<usize>,
    /// Keys restored as absent where there is a choice that has not been made.
    open: Vec<usize>,
    unattributed: u32,
}

impl<'a> AnyOrder<'a> {
    pub(crate) fn new(history: &'a History, by_key: &ByKey<'_>) -> (Self, Lessons) {
        let count = history.operations.len();
        let mut lessons = vec![NOBODY; count];
        let mut order = Self {
            history,
            writes: Vec::new(),
            blocks: Vec::new(),
            block_of: vec![NOBODY; count],
            keys: Vec::new(),
            unsettled: Vec::new(),
            open: Vec::new(),
            unattributed: 0,
        };
        for case in by_key.cases() {
            order.add(&case, &mut lessons);
        }
        (order, lessons)
    }

    fn add(&mut self, case: &Case<'_>, lessons: &mut Lessons) {
        let start = self.blocks.len();
        let shown = match Chains::new(case, case.found()) {
            Ok(chains) => {
                self.unattributed += chains.unattributed();
                self.add_blocks(case, &chains);
                self.learn(case, lessons);
                self.shown(case)
            }
            Err(_) => Shown::Nonsense,
        };
        let end = self.blocks.len();
        let (candidates, others) = match shown {
            Shown::Absent => self.candidates(case),
            Shown::Version(_) | Shown::Nonsense => (Vec::new(), false),
        };
        let latest = (0, usize::MAX);
        self.keys.push(Key {
            key: case.key,
            start,
            end,
            next: start,
            latest,
            shown,
            candidates,
            others,
            unsettled: false,
        });
    }

    fn add_blocks(&mut self, case: &Case<'_>, chains: &Chains) {
        let mut heads: Vec<usize> = chains.blocks().collect();
        heads.sort_by_key(|&head| chains.zone(head).first_answer);
        for head in heads {
            let start = self.writes.len();
            for place in chains.places(head).filter(|&it| it != chains.initial()) {
                let number = case.writes[place].1;
                self.block_of[number as usize] =
                    u32::try_from(self.blocks.len()).expect("fewer than 2^32 operations");
                self.writes.push(number);
            }
            let (zone, end) = (chains.zone(head), self.writes.len());
            let (first_answer, last_call) = (zone.first_answer.at, zone.last_call.at);
            self.blocks.push(Block { start, end, first_answer, last_call, taken: start });
        }
    }

    fn learn(&self, case: &Case<'_>, lessons: &mut Lessons) {
        let absences = std::cell::LazyCell::new(|| Absences::new(case));
        for &number in case.operations {
            let op = case.op(number);
            if op.acknowledged_ns().is_none() {
                continue;
            }
            let read = saw_version(op.saw).and_then(|write| case.writer(write));
            lessons[number as usize] = match (op.writes(), read) {
                (true, _) => number,
                (false, Some(write)) => write,
                (false, None) if proves_absence(op) => match absences.followed(op) {
                    Followed::One(place) => case.writes.get(place).map_or(NOBODY, |it| it.1),
                    Followed::Several | Followed::Nothing => NOBODY,
                },
                (false, None) => NOBODY,
            };
        }
    }

    fn shown(&self, case: &Case<'_>) -> Shown<(usize, usize)> {
        match Shown::of(case) {
            Shown::Version(write) => match self.block_of[write as usize] {
                NOBODY => Shown::Nonsense,
                block => {
                    let block = block as usize;
                    let Block { start, end, .. } = self.blocks[block];
                    let place = (start..end).find(|&it| self.writes[it] == write);
                    place.map_or(Shown::Nonsense, |place| Shown::Version((block, place)))
                }
            },
            Shown::Absent => Shown::Absent,
            Shown::Nonsense => Shown::Nonsense,
        }
    }

    fn candidates(&self, case: &Case<'_>) -> (Vec<Candidate>, bool) {
        let (mut candidates, mut others) = (Vec::new(), false);
        for &(_, write) in &case.writes {
            let op = case.op(write);
            if op.kind != OperationKind::Delete || !possible(op) {
                continue;
            }
            let block = match self.block_of[write as usize] {
                NOBODY => None,
                block => Some(block as usize),
            };
            let last = block.is_none_or(|it| self.writes[self.blocks[it].end - 1] == write);
            if last && (block.is_some() || op.conditional.is_none()) {
                // Instants are counted from 1, as those of blocks are.
                let call = op.invoke_ns.saturating_add(1);
                candidates.push(Candidate { write, call, block, taken: false });
            } else {
                others = true;
            }
        }
        candidates.sort_by_key(|it| it.call);
        (candidates, others)
    }

    fn key_of(&self, write: u32) -> Option<usize> {
        let key = self.history.operations[write as usize].key;
        self.keys.binary_search_by_key(&key, |it| it.key).ok()
    }

    /// Takes in a block of this key and all that real time puts before what is in.
    fn take(&mut self, at: usize, block: usize, taken: &mut Vec<u32>) -> Result<(), Contradiction> {
        self.take_one(at, block, taken)?;
        self.take_before(at, taken)
    }

    fn take_before(&mut self, at: usize, taken: &mut Vec<u32>) -> Result<(), Contradiction> {
        loop {
            let Key { next, end, latest, .. } = self.keys[at];
            if next == end || self.blocks[next].first_answer >= latest.0 {
                return Ok(());
            }
            self.keys[at].next += 1;
            self.take_one(at, next, taken)?;
        }
    }

    fn take_one(
        &mut self,
        at: usize,
        block: usize,
        taken: &mut Vec<u32>,
    ) -> Result<(), Contradiction> {
        let Block { mut end, last_call, .. } = self.blocks[block];
        match self.keys[at].shown {
            Shown::Version((shown, place)) if shown == block => end = place + 1,
            Shown::Version((shown, _)) if self.blocks[shown].first_answer < last_call => {
                return Err(Contradiction);
            }
            _ => {}
        }
        self.take_up_to(at, block, end, taken);
        if last_call > self.keys[at].latest.0 {
            self.keys[at].latest = (last_call, block);
        }
        Ok(())
    }

    /// Takes in the first writes of a block, up to a place in the list of all.
    fn take_up_to(&mut self, at: usize, block: usize, end: usize, taken: &mut Vec<u32>) {
        let done = self.blocks[block].taken;
        if done < end {
            taken.extend(&self.writes[done..end]);
            self.blocks[block].taken = end;
        }
        let key = &mut self.keys[at];
        if key.shown == Shown::Absent && !key.unsettled {
            key.unsettled = true;
            self.unsettled.push(at);
        }
    }

    /// Supposes that the cut is in no chain of this key: what is in of a block in part is in.
    fn complete(&mut self, at: usize, taken: &mut Vec<u32>) {
        for block in self.keys[at].start..self.keys[at].end {
            let Block { start, end, taken: done, .. } = self.blocks[block];
            if start < done && done < end {
                // A key without a restored version contradicts nothing.
                let _ = self.take(at, block, taken);
            }
        }
    }

    /// A put that is in, if there is one: only a delete explains that the key is absent.
    fn last_put(&self, key: &Key) -> Option<u32> {
        let blocks = self.blocks[key.start..key.end].iter();
        let mut writes = blocks.flat_map(|it| &self.writes[it.start..it.taken]).rev();
        writes.find(|&&it| self.history.operations[it as usize].kind == OperationKind::Put).copied()
    }

    /// The candidates that may stand behind everything that is in.
    fn viable(&self, key: &Key) -> Vec<usize> {
        // The latest call among blocks that are in, and among the others of them.
        let (mut latest, mut second) = ((0, usize::MAX), 0);
        for block in (key.start..key.end).filter(|&it| self.blocks[it].begun()) {
            let call = self.blocks[block].last_call;
            if call > latest.0 {
                (latest, second) = ((call, block), latest.0);
            } else {
                second = second.max(call);
            }
        }
        let may_be_last = |it: &usize| {
            let Some(block) = key.candidates[*it].block else { return true };
            let call = if block == latest.1 { second } else { latest.0 };
            call <= self.blocks[block].first_answer
        };
        (0..key.candidates.len()).filter(may_be_last).collect()
    }

    /// Has a delete be the last write that is in of a key that was restored as absent.
    fn empty(&mut self, at: usize, guessing: bool, taken: &mut Vec<u32>) -> Result<(), Missing> {
        if guessing {
            self.complete(at, taken);
            if !taken.is_empty() {
                return Ok(());
            }
        } else {
            // Whatever is found now, it is looked at once more.
            self.open.push(at);
        }
        let key = &self.keys[at];
        let Some(put) = self.last_put(key) else { return Ok(()) };
        let viable = self.viable(key);
        let taken_in = |&it: &usize| {
            let Candidate { block, taken, .. } = key.candidates[it];
            taken || block.is_some_and(|it| self.blocks[it].taken == self.blocks[it].end)
        };
        if viable.iter().any(taken_in) {
            return Ok(());
        }
        let Some(&first) = viable.first() else {
            return if key.others && !guessing { Ok(()) } else { Err(Missing(put)) };
        };
        if !guessing && (viable.len() > 1 || key.others) {
            return Ok(());
        }
        // A delete that may be last contradicts nothing that is in.
        let _ = self.take_candidate(at, first, taken);
        Ok(())
    }

    fn take_candidate(
        &mut self,
        at: usize,
        candidate: usize,
        taken: &mut Vec<u32>,
    ) -> Result<(), Contradiction> {
        let key = &mut self.keys[at];
        let Candidate { write, call, block, .. } = key.candidates[candidate];
        key.candidates[candidate].taken = true;
        match block {
            Some(block) => self.take(at, block, taken),
            None => {
                taken.push(write);
                key.latest.0 = key.latest.0.max(call);
                self.take_before(at, taken)
            }
        }
    }
}

impl Order for AnyOrder<'_> {
    fn begin(&mut self, taken: &mut Vec<(u32, u32)>) {
        let mut writes = Vec::new();
        for at in 0..self.keys.len() {
            let Shown::Version((block, place)) = self.keys[at].shown else { continue };
            let version = self.writes[place];
            if self.take(at, block, &mut writes).is_err() {
                self.keys[at].shown = Shown::Nonsense;
            }
            taken.extend(writes.drain(..).map(|it| (it, version)));
        }
    }

    fn take_in(&mut self, write: u32, taken: &mut Vec<u32>) -> Result<(), Missing> {
        let block = self.block_of[write as usize];
        let (Some(at), true) = (self.key_of(write), block != NOBODY) else { return Ok(()) };
        let block = block as usize;
        if let Shown::Version((shown, place)) = self.keys[at].shown
            && shown == block
        {
            let mut behind = self.writes[place + 1..self.blocks[block].end].iter();
            return behind.find(|&&it| it == write).map_or(Ok(()), |_| Err(Missing(write)));
        }
        if !matches!(self.keys[at].shown, Shown::Version(_)) {
            // The cut may be in this very chain.
            let Block { start, end, .. } = self.blocks[block];
            let place = (start..end).find(|&it| self.writes[it] == write);
            let until = place.map_or(start, |it| it + 1);
            if until < end {
                self.take_up_to(at, block, until, taken);
                return Ok(());
            }
        }
        // Whatever contradicts it, this write stands behind the restored version.
        self.take(at, block, taken).map_err(|Contradiction| Missing(write))
    }

    fn settle(&mut self, guessing: bool, taken: &mut Vec<u32>) -> Result<(), Missing> {
        if guessing {
            self.unsettled.append(&mut self.open);
        }
        while let Some(at) = self.unsettled.pop() {
            self.keys[at].unsettled = false;
            self.empty(at, guessing, taken)?;
            if !taken.is_empty() {
                break;
            }
        }
        Ok(())
    }

    fn took_effect(&self, write: u32) -> bool {
        // A delete may have found nothing.
        self.history.operations[write as usize].kind == OperationKind::Put
    }

    fn stands_before(&self, _: u32, _: u32) -> bool {
        true
    }

    fn doubt(&self) -> Option<String> {
        if let Some(key) = self.keys.iter().find(|it| it.shown == Shown::Nonsense) {
            return Some(nonsense(key.key, self.history));
        }
        (self.unattributed > 0).then(|| unattributed(self.unattributed))
    }
}
