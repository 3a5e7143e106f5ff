//! Does a backup disturb anybody? The same load is served in worlds that differ only in whether
//! backups are taken, and what the clients waited for is compared.
//!
//! One seed is three worlds, *arms*: with a backup every 10 simulated seconds; without; and without
//! archiving either, which is what backups cost while nobody takes one. Arrivals are drawn ahead
//! and come whether or not anything was answered; a latency counts from the instant at which the
//! operation was due (no coordinated omission). Draws go by the instant
//! ([`World::draw_by_instant`](stillpoint_sim::World::draw_by_instant)), so the arms have the same
//! machines at the same moments, and a difference between them is the backup's.
//!
//! `arm.rs` runs one world, `capacity.rs` finds what it can serve, `verdict.rs` judges; printing is
//! the command's.

mod arm;
mod capacity;
mod load;
mod verdict;

pub use arm::{ArmReport, Cuts, run};
pub use capacity::{Capacity, Probe, find_capacity};
pub use load::{OPERATIONS, Operation};
pub(crate) use verdict::ratio_of;
pub use verdict::{Arms, Bound, Comparison, Judgement, Quantile, judge};

/// Acknowledged operations without which an arm proves nothing.
pub const ACKNOWLEDGED_MIN: u64 = 100_000;

/// What differs between the worlds of one seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Arm {
    /// A backup in every interval.
    Backups,
    /// No backup; new log entries are archived, as always.
    Plain,
    /// Not even that.
    NoArchive,
}

/// All arms, in the order in which they are shown.
pub const ARMS: [Arm; 3] = [Arm::Backups, Arm::Plain, Arm::NoArchive];

impl Arm {
    /// What it is called in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Backups => "backups",
            Self::Plain => "none",
            Self::NoArchive => "no archive",
        }
    }
}

/// The machines and the load of a twin run.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Storage nodes, in three zones.
    pub nodes: u16,
    /// Partitions of the table.
    pub partitions: u32,
    /// Different keys; all are there when the measurement begins.
    pub keys: u32,
    /// Bytes of an item's body.
    pub body_bytes: usize,
    /// A node computes so many times slower than the machine on which service times were
    /// measured: it is given this fraction of a core.
    pub slowdown: u64,
    /// A message from zone to zone takes between so long and so long, in nanoseconds.
    pub cross_zone_ns: (u64, u64),
    /// A leader lets writes go by itself after so long, in nanoseconds, and the cut is tried again.
    pub hold_ns: u64,
    /// How long the load lasts, in simulated nanoseconds.
    pub load_ns: u64,
    /// From one backup to the next, in simulated nanoseconds; the first comes after half of it.
    pub backup_interval_ns: u64,
}

impl Setup {
    /// What the bounds are judged on.
    #[must_use]
    pub fn standard() -> Self {
        Self {
            nodes: 3,
            partitions: 64,
            keys: 4_000,
            body_bytes: 900,
            slowdown: 4,
            cross_zone_ns: (300_000, 600_000),
            hold_ns: 4_500_000,
            load_ns: 10_000_000_000,
            backup_interval_ns: 10_000_000_000,
        }
    }

    /// How many operations come at this rate.
    #[must_use]
    pub fn operations(&self, rate_per_s: u64) -> u64 {
        rate_per_s * self.load_ns / 1_000_000_000
    }
}
