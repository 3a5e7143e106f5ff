//! When a strike comes that goes by a phase, as rehearsals show the phase.
//!
//! What is placed at an instant comes before any task runs at it, and a phase begins and ends
//! inside a task: so a strike is within a phase from one nanosecond after its begin up to its end.

use super::{PhaseSpan, Plan, PlanError, Strike, When};

/// The span of a phase when the run is in it for this time, from 1.
fn span_of<'a>(
    spans: &'a [PhaseSpan],
    (phase, nth): &(String, u64),
) -> Result<&'a PhaseSpan, String> {
    let mut of_phase = spans.iter().filter(|it| it.phase == phase);
    let span = nth.checked_sub(1).and_then(|it| of_phase.nth(usize::try_from(it).ok()?));
    span.ok_or_else(|| {
        let times = spans.iter().filter(|it| it.phase == phase).count();
        format!(
            "the rehearsal was in the phase `{phase}` {times} times, and the strike asks for time \
             {nth}, from 1"
        )
    })
}

fn end_of(span: &PhaseSpan, under: &str) -> Result<u64, String> {
    let PhaseSpan { phase, end_ns, .. } = span;
    span.has_ended().then_some(*end_ns).ok_or_else(|| {
        format!(
            "the phase `{phase}` does not end in the rehearsal{under}: let that run on for longer, \
             or place the strike by the phase's begin"
        )
    })
}

impl Strike {
    /// The same strike at the instant at which it comes if the phases are these. `rehearse_with`
    /// shows the phases with one strike more.
    fn settled(
        &self,
        spans: &[PhaseSpan],
        rehearse_with: impl FnOnce(&Self) -> Vec<PhaseSpan>,
    ) -> Result<Self, String> {
        let strike = self.clone();
        let span = |of| span_of(spans, of);
        Ok(match &self.when {
            When::At(_) | When::Passing { .. } => strike,
            When::Before { phase, by_ns } => {
                strike.at_ns(span(phase)?.begin_ns.saturating_sub(*by_ns))
            }
            When::In { phase, per_mille } => {
                let (begin_ns, end_ns) = (span(phase)?.begin_ns, end_of(span(phase)?, "")?);
                if begin_ns == end_ns {
                    let name = &phase.0;
                    return Err(format!("the phase `{name}` takes no time: nothing is within it"));
                }
                let part = u128::from(end_ns - begin_ns) * u128::from(*per_mille.min(&1_000));
                strike.at_ns(begin_ns + ((part / 1_000) as u64).max(1))
            }
            When::After { phase, by_ns } => {
                strike.at_ns(end_of(span(phase)?, "")?.saturating_add(*by_ns.max(&1)))
            }
            When::Across { phase, margin_ns } => {
                let from_ns = span(phase)?.begin_ns.saturating_sub(*margin_ns);
                let strike = strike.at_ns(from_ns);
                let spans = rehearse_with(&strike.clone().for_good());
                let end_ns = end_of(span_of(&spans, phase)?, " under the fault")?;
                strike.for_ns(end_ns.saturating_add(*margin_ns) - from_ns)
            }
        })
    }
}

impl Plan {
    /// Finds out when the strikes come that go by phases: `rehearse` has the same tape run with
    /// the strikes so far, and says through which phases it went ([`phases_passed`]). A run is the
    /// same as its rehearsal until the first strike that differs: so strikes are settled one after
    /// the other, and each comes exactly where it was placed, if those before it come earlier. For
    /// one that lasts until its phase is over a second rehearsal shows when that is under it.
    ///
    /// # Errors
    /// The rehearsal does not go through the phase as often, or not to its end.
    ///
    /// [`phases_passed`]: crate::World::phases_passed
    pub fn settle(
        &self,
        mut rehearse: impl FnMut(&Self) -> Vec<PhaseSpan>,
    ) -> Result<Self, PlanError> {
        let by_phase = |it: &Strike| it.phase().is_some();
        let mut settled = Self { strikes: Vec::new(), expectation: self.expectation };
        settled.strikes.extend(self.strikes.iter().filter(|it| !by_phase(it)).cloned());
        let waiting = self.strikes.iter().enumerate().filter(|(_, it)| by_phase(it));
        for (number, strike) in waiting {
            let spans = rehearse(&settled);
            let rehearse_with = |it: &Strike| {
                let strikes = settled.strikes.iter().chain([it]).cloned().collect();
                rehearse(&Self { strikes, expectation: self.expectation })
            };
            let found = strike.settled(&spans, rehearse_with);
            settled.strikes.push(found.map_err(|why| PlanError { strike: number, why })?);
        }
        Ok(settled)
    }
}
