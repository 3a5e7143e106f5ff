//! One end of a stream: what is to be sent, what has come, and what the program was told.
//!
//! Bytes are numbered from 0 in each direction; the end of a direction counts as one more. The
//! receiver keeps nothing that comes out of turn: the sender goes back to what was confirmed.

use std::collections::VecDeque;
use std::task::Waker;

use bytes::Bytes;

use super::transport::Body;
use crate::event::EventId;
use crate::host::HostId;

/// `TCP_RTO_MIN` of Linux (include/net/tcp.h).
const RETRANSMIT_NS_MIN: u64 = 200_000_000;
/// `TCP_RTO_MAX` of Linux (include/net/tcp.h).
const RETRANSMIT_NS_MAX: u64 = 120_000_000_000;
/// `TCP_TIMEOUT_INIT` of Linux (include/net/tcp.h).
const CONNECT_NS: u64 = 1_000_000_000;

/// How far a stream has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Connecting {
        port: u16,
    },
    Open,
    /// Reset, refused or given up.
    Dead,
}

pub(super) struct Side {
    pub(super) host: HostId,
    pub(super) peer: HostId,
    pub(super) phase: Phase,
    /// No program holds it any more.
    pub(super) orphan: bool,
    /// What the program is to be told, once.
    pub(super) error: Option<i32>,
    /// Bytes from `acked` on.
    pub(super) outgoing: VecDeque<u8>,
    acked: u64,
    sent: u64,
    /// Up to where the peer takes bytes.
    window_end: u64,
    /// Nothing follows what is in `outgoing`.
    pub(super) finished: bool,
    pub(super) finish_acked: bool,
    pub(super) incoming: VecDeque<u8>,
    received: u64,
    /// Up to where the peer was told to send.
    offered_end: u64,
    /// All that the peer sent was received.
    pub(super) ended: bool,
    failures: u32,
    pub(super) timer: Option<EventId>,
    /// When the peer was last heard of, or first asked.
    pub(super) silent_since_ns: u64,
    round_trip_ns: u64,
    /// What is waited for to learn the time of a round trip, and when it was sent.
    timed: Option<(u64, u64)>,
    /// When the last segment that was sent arrives: none comes before it.
    pub(super) arrival_ns: u64,
    pub(super) reader: Option<Waker>,
    pub(super) writer: Option<Waker>,
}

impl Side {
    pub(super) fn new(host: HostId, peer: HostId, phase: Phase, window: u64) -> Self {
        Self {
            host,
            peer,
            phase,
            orphan: false,
            error: None,
            outgoing: VecDeque::new(),
            acked: 0,
            sent: 0,
            window_end: 0,
            finished: false,
            finish_acked: false,
            incoming: VecDeque::new(),
            received: 0,
            offered_end: window,
            ended: false,
            failures: 0,
            timer: None,
            silent_since_ns: 0,
            round_trip_ns: 0,
            timed: None,
            arrival_ns: 0,
            reader: None,
            writer: None,
        }
    }

    pub(super) fn wake(&mut self) {
        [self.reader.take(), self.writer.take()].into_iter().flatten().for_each(Waker::wake);
    }

    fn outgoing_end(&self) -> u64 {
        self.acked + self.outgoing.len() as u64
    }

    /// Whether there is something that may be sent now.
    pub(super) fn can_send(&self) -> bool {
        let end = self.outgoing_end();
        let has_bytes = self.sent < end.min(self.window_end);
        let has_end = self.finished && !self.finish_acked && self.sent == end;
        self.phase == Phase::Open && (has_bytes || has_end)
    }

    /// What is sent next, if it may be sent now.
    pub(super) fn next_to_send(&mut self, now_ns: u64, bytes_max: u64) -> Body {
        let end = self.outgoing_end();
        let seq = self.sent;
        let until = end.min(self.window_end).min(seq + bytes_max).max(seq);
        let bytes = (seq - self.acked) as usize..(until - self.acked) as usize;
        let bytes: Bytes = self.outgoing.range(bytes).copied().collect();
        let is_last = self.finished && until == end;
        self.sent = until + u64::from(is_last);
        if self.timed.is_none() && self.failures == 0 {
            self.timed = Some((self.sent, now_ns));
        }
        Body::Data { seq, bytes, is_last }
    }

    /// Asks whether the peer is there and takes bytes again.
    pub(super) fn probe(&self) -> Body {
        Body::Data { seq: self.acked, bytes: Bytes::new(), is_last: false }
    }

    /// The peer says how far it has come: true if that is further than before.
    pub(super) fn acknowledged(&mut self, now_ns: u64, upto: u64, window_end: u64) -> bool {
        self.window_end = self.window_end.max(window_end);
        self.silent_since_ns = now_ns;
        if upto <= self.acked || self.finish_acked {
            return false;
        }
        let count = (upto - self.acked).min(self.outgoing.len() as u64);
        self.outgoing.drain(..count as usize);
        self.acked += count;
        self.finish_acked = self.finished && upto > self.acked;
        self.sent = self.sent.max(upto);
        self.failures = 0;
        self.learn_round_trip(now_ns, upto);
        true
    }

    fn learn_round_trip(&mut self, now_ns: u64, upto: u64) {
        if let Some((_, sent_ns)) = self.timed.take_if(|(seq, _)| *seq <= upto) {
            let took_ns = now_ns - sent_ns;
            self.round_trip_ns = match self.round_trip_ns {
                0 => took_ns,
                usual_ns => (7 * usual_ns + took_ns) / 8,
            };
        }
    }

    /// Takes what comes next of a segment.
    pub(super) fn take(&mut self, seq: u64, bytes: &[u8], is_last: bool) {
        let known = self.received.checked_sub(seq).map(|it| it.min(bytes.len() as u64) as usize);
        let Some(known) = known.filter(|_| !self.ended) else {
            return;
        };
        let new = &bytes[known..];
        self.incoming.extend(new);
        self.received += new.len() as u64;
        assert!(self.received <= self.offered_end, "a peer keeps to what it was offered");
        self.ended = is_last;
    }

    /// Whether a segment holds bytes that did not come before.
    pub(super) fn is_news(&self, seq: u64, bytes: &[u8]) -> bool {
        seq + bytes.len() as u64 > self.received
    }

    /// Up to where the peer may send now.
    pub(super) fn room_end(&self, window: u64) -> u64 {
        (self.received + window.saturating_sub(self.incoming.len() as u64)).max(self.offered_end)
    }

    /// Whether so much was read that the peer should hear of it.
    pub(super) fn has_room_to_tell(&self, window: u64) -> bool {
        self.room_end(window) - self.offered_end >= window.div_ceil(2)
    }

    /// Tells the peer how far its bytes have come.
    pub(super) fn acknowledgement(&mut self, window: u64) -> Body {
        self.offered_end = self.room_end(window);
        Body::Ack { upto: self.received + u64::from(self.ended), window_end: self.offered_end }
    }

    /// Whether the peer is expected to confirm something.
    pub(super) fn expects_answer(&self) -> bool {
        match self.phase {
            Phase::Connecting { .. } => true,
            Phase::Open => !self.outgoing.is_empty() || (self.finished && !self.finish_acked),
            Phase::Dead => false,
        }
    }

    /// How long to wait for an answer this time.
    pub(super) fn patience_ns(&self) -> u64 {
        let first_ns = match self.phase {
            Phase::Connecting { .. } => CONNECT_NS,
            _ => RETRANSMIT_NS_MIN.max(2 * self.round_trip_ns),
        };
        first_ns.saturating_mul(1 << self.failures.min(20)).min(RETRANSMIT_NS_MAX)
    }

    /// No answer came: everything that was not confirmed is sent again.
    pub(super) fn go_back(&mut self) {
        self.failures += 1;
        self.timed = None;
        self.sent = self.acked;
    }

    pub(super) fn open(&mut self, now_ns: u64, window_end: u64) {
        self.phase = Phase::Open;
        self.window_end = window_end;
        self.failures = 0;
        self.silent_since_ns = now_ns;
        self.wake();
    }

    /// The stream is over, by no wish of this end.
    pub(super) fn die(&mut self, code: i32) {
        self.phase = Phase::Dead;
        self.error = Some(code);
        self.outgoing.clear();
        self.wake();
    }

    /// Nothing can come or go any more, and nobody would see it.
    pub(super) fn is_over(&self) -> bool {
        self.orphan && (self.phase == Phase::Dead || (self.finish_acked && self.ended))
    }
}
