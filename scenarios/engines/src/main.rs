//! The command line of the second opinions: which planted bugs each engine finds, how the stories
//! end on each, and one run again.

use std::process::ExitCode;
use std::thread;

use clap::{Parser, Subcommand};
use stillpoint_engines::Engine;
use stillpoint_scenarios::campaign::hunt::{Bag, Catch, Hunt};
use stillpoint_scenarios::report::{Runner, SeedRequest, Size, Verdict};
use stillpoint_scenarios::stories::{CANARY, Stories};
use tabled::builder::Builder;
use tabled::settings::object::{Columns, Object, Rows};
use tabled::settings::{Alignment, Style};

/// Tells stillpoint's stories on its own engine, on madsim and on turmoil.
#[derive(Parser)]
#[command(disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Which planted bugs does each engine find? Exit status 1 if the native one misses a bug in
    /// all seeds, another all bugs, or any sounds the alarm where nothing is planted.
    Bugs {
        /// Seeds of each bug.
        #[arg(long, default_value_t = 50)]
        seeds: u64,
    },
    /// How do the stories end? Exit status 1 if a promise is broken or an oracle cannot decide.
    Stories {
        /// Seeds of each story.
        #[arg(long, default_value_t = 50)]
        seeds: u64,
        /// Engines; without any: all of this build.
        #[arg(long = "engine", value_parser = Engine::by_name)]
        engines: Vec<Engine>,
        /// Stories; without any: all.
        names: Vec<String>,
    },
    /// One run again: its verdict, and the hash of all that happened. Exit status 1 if a promise
    /// is broken.
    Replay {
        /// `native`, `madsim` or `turmoil`.
        #[arg(value_parser = Engine::by_name)]
        engine: Engine,
        /// The story.
        story: String,
        /// The seed, of the world and of the engine.
        seed: u64,
        /// The bug to plant.
        #[arg(long)]
        mutant: Option<String>,
    },
}

fn main() -> ExitCode {
    let passed = match Arguments::parse().what {
        What::Bugs { seeds } => Ok(bugs(seeds)),
        What::Stories { seeds, engines, names } => stories(seeds, &engines, &names),
        What::Replay { engine, story, seed, mutant } => {
            replay(engine, &story, seed, mutant.as_deref())
        }
    };
    match passed {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(2)
        }
    }
}

fn draw(rows: Builder) -> String {
    let mut table = rows.build();
    table.with(Style::markdown());
    table.modify(Columns::new(2..).not(Rows::first()), Alignment::right());
    table.to_string()
}

fn bugs(seeds: u64) -> bool {
    let bags: Vec<Bag> = thread::scope(|scope| {
        let hunts: Vec<_> =
            Engine::ALL.iter().map(|it| scope.spawn(move || hunt(*it, seeds))).collect();
        hunts.into_iter().map(|it| it.join().expect("a hunt does not panic")).collect()
    });
    let mut rows = Builder::default();
    rows.push_record(headers(&["planted bug", "story"]));
    let cell = |it: &Catch| format!("{} of {}", it.caught, it.tried);
    for (place, (info, _)) in bags[0].mutants.iter().enumerate() {
        let found = bags.iter().map(|it| cell(&it.mutants[place].1));
        rows.push_record([info.name.to_owned(), info.stories.join(", ")].into_iter().chain(found));
    }
    let none = ["none".to_owned(), "all of the above".to_owned()];
    rows.push_record(none.into_iter().chain(bags.iter().map(|it| cell(&it.control))));
    println!("{}", draw(rows));
    let quiet = |it: &Bag| it.control.caught + it.control.undecided == 0;
    let hears = |it: &Bag| it.mutants.iter().any(|(_, catch)| catch.caught > 0);
    bags[0].status() == 0 && bags.iter().all(|it| quiet(it) && hears(it))
}

fn headers(first: &[&str]) -> Vec<String> {
    let engines = Engine::ALL.iter().map(Engine::to_string);
    first.iter().map(ToString::to_string).chain(engines).collect()
}

fn hunt(engine: Engine, seeds: u64) -> Bag {
    let mutants = Stories.mutants();
    let hunt = Hunt::new(&mutants, seeds, 1, Size::Small);
    let mut bag = Bag::new(mutants);
    for request in (0..).map_while(|it| hunt.request(it)) {
        bag.add(&request, &engine.tell(&request));
    }
    bag
}

/// How the seeds of a story ended.
#[derive(Default)]
struct Ends {
    green: u64,
    vacuous: u64,
    bad: u64,
}

fn stories(seeds: u64, engines: &[Engine], names: &[String]) -> Result<bool, String> {
    let engines = if engines.is_empty() { Engine::ALL } else { engines };
    let all: Vec<&'static str> = Stories.stories().iter().map(|it| it.name).collect();
    let chosen = names.iter().map(|it| known(it, &all)).collect::<Result<Vec<_>, _>>()?;
    let (mut rows, mut passed) = (Builder::default(), true);
    rows.push_record(["story", "engine", "seeds", "green", "vacuous", "broken or undecided"]);
    for story in if chosen.is_empty() { all } else { chosen } {
        for &engine in engines {
            let ends = tell_all(engine, story, seeds);
            passed &= ends.bad == 0;
            let counts = [seeds, ends.green, ends.vacuous, ends.bad].map(|it| it.to_string());
            rows.push_record([story.to_owned(), engine.to_string()].into_iter().chain(counts));
        }
    }
    println!("{}", draw(rows));
    Ok(passed)
}

fn tell_all(engine: Engine, story: &'static str, seeds: u64) -> Ends {
    let mut ends = Ends::default();
    for seed in 1..=seeds {
        match engine.tell(&SeedRequest::new(story, seed)).verdict {
            Verdict::Green => ends.green += 1,
            Verdict::Vacuous(_) => ends.vacuous += 1,
            verdict @ (Verdict::Broken(_) | Verdict::Undecided(_)) => {
                ends.bad += 1;
                println!("replay {engine} {story} {seed}: {verdict:#?}");
            }
        }
    }
    ends
}

/// The static name that equals this one.
fn known(name: &str, all: &[&'static str]) -> Result<&'static str, String> {
    let found = all.iter().find(|it| **it == name).copied();
    found.ok_or_else(|| format!("there is no {name}; there are {}", all.join(", ")))
}

fn replay(engine: Engine, story: &str, seed: u64, mutant: Option<&str>) -> Result<bool, String> {
    let stories: Vec<&'static str> = Stories.stories().iter().map(|it| it.name).collect();
    let mut bugs: Vec<&'static str> = Stories.mutants().iter().map(|it| it.name).collect();
    bugs.push(CANARY);
    let mutant = mutant.map(|it| known(it, &bugs)).transpose()?;
    let request = SeedRequest { mutant, ..SeedRequest::new(known(story, &stories)?, seed) };
    let report = engine.tell(&request);
    println!("{:016x} {} events {:#?}", report.hash, report.events, report.verdict);
    Ok(!matches!(report.verdict, Verdict::Broken(_)))
}
