//! The command `stillpoint`: reads its arguments, has the campaign do the work, and prints.
//!
//! Exit status: 0 every promise held; 1 a promise was broken or could not be shown to hold;
//! 2 it could not run; 3 `shrink` found nothing to shrink. Bad input is one line on standard error
//! that says what is wrong and what is possible.

mod args;
mod audit;
mod bench;
mod conform;
mod explore;
mod figures;
mod formats;
mod host;
mod judge;
mod load;
mod mutants;
mod replay;
mod run;
mod serve;
mod shrink;
mod table;
mod twin;
mod verdicts;

use std::ffi::OsString;

use args::{Cli, Command, Parsed};
pub use host::{Child, Host};

use crate::campaign::panics;
use crate::report::{Runner, StoryInfo};

/// Exit status if the command could not do what it was asked to.
const COULD_NOT_RUN: i32 = 2;

/// Exit status of `shrink` if the run that it was given breaks no promise.
const NOTHING_TO_SHRINK: i32 = 3;

/// One line that says why the command cannot go on and what is possible instead.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Refusal(String);

impl From<std::io::Error> for Refusal {
    fn from(error: std::io::Error) -> Refusal {
        Refusal(format!("cannot write the output: {error}"))
    }
}

/// Runs the command on this machine: `args` begins with the program's name. Returns the exit
/// status; never panics.
pub fn main_with(runner: &dyn Runner, args: impl IntoIterator<Item = OsString>) -> i32 {
    panics::remember_instead_of_printing();
    host::with_machine(|host| {
        let status = panics::catch(|| execute(runner, args, host));
        status.unwrap_or_else(|message| {
            // Nothing better can be done if even standard error is gone.
            let _ = writeln!(host.err, "error: stillpoint itself failed, please report: {message}");
            COULD_NOT_RUN
        })
    })
}

/// Runs the command with what `host` offers of the machine, and returns the exit status.
pub fn execute(
    runner: &dyn Runner,
    args: impl IntoIterator<Item = OsString>,
    host: &mut Host<'_>,
) -> i32 {
    let outcome = match args::parse(args) {
        Parsed::Cli(cli) => dispatch(runner, *cli, host),
        Parsed::Help(text) => host.out.write_all(text.as_bytes()).map(|()| 0).map_err(Into::into),
        Parsed::Wrong(line) => Err(Refusal(line)),
    };
    outcome.and_then(|status| host.out.flush().map(|()| status).map_err(Into::into)).unwrap_or_else(
        |Refusal(line)| {
            // One line, even if what was typed had several.
            let line = line.replace(char::is_control, "?");
            // Nothing better can be done if even standard error is gone.
            let _ = writeln!(host.err, "error: {line}");
            COULD_NOT_RUN
        },
    )
}

fn dispatch(runner: &dyn Runner, cli: Cli, host: &mut Host<'_>) -> Result<i32, Refusal> {
    match cli.command.unwrap_or(Command::Run(cli.run)) {
        Command::Run(args) => run::run(runner, &args, host),
        Command::List => list(runner, host),
        Command::Replay(args) => replay::replay(runner, &args, host),
        Command::Shrink(args) => shrink::shrink(runner, &args, host),
        Command::Audit(args) => audit::audit(runner, &args, host),
        Command::Mutants(args) => mutants::mutants(runner, &args, host),
        Command::Explore(args) => explore::explore(runner, &args, host),
        Command::Bench(args) => bench::bench(runner, &args, host),
        Command::Twin(args) => twin::twin(&args, host),
        Command::Load(args) => load::load(&args, host),
        Command::Serve(args) => serve::serve(&args, host),
        Command::Conform(args) => conform::conform(&args, host),
        Command::Judge(args) => judge::judge(&args, host),
        Command::Hashes(args) => audit::hashes(runner, &args, host),
        Command::Events(args) => audit::events(runner, &args, host),
    }
}

fn list(runner: &dyn Runner, host: &mut Host<'_>) -> Result<i32, Refusal> {
    let stories = runner.stories();
    let width = stories.iter().map(|story| story.name.len()).max().unwrap_or(0);
    for story in stories {
        writeln!(host.out, "{:width$}  {}", story.name, story.claim)?;
    }
    Ok(0)
}

/// The stories of these names in the order of the registry, or all if no name is given.
fn stories_named(runner: &dyn Runner, names: &[String]) -> Result<Vec<StoryInfo>, Refusal> {
    let all = runner.stories();
    let possible: Vec<&'static str> = all.iter().map(|story| story.name).collect();
    for name in names {
        known("scenario", name, &possible)?;
    }
    let wanted = |story: &StoryInfo| names.is_empty() || names.iter().any(|it| it == story.name);
    let stories: Vec<StoryInfo> = all.into_iter().filter(wanted).collect();
    if stories.is_empty() {
        return Err(Refusal("there is no scenario to run".to_string()));
    }
    Ok(stories)
}

/// The registry's own copy of `name`, or a refusal that lists what is possible.
fn known(kind: &str, name: &str, possible: &[&'static str]) -> Result<&'static str, Refusal> {
    possible.iter().find(|it| **it == name).copied().ok_or_else(|| {
        Refusal(format!("unknown {kind} '{name}'; possible: {}", possible.join(", ")))
    })
}
