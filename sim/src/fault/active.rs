//! Faults that are in a world at present, their guards, and what lifting undoes.

use std::collections::{BTreeMap, BTreeSet};

use super::Fault;
use super::carry::Carrying;
use super::phases::Phases;
use super::settings::Bases;
use crate::core::Core;
use crate::disk::DiskSnapshot;
use crate::host::HostId;
use crate::net::NetFault;
use crate::world::{WeakWorld, World};

/// The faults of a world, and what is to be known of them.
#[derive(Default)]
pub(crate) struct Active {
    injected: u64,
    pub(super) by_number: BTreeMap<u64, Injection>,
    /// What machines and store were set to before faults were put on top.
    pub(super) bases: Bases,
    pub(super) carrying: Carrying,
    pub(super) phases: Phases,
    /// The machines that nothing strikes any more.
    pub(super) healed: Option<BTreeSet<HostId>>,
    /// The last fault that came before that.
    last_unhealed: u64,
}

impl Active {
    /// From now on nothing strikes these machines, and what is broken elsewhere stays broken.
    pub(super) fn heal(&mut self, core: BTreeSet<HostId>) {
        (self.healed, self.last_unhealed) = (Some(core), self.injected);
    }
}

/// One fault, and whom it has struck.
pub(super) struct Injection {
    pub(super) fault: Fault,
    pub(super) hosts: Vec<HostId>,
    /// When it struck.
    pub(super) since_ns: u64,
    /// What it has done to the network.
    pub(super) net: Vec<NetFault>,
    /// What it will bring back.
    pub(super) images: Vec<(HostId, DiskSnapshot)>,
}

/// A fault that is lifted when this is dropped, unless that was said otherwise.
#[must_use = "the fault is lifted when its guard is dropped: keep it, or call `for_good`"]
pub struct Injected {
    world: WeakWorld,
    number: Option<u64>,
}

impl Injected {
    /// Lifts the fault now.
    pub fn lift(self) {
        drop(self);
    }

    /// Lets the fault last for as long as the world.
    pub fn for_good(mut self) {
        self.number = None;
    }

    /// Lets the fault last for so many nanoseconds from now.
    pub fn for_ns(mut self, lasts_ns: u64) {
        if let (Some(world), Some(number)) = (self.world.upgrade(), self.number.take()) {
            world.lift_after(number, lasts_ns);
        }
    }

    /// The number under which the world knows the fault.
    pub(super) fn into_number(mut self) -> u64 {
        self.number.take().expect("nobody has taken it yet")
    }
}

impl Drop for Injected {
    fn drop(&mut self) {
        if let (Some(world), Some(number)) = (self.world.upgrade(), self.number.take()) {
            world.lift_fault(number);
        }
    }
}

impl Core {
    /// Whether some fault keeps this machine down.
    fn is_held_down(&self, host: HostId) -> bool {
        let holds = |it: &Injection| it.fault.keeps_down() && it.hosts.contains(&host);
        self.active.borrow().by_number.values().any(holds)
    }

    /// The process of a machine has ended, and with it what made it stand still.
    pub(crate) fn end_pauses(&self, host: HostId) {
        let mut active = self.active.borrow_mut();
        let pauses = active.by_number.values_mut().filter(|it| it.fault == Fault::Pause);
        pauses.for_each(|it| it.hosts.retain(|of| *of != host));
    }

    fn is_held_paused(&self, host: HostId) -> bool {
        let holds = |it: &Injection| it.fault == Fault::Pause && it.hosts.contains(&host);
        self.active.borrow().by_number.values().any(holds)
    }
}

impl World {
    /// Lets a fault strike these machines, now and until its guard is dropped. A fault of the
    /// object store strikes no machine: give none.
    ///
    /// ```
    /// use stillpoint_sim::{Fault, Tape, World};
    ///
    /// let world = World::new(Tape::new(1));
    /// let node = world.add_host("node", "zone-a");
    /// world.boot(node, |_| std::future::pending());
    /// let down = world.inject(&Fault::PowerLoss, &[node]);
    /// assert!(!world.is_up(node));
    /// drop(down);
    /// assert!(world.is_up(node), "it has started again");
    /// ```
    ///
    /// # Panics
    /// There is no machine to strike, or there is one and the fault is the store's, or it is the
    /// driver; or no world could carry the fault out, as a clock that runs backwards.
    pub fn inject(&self, fault: &Fault, hosts: &[HostId]) -> Injected {
        let of_store = fault.is_of_store();
        assert!(of_store || !hosts.is_empty(), "`{fault:?}` strikes machines, but got none");
        assert!(!of_store || hosts.is_empty(), "`{fault:?}` strikes the object store, no machine");
        let driver = hosts.contains(&HostId::DRIVER);
        assert!(!driver, "the driver stands outside: `{fault:?}` cannot strike it");
        fault.check().unwrap_or_else(|why| panic!("{why}"));
        let number = {
            let mut active = self.core().active.borrow_mut();
            active.injected += 1;
            let injection = Injection {
                fault: fault.clone(),
                hosts: hosts.to_vec(),
                since_ns: self.now_ns(),
                net: Vec::new(),
                images: Vec::new(),
            };
            let number = active.injected;
            active.by_number.insert(number, injection);
            number
        };
        let (net, images) = self.apply(fault, hosts);
        if let Some(injection) = self.core().active.borrow_mut().by_number.get_mut(&number) {
            (injection.net, injection.images) = (net, images);
        }
        Injected { world: self.downgrade(), number: Some(number) }
    }

    pub(super) fn lift_after(&self, number: u64, lasts_ns: u64) {
        self.at(self.now_ns().saturating_add(lasts_ns), move |world| {
            // What was broken when a core was healed for good stays broken; what came later passes.
            if number > world.core().active.borrow().last_unhealed {
                world.lift_fault(number);
            }
        });
    }

    /// Lifts a fault; no effect if it was lifted before.
    pub(super) fn lift_fault(&self, number: u64) {
        let lifted = self.core().active.borrow_mut().by_number.remove(&number);
        if let Some(lifted) = lifted {
            self.note_lifted(number);
            self.tell_lifted(number, &lifted.fault, &lifted.hosts);
            self.undo(lifted);
        }
    }

    pub(super) fn undo(&self, lifted: Injection) {
        let Injection { fault, hosts, net, images, .. } = lifted;
        net.into_iter().for_each(|it| self.lift(it));
        for (host, image) in images {
            self.power_loss(host);
            self.restore_disk_image(host, &image);
            self.start_unless_held(host);
        }
        for &host in &hosts {
            match fault {
                Fault::CrashAt { operation, crash, .. } => {
                    self.spare(host, operation, crash);
                    self.start_unless_held(host);
                }
                _ if fault.keeps_down() => self.start_unless_held(host),
                Fault::Pause if !self.core().is_held_paused(host) => self.resume(host),
                _ => {
                    self.settle_clock(host, &fault, false);
                    self.settle_disk(host, &fault);
                }
            }
        }
        self.settle_store(&fault);
    }

    /// Starts a machine that is down, unless some fault keeps it so.
    pub(super) fn start_unless_held(&self, host: HostId) {
        let was_booted = self.core().hosts.borrow()[host.index()].program.is_some();
        if was_booted && !self.is_up(host) && !self.core().is_held_down(host) {
            self.restart(host);
        }
    }

    /// The faults that are in the world now, in words, in the order in which they came.
    pub fn faults_active(&self) -> Vec<String> {
        let active = self.core().active.borrow();
        let is_on = |it: &&Injection| it.fault.is_of_store() || !it.hosts.is_empty();
        let lasting = active.by_number.values().filter(|it| it.fault.lasts()).filter(is_on);
        lasting.map(|it| self.in_words(&it.fault.to_string(), &it.hosts)).collect()
    }

    /// What is so of whom; of nobody in particular, it is a sentence already.
    pub(super) fn in_words(&self, what: &str, hosts: &[HostId]) -> String {
        let names: Vec<_> = hosts.iter().map(|it| self.host(*it).name().to_string()).collect();
        let zones: BTreeSet<_> = hosts.iter().map(|it| self.host(*it).zone()).collect();
        let all = self.machines();
        let in_zones = all.iter().filter(|it| zones.contains(&self.host(**it).zone())).count();
        match names.as_slice() {
            [] => what.to_string(),
            [name] => format!("{name} {what}"),
            _ if names.len() == all.len() => format!("every machine {what}"),
            _ if zones.len() == 1 && names.len() == in_zones => {
                let zone = zones.first().expect("there is one");
                format!("{zone} {what}")
            }
            _ => format!("each of {} {what}", names.join(", ")),
        }
    }
}
