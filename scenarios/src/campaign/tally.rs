//! Adds up reports, story by story: the numbers of the campaign's table and the alarms below it.
//!
//! Every operation is a sum, a maximum or a minimum by seed, so the order of the reports does
//! not matter; a test shuffles them.

use std::collections::BTreeMap;

use serde::Serialize;

use stillpoint_sim::Coverage;

use crate::report::{Failure, Phase, SeedReport, SeedRequest, StoryInfo, Verdict};

/// At most one seed in so many may be vacuous: 5 %.
const SEEDS_PER_VACUOUS_MIN: u64 = 20;
/// At least one seed in so many must have a fault in the phase its story aims at: 20 %.
const SEEDS_PER_HIT_MAX: u64 = 5;
/// A share of fewer seeds says nothing.
const SEEDS_OF_A_SHARE_MIN: u64 = 50;

/// The sums of one story.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct StoryTally {
    /// Seeds that were run.
    pub seeds: u64,
    /// Seeds in which a restored backup was compared and every promise held.
    pub green: u64,
    /// Seeds in which too little happened to prove anything.
    pub vacuous: u64,
    /// Seeds an oracle could not decide.
    pub undecided: u64,
    /// Seeds in which a promise was broken.
    pub broken: u64,
    /// Nodes of the largest cluster.
    pub nodes_max: u32,
    /// Partitions of the largest cluster.
    pub partitions_max: u32,
    /// Writes acknowledged, in all seeds.
    pub writes_acknowledged: u64,
    /// Backups that became AVAILABLE, in all seeds.
    pub backups: u64,
    /// Restores compared, in all seeds.
    pub restores: u64,
    /// Items compared, in all seeds.
    pub items_compared: u64,
    /// Faults injected, by kind.
    pub faults: BTreeMap<String, u64>,
    /// Faults that were placed and struck, by phase.
    pub faults_by_phase: BTreeMap<Phase, u64>,
    /// Seeds in which at least one of those struck in the phase.
    pub seeds_by_phase: BTreeMap<Phase, u64>,
    /// The fewest writes that a partition committed between a request and its seal.
    pub writes_in_cut_min: Option<u64>,
    /// Largest skew measured, in simulated nanoseconds.
    pub skew_ns_max: Option<u64>,
    /// Longest hold of writes, in simulated nanoseconds.
    pub hold_ns_max: u64,
    /// Slowest time to AVAILABLE, in simulated nanoseconds.
    pub available_ns_max: u64,
    /// Simulated time, in nanoseconds.
    pub simulated_ns: u64,
    /// Simulated events.
    pub events: u64,
    /// Simulated nodes that panicked.
    pub crashes_by_panic: u64,
    /// Real time spent by threads on this story, in nanoseconds.
    pub busy_ns: u64,
}

/// One oracle's alarms in one story.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Alarm {
    /// The first seed that raised it.
    pub request: SeedRequest,
    /// The oracle and its witness, in that seed.
    pub failure: Failure,
    /// How many seeds raised it.
    pub seeds: u64,
}

/// Something worth telling that is not an alarm: the first seed of its kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Remark {
    /// The first seed of which it is true.
    pub request: SeedRequest,
    /// In one line.
    pub text: String,
    /// Of how many seeds it is true.
    pub seeds: u64,
}

/// What kind of thing a [`Remark`] tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RemarkKind {
    /// An oracle could not decide.
    Undecided,
    /// A node panicked.
    CrashByPanic,
    /// Too little happened.
    Vacuous,
}

/// A whole campaign's sums.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// The stories, in the order in which they are shown.
    pub stories: Vec<(StoryInfo, StoryTally)>,
    /// Alarms by place of the story and oracle's name.
    pub alarms: BTreeMap<(usize, String), Alarm>,
    /// Remarks by kind and place of the story.
    pub remarks: BTreeMap<(RemarkKind, usize), Remark>,
    /// What the seeds of all stories came by.
    pub coverage: Coverage,
    /// The points that some seed is to pass.
    pub points: &'static [&'static str],
    /// Whether a campaign in which no seed passes one of them has not held.
    pub coverage_required: bool,
}

impl Tally {
    /// A tally of these stories, with nothing counted yet.
    pub fn new(stories: Vec<StoryInfo>) -> Tally {
        let stories = stories.into_iter().map(|info| (info, StoryTally::default())).collect();
        let (alarms, remarks) = (BTreeMap::new(), BTreeMap::new());
        let coverage = Coverage::default();
        Tally { stories, alarms, remarks, coverage, points: &[], coverage_required: false }
    }

    /// Counts one report, whose run took `busy_ns` of real time.
    ///
    /// # Panics
    /// If the request names a story that is not in the tally.
    pub fn add(&mut self, request: &SeedRequest, report: &SeedReport, busy_ns: u64) {
        let place = self.stories.iter().position(|(info, _)| info.name == request.story);
        let place = place.expect("a campaign only runs stories of its plan");
        self.stories[place].1.add_figures(report, busy_ns);
        self.coverage.merge(report.coverage.clone());
        self.add_verdict(place, request, sound_verdict(report));
        if let Some(first) = report.crashes_by_panic.first() {
            self.remark(RemarkKind::CrashByPanic, place, request, first.clone());
        }
    }

    fn add_verdict(&mut self, place: usize, request: &SeedRequest, verdict: Verdict) {
        let story = &mut self.stories[place].1;
        match verdict {
            Verdict::Green => story.green += 1,
            Verdict::Vacuous(why) => {
                story.vacuous += 1;
                self.remark(RemarkKind::Vacuous, place, request, why);
            }
            Verdict::Undecided(why) => {
                story.undecided += 1;
                self.remark(RemarkKind::Undecided, place, request, why);
            }
            Verdict::Broken(failures) => {
                story.broken += 1;
                for failure in one_per_oracle(failures).into_values() {
                    self.alarm(place, request, failure);
                }
            }
        }
    }

    fn alarm(&mut self, place: usize, request: &SeedRequest, failure: Failure) {
        let key = (place, failure.oracle.clone());
        let new = Alarm { request: request.clone(), failure, seeds: 0 };
        let alarm = self.alarms.entry(key).or_insert_with(|| new.clone());
        let seeds = alarm.seeds + 1;
        if new.request.seed < alarm.request.seed {
            *alarm = new;
        }
        alarm.seeds = seeds;
    }

    fn remark(&mut self, kind: RemarkKind, place: usize, request: &SeedRequest, text: String) {
        let new = Remark { request: request.clone(), text, seeds: 0 };
        let remark = self.remarks.entry((kind, place)).or_insert_with(|| new.clone());
        let seeds = remark.seeds + 1;
        if new.request.seed < remark.request.seed {
            *remark = new;
        }
        remark.seeds = seeds;
    }

    /// A figure of each story, summed over the stories.
    pub fn sum(&self, figure: impl Fn(&StoryTally) -> u64) -> u64 {
        self.stories.iter().map(|(_, story)| figure(story)).sum()
    }

    /// What the campaign as a whole has shown.
    pub fn conclusion(&self) -> Conclusion {
        let vacuous = self.sum(|story| story.vacuous);
        let story = |wanted: fn(&StoryTally) -> bool| {
            self.stories.iter().find(|(_, story)| wanted(story)).map(|(info, _)| info.name)
        };
        if self.sum(|story| story.broken) > 0 {
            Conclusion::Broken
        } else if let Some(name) = story(|story| story.seeds == 0) {
            Conclusion::NotRun(name)
        } else if self.sum(|story| story.undecided) > 0 {
            Conclusion::Undecided
        } else if let Some(name) = story(|story| story.green == 0) {
            Conclusion::NeverGreen(name)
        } else if vacuous * SEEDS_PER_VACUOUS_MIN > self.sum(|story| story.seeds) {
            Conclusion::TooVacuous
        } else if let Some((name, phase)) = self.missed() {
            Conclusion::PhaseMissed(name, phase)
        } else if let gaps @ 1.. = self.gaps().len() as u64
            && self.coverage_required
        {
            Conclusion::NotCovered(gaps)
        } else {
            Conclusion::Held
        }
    }
}

impl Tally {
    /// The first story whose faults hardly ever struck where they were aimed at, and the phase.
    fn missed(&self) -> Option<(&'static str, Phase)> {
        self.stories.iter().find_map(|(info, story)| {
            let missed = info.phases.iter().find(|it| story.misses(**it));
            missed.map(|phase| (info.name, *phase))
        })
    }
}

impl StoryTally {
    /// In how many of a hundred seeds a placed fault struck in this phase.
    pub fn hit_percent(&self, phase: Phase) -> u64 {
        let hit = self.seeds_by_phase.get(&phase).copied().unwrap_or(0);
        hit * 100 / self.seeds.max(1)
    }

    /// Whether no fault struck in this phase in any seed.
    pub(super) fn never_struck(&self, phase: Phase) -> bool {
        self.seeds_by_phase.get(&phase).is_none_or(|seeds| *seeds == 0)
    }

    fn misses(&self, phase: Phase) -> bool {
        let hit = self.seeds_by_phase.get(&phase).copied().unwrap_or(0);
        self.seeds >= SEEDS_OF_A_SHARE_MIN && hit * SEEDS_PER_HIT_MAX < self.seeds
    }

    fn add_figures(&mut self, report: &SeedReport, busy_ns: u64) {
        self.seeds += 1;
        self.nodes_max = self.nodes_max.max(report.nodes);
        self.partitions_max = self.partitions_max.max(report.partitions);
        self.writes_acknowledged += report.writes_acknowledged;
        self.backups += u64::from(report.backups_available);
        self.restores += u64::from(report.restores_compared);
        self.items_compared += report.items_compared;
        for (kind, count) in &report.faults {
            *self.faults.entry(kind.clone()).or_default() += count;
        }
        for (phase, count) in &report.faults_by_phase {
            *self.faults_by_phase.entry(*phase).or_default() += count;
            *self.seeds_by_phase.entry(*phase).or_default() += u64::from(*count > 0);
        }
        let fewest = self.writes_in_cut_min.into_iter().chain(report.writes_in_cut_min).min();
        self.writes_in_cut_min = fewest;
        self.skew_ns_max = self.skew_ns_max.max(report.skew_ns_max);
        self.hold_ns_max = self.hold_ns_max.max(report.hold_ns_max);
        self.available_ns_max = self.available_ns_max.max(report.available_ns_max);
        self.simulated_ns += report.simulated_ns;
        self.events += report.events;
        self.crashes_by_panic += report.crashes_by_panic.len() as u64;
        self.busy_ns += busy_ns;
    }
}

/// What a campaign has shown, from worst to best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    /// At least one promise was broken.
    Broken,
    /// This story had not one seed.
    NotRun(&'static str),
    /// At least one seed could not be decided.
    Undecided,
    /// In this story no seed proved anything.
    NeverGreen(&'static str),
    /// More than 5 % of the seeds were vacuous.
    TooVacuous,
    /// In fewer than 20 % of this story's seeds a fault struck in this phase, its aim.
    PhaseMissed(&'static str, Phase),
    /// So many things that a seed was to come by were never come by, and that was required.
    NotCovered(u64),
    /// Every promise held.
    Held,
}

impl Conclusion {
    /// The exit status: 0 only for [`Conclusion::Held`], 2 if a story did not run, else 1.
    pub fn status(self) -> i32 {
        match self {
            Conclusion::Held => 0,
            Conclusion::NotRun(_) => 2,
            _ => 1,
        }
    }
}

/// The report's verdict, checked against its own figures: green demands a backup that became
/// AVAILABLE and was restored and compared with items in it, and an alarm demands a witness.
pub fn sound_verdict(report: &SeedReport) -> Verdict {
    match &report.verdict {
        // Where a restore may refuse, to refuse is as good as to be exact.
        Verdict::Green if report.restores_refused > 0 => Verdict::Green,
        Verdict::Green if report.backups_available == 0 => {
            Verdict::Vacuous("no backup became AVAILABLE".to_string())
        }
        Verdict::Green if report.restores_compared == 0 => {
            Verdict::Vacuous("no restore was compared".to_string())
        }
        Verdict::Green if report.items_compared == 0 => {
            Verdict::Vacuous("the restores that were compared were empty".to_string())
        }
        Verdict::Broken(failures) if failures.is_empty() => Verdict::Broken(vec![Failure::new(
            "(no oracle)",
            "the run was reported as broken without a witness".to_string(),
        )]),
        verdict => verdict.clone(),
    }
}

/// The first failure of each oracle, since alarms are counted in seeds.
fn one_per_oracle(failures: Vec<Failure>) -> BTreeMap<String, Failure> {
    let mut first = BTreeMap::new();
    for failure in failures {
        first.entry(failure.oracle.clone()).or_insert(failure);
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::sample::Index;
    use stillpoint_sim::TapeFit;

    const STORIES: [&str; 2] = ["a", "b"];

    fn tally_of(reports: &[SeedReport]) -> Tally {
        let info = |name| StoryInfo { name, claim: "", phases: &[Phase::Seal] };
        let mut tally = Tally::new(STORIES.map(info).to_vec());
        for report in reports {
            tally.add(&SeedRequest::new(report.story, report.seed), report, 7);
        }
        tally
    }

    fn report(story: &'static str, seed: u64, verdict: Verdict) -> SeedReport {
        SeedReport {
            story,
            seed,
            hash: seed,
            nodes: 3,
            partitions: 4,
            writes_acknowledged: seed,
            backups_available: 1,
            restores_compared: 1,
            restores_refused: 0,
            items_compared: 1,
            faults: BTreeMap::from([("crash".to_string(), seed)]),
            faults_by_phase: BTreeMap::from([(Phase::Seal, seed % 2)]),
            writes_in_cut_min: seed.checked_sub(3),
            skew_ns_max: seed.checked_sub(3),
            write_p50_ns: 0,
            write_p99_ns: 0,
            hold_ns_max: seed * 3,
            available_ns_max: seed * 5,
            simulated_ns: 1,
            events: 1,
            draws: BTreeMap::new(),
            tape_fit: TapeFit::default(),
            coverage: Coverage::default(),
            crashes_by_panic: Vec::new(),
            verdict,
            transcript: Vec::new(),
            event_log: Vec::new(),
        }
    }

    fn verdict(kind: u8, seed: u64) -> Verdict {
        let failure = |oracle: &str| Failure::new(oracle, format!("in seed {seed}"));
        match kind {
            0 => Verdict::Green,
            1 => Verdict::Vacuous(format!("why {seed}")),
            2 => Verdict::Undecided(format!("why {seed}")),
            3 => Verdict::Broken(vec![failure("cut")]),
            _ => Verdict::Broken(vec![failure("cut"), failure("index"), failure("cut")]),
        }
    }

    proptest! {
        #[test]
        fn the_order_of_reports_does_not_matter(
            kinds in prop::collection::vec(0u8..5, 1..20),
            swaps in prop::collection::vec((any::<Index>(), any::<Index>()), 0..20),
        ) {
            let one = |(place, kind): (usize, &u8)| {
                let seed = place as u64 / 2;
                report(STORIES[place % 2], seed, verdict(*kind, seed))
            };
            let in_order: Vec<SeedReport> = kinds.iter().enumerate().map(one).collect();
            let mut shuffled = in_order.clone();
            for (one, other) in swaps {
                let length = shuffled.len();
                shuffled.swap(one.index(length), other.index(length));
            }
            prop_assert_eq!(tally_of(&in_order), tally_of(&shuffled));
        }
    }

    #[test]
    fn an_alarm_counts_seeds_and_shows_the_first() {
        let reports = [4, 2, 9].map(|seed| report("b", seed, verdict(4, seed)));
        let tally = tally_of(&reports);
        let oracles: Vec<&str> = tally.alarms.keys().map(|(_, oracle)| oracle.as_str()).collect();
        assert_eq!(oracles, ["cut", "index"]);
        let alarm = &tally.alarms[&(1, "cut".to_string())];
        assert_eq!((alarm.seeds, alarm.request.seed), (3, 2));
        assert_eq!(alarm.failure.explanation, "in seed 2");
    }

    #[test]
    fn green_is_believed_only_if_something_was_compared() {
        let green = report("a", 1, Verdict::Green);
        assert_eq!(sound_verdict(&green), Verdict::Green);
        for hollow in [
            SeedReport { backups_available: 0, ..green.clone() },
            SeedReport { restores_compared: 0, ..green.clone() },
            SeedReport { items_compared: 0, ..green.clone() },
        ] {
            assert!(matches!(sound_verdict(&hollow), Verdict::Vacuous(_)));
        }
        let unexplained = report("a", 1, Verdict::Broken(Vec::new()));
        assert!(matches!(sound_verdict(&unexplained), Verdict::Broken(it) if it.len() == 1));
    }

    #[test]
    fn a_story_that_never_ran_or_never_proved_anything_is_not_held() {
        let green = report("a", 1, Verdict::Green);
        assert_eq!(tally_of(std::slice::from_ref(&green)).conclusion(), Conclusion::NotRun("b"));
        let mut reports: Vec<SeedReport> =
            (0..39).map(|seed| SeedReport { seed, ..green.clone() }).collect();
        reports.push(report("b", 1, verdict(1, 1)));
        assert_eq!(tally_of(&reports).conclusion(), Conclusion::NeverGreen("b"));
        reports.push(report("b", 2, Verdict::Green));
        assert_eq!(tally_of(&reports).conclusion(), Conclusion::Held);
    }

    /// `hit` of `seeds` seeds of story b have a fault in the phase aimed at; all of story a have.
    fn hits(hit: u64, seeds: u64) -> Conclusion {
        let struck = |it: bool| BTreeMap::from([(Phase::Seal, u64::from(it)), (Phase::Open, 9)]);
        let of = |story, seed, it: bool| SeedReport {
            faults_by_phase: struck(it),
            ..report(story, seed, Verdict::Green)
        };
        let a = (0..seeds).map(|seed| of("a", seed, true));
        let b = (0..seeds).map(|seed| of("b", seed, seed < hit));
        tally_of(&a.chain(b).collect::<Vec<_>>()).conclusion()
    }

    #[test]
    fn a_story_that_hardly_ever_strikes_where_it_aims_is_not_held() {
        let missed = Conclusion::PhaseMissed("b", Phase::Seal);
        assert_eq!(hits(0, 50), missed);
        assert_eq!(hits(9, 50), missed);
        assert_eq!(hits(10, 50), Conclusion::Held);
        assert_eq!(hits(0, 49), Conclusion::Held, "too few to speak of a share");
        assert_eq!(missed.status(), 1);
    }
}
