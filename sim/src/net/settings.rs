//! What can be set about the network: for all of it, and for one direction of one link.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::Delay;

/// How the network behaves; can be changed at any time and counts for what is sent then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetSettings {
    /// Latency from a host to itself, in nanoseconds.
    pub same_host_ns: Delay,
    /// Latency between hosts of one zone, in nanoseconds.
    pub same_zone_ns: Delay,
    /// Latency between zones, in nanoseconds.
    pub cross_zone_ns: Delay,
    /// What a host can send to others, in bytes per second of payload.
    pub egress_bytes_per_s: u64,
    /// What a host can take in from others, in bytes per second of payload; `u64::MAX` is without
    /// limit.
    pub ingress_bytes_per_s: u64,
    /// How many bytes wait at most to leave a host, and as many to be taken in by one; what comes
    /// when there are more is dropped. `u64::MAX` is without limit.
    pub queue_bytes_max: u64,
    /// Of a thousand datagrams, how many take ten times their latency.
    pub slow_per_mille: u64,
    /// Of a million datagrams, how many are lost.
    pub loss_per_million: u64,
    /// Of a million datagrams, how many arrive twice.
    pub duplicate_per_million: u64,
    /// Of a million datagrams, how many arrive with one to eight bits turned over; never those
    /// from a host to itself.
    pub corrupt_per_million: u64,
    /// Of a million datagrams, how many are held back for [`NetSettings::reorder_ns`], so that
    /// later ones overtake them.
    pub reorder_per_million: u64,
    /// For how long a datagram is held back, in nanoseconds.
    pub reorder_ns: Range<u64>,
}

impl Default for NetSettings {
    /// Latencies of a region with several zones, 10 Gbit/s out of each host; nothing slow, lost,
    /// duplicated, corrupted or held back.
    fn default() -> Self {
        Self {
            same_host_ns: (5_000..15_000).into(),
            same_zone_ns: (80_000..250_000).into(),
            cross_zone_ns: (300_000..1_200_000).into(),
            egress_bytes_per_s: 1_250_000_000,
            ingress_bytes_per_s: u64::MAX,
            queue_bytes_max: u64::MAX,
            slow_per_mille: 0,
            loss_per_million: 0,
            duplicate_per_million: 0,
            corrupt_per_million: 0,
            reorder_per_million: 0,
            reorder_ns: 1_000_000..10_000_000,
        }
    }
}

impl NetSettings {
    pub(super) fn delay(&self, same_host: bool, same_zone: bool) -> &Delay {
        match (same_host, same_zone) {
            (true, _) => &self.same_host_ns,
            (false, true) => &self.same_zone_ns,
            (false, false) => &self.cross_zone_ns,
        }
    }
}

/// How one direction of one link behaves, where that differs from the network: `None` is as
/// [`NetSettings`] say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LinkSettings {
    /// Latency, in nanoseconds.
    pub delay_ns: Option<Delay>,
    /// Of a million datagrams, how many are lost.
    pub loss_per_million: Option<u64>,
    /// Of a million datagrams, how many arrive twice.
    pub duplicate_per_million: Option<u64>,
    /// Of a million datagrams, how many arrive corrupted.
    pub corrupt_per_million: Option<u64>,
    /// Of a million datagrams, how many are held back.
    pub reorder_per_million: Option<u64>,
    /// What passes, in bytes per second of payload, beside the limits of the two hosts. What
    /// waits here is bounded by [`NetSettings::queue_bytes_max`].
    pub bytes_per_s: Option<u64>,
}

impl LinkSettings {
    /// Whether nothing comes through.
    pub(crate) fn loses_everything(&self) -> bool {
        self.loss_per_million.is_some_and(|it| it >= 1_000_000)
    }

    /// These settings, and those of `above` where it has any.
    pub(super) fn under(&self, above: &Self) -> Self {
        Self {
            delay_ns: above.delay_ns.clone().or_else(|| self.delay_ns.clone()),
            loss_per_million: above.loss_per_million.or(self.loss_per_million),
            duplicate_per_million: above.duplicate_per_million.or(self.duplicate_per_million),
            corrupt_per_million: above.corrupt_per_million.or(self.corrupt_per_million),
            reorder_per_million: above.reorder_per_million.or(self.reorder_per_million),
            bytes_per_s: above.bytes_per_s.or(self.bytes_per_s),
        }
    }
}

/// How long a link of this bandwidth is busy with so many bytes, in nanoseconds.
pub(super) fn transmission_ns(bytes: usize, bytes_per_s: u64) -> u64 {
    (bytes as u64).saturating_mul(1_000_000_000) / bytes_per_s.max(1)
}
