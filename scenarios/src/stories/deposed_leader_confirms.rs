//! A leader that was deposed behind its marker, and does not know it, cannot vouch for the cut.
//!
//! Mark reaches one node late. Another, the *old leader*, has marked at once and is then cut off
//! until its lease is long over: its partitions get new leaders, who know of no hold and
//! acknowledge writes. Clients go on because of these, and write to the partitions that are not
//! marked yet. When the last marker is committed, the old leader hears from the coordinator again,
//! and from nobody else: the next that it learns is Confirm. Its log looks as it should, nothing
//! follows its marker, and it still believes that it leads. Were it to say Held, the backup would
//! lack what the new leaders acknowledged and hold what came after.
//!
//! With the usual times a hold ends before a lease does. Here it may last longer, which the
//! protocol allows: no bound on holds is part of the argument for it.

use super::{Plot, Setting, Story};
use crate::report::Phase;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use stillpoint_reference::node::Config;
use stillpoint_reference::points;
use stillpoint_sim::{Dice, Fault, HostId, Strike, Whom, World};

/// What is noted of an old leader that gets Confirm and takes itself for the leader.
const BELIEVES: &str = "is deposed, believes that it leads, and gets Confirm for";

/// The story.
pub(super) const STORY: Story = Story {
    name: "deposed-leader-confirms",
    claim: "a leader deposed behind its marker does not vouch for it, though it believes it leads",
    phases: &[Phase::Mark],
    plot: Plot { configure, ..Plot::USUAL },
    set,
};

/// A hold may last this long: five times a lease.
const HOLD_NS: u64 = 1_000_000_000;
/// The old leader's last words to the coordinator are under way for this long at most.
const LAST_WORDS_NS: u64 = 30_000_000;
/// The old leader's peers do not hear from it for this long.
const CUT_OFF_NS: u64 = 1_100_000_000;

/// A node's lease, and the other times that go with it: a third of the usual.
const LEASE_NS: u64 = 200_000_000;
/// Routers give up on a silent node after this long, and then ask another.
const REQUEST_NS: u64 = 400_000_000;

/// Short leases, holds that outlast them, and clients that do not wait for the cut.
fn configure(config: &mut Config) {
    (config.cut.hold_ns, config.cut.hold_ns_max) = (HOLD_NS, HOLD_NS);
    config.replication.lease_ns = LEASE_NS;
    config.replication.lease_margin_ns = LEASE_NS / 10;
    config.replication.heartbeat_ns = LEASE_NS / 6;
    config.replication.election_ns = LEASE_NS / 4;
    config.request_ns_max = REQUEST_NS;
}

/// Who plays which part in the first attempt.
struct Parts {
    coordinator: HostId,
    /// The node that Mark reaches late.
    late: HostId,
    old_leader: HostId,
    /// Partitions that hold behind a marker of the late node that is not yet committed.
    late_unmarked: BTreeSet<u64>,
    /// Likewise for the old leader.
    unmarked: BTreeSet<u64>,
    /// What the old leader has marked.
    marked: BTreeSet<u64>,
    cut_off: bool,
    link_is_slow: bool,
    /// Partitions that the old leader has marked and another node leads.
    lost: BTreeSet<u64>,
}

impl Parts {
    fn draw(nodes: &[HostId], coordinator: HostId, dice: &Dice) -> Self {
        let mut others: Vec<HostId> =
            nodes.iter().copied().filter(|it| *it != coordinator).collect();
        let mut draw = || others.swap_remove(dice.range(0..others.len() as u64) as usize);
        Self {
            coordinator,
            late: draw(),
            old_leader: draw(),
            late_unmarked: BTreeSet::new(),
            unmarked: BTreeSet::new(),
            marked: BTreeSet::new(),
            cut_off: false,
            link_is_slow: true,
            lost: BTreeSet::new(),
        }
    }
}

/// The parts of a run; none before the first backup begins.
type Cast = Rc<RefCell<Option<Parts>>>;

fn set(it: &Setting<'_>) {
    let cast = give_out(it);
    on(it, &cast, points::HOLD_BEGIN, |_, host, partition, parts| parts.holds(host, partition));
    let (nodes, faults) = (it.nodes.to_vec(), it.faults.clone());
    on(it, &cast, points::CUT_MARKED, move |world, host, partition, parts| {
        if parts.marks_late(host, partition) {
            world.unblock(parts.coordinator, parts.old_leader);
            world.unblock(parts.old_leader, parts.coordinator);
        } else if parts.marks_in_time(host, partition) {
            cut_off(world, &nodes, parts);
            let at_ns = world.now_ns() + LAST_WORDS_NS;
            let old_leader = Whom::Machine(world.host(parts.old_leader).name().to_string());
            let cut_off = Strike::on(old_leader, Fault::CutOff).at_ns(at_ns).for_ns(CUT_OFF_NS);
            faults.place(world, [cut_off]);
        }
    });
    for end in [points::CUT_CONFIRM, points::CUT_RETRY] {
        on(it, &cast, end, |world, _, _, parts| be_in_time(world, parts));
    }
    on(it, &cast, points::LEADER, |_, host, partition, parts| {
        if host != parts.old_leader && parts.marked.contains(&partition) {
            parts.lost.insert(partition);
        }
    });
    let faults = it.faults.clone();
    on(it, &cast, points::CUT_CHECK, move |world, host, partition, parts| {
        if host == parts.old_leader && parts.lost.remove(&partition) {
            let name = world.host(host).name();
            faults.note(world, &format!("{name} {BELIEVES} partition {partition}"));
        }
    });
}

fn on(
    it: &Setting<'_>,
    cast: &Cast,
    point: &str,
    mut act: impl FnMut(&World, HostId, u64, &mut Parts) + 'static,
) {
    let cast = Rc::clone(cast);
    it.world.on_point(point, move |world, host, detail| {
        if let Some(parts) = cast.borrow_mut().as_mut() {
            act(world, host, detail, parts);
        }
    });
}

impl Parts {
    /// A partition is held on this node.
    fn holds(&mut self, host: HostId, partition: u64) {
        if host == self.late {
            self.late_unmarked.insert(partition);
        } else if host == self.old_leader && !self.cut_off {
            self.unmarked.insert(partition);
        }
    }

    /// Whether this is the last marker of the late node.
    fn marks_late(&mut self, host: HostId, partition: u64) -> bool {
        host == self.late && self.late_unmarked.remove(&partition) && self.late_unmarked.is_empty()
    }

    /// Whether this is the last marker of the old leader.
    fn marks_in_time(&mut self, host: HostId, partition: u64) -> bool {
        if host != self.old_leader || !self.unmarked.remove(&partition) {
            return false;
        }
        self.marked.insert(partition);
        self.unmarked.is_empty()
    }
}

/// Gives out the parts when the first backup begins, and makes Mark late on one link.
fn give_out(it: &Setting<'_>) -> Cast {
    let cast = Cast::default();
    let (nodes, dice, parts) = (it.nodes.to_vec(), it.dice.clone(), Rc::clone(&cast));
    let late_ns = dice.range(600_000_000..800_000_000);
    it.world.on_point(points::CUT_PROBE, move |world, coordinator, _| {
        let mut parts = parts.borrow_mut();
        if parts.is_none() {
            let drawn = Parts::draw(&nodes, coordinator, &dice);
            // What the probe says is already under way.
            world.set_link_latency(coordinator, drawn.late, late_ns..late_ns + 10_000_000);
            *parts = Some(drawn);
        }
    });
    cast
}

/// The old leader has said Marked: from now on nobody but the coordinator hears it, for a moment.
fn cut_off(world: &World, nodes: &[HostId], parts: &mut Parts) {
    parts.cut_off = true;
    let (old, coordinator) = (parts.old_leader, parts.coordinator);
    let others: Vec<HostId> =
        nodes.iter().copied().filter(|it| *it != old && *it != coordinator).collect();
    let cut = world.partition(&[old], &others);
    world.at(world.now_ns() + LAST_WORDS_NS + CUT_OFF_NS, move |world| world.lift(cut));
    be_in_time(world, parts);
}

/// Mark was late, or nobody waits for it any more: the link is as others are.
fn be_in_time(world: &World, parts: &mut Parts) {
    if std::mem::take(&mut parts.link_is_slow) {
        world.set_link_latency(parts.coordinator, parts.late, world.net().cross_zone_ns);
    }
}
