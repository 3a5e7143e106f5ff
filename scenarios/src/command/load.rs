//! `stillpoint load`: how fast an endpoint is, and whether its writers feel backups.
//!
//! Exit status: 0 all was measured; 1 something failed or was refused, and the report says what;
//! 2 it could not be measured at all. What the figures are is judged by nobody here.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use clap::{Args, ValueEnum};
use indicatif::ProgressBar;
use serde_json::json;

use crate::command::args::TwinFormat;
use crate::command::figures::{count, duration, per_second};
use crate::command::run::create;
use crate::command::table::Table;
use crate::command::{Host, Refusal};
use crate::load::{
    Endpoint, Interference, Latencies, Operation, Place, Plan, Report, Run, Sized, Speed, fsyncs,
    measure,
};

const SPEED_HEADERS: [&str; 9] = [
    "operation",
    "connec-\ntions",
    "per s",
    "p50",
    "p99",
    "p99.9",
    "max",
    "failed",
    "generator\nCPU each",
];

const SIZE_HEADERS: [&str; 7] = [
    "items",
    "CreateBackup\nmedian",
    "\nmax",
    "AVAILABLE\nmedian",
    "\nmax",
    "restored\nmedian",
    "\nmax",
];

const INTERFERENCE_HEADERS: [&str; 6] = ["puts", "per s", "p50", "p99", "p99.9", "max"];

/// How long the disk is probed.
const PROBE_TIME: Duration = Duration::from_secs(2);

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("what").required(true).multiple(true)))]
pub(super) struct LoadArgs {
    /// Whom to measure
    #[arg(long, value_name = "URL", group = "what")]
    endpoint: Option<String>,
    /// What connections do [default: put at each number of connections, get at the first]
    #[arg(long, value_enum)]
    operation: Option<Word>,
    /// Numbers of connections
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "8,64",
          value_parser = super::args::connections)]
    connections: Vec<usize>,
    /// How long each load is measured, and each interval with and without backups
    #[arg(long, value_name = "N", default_value = "5", value_parser = super::args::seconds)]
    seconds: u64,
    /// Also measure backups, restores, and writers while backups are taken
    #[arg(long)]
    backups: bool,
    /// Sizes of the table at which it is backed up
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "1000,10000,100000",
          value_parser = super::args::at_least_one)]
    items: Vec<u64>,
    /// An item's size as DynamoDB counts it
    #[arg(long, value_name = "N", default_value = "180", value_parser = super::args::item_bytes)]
    bytes: u64,
    /// Different items that the load reads and writes
    #[arg(long, value_name = "N", default_value = "1000", value_parser = super::args::at_least_one)]
    keys: u64,
    /// Pairs of intervals, with backups and without
    #[arg(long, value_name = "N", default_value = "8", value_parser = super::args::pairs)]
    pairs: u64,
    /// How long filling the table up to a size may take
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = super::args::seconds)]
    fill: u64,
    /// Measure what this directory's disk can do: blocks of 4 KB, each with its fdatasync
    #[arg(long, value_name = "DIR", group = "what")]
    data_probe: Option<PathBuf>,
    /// How the report is written
    #[arg(long, value_enum, default_value_t = TwinFormat::Table)]
    format: TwinFormat,
    /// Write the report to this file as well, one JSON object a line
    #[arg(long, value_name = "FILE")]
    json_lines: Option<PathBuf>,
}

/// An operation as it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Word {
    /// PutItem
    Put,
    /// GetItem, strongly consistent
    Get,
    /// One after the other
    Mixed,
}

impl From<Word> for Operation {
    fn from(word: Word) -> Operation {
        match word {
            Word::Put => Operation::Put,
            Word::Get => Operation::Get,
            Word::Mixed => Operation::Mixed,
        }
    }
}

/// Probes the disk if that is asked for, then measures the endpoint if there is one.
pub(super) fn load(args: &LoadArgs, host: &mut Host<'_>) -> Result<i32, Refusal> {
    let endpoint = args.endpoint.as_deref().map(Endpoint::parse).transpose().map_err(Refusal)?;
    let bar = host.bar(1);
    let mut file = args.json_lines.as_deref().map(create).transpose()?;
    let mut write = |people: String, programs: String| -> std::io::Result<()> {
        if let Some(file) = &mut file {
            file.write_all(programs.as_bytes())?;
        }
        let text = if args.format == TwinFormat::Table { people } else { programs };
        host.out.write_all(text.as_bytes())
    };
    if let Some(directory) = &args.data_probe {
        for place in [Place::Appended, Place::Reserved] {
            let probed = probe(directory, place, host.interrupted)?;
            write(probe_text(&probed), probe_json(&probed))?;
        }
    }
    let Some(endpoint) = endpoint else {
        return Ok(0);
    };
    let report = measured(&endpoint, args, host.interrupted, &bar);
    bar.finish_and_clear();
    let report = report?;
    write(text(&endpoint.host, args, &report), json_lines(&endpoint.host, &report))?;
    Ok(i32::from(!report.clean()))
}

fn measured(
    endpoint: &Endpoint,
    args: &LoadArgs,
    stop: &AtomicBool,
    bar: &ProgressBar,
) -> Result<Report, Refusal> {
    let table = format!("stillpoint-load-{}", std::process::id());
    let progress = |what: &str| bar.set_message(what.to_string());
    let run = Run { endpoint, table: &table, stop, progress: &progress };
    measure(&run, &plan(args))
        .map_err(|what| Refusal(format!("cannot measure '{}': {what}", endpoint.host)))
}

fn plan(args: &LoadArgs) -> Plan {
    let mut items = if args.backups { args.items.clone() } else { Vec::new() };
    items.sort_unstable();
    Plan {
        loads: loads(args),
        time: Duration::from_secs(args.seconds),
        keys: args.keys,
        item_bytes: args.bytes,
        items,
        fill: Duration::from_secs(args.fill),
        pairs: args.pairs as usize,
    }
}

fn loads(args: &LoadArgs) -> Vec<(Operation, usize)> {
    let all = |operation| args.connections.iter().map(move |it| (operation, *it));
    match args.operation {
        Some(word) => all(word.into()).collect(),
        None => all(Operation::Put).chain(all(Operation::Get).take(1)).collect(),
    }
}

/// What the disk did.
struct Probed {
    place: Place,
    syncs: u64,
    elapsed_ns: u64,
    latencies: Latencies,
}

fn probe(directory: &Path, place: Place, stop: &AtomicBool) -> Result<Probed, Refusal> {
    let found = fsyncs(directory, place, PROBE_TIME, stop).map_err(|error| {
        let shown = directory.display();
        Refusal(format!("cannot probe '{shown}': {error}; possible: a directory to write in"))
    })?;
    let elapsed_ns =
        found.iter_recorded().map(|it| it.value_iterated_to() * it.count_at_value()).sum();
    Ok(Probed { place, syncs: found.len(), elapsed_ns, latencies: Latencies::of(&found) })
}

fn probe_text(probed: &Probed) -> String {
    let Latencies { p50_ns, p99_ns, max_ns, .. } = probed.latencies;
    let [p50, p99, max] = [p50_ns, p99_ns, max_ns].map(duration);
    let (place, per_s) = (probed.place.name(), per_second(probed.syncs, probed.elapsed_ns));
    format!("disk: {per_s} fdatasyncs of 4 KB {place} per s: p50 {p50}, p99 {p99}, max {max}\n")
}

fn probe_json(probed: &Probed) -> String {
    let Probed { place, syncs, elapsed_ns, latencies } = probed;
    let found = json!({
        "place": place.name(),
        "syncs": syncs,
        "elapsed_ns": elapsed_ns,
        "latencies": latencies,
    });
    format!("{}\n", json!({ "measure": "fsync", "found": found }))
}

// For people.

fn text(host: &str, args: &LoadArgs, report: &Report) -> String {
    let mut text = format!("{host}: {} keys, items of {} bytes\n\n", count(args.keys), args.bytes);
    let mut speeds = Table::new(&SPEED_HEADERS, &[0], &[]);
    report.speeds.iter().for_each(|it| speeds.row(speed_row(it)));
    text += &speeds.draw();
    if !report.sizes.is_empty() {
        let mut sizes = Table::new(&SIZE_HEADERS, &[], &[]);
        report.sizes.iter().for_each(|it| sizes.row(size_row(it)));
        text += &format!("\n{}", sizes.draw());
    }
    if let Some(found) = &report.interference {
        text += &format!("\n{}", interference_text(found));
    }
    for speed in report.speeds.iter().filter(|it| it.failed > 0) {
        let (name, what) = (speed.operation, speed.first_failure.as_deref().unwrap_or_default());
        text += &format!("{name} at {} connections failed: {what}\n", speed.connections);
    }
    report.failures.iter().fold(text, |text, what| format!("{text}not measured: {what}\n"))
}

fn speed_row(speed: &Speed) -> [String; 9] {
    let Latencies { p50_ns, p99_ns, p999_ns, max_ns } = speed.latencies;
    let [p50, p99, p999, max] = [p50_ns, p99_ns, p999_ns, max_ns].map(duration);
    [
        speed.operation.to_string(),
        speed.connections.to_string(),
        per_second(speed.succeeded, speed.elapsed_ns),
        p50,
        p99,
        p999,
        max,
        count(speed.failed),
        duration(speed.generator_cpu_ns / (speed.succeeded + speed.failed).max(1)),
    ]
}

fn size_row(size: &Sized) -> [String; 7] {
    let median =
        |sorted: &[u64]| sorted.get(sorted.len() / 2).map_or("-".into(), |it| duration(*it));
    let max = |sorted: &[u64]| sorted.last().map_or("-".into(), |it| duration(*it));
    [
        count(size.items),
        median(&size.create_backup_ns),
        max(&size.create_backup_ns),
        median(&size.available_ns),
        max(&size.available_ns),
        median(&size.restore_ns),
        max(&size.restore_ns),
    ]
}

fn interference_text(found: &Interference) -> String {
    let mut table = Table::new(&INTERFERENCE_HEADERS, &[0], &[]);
    let sides = [
        ("with a backup each second", &found.with, found.succeeded.0, found.elapsed_ns.0),
        ("without", &found.without, found.succeeded.1, found.elapsed_ns.1),
    ];
    for (name, latencies, succeeded, elapsed_ns) in sides {
        let Latencies { p50_ns, p99_ns, p999_ns, max_ns } = *latencies;
        let [p50, p99, p999, max] = [p50_ns, p99_ns, p999_ns, max_ns].map(duration);
        table.row([name.to_string(), per_second(succeeded, elapsed_ns), p50, p99, p999, max]);
    }
    let (ratio, low, high) = found.p99_ratio;
    let longest = found.create_backup_ns.last().map_or("-".to_string(), |it| duration(*it));
    format!(
        "{}p99 with backups / without: {ratio:.3}, with 95 % confidence {low:.3} to {high:.3} \
         ({} pairs of intervals, {} backups of {} items; CreateBackup at most {longest}; \
         {} puts failed)\n",
        table.draw(),
        found.pairs,
        found.backups,
        count(found.items),
        count(found.failed),
    )
}

// For programs: one object a line.

fn json_lines(host: &str, report: &Report) -> String {
    let line = |measure: &str, value: serde_json::Value| {
        format!("{}\n", json!({ "measure": measure, "endpoint": host, "found": value }))
    };
    let mut text = String::new();
    text.extend(report.speeds.iter().map(|it| line("load", json!(it))));
    text.extend(report.sizes.iter().map(|it| line("backup", json!(it))));
    text.extend(report.interference.iter().map(|it| line("interference", json!(it))));
    text.extend(report.failures.iter().map(|it| line("failure", json!(it))));
    text
}
