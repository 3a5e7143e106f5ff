//! Makes a `#[test]` of a scenario: many seeds on all cores, and the first failing one shrunk,
//! with the command that shows it again.
//!
//! `SEEDS=5000` in the environment tries more seeds than the test asks for, `SEED=17` runs that
//! one alone and prints its events, `TAPE='...'` the same for a tape, `EVENTS=500` prints so many
//! of them. What a world saw is judged here too: a panic of a program and a violated property
//! are failures whatever the scenario says.

mod environment;
mod pool;

use crate::property::Coverage;
use crate::shrink::{Shrunk, Trial, shrink};
use crate::tape::Tape;
use crate::world::World;
use environment::{Asked, Environment};

/// Runs that shrinking may take.
const SHRINK_RUNS_MAX: u64 = 1_000;

/// Events that are shown of a run that is replayed.
const EVENTS_SHOWN: usize = 60;

/// How a scenario is checked.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    seeds: u64,
    covered: Option<&'static str>,
    panics_allowed: bool,
}

/// Runs a scenario on the seeds `0..seeds`, each in a fresh world, on all cores. The scenario
/// adds hosts, runs the world and says what was wrong.
///
/// ```
/// use bytes::Bytes;
/// use stillpoint_sim::check;
///
/// // In a test: `#[test] fn an_echo_comes_back() { ... }`
/// check(50, |world| {
///     let echo = world.add_host("echo", "zone-a");
///     world.boot(echo, |host| async move {
///         let (from, message) = host.receive().await;
///         host.send(from, message);
///     });
///     let driver = world.driver();
///     let answer = world.run(1_000_000_000, async move {
///         driver.send(echo, Bytes::from_static(b"hello"));
///         driver.receive().await.1
///     });
///     match answer {
///         Ok(answer) if answer == "hello" => Ok(()),
///         other => Err(format!("the echo was {other:?}")),
///     }
/// });
/// ```
///
/// # Panics
/// A seed fails. The message has its shrunk tape and how to replay it.
pub fn check(seeds: u64, scenario: impl Fn(&World) -> Result<(), String> + Sync) {
    Check::new(seeds).run(scenario);
}

impl Check {
    /// A check of so many seeds.
    pub fn new(seeds: u64) -> Self {
        Self { seeds, covered: None, panics_allowed: false }
    }

    /// Fails also if the seeds together miss a `sometimes!`, `reachable!` or `always!` of the
    /// modules whose path begins so; give it `module_path!()` or the name of a crate.
    #[must_use]
    pub fn covering(self, module: &'static str) -> Self {
        Self { covered: Some(module), ..self }
    }

    /// A program may panic, as where a machine is to die of what it finds on its disk.
    #[must_use]
    pub fn allowing_panics(self) -> Self {
        Self { panics_allowed: true, ..self }
    }

    /// Checks a scenario: see [`check`].
    ///
    /// # Panics
    /// A seed fails, or the seeds miss what they are to cover.
    pub fn run(self, scenario: impl Fn(&World) -> Result<(), String> + Sync) {
        let environment = Environment::read();
        match &environment.asked {
            Asked::Tape(tape) => self.replay(tape, environment.events, &scenario),
            Asked::Seeds(seeds) => {
                let outcome = pool::run_seeds(seeds.unwrap_or(self.seeds), &|seed| {
                    let world = World::new(Tape::new(seed));
                    (self.judge(&world, scenario(&world)), world)
                });
                if let Some((seed, failure)) = outcome.failed {
                    panic!("{}", self.explain(seed, &failure, &scenario));
                }
                self.demand_coverage(&outcome.coverage);
            }
        }
    }

    /// What is wrong with a run, in full.
    fn judge(&self, world: &World, result: Result<(), String>) -> Option<String> {
        let violation = world.violations().first().map(ToString::to_string);
        let panic = world.panics().into_iter().find(|_| !self.panics_allowed);
        let panic = panic.map(|it| format!("{} panicked: {}", it.host, it.message));
        violation.or(panic).or(result.err())
    }

    fn demand_coverage(&self, coverage: &Coverage) {
        let missed = self.covered.map(|it| coverage.missed(it)).unwrap_or_default();
        let line = |it: &&crate::Property| {
            format!("\n  {} at {}:{}: {}", it.kind.name(), it.file, it.line, it.claim)
        };
        let lines: String = missed.iter().map(line).collect();
        let seeds = coverage.worlds();
        assert!(
            missed.is_empty(),
            "{seeds} seeds never met{lines}\ntry more: SEEDS={}",
            seeds * 10
        );
    }

    fn explain(
        &self,
        seed: u64,
        failure: &str,
        scenario: &impl Fn(&World) -> Result<(), String>,
    ) -> String {
        let mut full = failure.to_string();
        let trial = |tape: &Tape| {
            let world = World::new(tape.clone());
            let failure = self.judge(&world, scenario(&world));
            if let Some(failure) = failure.clone() {
                full = failure;
            }
            Trial::of(&world, failure.as_deref().map(reason_of))
        };
        let shrunk = shrink(&Tape::new(seed), SHRINK_RUNS_MAX, trial);
        let test = std::thread::current().name().unwrap_or("the test").to_string();
        match shrunk {
            Ok(shrunk) => report(&test, seed, failure, &shrunk),
            Err(_) => format!(
                "seed {seed} fails, but not a second time: {failure}\nthe code under test does \
                 something that the seed does not decide (a clock, a hash map's order, a thread)"
            ),
        }
    }

    /// Runs one tape and shows what happened.
    fn replay(
        &self,
        tape: &Tape,
        events_shown: Option<usize>,
        scenario: &impl Fn(&World) -> Result<(), String>,
    ) {
        let world = World::new(tape.clone());
        world.record_events(true);
        let failure = self.judge(&world, scenario(&world));
        let transcript = world.transcript();
        let lines: Vec<&str> = transcript.lines().collect();
        let shown = &lines[lines.len().saturating_sub(events_shown.unwrap_or(EVENTS_SHOWN))..];
        println!("the last {} of {} events:", shown.len(), lines.len());
        shown.iter().for_each(|it| println!("{it}"));
        println!("faults: {:?}", world.fault_counts());
        let fit = world.tape_fit();
        if !fit.is_whole() {
            println!("{fit}; is the tape of this code?");
        }
        if let Some(failure) = failure {
            panic!("tape `{tape}` fails: {failure}");
        }
        println!("tape `{tape}` passes, hash {:016x}", world.hash());
    }
}

/// Failures are the same if they differ in nothing but numbers.
fn reason_of(failure: &str) -> String {
    let mut reason = String::new();
    for it in failure.chars() {
        match it.is_ascii_digit() {
            true if reason.ends_with('#') => {}
            true => reason.push('#'),
            false => reason.push(it),
        }
    }
    reason
}

fn report(test: &str, seed: u64, failure: &str, shrunk: &Shrunk) -> String {
    format!(
        "seed {seed} fails: {failure}\n{shrunk}\nsee it again:\n  SEED={seed} cargo test {test} -- \
         --nocapture\n  TAPE='{}' cargo test {test} -- --nocapture",
        shrunk.tape
    )
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;
    use crate::sometimes;

    /// Fails if two of three draws are large, which happens to one seed in 64.
    fn scenario(world: &World) -> Result<(), String> {
        let host = world.driver();
        let noise = world.dice("test/noise");
        (0..100).for_each(|_| assert_ne!(noise.raw(), 1));
        let unlucky = world.dice("test/luck");
        let draws: Vec<bool> = (0..3).map(|_| unlucky.chance(1, 8)).collect();
        sometimes!(host, draws[2], "the third draw is large");
        match draws[0] && draws[1] {
            true => Err(format!("{} draws were large", 2 + u64::from(draws[2]))),
            false => Ok(()),
        }
    }

    fn message(check: Check, scenario: fn(&World) -> Result<(), String>) -> String {
        let caught = catch_unwind(|| check.run(scenario)).expect_err("it fails");
        caught.downcast_ref::<String>().expect("panics have a text").clone()
    }

    #[test]
    fn the_first_failing_seed_is_shrunk_and_can_be_replayed() {
        let message = message(Check::new(1_000), scenario);
        let fails = |seed: &u64| scenario(&World::new(Tape::new(*seed))).is_err();
        let first = (0..).find(fails).expect("one in 64 does");
        assert!(message.starts_with(&format!("seed {first} fails: ")), "{message}");
        assert!(message.contains("2 of 104 decisions matter"), "{message}");
        assert!(message.contains("test/luck[0]") && message.contains("test/luck[1]"), "{message}");
        let tape = message.split('\'').nth(1).expect("there is a tape");
        let tape: Tape = tape.parse().expect("it can be read");
        assert!(scenario(&World::new(tape)).is_err());
    }

    #[test]
    fn coverage_can_be_demanded() {
        let rare: fn(&World) -> Result<(), String> = |world| {
            sometimes!(world.driver(), false, "this never holds");
            Ok(())
        };
        let message = message(Check::new(5).covering(module_path!()), rare);
        assert!(message.contains("5 seeds never met"), "{message}");
        assert!(message.contains("this never holds"), "{message}");
    }

    #[test]
    fn panics_and_violations_are_failures_of_their_own() {
        let panics: fn(&World) -> Result<(), String> = |world| {
            let node = world.add_host("node", "zone");
            world.boot(node, |_| async { panic!("the node is done for") });
            let driver = world.driver();
            world.run(1_000, async move { driver.sleep(10).await }).map_err(|it| it.to_string())
        };
        assert!(message(Check::new(3), panics).contains("the node is done for"));
        Check::new(3).allowing_panics().run(panics);
        let violates: fn(&World) -> Result<(), String> = |world| {
            crate::always!(world.driver(), false, "two and two are four");
            Ok(())
        };
        assert!(message(Check::new(3), violates).contains("two and two are four"));
    }

    #[test]
    fn numbers_do_not_tell_failures_apart() {
        assert_eq!(reason_of("key 17 has 3 values"), reason_of("key 4 has 12 values"));
        assert_ne!(reason_of("key 17 lost"), reason_of("key 17 twice"));
    }
}
