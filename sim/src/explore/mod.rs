//! Every crash point of a span of a run, times everything that a crash there can leave: all of
//! it tried, at one fault a run.
//!
//! A scenario is a function that runs a fresh world and calls [`World::begin_span`] and
//! [`World::end_span`] around what is of interest. [`Walk::survey`] runs it once, undisturbed, and
//! writes down each moment right before and right after an operation of a machine (the driver's
//! excepted): those are the *crash points*. At each it asks what could be left of the machine's
//! disk, once if the process dies and once if the power goes: those are the *outcomes*.
//! [`Walk::strike`] runs the scenario again and has one of them happen; the machine is started
//! again after a while. Until the fault strikes, a run is the surveyed one: the hash at that moment
//! is compared, and a run that departed earlier or never came there is an error ([`Astray`]).
//!
//! Two crash points are explored as one ([`CrashPoint::stands_for`]) where no machine can tell a
//! crash at the one from a crash at the other:
//!
//! - *Nothing happened between them*: same instant, same host, and neither an event nor a draw nor
//!   an entry in the queue of what is to come; so right after a datagram is right before the next
//!   of the same poll. Never with an open stream, whose buffers fill without an event.
//! - *The operation concerns nobody but the dead*: right after a datagram arrived, or a read was
//!   answered, or a request took effect in the object store (which it does either way), is right
//!   before.
//!
//! What programs tell a tester by other ways than the world is not looked at in either case.
//!
//! What is not explored: two crashes in a run, other times of restart, other draws of the same
//! scenario, crashes between two operations where a machine only computes (it can have told nobody
//! meanwhile). Points that programs announce are no crash points of their own.
//!
//! The coordinates of a run are in `coordinates.rs`, what goes along in the world is in
//! `walker.rs`, what it found in `survey.rs`, and what came of it all in `accounting.rs`.

mod accounting;
mod coordinates;
mod survey;
mod walker;

use std::fmt;

pub use accounting::{Accounting, Row};
pub use coordinates::{Coordinates, CoordinatesError, Side, Site};
pub use survey::{CrashPoint, Survey};
pub(crate) use walker::Walker;

use crate::operation::CrashKind;
use crate::tape::Tape;
use crate::world::World;
use walker::Striking;

/// How a scenario is explored.
#[derive(Clone, Debug)]
pub struct Walk {
    /// What each run begins with.
    pub tape: Tape,
    /// How many outcomes of a crash are tried at most, of each kind of crash at each point.
    pub outcomes_max: usize,
    /// How many are counted at most, to say how many are left out.
    pub counted_max: usize,
    /// How long the machine stays down, in nanoseconds.
    pub down_ns: u64,
}

/// Why a run says nothing about its coordinates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Astray {
    /// The survey knows no such crash point, or explores it under another name.
    NoSuchPoint,
    /// There is no outcome with this number.
    NoSuchOutcome,
    /// The run was over, and the operation had not come.
    NotStruck,
    /// The run was another than the surveyed one before the fault struck.
    Departed {
        /// The hash of the surveyed run at this point.
        surveyed: u64,
        /// The hash of this run.
        found: u64,
    },
}

impl fmt::Display for Astray {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchPoint => write!(out, "the survey has no such crash point"),
            Self::NoSuchOutcome => write!(out, "the crash has no outcome with this number"),
            Self::NotStruck => write!(out, "the run never came to this crash point"),
            Self::Departed { surveyed, found } => write!(
                out,
                "the run was another before the crash: hash {found:016x} instead of {surveyed:016x}"
            ),
        }
    }
}

impl std::error::Error for Astray {}

impl Walk {
    /// Runs the scenario undisturbed: gives its crash points, and what it returned.
    pub fn survey<T>(&self, scenario: impl FnOnce(&World) -> T) -> (Survey, T) {
        let world = World::new(self.tape.clone());
        world
            .core()
            .operations
            .set_walker(Some(Walker::surveying(self.outcomes_max.max(self.counted_max))));
        let result = scenario(&world);
        let walker = world.core().operations.walker.take().expect("it was set above");
        (walker.into_survey(), result)
    }

    /// Runs the scenario with one crash: gives what it returned.
    ///
    /// # Errors
    /// The crash did not fall as asked for: see [`Astray`].
    pub fn strike<T>(
        &self,
        survey: &Survey,
        at: &Coordinates,
        scenario: impl FnOnce(&World) -> T,
    ) -> Result<T, Astray> {
        let point = survey.point(&at.site).ok_or(Astray::NoSuchPoint)?;
        if at.outcome >= point.outcomes(at.crash).found() {
            return Err(Astray::NoSuchOutcome);
        }
        let world = World::new(self.tape.clone());
        let striking = Striking::new(at.clone(), self.down_ns, point.hash);
        world.core().operations.set_walker(Some(Walker::striking(striking)));
        let result = scenario(&world);
        let walker = world.core().operations.walker.take().expect("it was set above");
        match walker.struck_at().ok_or(Astray::NotStruck)? {
            found if found != point.hash => Err(Astray::Departed { surveyed: point.hash, found }),
            _ => Ok(result),
        }
    }

    /// Explores all of it, one run after the other; `wanted` may leave kinds of crashes out.
    pub fn explore(
        &self,
        wanted: impl Fn(CrashKind) -> bool,
        scenario: impl Fn(&World) -> Result<(), String>,
    ) -> Accounting {
        let (survey, undisturbed) = self.survey(&scenario);
        let mut accounting = Accounting::new(&survey, self.outcomes_max, &wanted);
        accounting.add_undisturbed(undisturbed);
        for at in survey.coordinates(self.outcomes_max).filter(|it| wanted(it.crash)) {
            accounting.add(&at, self.strike(&survey, &at, &scenario));
        }
        accounting
    }
}

impl World {
    /// From here on crashes are of interest, if somebody explores them ([`Walk`]); nothing happens
    /// otherwise.
    pub fn begin_span(&self) {
        self.set_span(true);
    }

    /// From here on they are not any more. A second span counts on where the first has ended.
    pub fn end_span(&self) {
        self.set_span(false);
    }

    fn set_span(&self, on: bool) {
        if let Some(walker) = &mut *self.core().operations.walker.borrow_mut() {
            walker.set_span(on);
        }
    }
}
