//! Named places at which a program may take its rare branch, as FoundationDB's BUGGIFY
//! (Zhou et al., "FoundationDB: A Distributed Unbundled Transactional Key Value Store", SIGMOD
//! 2021, section 4): in the code of the program, off in production, and each on in some worlds
//! only.

use std::collections::BTreeMap;

use crate::host::{Host, HostId};
use crate::world::World;

/// How often rare branches are taken; never by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Buggify {
    /// Of a thousand places, how many are on in this world.
    pub on_per_mille: u64,
    /// Of a thousand times that a place which is on is passed, how often the branch is taken.
    pub taken_per_mille: u64,
}

impl Buggify {
    /// A quarter of the places is on and takes the branch every fourth time, as in FoundationDB.
    pub const USUAL: Self = Self { on_per_mille: 250, taken_per_mille: 250 };
}

/// Which places are on, and how often each was taken.
#[derive(Default)]
pub(crate) struct Buggified {
    rates: Buggify,
    places: BTreeMap<&'static str, (bool, u64)>,
}

impl Host {
    /// Whether the program is to take its rare branch at this place, this time.
    pub fn buggify(&self, place: &'static str) -> bool {
        let rates = self.core.buggified.borrow().rates;
        if rates.on_per_mille == 0 || !self.is_current() {
            return false;
        }
        let known = self.core.buggified.borrow().places.get(place).map(|it| it.0);
        let is_on = known.unwrap_or_else(|| {
            let on = self.core.draw_chance(&format!("buggify/on.{place}"), rates.on_per_mille);
            self.core.buggified.borrow_mut().places.insert(place, (on, 0));
            on
        });
        let name = || format!("{}/buggify.{place}", self.name());
        let taken = is_on && self.core.draw_chance(&name(), rates.taken_per_mille);
        if taken {
            self.core.emit(self.id(), "buggify", place.as_bytes());
            self.core.count_fault("buggify", 1);
            if let Some(it) = self.core.buggified.borrow_mut().places.get_mut(place) {
                it.1 += 1;
            }
        }
        taken
    }
}

impl World {
    /// Sets how often programs take their rare branches. Before the first of them is asked for.
    pub fn set_buggify(&self, rates: Buggify) {
        self.core().buggified.borrow_mut().rates = rates;
    }

    /// How often the rare branch was taken at each place that was passed.
    pub fn buggified(&self) -> BTreeMap<&'static str, u64> {
        let buggified = self.core().buggified.borrow();
        buggified.places.iter().map(|(place, it)| (*place, it.1)).collect()
    }

    /// A setting of this world, drawn once for its name; the first of the range on a tape of
    /// zeros. The knobs of a seed stand in its tape under `swarm/knob.<name>`.
    ///
    /// # Panics
    /// If the range is empty.
    pub fn knob(&self, name: &str, range: std::ops::Range<u64>) -> u64 {
        assert!(!range.is_empty(), "the knob `{name}` has no value to draw");
        self.dice(&format!("swarm/knob.{name}")).range(range)
    }

    /// Emits under the driver's name what a swarm has drawn.
    pub(super) fn note_swarm(&self, what: &str) {
        self.core().emit(HostId::DRIVER, "swarm", what.as_bytes());
    }
}
