//! How much a system is supposed to survive, so that an alarm within it is always a bug.
//!
//! A budget counts by failure domains, which are zones here: a replica in each, and one of them
//! may be lost.

use std::collections::BTreeSet;
use std::fmt;

use super::{Fault, Harm};
use crate::host::HostId;
use crate::world::World;

/// What may happen to a system that keeps its promises all the same.
///
/// Delay, slowness, wrong wall clocks and an object store that is busy or away are no part of it:
/// no promise may rest on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// In how many zones machines may be down, cut off or standing still at one time; those
    /// damaged before count too, and those that were never booted do not.
    pub zones_away_max: usize,
    /// In how many zones machines may lose, or find wrong, what they had stored durably, in a
    /// whole run.
    pub zones_damaged_max: usize,
    /// How many nanoseconds a monotonic clock may gain or lose in a second.
    pub drift_ppb_max: u64,
    /// How many objects may be lost or damaged, in a whole run.
    pub objects_damaged_max: u64,
}

impl Budget {
    /// Anything may happen.
    pub const UNBOUNDED: Self = Self {
        zones_away_max: usize::MAX,
        zones_damaged_max: usize::MAX,
        drift_ppb_max: u64::MAX,
        objects_damaged_max: u64::MAX,
    };
}

impl Default for Budget {
    fn default() -> Self {
        Self::UNBOUNDED
    }
}

/// Why a fault is beyond a budget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverBudget(String);

impl fmt::Display for OverBudget {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// What a run has used up of its budget for good.
#[derive(Default)]
pub(super) struct Spent {
    pub(super) budget: Budget,
    zones_damaged: BTreeSet<String>,
    objects_damaged: u64,
}

fn at_most(what: &str, would_be: u64, max: u64) -> Result<(), OverBudget> {
    match would_be <= max {
        true => Ok(()),
        false => Err(OverBudget(format!("{what} would be {would_be}, with {max} in the budget"))),
    }
}

impl Spent {
    /// Takes from the budget what a fault costs that strikes machines of these zones.
    fn spend(
        &mut self,
        fault: &Fault,
        zones: BTreeSet<String>,
        away: &BTreeSet<String>,
    ) -> Result<(), OverBudget> {
        let absent = |max: usize| {
            // Who has lost what it stored is no better than away.
            let gone = away.union(&self.zones_damaged).cloned().collect::<BTreeSet<_>>();
            let all = gone.union(&zones).count();
            at_most("the zones that are away", all as u64, max as u64)
        };
        let Budget { zones_away_max, zones_damaged_max, drift_ppb_max, objects_damaged_max } =
            self.budget;
        match fault.harm() {
            Harm::Time => Ok(()),
            Harm::Absence => absent(zones_away_max),
            Harm::Drift(ppb) => at_most("a clock's drift", ppb, drift_ppb_max),
            Harm::Damage => {
                let all: BTreeSet<String> = self.zones_damaged.union(&zones).cloned().collect();
                at_most("the zones damaged", all.len() as u64, zones_damaged_max as u64)?;
                absent(zones_away_max)?;
                self.zones_damaged = all;
                Ok(())
            }
            Harm::Objects(n) => {
                let all = self.objects_damaged.saturating_add(n);
                at_most("the objects damaged", all, objects_damaged_max)?;
                self.objects_damaged = all;
                Ok(())
            }
        }
    }
}

impl World {
    /// Sets what the system is supposed to survive: strikes of a plan that would go beyond it are
    /// left out, unless the plan expects no more than that the system refuses. What a tester does
    /// with [`World::inject`] or by hand is not held back.
    pub fn set_budget(&self, budget: Budget) {
        self.core().active.borrow_mut().carrying.spent.budget = budget;
    }

    fn zones_of(&self, hosts: &[HostId]) -> BTreeSet<String> {
        hosts.iter().map(|it| self.host(*it).zone().to_string()).collect()
    }

    /// Takes what a fault costs from the budget, if it has so much left.
    pub(super) fn spend(&self, fault: &Fault, hosts: &[HostId]) -> Result<(), OverBudget> {
        let zones = self.zones_of(hosts);
        let machines = self.machines();
        let was_booted = |it: &HostId| self.core().hosts.borrow()[it.index()].program.is_some();
        let down = machines.into_iter().filter(|it| !self.is_up(*it) && was_booted(it));
        let mut away: Vec<HostId> = down.collect();
        {
            let active = self.core().active.borrow();
            let absent = active.by_number.values().filter(|it| it.fault.harm() == Harm::Absence);
            away.extend(absent.flat_map(|it| &it.hosts));
        }
        let away = self.zones_of(&away);
        self.core().active.borrow_mut().carrying.spent.spend(fault, zones, &away)
    }
}
