//! An object store that all hosts share: strongly consistent, slow, and at times busy.
//!
//! A request takes effect at a drawn instant between call and answer, even if the caller
//! has died by then, and wholly or not at all. A timeout does not say whether it did.
//!
//! **Faults**, off by default: [`ObjectFaults`] for what the store does by itself (bursts in
//! which it turns requests away, listings of the past, bodies damaged on their way); and calls
//! on the [`World`] for what a world decides: an outage, a prefix that is throttled, objects
//! lost, cut off, rotten or back from the dead, and all of them as they were before.
//!
//! The calls are here, those for uploads in parts in `upload.rs`; the life of a request is in
//! `request.rs`, what the store holds in `bucket.rs`, its faults in `faults.rs` and `damage.rs`.

mod bucket;
mod damage;
mod faults;
mod request;
mod upload;

use std::error::Error;
use std::fmt;
use std::ops::Range;

use bytes::Bytes;

use crate::completion::{Completer, Completion, completion};
use crate::host::Host;
use crate::world::World;
use bucket::Bucket;
pub use damage::ObjectsSnapshot;
pub use faults::{ObjectFaults, ObjectOutage};
pub(crate) use request::ObjectStoreState;
use request::{Answer, Request};
pub use upload::Upload;

/// How many requests a host has under way at most; more wait, in order.
pub const OBJECT_REQUESTS_IN_FLIGHT_MAX: usize = 64;

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
    /// 503 or 429: the store is busy. The request had no effect.
    SlowDown,
    /// Nothing listens: the store is away. The request had no effect.
    Refused,
    /// No answer came. Whether the request had an effect is unknown.
    Timeout,
}

impl fmt::Display for ObjectError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::NotFound => "there is no object with this key",
            Self::AlreadyExists => "there is an object with this key already",
            Self::SlowDown => "503: the object store is busy",
            Self::Refused => "the object store refused the connection",
            Self::Timeout => "no answer from the object store, outcome unknown",
        })
    }
}

impl Error for ObjectError {}

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
        let (completer, answer) = completion(kind);
        if self.host.is_current() {
            let failing: Completer<Result<T>> = completer.clone();
            let effect = Box::new(move |bucket: &mut Bucket| -> Answer {
                let result = effect(bucket);
                Box::new(move || completer.finish(result))
            });
            let fail = Box::new(move |error| failing.finish(Err(error)));
            let request = Request::new(&self.host, kind, payload, effect, fail);
            self.host.core.submit_object_request(request);
        }
        answer
    }

    /// Stores an object, in place of the one with this key, if any.
    ///
    /// # Errors
    /// `SlowDown`, `Refused`, `Timeout`.
    pub fn put(&self, key: &str, body: Bytes) -> Completion<Result<()>> {
        let key = key.to_string();
        self.submit("object.put", keyed(&key, &body), move |bucket| {
            bucket.put(key, body);
            Ok(())
        })
    }

    /// Stores an object if there is none with this key.
    ///
    /// # Errors
    /// `AlreadyExists`, `SlowDown`, `Refused`, `Timeout`.
    pub fn put_if_absent(&self, key: &str, body: Bytes) -> Completion<Result<()>> {
        let key = key.to_string();
        self.submit("object.put_if_absent", keyed(&key, &body), move |bucket| {
            if bucket.objects.contains_key(&key) {
                return Err(ObjectError::AlreadyExists);
            }
            bucket.put(key, body);
            Ok(())
        })
    }

    /// The content of an object.
    ///
    /// # Errors
    /// `NotFound`, `SlowDown`, `Refused`, `Timeout`.
    pub fn get(&self, key: &str) -> Completion<Result<Bytes>> {
        self.get_range(key, 0..u64::MAX)
    }

    /// A part of an object: as much of the range as there is.
    ///
    /// # Errors
    /// `NotFound`, `SlowDown`, `Refused`, `Timeout`.
    pub fn get_range(&self, key: &str, range: Range<u64>) -> Completion<Result<Bytes>> {
        let key = key.to_string();
        let bounds = [range.start.to_le_bytes(), range.end.to_le_bytes()].concat();
        let fate = self.draw_get_fate();
        self.submit("object.get", keyed(&key, &bounds), move |bucket| {
            let body = bucket.objects.get(&key).ok_or(ObjectError::NotFound)?;
            let within = |it: u64| body.len().min(usize::try_from(it).unwrap_or(usize::MAX));
            let start = within(range.start);
            let part = body.slice(start..within(range.end).max(start));
            Ok(fate.strike(bucket, &key, part))
        })
    }

    /// The keys that begin with `prefix`, sorted.
    ///
    /// # Errors
    /// `SlowDown`, `Refused`, `Timeout`.
    pub fn list(&self, prefix: &str) -> Completion<Result<Vec<String>>> {
        let prefix = prefix.to_string();
        let age_ns = self.draw_list_age_ns();
        self.submit("object.list", prefix.clone().into_bytes(), move |bucket| match age_ns {
            Some(age_ns) => Ok(bucket.list_past(&prefix, age_ns)),
            None => Ok(bucket.list(&prefix)),
        })
    }

    /// Removes an object. It is no error if there is none.
    ///
    /// # Errors
    /// `SlowDown`, `Refused`, `Timeout`.
    pub fn delete(&self, key: &str) -> Completion<Result<()>> {
        let key = key.to_string();
        self.submit("object.delete", key.clone().into_bytes(), move |bucket| {
            bucket.delete(&key);
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
        self.core().objects.borrow().bucket.objects.len()
    }

    /// All keys, sorted, at this moment and without a request.
    pub fn object_keys(&self) -> Vec<String> {
        self.core().objects.borrow().bucket.objects.keys().cloned().collect()
    }

    /// The content of an object at this moment, without a request; `None` if there is none.
    pub fn peek_object(&self, key: &str) -> Option<Bytes> {
        self.core().objects.borrow().bucket.objects.get(key).cloned()
    }
}
