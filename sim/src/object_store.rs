//! An object store that all hosts share: strongly consistent, slow, and at times busy.
//!
//! A request takes effect at a drawn instant between call and answer, even if the caller
//! has died by then. A timeout does not say whether it did.

use std::collections::{BTreeMap, VecDeque};
use std::error::Error;
use std::fmt;
use std::ops::Range;

use bytes::Bytes;

use crate::completion::{Completer, Completion, completion};
use crate::core::Core;
use crate::event::Event;
use crate::host::{Host, HostId};
use crate::world::World;

/// How many requests a host has under way at most; more wait, in order.
pub const OBJECT_REQUESTS_IN_FLIGHT_MAX: usize = 64;

/// After how long a client gives up on an answer, in nanoseconds.
const TIMEOUT_NS: u64 = 1_000_000_000;

/// How the object store behaves; can be changed at any time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectSettings {
    /// Latency of puts, in nanoseconds.
    pub put_ns: Range<u64>,
    /// Latency of gets, lists and deletes, in nanoseconds.
    pub get_ns: Range<u64>,
    /// Of a thousand requests, how many are turned away with [`ObjectError::SlowDown`].
    pub slow_down_per_mille: u64,
    /// Of a thousand requests, how many end in [`ObjectError::Timeout`].
    pub timeout_per_mille: u64,
}

impl Default for ObjectSettings {
    /// Latencies of a cloud's object store within the region; no faults.
    fn default() -> Self {
        Self {
            put_ns: 20_000_000..80_000_000,
            get_ns: 10_000_000..40_000_000,
            slow_down_per_mille: 0,
            timeout_per_mille: 0,
        }
    }
}

/// Why a request got no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectError {
    /// There is no object with this key.
    NotFound,
    /// There is one already, and the put was only to happen if there was none.
    AlreadyExists,
    /// 503: the store is busy. The request had no effect.
    SlowDown,
    /// No answer came. Whether the request had an effect is unknown.
    Timeout,
}

impl fmt::Display for ObjectError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::NotFound => "there is no object with this key",
            Self::AlreadyExists => "there is an object with this key already",
            Self::SlowDown => "503: the object store is busy",
            Self::Timeout => "no answer from the object store, outcome unknown",
        })
    }
}

impl Error for ObjectError {}

type Bucket = BTreeMap<String, Bytes>;
/// Tells the caller what came of its request.
type Answer = Box<dyn FnOnce()>;
/// Works on the objects.
type Effect = Box<dyn FnOnce(&mut Bucket) -> Answer>;

/// A request on its way there or back.
struct Request {
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

/// What one host has under way.
#[derive(Default)]
struct Client {
    in_flight: usize,
    waiting: VecDeque<Request>,
}

/// The object store.
#[derive(Default)]
pub(crate) struct ObjectStoreState {
    settings: ObjectSettings,
    bucket: Bucket,
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
        let range = if is_put {
            &settings.put_ns
        } else {
            &settings.get_ns
        };
        let reply_ns = dice.range(latency, range);
        let effect_ns = Some(dice.range(effect, &(0..reply_ns + 1)));
        let mut chance = |stream, num| num > 0 && dice.chance(stream, num, 1_000);
        let slow_down = chance(slow_down, settings.slow_down_per_mille);
        let timeout = chance(timeout, settings.timeout_per_mille);
        match (slow_down, timeout) {
            (true, _) => Fate {
                effect_ns: None,
                reply_ns,
                error: Some(ObjectError::SlowDown),
            },
            (_, true) => {
                let effect_ns = effect_ns.filter(|_| !dice.chance(outcome, 1, 2));
                Fate {
                    effect_ns,
                    reply_ns: TIMEOUT_NS,
                    error: Some(ObjectError::Timeout),
                }
            }
            _ => Fate {
                effect_ns,
                reply_ns,
                error: None,
            },
        }
    }

    fn submit_object_request(&self, request: Request) {
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

    fn start_object_request(&self, mut request: Request) {
        let fate = self.draw_object_fate(request.host, request.is_put);
        request.error = fate.error;
        match fate.error {
            Some(ObjectError::SlowDown) => self.count_fault("object.slow_down", 1),
            Some(_) => self.count_fault("object.timeout", 1),
            None => {}
        }
        let mut objects = self.objects.borrow_mut();
        let number = objects.submitted;
        objects.submitted += 1;
        objects.requests.insert(number, request);
        let now_ns = self.now_ns.get();
        let mut queue = self.queue.borrow_mut();
        if let Some(effect_ns) = fate.effect_ns {
            queue.push(now_ns + effect_ns, Event::ObjectEffect { request: number });
        }
        queue.push(
            now_ns + fate.reply_ns,
            Event::ObjectReply { request: number },
        );
    }

    /// A request takes effect, whether its caller still lives or not.
    pub(crate) fn object_effect(&self, number: u64) {
        let mut objects = self.objects.borrow_mut();
        let ObjectStoreState {
            bucket, requests, ..
        } = &mut *objects;
        let request = requests
            .get_mut(&number)
            .expect("a request stays until its reply");
        self.emit(request.host, request.kind, &request.payload);
        let effect = request.effect.take().expect("a request takes effect once");
        request.answer = Some(effect(bucket));
    }

    /// The caller hears of it, if it still lives, and its next request goes out.
    pub(crate) fn object_reply(&self, number: u64) {
        let mut objects = self.objects.borrow_mut();
        let request = objects
            .requests
            .remove(&number)
            .expect("a request is answered once");
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

/// The object store as one process uses it.
///
/// A call submits its request; dropping the answer does not take the request back.
#[derive(Clone)]
pub struct ObjectStore {
    host: Host,
}

type Result<T> = std::result::Result<T, ObjectError>;

impl ObjectStore {
    pub(crate) fn new(host: Host) -> Self {
        Self { host }
    }

    fn submit<T: 'static>(
        &self,
        kind: &'static str,
        payload: Vec<u8>,
        effect: impl FnOnce(&mut Bucket) -> Result<T> + 'static,
    ) -> Completion<Result<T>> {
        let (completer, answer) = completion();
        if self.host.is_current() {
            let failing: Completer<Result<T>> = completer.clone();
            self.host.core.submit_object_request(Request {
                host: self.host.id(),
                incarnation: self.host.incarnation,
                kind,
                payload,
                is_put: kind.starts_with("object.put"),
                effect: Some(Box::new(move |bucket| {
                    let result = effect(bucket);
                    Box::new(move || completer.finish(result))
                })),
                fail: Box::new(move |error| failing.finish(Err(error))),
                error: None,
                answer: None,
            });
        }
        answer
    }

    /// Stores an object, in place of the one with this key, if any.
    ///
    /// # Errors
    /// `SlowDown`, `Timeout`.
    pub fn put(&self, key: &str, body: Bytes) -> Completion<Result<()>> {
        let key = key.to_string();
        self.submit("object.put", keyed(&key, &body), move |bucket| {
            bucket.insert(key, body);
            Ok(())
        })
    }

    /// Stores an object if there is none with this key.
    ///
    /// # Errors
    /// `AlreadyExists`, `SlowDown`, `Timeout`.
    pub fn put_if_absent(&self, key: &str, body: Bytes) -> Completion<Result<()>> {
        let key = key.to_string();
        self.submit("object.put_if_absent", keyed(&key, &body), move |bucket| {
            if bucket.contains_key(&key) {
                return Err(ObjectError::AlreadyExists);
            }
            bucket.insert(key, body);
            Ok(())
        })
    }

    /// The content of an object.
    ///
    /// # Errors
    /// `NotFound`, `SlowDown`, `Timeout`.
    pub fn get(&self, key: &str) -> Completion<Result<Bytes>> {
        self.get_range(key, 0..u64::MAX)
    }

    /// A part of an object: as much of the range as there is.
    ///
    /// # Errors
    /// `NotFound`, `SlowDown`, `Timeout`.
    pub fn get_range(&self, key: &str, range: Range<u64>) -> Completion<Result<Bytes>> {
        let key = key.to_string();
        let bounds = [range.start.to_le_bytes(), range.end.to_le_bytes()].concat();
        self.submit("object.get", keyed(&key, &bounds), move |bucket| {
            let body = bucket.get(&key).ok_or(ObjectError::NotFound)?;
            let within = |it: u64| body.len().min(usize::try_from(it).unwrap_or(usize::MAX));
            let start = within(range.start);
            Ok(body.slice(start..within(range.end).max(start)))
        })
    }

    /// The keys that begin with `prefix`, sorted.
    ///
    /// # Errors
    /// `SlowDown`, `Timeout`.
    pub fn list(&self, prefix: &str) -> Completion<Result<Vec<String>>> {
        let prefix = prefix.to_string();
        self.submit("object.list", prefix.clone().into_bytes(), move |bucket| {
            let from_prefix = bucket.range(prefix.clone()..).map(|(key, _)| key);
            Ok(from_prefix
                .take_while(|it| it.starts_with(&prefix))
                .cloned()
                .collect())
        })
    }

    /// Removes an object. It is no error if there is none.
    ///
    /// # Errors
    /// `SlowDown`, `Timeout`.
    pub fn delete(&self, key: &str) -> Completion<Result<()>> {
        let key = key.to_string();
        self.submit("object.delete", key.clone().into_bytes(), move |bucket| {
            bucket.remove(&key);
            Ok(())
        })
    }
}

/// The payload of an event: key, a zero, and the rest.
fn keyed(key: &str, rest: &[u8]) -> Vec<u8> {
    [key.as_bytes(), &[0], rest].concat()
}

impl World {
    /// The object store's settings.
    pub fn objects(&self) -> ObjectSettings {
        self.core().objects.borrow().settings.clone()
    }

    /// Changes the object store's settings for requests sent from now on.
    pub fn set_objects(&self, settings: ObjectSettings) {
        self.core().objects.borrow_mut().settings = settings;
    }

    /// How many objects there are.
    pub fn objects_len(&self) -> usize {
        self.core().objects.borrow().bucket.len()
    }

    /// All keys, sorted, at this moment and without a request.
    pub fn object_keys(&self) -> Vec<String> {
        self.core()
            .objects
            .borrow()
            .bucket
            .keys()
            .cloned()
            .collect()
    }

    /// The content of an object at this moment, without a request; `None` if there is none.
    pub fn peek_object(&self, key: &str) -> Option<Bytes> {
        self.core().objects.borrow().bucket.get(key).cloned()
    }
}
