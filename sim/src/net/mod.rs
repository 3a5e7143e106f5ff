//! The network: bandwidth, drawn latency, loss, duplication, corruption, partitions.
//!
//! Order is not kept: each datagram has its own latency. What can be set is in `settings.rs`,
//! what is drawn in `fate.rs` and `delay.rs`, what lasts in `faults.rs`. Ordered streams
//! (`stream/`) travel by the same ways. Whether a host is there to receive is `process.rs`'s
//! business; it shows here as a changed incarnation.

mod datagram;
mod delay;
mod fate;
mod faults;
mod settings;

use std::collections::BTreeMap;

pub(crate) use datagram::Transit;
pub use delay::Delay;
pub(crate) use fate::{LinkStreams, Traffic};
pub use faults::NetFault;
pub use settings::{LinkSettings, NetSettings};

use self::faults::Cause;
use crate::core::Core;
use crate::event::Event;
use crate::host::HostId;
use crate::stream::Segment;
use crate::world::World;

/// The network as a whole.
#[derive(Default)]
pub(crate) struct NetState {
    settings: NetSettings,
    /// Directed pairs between which nothing passes, and for how many reasons.
    blocked: BTreeMap<(HostId, HostId), u32>,
    /// Directed pairs that behave otherwise than the network, all settings put together.
    links: BTreeMap<(HostId, HostId), LinkSettings>,
    /// What was set without a name to lift it by.
    own_delays: BTreeMap<(HostId, HostId), Delay>,
    /// When the links with a bandwidth of their own will be free again.
    links_free_ns: BTreeMap<(HostId, HostId), u64>,
    /// (fault, host, how many times as slow)
    slow_hosts: Vec<(u64, HostId, u64)>,
    /// What is not lifted yet, in the order of the calls.
    causes: BTreeMap<u64, Cause>,
    causes_count: u64,
}

/// What happens on the network beside a datagram's delivery.
pub(crate) enum NetEvent {
    /// Something comes to a host that takes in only so much at a time: what happens when it is
    /// through.
    Arrive { from: HostId, to: HostId, bytes: usize, then: Box<Event> },
    /// A block that flaps opens or shuts.
    Flap { fault: u64 },
    /// A segment of an ordered stream arrives.
    Segment(Box<Segment>),
    /// Nothing was heard of what one side of a stream has sent.
    Retransmit { side: u64 },
}

impl Core {
    /// Kept apart: deliveries, which are frequent, must not pay for it.
    #[cold]
    pub(crate) fn happen_on_net(&self, event: NetEvent) {
        match event {
            NetEvent::Arrive { from, to, bytes, then } => self.arrive(from, to, bytes, *then),
            NetEvent::Flap { fault } => self.flap(fault),
            NetEvent::Segment(segment) => self.segment_arrives(*segment),
            NetEvent::Retransmit { side } => self.retransmit(side),
        }
    }
}

impl World {
    /// The network's settings.
    pub fn net(&self) -> NetSettings {
        self.core().net.borrow().settings.clone()
    }

    /// Changes the network's settings for all that is sent from now on.
    pub fn set_net(&self, settings: NetSettings) {
        self.core().net.borrow_mut().settings = settings;
    }
}
