//! Faults that a story places, and the repair that follows each.
//!
//! A fault strikes at a point that execution passes, or at an instant. Its repair is left with
//! [`Schedule`], which the driver runs beside the story: so no fault is for ever unless a story
//! says so, and what was survivable stays survivable.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use stillpoint_sim::{Dice, HostId, World};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::transcript::Transcript;

/// What is due at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Restart(HostId),
    HealNetwork,
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
}

/// Places faults in a world.
#[derive(Clone)]
pub struct Faults {
    schedule: UnboundedSender<(u64, Due)>,
    transcript: Transcript,
    nodes: Vec<HostId>,
    placed: Rc<Cell<bool>>,
}

/// Carries out what is due.
#[derive(Debug)]
pub struct Schedule(UnboundedReceiver<(u64, Due)>);

impl Faults {
    /// Faults on these machines, and the repairs that follow.
    #[must_use]
    pub fn new(nodes: Vec<HostId>, transcript: Transcript) -> (Self, Schedule) {
        let (schedule, due) = unbounded_channel();
        (Self { schedule, transcript, nodes, placed: Rc::default() }, Schedule(due))
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

    /// Strikes when `point` is passed for the `nth` time (from 1), and repairs after `down_ns`.
    pub fn when(&self, world: &World, point: &'static str, nth: u64, strike: Strike, down_ns: u64) {
        self.placed.set(true);
        let (this, passed) = (self.clone(), Cell::new(0));
        world.on_point(point, move |world, host, _| {
            passed.set(passed.get() + 1);
            if passed.get() == nth && world.is_up(host) {
                let place = format!(", at {point} on {}", world.host(host).name());
                this.strike(world, host, &place, strike, down_ns);
            }
        });
    }

    /// Strikes a machine at a world time, and repairs after `down_ns`.
    pub fn at(&self, at_ns: u64, host: HostId, strike: Strike, down_ns: u64) {
        self.placed.set(true);
        let _ = self.schedule.send((at_ns, Due::Strike { host, strike, down_ns }));
    }

    fn strike(&self, world: &World, host: HostId, place: &str, strike: Strike, down_ns: u64) {
        let (name, zone) = (world.host(host).name(), world.host(host).zone());
        let at_ns = world.now_ns() + down_ns;
        let note = |what: &str| {
            self.transcript.note(world.now_ns(), &format!("{what}{place}"));
        };
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
        }
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
            Due::HealNetwork => {
                self.transcript.note(world.now_ns(), "the network is whole again");
                world.heal_all();
            }
            Due::Strike { host, strike, down_ns } if world.is_up(host) => {
                self.strike(world, host, "", strike, down_ns);
            }
            Due::Strike { .. } => {}
        }
    }
}
