//! `stillpoint audit`: every seed must give the same hash, whatever ran before it or beside it,
//! in this process, in another, and from another build.

use std::path::{Path, PathBuf};

use crate::campaign::audit::{self, Difference, Hashes, first_difference};
use crate::campaign::panics;
use crate::campaign::parting::{Parting, parting};
use crate::campaign::plan::Plan;
use crate::campaign::pool::Ending;
use crate::command::args::{AuditArgs, EventsArgs, PlanArgs};
use crate::command::figures::{count, plural};
use crate::command::run::crashed;
use crate::command::{Host, Refusal, known, stories_named};
use crate::report::{Runner, SeedRequest};

/// So many other seeds run between the first and the second time.
const SEEDS_BETWEEN: u64 = 50;

/// Where the plan is carried out once more.
enum Again {
    /// In this process, after other seeds.
    Later,
    /// In a fresh process of this program.
    Process,
    /// In a process of another build.
    Build(PathBuf),
}

impl Again {
    fn name(&self) -> String {
        match self {
            Self::Later => format!("after {SEEDS_BETWEEN} other seeds"),
            Self::Process => "in another process".to_string(),
            Self::Build(path) => format!("in {}", path.display()),
        }
    }

    /// The program that is another process; `None` is this one.
    fn program(&self) -> Option<&Path> {
        match self {
            Self::Later | Self::Process => None,
            Self::Build(path) => Some(path),
        }
    }
}

/// Runs the plan here, here again after other seeds, in another process and in every other build
/// that was named, and compares the hashes.
pub(super) fn audit(
    runner: &dyn Runner,
    args: &AuditArgs,
    host: &mut Host<'_>,
) -> Result<i32, Refusal> {
    let plan = plan(runner, &args.plan)?;
    let mut all = vec![Again::Later, Again::Process];
    for path in &args.against {
        all.push(Again::Build(existing(path)?));
    }
    let (first, later) = here(runner, &plan, &args.plan, host)?;
    for again in &all {
        let second = match again {
            Again::Later => later.clone(),
            // One thread only, so that the seeds do not share threads as they do here.
            Again::Process => elsewhere(None, &args.plan, 1, host)?,
            Again::Build(path) => {
                let jobs = args.plan.jobs.unwrap_or(host.cores);
                elsewhere(Some(path), &args.plan, jobs, host)?
            }
        };
        if let Some(difference) = first_difference(&plan, &first, &second) {
            return report(runner, &difference, again, host);
        }
    }
    let times: Vec<String> = all.iter().map(Again::name).collect();
    let seeds = plural(first.len() as u64, "seed");
    writeln!(host.out, "{seeds} gave the same hash each time: at first, {}", times.join(", "))?;
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

/// Prints the events of one seed, for the parent process to read.
pub(super) fn events(
    runner: &dyn Runner,
    args: &EventsArgs,
    host: &mut Host<'_>,
) -> Result<i32, Refusal> {
    let stories: Vec<_> = runner.stories().iter().map(|story| story.name).collect();
    let story = known("scenario", &args.scenario, &stories)?;
    let request = SeedRequest { size: args.size, ..SeedRequest::new(story, args.seed) };
    for line in log_here(runner, &request).map_err(Refusal)? {
        writeln!(host.out, "{line}")?;
    }
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

/// The whole path of a program, so that it is not looked for elsewhere.
fn existing(path: &Path) -> Result<PathBuf, Refusal> {
    path.canonicalize().map_err(|error| {
        let path = path.display();
        Refusal(format!("cannot run {path}: {error}; `cargo build` makes target/debug/stillpoint"))
    })
}

/// The plan's hashes at first and after other seeds, in this process.
fn here(
    runner: &dyn Runner,
    plan: &Plan,
    args: &PlanArgs,
    host: &Host<'_>,
) -> Result<(Hashes, Hashes), Refusal> {
    let between = Plan {
        first_seed: plan.first_seed.wrapping_add(1 << 40),
        runs: Some(SEEDS_BETWEEN),
        ..plan.clone()
    };
    let bar = host.bar(2 * args.seeds + SEEDS_BETWEEN);
    let limits = host.limits(args.jobs, None);
    let run =
        |plan: &Plan| audit::hashes(runner, plan, &limits, &mut || bar.inc(1)).map_err(refusal);
    let first = run(plan)?;
    run(&between)?;
    let later = run(plan)?;
    bar.finish_and_clear();
    Ok((first, later))
}

fn elsewhere(
    program: Option<&Path>,
    args: &PlanArgs,
    jobs: usize,
    host: &Host<'_>,
) -> Result<Hashes, Refusal> {
    let mut words = vec!["hashes".to_string(), format!("--jobs={jobs}")];
    words.push(format!("--seeds={}", args.seeds));
    words.push(format!("--first-seed={}", args.first_seed));
    words.push(format!("--size={}", args.size.name()));
    words.extend(args.scenario.iter().map(|name| format!("--scenario={name}")));
    let who = program.map_or("the process that repeats the seeds".to_string(), |it| {
        format!("{} (is it built of this code?)", it.display())
    });
    let printed =
        (host.child)(program, &words).map_err(|error| Refusal(format!("{who} failed: {error}")))?;
    audit::from_lines(&printed)
        .ok_or_else(|| Refusal(format!("{who} printed something else than hashes")))
}

fn refusal(ending: Ending) -> Refusal {
    match ending {
        Ending::Crashed(crash) => Refusal(crashed(&crash.request, &crash.message)),
        _ => Refusal("interrupted before every seed had run".to_string()),
    }
}

fn report(
    runner: &dyn Runner,
    difference: &Difference,
    again: &Again,
    host: &mut Host<'_>,
) -> Result<i32, Refusal> {
    let hash = |hash: Option<u64>| hash.map_or("not run".to_string(), |it| format!("{it:016x}"));
    let Difference { request, first, second } = difference;
    writeln!(host.out, "'{}' seed {} does not repeat itself:", request.story, request.seed)?;
    writeln!(host.out, "  {}  at first", hash(*first))?;
    writeln!(host.out, "  {}  {}", hash(*second), again.name())?;
    match event_logs(runner, request, again, host) {
        Ok(logs) => report_logs(request, &logs, host)?,
        // A seed this sick may well panic when it is run again; the hashes say enough then.
        Err(why) => writeln!(host.out, "  its events could not be had: {why}")?,
    }
    writeln!(host.out, "  show it again: {}", request.replay_command())?;
    Ok(1)
}

/// Two event logs of one run, each with the place it was made.
type Logs = [(String, Vec<String>); 2];

/// Runs the seed once more on both sides, with its log. After other seeds have left something
/// behind here, the side to compare with is a process in which nothing ran before.
fn event_logs(
    runner: &dyn Runner,
    request: &SeedRequest,
    again: &Again,
    host: &Host<'_>,
) -> Result<Logs, String> {
    let ours = ("in this process".to_string(), log_here(runner, request)?);
    let words = [
        "events".to_string(),
        format!("--scenario={}", request.story),
        format!("--seed={}", request.seed),
        format!("--size={}", request.size.name()),
    ];
    let printed = (host.child)(again.program(), &words)?;
    let theirs = printed.lines().map(str::to_string).collect();
    Ok(match again {
        Again::Later => [("in a fresh process".to_string(), theirs), ours],
        _ => [ours, (again.name(), theirs)],
    })
}

fn log_here(runner: &dyn Runner, request: &SeedRequest) -> Result<Vec<String>, String> {
    let request = SeedRequest { event_log: true, ..request.clone() };
    let log = panics::catch(|| runner.run(&request).event_log)?;
    // An event whose words have line breaks is several lines to whoever reads them.
    Ok(log.iter().flat_map(|it| it.lines().map(str::to_string)).collect())
}

fn report_logs(request: &SeedRequest, logs: &Logs, host: &mut Host<'_>) -> Result<(), Refusal> {
    let [(one, first), (two, second)] = logs;
    let Some(Parting { number, first, second, led_to }) = parting(first, second) else {
        writeln!(host.out, "  run again, its event logs were equal: it differs now and then")?;
        let (story, seed) = (request.story, request.seed);
        let again = format!("stillpoint audit --scenario {story} --first-seed {seed} --seeds 1");
        writeln!(host.out, "  try it alone, some times: {again}")?;
        return Ok(());
    };
    let shown = |event: Option<String>| match event {
        Some(line) => line.trim_start().to_string(),
        None => "(its log has ended)".to_string(),
    };
    writeln!(host.out, "  run again, event {} is the first that differs:", count(number as u64))?;
    writeln!(host.out, "    {one}:\n      {}", shown(first))?;
    writeln!(host.out, "    {two}:\n      {}", shown(second))?;
    if !led_to.is_empty() {
        writeln!(host.out, "  what led to it, the same on both sides:")?;
    }
    for line in led_to {
        writeln!(host.out, "    {}", line.trim_start())?;
    }
    Ok(())
}
