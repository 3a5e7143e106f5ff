//! What the adapters have in common: how a machine of the engine is told what to do, and how the
//! engine's clock goes with the world's.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use stillpoint_sim::{GuestTask, HostId, World};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// How many times longer everything takes by the engine's clock than by the world's.
///
/// turmoil moves in ticks of a millisecond and madsim sleeps for one at least, before each message
/// and after it. A disk of ours writes in a tenth of that. So a millisecond of theirs is 100 of our
/// microseconds, and their thousand messages a second and receiver are ten thousand.
pub const STRETCH: u64 = 10;

/// Where machines listen.
const PORT: u16 = 9_000;

/// What a machine of the engine is to do for the world's machine.
pub(crate) enum Errand {
    /// Run this as a task.
    Run(GuestTask),
    /// Send this over the engine's network.
    Send(HostId, Bytes),
}

/// Errands on their way to the machines.
pub(crate) struct Errands(BTreeMap<HostId, UnboundedSender<Errand>>);

/// What comes to each machine.
pub(crate) type Inboxes = BTreeMap<HostId, UnboundedReceiver<Errand>>;

impl Errands {
    /// A way to each machine that the world has now.
    pub(crate) fn new(world: &World) -> (Self, Inboxes) {
        let (mut senders, mut inboxes) = (BTreeMap::new(), BTreeMap::new());
        for host in world.hosts() {
            let (sender, inbox) = unbounded_channel();
            senders.insert(host, sender);
            inboxes.insert(host, inbox);
        }
        (Self(senders), inboxes)
    }

    pub(crate) fn give(&self, host: HostId, errand: Errand) {
        let sender = self.0.get(&host).expect("machines are added before the world lodges");
        // When the engine's run is over nobody listens, and nothing is to happen any more.
        drop(sender.send(errand));
    }
}

/// The address of a machine of the world on an engine's network.
#[must_use]
pub fn address(host: HostId) -> IpAddr {
    let first = Ipv4Addr::new(10, 0, 0, 1);
    IpAddr::V4(Ipv4Addr::from_bits(first.to_bits() + u32::from(host.0)))
}

pub(crate) fn socket(host: HostId) -> SocketAddr {
    SocketAddr::new(address(host), PORT)
}

/// Every interface of a machine, to listen on.
pub(crate) fn everywhere() -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), PORT)
}

/// How long `world_ns` takes by the engine's clock.
pub(crate) fn stretched(world_ns: u64) -> Duration {
    Duration::from_nanos(world_ns.saturating_mul(STRETCH))
}

/// What the world's clock gains while the engine's gains `engine`.
pub(crate) fn shrunk(engine: Duration) -> u64 {
    u64::try_from(engine.as_nanos() / u128::from(STRETCH)).expect("no run lasts centuries")
}

/// The latency of the engine's network, by its own clock: both engines know one range for all
/// links, so it reaches from the nearest machines to the farthest.
pub(crate) fn latency(world: &World) -> Range<Duration> {
    let net = world.net();
    let (nearest, farthest) = (net.same_zone_ns.bounds_ns(), net.cross_zone_ns.bounds_ns());
    stretched(nearest.start)..stretched(farthest.end)
}
