//! Whatever a seed draws from all faults at once, no promise breaks; and when two zones are well
//! again for good, all that was begun comes to its end, whatever is still broken in the third.

use super::{Plot, Setting, Story};
use crate::stage::machines;
use std::collections::BTreeSet;
use stillpoint_reference::points;
use stillpoint_sim::{Budget, Buggify, FaultKind, HostId, Swarm, Topology};

/// When the core is healed.
const HEALED_NS: u64 = 5_000_000_000;

/// The story.
pub(super) const STORY: Story = Story {
    name: "everything-at-once",
    claim: "whatever fails, no promise breaks; once two zones are well, all comes to its end",
    phases: &[],
    plot: Plot {
        must_end: true,
        topology: |nodes| {
            let nodes = u64::from(nodes);
            Topology { machines: nodes..nodes + 3, racks_per_zone: 1..3, ..machines(3) }
        },
        ..Plot::USUAL
    },
    set,
};

/// What the service must survive. What is not here, and why: `docs/faults.md`.
const KINDS: [FaultKind; 37] = [
    FaultKind::Crash,
    FaultKind::CrashAt,
    FaultKind::PowerLoss,
    FaultKind::PowerLossOfZone,
    FaultKind::PowerLossOfRack,
    FaultKind::RollingRestart,
    FaultKind::Pause,
    FaultKind::CutOff,
    FaultKind::CutOffZone,
    FaultKind::Parted,
    FaultKind::Deaf,
    FaultKind::Mute,
    FaultKind::Flapping,
    FaultKind::SlowLinks,
    FaultKind::Bandwidth,
    FaultKind::Loss,
    FaultKind::Duplication,
    FaultKind::Reordering,
    FaultKind::Corruption,
    FaultKind::SlowDisk,
    FaultKind::StalledDisk,
    FaultKind::FullDisk,
    FaultKind::ReadOnlyDisk,
    FaultKind::DiskErrors,
    FaultKind::ShortTransfers,
    FaultKind::LatentSectors,
    FaultKind::Rot,
    FaultKind::Wiped,
    FaultKind::ClockOffset,
    FaultKind::WallDrift,
    FaultKind::MonotonicDrift,
    FaultKind::FrozenClock,
    FaultKind::LyingClock,
    FaultKind::StoreDown,
    FaultKind::StoreBusy,
    FaultKind::StoreBursts,
    FaultKind::StoreGarbles,
];

/// Where faults strike, if not at an instant.
const POINTS: [&str; 12] = [
    points::LEADER,
    points::HOLD_BEGIN,
    points::CUT_MARKED,
    points::CUT_CONFIRM,
    points::CUT_HELD,
    points::CUT_SEAL,
    points::CUT_SEALED,
    points::ARCHIVE_PART,
    points::CHECKPOINT,
    points::RESTORE_COPY,
    points::RESTORE_LOADED,
    points::RESTORE_FINISH,
];

fn set(it: &Setting<'_>) {
    // Anything may be away, or one zone may be away or have lost what it stored.
    let damage = it.world.knob("damage", 0..2) == 1;
    it.world.set_budget(match damage {
        false => Budget { zones_damaged_max: 0, ..Budget::UNBOUNDED },
        true => Budget { zones_damaged_max: 1, zones_away_max: 1, ..Budget::UNBOUNDED },
    });
    // In half of the runs, and there a quarter of the places.
    if it.world.knob("rare-branches", 0..2) == 1 {
        it.world.set_buggify(Buggify { on_per_mille: 250, taken_per_mille: 100 });
    }
    let swarm = Swarm {
        kinds: KINDS.to_vec(),
        // Most runs last little longer.
        span_ns: 0..2_000_000_000,
        lasts_ns: 1_000_000..1_500_000_000,
        for_good_per_mille: 250,
        points: POINTS.to_vec(),
        passings_max: 4,
        ..Swarm::everything()
    };
    let plan = swarm.draw(it.world);
    it.faults.carry_out_drawn(it.world, &plan);
    let core = if damage { it.nodes.to_vec() } else { draw_core(it) };
    it.world.at(HEALED_NS, move |world| world.heal_for_good(&core));
}

/// The machines of two zones or of all three; all that there are where one zone may be damaged,
/// since what is refused there no healing brings back.
fn draw_core(it: &Setting<'_>) -> Vec<HostId> {
    let left_out = it.world.knob("left-out", 0..4);
    let zone_of = |node: &HostId| (it.world.host(*node).zone(), *node);
    let zones: BTreeSet<_> = it.nodes.iter().map(|it| zone_of(it).0).collect();
    // The first choice leaves nobody out.
    let broken = left_out.checked_sub(1).and_then(|n| zones.iter().nth(n as usize));
    it.nodes.iter().copied().filter(|it| Some(&zone_of(it).0) != broken).collect()
}
