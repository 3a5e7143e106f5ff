//! What a story demands beyond the promises: that the run ends, and in time.

use super::Plot;
use super::telling::Played;
use crate::history::Outcome;
use crate::report::{Failure, Verdict};
use crate::stage::Session;

/// The oracles' verdict, with what the story demands of the run weighed in.
pub(super) fn weigh(plot: &Plot, verdict: Verdict, played: &Played, session: &Session) -> Verdict {
    let unmet = unmet(plot, played, session);
    if !unmet.is_empty() {
        let known = if let Verdict::Broken(known) = verdict { known } else { Vec::new() };
        return Verdict::Broken(known.into_iter().chain(unmet).collect());
    }
    let fewest = played.backups.iter().filter_map(|it| it.writes_in_cut_min).min().unwrap_or(0);
    match verdict {
        Verdict::Green if fewest < plot.writes_in_cut_min => Verdict::Vacuous(format!(
            "between a request and its seal a partition committed only {fewest} writes"
        )),
        verdict => verdict,
    }
}

fn unmet(plot: &Plot, played: &Played, session: &Session) -> Vec<Failure> {
    let mut unmet = Vec::new();
    let mut fail = |oracle: &str, explanation: String| {
        unmet.push(Failure::new(oracle, explanation));
    };
    if let Some(what) = played.unfinished.as_ref().filter(|_| plot.must_end) {
        let stuck: String = played.stuck.iter().map(|it| format!("\n{it}")).collect();
        fail(
            "progress",
            format!("what had failed should not have mattered, and yet {what}{stuck}"),
        );
    }
    for (oracle, why) in &played.wrongs {
        fail(oracle, why.clone());
    }
    for backup in &played.backups {
        let took_ns = backup.available_ns - backup.request_ns;
        if plot.available_ns_max.is_some_and(|max_ns| took_ns > max_ns) {
            let (arn, ms) = (&backup.arn, took_ns / 1_000_000);
            fail("in-time", format!("{arn} was AVAILABLE only {ms} ms after the request"));
        }
    }
    if let Some(max_ns) = plot.write_ns_max {
        disturbed(session, max_ns).into_iter().for_each(|it| fail("writers-undisturbed", it));
    }
    unmet
}

/// The writes that were not answered, and the slowest, if it took longer than `max_ns`.
fn disturbed(session: &Session, max_ns: u64) -> Vec<String> {
    let history = session.history.borrow();
    let lost = history.operations.iter().filter(|it| it.writes() && it.outcome == Outcome::Unknown);
    let (lost, mut disturbed) = (lost.count(), Vec::new());
    if lost > 0 {
        disturbed.push(format!("{lost} writes were not answered"));
    }
    let slowest_ns = session.latencies_ns.borrow().iter().copied().max().unwrap_or(0);
    if slowest_ns > max_ns {
        disturbed.push(format!("a write took {} ms", slowest_ns / 1_000_000));
    }
    disturbed
}
