//! `stillpoint run`: rings the alarm bell once, runs the campaign, prints the report.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use crate::campaign::panics;
use crate::campaign::plan::Plan;
use crate::campaign::pool::{Done, Ending, run_all};
use crate::campaign::tally::Tally;
use crate::command::args::{Format, RunArgs};
use crate::command::formats::{Summary, json, junit, text};
use crate::command::{COULD_NOT_RUN, Host, Refusal, stories_named};
use crate::report::{Runner, SeedRequest, Verdict};

/// How long a campaign lasts if neither `--budget` nor `--seeds` says otherwise.
const BUDGET_S_DEFAULT: u64 = 60;

/// Runs a campaign.
pub(super) fn run(
    runner: &dyn Runner,
    args: &RunArgs,
    host: &mut Host<'_>,
) -> Result<i32, Refusal> {
    let begun_ns = (host.now_ns)();
    let stories = stories_named(runner, &args.scenario)?;
    let file = args.output.as_deref().map(create).transpose()?;
    ring_the_bell(runner)?;
    let plan = Plan {
        stories: stories.iter().map(|story| story.name).collect(),
        first_seed: args.first_seed,
        runs: args.seeds.map(|seeds| seeds * stories.len() as u64),
        size: args.size,
    };
    let mut tally = Tally::new(stories).covering(runner.points(), args.require_coverage);
    let ending = campaign(runner, &plan, args, host, begun_ns, &mut tally);
    let summary = Summary { tally, ending, elapsed_ns: (host.now_ns)() - begun_ns };
    write_reports(&summary, args.format, file, host)?;
    Ok(status(&summary, host))
}

/// Opens the output before the work begins: a campaign whose report cannot be written is lost.
pub(super) fn create(path: &Path) -> Result<File, Refusal> {
    File::create(path).map_err(|error| {
        Refusal(format!(
            "cannot write '{}': {error}; possible: a file that can be created",
            path.display()
        ))
    })
}

/// A run that must fail. If it does not, no green verdict of this program means anything.
fn ring_the_bell(runner: &dyn Runner) -> Result<(), Refusal> {
    let canary = runner.canary();
    let command = canary.replay_command();
    match panics::catch(|| runner.run(&canary)) {
        Ok(report) if matches!(report.verdict, Verdict::Broken(_)) => Ok(()),
        Ok(_) => Err(Refusal(format!(
            "the alarm bell does not ring: the canary must be reported as broken; see {command}"
        ))),
        Err(message) => Err(Refusal(crashed(&canary, &message))),
    }
}

fn campaign(
    runner: &dyn Runner,
    plan: &Plan,
    args: &RunArgs,
    host: &Host<'_>,
    begun_ns: u64,
    tally: &mut Tally,
) -> Ending {
    let budget_s = args.budget.or(args.seeds.is_none().then_some(BUDGET_S_DEFAULT));
    let budget_ns = budget_s.map(|seconds| seconds * 1_000_000_000);
    let limits = host.limits(args.jobs, budget_ns.map(|budget_ns| begun_ns + budget_ns));
    let bar = host.bar(budget_ns.or(plan.runs).unwrap_or(0));
    let mut broken = 0;
    let mut each = |done: Done| {
        tally.add(&done.request, &done.report, done.busy_ns);
        broken += u64::from(matches!(done.report.verdict, Verdict::Broken(_)));
        match budget_ns {
            Some(_) => bar.set_position((host.now_ns)() - begun_ns),
            None => bar.inc(1),
        }
        bar.set_message(format!("{} seeds, {broken} broken", tally.sum(|story| story.seeds)));
    };
    let ending = run_all(runner, &|index| plan.request(index), &limits, &mut each);
    bar.finish_and_clear();
    ending
}

fn write_reports(
    summary: &Summary,
    format: Format,
    file: Option<File>,
    host: &mut Host<'_>,
) -> Result<(), Refusal> {
    let report = match format {
        Format::Table => text(summary),
        Format::Json => json(summary),
        Format::Junit => junit(summary),
    };
    if let Some(mut file) = file {
        file.write_all(report.as_bytes())?;
        host.out.write_all(text(summary).as_bytes())?;
    } else {
        host.out.write_all(report.as_bytes())?;
    }
    Ok(())
}

fn status(summary: &Summary, host: &mut Host<'_>) -> i32 {
    match &summary.ending {
        Ending::Crashed(crash) => {
            // The report has been written; if standard error is gone the status remains.
            let _ = writeln!(host.err, "error: {}", crashed(&crash.request, &crash.message));
            COULD_NOT_RUN
        }
        _ => summary.tally.conclusion().status(),
    }
}

/// What to say of a panic outside the simulated nodes.
pub(super) fn crashed(request: &SeedRequest, message: &str) -> String {
    let message = message.replace('\n', " ");
    format!("the simulation itself panicked: {message}; see {}", request.replay_command())
}
