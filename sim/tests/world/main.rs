//! What a world promises, one file per subject. One binary, since each costs a link.

mod clocks;
mod cpu;
mod disk;
mod disk_decay;
mod disk_faults;
mod disk_like_linux;
mod disk_outcomes;
mod disk_time;
mod exploring;
mod fault_budget;
mod fault_clocks;
mod fault_effects;
mod fault_heal;
mod fault_particulars;
mod fault_phases;
mod fault_plans;
mod http;
mod misuse;
mod network;
mod network_faults;
mod object_faults;
mod object_store;
mod operations;
mod power_loss;
mod processes;
mod releases;
mod repeatable;
mod replay_lasts;
mod streams;

use std::future::pending;

use stillpoint_sim::{HostId, Tape, World};

/// Longer than any test needs, in virtual nanoseconds.
const LIMIT_NS: u64 = 3_600_000_000_000;

/// A world with one running machine that does nothing by itself.
fn world_with_node(seed: u64) -> (World, HostId) {
    let world = World::new(Tape::new(seed));
    let node = idle_node(&world, "node-1", "zone-a");
    (world, node)
}

/// A running machine in whose name the driver can act.
fn idle_node(world: &World, name: &str, zone: &str) -> HostId {
    let node = world.add_host(name, zone);
    world.boot(node, |_| pending());
    node
}

/// How often a fault took effect.
fn fault(world: &World, name: &str) -> u64 {
    world.fault_counts().get(name).copied().unwrap_or(0)
}
