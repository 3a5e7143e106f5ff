//! All decisions of a run in one line, so that sets of them are ranges.
//!
//! Those of one concern lie together, and within it those of one actor: what is silenced
//! together mostly makes sense together.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::tape::{Muted, Override, Tape};

/// The draws under one name.
struct Stretch {
    name: String,
    start: u64,
    len: u64,
}

/// The decisions of a run, numbered.
pub(super) struct Universe {
    stretches: Vec<Stretch>,
}

fn concern(name: &str) -> &str {
    name.split_once('/').map_or(name, |(_, concern)| concern)
}

impl Universe {
    pub(super) fn new(draws: &BTreeMap<String, u64>) -> Self {
        let mut names: Vec<(&String, u64)> = draws.iter().map(|(name, len)| (name, *len)).collect();
        names.sort_by_key(|(name, _)| (concern(name), *name));
        let mut start = 0;
        let mut stretch = |(name, len): (&String, u64)| {
            start += len;
            Stretch { name: name.clone(), start: start - len, len }
        };
        Self { stretches: names.into_iter().map(&mut stretch).collect() }
    }

    pub(super) fn len(&self) -> u64 {
        self.stretches.last().map_or(0, |it| it.start + it.len)
    }

    fn stretch_at(&self, decision: u64) -> usize {
        self.stretches.partition_point(|it| it.start <= decision) - 1
    }

    /// Where to cut a set in two: between concerns or names if it has several, and then as near
    /// to the middle as that allows.
    pub(super) fn cut(&self, decisions: &Range<u64>) -> u64 {
        let middle = decisions.start + (decisions.end - decisions.start) / 2;
        let (first, last) = (self.stretch_at(decisions.start), self.stretch_at(decisions.end - 1));
        let inner = &self.stretches[first + 1..=last];
        let nearest =
            |edges: &mut dyn Iterator<Item = u64>| edges.min_by_key(|it| it.abs_diff(middle));
        let before = |it: &Stretch| &self.stretches[self.stretch_at(it.start) - 1];
        let changes_concern = |it: &&Stretch| concern(&it.name) != concern(&before(it).name);
        nearest(&mut inner.iter().filter(changes_concern).map(|it| it.start))
            .or_else(|| nearest(&mut inner.iter().map(|it| it.start)))
            .unwrap_or(middle)
    }

    /// `base` with these decisions silenced. Where the last draw under a name is among them, so
    /// are those that other runs may add behind it.
    pub(super) fn tape(&self, base: &Tape, silence: &Silence) -> Tape {
        let mut tape = base.clone();
        for silent in silence.ranges() {
            let (first, last) = (self.stretch_at(silent.start), self.stretch_at(silent.end - 1));
            for it in &self.stretches[first..=last] {
                let from = silent.start.saturating_sub(it.start);
                let ends = silent.end >= it.start + it.len;
                let until = if ends { u64::MAX } else { silent.end - it.start };
                tape.muted.push(Muted { names: it.name.clone(), draws: from..until });
                // An override would count more.
                tape.overrides.retain(|set| set.name != it.name || !(from..until).contains(&set.n));
            }
        }
        tape
    }

    /// The decisions that a tape leaves to its seed or sets to another value than 0.
    pub(super) fn departing(&self, tape: &Tape) -> Vec<Range<u64>> {
        let mut departing: Vec<Range<u64>> = Vec::new();
        for it in &self.stretches {
            for live in departing_under(&it.name, it.len, tape) {
                let live = it.start + live.start..it.start + live.end;
                match departing.last_mut().filter(|last| last.end == live.start) {
                    Some(last) => last.end = live.end,
                    None => departing.push(live),
                }
            }
        }
        departing
    }

    /// These decisions with the values that they have on a tape.
    pub(super) fn named(&self, tape: &Tape, live: &[Range<u64>]) -> Vec<Override> {
        let name = |decision: u64| {
            let it = &self.stretches[self.stretch_at(decision)];
            let n = decision - it.start;
            Override { name: it.name.clone(), n, value: tape.decision(&it.name, n) }
        };
        live.iter().flat_map(|it| it.clone().map(name)).collect()
    }
}

/// Those of the first `len` draws under a name that a tape does not silence, in order.
fn departing_under(name: &str, len: u64, tape: &Tape) -> Vec<Range<u64>> {
    let all = 0..len;
    let mut live = Vec::from([all]);
    for Muted { draws, .. } in tape.muted.iter().filter(|it| it.is_about(name)) {
        let rest =
            |it: Range<u64>| [it.start..it.end.min(draws.start), it.start.max(draws.end)..it.end];
        live = live.into_iter().flat_map(rest).filter(|it| !it.is_empty()).collect();
    }
    // An override counts more than what mutes its draw.
    let set = tape.overrides.iter().filter(|it| it.name == name && it.n < len && it.value > 0);
    for Override { n, .. } in set {
        if !live.iter().any(|it| it.contains(n)) {
            live.push(*n..n + 1);
        }
    }
    live.sort_unstable_by_key(|it| it.start);
    live
}

/// The decisions that are silenced: ranges that do not touch, by where they begin.
#[derive(Clone, Default)]
pub(super) struct Silence(BTreeMap<u64, u64>);

impl Silence {
    /// These decisions too, none of which is silent already.
    pub(super) fn with(&self, decisions: &Range<u64>) -> Self {
        let mut ranges = self.0.clone();
        let (mut start, mut end) = (decisions.start, decisions.end);
        if let Some(after) = ranges.remove(&end) {
            end = after;
        }
        if let Some((&before, _)) = ranges.range(..start).next_back().filter(|it| *it.1 == start) {
            start = before;
        }
        ranges.insert(start, end);
        Self(ranges)
    }

    pub(super) fn len(&self) -> u64 {
        self.0.iter().map(|(start, end)| end - start).sum()
    }

    fn ranges(&self) -> impl Iterator<Item = Range<u64>> {
        self.0.iter().map(|(start, end)| *start..*end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn universe() -> Universe {
        let draws = [("a/x", 4), ("b/x", 2), ("a/y", 10), ("c/y", 1)];
        Universe::new(&draws.map(|(name, len)| (name.to_string(), len)).into())
    }

    #[test]
    fn sets_are_cut_between_concerns_then_names_then_in_the_middle() {
        let universe = universe();
        assert_eq!(universe.len(), 17);
        assert_eq!(universe.cut(&(0..17)), 6, "between x and y");
        assert_eq!(universe.cut(&(0..6)), 4, "between a/x and b/x");
        assert_eq!(universe.cut(&(6..16)), 11);
        assert_eq!(universe.cut(&(2..4)), 3);
    }

    #[test]
    fn what_departs_is_what_is_not_muted_and_what_is_set() {
        let universe = universe();
        let departing = |tape: &str| {
            let departing = universe.departing(&tape.parse().expect("it is one"));
            departing.iter().map(|it| (it.start, it.end)).collect::<Vec<_>>()
        };
        assert_eq!(departing("3"), [(0, 17)]);
        assert_eq!(departing("3 mute=*"), []);
        assert_eq!(departing("3 mute=a/x[1..3] mute=a/y"), [(0, 1), (3, 6), (16, 17)]);
        let set = "3 mute=* set=c/y[0]:1 set=a/y[9]:5 set=b/x[1]:0 set=a/x[4]:1";
        assert_eq!(departing(set), [(15, 17)]);
    }

    #[test]
    fn what_is_silent_is_muted_to_the_end_of_its_name() {
        let (universe, base) = (universe(), Tape::new(3));
        let silence = Silence::default().with(&(2..4)).with(&(6..8)).with(&(4..6));
        assert_eq!(silence.len(), 6);
        let ranges: Vec<(u64, u64)> = silence.ranges().map(|it| (it.start, it.end)).collect();
        assert_eq!(ranges, [(2, 8)]);
        let tape = universe.tape(&base, &silence);
        let muted: Vec<_> = tape.muted.iter().map(|it| (&*it.names, it.draws.clone())).collect();
        assert_eq!(muted, [("a/x", 2..u64::MAX), ("b/x", 0..u64::MAX), ("a/y", 0..2)]);
        let named = universe.named(&tape, &[0..1, 8..9]);
        assert_eq!(named[0].value, base.decision("a/x", 0));
        assert_eq!((&*named[1].name, named[1].n), ("a/y", 2));
    }
}
