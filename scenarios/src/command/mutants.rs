//! `stillpoint mutants`: plants bugs and shows which oracles catch them, and how often.

use crate::campaign::hunt::{Bag, Catch, Hunt, wilson_95};
use crate::campaign::pool::{Done, Ending, run_all};
use crate::command::args::MutantsArgs;
use crate::command::figures::{count, percent, plural};
use crate::command::run::crashed;
use crate::command::table::{Table, folded, listed};
use crate::command::{Host, Refusal, known};
use crate::report::{MutantInfo, Runner};

const HEADERS: [&str; 7] =
    ["mutant", "stories", "tried", "caught", "probability (95 %)", "oracles", "first seed"];

/// Lines of the oracles' column are no wider.
const ORACLES_WIDTH_MAX: usize = 28;

/// Hunts mutants.
pub(super) fn mutants(
    runner: &dyn Runner,
    args: &MutantsArgs,
    host: &mut Host<'_>,
) -> Result<i32, Refusal> {
    let begun_ns = (host.now_ns)();
    let mutants = mutants_named(runner, &args.mutant)?;
    let hunt = Hunt::new(&mutants, args.seeds, args.first_seed, args.size);
    let mut bag = Bag::new(mutants);
    let bar = host.bar(hunt.len());
    let deadline_ns = args.budget.map(|seconds| begun_ns + seconds * 1_000_000_000);
    let limits = host.limits(args.jobs, deadline_ns);
    let mut each = |done: Done| {
        bag.add(&done.request, &done.report);
        bar.inc(1);
        bar.set_message(format!("{} not caught yet", bag.survivors().len()));
    };
    let ending = run_all(runner, &|index| hunt.request(index), &limits, &mut each);
    bar.finish_and_clear();
    host.out.write_all(table(&bag).as_bytes())?;
    conclude(&bag, &ending, host)
}

fn mutants_named(runner: &dyn Runner, names: &[String]) -> Result<Vec<MutantInfo>, Refusal> {
    let all = runner.mutants();
    let possible: Vec<&'static str> = all.iter().map(|mutant| mutant.name).collect();
    for name in names {
        known("mutant", name, &possible)?;
    }
    let wanted = |it: &MutantInfo| names.is_empty() || names.iter().any(|name| name == it.name);
    let mutants: Vec<MutantInfo> = all.into_iter().filter(wanted).collect();
    if mutants.is_empty() {
        return Err(Refusal("there is no mutant to hunt".to_string()));
    }
    Ok(mutants)
}

fn table(bag: &Bag) -> String {
    let mut table = Table::new(&HEADERS, &[0, 1, 5, 6], &[]);
    for (info, catch) in &bag.mutants {
        let stories: Vec<String> = info.stories.iter().map(|it| folded(it)).collect();
        table.row(row(&folded(info.name), &stories.join(",\n"), catch));
    }
    table.row(row("none", "all of the above", &bag.control));
    table.draw()
}

fn row(name: &str, stories: &str, catch: &Catch) -> [String; 7] {
    let (low, high) = wilson_95(catch.caught, catch.tried);
    let oracles = catch.oracles.iter().map(|(oracle, seeds)| format!("{oracle} {}", count(*seeds)));
    let first = catch.first.as_ref().map(|it| format!("{} of\n{}", it.seed, folded(it.story)));
    [
        name.to_string(),
        stories.to_string(),
        count(catch.tried),
        count(catch.caught),
        format!("{} to {}", percent(low), percent(high)),
        listed(oracles.collect(), ORACLES_WIDTH_MAX),
        first.unwrap_or_else(|| "-".to_string()),
    ]
}

/// Says what is wrong, if anything, and returns the exit status.
fn conclude(bag: &Bag, ending: &Ending, host: &mut Host<'_>) -> Result<i32, Refusal> {
    writeln!(host.out)?;
    match ending {
        Ending::Crashed(crash) => {
            return Err(Refusal(crashed(&crash.request, &crash.message)));
        }
        Ending::Interrupted => writeln!(host.out, "interrupted before the hunt was over")?,
        Ending::OutOfTime => writeln!(host.out, "the budget ended before all seeds had run")?,
        Ending::Finished => {}
    }
    for (info, _) in bag.mutants.iter().filter(|(_, catch)| catch.tried > 0 && catch.caught == 0) {
        writeln!(host.out, "NOT CAUGHT: {}: {}", info.name, info.what)?;
    }
    if let Some(first) = &bag.control.first {
        let seeds = plural(bag.control.caught, "seed");
        writeln!(host.out, "FALSE ALARM without a mutant in {seeds}; {}", first.replay_command())?;
    }
    if bag.control.undecided > 0 {
        let seeds = plural(bag.control.undecided, "seed");
        writeln!(host.out, "UNDECIDED without a mutant in {seeds}")?;
    }
    for name in bag.untried() {
        writeln!(host.out, "not tried: {name}")?;
    }
    let status = bag.status();
    if status == 0 {
        let caught = plural(bag.mutants.len() as u64, "mutant");
        let quiet = plural(bag.control.tried, "seed");
        writeln!(host.out, "{caught}, all caught; no alarm in {quiet} without a mutant")?;
    }
    Ok(status)
}
