//! A runner that only pretends: its stories have the outcomes their names promise, by
//! arithmetic on the seed. With it the command can be tested without a simulation.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use stillpoint_scenarios::report::{
    Failure, MutantInfo, Phase, Runner, SeedReport, SeedRequest, Size, StoryInfo, Verdict,
};
use stillpoint_sim::{Coverage, Tape, TapeFit, World};

/// Which stories there are, and what their seeds come to.
pub(crate) struct Rehearsal {
    /// Names and what each comes to.
    pub(crate) stories: Vec<(&'static str, Fate)>,
    /// What the canary comes to; anything but [`Fate::Breaks`] must stop the campaign.
    pub(crate) canary: Fate,
    /// Runs made so far, of all stories.
    pub(crate) runs: AtomicU64,
}

/// What the seeds of a story come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(dead_code, reason = "each test binary uses some of them")]
pub(crate) enum Fate {
    /// Every seed is green.
    Holds,
    /// Green, but one seed in this many is vacuous.
    VacuousOnceIn(u64),
    /// Reported as green without a single item compared.
    Hollow,
    /// Even seeds are broken.
    Breaks,
    /// Broken in a seed in which the 8th of 50 messages of node 2 is lost: see [`is_lost`]. Where
    /// the 5th is, another promise is broken.
    BreaksOnLoss,
    /// Seed 3 cannot be decided.
    Wavers,
    /// Seed 2 panics.
    Panics,
    /// Green; a node panics in every seed.
    NodePanics,
    /// Green; hash and third event depend on how many runs there were before.
    Drifts,
    /// Green; the hash depends on how many runs there were before, and no event does.
    Wobbles,
}

impl Rehearsal {
    /// These stories, and a canary that fails as it should.
    pub(crate) fn of(stories: &[(&'static str, Fate)]) -> Rehearsal {
        let runs = AtomicU64::new(0);
        Rehearsal { stories: stories.to_vec(), canary: Fate::Breaks, runs }
    }

    fn fate(&self, request: &SeedRequest) -> Fate {
        let found = self.stories.iter().find(|(name, _)| *name == request.story);
        match (request.mutant, found) {
            (Some("canary"), _) => self.canary,
            (Some("late-marker"), _) => Fate::Breaks,
            (_, found) => found.expect("the command asks only for known stories").1,
        }
    }
}

impl Runner for Rehearsal {
    fn stories(&self) -> Vec<StoryInfo> {
        let info = |(name, _): &(&'static str, Fate)| StoryInfo {
            name,
            claim: "Nothing is lost between two acknowledgements.",
            phases: &[Phase::Seal],
        };
        self.stories.iter().map(info).collect()
    }

    fn mutants(&self) -> Vec<MutantInfo> {
        let stories: Vec<&'static str> = self.stories.iter().map(|(name, _)| *name).collect();
        vec![
            MutantInfo {
                name: "late-marker",
                what: "The marker is appended after the queue.",
                stories: stories.clone(),
            },
            MutantInfo { name: "harmless", what: "Changes nothing that matters.", stories },
        ]
    }

    fn canary(&self) -> SeedRequest {
        SeedRequest { mutant: Some("canary"), ..SeedRequest::new(self.stories[0].0, 2) }
    }

    fn points(&self) -> &'static [&'static str] {
        &["cut.begins", "cut.ends", "cut.fails"]
    }

    fn run(&self, request: &SeedRequest) -> SeedReport {
        let before = self.runs.fetch_add(1, Ordering::Relaxed);
        let fate = self.fate(request);
        let seed = request.seed;
        assert!(fate != Fate::Panics || seed != 2, "the dice fell off the table");
        let mut report = quiet(request);
        match fate {
            Fate::VacuousOnceIn(n) if seed.is_multiple_of(n) => {
                report.verdict = Verdict::Vacuous("the backup never finished".to_string());
            }
            Fate::Hollow => report.items_compared = 0,
            Fate::Breaks if seed.is_multiple_of(2) => report.verdict = broken(seed),
            Fate::BreaksOnLoss => break_on_loss(&request.tape(), &mut report),
            Fate::Wavers if seed == 3 => {
                report.verdict = Verdict::Undecided("more than 10,000 orders to try".to_string());
            }
            Fate::NodePanics => report.crashes_by_panic = vec!["node 2: index 9 of 4".to_string()],
            Fate::Drifts => {
                report.hash += before;
                if request.event_log {
                    report.event_log = drifting_log(before);
                }
            }
            Fate::Wobbles => report.hash += before,
            _ => {}
        }
        report
    }
}

/// Whether node 2's message of this number is lost, which happens to one in four.
fn is_lost(tape: &Tape, message: u64) -> bool {
    tape.decision("node-2/net.loss", message) >> 62 == 3
}

fn break_on_loss(tape: &Tape, report: &mut SeedReport) {
    report.draws = BTreeMap::from([("node-2/net.loss".to_string(), 50)]);
    let lost = (0..50).filter(|it| is_lost(tape, *it)).count() as u64;
    report.faults.insert("drop".to_string(), lost);
    report.events = 1_000 + lost;
    if is_lost(tape, 7) {
        report.verdict = broken(tape.seed);
    } else if is_lost(tape, 4) {
        let failure = Failure::new("index", "an index is behind".to_string());
        report.verdict = Verdict::Broken(vec![failure]);
    }
}

/// The fifth event is the first that differs.
fn drifting_log(before: u64) -> Vec<String> {
    let drawn = format!("5000 node-2 draws {before}");
    let log = [
        "1000 node-1 poll #1",
        "2000 node-2 poll #2",
        "3000 node-1>node-2 net.deliver Ask",
        "4000 node-1 timer #7",
        &drawn,
        "6000 node-1 poll #1",
    ];
    log.map(str::to_string).to_vec()
}

fn broken(seed: u64) -> Verdict {
    let explanation = format!(
        "write {seed} was acknowledged before the backup began\nbut is not in it <\"{seed}\">"
    );
    Verdict::Broken(vec![Failure::new("cut", explanation)])
}

/// What a world saw in which only this point was passed.
fn passing(point: &'static str) -> Coverage {
    let world = World::new(Tape::new(1));
    world.driver().point(point, 1);
    Coverage::of(&world)
}

/// A green report with figures that follow from the seed.
fn quiet(request: &SeedRequest) -> SeedReport {
    let seed = request.seed;
    let faults = [("crash", 1 + seed % 3), ("drop", 100 * seed), ("slow disk", 2)];
    let log = ["1000 node 1 writes", "2000 node 2 reads"];
    SeedReport {
        story: request.story,
        seed,
        hash: 0x5eed_0000_0000_0000 ^ seed,
        nodes: if request.size == Size::Small { 3 } else { 9 },
        partitions: if request.size == Size::Small { 4 } else { 64 },
        writes_acknowledged: 150,
        backups_available: 1,
        restores_compared: 1,
        restores_refused: 0,
        items_compared: 40 + seed,
        faults: faults
            .map(|(kind, number)| (kind.to_string(), number))
            .into_iter()
            .collect::<BTreeMap<_, _>>(),
        faults_by_phase: BTreeMap::from([(Phase::Seal, seed % 3)]),
        writes_in_cut_min: None,
        skew_ns_max: Some(0),
        write_p50_ns: 2_000_000,
        write_p99_ns: 4_000_000,
        hold_ns_max: 1_500_000 + seed,
        available_ns_max: 12_000_000_000 + seed,
        simulated_ns: 60_000_000_000,
        events: 10_000,
        draws: BTreeMap::new(),
        tape_fit: TapeFit { matched: request.overrides.len() as u64, ..TapeFit::default() },
        coverage: passing(if seed.is_multiple_of(2) { "cut.begins" } else { "cut.ends" }),
        crashes_by_panic: Vec::new(),
        verdict: Verdict::Green,
        transcript: vec![format!("     487 CreateBackup {{ table: \"orders\" }} in seed {seed}")],
        event_log: if request.event_log { log.map(str::to_string).to_vec() } else { Vec::new() },
    }
}
