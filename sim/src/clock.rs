//! The clocks of a machine: wrong, drifting, stepping, standing still, unsure of themselves.
//!
//! A clock is a straight line over true time that is bent wherever somebody changes its rate.
//! All of it is in integers and exact: what a clock shows and when it will show something are
//! inverse to each other to the nanosecond. Sleeps follow the monotonic clock (`timer.rs`).

use crate::core::Core;
use crate::host::{Host, HostId, WORLD_EPOCH_MS};
use crate::world::World;

/// Parts of a nanosecond in which a clock counts, and the rate of a clock that is right.
const UNITS_PER_NS: i128 = RIGHT as i128;
const RIGHT: i64 = 1_000_000_000;

/// A line over true time, small enough for a sleep to touch one line of the cache.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    /// True time of the last bend.
    bent_ns: u64,
    /// What the clock showed then, in nanoseconds and billionths of one.
    shown_ns: i128,
    shown_units: u32,
    /// How many billionths of a nanosecond the clock goes on in a nanosecond of true time.
    rate: i64,
    frozen: bool,
}

impl Clock {
    /// A clock that is right but for showing `shown_ns` when the world begins.
    pub(crate) fn starting_at(shown_ns: u64) -> Self {
        let shown_ns = i128::from(shown_ns);
        Self { bent_ns: 0, shown_ns, shown_units: 0, rate: RIGHT, frozen: false }
    }

    fn units_since_bend(&self, now_ns: u64) -> i128 {
        let rate = if self.frozen { 0 } else { self.rate };
        i128::from(self.shown_units) + i128::from(now_ns - self.bent_ns) * i128::from(rate)
    }

    /// What the clock shows, in whole nanoseconds.
    pub(crate) fn shown_ns(&self, now_ns: u64) -> i128 {
        // Nearly all clocks are right: no division for them.
        if self.rate == RIGHT && !self.frozen {
            return self.shown_ns + i128::from(now_ns - self.bent_ns);
        }
        self.shown_ns + self.units_since_bend(now_ns) / UNITS_PER_NS
    }

    /// The first instant since the last bend at which the clock shows `shown_ns` or more:
    /// `u64::MAX` if that is out of reach.
    pub(crate) fn instant_of(&self, shown_ns: u64) -> u64 {
        let away_ns = i128::from(shown_ns) - self.shown_ns;
        if away_ns <= 0 {
            return self.bent_ns;
        }
        if self.frozen {
            return u64::MAX;
        }
        let wait_ns = match self.rate {
            RIGHT => away_ns,
            rate => {
                let rate = i128::from(rate);
                (away_ns * UNITS_PER_NS - i128::from(self.shown_units) + rate - 1) / rate
            }
        };
        u64::try_from(i128::from(self.bent_ns) + wait_ns).unwrap_or(u64::MAX)
    }

    /// Begins a new line where the old one has come to.
    fn bend(&mut self, now_ns: u64) {
        let units = self.units_since_bend(now_ns);
        self.shown_ns += units / UNITS_PER_NS;
        self.shown_units = (units % UNITS_PER_NS) as u32;
        self.bent_ns = now_ns;
    }

    fn set_drift(&mut self, now_ns: u64, drift_ppb: i64) {
        assert!(drift_ppb > -1_000_000_000, "a clock that runs backwards");
        self.bend(now_ns);
        self.rate = RIGHT.saturating_add(drift_ppb);
    }

    /// Goes on at this rate and so much more; never backwards, and it never stands still.
    fn set_rate(&mut self, now_ns: u64, rate: i64, more_ppb: i64) {
        self.bend(now_ns);
        self.rate = rate.saturating_add(more_ppb).max(1);
    }

    fn set_frozen(&mut self, now_ns: u64, frozen: bool) {
        self.bend(now_ns);
        self.frozen = frozen;
    }

    fn step(&mut self, now_ns: u64, by_ns: i64) {
        self.bend(now_ns);
        self.shown_ns += i128::from(by_ns);
    }

    fn set(&mut self, now_ns: u64, shown_ns: i128) {
        self.bend(now_ns);
        (self.shown_ns, self.shown_units) = (shown_ns, 0);
    }
}

/// Whether a machine's word about the error of its wall clock can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockBound {
    /// The interval always contains true time: it is widened where the clock is further off.
    Honest,
    /// The interval is as wide as was said, however far off the clock is.
    Lying,
}

/// What faults do to the clocks of a machine at some instant.
#[derive(Default)]
pub(crate) struct Distortion {
    /// How far the wall clock was set ahead, in nanoseconds.
    pub(crate) ahead_ns: i128,
    /// How far it has drifted ahead, until it was frozen if it is.
    pub(crate) drifted_ns: i128,
    /// How many nanoseconds it gains in each second.
    pub(crate) wall_ppb: i64,
    /// Since when it stands still, if it does.
    pub(crate) frozen_since_ns: Option<u64>,
    /// How many nanoseconds the monotonic clock gains in each second.
    pub(crate) monotonic_ppb: i64,
    /// By how much the machine believes its wall clock to be off at most, if that cannot be
    /// trusted.
    pub(crate) lying_bound_ns: Option<u64>,
}

/// What the world keeps of a machine's clocks; the one for sleeps comes first in memory.
#[derive(Clone)]
#[repr(C)]
pub(crate) struct Clocks {
    pub(crate) monotonic: Clock,
    /// Shows nanoseconds since the epoch of the world.
    pub(crate) wall: Clock,
    bound_ns: u64,
    bound: ClockBound,
}

impl Clocks {
    /// Clocks that are right, the monotonic one with `monotonic_ns` at the world's begin.
    pub(crate) fn starting_at(monotonic_ns: u64) -> Self {
        let (monotonic, wall) = (Clock::starting_at(monotonic_ns), Clock::starting_at(0));
        Self { monotonic, wall, bound_ns: 0, bound: ClockBound::Honest }
    }

    /// Makes these clocks go as those below do, with a distortion on top. The monotonic one goes on
    /// from what it shows.
    pub(crate) fn distort(&mut self, below: &Self, by: &Distortion, now_ns: u64) {
        self.monotonic.set_rate(now_ns, below.monotonic.rate, by.monotonic_ppb);
        self.monotonic.frozen = below.monotonic.frozen;
        (self.bound_ns, self.bound) = match by.lying_bound_ns {
            Some(bound_ns) => (bound_ns, ClockBound::Lying),
            None => (below.bound_ns, below.bound),
        };
        self.wall = below.wall.clone();
        // What somebody sets of a clock that stands still it shows, and stands still there.
        let shows_of_ns = by.frozen_since_ns.unwrap_or(now_ns).max(below.wall.bent_ns);
        let drifted_ns = if below.wall.frozen { 0 } else { by.drifted_ns };
        let ahead_ns = by.ahead_ns + drifted_ns;
        let shown_ns = below.wall.shown_ns(shows_of_ns) + ahead_ns;
        if ahead_ns != 0 || by.wall_ppb != 0 || by.frozen_since_ns.is_some() {
            self.wall.set(now_ns, shown_ns);
            self.wall.set_rate(now_ns, below.wall.rate, by.wall_ppb);
            self.wall.frozen = below.wall.frozen || by.frozen_since_ns.is_some();
        }
    }

    pub(crate) fn is_wall_frozen(&self) -> bool {
        self.wall.frozen
    }

    /// How far the wall clock is ahead of true time, in nanoseconds.
    pub(crate) fn wall_error_ns(&self, now_ns: u64) -> i64 {
        let error_ns = self.wall.shown_ns(now_ns) - i128::from(now_ns);
        error_ns.clamp(i64::MIN.into(), i64::MAX.into()) as i64
    }

    /// How many nanoseconds the wall clock gains in each second.
    pub(crate) fn wall_drift_ppb(&self) -> i64 {
        self.wall.rate - RIGHT
    }

    /// How many nanoseconds the monotonic clock gains in each second.
    pub(crate) fn monotonic_drift_ppb(&self) -> i64 {
        self.monotonic.rate - RIGHT
    }

    fn wall_interval_ms(&self, now_ns: u64) -> (u64, u64) {
        let shown_ns = self.wall.shown_ns(now_ns);
        let error_ns = (shown_ns - i128::from(now_ns)).abs();
        let bound_ns = match self.bound {
            ClockBound::Honest => error_ns.max(i128::from(self.bound_ns)),
            ClockBound::Lying => i128::from(self.bound_ns),
        };
        (epoch_ms(shown_ns - bound_ns), epoch_ms(shown_ns + bound_ns + 999_999))
    }
}

/// Milliseconds since the Unix epoch, given nanoseconds since the world's.
fn epoch_ms(since_ns: i128) -> u64 {
    let wall_ms = i128::from(WORLD_EPOCH_MS) + since_ns.div_euclid(1_000_000);
    u64::try_from(wall_ms).unwrap_or(0)
}

impl Core {
    /// What the monotonic clock of a host shows.
    pub(crate) fn monotonic_ns(&self, host: HostId) -> u64 {
        let shown_ns =
            self.hosts.borrow()[host.index()].clocks.monotonic.shown_ns(self.now_ns.get());
        u64::try_from(shown_ns).expect("a monotonic clock begins above 0 and never goes back")
    }

    /// When the monotonic clock of a host shows `shown_ns`, as it goes now.
    pub(crate) fn instant_of(&self, host: HostId, shown_ns: u64) -> u64 {
        self.hosts.borrow()[host.index()].clocks.monotonic.instant_of(shown_ns)
    }

    /// Changes the clocks of a host, below the faults that are on.
    fn change_clock(&self, host: HostId, change: impl FnOnce(&mut Clocks, u64)) {
        let now_ns = self.now_ns.get();
        if let Some(clocks) = self.active.borrow_mut().clocks_below(host) {
            change(clocks, now_ns);
        } else {
            return change(&mut self.hosts.borrow_mut()[host.index()].clocks, now_ns);
        }
        self.settle_clocks(host);
    }

    /// The monotonic clock of a host goes on otherwise: who sleeps by it looks again.
    pub(crate) fn rouse_sleepers(&self, host: HostId) {
        self.clock_changes.set(self.clock_changes.get() + 1);
        let executor = self.executor.borrow();
        self.queue.borrow().sleepers(host).for_each(|it| executor.wake(it));
    }
}

impl Host {
    /// The monotonic clock of this machine, in nanoseconds: starts anywhere, goes on over
    /// a restart of the process, and never goes back.
    #[inline]
    pub fn now_ns(&self) -> u64 {
        self.core.monotonic_ns(self.id())
    }

    /// The wall clock of this machine, in milliseconds since the Unix epoch: it may be
    /// wrong in any way, and go back.
    pub fn wall_ms(&self) -> u64 {
        let hosts = self.core.hosts.borrow();
        epoch_ms(hosts[self.id().index()].clocks.wall.shown_ns(self.core.now_ns.get()))
    }

    /// Between which two times, in milliseconds since the Unix epoch, it is now, as far as this
    /// machine knows (see [`World::set_clock_uncertainty`]). Without any setting the machine
    /// knows its error.
    pub fn wall_interval_ms(&self) -> (u64, u64) {
        let hosts = self.core.hosts.borrow();
        hosts[self.id().index()].clocks.wall_interval_ms(self.core.now_ns.get())
    }
}

impl World {
    /// Makes the wall clock of a host differ from true time by `offset_ns`, from now on.
    /// Its monotonic clock is not touched.
    pub fn set_clock_offset(&self, host: HostId, offset_ns: i64) {
        self.core().emit(host, "clock.offset", &offset_ns.to_le_bytes());
        self.core().count_fault("clock.offset", 1);
        let set = |it: &mut Clocks, now_ns| {
            it.wall.set(now_ns, i128::from(now_ns) + i128::from(offset_ns));
        };
        self.core().change_clock(host, set);
    }

    /// Makes the wall clock of a host jump by so many nanoseconds, as somebody does who sets it.
    pub fn step_clock(&self, host: HostId, by_ns: i64) {
        self.core().emit(host, "clock.step", &by_ns.to_le_bytes());
        self.core().count_fault("clock.step", 1);
        self.core().change_clock(host, |it, now_ns| it.wall.step(now_ns, by_ns));
    }

    /// Makes the wall clock of a host gain so many nanoseconds in each second, or lose them.
    /// 0 makes its rate right again, but not what it shows.
    ///
    /// # Panics
    /// If the clock would stand still or run backwards.
    pub fn set_wall_drift(&self, host: HostId, drift_ppb: i64) {
        self.note_drift(host, "clock.wall_drift", drift_ppb);
        self.core().change_clock(host, |it, now_ns| it.wall.set_drift(now_ns, drift_ppb));
    }

    /// Makes the monotonic clock of a host gain so many nanoseconds in each second, or lose
    /// them. Sleeps end when this clock shows their deadline, also those under way.
    ///
    /// # Panics
    /// If the clock would stand still or run backwards.
    pub fn set_monotonic_drift(&self, host: HostId, drift_ppb: i64) {
        self.note_drift(host, "clock.monotonic_drift", drift_ppb);
        self.core().change_clock(host, |it, now_ns| it.monotonic.set_drift(now_ns, drift_ppb));
        self.core().rouse_sleepers(host);
    }

    fn note_drift(&self, host: HostId, kind: &'static str, drift_ppb: i64) {
        self.core().emit(host, kind, &drift_ppb.to_le_bytes());
        self.core().count_fault(kind, u64::from(drift_ppb != 0));
    }

    /// Makes the wall clock of a host stand still, until [`World::thaw_wall_clock`].
    pub fn freeze_wall_clock(&self, host: HostId) {
        self.core().emit(host, "clock.wall_frozen", &[]);
        self.core().count_fault("clock.wall_frozen", 1);
        self.core().change_clock(host, |it, now_ns| it.wall.set_frozen(now_ns, true));
    }

    /// Lets the wall clock of a host go on from where it stood. It stays behind until somebody
    /// sets it.
    pub fn thaw_wall_clock(&self, host: HostId) {
        self.core().emit(host, "clock.wall_thawed", &[]);
        self.core().change_clock(host, |it, now_ns| it.wall.set_frozen(now_ns, false));
    }

    /// Makes the monotonic clock of a host stand still, until [`World::thaw_monotonic_clock`]:
    /// no sleep ends there meanwhile, but one that had come to its deadline.
    pub fn freeze_monotonic_clock(&self, host: HostId) {
        self.core().emit(host, "clock.monotonic_frozen", &[]);
        self.core().count_fault("clock.monotonic_frozen", 1);
        self.core().change_clock(host, |it, now_ns| it.monotonic.set_frozen(now_ns, true));
        self.core().rouse_sleepers(host);
    }

    /// Lets the monotonic clock of a host go on from where it stood, and the sleeps with it.
    pub fn thaw_monotonic_clock(&self, host: HostId) {
        self.core().emit(host, "clock.monotonic_thawed", &[]);
        self.core().change_clock(host, |it, now_ns| it.monotonic.set_frozen(now_ns, false));
        self.core().rouse_sleepers(host);
    }

    /// Sets how far a host says its wall clock may be off ([`Host::wall_interval_ms`]), in
    /// milliseconds to either side, and whether that can be trusted.
    pub fn set_clock_uncertainty(&self, host: HostId, bound_ms: u64, bound: ClockBound) {
        self.core().count_fault("clock.lying_bound", u64::from(bound == ClockBound::Lying));
        self.core().change_clock(host, |it, _| {
            (it.bound_ns, it.bound) = (bound_ms.saturating_mul(1_000_000), bound);
        });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What can happen to a clock, after some time.
    #[derive(Clone, Copy, Debug)]
    enum Bend {
        Drift(i64),
        Freeze,
        Thaw,
    }

    fn bends() -> impl Strategy<Value = Vec<(u64, Bend)>> {
        let bend = prop_oneof![
            (-999_999_999..2_000_000_000i64).prop_map(Bend::Drift),
            (-200_000..200_000i64).prop_map(Bend::Drift),
            Just(Bend::Freeze),
            Just(Bend::Thaw),
        ];
        prop::collection::vec((0..3_000_000_000u64, bend), 0..20)
    }

    fn apply(clock: &mut Clock, now_ns: u64, bend: Bend) {
        match bend {
            Bend::Drift(ppb) => clock.set_drift(now_ns, ppb),
            Bend::Freeze => clock.set_frozen(now_ns, true),
            Bend::Thaw => clock.set_frozen(now_ns, false),
        }
    }

    proptest! {
        #[test]
        fn a_clock_never_goes_back_and_a_bend_is_no_jump(bends in bends(), base: u32) {
            let mut clock = Clock::starting_at(base.into());
            let (mut now_ns, mut shown_ns) = (0, i128::from(base));
            for (later_ns, bend) in bends {
                now_ns += later_ns;
                prop_assert!(clock.shown_ns(now_ns) >= shown_ns);
                shown_ns = clock.shown_ns(now_ns);
                apply(&mut clock, now_ns, bend);
                prop_assert_eq!(clock.shown_ns(now_ns), shown_ns);
            }
        }

        #[test]
        fn the_instant_of_a_deadline_is_the_first_that_shows_it(
            bends in bends(),
            base: u32,
            ahead_ns in 1..10_000_000_000u64,
        ) {
            let mut clock = Clock::starting_at(base.into());
            let mut now_ns = 0;
            for (later_ns, bend) in bends {
                now_ns += later_ns;
                apply(&mut clock, now_ns, bend);
            }
            let deadline_ns = u64::try_from(clock.shown_ns(now_ns)).expect("above 0") + ahead_ns;
            let instant_ns = clock.instant_of(deadline_ns);
            if instant_ns == u64::MAX {
                prop_assert!(clock.frozen);
            } else {
                prop_assert!(clock.shown_ns(instant_ns) >= deadline_ns.into());
                prop_assert!(clock.shown_ns(instant_ns - 1) < deadline_ns.into());
            }
        }

        /// However often the rate is set to what it is, the clock shows the same.
        #[test]
        fn bending_loses_nothing(ppb in -999_999..999_999i64, steps in 1..50u64) {
            let (mut bent, mut straight) = (Clock::starting_at(0), Clock::starting_at(0));
            straight.set_drift(0, ppb);
            for step in 0..steps {
                bent.set_drift(step * 777, ppb);
            }
            let end_ns = steps * 777 + 1_000_000_007;
            prop_assert_eq!(bent.shown_ns(end_ns), straight.shown_ns(end_ns));
        }
    }
}
