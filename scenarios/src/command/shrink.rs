//! `stillpoint shrink`: the simplest run that fails as a given one does.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::campaign::simplify::{Made, NotSimplified, Simplified, simplify};
use crate::command::args::ShrinkArgs;
use crate::command::figures::{count, duration};
use crate::command::replay::{request_of, show};
use crate::command::run::crashed;
use crate::command::table::Table;
use crate::command::{Host, NOTHING_TO_SHRINK, Refusal};
use crate::report::{Runner, SeedReport, SeedRequest, Verdict};

/// Makes a failing run simple, and prints what is left of it.
pub(super) fn shrink(
    runner: &dyn Runner,
    args: &ShrinkArgs,
    host: &mut Host<'_>,
) -> Result<i32, Refusal> {
    let request = request_of(runner, &args.one)?;
    let deadline_ns = (host.now_ns)() + args.budget * 1_000_000_000;
    let bar = host.bar(args.runs);
    let mut simplest = String::new();
    let mut each = |Made { runs, alike }: Made<'_>| {
        bar.set_position(runs);
        if let Some(report) = alike {
            let (events, faults) = (count(report.events), count(report.faults.values().sum()));
            simplest = format!("; simplest so far: {events} events, {faults} faults");
        }
        bar.set_message(format!("{} runs{simplest}", count(runs)));
    };
    let limits = host.limits(Some(1), Some(deadline_ns));
    let outcome = simplify(runner, &request, &limits, args.runs, &mut each);
    bar.finish_and_clear();
    match outcome {
        Ok(simplified) => {
            host.out.write_all(text(&request, &simplified).as_bytes())?;
            show(&simplified.request, &simplified.after, None, host)
        }
        Err(NotSimplified::DoesNotFail(verdict)) => {
            writeln!(host.out, "{}", nothing_to_shrink(&request, &verdict))?;
            Ok(NOTHING_TO_SHRINK)
        }
        Err(NotSimplified::Crashed(message)) => Err(Refusal(crashed(&request, &message))),
        Err(NotSimplified::DoesNotRepeat) => Err(Refusal(format!(
            "the run did not fail a second time: something decides it that is not on its tape; \
             try `stillpoint audit --scenario {} --first-seed {} --seeds 1`",
            request.story, request.seed
        ))),
    }
}

fn nothing_to_shrink(request: &SeedRequest, verdict: &Verdict) -> String {
    let verdict = match verdict {
        Verdict::Vacuous(why) => format!("vacuous ({why})"),
        Verdict::Undecided(why) => format!("undecided ({why})"),
        Verdict::Green | Verdict::Broken(_) => "green".to_string(),
    };
    format!(
        "nothing to shrink: the run is {verdict}, no promise is broken\n  {}",
        request.replay_command()
    )
}

/// What failed, what is left of it, and how to see that again.
fn text(request: &SeedRequest, simplified: &Simplified) -> String {
    let Simplified { reason, shrunk, cut_short, .. } = simplified;
    let mut text = format!("'{}', seed {}, fails: {reason}\n\n", request.story, request.seed);
    let _ = writeln!(text, "{shrunk}");
    if *cut_short {
        text += "the search was cut short: a longer one (--budget, --runs) may find less\n";
    }
    let _ = writeln!(text, "\n{}", comparison(simplified));
    let _ = writeln!(text, "show it again: {}\n", simplified.request.replay_command());
    text
}

fn comparison(simplified: &Simplified) -> String {
    let Simplified { before, after, shrunk, .. } = simplified;
    let mut table = Table::new(&["", "before", "after"], &[0], &[]);
    let mut row = |name: &str, before: String, after: String| {
        table.row([name.to_string(), before, after]);
    };
    row("decisions that matter", count(shrunk.decisions_before), count(shrunk.decisions_left));
    let kinds: BTreeSet<&String> = before.faults.keys().chain(after.faults.keys()).collect();
    for kind in kinds {
        let times = |it: &SeedReport| count(it.faults.get(kind).copied().unwrap_or(0));
        row(&format!("fault: {kind}"), times(before), times(after));
    }
    let mut both = |name, figure: &dyn Fn(&SeedReport) -> String| {
        row(name, figure(before), figure(after));
    };
    both("writes acknowledged", &|it| count(it.writes_acknowledged));
    both("events", &|it| count(it.events));
    both("simulated time", &|it| duration(it.simulated_ns));
    table.draw()
}
