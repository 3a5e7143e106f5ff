//! Faults of clocks: several may be on at once, so what a clock shows is put together anew
//! whenever one comes or goes, out of what it would show without any.

use super::Fault;
use super::active::Active;
use crate::clock::{Clocks, Distortion};
use crate::core::Core;
use crate::host::HostId;
use crate::world::World;

impl Fault {
    fn is_of_clock(&self) -> bool {
        matches!(
            self,
            Self::ClockOffset { .. }
                | Self::WallDrift { .. }
                | Self::MonotonicDrift { .. }
                | Self::FrozenClock
                | Self::LyingClock { .. }
        )
    }
}

impl Active {
    /// The clocks of a machine as they are below the faults, if there are any.
    pub(crate) fn clocks_below(&mut self, host: HostId) -> Option<&mut Clocks> {
        self.bases.clocks.get_mut(&host)
    }

    /// What the faults do to the clocks of a machine, all together; `None` if there are none.
    fn distortion(&self, host: HostId, now_ns: u64) -> Option<Distortion> {
        let is_on = |fault: &Fault, hosts: &[HostId]| fault.is_of_clock() && hosts.contains(&host);
        let on: Vec<_> = self.by_number.values().filter(|it| is_on(&it.fault, &it.hosts)).collect();
        let frozen = on.iter().filter(|it| it.fault == Fault::FrozenClock);
        let frozen_since_ns = frozen.map(|it| it.since_ns).min();
        let mut all = Distortion { frozen_since_ns, ..Distortion::default() };
        for it in &on {
            match it.fault {
                Fault::ClockOffset { by_ns } => all.ahead_ns += i128::from(by_ns),
                Fault::WallDrift { ppb } => {
                    let until_ns = frozen_since_ns.unwrap_or(now_ns);
                    let for_ns = until_ns.saturating_sub(it.since_ns);
                    all.drifted_ns += i128::from(ppb) * i128::from(for_ns) / 1_000_000_000;
                    all.wall_ppb = all.wall_ppb.saturating_add(ppb);
                }
                Fault::LyingClock { bound_ms } => {
                    let bound_ns = bound_ms.saturating_mul(1_000_000);
                    let least_ns = all.lying_bound_ns.map_or(bound_ns, |it| it.min(bound_ns));
                    all.lying_bound_ns = Some(least_ns);
                }
                Fault::MonotonicDrift { ppb } => {
                    all.monotonic_ppb = all.monotonic_ppb.saturating_add(ppb);
                }
                _ => {}
            }
        }
        (!on.is_empty()).then_some(all)
    }
}

impl Core {
    /// Puts the clocks of a machine together again: as they are below the faults, and these on top.
    pub(crate) fn settle_clocks(&self, host: HostId) {
        let now_ns = self.now_ns.get();
        let active = &mut *self.active.borrow_mut();
        let clocks = &mut self.hosts.borrow_mut()[host.index()].clocks;
        match active.distortion(host, now_ns) {
            Some(all) => {
                let below = active.bases.clocks.entry(host).or_insert_with(|| clocks.clone());
                clocks.distort(below, &all, now_ns);
            }
            None => {
                if let Some(below) = active.bases.clocks.remove(&host) {
                    clocks.distort(&below, &Distortion::default(), now_ns);
                }
            }
        }
    }

    fn is_wall_frozen(&self, host: HostId) -> bool {
        self.hosts.borrow()[host.index()].clocks.is_wall_frozen()
    }

    fn emit_clock(&self, host: HostId, kind: &'static str, shows: impl FnOnce(&Clocks) -> i64) {
        let number = shows(&self.hosts.borrow()[host.index()].clocks);
        self.emit(host, kind, &number.to_le_bytes());
    }
}

impl World {
    /// A fault of this kind has come to the clocks of a machine, or gone.
    pub(super) fn settle_clock(&self, host: HostId, changed: &Fault, has_come: bool) {
        if !changed.is_of_clock() {
            return;
        }
        let core = self.core();
        let was_frozen = core.is_wall_frozen(host);
        core.settle_clocks(host);
        let turned = core.is_wall_frozen(host) != was_frozen;
        let came = u64::from(has_come);
        let offset = |it: &Clocks| it.wall_error_ns(self.now_ns());
        match changed {
            Fault::ClockOffset { .. } => {
                core.emit_clock(host, "clock.offset", offset);
                core.count_fault("clock.offset", came);
            }
            Fault::WallDrift { ppb } => {
                core.emit_clock(host, "clock.wall_drift", Clocks::wall_drift_ppb);
                core.count_fault("clock.wall_drift", came * u64::from(*ppb != 0));
                if !has_come {
                    core.emit_clock(host, "clock.offset", offset);
                }
            }
            Fault::MonotonicDrift { ppb } => {
                core.emit_clock(host, "clock.monotonic_drift", Clocks::monotonic_drift_ppb);
                core.count_fault("clock.monotonic_drift", came * u64::from(*ppb != 0));
                core.rouse_sleepers(host);
            }
            Fault::LyingClock { bound_ms } => {
                let bound_ms = if has_come { *bound_ms } else { u64::MAX };
                core.emit(host, "clock.lying_bound", &bound_ms.to_le_bytes());
                core.count_fault("clock.lying_bound", came);
            }
            _ if turned && has_come => {
                core.emit(host, "clock.wall_frozen", &[]);
                core.count_fault("clock.wall_frozen", 1);
            }
            _ if turned => {
                core.emit(host, "clock.wall_thawed", &[]);
                core.emit_clock(host, "clock.offset", offset);
            }
            _ => {}
        }
    }
}
