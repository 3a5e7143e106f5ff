//! `stillpoint replay`: one seed, and everything that is known about it.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use crate::campaign::panics;
use crate::campaign::tally::sound_verdict;
use crate::command::args::{OneArgs, ReplayArgs};
use crate::command::figures::{count, duration};
use crate::command::run::{crashed, create};
use crate::command::{Host, Refusal, known};
use crate::report::{NamedPlan, Runner, SeedReport, SeedRequest, Verdict};
use stillpoint_sim::Plan;

/// Runs one seed and prints it.
pub(super) fn replay(
    runner: &dyn Runner,
    args: &ReplayArgs,
    host: &mut Host<'_>,
) -> Result<i32, Refusal> {
    let request = SeedRequest { event_log: args.log.is_some(), ..request_of(runner, &args.one)? };
    let file = args.log.as_ref().and_then(|path| path.as_deref()).map(create).transpose()?;
    let report = panics::catch(|| runner.run(&request))
        .map_err(|message| Refusal(crashed(&request, &message)))?;
    show(&request, &report, file, host)
}

/// Prints everything about a run, with its events to `file` if there is one, and returns the
/// exit status that goes with its verdict.
pub(super) fn show(
    request: &SeedRequest,
    report: &SeedReport,
    file: Option<File>,
    host: &mut Host<'_>,
) -> Result<i32, Refusal> {
    for line in &report.transcript {
        writeln!(host.out, "{line}")?;
    }
    match file {
        Some(mut file) => file.write_all(lines(&report.event_log).as_bytes())?,
        None => host.out.write_all(lines(&report.event_log).as_bytes())?,
    }
    writeln!(host.out)?;
    for (name, value) in figures(request, report) {
        writeln!(host.out, "{name:20} {value}")?;
    }
    conclude(report, host)
}

/// The plan in a file.
fn read_plan(path: &Path) -> Result<Box<NamedPlan>, Refusal> {
    let file = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|why| Refusal(format!("cannot read the plan '{file}': {why}")))?;
    let plan: Plan = serde_json::from_str(&text)
        .map_err(|why| Refusal(format!("'{file}' is no plan of faults: {why}")))?;
    Ok(Box::new(NamedPlan { file, plan }))
}

/// The run that the arguments are about.
pub(super) fn request_of(runner: &dyn Runner, args: &OneArgs) -> Result<SeedRequest, Refusal> {
    let stories: Vec<_> = runner.stories().iter().map(|story| story.name).collect();
    let mut mutants: Vec<_> = runner.mutants().iter().map(|mutant| mutant.name).collect();
    // The canary's bug is not hunted, since every campaign catches it, but it can be replayed.
    mutants.extend(runner.canary().mutant.filter(|name| !mutants.contains(name)));
    let mutant = args.mutant.as_deref().map(|name| known("mutant", name, &mutants)).transpose()?;
    let story = known("scenario", &args.scenario, &stories)?;
    let tape = args.decided_by.tape();
    let request = SeedRequest::new(story, tape.seed).on_tape(&tape);
    let plan = args.plan.as_deref().map(read_plan).transpose()?;
    Ok(SeedRequest { plan, size: args.size, mutant, ..request })
}

fn lines(log: &[String]) -> String {
    log.iter().map(|line| format!("{line}\n")).collect()
}

fn figures<'a>(request: &SeedRequest, report: &'a SeedReport) -> Vec<(&'a str, String)> {
    let mut figures = vec![
        ("scenario", report.story.to_string()),
        ("seed", report.seed.to_string()),
        ("nodes", count(u64::from(report.nodes))),
        ("partitions", count(u64::from(report.partitions))),
        ("writes acknowledged", count(report.writes_acknowledged)),
        ("backups AVAILABLE", count(u64::from(report.backups_available))),
        ("restores compared", count(u64::from(report.restores_compared))),
        ("items compared", count(report.items_compared)),
        ("skew", report.skew_ns_max.map_or("not measured".to_string(), duration)),
        ("write latency, p50", duration(report.write_p50_ns)),
        ("write latency, p99", duration(report.write_p99_ns)),
        ("longest hold", duration(report.hold_ns_max)),
        ("slowest to AVAILABLE", duration(report.available_ns_max)),
        ("simulated time", duration(report.simulated_ns)),
        ("events", count(report.events)),
    ];
    for (kind, number) in &report.faults {
        figures.push(("fault", format!("{kind} {}", count(*number))));
    }
    for (phase, number) in &report.faults_by_phase {
        figures.push(("fault placed", format!("in phase {} {}", phase.name(), count(*number))));
    }
    if let Some(fewest) = report.writes_in_cut_min {
        figures.push(("fewest writes in cut", count(fewest)));
    }
    for crash in &report.crashes_by_panic {
        figures.push(("node panicked", crash.clone()));
    }
    if !request.is_bare_seed() {
        figures.push(("tape", report.tape_fit.to_string()));
    }
    figures.push(("hash", format!("{:016x}", report.hash)));
    figures
}

/// Prints the verdict and returns the exit status that goes with it.
fn conclude(report: &SeedReport, host: &mut Host<'_>) -> Result<i32, Refusal> {
    let label = "verdict";
    match sound_verdict(report) {
        Verdict::Green => {
            writeln!(host.out, "{label:20} green: every promise held")?;
            return Ok(0);
        }
        Verdict::Vacuous(why) => writeln!(host.out, "{label:20} vacuous: {why}")?,
        Verdict::Undecided(why) => writeln!(host.out, "{label:20} undecided: {why}")?,
        Verdict::Broken(failures) => {
            writeln!(host.out, "{label:20} BROKEN")?;
            for failure in failures {
                writeln!(host.out, "\n{} is broken:", failure.oracle)?;
                for line in failure.explanation.lines() {
                    writeln!(host.out, "  {line}")?;
                }
            }
        }
    }
    Ok(1)
}
