//! Makes a `#[test]` of a scenario: many seeds on all cores, and the first failing one shrunk,
//! with the command that shows it again.
//!
//! `SEEDS=5000` in the environment tries more seeds than the test asks for, `SEED=17` runs that
//! one alone and prints its events, `TAPE='...'` the same for a tape, `EVENTS=500` prints so many
//! of them. What a world saw is judged here too: a panic of a program or of the scenario and a
//! violated property are failures whatever the scenario says.

mod environment;
mod pool;

use crate::fault::Carried;
use crate::panics::{guarded, install_hook};
use crate::property::Coverage;
use crate::shrink::{Shrunk, Trial, shrink};
use crate::tape::Tape;
use crate::world::World;
use environment::{Asked, Environment};

/// Runs that shrinking may take.
const SHRINK_RUNS_MAX: u64 = 1_000;

/// Events that are shown of a run that is replayed.
const EVENTS_SHOWN: usize = 60;

/// What is wrong with a scenario that leaves a world which cannot end.
const KEPT: &str = "a program or a callback keeps a `World`, which is therefore never freed: \
                    programs have their `Host`, and callbacks are handed the world";

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
        install_hook();
        let environment = Environment::read();
        match &environment.asked {
            Asked::Tape(tape) => self.replay(tape, environment.events, &scenario),
            Asked::Seeds(seeds) => {
                let outcome = pool::run_seeds(seeds.unwrap_or(self.seeds), &|seed| {
                    let world = World::new(Tape::new(seed));
                    (self.try_out(&world, &scenario), world)
                });
                if let Some((seed, failure)) = outcome.failed {
                    panic!("{}", self.explain(seed, &failure, &scenario));
                }
                self.demand_coverage(&outcome.coverage);
            }
        }
    }

    /// Runs a scenario in a world of its own: what is wrong with the run, in full.
    fn try_out(
        &self,
        world: &World,
        scenario: &impl Fn(&World) -> Result<(), String>,
    ) -> Option<String> {
        let result = guarded(|| scenario(world));
        let result = result.unwrap_or_else(|why| Err(format!("the scenario panicked: {why}")));
        let violation = world.violations().first().map(ToString::to_string);
        let panic = world.panics().into_iter().find(|_| !self.panics_allowed);
        let panic = panic.map(|it| format!("{} panicked: {}", it.host, it.message));
        let kept = world.is_shared().then(|| KEPT.to_string());
        violation.or(panic).or(result.err()).or(kept)
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
        let trial = |tape: &Tape| {
            let world = World::new(tape.clone());
            let failure = self.try_out(&world, scenario);
            Trial::of(&world, failure.as_deref().map(reason_of))
        };
        let shrunk = shrink(&Tape::new(seed), SHRINK_RUNS_MAX, trial);
        let test = std::thread::current().name().unwrap_or("the test").to_string();
        match shrunk {
            Ok(shrunk) => {
                let world = World::new(shrunk.tape.clone());
                let simplest = self.try_out(&world, scenario).unwrap_or_default();
                report(&test, &format!("seed {seed} fails: {failure}"), &simplest, &world, &shrunk)
            }
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
        world.describe_payloads(readable);
        let failure = self.try_out(&world, scenario);
        let transcript = world.transcript();
        let lines: Vec<&str> = transcript.lines().filter(|it| !it.contains(" poll ")).collect();
        let shown = &lines[lines.len().saturating_sub(events_shown.unwrap_or(EVENTS_SHOWN))..];
        println!("the last {} of {} events, turns of tasks left out:", shown.len(), lines.len());
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

/// A payload as text, if it is one behind the numbers that the world puts before or after it.
fn readable(kind: &str, payload: &[u8]) -> String {
    let is_text = |it: &[u8]| !it.is_empty() && it.iter().all(|it| (b' '..=b'~').contains(it));
    let text = |it: &[u8]| String::from_utf8_lossy(it).into_owned();
    let trimmed = payload.strip_suffix(b"\n").unwrap_or(payload);
    if let Some((detail, name)) = payload.split_first_chunk::<8>().filter(|_| kind == "point") {
        return format!("{} {}", text(name), u64::from_le_bytes(*detail));
    }
    match trimmed.split_first_chunk::<24>() {
        _ if is_text(trimmed) => text(trimmed),
        Some((_, data)) if kind.starts_with("disk.") && is_text(data) => text(data),
        _ => format!("{} bytes", payload.len()),
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

/// What fails, its simplest run with what struck there, and how to see both again.
fn report(test: &str, first: &str, simplest: &str, world: &World, shrunk: &Shrunk) -> String {
    let strike = |it: Carried| format!("\n  at {:.3} ms: {}", it.at_ns as f64 / 1e6, it.what);
    let struck: String = world.struck().into_iter().map(strike).collect();
    let (seed, tape) = (shrunk.tape.seed, &shrunk.tape);
    format!(
        "{first}\nin its simplest form: {simplest}{struck}\n{shrunk}\nsee it again:\n  SEED={seed} \
         cargo test {test} -- --nocapture\n  TAPE='{tape}' cargo test {test} -- --nocapture"
    )
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;
    use crate::{Fault, Plan, Strike, Whom, sometimes};

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
    fn a_scenario_that_panics_is_shrunk_as_others_are() {
        let panics: fn(&World) -> Result<(), String> = |world| {
            let luck = world.dice("test/luck");
            assert!(!luck.chance(1, 8), "it was unlucky");
            Ok(())
        };
        let message = message(Check::new(100), panics);
        assert!(message.contains("the scenario panicked: it was unlucky at"), "{message}");
        assert!(message.contains("1 of 2 decisions matter"), "{message}");
    }

    #[test]
    fn the_strikes_of_the_simplest_run_are_told() {
        let dies: fn(&World) -> Result<(), String> = |world| {
            let node = world.add_host("node", "zone");
            world.boot(node, |_| std::future::pending());
            let crash = Strike::on(Whom::Everyone, Fault::Crash).at_ns(2_500_000);
            world.carry_out(&Plan::of([crash])).map_err(|it| it.to_string())?;
            let driver = world.driver();
            world.run(u64::MAX, async move { driver.sleep(5_000_000).await }).expect("it sleeps");
            if world.is_up(node) { Ok(()) } else { Err("the node is down".to_string()) }
        };
        let message = message(Check::new(1), dies);
        assert!(message.contains("the node is down\n  at 2.500 ms: node crashes"), "{message}");
    }

    #[test]
    fn a_world_that_is_kept_is_told() {
        let keeps: fn(&World) -> Result<(), String> = |world| {
            let node = world.add_host("node", "zone");
            let own = world.clone();
            world.boot(node, move |_| {
                let own = own.clone();
                async move { drop(own.hosts()) }
            });
            Ok(())
        };
        assert!(message(Check::new(1), keeps).contains("programs have their `Host`"));
    }

    #[test]
    fn payloads_that_are_text_are_shown_as_text() {
        assert_eq!(readable("net.deliver", b"[1,\"x\"]"), "[1,\"x\"]");
        assert_eq!(readable("net.deliver", b"\x01\x02"), "2 bytes");
        let number = 7_u64.to_le_bytes();
        assert_eq!(readable("point", &[&number[..], b"answered"].concat()), "answered 7");
        let write = [&[0; 24], &b"a line\n"[..]].concat();
        assert_eq!(readable("disk.append", &write), "a line");
        assert_eq!(readable("disk.sync", &[0; 24]), "24 bytes");
    }

    #[test]
    fn numbers_do_not_tell_failures_apart() {
        assert_eq!(reason_of("key 17 has 3 values"), reason_of("key 4 has 12 values"));
        assert_ne!(reason_of("key 17 lost"), reason_of("key 17 twice"));
    }
}
