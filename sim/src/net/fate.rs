//! What becomes of one datagram or segment on its way, as drawn.

use bytes::{Bytes, BytesMut};

use super::{Delay, LinkSettings, NetSettings};
use crate::dice::{StreamId, Streams};

/// What travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Traffic {
    Datagram,
    Segment,
}

/// What a sender draws from, each its own stream: turning one fault on shifts no other.
#[derive(Clone, Copy)]
pub(crate) struct LinkStreams {
    latency: StreamId,
    slow: StreamId,
    loss: StreamId,
    duplicate: StreamId,
    duplicate_latency: StreamId,
    corrupt: StreamId,
    corrupt_bits: StreamId,
    reorder: StreamId,
    reorder_hold: StreamId,
}

impl LinkStreams {
    pub(crate) fn new(host: &str, traffic: Traffic, dice: &mut Streams) -> Self {
        let prefix = match traffic {
            Traffic::Datagram => "net",
            Traffic::Segment => "stream",
        };
        let mut stream = |concern| dice.intern(&format!("{host}/{prefix}.{concern}"));
        Self {
            latency: stream("latency"),
            slow: stream("slow"),
            loss: stream("loss"),
            duplicate: stream("duplicate"),
            duplicate_latency: stream("duplicate_latency"),
            corrupt: stream("corrupt"),
            corrupt_bits: stream("corrupt_bits"),
            reorder: stream("reorder"),
            reorder_hold: stream("reorder_hold"),
        }
    }

    /// Turns one to eight different bits over: one for raw 0, and the first.
    pub(super) fn corrupt(&self, payload: &Bytes, dice: &mut Streams) -> Bytes {
        let mut corrupted = BytesMut::from(&payload[..]);
        let bits = corrupted.len() as u64 * 8;
        for _ in 0..=dice.range(self.corrupt_bits, &(0..8)) {
            let mut bit = dice.range(self.corrupt_bits, &(0..bits));
            let is_turned = |it: u64| {
                (corrupted[it as usize / 8] ^ payload[it as usize / 8]) >> (it % 8) & 1 == 1
            };
            while is_turned(bit) {
                bit = (bit + 1) % bits;
            }
            corrupted[bit as usize / 8] ^= 1 << (bit % 8);
        }
        corrupted.freeze()
    }
}

/// What becomes of one datagram or segment.
pub(crate) struct Fate {
    pub(crate) delay_ns: u64,
    pub(crate) slow: bool,
    pub(crate) lost: bool,
    pub(crate) corrupted: bool,
    pub(crate) reordered: bool,
    pub(crate) duplicate_delay_ns: Option<u64>,
}

impl Fate {
    /// A slow host is at one of the ends.
    pub(super) fn slow_down(&mut self, times: u64) {
        self.delay_ns = self.delay_ns.saturating_mul(times);
        self.duplicate_delay_ns = self.duplicate_delay_ns.map(|it| it.saturating_mul(times));
    }

    /// Latency is drawn for a lost datagram too, so that loss shifts no latency.
    #[inline]
    pub(super) fn draw(
        net: &NetSettings,
        link: Option<&LinkSettings>,
        class: &Delay,
        streams: &LinkStreams,
        dice: &mut Streams,
    ) -> Self {
        let of_link = |pick: fn(&LinkSettings) -> Option<u64>| link.and_then(pick);
        let loss = of_link(|it| it.loss_per_million).unwrap_or(net.loss_per_million);
        let twice = of_link(|it| it.duplicate_per_million).unwrap_or(net.duplicate_per_million);
        let corrupt = of_link(|it| it.corrupt_per_million).unwrap_or(net.corrupt_per_million);
        let reorder = of_link(|it| it.reorder_per_million).unwrap_or(net.reorder_per_million);
        let delay = link.and_then(|it| it.delay_ns.as_ref()).unwrap_or(class);
        let mut chance = |stream, num, den| num > 0 && dice.rarely(stream, num, den);
        let slow = chance(streams.slow, net.slow_per_mille, 1_000);
        let lost = chance(streams.loss, loss, 1_000_000);
        let twice = chance(streams.duplicate, twice, 1_000_000);
        let corrupted = chance(streams.corrupt, corrupt, 1_000_000);
        let reordered = chance(streams.reorder, reorder, 1_000_000);
        let mut delay_ns = delay.draw(streams.latency, dice);
        if slow {
            delay_ns = delay_ns.saturating_mul(10);
        }
        if reordered {
            delay_ns += dice.range(streams.reorder_hold, &net.reorder_ns);
        }
        let duplicate_delay_ns = twice.then(|| delay.draw(streams.duplicate_latency, dice));
        Self { delay_ns, slow, lost, corrupted, reordered, duplicate_delay_ns }
    }
}
