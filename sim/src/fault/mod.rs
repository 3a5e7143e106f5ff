//! Faults as data: what goes wrong ([`Fault`]), and what it harms.
//!
//! A fault is put into a world at once and lifted by its guard (`active.rs`), or placed by a
//! [`Plan`](crate::Plan) (`plan.rs`, `carry.rs`), or drawn by a [`Swarm`](crate::Swarm)
//! (`swarm.rs`) within a [`Budget`](crate::Budget) (`budget.rs`). Everything it does it does
//! through the calls of [`World`](crate::World) that a tester has too.

mod active;
mod apply;
mod budget;
mod buggify;
mod carry;
mod clocks;
mod heal;
mod particulars;
mod phases;
mod plan;
mod settings;
mod settling;
#[cfg(any(test, feature = "proptest"))]
pub mod strategy;
mod swarm;

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::disk::DiskFaults;
use crate::net::LinkSettings;
use crate::object_store::{ObjectFaults, ObjectOutage};
use crate::operation::{CrashKind, OperationKind};

pub(crate) use active::Active;
pub use active::Injected;
pub use budget::{Budget, OverBudget};
pub(crate) use buggify::Buggified;
pub use buggify::Buggify;
pub use carry::{Carried, FaultNews};
pub use heal::Stuck;
pub use phases::PhaseSpan;
pub use plan::{Expectation, Lasts, Plan, PlanError, Strike, When, Whom};
pub use swarm::{FaultKind, Swarm};

/// Something that goes wrong, with the machines it strikes or with the object store.
///
/// What lasts is undone when the fault is lifted, other faults of the same kind left as they are;
/// where nothing is said of lifting there is nothing to undo.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// The process dies; the page cache stays. It starts again when the fault is lifted.
    Crash,
    /// The machine loses power, and starts again when the fault is lifted.
    PowerLoss,
    /// The process dies right before its `nth` operation of this kind from now, 1 being the next:
    /// see [`World::crash_at`]. It starts again when the fault is lifted.
    ///
    /// [`World::crash_at`]: crate::World::crash_at
    CrashAt {
        /// Of what kind the operation is.
        operation: OperationKind,
        /// Which of them.
        nth: u64,
        /// What dies: the process, or the machine with it.
        crash: CrashKind,
    },
    /// The process ends, and starts as another release of its program when the fault is lifted:
    /// other settings, another version of the code. It stays that ([`Host::release`]).
    ///
    /// [`Host::release`]: crate::Host::release
    Upgrade {
        /// The number of the release; what it means is for the program to say.
        release: u16,
    },
    /// The process stops, and goes on when the fault is lifted: see [`World::pause`].
    ///
    /// [`World::pause`]: crate::World::pause
    Pause,
    /// Nobody else reaches the machines and they reach nobody else; among themselves they talk.
    CutOff,
    /// The machines hear no other machine, but all hear them. The driver is still heard.
    Deaf,
    /// Each of them and one other machine do not reach one another; everybody else reaches both.
    Parted {
        /// Which of the others, in their order, counted over from the beginning if there are fewer.
        from: u64,
    },
    /// All ordered streams of the machines are reset, as by a box between that has forgotten them.
    ResetStreams,
    /// No other machine hears them, but they hear all. The driver still hears them.
    Mute,
    /// They are cut off by turns: shut for a drawn time, open for a drawn time.
    Flapping {
        /// For how long nothing passes, in nanoseconds.
        shut_ns: Range<u64>,
        /// For how long everything passes, in nanoseconds.
        open_ns: Range<u64>,
    },
    /// All that they send and get takes so many times as long.
    SlowLinks {
        /// How many times.
        times: u64,
    },
    /// All links from and to them behave like this, to the driver too.
    Links(LinkSettings),
    /// Their disks take so many times as long for everything. Counted, disk by disk, as
    /// `disk.slowed`.
    SlowDisk {
        /// How many times.
        times: u64,
    },
    /// Their disks do nothing for so long.
    StalledDisk {
        /// How long, in nanoseconds.
        for_ns: u64,
    },
    /// Their disks have no space left.
    FullDisk,
    /// Their disks can only be read.
    ReadOnlyDisk,
    /// Their disks fail now and then; of several such faults the worse rate counts.
    FailingDisk(DiskFaults),
    /// Bits of what they store turn over: of one file, or anywhere.
    Rot {
        /// The file; `None` is anywhere.
        path: Option<String>,
        /// How many bits.
        bits: u64,
    },
    /// The process dies, bits of what it stores turn over while it is down, and it starts again
    /// when the fault is lifted.
    CrashAndRot {
        /// The file; `None` is anywhere.
        path: Option<String>,
        /// How many bits.
        bits: u64,
    },
    /// Sectors of a file go bad.
    BadSectors {
        /// The file.
        path: String,
        /// How many sectors.
        sectors: u64,
    },
    /// The machine loses power and all that it stored, and starts again when the fault is
    /// lifted.
    Wiped,
    /// The machine loses power when the fault is lifted, and starts again with the disk that
    /// it had when it was struck.
    SetBack,
    /// The wall clock is wrong by so much, beside all else that is wrong with it.
    ClockOffset {
        /// How far it is ahead, in nanoseconds.
        by_ns: i64,
    },
    /// The wall clock gains so much; lifting takes back what it has gained.
    WallDrift {
        /// Nanoseconds in each second.
        ppb: i64,
    },
    /// The monotonic clock gains so much, until the fault is lifted.
    MonotonicDrift {
        /// Nanoseconds in each second.
        ppb: i64,
    },
    /// The wall clock stands still; when that is lifted it shows what it would show otherwise.
    FrozenClock,
    /// The machine believes its wall clock to be off by this much at most, whatever it shows: see
    /// [`World::set_clock_uncertainty`].
    ///
    /// [`World::set_clock_uncertainty`]: crate::World::set_clock_uncertainty
    LyingClock {
        /// The bound that it names, in milliseconds to either side.
        bound_ms: u64,
    },
    /// The object store is away.
    StoreDown(ObjectOutage),
    /// The object store turns some requests away and leaves some unanswered; of several such
    /// faults the worse rate counts.
    StoreBusy {
        /// Of a thousand requests, how many are turned away.
        slow_down_per_mille: u64,
        /// Of a thousand requests, how many get no answer.
        timeout_per_mille: u64,
    },
    /// The object store fails in its less usual ways; of several such faults the worse rate
    /// counts.
    FailingStore(ObjectFaults),
    /// Objects are gone, drawn among those whose keys begin so.
    ObjectsLost {
        /// How their keys begin.
        prefix: String,
        /// How many.
        n: u64,
    },
    /// Objects are cut off somewhere.
    ObjectsTruncated {
        /// How their keys begin.
        prefix: String,
        /// How many.
        n: u64,
    },
    /// Objects have a bit turned over.
    ObjectsRotten {
        /// How their keys begin.
        prefix: String,
        /// How many.
        n: u64,
    },
}

/// What a fault takes from a system, as its budget counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Harm {
    /// It takes time, no more.
    Time,
    /// Machines are away, or as good as away, while it lasts.
    Absence,
    /// What machines had stored, durably, is gone or wrong.
    Damage,
    /// A monotonic clock gains or loses so many nanoseconds in a second.
    Drift(u64),
    /// So many objects of the store are gone or wrong.
    Objects(u64),
}

impl Fault {
    /// Whether it strikes the object store and no machine.
    #[must_use]
    pub fn is_of_store(&self) -> bool {
        matches!(
            self,
            Self::StoreDown(_)
                | Self::StoreBusy { .. }
                | Self::FailingStore(_)
                | Self::ObjectsLost { .. }
                | Self::ObjectsTruncated { .. }
                | Self::ObjectsRotten { .. }
        )
    }

    /// Whether what the struck machines had stored is lost or wrong after it.
    #[must_use]
    pub fn damages(&self) -> bool {
        self.harm() == Harm::Damage
    }

    /// Whether the machines that it strikes are down while it lasts.
    pub(crate) fn keeps_down(&self) -> bool {
        matches!(
            self,
            Self::Crash
                | Self::CrashAt { .. }
                | Self::PowerLoss
                | Self::Upgrade { .. }
                | Self::Wiped
                | Self::CrashAndRot { .. }
        )
    }

    /// Whether anything of it is left to be lifted.
    #[must_use]
    pub fn lasts(&self) -> bool {
        !matches!(
            self,
            Self::Rot { .. }
                | Self::StalledDisk { .. }
                | Self::ResetStreams
                | Self::BadSectors { .. }
                | Self::ObjectsLost { .. }
                | Self::ObjectsTruncated { .. }
                | Self::ObjectsRotten { .. }
        )
    }

    /// What is so when it is lifted, as in "node-1 *starts again*".
    pub(crate) fn words_when_over(&self) -> &'static str {
        match self {
            Self::CrashAt { .. } => "is up whatever it does",
            _ if self.keeps_down() => "starts again",
            Self::Pause => "goes on",
            Self::CutOff
            | Self::Parted { .. }
            | Self::Deaf
            | Self::Mute
            | Self::Flapping { .. } => "is connected again",
            Self::SlowLinks { .. } | Self::Links(_) => "has its links as before",
            Self::SetBack => "is set back",
            Self::ClockOffset { .. }
            | Self::WallDrift { .. }
            | Self::MonotonicDrift { .. }
            | Self::LyingClock { .. }
            | Self::FrozenClock => "has its clock as before",
            Self::StoreDown(_) => "the object store is back",
            _ if self.is_of_store() => "the object store is as before",
            _ => "has its disk as before",
        }
    }

    pub(crate) fn harm(&self) -> Harm {
        match self {
            Self::Links(settings) if settings.loses_everything() => Harm::Absence,
            Self::SlowLinks { .. }
            | Self::SlowDisk { .. }
            | Self::StalledDisk { .. }
            | Self::Links(_)
            | Self::ClockOffset { .. }
            | Self::WallDrift { .. }
            | Self::FrozenClock
            | Self::LyingClock { .. }
            | Self::ResetStreams
            | Self::StoreDown(_)
            | Self::StoreBusy { .. }
            | Self::FailingStore(_) => Harm::Time,
            Self::Crash
            | Self::CrashAt { .. }
            | Self::PowerLoss
            | Self::Upgrade { .. }
            | Self::Pause
            | Self::Parted { .. }
            | Self::CutOff
            | Self::Deaf
            | Self::Mute
            | Self::Flapping { .. }
            | Self::FullDisk
            | Self::ReadOnlyDisk => Harm::Absence,
            Self::FailingDisk(faults) if !faults.damage() => Harm::Absence,
            Self::FailingDisk(_)
            | Self::Rot { .. }
            | Self::CrashAndRot { .. }
            | Self::BadSectors { .. }
            | Self::Wiped
            | Self::SetBack => Harm::Damage,
            Self::MonotonicDrift { ppb } => Harm::Drift(ppb.unsigned_abs()),
            Self::ObjectsLost { n, .. }
            | Self::ObjectsTruncated { n, .. }
            | Self::ObjectsRotten { n, .. } => Harm::Objects(*n),
        }
    }
}

impl fmt::Display for Fault {
    /// What happens to whoever is struck, as in "node-1 *loses power*"; of the store, a sentence.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |path: &Option<String>| path.clone().unwrap_or_else(|| "disk".to_string());
        match self {
            Self::Crash => write!(out, "crashes"),
            Self::PowerLoss => write!(out, "loses power"),
            Self::CrashAt { operation, nth, crash } => {
                let what = if *crash == CrashKind::Power { "loses power" } else { "crashes" };
                write!(out, "{what} before operation {nth} of kind {operation:?}")
            }
            Self::Upgrade { release } => write!(out, "restarts as release {release}"),
            Self::Pause => write!(out, "stands still"),
            Self::CutOff => write!(out, "is cut off"),
            Self::Parted { .. } => write!(out, "is parted from one other machine"),
            Self::ResetStreams => write!(out, "has all its streams reset"),
            Self::Deaf => write!(out, "hears no other machine"),
            Self::Mute => write!(out, "is heard by no other machine"),
            Self::Flapping { .. } => write!(out, "is cut off now and then"),
            Self::SlowLinks { times } => write!(out, "has links {times} times slower"),
            Self::Links(_) => write!(out, "has bad links"),
            Self::SlowDisk { times } => write!(out, "has a disk {times} times slower"),
            Self::StalledDisk { for_ns } => {
                write!(out, "has a disk that stalls for {} ms", for_ns / 1_000_000)
            }
            Self::FullDisk => write!(out, "has a full disk"),
            Self::ReadOnlyDisk => write!(out, "has a disk that can only be read"),
            Self::FailingDisk(_) => write!(out, "has a disk that fails now and then"),
            Self::Rot { path, bits } => write!(out, "has {bits} bits of its {} rot", of(path)),
            Self::CrashAndRot { path, bits } => {
                write!(out, "crashes, and {bits} bits of its {} rot", of(path))
            }
            Self::BadSectors { path, sectors } => {
                write!(out, "has {sectors} bad sectors in its {path}")
            }
            Self::Wiped => write!(out, "loses its disk"),
            Self::SetBack => write!(out, "will be set back to its disk of now"),
            Self::ClockOffset { by_ns } => {
                write!(out, "has a clock that is {} ms ahead", by_ns / 1_000_000)
            }
            Self::WallDrift { ppb } => write!(out, "has a wall clock that gains {ppb} ns a second"),
            Self::MonotonicDrift { ppb } => {
                write!(out, "has a monotonic clock that gains {ppb} ns a second")
            }
            Self::FrozenClock => write!(out, "has a wall clock that stands still"),
            Self::LyingClock { bound_ms } => {
                write!(out, "believes its clock to be off by {bound_ms} ms at most")
            }
            Self::StoreDown(ObjectOutage::Refused) => write!(out, "the object store is away"),
            Self::StoreDown(ObjectOutage::Silent) => {
                write!(out, "the object store answers no request")
            }
            Self::StoreBusy { slow_down_per_mille: 1_000, .. } => {
                write!(out, "the object store turns all requests away")
            }
            Self::StoreBusy { timeout_per_mille: 1_000, .. } => {
                write!(out, "the object store answers no request")
            }
            Self::StoreBusy { .. } => write!(out, "the object store is busy"),
            Self::FailingStore(_) => write!(out, "the object store fails now and then"),
            Self::ObjectsLost { n, .. } => write!(out, "{n} objects are lost"),
            Self::ObjectsTruncated { n, .. } => write!(out, "{n} objects are cut off"),
            Self::ObjectsRotten { n, .. } => write!(out, "{n} objects rot"),
        }
    }
}
