//! Which machines there are: how many, in which zones and racks, and how far from one another.
//!
//! Drawn once for a seed, as knobs, so that a shrunk run has the fewest machines and the shortest
//! ways that still fail. What goes wrong with them is left to plans and swarms (`fault/`).

use std::ops::Range;

use crate::host::HostId;
use crate::world::World;

/// What the machines of a world are drawn from.
///
/// ```
/// use stillpoint_sim::{Tape, Topology, World};
///
/// let world = World::new(Tape::new(4));
/// let apart_ns = vec![300_000..1_200_000, 5_000_000..20_000_000];
/// let usual = Topology::default();
/// let topology = Topology { machines: 3..7, racks_per_zone: 1..3, apart_ns, ..usual };
/// let machines = world.build(&topology);
/// assert!((3..7).contains(&machines.len()));
/// assert_eq!(&*world.host(machines[1]).zone(), "zone-b");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    /// The names of the zones; machines are put into one after the other.
    pub zones: Vec<String>,
    /// How many machines, all together. They are called `node-0`, `node-1` and so on.
    pub machines: Range<u64>,
    /// In how many racks the machines of a zone stand, which share their power: one for each
    /// machine at most.
    pub racks_per_zone: Range<u64>,
    /// How long a datagram takes between two zones, in nanoseconds: one of these for each pair and
    /// direction. None: as [`NetSettings`](crate::NetSettings) says.
    pub apart_ns: Vec<Range<u64>>,
}

impl Default for Topology {
    /// Three machines in three zones, a rack each, as far apart as the network's settings say.
    fn default() -> Self {
        Self {
            zones: ["zone-a", "zone-b", "zone-c"].map(str::to_string).to_vec(),
            machines: 3..4,
            racks_per_zone: 1..2,
            apart_ns: Vec::new(),
        }
    }
}

impl World {
    /// Adds the machines that this world's seed draws, switched off, in the order of their names.
    /// Draws knobs whose names begin with `topology.` (see [`World::knob`]).
    ///
    /// # Panics
    /// There is no zone, a range is empty, or a machine of such a name is there already.
    pub fn build(&self, topology: &Topology) -> Vec<HostId> {
        assert!(!topology.zones.is_empty(), "a topology needs a zone to put machines into");
        let zones = topology.zones.len() as u64;
        let machines = self.knob("topology.machines", topology.machines.clone());
        let racks = self.knob("topology.racks", topology.racks_per_zone.clone());
        assert!(racks > 0, "machines stand in racks: `racks_per_zone` must begin at 1 or above");
        let add = |n: u64| {
            let zone = &topology.zones[(n % zones) as usize];
            let rack = format!("{zone}/rack-{}", n / zones % racks);
            self.add_host_in(&format!("node-{n}"), zone, &rack)
        };
        let hosts: Vec<HostId> = (0..machines).map(add).collect();
        if !topology.apart_ns.is_empty() {
            self.set_zones_apart(topology, &hosts);
        }
        hosts
    }

    fn set_zones_apart(&self, topology: &Topology, hosts: &[HostId]) {
        let choices = 0..topology.apart_ns.len() as u64;
        let delay = |from: &str, to: &str| {
            let choice = self.knob(&format!("topology.apart.{from}.{to}"), choices.clone());
            topology.apart_ns[choice as usize].clone()
        };
        for from in &topology.zones {
            for to in topology.zones.iter().filter(|it| *it != from) {
                let delay_ns = delay(from, to);
                let in_zone = |host: HostId, zone: &str| *self.host(host).zone() == *zone;
                for &a in hosts.iter().filter(|it| in_zone(**it, from)) {
                    for &b in hosts.iter().filter(|it| in_zone(**it, to)) {
                        self.core().own_delay(a, b, delay_ns.clone().into());
                    }
                }
            }
        }
    }
}
