//! What becomes of one datagram or segment on its way, as drawn.

use bytes::{Bytes, BytesMut};

use super::{Delay, LinkSettings, NetSettings};
use crate::dice::{ActorId, Rare, StreamId, Streams};

/// What travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Traffic {
    Datagram,
    Segment,
}

impl Traffic {
    /// The names of the streams, by [`Concern`].
    fn concerns(self) -> &'static [&'static str; CONCERNS] {
        match self {
            Self::Datagram => &[
                "net.latency",
                "net.slow",
                "net.loss",
                "net.duplicate",
                "net.duplicate_latency",
                "net.corrupt",
                "net.corrupt_bits",
                "net.reorder",
                "net.reorder_hold",
            ],
            Self::Segment => &[
                "stream.latency",
                "stream.slow",
                "stream.loss",
                "stream.duplicate",
                "stream.duplicate_latency",
                "stream.corrupt",
                "stream.corrupt_bits",
                "stream.reorder",
                "stream.reorder_hold",
            ],
        }
    }
}

/// What is drawn, each from its own stream: turning one fault on shifts no other.
#[derive(Clone, Copy)]
enum Concern {
    Latency,
    Slow,
    Loss,
    Duplicate,
    DuplicateLatency,
    Corrupt,
    CorruptBits,
    Reorder,
    ReorderHold,
}

/// How many [`Concern`]s there are.
const CONCERNS: usize = 9;

/// The streams of a sender, each there once something was drawn from it.
struct SenderStreams {
    streams: [Option<StreamId>; CONCERNS],
    actor: ActorId,
    traffic: Traffic,
}

impl SenderStreams {
    #[inline]
    fn get(&mut self, concern: Concern, dice: &mut Streams) -> StreamId {
        match self.streams[concern as usize] {
            Some(stream) => stream,
            None => self.intern(concern, dice),
        }
    }

    #[cold]
    fn intern(&mut self, concern: Concern, dice: &mut Streams) -> StreamId {
        let stream = dice.intern_of(self.actor, self.traffic.concerns()[concern as usize]);
        self.streams[concern as usize] = Some(stream);
        stream
    }
}

/// What a sender draws from.
///
/// In the order in which it lies in memory: what each datagram needs comes first.
#[repr(C)]
pub(crate) struct LinkStreams {
    slow: Rare,
    loss: Rare,
    duplicate: Rare,
    streams: SenderStreams,
    corrupt: Rare,
    reorder: Rare,
}

impl LinkStreams {
    pub(crate) fn new(actor: ActorId, traffic: Traffic, dice: &mut Streams) -> Self {
        dice.announce(actor, traffic.concerns());
        Self {
            slow: Rare::default(),
            loss: Rare::default(),
            duplicate: Rare::default(),
            streams: SenderStreams { streams: [None; CONCERNS], actor, traffic },
            corrupt: Rare::default(),
            reorder: Rare::default(),
        }
    }

    /// Turns one to eight different bits over: one for raw 0, and the first.
    pub(super) fn corrupt(&mut self, payload: &Bytes, dice: &mut Streams) -> Bytes {
        let stream = self.streams.get(Concern::CorruptBits, dice);
        let mut corrupted = BytesMut::from(&payload[..]);
        let bits = corrupted.len() as u64 * 8;
        for _ in 0..=dice.range(stream, &(0..8)) {
            let mut bit = dice.range(stream, &(0..bits));
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
        from: &mut LinkStreams,
        dice: &mut Streams,
    ) -> Self {
        let of_link = |pick: fn(&LinkSettings) -> Option<u64>| link.and_then(pick);
        let loss = of_link(|it| it.loss_per_million).unwrap_or(net.loss_per_million);
        let twice = of_link(|it| it.duplicate_per_million).unwrap_or(net.duplicate_per_million);
        let corrupt = of_link(|it| it.corrupt_per_million).unwrap_or(net.corrupt_per_million);
        let reorder = of_link(|it| it.reorder_per_million).unwrap_or(net.reorder_per_million);
        let delay = link.and_then(|it| it.delay_ns.as_ref()).unwrap_or(class);
        let LinkStreams { streams, .. } = from;
        let mut happens = |rare: &mut Rare, concern, num, den| {
            num > 0 && dice.rarely(rare, num, den, |dice| streams.get(concern, dice))
        };
        let slow = happens(&mut from.slow, Concern::Slow, net.slow_per_mille, 1_000);
        let lost = happens(&mut from.loss, Concern::Loss, loss, 1_000_000);
        let twice = happens(&mut from.duplicate, Concern::Duplicate, twice, 1_000_000);
        let corrupted = happens(&mut from.corrupt, Concern::Corrupt, corrupt, 1_000_000);
        let reordered = happens(&mut from.reorder, Concern::Reorder, reorder, 1_000_000);
        let mut delay_ns = delay.draw(streams.get(Concern::Latency, dice), dice);
        if slow {
            delay_ns = delay_ns.saturating_mul(10);
        }
        if reordered {
            let hold = streams.get(Concern::ReorderHold, dice);
            delay_ns += dice.range(hold, &net.reorder_ns);
        }
        let duplicate_delay_ns =
            twice.then(|| delay.draw(streams.get(Concern::DuplicateLatency, dice), dice));
        Self { delay_ns, slow, lost, corrupted, reordered, duplicate_delay_ns }
    }
}
