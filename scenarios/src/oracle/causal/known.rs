//! Causality where the committed log tells the order of each key's writes: what is in of a key is
//! a prefix of them.

use super::{Lessons, Missing, Order, Shown, nonsense, saw_version};
use crate::history::{History, KeyId, OperationKind};
use crate::oracle::bykey::{ByKey, Case, NOBODY};
use crate::oracle::known::Timeline;

/// The writes of one key.
struct Key {
    key: KeyId,
    /// Where they begin and end in the list of all.
    start: usize,
    end: usize,
    /// Up to here they are in.
    taken: usize,
    /// Up to here they are when the key is as it was restored.
    shown: Shown<usize>,
}

/// The order of the committed log.
pub(super) struct LogOrder<'a> {
    history: &'a History,
    /// All committed writes, key by key, in order.
    writes: Vec<u32>,
    /// Whether each leaves its key absent.
    deletes: Vec<bool>,
    /// Where each operation stands in `writes`, or [`NOBODY`].
    places: Vec<u32>,
    keys: Vec<Key>,
}

impl<'a> LogOrder<'a> {
    pub(super) fn new(history: &'a History, by_key: &ByKey<'_>) -> (Self, Lessons) {
        let count = history.operations.len();
        let mut lessons = vec![NOBODY; count];
        let places = vec![NOBODY; count];
        let mut order =
            Self { history, writes: Vec::new(), deletes: Vec::new(), places, keys: Vec::new() };
        for case in by_key.cases() {
            order.add(&case, &mut lessons);
        }
        (order, lessons)
    }

    fn add(&mut self, case: &Case<'_>, lessons: &mut Lessons) {
        let timeline = Timeline::new(case);
        let start = self.writes.len();
        for position in &timeline.positions()[1..] {
            if position.op != NOBODY {
                self.places[position.op as usize] = index(self.writes.len());
            }
            self.writes.push(position.op);
            self.deletes.push(position.entry.is_some_and(|entry| entry.deletes));
        }
        let shown = match Shown::of(case) {
            Shown::Version(write) => {
                let found = case.found();
                let place = timeline.reflecting(found).first().copied();
                debug_assert!(place.is_none_or(|it| self.writes[start + it - 1] == write));
                place.map_or(Shown::Nonsense, |it| Shown::Version(start + it))
            }
            Shown::Absent => Shown::Absent,
            Shown::Nonsense => Shown::Nonsense,
        };
        let end = self.writes.len();
        self.keys.push(Key { key: case.key, start, end, taken: start, shown });
        for &number in case.operations {
            lessons[number as usize] = self.lesson(case, &timeline, number);
        }
    }

    /// The write that whoever made this operation knows of.
    fn lesson(&self, case: &Case<'_>, timeline: &Timeline, number: u32) -> u32 {
        let op = case.op(number);
        if op.acknowledged_ns().is_none() {
            return NOBODY;
        }
        if self.places[number as usize] != NOBODY {
            return number;
        }
        let place = match (op.kind, saw_version(op.saw)) {
            (OperationKind::Read | OperationKind::EventualRead, Some(write)) => {
                timeline.position(write)
            }
            // Of several states without an item that it may have met, the first.
            (OperationKind::Read | OperationKind::Delete, None) => {
                timeline.absence_met(case, number)
            }
            _ => None,
        };
        place.map_or(NOBODY, |place| timeline.positions()[place].op)
    }

    fn key(&self, write: u32) -> Option<usize> {
        let key = self.history.operations[write as usize].key;
        self.keys.binary_search_by_key(&key, |it| it.key).ok()
    }

    fn emptied_from(&self, key: &Key, until: usize) -> Option<usize> {
        (until..=key.end).find(|&it| it > key.start && self.deletes[it - 1])
    }
}

impl Order for LogOrder<'_> {
    fn begin(&mut self, taken: &mut Vec<(u32, u32)>) {
        for key in &mut self.keys {
            if let Shown::Version(until) = key.shown {
                let version = self.writes[until - 1];
                let writes = self.writes[key.start..until].iter();
                taken.extend(writes.filter(|&&it| it != NOBODY).map(|&it| (it, version)));
                key.taken = until;
            }
        }
    }

    fn take_in(&mut self, write: u32, taken: &mut Vec<u32>) -> Result<(), Missing> {
        let Some(place) = self.key(write) else { return Ok(()) };
        let (key, until) = (&self.keys[place], self.places[write as usize] as usize + 1);
        if until <= key.taken {
            return Ok(());
        }
        let until = match key.shown {
            Shown::Version(_) => return Err(Missing(write)),
            Shown::Absent => self.emptied_from(key, until).ok_or(Missing(write))?,
            Shown::Nonsense => until,
        };
        let writes = self.writes[key.taken..until].iter();
        taken.extend(writes.filter(|&&it| it != NOBODY));
        self.keys[place].taken = until;
        Ok(())
    }

    fn settle(&mut self, _: bool, _: &mut Vec<u32>) -> Result<(), Missing> {
        // What leaves a key absent was taken in at once.
        Ok(())
    }

    fn took_effect(&self, _: u32) -> bool {
        true
    }

    fn stands_before(&self, write: u32, other: u32) -> bool {
        self.places[write as usize] < self.places[other as usize]
    }

    fn doubt(&self) -> Option<String> {
        let mut nonsensical = self.keys.iter().filter(|it| it.shown == Shown::Nonsense);
        nonsensical.next().map(|it| nonsense(it.key, self.history))
    }
}

fn index(place: usize) -> u32 {
    u32::try_from(place).expect("fewer than 2^32 operations")
}
