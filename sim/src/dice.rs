//! Decisions: a pure function of seed, name and number.
//!
//! A name is an actor and a concern, `node-2/net.latency`; each name has a stream of its
//! own, so a draw added under one name shifts nothing under any other. What a raw value
//! means is settled here too: 0 is always the simplest outcome.
//!
//! Two worlds that are compared can take the instant for the number: see
//! [`World::draw_by_instant`].

mod fit;
mod rare;

use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

use crate::chunks::Chunks;
use crate::core::Core;
use crate::tape::{Muted, Override, Tape, generator_of};
pub use fit::TapeFit;
use rare::Rare;
pub(crate) use rare::{LOG2_DIGITS, minus_log2};

/// The interned form of a decision name, valid in one world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StreamId(u32);

/// A stream from which less was drawn keeps no generator: most hardly ever give anything, and a
/// generator takes a third of a kilobyte.
const COLD_DRAWS: u64 = 4;

/// Draws that are taken from a generator at a time, so that most touch one cache line only.
const AHEAD: usize = 6;

/// What nearly every draw needs of its stream, and no more: one line of the cache.
#[repr(align(64))]
struct Hot {
    drawn: u64,
    /// The next `left` draws of the seed, the last of them first.
    ahead: [u64; AHEAD],
    left: u8,
    /// So many draws can be taken without asking whether the tape departs from the seed.
    plain: u32,
}

struct Stream {
    name: Rc<str>,
    /// Stands behind what was taken ahead, or behind that if draws were passed over since; there
    /// once the stream is no longer cold.
    generator: Option<Box<ChaCha8Rng>>,
    departures: Departures,
    /// The instant of the last draw, and how many there were at it; with draws by instant.
    at_instant: (u64, u64),
}

/// What a tape says of one stream; nothing, mostly.
struct Departures(Option<Box<Departing>>);

struct Departing {
    overrides: BTreeMap<u64, u64>,
    muted: Vec<Range<u64>>,
}

impl Departures {
    fn new(overrides: BTreeMap<u64, u64>, muted: Vec<Range<u64>>) -> Self {
        let departs = !muted.is_empty() || !overrides.is_empty();
        Self(departs.then(|| Box::new(Departing { overrides, muted })))
    }

    /// How many draws from `n` on the tape leaves alone, as far as that can be counted.
    fn plain_from(&self, n: u64) -> u32 {
        let Some(Departing { overrides, muted }) = self.0.as_deref() else {
            return u32::MAX;
        };
        let overridden = overrides.range(n..).next().map(|it| *it.0);
        let muted = muted.iter().filter(|it| it.end > n).map(|it| it.start.max(n));
        let next = muted.chain(overridden).min().unwrap_or(u64::MAX);
        u32::try_from(next - n).unwrap_or(u32::MAX)
    }

    /// What is drawn instead, and whether that is by an override.
    fn at(&self, n: u64) -> Option<(u64, bool)> {
        let Departing { overrides, muted } = &**self.0.as_ref()?;
        let overridden = overrides.get(&n).map(|it| (*it, true));
        let is_muted = || muted.iter().any(|it| it.contains(&n));
        overridden.or_else(|| is_muted().then_some((0, false)))
    }
}

impl Stream {
    /// The seed's value for draw `n`, of which nothing was taken ahead.
    fn refill(&mut self, hot: &mut Hot, seed: u64) -> u64 {
        let name = &self.name;
        let generator = self.generator.get_or_insert_with(|| Box::new(generator_of(seed, name)));
        // A draw takes one u64, which is two words of the ChaCha stream.
        let place = u128::from(hot.drawn) * 2;
        if generator.get_word_pos() != place {
            generator.set_word_pos(place);
        }
        let value = generator.next_u64();
        if hot.drawn < COLD_DRAWS {
            self.generator = None;
            return value;
        }
        hot.ahead.iter_mut().rev().for_each(|it| *it = generator.next_u64());
        hot.left = AHEAD as u8;
        value
    }

    /// A value for the next draw at this instant: the generator's, at a place that the instant
    /// and the draws before it at the same instant name.
    fn at(&mut self, seed: u64, now_ns: u64) -> u64 {
        let drawn = if self.at_instant.0 == now_ns { self.at_instant.1 + 1 } else { 0 };
        self.at_instant = (now_ns, drawn);
        // A draw takes two words of the stream, whose places are counted in 68 bits.
        let place = u128::from(now_ns) << 20 | u128::from(drawn & 0xF_FFFF);
        let name = &self.name;
        let generator = self.generator.get_or_insert_with(|| Box::new(generator_of(seed, name)));
        generator.set_word_pos(place << 1);
        generator.next_u64()
    }
}

/// The tape's muted draws, so that many single names cost no more than few.
struct MutedNames {
    exact: BTreeMap<String, Vec<Range<u64>>>,
    patterns: Vec<Muted>,
}

impl MutedNames {
    fn new(muted: Vec<Muted>) -> Self {
        let mut exact: BTreeMap<String, Vec<Range<u64>>> = BTreeMap::new();
        let (patterns, names): (Vec<Muted>, _) =
            muted.into_iter().partition(|it| it.names.contains('*'));
        for it in names {
            exact.entry(it.names).or_default().push(it.draws);
        }
        Self { exact, patterns }
    }

    fn draws_of(&self, name: &str) -> Vec<Range<u64>> {
        let patterns = self.patterns.iter().filter(|it| it.is_about(name));
        let exact = self.exact.get(name).into_iter().flatten();
        patterns.map(|it| &it.draws).chain(exact).cloned().collect()
    }

    /// Those that are about no name, where `any` says whether one fits.
    fn unused(&self, any: impl Fn(&dyn Fn(&str) -> bool) -> bool) -> Vec<String> {
        let patterns = self.patterns.iter().filter(|it| !any(&|name| it.is_about(name)));
        let exact = self.exact.keys().filter(|it| !any(&|name| *it == name));
        patterns.map(|it| &it.names).chain(exact).cloned().collect()
    }
}

/// All streams of one world.
pub(crate) struct Streams {
    seed: u64,
    hot: Chunks<Hot>,
    streams: Chunks<Stream>,
    /// Apart, as those of one sender are asked one after the other.
    rare: Chunks<Rare>,
    by_name: BTreeMap<Rc<str>, StreamId>,
    /// The tape's overrides of names that were not yet used.
    overrides: BTreeMap<String, BTreeMap<u64, u64>>,
    overrides_matched: u64,
    muted: MutedNames,
    /// World time, where draws go by it.
    instant_ns: Option<u64>,
    /// (stream, n, value) of every draw, while somebody asked for it.
    decisions: Option<Vec<(StreamId, u64, u64)>>,
}

impl Streams {
    pub(crate) fn new(tape: Tape) -> Self {
        let mut overrides: BTreeMap<String, BTreeMap<u64, u64>> = BTreeMap::new();
        for it in tape.overrides {
            overrides.entry(it.name).or_default().insert(it.n, it.value);
        }
        Self {
            seed: tape.seed,
            hot: Chunks::default(),
            streams: Chunks::default(),
            rare: Chunks::default(),
            by_name: BTreeMap::new(),
            overrides,
            overrides_matched: 0,
            muted: MutedNames::new(tape.muted),
            instant_ns: None,
            decisions: None,
        }
    }

    /// The stream of `name`, created at first use.
    pub(crate) fn intern(&mut self, name: &str) -> StreamId {
        if let Some(&stream) = self.by_name.get(name) {
            return stream;
        }
        let stream = StreamId(u32::try_from(self.streams.len()).expect("streams are few"));
        let name: Rc<str> = name.into();
        let muted = self.muted.draws_of(&name);
        let overrides = self.overrides.remove(&*name).unwrap_or_default();
        let departures = Departures::new(overrides, muted);
        let plain = departures.plain_from(0);
        self.hot.push(Hot { drawn: 0, ahead: [0; AHEAD], left: 0, plain });
        self.streams.push(Stream {
            name: name.clone(),
            generator: None,
            departures,
            at_instant: (0, 0),
        });
        self.rare.push(Rare::default());
        self.by_name.insert(name, stream);
        stream
    }

    /// Time moves on.
    pub(crate) fn set_instant(&mut self, now_ns: u64) {
        self.instant_ns = self.instant_ns.map(|_| now_ns);
    }

    pub(crate) fn draw_by_instant(&mut self, now_ns: u64) {
        self.instant_ns = Some(now_ns);
    }

    /// The next raw value of a stream.
    pub(crate) fn raw(&mut self, id: StreamId) -> u64 {
        let hot = &mut self.hot[id.0 as usize];
        let is_usual = self.instant_ns.is_none() && self.decisions.is_none();
        if hot.left > 0 && hot.plain > 0 && is_usual {
            hot.drawn += 1;
            hot.plain -= 1;
            hot.left -= 1;
            return hot.ahead[usize::from(hot.left)];
        }
        self.raw_with_care(id)
    }

    /// The same where nothing was taken ahead, or where there is more to it.
    fn raw_with_care(&mut self, id: StreamId) -> u64 {
        let (hot, stream) = (&mut self.hot[id.0 as usize], &mut self.streams[id.0 as usize]);
        let n = hot.drawn;
        // The generator advances under an override too: the draws after it must not shift.
        let mut value = match self.instant_ns {
            Some(now_ns) => stream.at(self.seed, now_ns),
            None if hot.left > 0 => {
                hot.left -= 1;
                hot.ahead[usize::from(hot.left)]
            }
            None => stream.refill(hot, self.seed),
        };
        hot.drawn += 1;
        if hot.plain > 0 {
            hot.plain -= 1;
        } else {
            if let Some((replaced, by_override)) = stream.departures.at(n) {
                self.overrides_matched += u64::from(by_override);
                value = replaced;
            }
            hot.plain = stream.departures.plain_from(n + 1);
        }
        if let Some(decisions) = &mut self.decisions {
            decisions.push((id, n, value));
        }
        value
    }

    /// Takes the next raw value of a stream where it is of no consequence; gives 0 if it would
    /// have to be computed.
    pub(crate) fn pass_over(&mut self, id: StreamId) -> u64 {
        let hot = &mut self.hot[id.0 as usize];
        if hot.plain == 0 || self.instant_ns.is_some() || self.decisions.is_some() {
            return self.raw_with_care(id);
        }
        hot.drawn += 1;
        hot.plain -= 1;
        hot.left = hot.left.saturating_sub(1);
        0
    }

    /// A number of `range`, its start for raw 0.
    pub(crate) fn range(&mut self, id: StreamId, range: &Range<u64>) -> u64 {
        assert!(range.start < range.end, "a draw from the empty range {range:?}");
        range.start + scale(self.raw(id), range.end - range.start)
    }

    /// True in `num` of `den` cases, and for the largest raw values, so never for raw 0
    /// unless it is certain.
    pub(crate) fn chance(&mut self, id: StreamId, num: u64, den: u64) -> bool {
        assert!(den > 0, "a chance out of nothing");
        scale(self.raw(id), den) >= den.saturating_sub(num)
    }

    /// The same for what hardly ever happens and is asked for all the time: one draw says after
    /// how many times in which it does not it does, so raw 0 means never again. A new draw is
    /// taken after each time it happened, and when the chance is another than before.
    pub(crate) fn rarely(&mut self, id: StreamId, num: u64, den: u64) -> bool {
        // Draws by instant say what happens at an instant, not when something happens again.
        if num * rare::OFTEN > den || self.instant_ns.is_some() {
            return self.chance(id, num, den);
        }
        let rare = &mut self.rare[id.0 as usize];
        if let Some(happens) = rare.ask(num, den) {
            return happens;
        }
        let raw = self.raw(id);
        self.rare[id.0 as usize].draw(raw, num, den)
    }

    pub(crate) fn overrides_matched(&self) -> u64 {
        self.overrides_matched
    }

    /// The name of a stream.
    pub(crate) fn name(&self, stream: StreamId) -> Rc<str> {
        self.streams[stream.0 as usize].name.clone()
    }

    /// How many draws there were under each name.
    pub(crate) fn draws(&self) -> BTreeMap<String, u64> {
        let drawn = self.streams.iter().zip(self.hot.iter()).filter(|(_, hot)| hot.drawn > 0);
        drawn.map(|(it, hot)| (it.name.to_string(), hot.drawn)).collect()
    }

    /// How many draws there were so far under all names.
    pub(crate) fn draws_count(&self) -> u64 {
        self.hot.iter().map(|it| it.drawn).sum()
    }

    pub(crate) fn record(&mut self, on: bool) {
        self.decisions = if on { Some(self.decisions.take().unwrap_or_default()) } else { None };
    }

    pub(crate) fn decisions(&self) -> Vec<Override> {
        let named = |&(id, n, value): &(StreamId, u64, u64)| Override {
            name: self.streams[id.0 as usize].name.to_string(),
            n,
            value,
        };
        self.decisions.iter().flatten().map(named).collect()
    }
}

/// Maps a raw value to `0..below` by multiply and shift: 0 to 0, in order, with a bias of
/// less than `below` in 2^64.
pub(crate) fn scale(raw: u64, below: u64) -> u64 {
    ((u128::from(raw) * u128::from(below)) >> 64) as u64
}

/// Draws under one name. Handles of the same name continue the same stream.
#[derive(Clone)]
pub struct Dice {
    core: Rc<Core>,
    stream: StreamId,
}

impl Dice {
    pub(crate) fn new(core: Rc<Core>, stream: StreamId) -> Self {
        Self { core, stream }
    }

    /// The next raw value.
    pub fn raw(&self) -> u64 {
        self.core.dice.borrow_mut().raw(self.stream)
    }

    /// A number of `range`; raw 0 gives its start.
    ///
    /// # Panics
    /// If the range is empty.
    pub fn range(&self, range: Range<u64>) -> u64 {
        self.core.dice.borrow_mut().range(self.stream, &range)
    }

    /// True in `num` of `den` cases; raw 0 gives false, unless `num >= den`.
    ///
    /// # Panics
    /// If `den` is 0.
    pub fn chance(&self, num: u64, den: u64) -> bool {
        self.core.dice.borrow_mut().chance(self.stream, num, den)
    }

    /// One of the items; raw 0 gives the first.
    ///
    /// # Panics
    /// If there are none.
    pub fn pick<'a, T>(&self, items: &'a [T]) -> &'a T {
        &items[self.range(0..items.len() as u64) as usize]
    }

    /// Puts the items in an order drawn evenly from all; raw zeros leave them as they are.
    pub fn shuffle<T>(&self, items: &mut [T]) {
        for at in 1..items.len() {
            let from = self.range(0..(items.len() - at + 1) as u64) as usize;
            items.swap(at - 1, at - 1 + from);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::World;

    /// Dice whose first draws are these.
    fn loaded(raws: &[u64]) -> (World, Dice) {
        let draw =
            |(n, &value): (usize, &u64)| Override { name: "loaded".into(), n: n as u64, value };
        let overrides = raws.iter().enumerate().map(draw).collect();
        let world = World::new(Tape { overrides, ..Tape::default() });
        let dice = world.dice("loaded");
        (world, dice)
    }

    proptest! {
        #[test]
        fn a_stream_is_what_its_tape_says(
            seed: u64,
            name in "[a-z]{1,8}/[a-z]{1,8}",
            n in 0..200u64,
            muted in 0..100u64,
        ) {
            let muted = Muted { names: name.clone(), draws: muted..muted + 50 };
            let tape = Tape { muted: vec![muted], ..Tape::new(seed) };
            let world = World::new(tape.clone());
            let dice = world.dice(&name);
            let draws: Vec<u64> = (0..=n).map(|_| dice.raw()).collect();
            prop_assert_eq!(draws[n as usize], tape.decision(&name, n));
        }

        /// Some draws replaced, some muted, some passed over: no other is another for it.
        #[test]
        fn a_stream_with_departures_is_what_its_tape_says(
            seed: u64,
            overrides in prop::collection::btree_map(0..60u64, any::<u64>(), 0..5),
            muted in prop::collection::vec((0..60u64, 0..8u64), 0..3),
            passed in prop::collection::btree_set(0..60u64, 0..30),
        ) {
            let name = "node/loaded";
            let replaced = |(n, value)| Override { name: name.into(), n, value };
            let overrides = overrides.into_iter().map(replaced).collect();
            let mute = |(start, len)| Muted { names: name.into(), draws: start..start + len };
            let muted = muted.into_iter().map(mute).collect();
            let tape = Tape { seed, overrides, muted };
            let mut streams = Streams::new(tape.clone());
            let stream = streams.intern(name);
            for n in 0..60 {
                if passed.contains(&n) {
                    streams.pass_over(stream);
                } else {
                    prop_assert_eq!(streams.raw(stream), tape.decision(name, n), "draw {}", n);
                }
            }
            prop_assert_eq!(streams.draws()[name], 60);
        }

        #[test]
        fn ranges_keep_order_and_bounds(
            a: u64,
            b: u64,
            start in 0..1000u64,
            len in 1..=u64::MAX - 1000,
        ) {
            let (_world, dice) = loaded(&[a.min(b), a.max(b)]);
            let (low, high) = (dice.range(start..start + len), dice.range(start..start + len));
            prop_assert!(start <= low && low <= high && high < start + len);
        }

        #[test]
        fn a_shuffle_loses_nothing(seed: u64, len in 0..20usize) {
            let mut items: Vec<usize> = (0..len).collect();
            World::new(Tape::new(seed)).dice("shuffle").shuffle(&mut items);
            items.sort_unstable();
            prop_assert_eq!(items, (0..len).collect::<Vec<_>>());
        }
    }

    #[test]
    fn zero_is_the_simplest_outcome() {
        let (_world, dice) = loaded(&[0; 7]);
        assert_eq!((dice.raw(), dice.range(5..9), dice.chance(999, 1_000)), (0, 5, false));
        assert_eq!(dice.pick(&["first", "second"]), &"first");
        let mut items = [1, 2, 3, 4];
        dice.shuffle(&mut items);
        assert_eq!(items, [1, 2, 3, 4]);
    }

    #[test]
    fn chances_are_met_by_the_largest_values() {
        let (_world, dice) = loaded(&[u64::MAX, u64::MAX, u64::MAX / 2, u64::MAX / 2 + 1, 0]);
        assert!(!dice.chance(0, 1_000_000));
        assert!(dice.chance(1, 1_000_000));
        assert!(!dice.chance(1, 2));
        assert!(dice.chance(1, 2));
        assert!(dice.chance(7, 7));
    }

    #[test]
    fn a_shuffle_can_give_every_order() {
        let orders: std::collections::BTreeSet<[u8; 3]> = (0..100)
            .map(|seed| {
                let mut items = [1, 2, 3];
                World::new(Tape::new(seed)).dice("shuffle").shuffle(&mut items);
                items
            })
            .collect();
        assert_eq!(orders.len(), 6);
    }
}
