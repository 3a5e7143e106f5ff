//! Decisions: a pure function of seed, name and number.
//!
//! A name is an actor and a concern, `node-2/net.latency`; each name has a stream of its
//! own, so a draw added under one name shifts nothing under any other. What a raw value
//! means is settled here too: 0 is always the simplest outcome.
//!
//! Two worlds that are compared can take the instant for the number: see
//! [`World::draw_by_instant`].

mod block;
mod departing;
mod fit;
mod names;
mod rare;
mod stream;

use std::collections::BTreeMap;
use std::num::NonZero;
use std::ops::Range;
use std::rc::Rc;

use crate::chunks::Chunks;
use crate::core::Core;
use crate::tape::{Override, Tape};
use departing::{Departing, MutedNames};
pub use fit::TapeFit;
pub(crate) use names::ActorId;
use names::{Name, Names};
pub(crate) use rare::{LOG2_DIGITS, Rare, minus_log2};
use stream::{GENERATORS_MAX, Hot, Stream};

/// The interned form of a decision name, valid in one world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct StreamId(NonZero<u32>);

impl StreamId {
    fn of(index: usize) -> Self {
        let number = u32::try_from(index + 1).ok().and_then(NonZero::new);
        Self(number.expect("streams are few"))
    }

    fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// All streams of one world.
pub(crate) struct Streams {
    seed: u64,
    hot: Chunks<Hot>,
    streams: Chunks<Stream>,
    /// So many of them may still come to keep a generator.
    generators_left: usize,
    names: Names,
    by_name: BTreeMap<Name, StreamId>,
    /// Names that may be drawn from, by actor: they become streams when they are.
    announced: Vec<(ActorId, &'static [&'static str])>,
    /// What the tape says, of the streams of which it says something.
    departing: BTreeMap<StreamId, Departing>,
    /// The tape's overrides of names that were not yet used.
    overrides: BTreeMap<String, BTreeMap<u64, u64>>,
    overrides_matched: u64,
    muted: MutedNames,
    /// World time, where draws go by it.
    instant_ns: Option<u64>,
    /// For each stream the instant of the last draw, and how many there were at it; with draws
    /// by instant.
    at_instants: Vec<(u64, u64)>,
    /// (stream, n, value) of every draw, while somebody asked for it.
    decisions: Option<Vec<(StreamId, u64, u64)>>,
    /// Whether draws are recorded, or go by the instant.
    is_unusual: bool,
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
            generators_left: GENERATORS_MAX,
            names: Names::default(),
            by_name: BTreeMap::new(),
            announced: Vec::new(),
            departing: BTreeMap::new(),
            overrides,
            overrides_matched: 0,
            muted: MutedNames::new(tape.muted),
            instant_ns: None,
            at_instants: Vec::new(),
            decisions: None,
            is_unusual: false,
        }
    }

    /// The number of an actor, whose name has no `/` in it.
    pub(crate) fn actor(&mut self, name: &str) -> ActorId {
        self.names.actor(name)
    }

    /// The stream of a name, created at first use.
    pub(crate) fn intern(&mut self, name: &str) -> StreamId {
        let name = self.names.parse(name);
        self.intern_name(name)
    }

    /// The stream `<actor>/<concern>`, created at first use.
    pub(crate) fn intern_of(&mut self, actor: ActorId, concern: &str) -> StreamId {
        let name = self.names.of(actor, concern);
        self.intern_name(name)
    }

    /// Says that there are names which a run may draw from, so that a tape that departs in them
    /// is of this run. They are interned when that happens.
    pub(crate) fn announce(&mut self, actor: ActorId, concerns: &'static [&'static str]) {
        self.announced.push((actor, concerns));
    }

    fn intern_name(&mut self, name: Name) -> StreamId {
        if let Some(&stream) = self.by_name.get(&name) {
            return stream;
        }
        let stream = StreamId::of(self.streams.len());
        let text = self.names.text(name);
        let overrides = self.overrides.remove(&text).unwrap_or_default();
        let muted = self.muted.draws_of(&text);
        let departs = !muted.is_empty() || !overrides.is_empty();
        if departs {
            self.departing.insert(stream, Departing { overrides, muted });
        }
        self.hot.push(Hot::new(departs));
        self.streams.push(Stream::new(self.seed, name, &text));
        self.by_name.insert(name, stream);
        stream
    }

    /// Time moves on.
    pub(crate) fn set_instant(&mut self, now_ns: u64) {
        self.instant_ns = self.instant_ns.map(|_| now_ns);
    }

    pub(crate) fn draw_by_instant(&mut self, now_ns: u64) {
        self.instant_ns = Some(now_ns);
        self.is_unusual = true;
    }

    /// The next raw value of a stream.
    #[inline]
    pub(crate) fn raw(&mut self, id: StreamId) -> u64 {
        if !self.is_unusual
            && let Some(value) = self.hot[id.index()].take()
        {
            return value;
        }
        self.raw_with_care(id)
    }

    /// The same where nothing was taken ahead, or where there is more to it.
    fn raw_with_care(&mut self, id: StreamId) -> u64 {
        let n = self.hot[id.index()].drawn();
        let replaced = self.hot[id.index()].departs().then(|| self.departure(id, n)).flatten();
        // Draws advance under an override too: those after it must not shift.
        let value = match (self.instant_ns, replaced) {
            (Some(now_ns), _) => replaced.unwrap_or(self.at_instant(id, now_ns)),
            (None, Some(value)) => {
                self.hot[id.index()].skip();
                value
            }
            (None, None) => self.hot[id.index()].take().unwrap_or_else(|| self.refill(id, n)),
        };
        if let Some(decisions) = &mut self.decisions {
            decisions.push((id, n, value));
        }
        value
    }

    /// What the tape has instead of draw `n`.
    fn departure(&mut self, id: StreamId, n: u64) -> Option<u64> {
        let departing = &self.departing[&id];
        self.hot[id.index()].set_departs(departing.is_about(n + 1));
        let (value, by_override) = departing.at(n)?;
        self.overrides_matched += u64::from(by_override);
        Some(value)
    }

    /// The seed's value for draw `n`, which is the next, and takes others ahead: none that the
    /// tape replaces.
    fn refill(&mut self, id: StreamId, n: u64) -> u64 {
        let hot = &mut self.hot[id.index()];
        let plain = match hot.departs() {
            true => self.departing[&id].plain_from(n + 1),
            false => usize::MAX,
        };
        self.streams[id.index()].refill(hot, plain, &mut self.generators_left)
    }

    /// A value for the next draw at this instant: the seed's, at a place that the instant and
    /// the draws before it at the same instant name.
    fn at_instant(&mut self, id: StreamId, now_ns: u64) -> u64 {
        self.hot[id.index()].skip();
        let at = id.index();
        if self.at_instants.len() <= at {
            self.at_instants.resize(self.streams.len(), (0, 0));
        }
        let (last_ns, before) = self.at_instants[at];
        let drawn = if last_ns == now_ns { before + 1 } else { 0 };
        self.at_instants[at] = (now_ns, drawn);
        self.streams[at].at(u128::from(now_ns) << 20 | u128::from(drawn & 0xF_FFFF))
    }

    /// Takes the next raw value of a stream where it is of no consequence; gives 0 if it would
    /// have to be computed.
    #[inline]
    pub(crate) fn pass_over(&mut self, id: StreamId) -> u64 {
        if self.is_unusual {
            return self.raw_with_care(id);
        }
        let hot = &mut self.hot[id.index()];
        let (n, departs) = (hot.drawn(), hot.departs());
        hot.skip();
        if departs { self.departure(id, n).unwrap_or(0) } else { 0 }
    }

    /// A number of `range`, its start for raw 0.
    pub(crate) fn range(&mut self, id: StreamId, range: &Range<u64>) -> u64 {
        let is_empty = range.start >= range.end;
        assert!(!is_empty, "`{}` draws from the empty range {range:?}", self.name(id));
        range.start + scale(self.raw(id), range.end - range.start)
    }

    /// True in `num` of `den` cases, and for the largest raw values, so never for raw 0
    /// unless it is certain.
    pub(crate) fn chance(&mut self, id: StreamId, num: u64, den: u64) -> bool {
        assert!(den > 0, "`{}` asks for a chance of {num} in 0", self.name(id));
        scale(self.raw(id), den) >= den.saturating_sub(num)
    }

    /// The same for what hardly ever happens and is asked for all the time: one draw says after
    /// how many times in which it does not it does, so raw 0 means never again. A new draw is
    /// taken after each time it happened, and when the chance is another than before.
    #[inline]
    pub(crate) fn rarely(
        &mut self,
        rare: &mut Rare,
        num: u64,
        den: u64,
        stream: impl FnOnce(&mut Self) -> StreamId,
    ) -> bool {
        // Draws by instant say what happens at an instant, not when something happens again.
        if num * rare::OFTEN > den || self.instant_ns.is_some() {
            let stream = stream(self);
            return self.chance(stream, num, den);
        }
        rare.ask(num, den).unwrap_or_else(|| {
            let stream = stream(self);
            rare.draw(self.raw(stream), num, den)
        })
    }

    pub(crate) fn overrides_matched(&self) -> u64 {
        self.overrides_matched
    }

    /// The name of a stream.
    pub(crate) fn name(&self, stream: StreamId) -> String {
        self.names.text(self.streams[stream.index()].name)
    }

    /// How many draws there were under each name.
    pub(crate) fn draws(&self) -> BTreeMap<String, u64> {
        let drawn = self.streams.iter().zip(self.hot.iter()).filter(|(_, hot)| hot.drawn() > 0);
        drawn.map(|(it, hot)| (self.names.text(it.name), hot.drawn())).collect()
    }

    /// How many draws there were so far under all names.
    pub(crate) fn draws_count(&self) -> u64 {
        self.hot.iter().map(|it| it.drawn()).sum()
    }

    pub(crate) fn record(&mut self, on: bool) {
        self.decisions = if on { Some(self.decisions.take().unwrap_or_default()) } else { None };
        self.is_unusual = on || self.instant_ns.is_some();
    }

    pub(crate) fn decisions(&self) -> Vec<Override> {
        let named =
            |&(id, n, value): &(StreamId, u64, u64)| Override { name: self.name(id), n, value };
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
        let name = || self.core.dice.borrow().name(self.stream);
        assert!(!items.is_empty(), "`{}` picks one of no items", name());
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
    use crate::{Muted, World};

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
