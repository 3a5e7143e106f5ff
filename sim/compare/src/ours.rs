//! This repository's engine, with everything switched on that a campaign has on: loss,
//! duplicates and slow messages, a drawn order of tasks, the hash over every event, and a
//! tape with overrides for the busiest decisions.
//!
//! What it does per message that the others do not: named draws for latency, loss,
//! slowness and duplication, two hashed events, and a catch for panics around each poll.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use stillpoint_sim::{Delay, Dice, Host, HostId, NetSettings, Override, Tape, World};

use crate::workload::{Board, Link, Message, Workload, program, watchdog};

/// Of so many hosts draws are overridden.
const OVERRIDDEN_HOSTS: u32 = 64;

#[derive(Clone)]
struct Ours {
    host: Host,
    peers: Dice,
}

impl Link for Ours {
    async fn send(&mut self, to: u32, message: Message) {
        let to = HostId(u16::try_from(to + 1).expect("fewer endpoints than that"));
        self.host.send(to, Bytes::copy_from_slice(&message.encode()));
    }

    async fn receive(&mut self) -> (u32, Message) {
        let (from, bytes) = self.host.receive().await;
        (u32::from(from.0) - 1, Message::decode(&bytes))
    }

    async fn sleep(&mut self, time: Duration) {
        self.host.sleep(time.as_nanos() as u64).await;
    }

    fn random(&mut self, below: u32) -> u32 {
        self.peers.range(0..below.into()) as u32
    }
}

/// A seed with two overrides for each of some hosts, in the streams that are drawn from most.
fn tape(seed: u64) -> Tape {
    let draw = |host: u32, concern: &str, n, value| {
        let name = format!("node-{host}/{concern}");
        Override { name, n, value }
    };
    let overrides = (0..OVERRIDDEN_HOSTS).flat_map(|host| {
        [draw(host, "net.latency", 1_000, 0), draw(host, "schedule.main", 1_000, 0)]
    });
    Tape { overrides: overrides.collect(), ..Tape::new(seed) }
}

fn settings(workload: Workload) -> NetSettings {
    let (shortest, longest) = workload.latency();
    let latency_ns = shortest.as_nanos() as u64..longest.as_nanos() as u64;
    NetSettings {
        same_zone_ns: Delay::Uniform(latency_ns.clone()),
        cross_zone_ns: Delay::Uniform(latency_ns),
        slow_per_mille: 1,
        loss_per_million: 100,
        duplicate_per_million: 100,
        ..NetSettings::default()
    }
}

/// A world of endpoints that have not run yet.
pub fn world(board: &Arc<Board>) -> World {
    let job = board.job();
    let world = World::new(tape(1));
    world.set_net(settings(job.workload));
    for me in 0..job.endpoints {
        let host = world.add_host(&format!("node-{me}"), ["zone-a", "zone-b"][me as usize % 2]);
        let board = board.clone();
        world.boot(host, move |host| {
            let link = Ours { peers: host.dice("peers"), host: host.clone() };
            if board.job().workload != Workload::Idle {
                host.spawn("watchdog", watchdog(link.clone(), me, board.clone()));
            }
            program(link, me, board.clone())
        });
    }
    world
}

/// Lets the world run until the board shows this many units.
pub fn run_until(world: &World, board: &Board, units: u64) {
    let driver = world.driver();
    let done = world.run(u64::MAX, async move {
        while board.units() < units {
            driver.sleep(10_000_000).await;
        }
    });
    done.expect("the endpoints go on for ever");
}

/// Runs the job.
pub fn run(board: &Arc<Board>) {
    run_until(&world(board), board, board.job().units);
}
