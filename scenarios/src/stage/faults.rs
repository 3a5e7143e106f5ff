//! Faults that a story places, and the repair that follows each.
//!
//! A fault strikes in a point's callback, at that very instant. Its repair is left with
//! [`Repairs`], which the driver runs beside the story: so no fault is for ever unless a story
//! says so, and what was survivable stays survivable.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use stillpoint_sim::{Dice, HostId, World};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::transcript::Transcript;

/// How a fault is made good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Repair {
    Restart(HostId),
    HealNetwork,
}

/// What strikes, and whom; the machine is the one that passed the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
}

/// Places faults in a world.
#[derive(Clone)]
pub struct Faults {
    repairs: UnboundedSender<(u64, Repair)>,
    transcript: Transcript,
    nodes: Vec<HostId>,
}

/// Carries out repairs when they are due.
#[derive(Debug)]
pub struct Repairs(UnboundedReceiver<(u64, Repair)>);

impl Faults {
    /// Faults on these machines, and the repairs that follow.
    #[must_use]
    pub fn new(nodes: Vec<HostId>, transcript: Transcript) -> (Self, Repairs) {
        let (repairs, due) = unbounded_channel();
        (Self { repairs, transcript, nodes }, Repairs(due))
    }

    /// Strikes when `point` is passed for the `nth` time (from 1), and repairs after `down_ns`.
    pub fn when(&self, world: &World, point: &'static str, nth: u64, strike: Strike, down_ns: u64) {
        let (this, passed) = (self.clone(), Cell::new(0));
        world.on_point(point, move |world, host, _| {
            passed.set(passed.get() + 1);
            if passed.get() == nth && world.is_up(host) {
                this.strike(world, host, point, strike, down_ns);
            }
        });
    }

    fn strike(&self, world: &World, host: HostId, point: &str, strike: Strike, down_ns: u64) {
        let (name, zone) = (world.host(host).name(), world.host(host).zone());
        let at_ns = world.now_ns() + down_ns;
        let note = |what: &str| {
            self.transcript.note(world.now_ns(), &format!("{what}, at {point} on {name}"));
        };
        match strike {
            Strike::Crash => {
                note(&format!("{name} crashes"));
                world.crash(host);
                let _ = self.repairs.send((at_ns, Repair::Restart(host)));
            }
            Strike::PowerLoss => {
                note(&format!("{name} loses power"));
                world.power_loss(host);
                let _ = self.repairs.send((at_ns, Repair::Restart(host)));
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
                let _ = self.repairs.send((at_ns, Repair::HealNetwork));
            }
        }
    }

    fn cut_power<'a>(&self, world: &World, hosts: impl Iterator<Item = &'a HostId>, at_ns: u64) {
        for &host in hosts.filter(|it| world.is_up(**it)) {
            world.power_loss(host);
            let _ = self.repairs.send((at_ns, Repair::Restart(host)));
        }
    }
}

/// How long a machine stays down: long enough for leases to run out, or not.
#[must_use]
pub fn draw_down_ns(dice: &Dice) -> u64 {
    dice.range(50_000_000..1_500_000_000)
}

impl Repairs {
    /// Repairs what is due, for as long as it is polled.
    pub async fn carry_out(mut self, world: World, transcript: Transcript) {
        let driver = world.driver();
        let mut due: BTreeMap<(u64, Repair), ()> = BTreeMap::new();
        loop {
            let next_ns = due.first_key_value().map_or(u64::MAX, |((at_ns, _), ())| *at_ns);
            let mut sleep = pin!(driver.sleep(next_ns.saturating_sub(world.now_ns())));
            let left = poll_fn(|cx| {
                if let Poll::Ready(Some(repair)) = self.0.poll_recv(cx) {
                    return Poll::Ready(Some(repair));
                }
                sleep.as_mut().poll(cx).map(|()| None)
            });
            match left.await {
                Some(repair) => drop(due.insert(repair, ())),
                None => {
                    let ((_, repair), ()) = due.pop_first().expect("one was due");
                    make_good(&world, repair, &transcript);
                }
            }
        }
    }
}

fn make_good(world: &World, repair: Repair, transcript: &Transcript) {
    match repair {
        Repair::Restart(host) if !world.is_up(host) => {
            transcript.note(world.now_ns(), &format!("{} starts again", world.host(host).name()));
            world.restart(host);
        }
        Repair::Restart(_) => {}
        Repair::HealNetwork => {
            transcript.note(world.now_ns(), "the network is whole again");
            world.heal_all();
        }
    }
}
