//! The arguments, and how a mistake in them becomes one line.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use stillpoint_sim::Tape;

use crate::command::conform::ConformArgs;
use crate::command::explore::ExploreArgs;
use crate::command::judge::JudgeArgs;
use crate::command::load::LoadArgs;
use crate::report::Size;

/// Takes backups of a simulated DynamoDB-like service under load and faults, restores them, and
/// judges whether every promise held.
#[derive(Debug, Parser)]
#[command(name = "stillpoint", version, args_conflicts_with_subcommands = true)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    #[command(flatten)]
    pub(super) run: RunArgs,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run a campaign of seeds and print a table of verdicts (the default)
    Run(RunArgs),
    /// List the stories, one a line: name and claim
    List,
    /// Run one seed and print everything about it
    Replay(ReplayArgs),
    /// Make a failing seed simple: silence every decision that does not matter to its failure
    Shrink(ShrinkArgs),
    /// Check that seeds repeat themselves: later, on other threads, in another process or build
    Audit(AuditArgs),
    /// Plant bugs and count how often the oracles catch them
    Mutants(MutantsArgs),
    /// Crash a backup and a restore at every point, with everything that can be left of a disk
    Explore(ExploreArgs),
    /// Measure the processor time of seeds
    Bench(BenchArgs),
    /// Serve one load with and without backups, and compare what clients waited for
    Twin(TwinArgs),
    /// Measure how fast an endpoint is, this server or another
    Load(LoadArgs),
    /// Serve the DynamoDB API around backups over HTTP, on this machine's disk
    Serve(ServeArgs),
    /// Drive an endpoint over HTTP, restore backups of it, and judge what they hold
    Conform(ConformArgs),
    /// Judge a recorded history
    Judge(JudgeArgs),
    /// Print the hashes of a plan (what `audit` has its child process do)
    #[command(hide = true)]
    Hashes(PlanArgs),
    /// Print the events of one seed (what `audit` asks another process for)
    #[command(hide = true)]
    Events(EventsArgs),
}

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// Run only this story (may be given several times; see `stillpoint list`)
    #[arg(long, value_name = "NAME")]
    pub(super) scenario: Vec<String>,
    /// Seeds of each story; without --budget the campaign then lasts until they are done
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(super) seeds: Option<u64>,
    /// How long the campaign may last [default: 60, or no limit with --seeds]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(super) budget: Option<u64>,
    /// The first seed of each story
    #[arg(long, value_name = "X", default_value = "1", value_parser = seed)]
    pub(super) first_seed: u64,
    /// How large the simulated clusters are
    #[arg(long, value_enum, default_value_t = Size::Small)]
    pub(super) size: Size,
    /// Threads that run seeds [default: one per core]
    #[arg(long, value_name = "N", value_parser = jobs)]
    pub(super) jobs: Option<usize>,
    /// Fail also if there is something that no seed came by: a point that the service can pass,
    /// or a phase that a story aims at
    #[arg(long)]
    pub(super) require_coverage: bool,
    /// How the report is written
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(super) format: Format,
    /// Write the report to this file; the table then still goes to standard output
    #[arg(long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
}

/// How a campaign's report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// A table for people
    Table,
    /// One JSON object a line
    Json,
    /// JUnit XML, as build servers read it
    Junit,
}

/// Which run is meant.
#[derive(Debug, Args)]
pub(super) struct OneArgs {
    /// The story
    #[arg(long, value_name = "NAME")]
    pub(super) scenario: String,
    #[command(flatten)]
    pub(super) decided_by: DecidedBy,
    /// Let the faults of this plan strike instead of the story's own: a file of JSON
    #[arg(long, value_name = "FILE")]
    pub(super) plan: Option<PathBuf>,
    /// How large the simulated cluster is
    #[arg(long, value_enum, default_value_t = Size::Small)]
    pub(super) size: Size,
    /// Plant this bug (see `stillpoint mutants`)
    #[arg(long, value_name = "NAME")]
    pub(super) mutant: Option<String>,
}

/// What decides a run: one of the two.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct DecidedBy {
    /// The seed
    #[arg(long, value_name = "X", value_parser = seed)]
    seed: Option<u64>,
    /// The tape: a seed, and the decisions in which the run departs from it
    #[arg(long)]
    tape: Option<Tape>,
}

impl DecidedBy {
    /// As a tape, which a bare seed is too.
    pub(super) fn tape(&self) -> Tape {
        let bare = Tape::new(self.seed.unwrap_or_default());
        self.tape.clone().unwrap_or(bare)
    }
}

#[derive(Debug, Args)]
pub(super) struct ShrinkArgs {
    #[command(flatten)]
    pub(super) one: OneArgs,
    /// How long the search may last
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub(super) budget: u64,
    /// How many runs it may take
    #[arg(long, value_name = "N", default_value = "2000", value_parser = at_least_one)]
    pub(super) runs: u64,
}

#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    #[command(flatten)]
    pub(super) one: OneArgs,
    /// Print every event, or write them to FILE
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    pub(super) log: Option<Option<PathBuf>>,
}

#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    /// Run only this story (may be given several times)
    #[arg(long, value_name = "NAME")]
    pub(super) scenario: Vec<String>,
    /// Seeds, spread over the stories
    #[arg(long, value_name = "N", default_value = "60", value_parser = at_least_one)]
    pub(super) seeds: u64,
    /// The first seed of each story
    #[arg(long, value_name = "X", default_value = "1", value_parser = seed)]
    pub(super) first_seed: u64,
    /// How large the simulated clusters are
    #[arg(long, value_enum, default_value_t = Size::Small)]
    pub(super) size: Size,
    /// Threads that run seeds [default: one per core]
    #[arg(long, value_name = "N", value_parser = jobs)]
    pub(super) jobs: Option<usize>,
}

#[derive(Debug, Args)]
pub(super) struct AuditArgs {
    #[command(flatten)]
    pub(super) plan: PlanArgs,
    /// Compare with another build of the same code too, as target/debug/stillpoint (may be given
    /// several times)
    #[arg(long, value_name = "PROGRAM")]
    pub(super) against: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct EventsArgs {
    /// The story
    #[arg(long, value_name = "NAME")]
    pub(super) scenario: String,
    /// The seed
    #[arg(long, value_name = "X", value_parser = seed)]
    pub(super) seed: u64,
    /// How large the simulated cluster is
    #[arg(long, value_enum, default_value_t = Size::Small)]
    pub(super) size: Size,
}

#[derive(Debug, Args)]
pub(super) struct MutantsArgs {
    /// Seeds of each mutant, spread over its stories
    #[arg(long, value_name = "N", default_value = "200", value_parser = hunted)]
    pub(super) seeds: u64,
    /// Hunt only this mutant (may be given several times)
    #[arg(long, value_name = "NAME")]
    pub(super) mutant: Vec<String>,
    /// How long the hunt may last [default: no limit]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(super) budget: Option<u64>,
    /// The first seed of each story
    #[arg(long, value_name = "X", default_value = "1", value_parser = seed)]
    pub(super) first_seed: u64,
    /// How large the simulated clusters are
    #[arg(long, value_enum, default_value_t = Size::Small)]
    pub(super) size: Size,
    /// Threads that run seeds [default: one per core]
    #[arg(long, value_name = "N", value_parser = jobs)]
    pub(super) jobs: Option<usize>,
}

#[derive(Debug, Args)]
pub(super) struct BenchArgs {
    /// Measure only this story (may be given several times)
    #[arg(long, value_name = "NAME")]
    pub(super) scenario: Vec<String>,
    /// Seeds of each size, spread over the stories
    #[arg(long, value_name = "N", default_value = "60", value_parser = at_least_one)]
    pub(super) seeds: u64,
}

#[derive(Debug, Args)]
pub(super) struct TwinArgs {
    /// Seeds, each with all three arms
    #[arg(long, value_name = "N", default_value = "20", value_parser = at_least_one)]
    pub(super) seeds: u64,
    /// The first seed
    #[arg(long, value_name = "X", default_value = "1", value_parser = seed)]
    pub(super) first_seed: u64,
    /// Threads that run worlds [default: one per core]
    #[arg(long, value_name = "N", value_parser = jobs)]
    pub(super) jobs: Option<usize>,
    /// How the report is written
    #[arg(long, value_enum, default_value_t = TwinFormat::Table)]
    pub(super) format: TwinFormat,
}

#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// The directory of all data; it is made if it is missing
    #[arg(long, value_name = "DIR", default_value = "stillpoint-data")]
    pub(super) data: PathBuf,
    /// Where to listen: a loopback address, since any credentials are accepted
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8000")]
    pub(super) listen: SocketAddr,
    /// Partitions of each table that is made
    #[arg(long, value_name = "N", default_value = "4", value_parser = partitions)]
    pub(super) partitions: u32,
}

/// How the report of a twin run is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum TwinFormat {
    /// Tables for people
    Table,
    /// One JSON object a line
    Json,
}

pub(super) fn seed(text: &str) -> Result<u64, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| format!("a seed is a whole number from 0 to {}, or 0x…", u64::MAX))
}

pub(super) fn at_least_one(text: &str) -> Result<u64, String> {
    whole_number(text, u64::from(u32::MAX))
}

/// The runs of a hunt are listed beforehand, so their number is bounded by memory.
fn hunted(text: &str) -> Result<u64, String> {
    whole_number(text, 100_000)
}

pub(super) fn seconds(text: &str) -> Result<u64, String> {
    whole_number(text, 1_000_000)
}

/// Each is a log and a state machine of its own in the one process.
fn partitions(text: &str) -> Result<u32, String> {
    whole_number(text, 4_096).map(|partitions| partitions as u32)
}

pub(super) fn jobs(text: &str) -> Result<usize, String> {
    whole_number(text, 1024).map(|jobs| jobs as usize)
}

/// Each connection is a thread.
pub(super) fn connections(text: &str) -> Result<usize, String> {
    whole_number(text, 1024).map(|connections| connections as usize)
}

/// Amazon's limit for an item.
pub(super) fn item_bytes(text: &str) -> Result<u64, String> {
    whole_number(text, 400 * 1024)
}

/// Each pair has histograms of its own on every connection.
pub(super) fn pairs(text: &str) -> Result<u64, String> {
    whole_number(text, 100)
}

fn whole_number(text: &str, max: u64) -> Result<u64, String> {
    let number = text.parse().ok().filter(|number| (1..=max).contains(number));
    number.ok_or_else(|| format!("possible: a whole number from 1 to {max}"))
}

/// What the arguments turned out to be.
pub(super) enum Parsed {
    /// An order.
    Cli(Box<Cli>),
    /// A question; here is the answer.
    Help(String),
    /// A mistake, described in one line.
    Wrong(String),
}

/// Reads the arguments; the first is the program's name.
pub(super) fn parse(args: impl IntoIterator<Item = OsString>) -> Parsed {
    match Cli::try_parse_from(args) {
        Ok(cli) => Parsed::Cli(Box::new(cli)),
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                Parsed::Help(error.render().to_string())
            }
            _ => Parsed::Wrong(in_one_line(&error)),
        },
    }
}

/// What clap says in a paragraph, without the parts that every mistake has in common, and with
/// the possible words where clap leaves them to `--help`.
fn in_one_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let said: Vec<&str> = text
        .lines()
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"))
        .map(|line| line.trim().trim_start_matches("error: "))
        .filter(|line| !line.is_empty())
        .collect();
    let mut line = said.join("; ").replace("provided:; ", "provided: ");
    if let Some(possible) = possible_words(error) {
        line = format!("{line}; possible: {possible}");
    }
    line
}

fn possible_words(error: &clap::Error) -> Option<String> {
    let command = Cli::command();
    match error.kind() {
        ErrorKind::InvalidSubcommand => Some(subcommands(&command)),
        ErrorKind::UnknownArgument => {
            let Some(ContextValue::String(wrong)) = error.get(ContextKind::InvalidArg) else {
                return None;
            };
            if wrong.parse::<f64>().is_ok() {
                return Some("numbers without a sign".to_string());
            }
            // A bare word where a flag could stand is meant as a subcommand.
            if !wrong.starts_with('-') {
                return Some(subcommands(&command));
            }
            flags(&command, error.get(ContextKind::Usage))
        }
        _ => None,
    }
}

fn subcommands(command: &clap::Command) -> String {
    let shown = command.get_subcommands().filter(|it| !it.is_hide_set());
    shown.map(clap::Command::get_name).collect::<Vec<_>>().join(", ")
}

/// The flags of the subcommand that `usage` is about, or of `run`; `None` if it has none.
fn flags(command: &clap::Command, usage: Option<&ContextValue>) -> Option<String> {
    let usage = usage.map(ToString::to_string).unwrap_or_default();
    let about = |it: &&clap::Command| usage.split_whitespace().any(|word| word == it.get_name());
    let subcommand = command.get_subcommands().find(about).unwrap_or(command);
    let long = subcommand.get_arguments().filter_map(clap::Arg::get_long);
    let names: Vec<String> = long.map(|name| format!("--{name}")).collect();
    (!names.is_empty()).then(|| names.join(", "))
}
