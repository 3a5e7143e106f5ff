//! proptest strategies for faults and plans, with the feature `proptest`. A plan shrinks to fewer
//! faults, and each fault to a milder one.
//!
//! ```
//! use proptest::prelude::*;
//! use stillpoint_sim::{FaultKind, Tape, World, strategy};
//!
//! let kinds = [FaultKind::Crash, FaultKind::CutOff];
//! let plans = strategy::plans(&kinds, &["node-0", "node-1"], 0..1_000_000_000, 3);
//! proptest!(ProptestConfig::with_cases(8), |(seed: u64, plan in plans)| {
//!     let world = World::new(Tape::new(seed));
//!     for name in ["node-0", "node-1"] {
//!         let node = world.add_host(name, "zone-a");
//!         world.boot(node, |_| std::future::pending());
//!     }
//!     prop_assert!(world.carry_out(&plan).is_ok());
//! });
//! ```

use std::ops::Range;

use proptest::prelude::*;
use proptest::{collection, sample};

use super::{Fault, FaultKind, Plan, Strike, Whom};
use crate::tape::{Override, Tape};
use crate::world::World;

/// More draws than any kind takes.
const DRAWS_MAX: usize = 8;
/// The name under which a strategy draws.
const NAME: &str = "strategy/fault";

/// The fault that a kind draws from these raw values: where they are small, a mild one.
fn scripted(kind: FaultKind, raws: &[u64]) -> Fault {
    let mut tape = Tape::new(0);
    let script = (0..).zip(raws);
    tape.overrides.extend(script.map(|(n, &value)| Override { name: NAME.to_string(), n, value }));
    kind.draw(&World::new(tape).dice(NAME))
}

/// Faults of these kinds.
///
/// # Panics
/// If there is none.
pub fn faults(kinds: &[FaultKind]) -> impl Strategy<Value = Fault> + use<> {
    kinds_and_faults(kinds).prop_map(|it| it.1)
}

fn kinds_and_faults(kinds: &[FaultKind]) -> impl Strategy<Value = (FaultKind, Fault)> + use<> {
    let raws = collection::vec(any::<u64>(), DRAWS_MAX);
    (sample::select(kinds.to_vec()), raws).prop_map(|(kind, raws)| (kind, scripted(kind, &raws)))
}

/// Strikes of these kinds on one of these machines or on the store, within a span of the world's
/// time, for at most as long as that. Kinds that strike whole zones or racks strike that of one of
/// as many machines as these: [`Whom::ZoneOfUp`], [`Whom::RackOfUp`].
///
/// # Panics
/// If there is no kind, no machine, or no span.
pub fn strikes(
    kinds: &[FaultKind],
    machines: &[&str],
    span_ns: Range<u64>,
) -> impl Strategy<Value = Strike> + use<> {
    let machines: Vec<(u64, String)> =
        (0..).zip(machines.iter().map(ToString::to_string)).collect();
    let lasts_ns = 1..(span_ns.end - span_ns.start).max(2);
    let parts = (kinds_and_faults(kinds), sample::select(machines), span_ns, lasts_ns);
    parts.prop_map(|((kind, fault), (n, machine), at_ns, lasts_ns)| {
        let whom = match kind {
            _ if fault.is_of_store() => Whom::Store,
            FaultKind::PowerLossOfZone | FaultKind::CutOffZone => Whom::ZoneOfUp(n),
            FaultKind::PowerLossOfRack => Whom::RackOfUp(n),
            _ => Whom::Machine(machine),
        };
        Strike::on(whom, fault).at_ns(at_ns).for_ns(lasts_ns)
    })
}

/// Plans of so many strikes at most: see [`strikes`].
///
/// # Panics
/// If there is no kind, no machine, or no span.
pub fn plans(
    kinds: &[FaultKind],
    machines: &[&str],
    span_ns: Range<u64>,
    strikes_max: usize,
) -> impl Strategy<Value = Plan> + use<> {
    collection::vec(strikes(kinds, machines, span_ns), 0..=strikes_max).prop_map(Plan::of)
}
