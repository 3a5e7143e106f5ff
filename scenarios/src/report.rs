//! What one simulated run is asked for and what it reports: the interface between the stories,
//! which run a seed, and the campaign, which runs many and draws up the table.
//!
//! Nothing here runs or judges anything: the stories fill in a [`SeedReport`], their oracles
//! decide its [`Verdict`], and the campaign only counts.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;
use stillpoint_sim::{Coverage, Muted, Override, Plan, Tape, TapeFit};

/// One promise that was broken, and how we know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// Name of the oracle that raised the alarm.
    pub oracle: String,
    /// In which way the promise was broken: what two runs have in common that fail for the same
    /// reason. Names no key, no time and no number.
    pub kind: String,
    /// The witness, in several lines: the operations and states that cannot both be right.
    pub explanation: String,
}

impl Failure {
    /// A failure whose explanation is a sentence: its kind is that sentence, with a `#` for each
    /// word that has a digit.
    pub fn new(oracle: &str, explanation: String) -> Failure {
        let general =
            |word| if str::contains(word, |it: char| it.is_ascii_digit()) { "#" } else { word };
        let sentence = explanation.lines().next().unwrap_or_default();
        let words: Vec<&str> = sentence.split_whitespace().map(general).collect();
        Failure { oracle: oracle.to_string(), kind: words.join(" "), explanation }
    }

    /// The promise and the way in which it was broken: runs that share it fail alike.
    pub fn reason(&self) -> String {
        format!("{}: {}", self.oracle, self.kind)
    }
}

/// What the oracles concluded about one seed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", content = "why", rename_all = "snake_case")]
pub enum Verdict {
    /// A backup became AVAILABLE, was restored with items in it and compared; all promises held.
    Green,
    /// Nothing was broken, but too little happened to prove anything. Why, in one line.
    Vacuous(String),
    /// At least one promise was broken.
    Broken(Vec<Failure>),
    /// An oracle could not decide within its bounds. Why, in one line. Never counts as green.
    Undecided(String),
}

/// How large a simulated cluster is (figures as aimed at, not as limits).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Size {
    /// About 3 nodes, 4 partitions and 150 writes: what is counted in thousands.
    Small,
    /// About 9 nodes, 64 partitions and 2,000 writes.
    Standard,
    /// About 9 nodes, 1,024 partitions and 6,000 writes.
    Large,
    /// About 9 nodes, 4,096 partitions and 20,000 writes.
    Huge,
}

impl Size {
    /// The word that stands for this size on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Size::Small => "small",
            Size::Standard => "standard",
            Size::Large => "large",
            Size::Huge => "huge",
        }
    }
}

/// Where a backup or a restore is: faults are counted by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// From the request until every marker is committed.
    Mark,
    /// From the first Confirm until every leader has vouched for its marker.
    Confirm,
    /// Until the metadata log has taken the positions.
    Seal,
    /// Until the backup is AVAILABLE.
    Archive,
    /// A worker of a restore fetches what it is to fill its partition with.
    Copy,
    /// A worker commits items to the new table.
    Apply,
    /// Every partition is filled; the table is about to open.
    Open,
}

impl Phase {
    /// The word that stands for the phase in tables.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Mark => "mark",
            Phase::Confirm => "confirm",
            Phase::Seal => "seal",
            Phase::Archive => "archive",
            Phase::Copy => "copy",
            Phase::Apply => "apply",
            Phase::Open => "open",
        }
    }
}

/// A story as `stillpoint list` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StoryInfo {
    /// The name by which `--scenario` selects it: lower case, without blanks.
    pub name: &'static str,
    /// What must hold in every run of it, in one line.
    pub claim: &'static str,
    /// The phases its faults are aimed at: each must be struck in a fair share of its seeds.
    pub phases: &'static [Phase],
}

/// A planted bug that the oracles must catch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MutantInfo {
    /// The name by which `--mutant` selects it.
    pub name: &'static str,
    /// What it does wrong, in one line.
    pub what: &'static str,
    /// The stories in which it is looked for; never empty.
    pub stories: Vec<&'static str>,
}

/// One run to be made. Equal requests must give equal reports, on every machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SeedRequest {
    /// The story's name, one of [`Runner::stories`].
    pub story: &'static str,
    /// Decides everything that happens in the run, but for the departures below.
    pub seed: u64,
    /// The decisions that have their simplest outcome instead of the seed's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub muted: Vec<Muted>,
    /// The decisions that have another outcome than the seed's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<Override>,
    /// The faults that strike instead of the story's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<Box<NamedPlan>>,
    /// How large the cluster is.
    pub size: Size,
    /// The planted bug, one of [`Runner::mutants`]; `None` runs the service as it is.
    pub mutant: Option<&'static str>,
    /// Whether [`SeedReport::event_log`] is to be filled. Must not change the hash.
    pub event_log: bool,
}

/// A plan of faults, and the file that it was read from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NamedPlan {
    /// The file.
    pub file: String,
    /// What is in it.
    pub plan: Plan,
}

impl SeedRequest {
    /// A small run of the service as it is, without an event log.
    pub fn new(story: &'static str, seed: u64) -> SeedRequest {
        let (muted, overrides) = (Vec::new(), Vec::new());
        let size = Size::Small;
        let (plan, mutant, event_log) = (None, None, false);
        SeedRequest { story, seed, muted, overrides, plan, size, mutant, event_log }
    }

    /// The same run as this tape decides it.
    pub fn on_tape(self, tape: &Tape) -> SeedRequest {
        let Tape { seed, muted, overrides } = tape.clone();
        SeedRequest { seed, muted, overrides, ..self }
    }

    /// Everything that decides the run's world.
    pub fn tape(&self) -> Tape {
        let (muted, overrides) = (self.muted.clone(), self.overrides.clone());
        Tape { seed: self.seed, muted, overrides }
    }

    /// Whether nothing but the seed decides the run.
    pub fn is_bare_seed(&self) -> bool {
        self.muted.is_empty() && self.overrides.is_empty()
    }

    /// The one command that shows this run again.
    pub fn replay_command(&self) -> String {
        self.command("replay")
    }

    /// The command that makes this run simple, if it fails.
    pub fn shrink_command(&self) -> String {
        self.command("shrink")
    }

    fn command(&self, verb: &str) -> String {
        let mut line = format!("cargo run --release -- {verb} --scenario {}", self.story);
        let _ = match self.is_bare_seed() {
            true => write!(line, " --seed {}", self.seed),
            // The tape has blanks, and stars that a shell would take for names of files.
            false => write!(line, " --tape '{}'", self.tape()),
        };
        if let Some(plan) = &self.plan {
            let _ = write!(line, " --plan {}", plan.file);
        }
        if self.size != Size::Small {
            let _ = write!(line, " --size {}", self.size.name());
        }
        if let Some(mutant) = self.mutant {
            let _ = write!(line, " --mutant {mutant}");
        }
        line
    }
}

/// What happened in one run. Times are simulated nanoseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SeedReport {
    /// The story that was told.
    pub story: &'static str,
    /// The seed that decided it.
    pub seed: u64,
    /// Rolling hash over all events: equal for equal requests.
    pub hash: u64,
    /// Nodes of the simulated cluster.
    pub nodes: u32,
    /// Partitions of the tables, without their replicas.
    pub partitions: u32,
    /// Writes that were acknowledged to a client.
    pub writes_acknowledged: u64,
    /// Backups that became AVAILABLE.
    pub backups_available: u32,
    /// Restores whose contents were compared with what the backup must contain.
    pub restores_compared: u32,
    /// Restores that did not end, where the run's faults allow that they refuse.
    pub restores_refused: u32,
    /// Items compared in those restores.
    pub items_compared: u64,
    /// Faults injected, by kind.
    pub faults: BTreeMap<String, u64>,
    /// Faults that the story placed and that struck, by the phase in which they did.
    pub faults_by_phase: BTreeMap<Phase, u64>,
    /// Of the partitions of every backup, the fewest writes that one committed between request
    /// and seal; `None` where the story does not count them.
    pub writes_in_cut_min: Option<u64>,
    /// The largest distance measured between a backup's instant and what it contains; `None`
    /// where the story does not measure it.
    pub skew_ns_max: Option<u64>,
    /// Latency of acknowledged writes, from the instant at which each was due: the median.
    pub write_p50_ns: u64,
    /// As before: what 99 in 100 writes stay within.
    pub write_p99_ns: u64,
    /// The longest time for which writes were held.
    pub hold_ns_max: u64,
    /// The longest time from CreateBackup to AVAILABLE.
    pub available_ns_max: u64,
    /// How long the run lasted.
    pub simulated_ns: u64,
    /// Events of the simulated world.
    pub events: u64,
    /// How many decisions were taken under each name.
    #[serde(skip)]
    pub draws: BTreeMap<String, u64>,
    /// Which of the request's departures from its seed were asked for.
    #[serde(skip)]
    pub tape_fit: TapeFit,
    /// The points that the service passed, and what was seen of the properties that are claimed.
    #[serde(skip)]
    pub coverage: Coverage,
    /// Panics inside simulated nodes. Each was that node's crash; node and message, one line each.
    pub crashes_by_panic: Vec<String>,
    /// What the oracles concluded.
    pub verdict: Verdict,
    /// The story's lines, each with its simulated time.
    pub transcript: Vec<String>,
    /// Every event, if [`SeedRequest::event_log`] asked for it; else empty.
    pub event_log: Vec<String>,
}

/// Whoever can tell the stories. Seeds run on several threads at once.
pub trait Runner: Sync {
    /// All stories, in the order in which they are shown. Names are unique.
    fn stories(&self) -> Vec<StoryInfo>;

    /// All planted bugs, in the order in which they are shown. Names are unique.
    fn mutants(&self) -> Vec<MutantInfo>;

    /// A run that must be reported as [`Verdict::Broken`], else the alarm bell does not ring.
    fn canary(&self) -> SeedRequest;

    /// The points that a run may pass: a campaign names those that none did.
    fn points(&self) -> &'static [&'static str];

    /// Makes one run. A panic in here is a bug of the simulation, not of a simulated node.
    fn run(&self, request: &SeedRequest) -> SeedReport;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_replay_command_names_only_what_differs_from_the_default() {
        let plain = SeedRequest::new("calm", 7);
        assert_eq!(
            plain.replay_command(),
            "cargo run --release -- replay --scenario calm --seed 7"
        );
        let mutated = SeedRequest { size: Size::Standard, mutant: Some("early"), ..plain };
        assert_eq!(
            mutated.replay_command(),
            "cargo run --release -- replay --scenario calm --seed 7 --size standard --mutant early"
        );
    }

    #[test]
    fn a_run_that_departs_from_its_seed_is_shown_again_by_its_tape() {
        let tape: Tape = "7 mute=*/net.loss set=a/b[3]:1f".parse().expect("it is one");
        let request = SeedRequest::new("calm", 1).on_tape(&tape);
        assert_eq!(request.tape(), tape);
        assert_eq!(
            request.shrink_command(),
            "cargo run --release -- shrink --scenario calm --tape '7 mute=*/net.loss \
             set=a/b[3]:1f'"
        );
    }

    #[test]
    fn the_kind_of_a_failure_names_no_number_and_no_key() {
        let failure = Failure::new("in-time", "b-17 was AVAILABLE only 81 ms after\nmore 5".into());
        assert_eq!(failure.reason(), "in-time: # was AVAILABLE only # ms after");
    }
}
