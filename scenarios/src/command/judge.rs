//! `stillpoint judge`: judges a recorded history, without any endpoint.
//!
//! Exit status: 0 it shows what was demanded, 1 a promise was broken, 2 it could not be judged.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use clap::Args;

use crate::command::conform::DemandArgs;
use crate::command::verdicts::report;
use crate::command::{Host, Refusal};
use crate::conform::grade;
use crate::recording::read;

#[derive(Debug, Args)]
pub(super) struct JudgeArgs {
    /// The history, as `stillpoint conform --record` writes it
    #[arg(value_name = "FILE")]
    history: PathBuf,
    #[command(flatten)]
    demand: DemandArgs,
}

/// Reads and judges.
pub(super) fn judge(args: &JudgeArgs, host: &mut Host<'_>) -> Result<i32, Refusal> {
    let wrong = |what: String| Refusal(format!("{}: {what}", args.history.display()));
    let file = File::open(&args.history).map_err(|error| wrong(error.to_string()))?;
    let recording = read(BufReader::new(file)).map_err(|misread| wrong(misread.to_string()))?;
    let demand = args.demand.demand();
    report(&grade(&recording), demand, args.demand.format, None, host)
}
