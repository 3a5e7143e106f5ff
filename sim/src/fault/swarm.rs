//! Swarms: each seed draws which kinds of faults there are at all, and then the faults
//! (Groce et al., "Swarm Testing", ISSTA 2012: leaving kinds out finds more than having them all).
//!
//! Every fault is drawn under a name of its own, `swarm/fault-3`, and is absent for raw 0: so a
//! shrinker that mutes a name takes out one fault and leaves the others as they are.

use std::collections::BTreeSet;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::{Fault, Lasts, Plan, Strike, When, Whom};
use crate::dice::Dice;
use crate::disk::DiskFaults;
use crate::host::HostId;
use crate::net::LinkSettings;
use crate::object_store::{ObjectFaults, ObjectOutage};
use crate::operation::{CrashKind, OperationKind};
use crate::world::World;

/// A kind of fault, of which a swarm draws the particulars.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// [`Fault::Crash`].
    Crash,
    /// [`Fault::CrashAt`].
    CrashAt,
    /// [`Fault::PowerLoss`].
    PowerLoss,
    /// [`Fault::PowerLoss`] of all machines of a zone.
    PowerLossOfZone,
    /// [`Fault::PowerLoss`] of all machines of a rack.
    PowerLossOfRack,
    /// [`Fault::Upgrade`] of one machine after the other, to one release.
    RollingRestart,
    /// [`Fault::Pause`].
    Pause,
    /// [`Fault::CutOff`].
    CutOff,
    /// [`Fault::CutOff`] of all machines of a zone.
    CutOffZone,
    /// [`Fault::Parted`].
    Parted,
    /// [`Fault::Deaf`].
    Deaf,
    /// [`Fault::Mute`].
    Mute,
    /// [`Fault::Flapping`].
    Flapping,
    /// [`Fault::SlowLinks`].
    SlowLinks,
    /// [`Fault::Links`] that are narrow.
    Bandwidth,
    /// [`Fault::ResetStreams`].
    ResetStreams,
    /// [`Fault::Links`] that lose datagrams.
    Loss,
    /// [`Fault::Links`] that repeat datagrams.
    Duplication,
    /// [`Fault::Links`] that hold datagrams back.
    Reordering,
    /// [`Fault::Links`] that turn bits over.
    Corruption,
    /// [`Fault::SlowDisk`].
    SlowDisk,
    /// [`Fault::StalledDisk`].
    StalledDisk,
    /// [`Fault::FullDisk`].
    FullDisk,
    /// [`Fault::ReadOnlyDisk`].
    ReadOnlyDisk,
    /// [`Fault::FailingDisk`] with errors.
    DiskErrors,
    /// [`Fault::FailingDisk`] with reads and writes that come short.
    ShortTransfers,
    /// [`Fault::FailingDisk`] with syncs that lie.
    LyingSync,
    /// [`Fault::FailingDisk`] with sectors that go bad.
    LatentSectors,
    /// [`Fault::FailingDisk`] with writes that go astray or nowhere.
    StrayWrites,
    /// [`Fault::Rot`].
    Rot,
    /// [`Fault::Wiped`].
    Wiped,
    /// [`Fault::SetBack`].
    SetBack,
    /// [`Fault::ClockOffset`].
    ClockOffset,
    /// [`Fault::WallDrift`].
    WallDrift,
    /// [`Fault::MonotonicDrift`].
    MonotonicDrift,
    /// [`Fault::FrozenClock`].
    FrozenClock,
    /// [`Fault::LyingClock`].
    LyingClock,
    /// [`Fault::StoreDown`].
    StoreDown,
    /// [`Fault::StoreBusy`].
    StoreBusy,
    /// [`Fault::FailingStore`] with bursts and stale lists.
    StoreBursts,
    /// [`Fault::FailingStore`] with gets that are cut off or corrupted on the way.
    StoreGarbles,
    /// [`Fault::ObjectsLost`].
    ObjectsLost,
    /// [`Fault::ObjectsTruncated`].
    ObjectsTruncated,
    /// [`Fault::ObjectsRotten`].
    ObjectsRotten,
}

/// Before which operations a process dies, if one is drawn.
const FATAL: [OperationKind; 7] = [
    OperationKind::Any,
    OperationKind::Disk,
    OperationKind::DiskSync,
    OperationKind::DatagramSent,
    OperationKind::DatagramDelivered,
    OperationKind::ObjectRequest,
    OperationKind::ObjectEffect,
];

impl FaultKind {
    /// All kinds.
    pub const ALL: [Self; 44] = [
        Self::Crash,
        Self::CrashAt,
        Self::PowerLoss,
        Self::PowerLossOfZone,
        Self::PowerLossOfRack,
        Self::RollingRestart,
        Self::Pause,
        Self::CutOff,
        Self::CutOffZone,
        Self::Parted,
        Self::Deaf,
        Self::Mute,
        Self::Flapping,
        Self::SlowLinks,
        Self::Bandwidth,
        Self::ResetStreams,
        Self::Loss,
        Self::Duplication,
        Self::Reordering,
        Self::Corruption,
        Self::SlowDisk,
        Self::StalledDisk,
        Self::FullDisk,
        Self::ReadOnlyDisk,
        Self::DiskErrors,
        Self::ShortTransfers,
        Self::LyingSync,
        Self::LatentSectors,
        Self::StrayWrites,
        Self::Rot,
        Self::Wiped,
        Self::SetBack,
        Self::ClockOffset,
        Self::WallDrift,
        Self::MonotonicDrift,
        Self::FrozenClock,
        Self::LyingClock,
        Self::StoreDown,
        Self::StoreBusy,
        Self::StoreBursts,
        Self::StoreGarbles,
        Self::ObjectsLost,
        Self::ObjectsTruncated,
        Self::ObjectsRotten,
    ];

    /// The fault, its particulars drawn; the mildest for raw 0.
    #[must_use]
    pub fn draw(self, dice: &Dice) -> Fault {
        match self {
            Self::Crash => Fault::Crash,
            Self::CrashAt => Fault::CrashAt {
                operation: *dice.pick(&FATAL),
                nth: 1 + dice.range(0..1 << dice.range(0..10)),
                crash: match dice.chance(1, 2) {
                    true => CrashKind::Power,
                    false => CrashKind::Process,
                },
            },
            Self::PowerLoss | Self::PowerLossOfZone | Self::PowerLossOfRack => Fault::PowerLoss,
            Self::RollingRestart => Fault::Upgrade { release: dice.range(1..8) as u16 },
            Self::Pause => Fault::Pause,
            Self::CutOff | Self::CutOffZone => Fault::CutOff,
            Self::Parted => Fault::Parted { from: dice.range(0..1 << 16) },
            Self::ResetStreams => Fault::ResetStreams,
            Self::Bandwidth => Fault::Links(LinkSettings {
                // From ten megabytes a second down to eighty kilobytes.
                bytes_per_s: Some(10_000_000 >> dice.range(0..8)),
                ..LinkSettings::default()
            }),
            Self::Deaf => Fault::Deaf,
            Self::Mute => Fault::Mute,
            Self::Flapping => {
                // Open for the longest time for raw 0.
                let (shut, open) = (dice.range(10..500), 509 - dice.range(10..500));
                let around = |ms: u64| ms * 500_000..ms * 1_500_000;
                Fault::Flapping { shut_ns: around(shut), open_ns: around(open) }
            }
            Self::SlowLinks => Fault::SlowLinks { times: dice.range(2..50) },
            Self::Loss | Self::Duplication | Self::Reordering | Self::Corruption => {
                self.links(rate(dice, 1_000_000, 4))
            }
            Self::SlowDisk => Fault::SlowDisk { times: dice.range(2..50) },
            Self::StalledDisk => Fault::StalledDisk { for_ns: dice.range(1..3_000) * 1_000_000 },
            Self::FullDisk => Fault::FullDisk,
            Self::ReadOnlyDisk => Fault::ReadOnlyDisk,
            Self::DiskErrors | Self::ShortTransfers | Self::LyingSync => {
                self.disk(rate(dice, 1_000, 2))
            }
            Self::LatentSectors | Self::StrayWrites => self.disk(rate(dice, 1_000, 20)),
            Self::Rot => Fault::Rot { path: None, bits: dice.range(1..40) },
            Self::Wiped => Fault::Wiped,
            Self::SetBack => Fault::SetBack,
            Self::ClockOffset => Fault::ClockOffset { by_ns: signed(dice, 60_000_000_000) },
            Self::WallDrift => Fault::WallDrift { ppb: signed(dice, 10_000_000) },
            Self::MonotonicDrift => Fault::MonotonicDrift { ppb: signed(dice, 500_000) },
            Self::FrozenClock => Fault::FrozenClock,
            Self::LyingClock => Fault::LyingClock { bound_ms: dice.range(0..1_000) },
            Self::StoreDown => Fault::StoreDown(match dice.chance(1, 2) {
                true => ObjectOutage::Silent,
                false => ObjectOutage::Refused,
            }),
            Self::StoreBusy => Fault::StoreBusy {
                slow_down_per_mille: rate(dice, 1_000, 2),
                timeout_per_mille: rate(dice, 1_000, 4),
            },
            Self::StoreBursts | Self::StoreGarbles => self.store(rate(dice, 1_000, 10)),
            Self::ObjectsLost | Self::ObjectsTruncated | Self::ObjectsRotten => {
                self.objects(1 + dice.range(0..4))
            }
        }
    }

    fn links(self, per_million: u64) -> Fault {
        let mut settings = LinkSettings::default();
        let rate = match self {
            Self::Loss => &mut settings.loss_per_million,
            Self::Duplication => &mut settings.duplicate_per_million,
            Self::Reordering => &mut settings.reorder_per_million,
            _ => &mut settings.corrupt_per_million,
        };
        *rate = Some(per_million);
        Fault::Links(settings)
    }

    fn disk(self, per_mille: u64) -> Fault {
        let none = DiskFaults::NONE;
        Fault::FailingDisk(match self {
            Self::DiskErrors => DiskFaults {
                read_error_per_mille: per_mille,
                write_error_per_mille: per_mille,
                sync_error_per_mille: per_mille,
                ..none
            },
            Self::ShortTransfers => DiskFaults {
                short_read_per_mille: per_mille,
                short_write_per_mille: per_mille,
                ..none
            },
            Self::LyingSync => DiskFaults { lying_sync_per_mille: per_mille, ..none },
            Self::LatentSectors => DiskFaults { latent_sector_per_mille: per_mille, ..none },
            _ => DiskFaults {
                misdirected_write_per_mille: per_mille,
                phantom_write_per_mille: per_mille,
                ..none
            },
        })
    }

    fn store(self, per_mille: u64) -> Fault {
        let none = ObjectFaults::NONE;
        Fault::FailingStore(match self {
            Self::StoreBursts => {
                ObjectFaults { burst_per_mille: per_mille, stale_list_per_mille: per_mille, ..none }
            }
            _ => ObjectFaults {
                truncated_get_per_mille: per_mille,
                corrupted_get_per_mille: per_mille,
                ..none
            },
        })
    }

    fn objects(self, n: u64) -> Fault {
        let prefix = String::new();
        match self {
            Self::ObjectsLost => Fault::ObjectsLost { prefix, n },
            Self::ObjectsTruncated => Fault::ObjectsTruncated { prefix, n },
            _ => Fault::ObjectsRotten { prefix, n },
        }
    }

    /// Whom it strikes, drawn; with `at_point`, whoever passes a point may be meant.
    fn whom(self, dice: &Dice, fault: &Fault, at_point: bool) -> Whom {
        let n = dice.range(0..1 << 16);
        let passer = at_point && dice.chance(3, 4);
        match self {
            _ if fault.is_of_store() => Whom::Store,
            Self::PowerLossOfZone | Self::CutOffZone if passer => Whom::ZoneOfPasser,
            Self::PowerLossOfZone | Self::CutOffZone => Whom::ZoneOfUp(n),
            Self::PowerLossOfRack if passer => Whom::RackOfPasser,
            Self::PowerLossOfRack => Whom::RackOfUp(n),
            _ if passer => Whom::Passer,
            _ => Whom::Up(n),
        }
    }
}

/// A rate out of `of`, up to one in `least`: small ones as likely as large ones.
fn rate(dice: &Dice, of: u64, least: u64) -> u64 {
    let max = of / least;
    let magnitude = dice.range(0..u64::from(max.ilog2()) + 1);
    dice.range(1 << magnitude..(2 << magnitude).min(max + 1).max((1 << magnitude) + 1))
}

/// A number up to `max`, either way.
fn signed(dice: &Dice, max: u64) -> i64 {
    let n = dice.range(0..max) as i64;
    if dice.chance(1, 2) { -n } else { n }
}

/// What a swarm draws from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swarm {
    /// The kinds of faults; each is in half of all worlds.
    pub kinds: Vec<FaultKind>,
    /// Places for faults. About a quarter of them is taken: in half of them there is none, and of
    /// the others half is of a kind that this world does not have.
    pub slots: u64,
    /// When they strike, in nanoseconds of the world's time, where not at a point.
    pub span_ns: Range<u64>,
    /// How long they last, in nanoseconds.
    pub lasts_ns: Range<u64>,
    /// Of a thousand faults, how many last until the world is healed.
    pub for_good_per_mille: u64,
    /// Points at which faults may strike.
    pub points: Vec<&'static str>,
    /// A fault may wait for so many passings of its point.
    pub passings_max: u64,
}

impl Swarm {
    /// About six faults of all kinds in the first ten seconds, each up to two seconds long.
    #[must_use]
    pub fn everything() -> Self {
        Self {
            kinds: FaultKind::ALL.to_vec(),
            slots: 24,
            span_ns: 0..10_000_000_000,
            lasts_ns: 1_000_000..2_000_000_000,
            for_good_per_mille: 0,
            points: Vec::new(),
            passings_max: 8,
        }
    }

    /// The plan of this world's seed. Draws under names that begin with `swarm/`.
    #[must_use]
    pub fn draw(&self, world: &World) -> Plan {
        let has = |it: &FaultKind| world.dice(&format!("swarm/has.{it:?}")).chance(1, 2);
        let kinds: BTreeSet<FaultKind> = self.kinds.iter().copied().filter(has).collect();
        let slots = if self.kinds.is_empty() { 0 } else { self.slots };
        let plan = Plan::of((0..slots).flat_map(|it| self.draw_strikes(world, it, &kinds)));
        world.note_swarm(&plan.to_string());
        plan
    }

    fn draw_strikes(&self, world: &World, slot: u64, kinds: &BTreeSet<FaultKind>) -> Vec<Strike> {
        let dice = world.dice(&format!("swarm/fault-{slot}"));
        if !dice.chance(1, 2) {
            return Vec::new();
        }
        // Of all kinds, so that leaving one out takes out its faults and changes no other.
        let kind = *dice.pick(&self.kinds);
        if !kinds.contains(&kind) {
            return Vec::new();
        }
        let fault = kind.draw(&dice);
        let at_point = !self.points.is_empty() && dice.chance(1, 2);
        let whom = kind.whom(&dice, &fault, at_point);
        let when = match at_point {
            false => When::At(dice.range(self.span_ns.clone())),
            true => When::Passing {
                points: vec![dice.pick(&self.points).to_string()],
                nth: 1 + dice.range(0..self.passings_max),
                after_ns: 0,
            },
        };
        let lasts_ns = dice.range(self.lasts_ns.clone());
        let for_good = dice.chance(self.for_good_per_mille, 1_000);
        let lasts = if for_good { Lasts::ForGood } else { Lasts::Ns(lasts_ns) };
        let strike = Strike { fault, whom, when, lasts };
        match kind {
            FaultKind::RollingRestart => {
                one_after_the_other(&world.machines(), world, &strike, lasts_ns)
            }
            _ => vec![strike],
        }
    }
}

/// The strike on each machine in turn, all of them within the given time: half of its turn a
/// machine is down.
fn one_after_the_other(
    machines: &[HostId],
    world: &World,
    strike: &Strike,
    within_ns: u64,
) -> Vec<Strike> {
    let turn_ns = within_ns / machines.len().max(1) as u64;
    let begin = |turn: u64| match strike.when.clone() {
        When::At(at_ns) => When::At(at_ns + turn * turn_ns),
        When::Passing { points, nth, .. } => {
            When::Passing { points, nth, after_ns: turn * turn_ns }
        }
        by_phase => by_phase,
    };
    let of = |(turn, machine): (u64, &HostId)| Strike {
        whom: Whom::Machine(world.host(*machine).name().to_string()),
        when: begin(turn),
        lasts: Lasts::Ns(turn_ns / 2),
        ..strike.clone()
    };
    (0..).zip(machines).map(of).collect()
}
