//! Plans: which faults strike whom, when, and for how long. Data, so that it can be drawn, kept,
//! shown and told apart.

use std::error::Error;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Fault;

/// Whom a fault strikes. Who is down already when it comes is spared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Whom {
    /// The object store, which is no machine.
    Store,
    /// The machine of this name.
    Machine(String),
    /// The machines of this zone.
    Zone(String),
    /// The machines of this rack.
    Rack(String),
    /// All machines.
    Everyone,
    /// One of the machines that are up at that moment: this one in their order, counted over
    /// from the beginning if there are fewer.
    Up(u64),
    /// The machines of the zone of the one that [`Whom::Up`] would strike.
    ZoneOfUp(u64),
    /// The machines of the rack of the one that [`Whom::Up`] would strike; that one alone, if it
    /// stands in no rack.
    RackOfUp(u64),
    /// Whoever passes the point at which the fault is placed.
    Passer,
    /// The machines of the zone of whoever passes the point.
    ZoneOfPasser,
    /// The machines of the rack of whoever passes the point; that one alone, if it stands in no
    /// rack.
    RackOfPasser,
}

/// When a fault strikes.
///
/// Those that go by phases must be settled by a rehearsal first: see [`Plan::settle`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// At this time of the world, in nanoseconds.
    At(u64),
    /// When one of these points is passed for the `nth` time, from 1, all of them and all machines
    /// counted together; or so long after that.
    Passing {
        /// The points.
        points: Vec<String>,
        /// Which passing.
        nth: u64,
        /// How long after it, in nanoseconds.
        after_ns: u64,
    },
    /// So long before a phase begins.
    Before {
        /// The phase, and which time that the run is in it, from 1.
        phase: (String, u64),
        /// How long before, in nanoseconds.
        by_ns: u64,
    },
    /// Within a phase.
    In {
        /// The phase, and which time that the run is in it, from 1.
        phase: (String, u64),
        /// Which part of the phase has gone by, of a thousand.
        per_mille: u64,
    },
    /// So long after a phase has ended.
    After {
        /// The phase, and which time that the run is in it, from 1.
        phase: (String, u64),
        /// How long after, in nanoseconds.
        by_ns: u64,
    },
    /// Over a whole phase: from so long before it until so long after it.
    Across {
        /// The phase, and which time that the run is in it, from 1.
        phase: (String, u64),
        /// How long before and after, in nanoseconds.
        margin_ns: u64,
    },
}

/// For how long a fault lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lasts {
    /// For so many nanoseconds.
    Ns(u64),
    /// Until the world ends, or is healed for good.
    ForGood,
}

/// A fault, whom it strikes, when, and for how long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Strike {
    /// What happens.
    pub fault: Fault,
    /// To whom.
    pub whom: Whom,
    /// When.
    pub when: When,
    /// For how long.
    pub lasts: Lasts,
}

/// What may be expected of a system while a plan is carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expectation {
    /// It keeps all its promises. What would go beyond the budget is left out.
    #[default]
    Survive,
    /// What it answers is true, but it may refuse to answer, for ever. The budget does not count.
    Refuse,
}

/// Faults that are to strike in one run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The faults.
    pub strikes: Vec<Strike>,
    /// What may be expected.
    #[serde(default)]
    pub expectation: Expectation,
}

/// Why a plan cannot be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanError {
    /// Which of its strikes, from 0.
    pub strike: usize,
    /// What is wrong with it, and what to do.
    pub why: String,
}

impl fmt::Display for PlanError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "strike {} of the plan: {}", self.strike, self.why)
    }
}

impl Error for PlanError {}

impl Strike {
    /// A fault of the object store, at the beginning of the run and for good, until said
    /// otherwise.
    #[must_use]
    pub fn of_store(fault: Fault) -> Self {
        Self::on(Whom::Store, fault)
    }

    /// A fault that strikes somebody, at the beginning of the run and for good, until said
    /// otherwise.
    #[must_use]
    pub fn on(whom: Whom, fault: Fault) -> Self {
        Self { fault, whom, when: When::At(0), lasts: Lasts::ForGood }
    }

    /// Strikes whoever passes this point for the `nth` time.
    #[must_use]
    pub fn passer_of(point: &str, nth: u64, fault: Fault) -> Self {
        Self::on(Whom::Passer, fault).when_passing(&[point], nth)
    }

    /// Strikes at this time of the world, in nanoseconds.
    #[must_use]
    pub fn at_ns(self, time_ns: u64) -> Self {
        Self { when: When::At(time_ns), ..self }
    }

    /// Strikes when one of these points is passed for the `nth` time.
    #[must_use]
    pub fn when_passing(self, points: &[&str], nth: u64) -> Self {
        let points = points.iter().map(ToString::to_string).collect();
        Self { when: When::Passing { points, nth, after_ns: 0 }, ..self }
    }

    /// Strikes so long before a phase begins for the `nth` time.
    #[must_use]
    pub fn before(self, phase: &str, nth: u64, by_ns: u64) -> Self {
        Self { when: When::Before { phase: (phase.to_string(), nth), by_ns }, ..self }
    }

    /// Strikes when so many thousandths of a phase have gone by, and one nanosecond at least: the
    /// phase has begun, and has not ended.
    #[must_use]
    pub fn within(self, phase: &str, nth: u64, per_mille: u64) -> Self {
        Self { when: When::In { phase: (phase.to_string(), nth), per_mille }, ..self }
    }

    /// Strikes so long after a phase has ended, and one nanosecond at least.
    #[must_use]
    pub fn after(self, phase: &str, nth: u64, by_ns: u64) -> Self {
        Self { when: When::After { phase: (phase.to_string(), nth), by_ns }, ..self }
    }

    /// Strikes so long before a phase begins, and lasts until so long after the end that the phase
    /// has under it.
    #[must_use]
    pub fn across(self, phase: &str, nth: u64, margin_ns: u64) -> Self {
        Self { when: When::Across { phase: (phase.to_string(), nth), margin_ns }, ..self }
    }

    /// Lasts for so many nanoseconds.
    #[must_use]
    pub fn for_ns(self, lasts_ns: u64) -> Self {
        Self { lasts: Lasts::Ns(lasts_ns), ..self }
    }

    /// Lasts until the world ends, or is healed for good.
    #[must_use]
    pub fn for_good(self) -> Self {
        Self { lasts: Lasts::ForGood, ..self }
    }

    /// The phase by which this strike goes, and which time that the run is in it.
    pub(super) fn phase(&self) -> Option<&(String, u64)> {
        match &self.when {
            When::At(_) | When::Passing { .. } => None,
            When::Before { phase, .. }
            | When::In { phase, .. }
            | When::After { phase, .. }
            | When::Across { phase, .. } => Some(phase),
        }
    }

    /// What no world could do.
    fn check(&self) -> Result<(), String> {
        let by_point = matches!(self.when, When::Passing { .. });
        if self.fault.is_of_store() != (self.whom == Whom::Store) {
            return Err(format!(
                "`{:?}` cannot strike `{:?}`: faults of the object store strike `Whom::Store`, all \
                 others machines",
                self.fault, self.whom
            ));
        }
        if matches!(self.whom, Whom::Passer | Whom::ZoneOfPasser | Whom::RackOfPasser) && !by_point
        {
            return Err("nobody passes a point at that time: place the strike at a point \
                        (`when_passing`) or name whom it strikes"
                .to_string());
        }
        self.fault.check()?;
        match &self.when {
            When::Passing { nth: 0, .. } => Err("passings are counted from 1".to_string()),
            When::Passing { points, .. } if points.is_empty() => {
                Err("it is to strike at a point, but none is named".to_string())
            }
            _ => Ok(()),
        }
    }
}

impl Plan {
    /// A plan of these strikes.
    #[must_use]
    pub fn of(strikes: impl IntoIterator<Item = Strike>) -> Self {
        Self { strikes: strikes.into_iter().collect(), expectation: Expectation::default() }
    }

    /// The same plan with another expectation.
    #[must_use]
    pub fn expecting(self, expectation: Expectation) -> Self {
        Self { expectation, ..self }
    }

    /// Whether it can be carried out as it is, without a rehearsal.
    ///
    /// # Errors
    /// The first strike of which it cannot be said when it comes, or whom it strikes.
    pub fn check(&self) -> Result<(), PlanError> {
        for (strike, it) in self.strikes.iter().enumerate() {
            let error = |why| PlanError { strike, why };
            it.check().map_err(error)?;
            if let Some((phase, _)) = it.phase() {
                return Err(error(format!(
                    "when the phase `{phase}` begins and ends is not known yet: call \
                     `Plan::settle` with a rehearsal"
                )));
            }
        }
        Ok(())
    }
}

impl fmt::Display for Strike {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.whom {
            Whom::Store => write!(out, "{}", self.fault),
            Whom::Machine(name) => write!(out, "{name} {}", self.fault),
            Whom::Zone(zone) => write!(out, "each machine of {zone} {}", self.fault),
            Whom::Rack(rack) => write!(out, "each machine of rack {rack} {}", self.fault),
            Whom::Everyone => write!(out, "every machine {}", self.fault),
            Whom::Up(n) => write!(out, "machine {n} of those up {}", self.fault),
            Whom::ZoneOfUp(n) => write!(out, "the zone of machine {n} of those up {}", self.fault),
            Whom::RackOfUp(n) => write!(out, "the rack of machine {n} of those up {}", self.fault),
            Whom::Passer => write!(out, "whoever passes it {}", self.fault),
            Whom::ZoneOfPasser => write!(out, "the zone of whoever passes it {}", self.fault),
            Whom::RackOfPasser => write!(out, "the rack of whoever passes it {}", self.fault),
        }?;
        let ms = |ns: &u64| ns / 1_000_000;
        match &self.when {
            When::At(ns) => write!(out, ", at {} ms", ms(ns)),
            When::Passing { points, nth, after_ns: 0 } => {
                write!(out, ", at passing {nth} of {}", points.join(" or "))
            }
            When::Passing { points, nth, after_ns } => {
                write!(out, ", {} ms after passing {nth} of {}", ms(after_ns), points.join(" or "))
            }
            When::Before { phase, by_ns } => write!(out, ", {} ms before {}", ms(by_ns), phase.0),
            When::In { phase, per_mille } => {
                write!(out, ", {per_mille} per mille into {}", phase.0)
            }
            When::After { phase, by_ns } => write!(out, ", {} ms after {}", ms(by_ns), phase.0),
            When::Across { phase, .. } => write!(out, ", over all of {}", phase.0),
        }?;
        match self.lasts {
            _ if !self.fault.lasts() => Ok(()),
            Lasts::Ns(ns) => write!(out, ", for {} ms", ms(&ns)),
            Lasts::ForGood => write!(out, ", for good"),
        }
    }
}

impl fmt::Display for Plan {
    /// A line for each strike.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.strikes.iter().map(ToString::to_string).collect();
        out.write_str(&lines.join("\n"))
    }
}
