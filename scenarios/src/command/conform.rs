//! `stillpoint conform`: drives an endpoint, records what its clients saw, and judges that.
//!
//! Exit status: 0 it does what was demanded, 1 it broke a promise, 2 it could not be judged.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use crate::command::args::{at_least_one, seconds};
use crate::command::verdicts::{Shape, report};
use crate::command::{Host, Refusal};
use crate::conform::grade::{Demand, Rung, grade, last_violates};
use crate::conform::http::Address;
use crate::conform::items::Keyspace;
use crate::conform::machine::Machine;
use crate::conform::sigv4::Credentials;
use crate::conform::{Ended, Settings};
use crate::recording::{Recording, write};

/// Threads that one process can be asked for.
const CLIENTS_MAX: u32 = 1_024;
/// Keys that one table can be asked for.
const KEYS_MAX: u32 = 10_000_000;
/// Backups of a run that ends when it has evidence enough.
const BACKUPS_MAX: u32 = 100_000;
/// Nanoseconds in a second.
const S: u64 = 1_000_000_000;

#[derive(Debug, Args)]
pub(super) struct ConformArgs {
    /// The endpoint, as http://HOST:PORT or https://HOST
    #[arg(long, value_name = "URL")]
    endpoint: String,
    /// How the names of all tables and backups begin [default: one that is not yet in use]
    #[arg(long, value_name = "P", value_parser = prefix)]
    table_prefix: Option<String>,
    /// Clients that write at once; below 8 no level is given
    #[arg(long, value_name = "N", default_value = "8", value_parser = clients)]
    clients: u32,
    /// Items of the table, about; 20 for each client at least
    #[arg(long, value_name = "N", default_value = "2000", value_parser = keys)]
    keys: u32,
    /// The fewest backups; there are more until 5 times 500 writes have overlapped their calls
    #[arg(long, value_name = "N", default_value = "5", value_parser = at_least_one)]
    backups: u64,
    /// Make up to N backups and stop at the first that breaks a promise
    #[arg(long, value_name = "N", conflicts_with = "backups", value_parser = at_least_one)]
    until_violation: Option<u64>,
    /// How long to go on making backups
    #[arg(long, value_name = "SECONDS", default_value = "300", value_parser = seconds)]
    budget: u64,
    #[command(flatten)]
    demand: DemandArgs,
    /// Write what was recorded to this file, for `stillpoint judge`
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// The region that signatures name
    #[arg(long, value_name = "R", default_value = "us-east-1")]
    region: String,
    /// The access key's id
    #[arg(long, value_name = "ID", env = "AWS_ACCESS_KEY_ID", hide_env_values = true)]
    #[arg(default_value = "stillpoint", hide_default_value = true)]
    access_key: String,
    /// The secret key
    #[arg(long, value_name = "KEY", env = "AWS_SECRET_ACCESS_KEY", hide_env_values = true)]
    #[arg(default_value = "stillpoint", hide_default_value = true)]
    secret_key: String,
    /// The session's token
    #[arg(long, value_name = "TOKEN", env = "AWS_SESSION_TOKEN", hide_env_values = true)]
    session_token: Option<String>,
}

/// What is demanded, and how the report is written.
#[derive(Debug, Args)]
pub(super) struct DemandArgs {
    /// What is demanded
    #[arg(long, value_enum, default_value_t = Profile::Exact)]
    profile: Profile,
    /// Demand this level and all below it instead, and exact restores
    #[arg(long, value_enum, conflicts_with = "profile")]
    level: Option<LevelName>,
    /// How the report is written
    #[arg(long, value_enum, default_value_t = Shape::Table)]
    pub(super) format: Shape,
}

/// What an endpoint can be held to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Profile {
    /// What Amazon documents: P0, P6, and a window of a minute about the request
    Documented,
    /// The table at one instant between request and answer: P0 to P6
    Exact,
}

/// Levels by their short names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LevelName {
    /// Whole items
    P0,
    /// Causal cut
    P1,
    /// Atomic cut
    P2,
    /// Bounded skew
    P3,
    /// Exact cut
    P4,
    /// Real-time cut
    P5,
}

impl DemandArgs {
    /// What is demanded.
    pub(super) fn demand(&self) -> Demand {
        let rung = self.level.map(|it| match it {
            LevelName::P0 => Rung::Item,
            LevelName::P1 => Rung::Causal,
            LevelName::P2 => Rung::Atomic,
            LevelName::P3 => Rung::Skew,
            LevelName::P4 => Rung::Exact,
            LevelName::P5 => Rung::RealTime,
        });
        match (rung, self.profile) {
            (Some(rung), _) => Demand::UpTo(rung),
            (None, Profile::Documented) => Demand::Documented,
            (None, Profile::Exact) => Demand::UpTo(Rung::RealTime),
        }
    }
}

/// Drives, records, judges.
pub(super) fn conform(args: &ConformArgs, host: &mut Host<'_>) -> Result<i32, Refusal> {
    let machine_settings = settings(args);
    let credentials = Credentials {
        access_key: args.access_key.clone(),
        secret_key: args.secret_key.clone(),
        session_token: args.session_token.clone(),
    };
    let address = Address::new(&args.endpoint, &args.region, credentials).map_err(Refusal)?;
    // Before anything is done that would be lost.
    let mut file = args.record.as_deref().map(create).transpose()?;
    let progress = host.bar(0);
    let tell = |text: &str| progress.set_message(text.to_owned());
    let machine = Machine {
        address,
        clients: args.clients,
        space: Keyspace::new(args.keys, args.clients),
        now_ns: host.now_ns,
        interrupted: host.interrupted,
        tell: &tell,
    };
    let demand = args.demand.demand();
    let broken = |recording: &Recording| last_violates(recording, demand);
    let found: Option<&dyn Fn(&Recording) -> bool> =
        if args.until_violation.is_some() { Some(&broken) } else { None };
    let run = machine.run(&machine_settings, found);
    progress.finish_and_clear();
    for left in &run.left_behind {
        writeln!(host.err, "left behind: {}", left.replace(char::is_control, "?"))?;
    }
    if let Some(file) = &mut file {
        write(&run.recording, file).and_then(|()| file.flush())?;
    }
    let failed = match run.ended {
        Ended::Failed(why) if run.recording.backups.is_empty() => return Err(Refusal(why)),
        Ended::Failed(why) => Some(why),
        Ended::Enough | Ended::Found | Ended::Backups | Ended::Budget => None,
    };
    report(&grade(&run.recording), demand, args.demand.format, failed.as_deref(), host)
}

fn settings(args: &ConformArgs) -> Settings {
    let own = || format!("stillpoint-conform-{}", std::process::id());
    let backups = |count: u64| u32::try_from(count).unwrap_or(BACKUPS_MAX).min(BACKUPS_MAX);
    Settings {
        endpoint: args.endpoint.clone(),
        prefix: args.table_prefix.clone().unwrap_or_else(own),
        backups_min: backups(args.until_violation.unwrap_or(args.backups)),
        backups_max: args.until_violation.map_or(BACKUPS_MAX, backups),
        budget_ns: args.budget * S,
    }
}

fn create(path: &Path) -> Result<BufWriter<File>, Refusal> {
    let file = File::create(path);
    file.map(BufWriter::new).map_err(|error| Refusal(format!("{}: {error}", path.display())))
}

fn clients(text: &str) -> Result<u32, String> {
    number(text, 1, CLIENTS_MAX)
}

fn keys(text: &str) -> Result<u32, String> {
    number(text, 20, KEYS_MAX)
}

fn number(text: &str, min: u32, max: u32) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| (min..=max).contains(number));
    number.ok_or_else(|| format!("possible: a whole number from {min} to {max}"))
}

/// Names of tables have 3 to 255 of these characters (API reference, `TableName`).
fn prefix(text: &str) -> Result<String, String> {
    const LONGEST: usize = 200;
    let legal = |it: char| it.is_ascii_alphanumeric() || "_.-".contains(it);
    match text.chars().all(legal) && (1..=LONGEST).contains(&text.len()) {
        true => Ok(text.to_owned()),
        false => Err(format!("possible: 1 to {LONGEST} of a-z, A-Z, 0-9, '_', '.', '-'")),
    }
}
