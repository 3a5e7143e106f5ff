//! What a tester sets about streams, and breaks.

use super::side::Phase;
use super::{RESET, other};
use crate::host::HostId;
use crate::world::World;

/// How ordered streams behave, all over the world. What the network does to their segments is
/// set there ([`NetSettings`](crate::NetSettings)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamSettings {
    /// How many bytes an end keeps at most that were written and not confirmed, and how many
    /// that came and were not read. What a peer was offered already stays offered.
    pub window_bytes: u64,
    /// The most bytes in one segment: many packets on a wire, as kernels hand them to the card.
    pub segment_bytes_max: u64,
    /// For how long an end sends again and again without hearing anything, in nanoseconds.
    pub timeout_ns: u64,
    /// The same for a connection that is not there yet.
    pub connect_timeout_ns: u64,
    /// Of a million reads, how many get fewer bytes than are there.
    pub short_reads_per_million: u64,
}

impl Default for StreamSettings {
    /// 128 KiB at either end; gives up when Linux does (`tcp_retries2` 15: 924.6 s,
    /// `tcp_syn_retries` 6: 127 s; ip-sysctl.rst); reads are not short.
    fn default() -> Self {
        Self {
            window_bytes: 131_072,
            segment_bytes_max: 16_384,
            timeout_ns: 924_600_000_000,
            connect_timeout_ns: 127_000_000_000,
            short_reads_per_million: 0,
        }
    }
}

impl World {
    /// The settings of ordered streams.
    pub fn streams(&self) -> StreamSettings {
        self.core().sockets.borrow().settings.clone()
    }

    /// Changes the settings of ordered streams.
    ///
    /// # Panics
    /// If the window has no room for a byte.
    pub fn set_streams(&self, settings: StreamSettings) {
        assert!(settings.window_bytes > 0, "a window of no bytes lets nothing pass");
        self.core().sockets.borrow_mut().settings = settings;
    }

    /// Resets all streams between two hosts, as a box between them does that has forgotten them:
    /// both ends hear of it at once. Gives how many there were.
    pub fn reset_streams(&self, a: HostId, b: HostId) -> u64 {
        let ends: Vec<(u64, HostId, HostId)> = {
            let sockets = self.core().sockets.borrow();
            let alive = sockets.sides.iter().filter(|(_, it)| it.phase != Phase::Dead);
            let ends = alive.map(|(&id, it)| (id, it.host, it.peer));
            ends.filter(|&(_, host, peer)| (host, peer) == (a, b) || (host, peer) == (b, a))
                .collect()
        };
        let mut streams = 0;
        for &(id, host, peer) in &ends {
            // The first end of a stream has the even number.
            streams += u64::from(id % 2 == 0 || !ends.iter().any(|it| it.0 == other(id)));
            self.core().emit_on_link(peer, host, "stream.cut", &id.to_le_bytes());
            self.core().end_stream(id, RESET);
        }
        self.core().count_fault("stream.cut", streams);
        streams
    }
}
