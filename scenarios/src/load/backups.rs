//! Backups: what CreateBackup and a restore take by the size of the table, and whether writers feel
//! that backups are taken.

use std::time::Duration;

use serde::Serialize;

use super::closed_loop::{self, Director, Operation, Tally};
use super::control::{Backup, Control, Failure};
use super::{Latencies, Plan, Report, Run, clock, left_behind};
use crate::interference::ratio_of;

/// Backups of each size, as long as there is time.
const BACKUPS: usize = 5;

/// Restores of each size, as long as there is time.
const RESTORES: usize = 3;

/// At one size, no further backup or restore begins after this.
const SIZE_TIME_MAX: Duration = Duration::from_secs(30);

/// Connections that put while backups are taken.
const CONNECTIONS: usize = 8;

/// A backup begins so often.
const BACKUP_EVERY: Duration = Duration::from_secs(1);

/// Between two intervals nothing is counted for so long.
const SETTLE: Duration = Duration::from_millis(300);

/// Backup and restore at one size of the table, all times in nanoseconds, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Sized {
    /// Items in the table.
    pub items: u64,
    /// From the call of CreateBackup to its answer.
    pub create_backup_ns: Vec<u64>,
    /// From the call of CreateBackup until DescribeBackup says AVAILABLE.
    pub available_ns: Vec<u64>,
    /// From the call of RestoreTableFromBackup until DescribeTable says ACTIVE.
    pub restore_ns: Vec<u64>,
}

/// Puts in intervals with backups against puts in intervals without, in turns.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Interference {
    /// Items in the table.
    pub items: u64,
    /// Pairs of intervals.
    pub pairs: usize,
    /// How long all intervals with backups lasted, and all without.
    pub elapsed_ns: (u64, u64),
    /// Backups taken in all.
    pub backups: u64,
    /// What CreateBackup took under load, sorted, in nanoseconds.
    pub create_backup_ns: Vec<u64>,
    /// Puts that succeeded with backups, and without.
    pub succeeded: (u64, u64),
    /// Puts that failed.
    pub failed: u64,
    /// Over all intervals with backups.
    pub with: Latencies,
    /// Over all without.
    pub without: Latencies,
    /// p99 with backups to p99 without: geometric mean of the pairs' ratios, and the ends of
    /// Student's interval at 95 %.
    pub p99_ratio: (f64, f64, f64),
}

/// Measures each size of the plan, and at the largest whether writers feel backups. Stops at the
/// first thing that fails, and notes it in the report.
pub(super) fn by_size(run: &Run<'_>, plan: &Plan, control: &mut Control<'_>, report: &mut Report) {
    let mut filled = plan.keys;
    for items in &plan.items {
        if run.stopped() {
            return;
        }
        (run.progress)(&format!("backups of {items} items"));
        if let Err(what) = one_size(run, plan, control, &mut filled, *items, report) {
            report.failures.push(format!("{items} items: {what}"));
            return;
        }
    }
    if !plan.items.is_empty() && !run.stopped() {
        (run.progress)("puts with backups and without");
        match compare(run, plan, control, filled) {
            Ok(found) => report.interference = found,
            Err(failure) => report.failures.push(failure.what),
        }
    }
}

fn one_size(
    run: &Run<'_>,
    plan: &Plan,
    control: &mut Control<'_>,
    filled: &mut u64,
    items: u64,
    report: &mut Report,
) -> Result<(), String> {
    let load = run.load(plan, Operation::Put, CONNECTIONS);
    let deadline = clock::now() + plan.fill;
    *filled = closed_loop::fill(&load, *filled, items.max(*filled), deadline, run.stop)?;
    if *filled < items {
        let seconds = plan.fill.as_secs();
        return Err(format!("only {filled} could be put in {seconds} s, which is all there is"));
    }
    let mut found = Sized { items: *filled, ..Sized::default() };
    let mut backups = Vec::new();
    let outcome = at_this_size(run, control, &mut found, &mut backups);
    report.failures.extend(delete_all(control, &backups));
    let Sized { items, create_backup_ns, available_ns, restore_ns } = found;
    report.sizes.push(Sized {
        items,
        create_backup_ns: sorted(create_backup_ns),
        available_ns: sorted(available_ns),
        restore_ns: sorted(restore_ns),
    });
    outcome.map_err(|failure| failure.what)
}

fn at_this_size(
    run: &Run<'_>,
    control: &mut Control<'_>,
    found: &mut Sized,
    backups: &mut Vec<Backup>,
) -> Result<(), Failure> {
    let begun = clock::now();
    let late = |done| done > 0 && (run.stopped() || clock::now() - begun > SIZE_TIME_MAX);
    for _ in (0..BACKUPS).take_while(|done| !late(*done)) {
        let backup = control.back_up(run.table)?;
        found.create_backup_ns.push(backup.answered_ns);
        found.available_ns.push(backup.available_ns);
        backups.push(backup);
    }
    let last = backups.last().expect("at least one backup was made");
    for number in (0..RESTORES).take_while(|done| !late(*done)) {
        let target = format!("{}-restored-{}-{number}", run.table, found.items);
        let restored = control.restore(last, &target);
        let counted = restored.is_ok().then(|| control.count_items(&target)).transpose();
        // A table that was not made cannot be deleted; the first failure is what matters.
        let gone = control.delete_table(&target);
        found.restore_ns.push(restored?);
        demand_all(counted?, found.items)?;
        gone?;
    }
    Ok(())
}

/// An endpoint that restores less than there was restores nothing.
fn demand_all(counted: Option<u64>, items: u64) -> Result<(), Failure> {
    match counted {
        Some(counted) if counted != items => {
            Err(Failure::new(format!("restored {counted} of {items} items")))
        }
        _ => Ok(()),
    }
}

fn delete_all(control: &mut Control<'_>, backups: &[Backup]) -> Vec<String> {
    let delete = |backup: &Backup| {
        control.delete_backup(backup).err().map(|failure| left_behind(&backup.arn, &failure))
    };
    backups.iter().filter_map(delete).collect()
}

/// Puts in pairs of intervals, one with a backup each second and one without. `None` if it was
/// stopped before two pairs were through.
fn compare(
    run: &Run<'_>,
    plan: &Plan,
    control: &mut Control<'_>,
    items: u64,
) -> Result<Option<Interference>, Failure> {
    let load = run.load(plan, Operation::Put, CONNECTIONS);
    let mut backups = Vec::new();
    let (outcome, tallies) = closed_loop::run(&load, 2 * plan.pairs, run.stop, |director| {
        direct(director, plan, || {
            backups.push(control.back_up(run.table)?);
            Ok(())
        })
    });
    let left = delete_all(control, &backups);
    let pairs = outcome?;
    if let Some(what) = left.into_iter().next() {
        return Err(Failure::new(what));
    }
    Ok((pairs >= 2).then(|| Interference {
        items,
        backups: backups.len() as u64,
        create_backup_ns: sorted(backups.iter().map(|it| it.answered_ns).collect()),
        ..interference(&tallies[..2 * pairs])
    }))
}

/// Goes through all pairs of intervals: phase 2n is with backups, phase 2n + 1 without. Which comes
/// first changes from pair to pair, so that a drift of the machine favours neither. Returns how
/// many pairs were completed.
fn direct(
    director: &Director<'_>,
    plan: &Plan,
    mut back_up: impl FnMut() -> Result<(), Failure>,
) -> Result<usize, Failure> {
    for pair in 0..plan.pairs {
        for turn in 0..2 {
            let without = (pair + turn) % 2;
            director.wait_until(clock::now() + SETTLE);
            if without == 1 {
                director.phase(2 * pair + 1, plan.time);
            } else {
                interval_with_backups(director, 2 * pair, plan.time, &mut back_up)?;
            }
        }
        if director.stopped() {
            return Ok(pair);
        }
    }
    Ok(plan.pairs)
}

/// The interval lasts until its last backup is AVAILABLE, so that no other one pays for it.
fn interval_with_backups(
    director: &Director<'_>,
    phase: usize,
    time: Duration,
    back_up: &mut impl FnMut() -> Result<(), Failure>,
) -> Result<(), Failure> {
    let begun = director.begin(phase);
    for number in 0.. {
        let due = begun + BACKUP_EVERY * number;
        director.wait_until(due.min(begun + time));
        if due >= begun + time || director.stopped() {
            break;
        }
        back_up()?;
    }
    director.pause();
    Ok(())
}

/// What the tallies of pairs of intervals say: first with backups, then without.
fn interference(tallies: &[Tally]) -> Interference {
    let mut totals = [Tally::new(), Tally::new()];
    for (place, tally) in tallies.iter().enumerate() {
        totals[place % 2].add(tally);
    }
    let p99 = |tally: &Tally| tally.latencies.value_at_quantile(0.99).max(1) as f64;
    let ratios: Vec<_> = tallies.chunks_exact(2).map(|it| (p99(&it[0]), p99(&it[1]))).collect();
    let [with, without] = &totals;
    Interference {
        pairs: ratios.len(),
        elapsed_ns: (with.elapsed_ns, without.elapsed_ns),
        succeeded: (with.succeeded, without.succeeded),
        failed: with.failed + without.failed,
        with: Latencies::of(&with.latencies),
        without: Latencies::of(&without.latencies),
        p99_ratio: ratio_of(&ratios),
        ..Interference::default()
    }
}

fn sorted(mut values: Vec<u64>) -> Vec<u64> {
    values.sort_unstable();
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An interval in which every request took so long.
    fn interval(latency_ns: u64) -> Tally {
        let mut tally = Tally::new();
        (0..1_000).for_each(|_| tally.latencies.record(latency_ns).expect("it grows"));
        tally.succeeded = 1_000;
        tally
    }

    #[test]
    fn a_slowdown_is_told_from_a_drift_that_both_sides_share() {
        let drifting: Vec<Tally> =
            (1..=10).flat_map(|it| [interval(it * 200_000), interval(it * 100_000)]).collect();
        let found = interference(&drifting);
        let (ratio, low, high) = found.p99_ratio;
        assert!((1.99..2.01).contains(&ratio) && low > 1.98 && high < 2.02, "{low} to {high}");
        assert_eq!((found.pairs, found.succeeded, found.failed), (10, (10_000, 10_000), 0));
        assert!(found.with.max_ns > found.without.max_ns);
    }

    #[test]
    fn what_wavers_shows_nothing() {
        let wavering: Vec<Tally> = [3, 1, 1, 3, 2, 1, 1, 2].map(|it| interval(it * 100_000)).into();
        let (_, low, high) = interference(&wavering).p99_ratio;
        assert!(low < 1.0 && high > 1.1, "{low} to {high}");
    }

    #[test]
    fn a_restore_that_lacks_items_is_no_restore() {
        assert!(demand_all(Some(99), 100).is_err());
        assert!(demand_all(Some(100), 100).is_ok());
    }
}
