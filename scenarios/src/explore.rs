//! Every crash point of a backup and of a restore, on all cores.
//!
//! What is played is in [`crate::stories::walked`]; what a crash point is, and how a run is steered
//! to it, in `stillpoint_sim`. This brings the two together and adds up.

use crate::campaign::panics;
use crate::campaign::pool::{Limits, share_out};
use crate::stories::walked::{Walked, play};
use stillpoint_sim::{Accounting, Astray, Coordinates, CrashKind, Survey, Tape, Walk, World};

/// The machine that died is started again so long after: the others have long elected another
/// leader for what it led.
const DOWN_NS: u64 = 1_000_000_000;

/// So many outcomes are counted at a point, however few are tried.
const COUNTED_MAX: usize = 1_024;

/// What is explored, and how far.
#[derive(Clone, Copy, Debug)]
pub struct Expedition {
    /// The scenario.
    pub walked: Walked,
    /// Decides everything in a run but the crash.
    pub seed: u64,
    /// The planted bug, if one is looked for.
    pub mutant: Option<&'static str>,
    /// How many outcomes of a kind of crash are tried at most at one point.
    pub outcomes_max: usize,
    /// Only this kind of crash.
    pub crash: Option<CrashKind>,
}

impl Expedition {
    /// All crashes of the service as it is, with up to so many outcomes of each.
    #[must_use]
    pub fn new(walked: Walked, outcomes_max: usize) -> Self {
        Self { walked, seed: 1, mutant: None, outcomes_max, crash: None }
    }

    fn walk(&self) -> Walk {
        let (tape, outcomes_max) = (Tape::new(self.seed), self.outcomes_max);
        Walk { tape, outcomes_max, counted_max: COUNTED_MAX, down_ns: DOWN_NS }
    }

    fn play(&self, world: &World) -> Result<(), String> {
        let played = panics::catch(|| play(self.walked, self.mutant, world));
        played.unwrap_or_else(|message| Err(format!("simulation: it panicked: {message}")))
    }

    /// Runs the scenario without a crash: its crash points, and whether it is sound at all.
    pub fn survey(&self) -> (Survey, Result<(), String>) {
        self.walk().survey(|world| self.play(world))
    }

    /// Runs the scenario with one crash, and looks at the world when it has ended.
    ///
    /// # Errors
    /// The crash did not fall as asked for.
    pub fn strike<T>(
        &self,
        survey: &Survey,
        at: &Coordinates,
        look: impl FnOnce(&World) -> T,
    ) -> Result<(Result<(), String>, T), Astray> {
        self.walk().strike(survey, at, |world| (self.play(world), look(world)))
    }

    /// Explores all of it; `each` is told after each run how many there
    /// are, on the thread that made it.
    #[must_use]
    pub fn explore(&self, limits: &Limits<'_>, each: &(dyn Fn(u64) + Sync)) -> Accounting {
        let (survey, undisturbed) = self.survey();
        let wanted = |it| self.crash.is_none_or(|only| only == it);
        let mut accounting = Accounting::new(&survey, self.outcomes_max, wanted);
        accounting.add_undisturbed(undisturbed);
        let all: Vec<Coordinates> =
            survey.coordinates(self.outcomes_max).filter(|it| wanted(it.crash)).collect();
        let planned = accounting.planned;
        let runs = share_out(limits, all.len(), &|index| {
            let came = self.strike(&survey, &all[index], |_| ());
            each(planned);
            came.map(|(result, ())| result)
        });
        let made = all.iter().zip(runs);
        made.filter_map(|(at, came)| Some((at, came?))).for_each(|(at, came)| {
            accounting.add(at, came);
        });
        accounting
    }
}
