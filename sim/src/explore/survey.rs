//! What an undisturbed run showed: its crash points, and what a crash could leave at each.

use std::collections::BTreeMap;

use super::coordinates::{Coordinates, Side, Site};
use crate::core::Core;
use crate::disk::Outcomes;
use crate::host::HostId;
use crate::operation::{CrashKind, OperationKind};

/// A moment at which a machine can die, unlike all others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrashPoint {
    /// Which.
    pub site: Site,
    /// True time, in nanoseconds since the world began.
    pub now_ns: u64,
    /// The hash of the world at this moment.
    pub hash: u64,
    /// How many moments are explored by this one, itself included.
    pub stands_for: u64,
    process: Outcomes,
    power: Outcomes,
}

impl CrashPoint {
    /// What a crash of this kind can leave here.
    pub fn outcomes(&self, crash: CrashKind) -> Outcomes {
        match crash {
            CrashKind::Process => self.process,
            CrashKind::Power => self.power,
        }
    }
}

/// The crash points of a span.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// In the order in which they come.
    pub points: Vec<CrashPoint>,
    /// How many operations of each kind each host did, by name.
    pub operations: BTreeMap<(String, OperationKind), u64>,
    by_site: BTreeMap<Site, usize>,
}

impl Survey {
    /// The crash point at this moment, if it is explored under this name.
    pub fn point(&self, site: &Site) -> Option<&CrashPoint> {
        self.by_site.get(site).map(|&it| &self.points[it])
    }

    /// Everything there is to explore, with up to so many outcomes of each kind of crash at each
    /// point.
    pub fn coordinates(&self, outcomes_max: usize) -> impl Iterator<Item = Coordinates> + '_ {
        let crashes = |point| [CrashKind::Process, CrashKind::Power].map(|crash| (point, crash));
        self.points.iter().flat_map(crashes).flat_map(move |(point, crash)| {
            let found = point.outcomes(crash).found().min(outcomes_max);
            let site = &point.site;
            (0..found).map(move |outcome| Coordinates { site: site.clone(), crash, outcome })
        })
    }
}

/// What tells two moments of a host's death apart.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Imprint {
    now_ns: u64,
    hash: u64,
    /// Events that were ever put into the queue.
    queued: u64,
    draws: u64,
    /// Counts up where the rest does not tell enough.
    doubt: u64,
}

/// Both kinds' outcomes, and the life and the progress of the disk for which they were found.
type Known = ((u32, (u64, usize, u64)), [Outcomes; 2]);

/// Draws up a survey as the run goes on.
pub(super) struct Surveyor {
    survey: Survey,
    outcomes_max: usize,
    /// Of each host: the imprint of the last moment, and the crash point that stands for it.
    last: BTreeMap<HostId, (Imprint, usize)>,
    known: BTreeMap<HostId, Known>,
    doubts: u64,
}

impl Surveyor {
    pub(super) fn new(outcomes_max: usize) -> Self {
        Self {
            survey: Survey::default(),
            outcomes_max,
            last: BTreeMap::new(),
            known: BTreeMap::new(),
            doubts: 0,
        }
    }

    pub(super) fn into_survey(self) -> Survey {
        self.survey
    }

    /// The run has come to a moment.
    pub(super) fn note(&mut self, core: &Core, host: HostId, site: Site) {
        if site.side == Side::Before {
            *self.survey.operations.entry((site.host.clone(), site.kind)).or_default() += 1;
        }
        let imprint = self.imprint(core, host);
        let last = self.last.get(&host);
        let is_same = |&(before, _): &(Imprint, usize)| {
            before == imprint || (site.side == Side::After && concerns_the_dead(site.kind))
        };
        let place = match last.filter(|it| is_same(it)) {
            Some(&(_, place)) => {
                self.survey.points[place].stands_for += 1;
                place
            }
            None => self.add(core, host, site),
        };
        self.last.insert(host, (imprint, place));
    }

    fn imprint(&mut self, core: &Core, host: HostId) -> Imprint {
        self.doubts += u64::from(core.has_streams(host));
        Imprint {
            now_ns: core.now_ns.get(),
            hash: core.log.borrow().hash(),
            queued: core.queue.borrow().insertions(),
            draws: core.dice.borrow().draws_count(),
            doubt: self.doubts,
        }
    }

    fn add(&mut self, core: &Core, host: HostId, site: Site) -> usize {
        let [process, power] = self.outcomes(core, host);
        let place = self.survey.points.len();
        self.survey.by_site.insert(site.clone(), place);
        self.survey.points.push(CrashPoint {
            site,
            now_ns: core.now_ns.get(),
            hash: core.log.borrow().hash(),
            stands_for: 1,
            process,
            power,
        });
        place
    }

    /// What a crash can leave; looked for anew only when the disk has done something.
    fn outcomes(&mut self, core: &Core, host: HostId) -> [Outcomes; 2] {
        let disk = &core.disks.borrow()[host.index()];
        let life = core.hosts.borrow()[host.index()].incarnation;
        let state = (life, disk.progress());
        if let Some((of, outcomes)) = self.known.get(&host)
            && *of == state
        {
            return *outcomes;
        }
        let find = |crash| disk.crash_outcomes(crash, self.outcomes_max);
        let outcomes = [CrashKind::Process, CrashKind::Power].map(find);
        self.known.insert(host, (state, outcomes));
        outcomes
    }
}

/// Whether such an operation changes nothing but what dies with its process: the mail that waits
/// for it, the answer to a read. What takes effect in the object store does so either way.
fn concerns_the_dead(kind: OperationKind) -> bool {
    matches!(
        kind,
        OperationKind::DatagramDelivered | OperationKind::DiskRead | OperationKind::ObjectEffect
    )
}
