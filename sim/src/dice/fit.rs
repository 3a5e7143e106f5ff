//! Whether a tape is of the code that it is played to: which of its decisions were asked for.
//!
//! Decisions are addressed by name and number, so a tape outlives most changes of the code. When
//! it does not, a run that passes proves nothing, and this says so.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::{StreamId, Streams};
use crate::tape::Override;

/// What became of a tape's departures from its seed, so far in a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TapeFit {
    /// Overrides that replaced a draw.
    pub matched: u64,
    /// Overrides of names that the run knows, of a draw that was not reached.
    pub not_reached: Vec<Override>,
    /// Overrides of names that the run does not know.
    pub unknown: Vec<Override>,
    /// Names and patterns of muted draws that fit no name of the run.
    pub muting_nothing: Vec<String>,
}

impl TapeFit {
    /// Whether every decision of the tape was asked for. If not, the run is not the one that
    /// the tape was made of.
    pub fn is_whole(&self) -> bool {
        self.not_reached.is_empty() && self.unknown.is_empty() && self.muting_nothing.is_empty()
    }
}

impl fmt::Display for TapeFit {
    /// One line: how many, how many not, and every name that is not known any more.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (matched, late) = (self.matched, self.not_reached.len() as u64);
        let all = matched + late + self.unknown.len() as u64;
        write!(out, "{matched} of the tape's {all} overrides matched a draw")?;
        if late > 0 {
            write!(out, "; {late} came after the last draw of their name")?;
        }
        let names: BTreeSet<&str> = self.unknown.iter().map(|it| &*it.name).collect();
        if !names.is_empty() {
            let names: Vec<&str> = names.into_iter().collect();
            write!(out, "; names that this run does not know: {}", names.join(", "))?;
        }
        if !self.muting_nothing.is_empty() {
            write!(out, "; muted names that fit none: {}", self.muting_nothing.join(", "))?;
        }
        Ok(())
    }
}

impl Streams {
    /// Every name that the run knows, with the stream that it has become.
    fn known(&self) -> BTreeMap<String, Option<StreamId>> {
        let announced = self.announced.iter().flat_map(|(actor, concerns)| {
            concerns.iter().map(|concern| (self.names.text_of(*actor, concern), None))
        });
        let interned = self.by_name.iter().map(|(name, id)| (self.names.text(*name), Some(*id)));
        // Of two with one name the later one counts.
        announced.chain(interned).collect()
    }

    /// What became of the tape so far.
    pub(crate) fn fit(&self) -> TapeFit {
        let mut fit = TapeFit { matched: self.overrides_matched, ..TapeFit::default() };
        if self.overrides.is_empty() && self.departing.is_empty() && self.muted.is_empty() {
            return fit;
        }
        let as_override =
            |name: &str, (&n, &value): (&u64, &u64)| Override { name: name.to_string(), n, value };
        let known = self.known();
        fit.muting_nothing = self.muted.unused(|muted| known.keys().any(|it| muted(it)));
        for (name, all) in self.overrides.iter().filter(|it| !known.contains_key(it.0)) {
            fit.unknown.extend(all.iter().map(|it| as_override(name, it)));
        }
        for (name, id) in &known {
            let (overrides, drawn) = match id {
                Some(id) => (self.departing.get(id).map(|it| &it.overrides), self.drawn(*id)),
                None => (self.overrides.get(name), 0),
            };
            let late = overrides.into_iter().flat_map(|it| it.range(drawn..));
            fit.not_reached.extend(late.map(|it| as_override(name, it)));
        }
        fit
    }

    fn drawn(&self, id: StreamId) -> u64 {
        self.hot[id.index()].drawn()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::{Muted, Override, Tape, World};

    fn override_of(name: &str, n: u64) -> Override {
        Override { name: name.into(), n, value: 1 }
    }

    #[test]
    fn a_tape_says_which_of_its_decisions_nobody_asked_for() {
        let overrides = vec![override_of("a/x", 0), override_of("a/x", 2), override_of("b/x", 0)];
        let muted = vec![Muted::all("a/*"), Muted::all("c/*"), Muted::all("d/x")];
        let world = World::new(Tape { overrides, muted, ..Tape::new(1) });
        let dice = world.dice("a/x");
        assert_ne!(dice.raw(), dice.raw());
        let fit = world.tape_fit();
        assert_eq!(fit.not_reached, [override_of("a/x", 2)]);
        assert_eq!(
            fit.to_string(),
            "1 of the tape's 3 overrides matched a draw; 1 came after the last draw of their \
             name; names that this run does not know: b/x; muted names that fit none: c/*, d/x"
        );
        assert!(!fit.is_whole());
        dice.raw();
        assert_eq!(world.tape_fit().matched, 2);
    }

    proptest! {
        /// Each override is in exactly one place, whatever is drawn.
        #[test]
        fn overrides_are_neither_lost_nor_counted_twice(
            places in prop::collection::btree_set((0..4u8, 0..10u64), 0..20),
            drawn in prop::collection::vec(0..3u8, 0..30),
        ) {
            let name = |it: u8| format!("actor/{it}");
            let overrides: Vec<Override> =
                places.iter().map(|(it, n)| override_of(&name(*it), *n)).collect();
            let world = World::new(Tape { overrides, ..Tape::new(1) });
            for it in &drawn {
                world.dice(&name(*it)).raw();
            }
            let fit = world.tape_fit();
            let others = (fit.not_reached.len() + fit.unknown.len()) as u64;
            prop_assert_eq!(fit.matched + others, places.len() as u64);
            prop_assert!(fit.unknown.iter().any(|it| it.name == "actor/3")
                || !places.iter().any(|(it, _)| *it == 3));
        }
    }
}
