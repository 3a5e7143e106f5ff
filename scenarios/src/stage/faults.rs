//! Faults that a story places, and the repair that follows each.
//!
//! A fault strikes at a point that execution passes, or at an instant. Its repair is left with
//! [`Schedule`], which the driver runs beside the story: so no fault is for ever unless a story
//! says so, and what was survivable stays survivable.

use crate::report::Phase;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::ops::Range;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use stillpoint_reference::points;
use stillpoint_sim::{Dice, DiskFaults, DiskSettings, HostId, NetSettings, ObjectSettings, World};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::phases::Phases;
use super::transcript::Transcript;

/// What is due at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Restart(HostId),
    HealDisk(HostId),
    HealNetwork,
    HealObjects,
    Strike { host: HostId, strike: Strike, down_ns: u64 },
}

/// What strikes, and whom; the machine is the one that passed the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strike {
    /// The process dies; its page cache survives.
    Crash,
    /// The machine loses power.
    PowerLoss,
    /// All machines of its zone lose power.
    PowerLossOfZone,
    /// All machines lose power.
    PowerLossEverywhere,
    /// Nobody reaches it and it reaches nobody.
    Isolation,
    /// No node reaches it, but it reaches all.
    Deafness,
    /// All machines of its zone lose power, for good.
    LossOfZone,
    /// Its disk and its links become so many times slower, for good.
    Slowness(u32),
    /// The object store turns every request away.
    ObjectsRefuse,
    /// The object store answers no request.
    ObjectsSilent,
    /// The process dies, and so many bits of what its checkpoint holds turn over meanwhile.
    Rot(u64),
    /// So many bits of its checkpoint turn over while it runs.
    RotUnderWay(u64),
    /// Its disk has no space left.
    FullDisk,
    /// Reads, writes and syncs fail now and then.
    FailingDisk,
}

/// The file that a node's checkpoint is in.
const ITEMS: &str = "items";

/// How a disk fails that fails now and then.
const FAILING: DiskFaults = DiskFaults {
    read_error_per_mille: 20,
    write_error_per_mille: 20,
    sync_error_per_mille: 50,
    ..DiskFaults::NONE
};
/// Whoever looks after a machine starts a process again that ended by itself, after so long.
const STARTED_AGAIN_NS: u64 = 200_000_000;

/// Places faults in a world.
#[derive(Clone)]
pub struct Faults {
    schedule: UnboundedSender<(u64, Due)>,
    transcript: Transcript,
    nodes: Vec<HostId>,
    placed: Rc<Cell<bool>>,
    struck: Rc<Cell<u64>>,
    phases: Rc<Phases>,
    /// The object store as it was before it was struck.
    objects: Rc<RefCell<Option<ObjectSettings>>>,
}

/// Carries out what is due.
#[derive(Debug)]
pub struct Schedule(UnboundedReceiver<(u64, Due)>);

impl Faults {
    /// Faults on these machines, and the repairs that follow. Follows the world's phases from
    /// now on.
    #[must_use]
    pub fn new(world: &World, nodes: Vec<HostId>, transcript: Transcript) -> (Self, Schedule) {
        let (schedule, due) = unbounded_channel();
        let (placed, struck, objects) = (Rc::default(), Rc::default(), Rc::default());
        let phases = Phases::watch(world);
        let faults = Self { schedule, transcript, nodes, placed, struck, phases, objects };
        faults.look_after_machines(world);
        (faults, Schedule(due))
    }

    /// A process whose storage failed is ended and started again.
    fn look_after_machines(&self, world: &World) {
        let this = self.clone();
        world.on_point(points::STORAGE_FAILED, move |world, host, _| {
            let name = world.host(host).name();
            this.transcript.note(world.now_ns(), &format!("{name} ends, since its disk failed"));
            world.crash(host);
            let at_ns = world.now_ns() + STARTED_AGAIN_NS;
            let _ = this.schedule.send((at_ns, Due::Restart(host)));
        });
    }

    /// Tells whoever reads the run what a story saw or did.
    pub fn note(&self, world: &World, what: &str) {
        self.transcript.note(world.now_ns(), what);
    }

    /// Whether any fault was placed; whether it strikes is another matter.
    #[must_use]
    pub fn are_placed(&self) -> bool {
        self.placed.get()
    }

    /// How many of the placed faults have struck.
    #[must_use]
    pub fn struck(&self) -> u64 {
        self.struck.get()
    }

    /// How many of them struck in each phase of a backup or a restore. One that lasts strikes in
    /// every phase that begins meanwhile.
    #[must_use]
    pub fn struck_by_phase(&self) -> BTreeMap<Phase, u64> {
        self.phases.struck()
    }

    /// Counts what a client did at the wrong moment, which is a fault of the story's own making.
    pub fn count_interference(&self) {
        self.placed.set(true);
        self.struck.set(self.struck.get() + 1);
        self.phases.strike(None);
    }

    /// Strikes when `point` is passed for the `nth` time (from 1), and repairs after `down_ns`.
    pub fn when(&self, world: &World, point: &'static str, nth: u64, strike: Strike, down_ns: u64) {
        self.when_any(world, &[point], nth, strike, down_ns);
    }

    /// The same for several points, whose passings are counted together.
    pub fn when_any(
        &self,
        world: &World,
        points: &[&'static str],
        nth: u64,
        strike: Strike,
        down_ns: u64,
    ) {
        self.placed.set(true);
        let passed: Rc<Cell<u64>> = Rc::default();
        for &point in points {
            let (this, passed) = (self.clone(), Rc::clone(&passed));
            world.on_point(point, move |world, host, _| {
                passed.set(passed.get() + 1);
                if passed.get() == nth && world.is_up(host) {
                    let place = format!(", at {point} on {}", world.host(host).name());
                    this.phases.strike(Some(point));
                    this.strike(world, host, &place, strike, down_ns);
                }
            });
        }
    }

    /// Says that a fault will be placed later: a run in which none is tells nothing.
    pub fn expect(&self) {
        self.placed.set(true);
    }

    /// Strikes a machine at a world time, and repairs after `down_ns`.
    pub fn at(&self, at_ns: u64, host: HostId, strike: Strike, down_ns: u64) {
        self.placed.set(true);
        let _ = self.schedule.send((at_ns, Due::Strike { host, strike, down_ns }));
    }

    #[allow(clippy::too_many_lines, reason = "one arm for each kind of strike")]
    fn strike(&self, world: &World, host: HostId, place: &str, strike: Strike, down_ns: u64) {
        let (name, zone) = (world.host(host).name(), world.host(host).zone());
        let at_ns = world.now_ns() + down_ns;
        let note = |what: &str| {
            self.transcript.note(world.now_ns(), &format!("{what}{place}"));
        };
        self.struck.set(self.struck.get() + 1);
        match strike {
            Strike::Crash => {
                note(&format!("{name} crashes"));
                world.crash(host);
                let _ = self.schedule.send((at_ns, Due::Restart(host)));
            }
            Strike::PowerLoss => {
                note(&format!("{name} loses power"));
                world.power_loss(host);
                let _ = self.schedule.send((at_ns, Due::Restart(host)));
            }
            Strike::PowerLossOfZone => {
                note(&format!("{zone} loses power"));
                let struck = |it: &&HostId| world.host(**it).zone() == zone;
                self.cut_power(world, self.nodes.iter().filter(struck), at_ns);
            }
            Strike::PowerLossEverywhere => {
                note("every zone loses power");
                self.cut_power(world, self.nodes.iter(), at_ns);
            }
            Strike::Isolation => {
                note(&format!("{name} is cut off"));
                world.isolate(host);
                let _ = self.schedule.send((at_ns, Due::HealNetwork));
            }
            Strike::Deafness => {
                note(&format!("{name} hears no other node"));
                world.deafen(host, &self.nodes);
                let _ = self.schedule.send((at_ns, Due::HealNetwork));
            }
            Strike::LossOfZone => {
                note(&format!("{zone} is lost for good"));
                let lost = |it: &&HostId| world.is_up(**it) && world.host(**it).zone() == zone;
                self.nodes.iter().filter(lost).for_each(|it| world.power_loss(*it));
            }
            Strike::Slowness(times) => {
                note(&format!("{name} becomes {times} times slower, for good"));
                self.phases.begin_lasting();
                self.slow_down(world, host, u64::from(times));
            }
            Strike::Rot(bits) => {
                note(&format!("{name} crashes, and its checkpoint rots"));
                world.crash(host);
                world.rot_file(host, ITEMS, bits);
                let _ = self.schedule.send((at_ns, Due::Restart(host)));
            }
            Strike::RotUnderWay(bits) => {
                note(&format!("{name}'s checkpoint rots"));
                world.rot_file(host, ITEMS, bits);
            }
            Strike::FullDisk => {
                note(&format!("{name}'s disk is full"));
                world.set_disk_capacity(host, Some(0));
                let _ = self.schedule.send((at_ns, Due::HealDisk(host)));
            }
            Strike::FailingDisk => {
                note(&format!("{name}'s disk fails now and then"));
                world.set_disk_faults(host, FAILING);
                let _ = self.schedule.send((at_ns, Due::HealDisk(host)));
            }
            Strike::ObjectsRefuse => {
                note("the object store turns all requests away");
                self.strike_objects(world, at_ns, |it| it.slow_down_per_mille = 1_000);
            }
            Strike::ObjectsSilent => {
                note("the object store answers no request");
                self.strike_objects(world, at_ns, |it| it.timeout_per_mille = 1_000);
            }
        }
    }

    fn slow_down(&self, world: &World, host: HostId, times: u64) {
        let slower = |it: &Range<u64>| it.start * times..it.end * times;
        let disk = DiskSettings::default();
        world.set_disk(
            host,
            DiskSettings {
                write_ns: slower(&disk.write_ns),
                read_ns: slower(&disk.read_ns),
                sync_ns: slower(&disk.sync_ns),
                ..disk
            },
        );
        let link_ns = NetSettings::default().cross_zone_ns.times(times);
        for other in world.hosts().into_iter().filter(|it| *it != host) {
            world.set_link_latency(host, other, link_ns.clone());
            world.set_link_latency(other, host, link_ns.clone());
        }
    }

    fn strike_objects(&self, world: &World, until_ns: u64, set: fn(&mut ObjectSettings)) {
        let usual = world.objects();
        let mut struck = usual.clone();
        set(&mut struck);
        world.set_objects(struck);
        *self.objects.borrow_mut() = Some(usual);
        self.phases.begin_lasting();
        let _ = self.schedule.send((until_ns, Due::HealObjects));
    }

    fn cut_power<'a>(&self, world: &World, hosts: impl Iterator<Item = &'a HostId>, at_ns: u64) {
        for &host in hosts.filter(|it| world.is_up(**it)) {
            world.power_loss(host);
            let _ = self.schedule.send((at_ns, Due::Restart(host)));
        }
    }
}

/// How long a machine stays down: long enough for leases to run out, or not.
#[must_use]
pub fn draw_down_ns(dice: &Dice) -> u64 {
    dice.range(50_000_000..1_500_000_000)
}

impl Schedule {
    /// Does what is due, for as long as it is polled.
    pub async fn carry_out(mut self, world: World, faults: Faults) {
        let driver = world.driver();
        let mut due: BTreeMap<(u64, Due), ()> = BTreeMap::new();
        loop {
            let next_ns = due.first_key_value().map_or(u64::MAX, |((at_ns, _), ())| *at_ns);
            let mut sleep = pin!(driver.sleep(next_ns.saturating_sub(world.now_ns())));
            let added = poll_fn(|cx| {
                if let Poll::Ready(Some(added)) = self.0.poll_recv(cx) {
                    return Poll::Ready(Some(added));
                }
                sleep.as_mut().poll(cx).map(|()| None)
            });
            match added.await {
                Some(added) => drop(due.insert(added, ())),
                None => {
                    let ((_, now_due), ()) = due.pop_first().expect("one was due");
                    faults.carry_out(&world, now_due);
                }
            }
        }
    }
}

impl Faults {
    fn carry_out(&self, world: &World, due: Due) {
        match due {
            Due::Restart(host) if !world.is_up(host) => {
                let name = world.host(host).name();
                self.transcript.note(world.now_ns(), &format!("{name} starts again"));
                world.restart(host);
            }
            Due::Restart(_) => {}
            Due::HealDisk(host) => {
                let name = world.host(host).name();
                self.transcript.note(world.now_ns(), &format!("{name}'s disk is well again"));
                world.set_disk_capacity(host, None);
                world.set_disk_faults(host, DiskFaults::default());
            }
            Due::HealNetwork => {
                self.transcript.note(world.now_ns(), "the network is whole again");
                world.heal_all();
            }
            Due::HealObjects => {
                self.transcript.note(world.now_ns(), "the object store is back");
                self.phases.end_lasting();
                let usual = self.objects.borrow_mut().take();
                world.set_objects(usual.expect("it was struck before"));
            }
            Due::Strike { host, strike, down_ns } if world.is_up(host) => {
                self.phases.strike(None);
                self.strike(world, host, "", strike, down_ns);
            }
            Due::Strike { .. } => {}
        }
    }
}
