//! The faults of a story: plans, carried out in its world and told in its transcript.
//!
//! What the world does to whom, and when it is over, is in `stillpoint_sim::Plan`; here stands
//! only what is the stage's own: who looks after machines that failed, and what counts as struck.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::report::Phase;
use stillpoint_reference::points;
use stillpoint_sim::{Dice, DiskFaults, Fault, FaultNews, HostId, Plan, Strike, World};

use super::phases;
use super::transcript::Transcript;

/// Whoever looks after a machine starts a process again that ended by itself, after so long.
const STARTED_AGAIN_NS: u64 = 200_000_000;

/// The file that a node's checkpoint is in.
#[must_use]
pub fn checkpoint_file() -> String {
    "items".to_owned()
}

/// A disk that fails now and then.
pub const FAILING_DISK: Fault = Fault::FailingDisk(DiskFaults {
    read_error_per_mille: 20,
    write_error_per_mille: 20,
    sync_error_per_mille: 50,
    ..DiskFaults::NONE
});

/// An object store that turns all requests away.
pub const STORE_REFUSES: Fault =
    Fault::StoreBusy { slow_down_per_mille: 1_000, timeout_per_mille: 0 };

/// An object store that answers no request.
pub const STORE_IS_SILENT: Fault =
    Fault::StoreBusy { slow_down_per_mille: 0, timeout_per_mille: 1_000 };

/// How long a machine stays down: long enough for leases to run out, or not.
#[must_use]
pub fn draw_down_ns(dice: &Dice) -> u64 {
    dice.range(50_000_000..1_500_000_000)
}

/// Places faults in a world.
#[derive(Clone)]
pub struct Faults {
    transcript: Transcript,
    expected: Rc<Cell<bool>>,
    interferences: Rc<Cell<u64>>,
    interfered: Rc<phases::Counts>,
    refused: Rc<RefCell<BTreeSet<HostId>>>,
}

impl Faults {
    /// The faults of this world. Names its phases, tells of its faults, and looks after its
    /// machines from now on.
    #[must_use]
    pub fn new(world: &World, transcript: Transcript) -> Self {
        phases::name(world);
        let telling = transcript.clone();
        world.on_fault(move |world, news| {
            let place = match news {
                FaultNews::Struck { at: Some((_, host)), .. } => {
                    format!(" on {}", world.host(*host).name())
                }
                _ => String::new(),
            };
            telling.note(world.now_ns(), &format!("{news}{place}"));
        });
        let (expected, interferences, interfered, refused) = Default::default();
        let faults = Self { transcript, expected, interferences, interfered, refused };
        faults.look_after_machines(world);
        faults
    }

    /// A process whose storage failed is ended and started again.
    fn look_after_machines(&self, world: &World) {
        let transcript = self.transcript.clone();
        world.on_point(points::STORAGE_FAILED, move |world, host, _| {
            let name = world.host(host).name();
            transcript.note(world.now_ns(), &format!("{name} ends, since its disk failed"));
            world.inject(&Fault::Crash, &[host]).for_ns(STARTED_AGAIN_NS);
        });
        let (transcript, refused) = (self.transcript.clone(), Rc::clone(&self.refused));
        world.on_point(points::STORAGE_REFUSED, move |world, host, _| {
            let name = world.host(host).name();
            transcript.note(world.now_ns(), &format!("{name} refuses what is on its disk"));
            refused.borrow_mut().insert(host);
            world.inject(&Fault::Crash, &[host]).for_good();
        });
    }

    /// Machines that refused what they found on their disks, although no fault had damaged it.
    #[must_use]
    pub fn refused_without_cause(&self, world: &World) -> Vec<String> {
        let struck = world.struck();
        let damaged =
            |host: &HostId| struck.iter().any(|it| it.fault.damages() && it.hosts.contains(host));
        let refused = self.refused.borrow();
        let without = refused.iter().filter(|it| !damaged(it));
        without.map(|it| world.host(*it).name().to_string()).collect()
    }

    /// Tells whoever reads the run what a story saw or did.
    pub fn note(&self, world: &World, what: &str) {
        self.transcript.note(world.now_ns(), what);
    }

    /// Places these faults.
    ///
    /// # Panics
    /// The story names a machine that is not there, or a fault that cannot strike whom it names.
    pub fn place(&self, world: &World, strikes: impl IntoIterator<Item = Strike>) {
        self.carry_out(world, &Plan::of(strikes));
    }

    /// Places the faults of a plan.
    ///
    /// # Panics
    /// As [`Faults::place`], and if the plan is not settled.
    pub fn carry_out(&self, world: &World, plan: &Plan) {
        self.expected.set(self.expected.get() || !plan.strikes.is_empty());
        self.carry_out_drawn(world, plan);
    }

    /// Places the faults that a swarm has drawn. A run that all of them miss is one without faults,
    /// and proves as much.
    ///
    /// # Panics
    /// As [`Faults::carry_out`].
    pub fn carry_out_drawn(&self, world: &World, plan: &Plan) {
        world.carry_out(plan).unwrap_or_else(|why| panic!("{why}"));
    }

    /// Says that a fault will be placed later: a run in which none is tells nothing.
    pub fn expect(&self) {
        self.expected.set(true);
    }

    /// Whether any fault was to strike and none has.
    #[must_use]
    pub fn were_missed(&self, world: &World) -> bool {
        self.expected.get() && world.struck().is_empty() && self.interferences.get() == 0
    }

    /// How many of them struck in each phase of a backup or a restore. One that slows things down
    /// strikes in every phase that begins while it lasts.
    #[must_use]
    pub fn struck_by_phase(&self, world: &World) -> BTreeMap<Phase, u64> {
        let counts = phases::struck(&world.struck(), &world.phases_passed());
        self.interfered.add_to(counts)
    }

    /// Counts what a client did at the wrong moment, which is a fault of the story's own making.
    pub fn count_interference(&self, world: &World) {
        self.expect();
        self.interferences.set(self.interferences.get() + 1);
        self.interfered.count(world.phase());
    }
}
