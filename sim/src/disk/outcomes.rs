//! All that a power loss could leave of a disk, one outcome after the other, for those who try
//! every one of them.
//!
//! An outcome follows from a row of choices, taken in this order: whether each operation under
//! way that changes files happened, in the order of submission; whether each change to names
//! survived; and, file by file, which truncations and which version of each sector, where versions
//! of the same bytes are one. 0 is always "nothing was lost". The rows are counted through like an
//! odometer, the last choice fastest. Rows that end in the same image are one outcome.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use xxhash_rust::xxh3::xxh3_128;

use super::content::Content;
use super::crash::Losses;
use super::device::DiskState;
use super::inode::InodeId;
use super::sectors::Among;
use super::snapshot::DiskSnapshot;
use crate::host::HostId;
use crate::operation::CrashKind;
use crate::world::World;

/// How many rows of choices are tried at most to find out what a power loss could leave.
pub const POWER_LOSS_TRIES_MAX: usize = 1 << 16;

/// How many different images a power loss could leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcomes {
    /// These and no others.
    Exactly(usize),
    /// These, and perhaps or certainly more: the search was ended by its bound.
    AtLeast(usize),
}

impl Outcomes {
    /// How many were found. [`World::power_loss_to`] takes all numbers below.
    pub fn found(self) -> usize {
        match self {
            Self::Exactly(found) | Self::AtLeast(found) => found,
        }
    }
}

/// A crash whose outcome is settled: which operations under way happen, in the order of
/// submission, and what is left then if power is gone too.
pub(super) struct Settled {
    pub(super) happens: VecDeque<bool>,
    pub(super) left: Option<(DiskSnapshot, Losses)>,
}

/// A power loss that was tried on a copy.
struct Rehearsed {
    happens: VecDeque<bool>,
    left: DiskSnapshot,
    losses: Losses,
}

/// Counts through all rows of choices. How many there are to a choice, and how many choices to
/// a row, turns out as they are taken.
#[derive(Default)]
struct Odometer {
    choices: Vec<u64>,
    radices: Vec<u64>,
}

impl Odometer {
    fn choose(&mut self, n: u64) -> u64 {
        let place = self.radices.len();
        self.radices.push(n);
        if place == self.choices.len() {
            self.choices.push(0);
        }
        self.choices[place]
    }

    /// The next row, if there is one.
    fn advance(&mut self) -> bool {
        let radices = std::mem::take(&mut self.radices);
        self.choices.truncate(radices.len());
        while let Some(last) = self.choices.last_mut() {
            *last += 1;
            if *last < radices[self.choices.len() - 1] {
                return true;
            }
            self.choices.pop();
        }
        false
    }
}

impl DiskState {
    /// What comes of these choices; nothing happens to the disk itself.
    fn rehearse_power_loss(&self, choose: &mut dyn FnMut(u64) -> u64) -> Rehearsed {
        let mut image = self.image.fork();
        let mut happens = VecDeque::new();
        for operation in self.operations.values() {
            let happened = operation.changes_files() && choose(2) == 0;
            happens.push_back(happened);
            if happened {
                operation.effect.rehearse(&mut image);
            }
        }
        image.close_all();
        let losses = image.settle_one_by_one(Among::Contents, choose);
        Rehearsed { happens, left: DiskSnapshot::of(&image), losses }
    }

    /// How many operations are under way that change files.
    fn changes_under_way(&self) -> usize {
        self.operations.values().filter(|it| it.changes_files()).count()
    }

    /// How many different things a crash can do to the disk: see [`World::crash_outcomes`].
    pub(crate) fn crash_outcomes(&self, crash: CrashKind, max: usize) -> Outcomes {
        if crash == CrashKind::Power {
            let (scripts, is_all) = self.scripts(max);
            let found = scripts.len();
            return if is_all { Outcomes::Exactly(found) } else { Outcomes::AtLeast(found) };
        }
        match u32::try_from(self.changes_under_way()).ok().and_then(|it| 1_usize.checked_shl(it)) {
            Some(all) if all <= max => Outcomes::Exactly(all),
            _ => Outcomes::AtLeast(max),
        }
    }

    /// Settles the outcome of the crash that follows: false if there is none with this number.
    pub(crate) fn settle(&mut self, crash: CrashKind, outcome: usize) -> bool {
        self.settled = match crash {
            CrashKind::Process => self.settle_process_crash(outcome),
            CrashKind::Power => self.settle_power_loss(outcome),
        };
        self.settled.is_some()
    }

    /// Each bit of the number says of a change under way, in the order of submission, that it is
    /// lost.
    fn settle_process_crash(&self, outcome: usize) -> Option<Settled> {
        let mut bits = outcome;
        let mut is_kept = || {
            let kept = bits & 1 == 0;
            bits >>= 1;
            kept
        };
        let happens = self.operations.values().map(|it| it.changes_files() && is_kept());
        let happens = happens.collect();
        (bits == 0).then_some(Settled { happens, left: None })
    }

    fn settle_power_loss(&self, outcome: usize) -> Option<Settled> {
        let (scripts, _) = self.scripts(outcome.saturating_add(1));
        let mut script = scripts.get(outcome)?.iter().copied();
        let rehearsed = self.rehearse_power_loss(&mut |_| script.next().unwrap_or(0));
        let Rehearsed { happens, left, losses } = rehearsed;
        Some(Settled { happens, left: Some((left, losses)) })
    }

    /// The scripts of the outcomes, up to `max` of them, and whether those are all.
    fn scripts(&self, max: usize) -> (Vec<Vec<u64>>, bool) {
        let mut found = Found::new(self);
        let mut odometer = Odometer::default();
        let nothing_lost = self.rehearse_power_loss(&mut |n| odometer.choose(n)).left;
        found.add(&nothing_lost, &odometer.choices);
        let mut worst = Vec::new();
        let all_lost = self.rehearse_power_loss(&mut |n| {
            worst.push(n - 1);
            n - 1
        });
        found.add(&all_lost.left, &worst);
        for _ in 0..POWER_LOSS_TRIES_MAX {
            if !odometer.advance() {
                let is_all = found.scripts.len() <= max;
                found.scripts.truncate(max);
                return (found.scripts, is_all);
            }
            if found.scripts.len() > max {
                break;
            }
            let image = self.rehearse_power_loss(&mut |n| odometer.choose(n)).left;
            found.add(&image, &odometer.choices);
        }
        found.scripts.truncate(max);
        (found.scripts, false)
    }
}

/// The outcomes found so far.
struct Found {
    /// The files before, each with the digest of its bytes: most are the same in every outcome.
    known: BTreeMap<InodeId, (Content, u128)>,
    seen: BTreeSet<u128>,
    scripts: Vec<Vec<u64>>,
}

impl Found {
    fn new(disk: &DiskState) -> Self {
        let known = disk
            .image
            .inodes
            .iter()
            .map(|(&inode, it)| (inode, (it.durable.clone(), xxh3_128(it.durable.bytes()))));
        Self { known: known.collect(), seen: BTreeSet::new(), scripts: Vec::new() }
    }

    fn add(&mut self, image: &DiskSnapshot, choices: &[u64]) {
        let known = &self.known;
        let digest = image.digest(|inode, content| match known.get(&inode) {
            Some((before, digest)) if before.shares_with(content) => *digest,
            _ => xxh3_128(content.bytes()),
        });
        if self.seen.insert(digest) {
            self.scripts.push(choices.to_vec());
        }
    }
}

impl World {
    /// How many different images a loss of power could leave of the disk of a host at this
    /// moment, operations under way included. Looks for no more than `max`, and tries no more
    /// than [`POWER_LOSS_TRIES_MAX`] rows of choices. Nothing happens to the host.
    ///
    /// Each image differs from all others in what a program finds: directories, paths, bytes,
    /// sectors that cannot be read.
    pub fn power_loss_outcomes(&self, host: HostId, max: usize) -> Outcomes {
        self.crash_outcomes(host, CrashKind::Power, max)
    }

    /// The same for a crash of either kind. When a process ends, its operations under way that
    /// change files happen or do not, each for itself: of `n` there are 2^n outcomes.
    pub fn crash_outcomes(&self, host: HostId, crash: CrashKind, max: usize) -> Outcomes {
        self.core().disks.borrow()[host.index()].crash_outcomes(crash, max)
    }

    /// Takes the power from a machine as [`World::power_loss`] does, with this outcome of those
    /// that [`World::power_loss_outcomes`] has found: 0 is the one in which all operations under
    /// way happened and nothing was lost, 1 the one in which everything was lost that could be
    /// (if that is another), and then they come in an order that is always the same. No dice are
    /// thrown. Reads that were under way did not happen.
    ///
    /// # Panics
    /// If there is no such outcome.
    pub fn power_loss_to(&self, host: HostId, outcome: usize) {
        let is_settled =
            self.core().disks.borrow_mut()[host.index()].settle(CrashKind::Power, outcome);
        assert!(
            is_settled,
            "a power loss of {host} has no outcome with the number {outcome}: ask \
             `power_loss_outcomes` right before"
        );
        self.power_loss(host);
    }
}

/// Everything that can come of some choices, by trying them all.
#[cfg(test)]
pub(super) fn every_outcome<T: Ord>(
    mut outcome: impl FnMut(&mut dyn FnMut(u64) -> u64) -> T,
) -> BTreeSet<T> {
    let mut outcomes = BTreeSet::new();
    let mut odometer = Odometer::default();
    loop {
        outcomes.insert(outcome(&mut |n| odometer.choose(n)));
        if !odometer.advance() {
            return outcomes;
        }
    }
}
