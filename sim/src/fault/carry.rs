//! Carrying out a plan: faults strike when their moment comes, if the budget allows it.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt;
use std::rc::Rc;

use super::budget::Spent;
use super::{Expectation, Fault, Lasts, OverBudget, Plan, PlanError, Strike, When, Whom};
use crate::host::HostId;
use crate::world::World;

/// A strike of a plan that has struck.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    /// The fault.
    pub fault: Fault,
    /// What has happened to whom, in words.
    pub what: String,
    /// Whom it has struck; nobody is the object store.
    pub hosts: Vec<HostId>,
    /// When, in nanoseconds of the world's time.
    pub at_ns: u64,
    /// When it was lifted.
    pub lifted_ns: Option<u64>,
    /// The phase in which it struck: that of the point at which it was placed, or that of the
    /// moment.
    pub phase: Option<&'static str>,
}

/// Something of which a story can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultNews {
    /// A fault has struck.
    Struck {
        /// What has happened to whom.
        what: String,
        /// The point at which it was placed, and who passed it.
        at: Option<(String, HostId)>,
    },
    /// A fault is lifted.
    Lifted {
        /// What is so now, of whom.
        what: String,
    },
    /// A fault was left out, since it goes beyond the budget.
    Spared {
        /// What would have happened to whom.
        what: String,
        /// What there is too little of.
        why: OverBudget,
    },
}

impl fmt::Display for FaultNews {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Struck { what, at: None } => write!(out, "{what}"),
            Self::Struck { what, at: Some((point, _)) } => write!(out, "{what}, at {point}"),
            Self::Lifted { what } => write!(out, "{what}"),
            Self::Spared { what, why } => write!(out, "left out: {what} ({why})"),
        }
    }
}

type Listener = Box<dyn FnMut(&World, &FaultNews)>;

/// What is being carried out.
#[derive(Default)]
pub(crate) struct Carrying {
    placed: u64,
    spared: u64,
    struck: Vec<Carried>,
    /// Which of them stands for which fault, by the fault's number.
    numbers: Vec<(u64, usize)>,
    listeners: Vec<Listener>,
    refusal_allowed: bool,
    pub(super) spent: Spent,
}

/// The moment of a strike.
type Moment<'a> = Option<(&'a str, HostId)>;

impl World {
    /// Lets the strikes of a plan come when it says. Call it before the run, or at any time in it:
    /// what was due earlier strikes at once.
    ///
    /// # Errors
    /// The plan goes by phases and is not settled ([`Plan::settle`]), or names somebody who is not
    /// there. Nothing of it is placed then.
    pub fn carry_out(&self, plan: &Plan) -> Result<(), PlanError> {
        plan.check()?;
        for (strike, it) in plan.strikes.iter().enumerate() {
            self.check_whom(&it.whom).map_err(|why| PlanError { strike, why })?;
        }
        self.core().active.borrow_mut().carrying.placed += plan.strikes.len() as u64;
        for strike in &plan.strikes {
            self.place(strike.clone(), plan.expectation);
        }
        Ok(())
    }

    fn check_whom(&self, whom: &Whom) -> Result<(), String> {
        let machines = self.machines();
        let any = |is: &dyn Fn(&HostId) -> bool| machines.iter().any(is);
        let known = match whom {
            Whom::Machine(name) => any(&|it| *self.host(*it).name() == **name),
            Whom::Zone(zone) => any(&|it| *self.host(*it).zone() == **zone),
            Whom::Rack(rack) => any(&|it| self.is_in_rack(*it, rack)),
            _ => true,
        };
        let names = || -> Vec<String> {
            machines.iter().map(|it| self.host(*it).name().to_string()).collect()
        };
        known.then_some(()).ok_or_else(|| {
            format!(
                "there is no `{whom:?}`; add machines first (there are: {})",
                names().join(", ")
            )
        })
    }

    fn is_in_rack(&self, host: HostId, rack: &str) -> bool {
        self.core().hosts.borrow()[host.index()].rack.as_deref() == Some(rack)
    }

    fn place(&self, strike: Strike, expectation: Expectation) {
        match strike.when.clone() {
            When::At(time_ns) => {
                self.at(time_ns, move |world| world.strike(&strike, expectation, None));
            }
            When::Passing { points, nth, after_ns } => {
                let passed: Rc<Cell<u64>> = Rc::default();
                // A point that is named twice is one all the same.
                for point in points.into_iter().collect::<BTreeSet<String>>() {
                    let (passed, strike) = (Rc::clone(&passed), strike.clone());
                    let name = point.clone();
                    self.on_point(&point, move |world, host, _| {
                        passed.set(passed.get() + 1);
                        if passed.get() != nth {
                            return;
                        }
                        if after_ns == 0 {
                            return world.strike(&strike, expectation, Some((&name, host)));
                        }
                        let (strike, name) = (strike.clone(), name.clone());
                        world.at(world.now_ns().saturating_add(after_ns), move |world| {
                            world.strike(&strike, expectation, Some((&name, host)));
                        });
                    });
                }
            }
            When::Before { .. } | When::In { .. } | When::After { .. } | When::Across { .. } => {
                unreachable!("a plan that is checked is settled")
            }
        }
    }

    /// Whom a strike would strike now: machines that are up and not healed for good. `None` if it
    /// strikes nobody.
    fn struck_by(&self, strike: &Strike, moment: Moment<'_>) -> Option<Vec<HostId>> {
        let healed = self.core().active.borrow().healed.clone();
        if strike.whom == Whom::Store {
            return healed.is_none().then(Vec::new);
        }
        let is_healed = |it: &HostId| healed.as_ref().is_some_and(|healed| healed.contains(it));
        let mut up = self.machines();
        up.retain(|it| self.is_up(*it) && !is_healed(it));
        let zone = |of: HostId| self.host(of).zone();
        let nth = |n: u64| (!up.is_empty()).then(|| up[n as usize % up.len()]);
        let hosts: Vec<HostId> = match &strike.whom {
            Whom::Store => Vec::new(),
            Whom::Everyone => up,
            Whom::Machine(name) => keep(up, |it| *self.host(it).name() == **name),
            Whom::Zone(name) => keep(up, |it| *zone(it) == **name),
            Whom::Rack(rack) => keep(up, |it| self.is_in_rack(it, rack)),
            Whom::Up(n) => nth(*n).into_iter().collect(),
            Whom::ZoneOfUp(n) => {
                let of = zone(nth(*n)?);
                keep(up, |it| zone(it) == of)
            }
            Whom::RackOfUp(n) => self.rack_mates(nth(*n)?, up),
            Whom::Passer => keep(up, |it| moment.is_some_and(|(_, passer)| it == passer)),
            Whom::ZoneOfPasser => {
                let of = zone(moment?.1);
                keep(up, |it| zone(it) == of)
            }
            Whom::RackOfPasser => self.rack_mates(moment?.1, up),
        };
        (!hosts.is_empty()).then_some(hosts)
    }

    /// Those of these machines that share the power of this one.
    fn rack_mates(&self, of: HostId, up: Vec<HostId>) -> Vec<HostId> {
        let rack = self.core().hosts.borrow()[of.index()].rack.clone();
        keep(up, |it| it == of || rack.as_deref().is_some_and(|rack| self.is_in_rack(it, rack)))
    }

    fn strike(&self, strike: &Strike, expectation: Expectation, moment: Moment<'_>) {
        let Some(hosts) = self.struck_by(strike, moment) else {
            return;
        };
        let for_good = strike.lasts == Lasts::ForGood && strike.fault.lasts();
        let what = format!("{}{}", strike.fault, if for_good { ", for good" } else { "" });
        let what = self.in_words(&what, &hosts);
        if expectation == Expectation::Survive
            && let Err(why) = self.spend(&strike.fault, &hosts)
        {
            self.core().active.borrow_mut().carrying.spared += 1;
            return self.tell(&FaultNews::Spared { what, why });
        }
        let at = moment.map(|(point, host)| (point.to_string(), host));
        self.tell(&FaultNews::Struck { what: what.clone(), at });
        let index = self.note_struck(strike, &hosts, what, moment, expectation);
        let number = self.inject(&strike.fault, &hosts).into_number();
        match strike.lasts {
            // What leaves nothing to be lifted is over.
            _ if !strike.fault.lasts() => self.lift_fault(number),
            lasts => {
                self.core().active.borrow_mut().carrying.numbers.push((number, index));
                if let Lasts::Ns(lasts_ns) = lasts {
                    self.lift_after(number, lasts_ns);
                }
            }
        }
    }

    fn note_struck(
        &self,
        strike: &Strike,
        hosts: &[HostId],
        what: String,
        moment: Moment<'_>,
        expectation: Expectation,
    ) -> usize {
        let mut active = self.core().active.borrow_mut();
        let phase = active.phases.at(moment.map(|it| it.0));
        active.carrying.refusal_allowed |= expectation == Expectation::Refuse;
        active.carrying.struck.push(Carried {
            fault: strike.fault.clone(),
            what,
            hosts: hosts.to_vec(),
            at_ns: self.now_ns(),
            lifted_ns: None,
            phase,
        });
        active.carrying.struck.len() - 1
    }

    /// A fault was lifted from all that it struck, maybe one of a plan.
    pub(super) fn note_lifted(&self, number: u64) {
        let mut active = self.core().active.borrow_mut();
        let Carrying { numbers, struck, .. } = &mut active.carrying;
        if let Some((_, place)) = numbers.iter().find(|it| it.0 == number) {
            struck[*place].lifted_ns = Some(self.now_ns());
        }
    }

    /// Tells that a fault is over for these machines, if it is one of a plan.
    pub(super) fn tell_lifted(&self, number: u64, fault: &Fault, hosts: &[HostId]) {
        let is_carried = {
            let active = self.core().active.borrow();
            active.carrying.numbers.iter().any(|it| it.0 == number)
        };
        let is_over_already = hosts.is_empty() && !fault.is_of_store();
        if is_carried && fault.lasts() && !is_over_already {
            let what = self.in_words(fault.words_when_over(), hosts);
            self.tell(&FaultNews::Lifted { what });
        }
    }

    fn tell(&self, news: &FaultNews) {
        // Taken out while they listen: they may do anything to the world.
        let mut listeners = std::mem::take(&mut self.core().active.borrow_mut().carrying.listeners);
        listeners.iter_mut().for_each(|it| it(self, news));
        let mut active = self.core().active.borrow_mut();
        listeners.append(&mut active.carrying.listeners);
        active.carrying.listeners = listeners;
    }

    /// Has somebody listen to what becomes of plans. The listener must not keep a clone of the
    /// world; it is handed one.
    pub fn on_fault(&self, listener: impl FnMut(&Self, &FaultNews) + 'static) {
        self.core().active.borrow_mut().carrying.listeners.push(Box::new(listener));
    }

    /// The strikes of plans that have struck so far, in order.
    pub fn struck(&self) -> Vec<Carried> {
        self.core().active.borrow().carrying.struck.clone()
    }

    /// How many strikes the plans have that were to be carried out.
    pub fn strikes_placed(&self) -> u64 {
        self.core().active.borrow().carrying.placed
    }

    /// How many strikes were left out, since they went beyond the budget.
    pub fn strikes_spared(&self) -> u64 {
        self.core().active.borrow().carrying.spared
    }

    /// What may be expected of the system, after what has struck so far.
    pub fn expectation(&self) -> Expectation {
        match self.core().active.borrow().carrying.refusal_allowed {
            true => Expectation::Refuse,
            false => Expectation::Survive,
        }
    }
}

fn keep(hosts: Vec<HostId>, is: impl Fn(HostId) -> bool) -> Vec<HostId> {
    hosts.into_iter().filter(|it| is(*it)).collect()
}
