//! `stillpoint explore`: every crash point of a small backup and a small restore, and what was
//! explored of them, kind by kind.

use clap::Args;
use stillpoint_sim::{Accounting, Coordinates, Row};

use crate::command::args::{at_least_one, jobs, seed};
use crate::command::figures::{count, plural};
use crate::command::table::Table;
use crate::command::{Host, Refusal, known};
use crate::explore::Expedition;
use crate::report::Runner;
use crate::stories::walked::Walked;

/// Findings that are shown in full.
const FINDINGS_SHOWN: usize = 3;

const HEADERS: [&str; 9] = [
    "operation",
    "of them",
    "moments",
    "crash\npoints",
    "outcomes\nof each",
    "runs",
    "of\noutcomes",
    "cut\nat",
    "broken",
];

#[derive(Debug, Args)]
pub(super) struct ExploreArgs {
    /// Explore only this
    #[arg(long, value_enum)]
    scenario: Option<Walked>,
    /// Outcomes that are tried at most of a kind of crash at one point
    #[arg(long, value_name = "MAX", default_value = "64", value_parser = at_least_one)]
    outcomes: u64,
    /// Make only this run, as node-1:disk-write:17:after:power:3, and say what came of it
    #[arg(long, value_name = "COORDINATES", requires = "scenario")]
    at: Option<Coordinates>,
    /// The seed of all runs
    #[arg(long, value_name = "X", default_value = "1", value_parser = seed)]
    seed: u64,
    /// Plant this bug (see `stillpoint mutants`)
    #[arg(long, value_name = "NAME")]
    mutant: Option<String>,
    /// Threads that run worlds [default: one per core]
    #[arg(long, value_name = "N", value_parser = jobs)]
    jobs: Option<usize>,
}

/// Explores, or makes the one run that was asked for.
pub(super) fn explore(
    runner: &dyn Runner,
    args: &ExploreArgs,
    host: &mut Host<'_>,
) -> Result<i32, Refusal> {
    let possible: Vec<&'static str> = runner.mutants().iter().map(|it| it.name).collect();
    let mutant = args.mutant.as_deref().map(|it| known("mutant", it, &possible)).transpose()?;
    let outcomes_max = args.outcomes as usize;
    let expeditions = Walked::ALL.into_iter().filter(|it| args.scenario.is_none_or(|of| of == *it));
    let mut status = 0;
    for (place, walked) in expeditions.enumerate() {
        let expedition =
            Expedition { seed: args.seed, mutant, ..Expedition::new(walked, outcomes_max) };
        if place > 0 {
            writeln!(host.out)?;
        }
        status = status.max(match &args.at {
            Some(at) => revisit(&expedition, at, host)?,
            None => walk(&expedition, args, host)?,
        });
    }
    Ok(status)
}

// All of it.

fn walk(expedition: &Expedition, args: &ExploreArgs, host: &mut Host<'_>) -> Result<i32, Refusal> {
    let name = expedition.walked.name();
    let bar = host.bar(0);
    bar.set_message(name);
    let accounting = expedition.explore(&host.limits(args.jobs, None), &|planned| {
        bar.set_length(planned);
        bar.inc(1);
    });
    bar.finish_and_clear();
    host.out.write_all(table(&accounting).as_bytes())?;
    writeln!(host.out, "\n{name}: {accounting}")?;
    write_findings(expedition, &accounting, host)?;
    Ok(i32::from(!accounting.is_clean()))
}

fn table(accounting: &Accounting) -> String {
    let mut table = Table::new(&HEADERS, &[0], &[]);
    for (kind, row) in &accounting.rows {
        table.row(cells(kind.name(), row));
    }
    let mut all = accounting.rows.values().fold(Row::default(), |mut all, row| {
        all.operations += row.operations;
        all.moments += row.moments;
        all.points += row.points;
        all.runs += row.runs;
        all.cut += row.cut;
        all.counted += row.counted;
        all.uncounted += row.uncounted;
        all.broken += row.broken;
        all
    });
    (all.outcomes_min, all.outcomes_max) = accounting.spread();
    table.row(cells("all", &all));
    table.draw()
}

fn cells(name: &str, row: &Row) -> [String; 9] {
    let outcomes = match (row.outcomes_min, row.outcomes_max) {
        (min, max) if min == max => count(min as u64),
        (min, max) => format!("{} to {}", count(min as u64), count(max as u64)),
    };
    let counts = [row.operations, row.moments, row.points].map(count);
    let [operations, moments, points] = counts;
    let [runs, cut, broken] = [row.runs, row.cut, row.broken].map(count);
    let more = if row.uncounted > 0 { ">" } else { "" };
    let counted = format!("{more}{}", count(row.counted));
    [name.to_owned(), operations, moments, points, outcomes, runs, counted, cut, broken]
}

fn write_findings(
    expedition: &Expedition,
    accounting: &Accounting,
    host: &mut Host<'_>,
) -> Result<(), Refusal> {
    if let Some(why) = &accounting.undisturbed {
        writeln!(host.out, "WITHOUT A CRASH: {why}")?;
    }
    for (at, why) in accounting.violations.iter().take(FINDINGS_SHOWN) {
        writeln!(host.out, "\nBROKEN: {}\n{why}", command(expedition, at))?;
    }
    for (at, why) in accounting.astray.iter().take(FINDINGS_SHOWN) {
        writeln!(host.out, "\nNOT EXPLORED: {}: {why}", command(expedition, at))?;
    }
    let found = accounting.violations.len() + accounting.astray.len();
    if found > FINDINGS_SHOWN {
        let [broken, astray] = [accounting.violations.len(), accounting.astray.len()]
            .map(|it| plural(it as u64, "run"));
        writeln!(host.out, "\n{broken} broken, {astray} not as asked for")?;
    }
    Ok(())
}

/// What shows this run again.
fn command(expedition: &Expedition, at: &Coordinates) -> String {
    let Expedition { walked, seed, mutant, .. } = expedition;
    let mut line = format!("stillpoint explore --scenario {}", walked.name());
    if *seed != 1 {
        line += &format!(" --seed {seed}");
    }
    if let Some(mutant) = mutant {
        line += &format!(" --mutant {mutant}");
    }
    format!("{line} --at {at}")
}

// One run.

fn revisit(expedition: &Expedition, at: &Coordinates, host: &mut Host<'_>) -> Result<i32, Refusal> {
    // Wide enough to know the outcome that is asked for.
    let outcomes_max = expedition.outcomes_max.max(at.outcome.saturating_add(1));
    let expedition = Expedition { outcomes_max, ..*expedition };
    let (survey, _) = expedition.survey();
    let struck = expedition.strike(&survey, at, |world| (world.hash(), world.events_count()));
    let (result, (hash, events)) = struck.map_err(|why| Refusal(format!("{at}: {why}")))?;
    if let Some(point) = survey.point(&at.site) {
        writeln!(host.out, "crashed at {} ns, after hash {:016x}", point.now_ns, point.hash)?;
    }
    writeln!(host.out, "hash {hash:016x} after {} events", count(events))?;
    match &result {
        Ok(()) => writeln!(host.out, "green")?,
        Err(why) => writeln!(host.out, "BROKEN: {why}")?,
    }
    Ok(i32::from(result.is_err()))
}
