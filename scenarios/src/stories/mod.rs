//! The stories, one a file: a claim, and what is done to the cluster to test it.
//!
//! Every story is told in the same way ([`telling`]): a table is made and loaded, backups are
//! taken under load, one is restored, everything is read and judged. What differs is what a story
//! *sets*: the faults that strike, and where.

mod a_client_hops;
mod archive_is_damaged;
mod backup_is_given_up;
mod backup_under_load;
mod checkpoint_rots;
mod compaction_loses_power;
mod demands;
mod deposed_leader_confirms;
mod disk_fails;
mod event_log;
mod every_partition_writes;
mod everything_at_once;
mod leader_crashes_in_cut;
mod node_becomes_slow;
mod object_store_gone;
mod one_write_leads_to_another;
mod planted;
mod power_fails_everywhere;
mod restarts_then_power_fails;
pub mod restore_crashes_at_each_step;
mod restore_worker_crashes;
mod seal_is_interrupted;
mod table_deleted;
mod telling;
mod verdict;
pub mod walked;
mod zone_fails_while_archiving;
mod zone_lost_for_good;

pub use planted::{CANARY, Planted};

use crate::report::{MutantInfo, Phase, Runner, SeedReport, SeedRequest, StoryInfo};
use crate::stage::{Faults, Shape, machines};
use std::pin::Pin;
use stillpoint_reference::mutants::{Mutants, NoMutants};
use stillpoint_reference::node::Config;
use stillpoint_reference::points;
use stillpoint_sim::{Dice, HostId, RunError, Topology, Whom, World};

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
    /// The seed, for a story that shares out what it does evenly over seeds.
    pub seed: u64,
    /// Those of the given points that the same run passes without the story's faults, in order.
    pub rehearse: &'a dyn Fn(&[&'static str]) -> Vec<&'static str>,
}

impl Setting<'_> {
    /// This machine, as faults name it.
    #[must_use]
    pub fn machine(&self, host: HostId) -> Whom {
        Whom::Machine(self.world.host(host).name().to_string())
    }
}

/// How a story differs in what its clients do, and what is demanded of it beyond the promises.
#[derive(Clone, Copy, Debug)]
pub struct Plot {
    /// The load lasts at least so long.
    pub load_ns_min: u64,
    /// Writes that every partition gets while a backup is cut; zero: as chance has it.
    pub writes_in_cut: u32,
    /// Chains of writes, each made because of the one before, that begin with each request for a
    /// backup.
    pub chains_in_cut: u32,
    /// Whether somebody tries to delete the table from the first request for a backup on.
    pub deletes_table: bool,
    /// Whether the run must come to its end whatever has failed.
    pub must_end: bool,
    /// Every backup must be AVAILABLE so long after the request for it.
    pub available_ns_max: Option<u64>,
    /// Every write must be answered so long after it was due.
    pub write_ns_max: Option<u64>,
    /// In a run in which a partition committed fewer writes between request and seal, nothing is
    /// proved.
    pub writes_in_cut_min: u64,
    /// Which machines there are, for as many as the size of the run says.
    pub topology: fn(u16) -> Topology,
    /// What is changed in the settings of the nodes.
    pub configure: fn(&mut Config),
}

impl Plot {
    /// As most stories are told.
    pub const USUAL: Self = Self {
        load_ns_min: 0,
        writes_in_cut: 0,
        chains_in_cut: 0,
        deletes_table: false,
        must_end: false,
        available_ns_max: None,
        write_ns_max: None,
        writes_in_cut_min: 0,
        topology: machines,
        configure: |_| {},
    };
}

/// A claim, and what is done to test it.
#[derive(Clone, Copy)]
pub struct Story {
    /// What it is called.
    pub name: &'static str,
    /// What must hold in every run of it, in one line.
    pub claim: &'static str,
    /// The phases at which its faults are aimed. A campaign fails that hardly ever hits one.
    pub phases: &'static [Phase],
    /// How it differs from the others.
    pub plot: Plot,
    /// What is done.
    pub set: fn(&Setting<'_>),
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
    every_partition_writes::STORY,
    seal_is_interrupted::STORY,
    restore_crashes_at_each_step::STORY,
    table_deleted::STORY,
    object_store_gone::STORY,
    node_becomes_slow::STORY,
    zone_lost_for_good::STORY,
    checkpoint_rots::STORY,
    disk_fails::STORY,
    deposed_leader_confirms::STORY,
    one_write_leads_to_another::STORY,
    a_client_hops::STORY,
    compaction_loses_power::STORY,
    archive_is_damaged::STORY,
    backup_is_given_up::STORY,
];

/// The stories as the campaign runs them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stories;

/// Tells the story of a request with whatever bugs `mutants` plants.
///
/// # Panics
/// There is no such story.
pub fn tell_with<M: Mutants>(request: &SeedRequest, mutants: &M) -> SeedReport {
    telling::tell(story_of(request), request, mutants, &telling::run_natively)
}

/// What a story does, to be carried out by the driver of its world.
pub type Drive = Pin<Box<dyn Future<Output = ()>>>;

/// Runs a world until its driver is done, for so many nanoseconds of its time at most.
pub type Run<'a> = &'a dyn Fn(&World, u64, Drive) -> Result<(), RunError>;

/// Tells the story of a request with the bug that it names, in a world that `run` runs: on another
/// engine than the world's own, say.
///
/// # Panics
/// There is no such story, or no such bug.
pub fn tell_on(request: &SeedRequest, run: Run<'_>) -> SeedReport {
    let story = story_of(request);
    match request.mutant {
        None => telling::tell(story, request, &NoMutants, run),
        Some(name) => {
            let planted = Planted::by_name(name);
            let planted = planted.unwrap_or_else(|| panic!("no mutant is called {name}"));
            telling::tell(story, request, &planted, run)
        }
    }
}

fn story_of(request: &SeedRequest) -> &'static Story {
    let story = ALL.iter().find(|it| it.name == request.story);
    story.unwrap_or_else(|| panic!("no story is called {}", request.story))
}

impl Runner for Stories {
    fn stories(&self) -> Vec<StoryInfo> {
        ALL.iter()
            .map(|it| StoryInfo { name: it.name, claim: it.claim, phases: it.phases })
            .collect()
    }

    fn mutants(&self) -> Vec<MutantInfo> {
        Planted::hunted()
    }

    fn canary(&self) -> SeedRequest {
        SeedRequest { mutant: Some(CANARY), ..SeedRequest::new(ALL[0].name, 1) }
    }

    fn points(&self) -> &'static [&'static str] {
        points::ALL
    }

    fn run(&self, request: &SeedRequest) -> SeedReport {
        tell_on(request, &telling::run_natively)
    }
}
