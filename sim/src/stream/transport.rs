//! What the kernels of two machines say to each other about a stream.

use std::collections::btree_map::Entry;

use bytes::Bytes;

use super::side::{Phase, Side};
use super::{BROKEN_PIPE, Listening, REFUSED, RESET, Sockets, TIMED_OUT, other};
use crate::core::Core;
use crate::event::Event;
use crate::host::HostId;
use crate::net::{NetEvent, Traffic, Transit};
use crate::operation::OperationKind;

/// How many connections wait at most to be accepted, as `std::net::TcpListener` asks for.
const BACKLOG_MAX: usize = 128;

/// What one end says to the other.
pub(crate) struct Segment {
    from: HostId,
    to: HostId,
    /// The end that sends it.
    side: u64,
    body: Body,
}

#[derive(Clone, Debug)]
pub(super) enum Body {
    /// May I connect?
    Hello {
        port: u16,
        window_end: u64,
    },
    /// You may.
    Welcome {
        window_end: u64,
    },
    Data {
        seq: u64,
        bytes: Bytes,
        is_last: bool,
    },
    /// All before `upto` has come; send nothing from `window_end` on.
    Ack {
        upto: u64,
        window_end: u64,
    },
    /// I know of no such stream.
    Reset,
}

impl Body {
    fn kind(&self) -> &'static str {
        match self {
            Self::Hello { .. } => "stream.hello",
            Self::Welcome { .. } => "stream.welcome",
            Self::Data { is_last: false, .. } => "stream.data",
            Self::Data { is_last: true, .. } => "stream.last",
            Self::Ack { .. } => "stream.ack",
            Self::Reset => "stream.reset",
        }
    }

    fn payload(&self) -> Bytes {
        match self {
            Self::Data { bytes, .. } => bytes.clone(),
            Self::Ack { upto, .. } => Bytes::copy_from_slice(&upto.to_le_bytes()),
            _ => Bytes::new(),
        }
    }
}

impl Core {
    pub(super) fn with_side<T>(&self, id: u64, act: impl FnOnce(&mut Side) -> T) -> Option<T> {
        self.sockets.borrow_mut().sides.get_mut(&id).map(act)
    }

    /// Sends something from one end to the other. It may get lost.
    pub(super) fn transmit(&self, from: HostId, to: HostId, side: u64, body: Body) {
        let bytes = match &body {
            Body::Data { bytes, .. } => bytes.len(),
            _ => 0,
        };
        let Transit { fate, left_ns, .. } = self.transit(from, to, bytes, Traffic::Segment);
        let lost = match (self.is_blocked(from, to), left_ns) {
            (true, _) => Some("stream.blocked"),
            _ if fate.lost => Some("stream.lost"),
            _ if fate.corrupted && from != to => Some("stream.corrupted"),
            (_, None) => Some("net.queue_full"),
            _ => None,
        };
        if let Some(why) = lost {
            self.emit_on_link(from, to, why, &body.payload());
            return self.count_fault(why, 1);
        }
        self.count_fault("stream.slow", fate.slow.into());
        let soonest_ns = left_ns.unwrap_or_default().saturating_add(fate.delay_ns);
        let in_turn_ns = self.with_side(side, |it| {
            it.arrival_ns = it.arrival_ns.max(soonest_ns);
            it.arrival_ns
        });
        let mut event = Event::Net(NetEvent::Segment(Box::new(Segment { from, to, side, body })));
        if self.takes_in_slowly(from, to) {
            event = Event::Net(NetEvent::Arrive { from, to, bytes, then: Box::new(event) });
        }
        self.queue.borrow_mut().push(in_turn_ns.unwrap_or(soonest_ns), event);
    }

    /// Begins a stream; gives the number of its first end.
    pub(super) fn begin_stream(&self, from: HostId, to: HostId, port: u16) -> u64 {
        let (id, window_end) = {
            let mut sockets = self.sockets.borrow_mut();
            let id = sockets.streams_count * 2;
            sockets.streams_count += 1;
            let window = sockets.settings.window_bytes;
            let mut side = Side::new(from, to, Phase::Connecting { port }, window);
            side.silent_since_ns = self.now_ns.get();
            sockets.sides.insert(id, side);
            (id, window)
        };
        self.arm_timer(id);
        self.say_hello(id, from, to, Body::Hello { port, window_end });
        id
    }

    fn say_hello(&self, id: u64, from: HostId, to: HostId, hello: Body) {
        if !self.dies_before(from, OperationKind::StreamSegment) {
            self.transmit(from, to, id, hello);
            self.may_die_after();
        }
    }

    /// Sends whatever an end may send now.
    pub(super) fn pump(&self, id: u64) {
        loop {
            let now_ns = self.now_ns.get();
            let Some((from, to)) =
                self.with_side(id, |it| it.can_send().then_some((it.host, it.peer))).flatten()
            else {
                break;
            };
            // A death right before it changes the end: what there is to send, it looks up again.
            if self.dies_before(from, OperationKind::StreamSegment) {
                continue;
            }
            let bytes_max = self.sockets.borrow().settings.segment_bytes_max.max(1);
            let body = self.with_side(id, |it| it.next_to_send(now_ns, bytes_max));
            if let Some(body) = body {
                self.transmit(from, to, id, body);
            }
            self.may_die_after();
        }
        if self.with_side(id, |it| it.timer.is_none()) == Some(true) {
            self.with_side(id, |it| it.silent_since_ns = self.now_ns.get());
            self.arm_timer(id);
        }
    }

    /// Sets the timer of an end anew, if it expects an answer.
    pub(super) fn arm_timer(&self, id: u64) {
        let mut queue = self.queue.borrow_mut();
        self.with_side(id, |it| {
            if let Some(timer) = it.timer.take() {
                queue.cancel(timer);
            }
            if it.expects_answer() {
                let event = Event::Net(NetEvent::Retransmit { side: id });
                it.timer = Some(queue.push(self.now_ns.get() + it.patience_ns(), event));
            }
        });
    }

    /// No answer came in time.
    pub(crate) fn retransmit(&self, id: u64) {
        let (timeout_ns, connect_timeout_ns, window_end) = {
            let settings = &self.sockets.borrow().settings;
            (settings.timeout_ns, settings.connect_timeout_ns, settings.window_bytes)
        };
        let state = self.with_side(id, |it| {
            it.timer = None;
            (it.host, it.peer, it.phase, self.now_ns.get() - it.silent_since_ns)
        });
        let Some((from, to, phase, silent_ns)) = state else {
            return;
        };
        let is_connecting = matches!(phase, Phase::Connecting { .. });
        if silent_ns >= if is_connecting { connect_timeout_ns } else { timeout_ns } {
            self.emit(from, "stream.timeout", &id.to_le_bytes());
            self.count_fault("stream.timed_out", 1);
            return self.end_stream(id, TIMED_OUT);
        }
        self.with_side(id, Side::go_back);
        self.emit(from, "stream.again", &id.to_le_bytes());
        self.arm_timer(id);
        match phase {
            Phase::Connecting { port } => {
                self.say_hello(id, from, to, Body::Hello { port, window_end });
            }
            _ if self.with_side(id, |it| it.can_send()) == Some(true) => self.pump(id),
            _ => {
                if let Some(probe) = self.with_side(id, |it| it.probe()) {
                    self.transmit(from, to, id, probe);
                }
            }
        }
    }

    /// A segment reaches its host.
    pub(crate) fn segment_arrives(&self, segment: Segment) {
        let Segment { from, to, side: sender, body } = segment;
        let is_powered = self.hosts.borrow()[to.index()].powered;
        let lost = match (self.is_blocked(from, to), is_powered) {
            (true, _) => Some("stream.blocked"),
            (_, false) => Some("stream.host_off"),
            _ => None,
        };
        if let Some(why) = lost {
            self.emit_on_link(from, to, why, &body.payload());
            return self.count_fault(why, 1);
        }
        self.emit_on_link(from, to, body.kind(), &body.payload());
        let id = other(sender);
        match body {
            Body::Hello { port, window_end } => self.greet(id, (from, to), port, window_end),
            body if self.sockets.borrow().sides.contains_key(&id) => self.hear(id, body),
            Body::Reset => {}
            _ => self.transmit(to, from, id, Body::Reset),
        }
    }

    /// Somebody wants to connect.
    fn greet(&self, id: u64, (from, to): (HostId, HostId), port: u16, window_end: u64) {
        let now_ns = self.now_ns.get();
        let window = self.sockets.borrow().settings.window_bytes;
        let welcome = Body::Welcome { window_end: window };
        let answer = {
            let Sockets { listening, sides, .. } = &mut *self.sockets.borrow_mut();
            match (sides.entry(id), listening.get_mut(&(to, port))) {
                (Entry::Occupied(_), _) => Some(welcome),
                (Entry::Vacant(_), None) => Some(Body::Reset),
                // Who finds too many before it is not answered, and asks again.
                (_, Some(it)) if it.backlog.len() >= BACKLOG_MAX => None,
                (Entry::Vacant(entry), Some(Listening { backlog, acceptors })) => {
                    let mut side = Side::new(to, from, Phase::Open, window);
                    side.open(now_ns, window_end);
                    entry.insert(side);
                    backlog.push_back(id);
                    acceptors.wake_all();
                    Some(welcome)
                }
            }
        };
        if let Some(answer) = answer {
            self.transmit(to, from, id, answer);
        }
    }

    /// An end that is there hears something.
    fn hear(&self, id: u64, body: Body) {
        let now_ns = self.now_ns.get();
        match body {
            Body::Welcome { window_end } => {
                self.with_side(id, |it| {
                    if matches!(it.phase, Phase::Connecting { .. }) {
                        it.open(now_ns, window_end);
                    }
                });
                self.arm_timer(id);
            }
            Body::Data { seq, bytes, is_last } => self.hear_data(id, seq, &bytes, is_last),
            Body::Ack { upto, window_end } => {
                let progress = self.with_side(id, |it| {
                    let progress = it.acknowledged(now_ns, upto, window_end);
                    it.writer.take_if(|_| progress).into_iter().for_each(|it| it.wake());
                    progress
                });
                if progress == Some(true) {
                    self.arm_timer(id);
                }
                self.pump(id);
            }
            Body::Reset => {
                let code = self.with_side(id, |it| match it.phase {
                    Phase::Dead => None,
                    Phase::Connecting { .. } => Some(REFUSED),
                    // As Linux has it for an end whose peer has said its last word.
                    Phase::Open if it.ended => Some(BROKEN_PIPE),
                    Phase::Open => Some(RESET),
                });
                if let Some(code) = code.flatten() {
                    self.end_stream(id, code);
                }
            }
            Body::Hello { .. } => unreachable!("greetings are answered elsewhere"),
        }
        self.reap(id);
    }

    fn hear_data(&self, id: u64, seq: u64, bytes: &[u8], is_last: bool) {
        let window = self.sockets.borrow().settings.window_bytes;
        let answer = self.with_side(id, |it| {
            if it.phase == Phase::Dead {
                return Some((it.host, it.peer, Body::Reset));
            }
            if it.orphan && it.is_news(seq, bytes) {
                it.die(RESET);
                return Some((it.host, it.peer, Body::Reset));
            }
            it.take(seq, bytes, is_last);
            it.reader.take().into_iter().for_each(|it| it.wake());
            Some((it.host, it.peer, it.acknowledgement(window)))
        });
        if let Some((from, to, answer)) = answer.flatten() {
            self.transmit(from, to, id, answer);
        }
    }

    /// The program has read: the peer hears of it when there is much room again.
    pub(super) fn tell_of_room(&self, id: u64) {
        let window = self.sockets.borrow().settings.window_bytes;
        let news = self.with_side(id, |it| {
            (it.phase == Phase::Open && !it.ended && it.has_room_to_tell(window))
                .then(|| (it.host, it.peer, it.acknowledgement(window)))
        });
        if let Some((from, to, ack)) = news.flatten() {
            self.transmit(from, to, id, ack);
        }
    }
}
