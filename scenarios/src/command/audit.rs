//! `stillpoint audit`: every seed must give the same hash, whatever ran before it or beside it.

use crate::campaign::audit::{self, Difference, Hashes, first_difference, first_differing_event};
use crate::campaign::panics;
use crate::campaign::plan::Plan;
use crate::campaign::pool::{Crash, Ending};
use crate::command::args::PlanArgs;
use crate::command::figures::plural;
use crate::command::run::crashed;
use crate::command::{Host, Refusal, stories_named};
use crate::report::Runner;

/// So many other seeds run between the first and the second time.
const SEEDS_BETWEEN: u64 = 50;

/// Runs the plan three times (here, here again after other seeds, in another process) and
/// compares the hashes.
pub(super) fn audit(
    runner: &dyn Runner,
    args: &PlanArgs,
    host: &mut Host<'_>,
) -> Result<i32, Refusal> {
    let plan = plan(runner, args)?;
    let between = Plan {
        first_seed: plan.first_seed.wrapping_add(1 << 40),
        runs: Some(SEEDS_BETWEEN),
        ..plan.clone()
    };
    let bar = host.bar(2 * args.seeds + SEEDS_BETWEEN);
    let limits = host.limits(args.jobs, None);
    let run =
        |plan: &Plan| audit::hashes(runner, plan, &limits, &mut || bar.inc(1)).map_err(refusal);
    let first = run(&plan)?;
    run(&between)?;
    let second = run(&plan)?;
    bar.set_message("once more, in another process");
    let elsewhere = in_another_process(args, host)?;
    bar.finish_and_clear();
    for (what, other) in [("later in this process", second), ("in another process", elsewhere)] {
        if let Some(difference) = first_difference(&plan, &first, &other) {
            return report(runner, &difference, what, host);
        }
    }
    writeln!(
        host.out,
        "{} gave the same hash three times: at first, after {SEEDS_BETWEEN} other seeds, and in \
         another process",
        plural(first.len() as u64, "seed"),
    )?;
    Ok(0)
}

/// Prints the plan's hashes, for the parent process to read.
pub(super) fn hashes(
    runner: &dyn Runner,
    args: &PlanArgs,
    host: &mut Host<'_>,
) -> Result<i32, Refusal> {
    let plan = plan(runner, args)?;
    let limits = host.limits(args.jobs, None);
    let hashes = audit::hashes(runner, &plan, &limits, &mut || {}).map_err(refusal)?;
    host.out.write_all(audit::to_lines(&hashes).as_bytes())?;
    Ok(0)
}

fn plan(runner: &dyn Runner, args: &PlanArgs) -> Result<Plan, Refusal> {
    let stories = stories_named(runner, &args.scenario)?;
    Ok(Plan {
        stories: stories.iter().map(|story| story.name).collect(),
        first_seed: args.first_seed,
        runs: Some(args.seeds),
        size: args.size,
    })
}

/// One thread only, so that the seeds do not share threads as they do here.
fn in_another_process(args: &PlanArgs, host: &Host<'_>) -> Result<Hashes, Refusal> {
    let mut words = vec!["hashes".to_string(), "--jobs=1".to_string()];
    words.push(format!("--seeds={}", args.seeds));
    words.push(format!("--first-seed={}", args.first_seed));
    words.push(format!("--size={}", args.size.name()));
    words.extend(args.scenario.iter().map(|name| format!("--scenario={name}")));
    let printed = (host.child)(&words)
        .map_err(|error| Refusal(format!("the process that repeats the seeds failed: {error}")))?;
    audit::from_lines(&printed).ok_or_else(|| {
        Refusal("the process that repeats the seeds printed something else".to_string())
    })
}

fn refusal(ending: Ending) -> Refusal {
    match ending {
        Ending::Crashed(Crash { request, message }) => Refusal(crashed(&request, &message)),
        _ => Refusal("interrupted before every seed had run".to_string()),
    }
}

fn report(
    runner: &dyn Runner,
    difference: &Difference,
    what: &str,
    host: &mut Host<'_>,
) -> Result<i32, Refusal> {
    let hash = |hash: Option<u64>| hash.map_or("not run".to_string(), |it| format!("{it:016x}"));
    let Difference { request, first, second } = difference;
    writeln!(host.out, "'{}' seed {} does not repeat itself:", request.story, request.seed)?;
    writeln!(host.out, "  at first               {}", hash(*first))?;
    writeln!(host.out, "  {what:22} {}", hash(*second))?;
    // A seed this sick may well panic when it is run again; the hashes say enough then.
    let event = panics::catch(|| first_differing_event(runner, request)).ok().flatten();
    match event {
        Some((number, one, two)) => {
            writeln!(host.out, "  run twice more, event {number} was the first to differ:")?;
            writeln!(host.out, "    {one}\n    {two}")?;
        }
        None => writeln!(host.out, "  run twice more, its event logs were equal")?,
    }
    writeln!(host.out, "  show it again: {}", request.replay_command())?;
    Ok(1)
}
