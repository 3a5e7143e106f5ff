//! The life of a request: turn, fate, effect, reply. Why it may be turned away is in
//! `faults.rs`.

use std::collections::{BTreeMap, VecDeque};

use super::bucket::Bucket;
use super::faults::{ObjectFaults, ObjectOutage, Refusal, Throttle};
use super::{OBJECT_REQUESTS_IN_FLIGHT_MAX, ObjectError, ObjectSettings};
use crate::core::Core;
use crate::event::Event;
use crate::host::{Host, HostId};
use crate::operation::OperationKind;

/// After how long a client gives up on an answer, in nanoseconds.
const TIMEOUT_NS: u64 = 1_000_000_000;

/// How long it takes to hear that nothing listens, in nanoseconds: about a round trip.
const REFUSED_NS: u64 = 500_000;

/// Tells the caller what came of its request.
pub(super) type Answer = Box<dyn FnOnce()>;
/// Works on the objects.
pub(super) type Effect = Box<dyn FnOnce(&mut Bucket) -> Answer>;

/// A request on its way there or back.
pub(super) struct Request {
    host: HostId,
    incarnation: u32,
    kind: &'static str,
    payload: Vec<u8>,
    is_put: bool,
    effect: Option<Effect>,
    fail: Box<dyn FnOnce(ObjectError)>,
    error: Option<ObjectError>,
    answer: Option<Answer>,
}

impl Request {
    pub(super) fn new(
        host: &Host,
        kind: &'static str,
        payload: Vec<u8>,
        effect: Effect,
        fail: Box<dyn FnOnce(ObjectError)>,
    ) -> Self {
        Self {
            host: host.id(),
            incarnation: host.incarnation,
            kind,
            payload,
            is_put: kind.starts_with("object.put"),
            effect: Some(effect),
            fail,
            error: None,
            answer: None,
        }
    }
}

/// What one host has under way.
#[derive(Default)]
struct Client {
    in_flight: usize,
    waiting: VecDeque<Request>,
}

/// The object store.
#[derive(Default)]
pub(crate) struct ObjectStoreState {
    pub(super) settings: ObjectSettings,
    pub(super) faults: ObjectFaults,
    pub(super) outage: Option<ObjectOutage>,
    pub(super) throttles: Vec<Throttle>,
    /// Until when each host is in a burst.
    pub(super) bursts: BTreeMap<HostId, u64>,
    pub(super) bucket: Bucket,
    requests: BTreeMap<u64, Request>,
    submitted: u64,
    clients: BTreeMap<HostId, Client>,
}

/// What becomes of one request.
struct Fate {
    effect_ns: Option<u64>,
    reply_ns: u64,
    error: Option<ObjectError>,
}

impl Fate {
    /// The same request where the store is away or does not want it.
    fn turned_away(self, refusal: Refusal) -> Self {
        let reply_ns = match refusal.error {
            ObjectError::Refused => REFUSED_NS,
            ObjectError::Timeout => TIMEOUT_NS,
            _ => self.reply_ns,
        };
        Self { effect_ns: None, reply_ns, error: Some(refusal.error) }
    }
}

impl Core {
    /// Each concern has its own stream, and times are drawn even if they are not used, so
    /// that turning a fault on shifts nothing else.
    fn draw_object_fate(&self, host: HostId, is_put: bool) -> Fate {
        let mut hosts = self.hosts.borrow_mut();
        let mut dice = self.dice.borrow_mut();
        let objects = self.objects.borrow();
        let settings = &objects.settings;
        let mut stream = |concern| hosts[host.index()].stream(concern, &mut dice);
        let (latency, effect) = (stream("object.latency"), stream("object.effect"));
        let (slow_down, timeout) = (stream("object.slow_down"), stream("object.timeout"));
        let outcome = stream("object.timeout_outcome");
        let range = if is_put { &settings.put_ns } else { &settings.get_ns };
        let reply_ns = dice.range(latency, range);
        let effect_ns = Some(dice.range(effect, &(0..reply_ns + 1)));
        let mut chance = |stream, num| num > 0 && dice.chance(stream, num, 1_000);
        let slow_down = chance(slow_down, settings.slow_down_per_mille);
        let timeout = chance(timeout, settings.timeout_per_mille);
        match (slow_down, timeout) {
            (true, _) => Fate { effect_ns: None, reply_ns, error: Some(ObjectError::SlowDown) },
            (_, true) => {
                let effect_ns = effect_ns.filter(|_| !dice.chance(outcome, 1, 2));
                Fate { effect_ns, reply_ns: TIMEOUT_NS, error: Some(ObjectError::Timeout) }
            }
            _ => Fate { effect_ns, reply_ns, error: None },
        }
    }

    /// Who sent a request that is under way.
    pub(crate) fn object_requester(&self, number: u64) -> Option<HostId> {
        self.objects.borrow().requests.get(&number).map(|it| it.host)
    }

    pub(super) fn submit_object_request(&self, request: Request) {
        let host = request.host;
        if self.dies_before(host, OperationKind::ObjectRequest) {
            return;
        }
        self.queue_object_request(request);
        self.may_die_after();
    }

    fn queue_object_request(&self, request: Request) {
        let host = request.host;
        let mut objects = self.objects.borrow_mut();
        let client = objects.clients.entry(host).or_default();
        if client.in_flight >= OBJECT_REQUESTS_IN_FLIGHT_MAX {
            client.waiting.push_back(request);
            return;
        }
        client.in_flight += 1;
        drop(objects);
        self.start_object_request(request);
    }

    /// What becomes of a request, counted.
    fn settle_object_fate(&self, request: &Request) -> Fate {
        let fate = self.draw_object_fate(request.host, request.is_put);
        if let Some(refusal) = self.object_refusal(request.host, &request.payload) {
            self.count_fault(refusal.fault, 1);
            return fate.turned_away(refusal);
        }
        match fate.error {
            Some(ObjectError::SlowDown) => self.count_fault("object.slow_down", 1),
            Some(_) => self.count_fault("object.timeout", 1),
            None => {}
        }
        fate
    }

    fn start_object_request(&self, mut request: Request) {
        let fate = self.settle_object_fate(&request);
        request.error = fate.error;
        let mut objects = self.objects.borrow_mut();
        let number = objects.submitted;
        objects.submitted += 1;
        objects.requests.insert(number, request);
        let now_ns = self.now_ns.get();
        let mut queue = self.queue.borrow_mut();
        if let Some(effect_ns) = fate.effect_ns {
            queue.push(now_ns + effect_ns, Event::ObjectEffect { request: number });
        }
        queue.push(now_ns + fate.reply_ns, Event::ObjectReply { request: number });
    }

    /// A request takes effect, whether its caller still lives or not.
    pub(crate) fn object_effect(&self, number: u64) {
        let mut objects = self.objects.borrow_mut();
        let ObjectStoreState { bucket, requests, outage, .. } = &mut *objects;
        let request = requests.get_mut(&number).expect("a request stays until its reply");
        if outage.is_some() {
            self.break_off(request);
            return;
        }
        self.emit(request.host, request.kind, &request.payload);
        let effect = request.effect.take().expect("a request takes effect once");
        bucket.now_ns = self.now_ns.get();
        request.answer = Some(effect(bucket));
        for (fault, what) in bucket.struck.drain(..) {
            self.count_fault(fault, 1);
            self.emit(request.host, fault, &what);
        }
    }

    /// The store went away while a request was under way: whoever sent it learns nothing.
    fn break_off(&self, request: &mut Request) {
        if request.error.is_none() {
            request.error = Some(ObjectError::Timeout);
            self.count_fault("object.broken_off", 1);
        }
    }

    /// The caller hears of it, if it still lives, and its next request goes out.
    pub(crate) fn object_reply(&self, number: u64) {
        let mut objects = self.objects.borrow_mut();
        let mut request = objects.requests.remove(&number).expect("a request is answered once");
        if objects.outage.is_some() {
            self.break_off(&mut request);
        }
        let host = request.host;
        if !self.is_current(host, request.incarnation) {
            return;
        }
        self.emit(host, "object.reply", &number.to_le_bytes());
        match (request.error, request.answer) {
            (Some(error), _) => (request.fail)(error),
            (None, Some(answer)) => answer(),
            (None, None) => unreachable!("without an error the effect came before the reply"),
        }
        let client = objects.clients.entry(host).or_default();
        let next = client.waiting.pop_front();
        client.in_flight -= usize::from(next.is_none());
        drop(objects);
        if let Some(next) = next {
            self.start_object_request(next);
        }
    }

    /// The process is dead: what waits is never sent, what was sent goes on.
    pub(crate) fn abandon_object_requests(&self, host: HostId) {
        self.objects.borrow_mut().clients.remove(&host);
    }
}
