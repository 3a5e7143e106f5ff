//! The stories, one a file: a claim, and what is done to the cluster to test it.
//!
//! Every story is told in the same way ([`telling`]): a table is made and loaded, backups are
//! taken under load, one is restored, everything is read and judged. What differs is what a story
//! *sets*: the faults that strike, and where.

mod backup_under_load;
mod deposed_leader_confirms;
mod event_log;
mod everything_at_once;
mod leader_crashes_in_cut;
mod planted;
mod power_fails_everywhere;
mod restarts_then_power_fails;
mod restore_worker_crashes;
mod telling;
mod verdict;
mod zone_fails_while_archiving;

pub use planted::{CANARY, Planted};

use crate::report::{MutantInfo, Runner, SeedReport, SeedRequest, StoryInfo};
use crate::stage::{Faults, Shape};
use stillpoint_reference::mutants::{Mutants, NoMutants};
use stillpoint_reference::node::Config;
use stillpoint_sim::{Dice, HostId, World};

/// What a story has to work with before the curtain rises.
pub struct Setting<'a> {
    /// The world.
    pub world: &'a World,
    /// The machines of the nodes.
    pub nodes: &'a [HostId],
    /// How large the run is.
    pub shape: Shape,
    /// Where faults are placed.
    pub faults: &'a Faults,
    /// Dice of the story's own.
    pub dice: &'a Dice,
}

/// A claim, and what is done to test it.
#[derive(Clone, Copy)]
pub struct Story {
    /// What it is called.
    pub name: &'static str,
    /// What must hold in every run of it, in one line.
    pub claim: &'static str,
    /// What is done.
    pub set: fn(&Setting<'_>),
}

impl Story {
    /// What it changes in the settings of the nodes: nothing, unless its claim is about that.
    fn configure(&self) -> fn(&mut Config) {
        match self.name {
            deposed_leader_confirms::NAME => deposed_leader_confirms::configure,
            _ => |_| {},
        }
    }
}

/// All stories.
pub const ALL: &[Story] = &[
    backup_under_load::STORY,
    leader_crashes_in_cut::STORY,
    zone_fails_while_archiving::STORY,
    restore_worker_crashes::STORY,
    power_fails_everywhere::STORY,
    restarts_then_power_fails::STORY,
    everything_at_once::STORY,
    deposed_leader_confirms::STORY,
];

/// The stories as the campaign runs them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stories;

/// Tells the story of a request with whatever bugs `mutants` plants.
///
/// # Panics
/// There is no such story.
pub fn tell_with<M: Mutants>(request: &SeedRequest, mutants: &M) -> SeedReport {
    let story = ALL.iter().find(|it| it.name == request.story);
    let story = story.unwrap_or_else(|| panic!("no story is called {}", request.story));
    telling::tell(story, request, mutants)
}

impl Runner for Stories {
    fn stories(&self) -> Vec<StoryInfo> {
        ALL.iter().map(|it| StoryInfo { name: it.name, claim: it.claim }).collect()
    }

    fn mutants(&self) -> Vec<MutantInfo> {
        Planted::hunted()
    }

    fn canary(&self) -> SeedRequest {
        SeedRequest { mutant: Some(CANARY), ..SeedRequest::new(ALL[0].name, 1) }
    }

    fn run(&self, request: &SeedRequest) -> SeedReport {
        match request.mutant {
            None => tell_with(request, &NoMutants),
            Some(name) => {
                let planted = Planted::by_name(name);
                let planted = planted.unwrap_or_else(|| panic!("no mutant is called {name}"));
                tell_with(request, &planted)
            }
        }
    }
}
