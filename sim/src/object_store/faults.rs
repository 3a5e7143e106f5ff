//! How the store fails by itself, host by host or for all: what a world may set, and how it is
//! drawn.
//!
//! Each fault has a stream of its own, `<host>/object.<fault>`; one that is off draws nothing.
//! What is lost or damaged at rest is in `damage.rs`.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use super::bucket::Bucket;
use super::{ObjectError, ObjectStore};
use crate::core::Core;
use crate::dice::scale;
use crate::host::HostId;
use crate::world::World;

/// How often the store fails, and how; never by default. Can be changed at any time. That it is
/// busy or does not answer is in [`super::ObjectSettings`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ObjectFaults {
    /// Of a thousand requests, how many begin a burst: this and all that the same host sends
    /// until it is over are turned away with [`ObjectError::SlowDown`]. Counted, request by
    /// request, as `object.throttled`.
    pub burst_per_mille: u64,
    /// How long a burst lasts, in nanoseconds.
    pub burst_ns: Range<u64>,
    /// Of a thousand listings, how many show the keys as they were some time ago. S3 does not
    /// do this since December 2020 ("Amazon S3 data consistency model", S3 User Guide); stores
    /// before and beside it do. Counted as `object.stale_list` where the answer differs. Changes
    /// from before this was turned on are not undone.
    pub stale_list_per_mille: u64,
    /// How old a stale listing is, in nanoseconds.
    pub stale_list_ns: Range<u64>,
    /// Of a thousand gets, how many give less than the object holds, as where a connection
    /// breaks and the client does not look at the length. Counted as `object.truncated_get`.
    pub truncated_get_per_mille: u64,
    /// Of a thousand gets, how many give the object with one bit turned over; the object itself
    /// is as it was. Counted as `object.corrupted_get`.
    pub corrupted_get_per_mille: u64,
    /// Whether deleted objects are kept for [`World::undelete_object`]. Costs memory.
    pub keeps_deleted: bool,
}

impl ObjectFaults {
    /// A store that never fails by itself. Bursts, where they are turned on, last one to ten
    /// seconds; stale listings are up to ten seconds old.
    pub const NONE: Self = Self {
        burst_per_mille: 0,
        burst_ns: 1_000_000_000..10_000_000_000,
        stale_list_per_mille: 0,
        stale_list_ns: 1..10_000_000_000,
        truncated_get_per_mille: 0,
        corrupted_get_per_mille: 0,
        keeps_deleted: false,
    };
}

impl ObjectFaults {
    /// The higher rate of each two, with its times.
    pub(crate) fn worse_of(&self, other: &Self) -> Self {
        let worse = |rate: fn(&Self) -> u64| rate(self).max(rate(other));
        let times = |rate: fn(&Self) -> u64, times: fn(&Self) -> &Range<u64>| {
            times(if rate(other) > rate(self) { other } else { self }).clone()
        };
        Self {
            burst_per_mille: worse(|it| it.burst_per_mille),
            burst_ns: times(|it| it.burst_per_mille, |it| &it.burst_ns),
            stale_list_per_mille: worse(|it| it.stale_list_per_mille),
            stale_list_ns: times(|it| it.stale_list_per_mille, |it| &it.stale_list_ns),
            truncated_get_per_mille: worse(|it| it.truncated_get_per_mille),
            corrupted_get_per_mille: worse(|it| it.corrupted_get_per_mille),
            keeps_deleted: self.keeps_deleted || other.keeps_deleted,
        }
    }
}

impl Default for ObjectFaults {
    fn default() -> Self {
        Self::NONE
    }
}

/// How a store is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ObjectOutage {
    /// Whoever calls hears [`ObjectError::Refused`] at once, as where nothing listens.
    Refused,
    /// Whoever calls hears nothing until [`ObjectError::Timeout`], as where packets are dropped.
    Silent,
}

/// How a request is turned away before it has any effect.
#[derive(Clone, Copy)]
pub(super) struct Refusal {
    pub(super) error: ObjectError,
    /// What it is counted as.
    pub(super) fault: &'static str,
}

/// Requests for keys that begin so are turned away until then.
pub(super) struct Throttle {
    prefix: String,
    until_ns: u64,
}

/// What goes wrong with the answer to a get. The numbers are raw draws.
#[derive(Clone, Copy)]
pub(super) struct GetFate {
    truncated: Option<u64>,
    corrupted: Option<u64>,
}

impl GetFate {
    /// What arrives of a body.
    pub(super) fn strike(self, bucket: &mut Bucket, key: &str, body: Bytes) -> Bytes {
        if body.is_empty() {
            return body;
        }
        let len = body.len() as u64;
        let mut arrives = body;
        if let Some(raw) = self.truncated {
            arrives.truncate((len - 1 - scale(raw, len)) as usize);
            bucket.struck.push(("object.truncated_get", key.as_bytes().to_vec()));
        }
        match self.corrupted {
            Some(raw) if !arrives.is_empty() => {
                bucket.struck.push(("object.corrupted_get", key.as_bytes().to_vec()));
                flipped(&arrives, scale(raw, arrives.len() as u64 * 8))
            }
            _ => arrives,
        }
    }
}

/// The same with one bit turned over.
pub(super) fn flipped(body: &[u8], bit: u64) -> Bytes {
    let mut copy = BytesMut::from(body);
    copy[(bit / 8) as usize] ^= 1 << (bit % 8);
    copy.freeze()
}

impl Core {
    /// A raw draw of a fault if it strikes.
    fn object_struck(&self, host: HostId, name: &'static str, per_mille: u64) -> Option<u64> {
        if per_mille == 0 {
            return None;
        }
        let mut dice = self.dice.borrow_mut();
        let stream = self.hosts.borrow_mut()[host.index()].stream(name, &mut dice);
        dice.chance(stream, per_mille, 1_000).then(|| dice.raw(stream))
    }

    /// Whether a request is turned away for what the store is like at present.
    pub(super) fn object_refusal(&self, host: HostId, payload: &[u8]) -> Option<Refusal> {
        let slow_down = |fault| Some(Refusal { error: ObjectError::SlowDown, fault });
        match self.objects.borrow().outage {
            Some(ObjectOutage::Refused) => {
                return Some(Refusal { error: ObjectError::Refused, fault: "object.refused" });
            }
            Some(ObjectOutage::Silent) => {
                return Some(Refusal { error: ObjectError::Timeout, fault: "object.silent" });
            }
            None => {}
        }
        if self.is_in_burst(host) {
            return slow_down("object.throttled");
        }
        let now_ns = self.now_ns.get();
        let throttles = &mut self.objects.borrow_mut().throttles;
        throttles.retain(|it| now_ns < it.until_ns);
        let is_hit = throttles.iter().any(|it| payload.starts_with(it.prefix.as_bytes()));
        if is_hit { slow_down("object.prefix_throttled") } else { None }
    }

    /// Whether a burst is going on, or begins with this request.
    fn is_in_burst(&self, host: HostId) -> bool {
        let now_ns = self.now_ns.get();
        let (per_mille, burst_ns) = {
            let objects = self.objects.borrow();
            if objects.bursts.get(&host).is_some_and(|until_ns| now_ns < *until_ns) {
                return true;
            }
            (objects.faults.burst_per_mille, objects.faults.burst_ns.clone())
        };
        let Some(raw) = self.object_struck(host, "object.burst", per_mille) else {
            return false;
        };
        let for_ns = burst_ns.start + scale(raw, burst_ns.end - burst_ns.start);
        self.objects.borrow_mut().bursts.insert(host, now_ns.saturating_add(for_ns));
        true
    }

    /// All bursts are over, however long they were to last.
    pub(crate) fn end_object_bursts(&self) {
        self.objects.borrow_mut().bursts.clear();
    }
}

impl ObjectStore {
    fn struck(
        &self,
        name: &'static str,
        per_mille: impl FnOnce(&ObjectFaults) -> u64,
    ) -> Option<u64> {
        let core = &self.host.core;
        let per_mille = per_mille(&core.objects.borrow().faults);
        match per_mille > 0 && self.host.is_current() {
            true => core.object_struck(self.host.id(), name, per_mille),
            false => None,
        }
    }

    pub(super) fn draw_get_fate(&self) -> GetFate {
        GetFate {
            truncated: self.struck("object.truncated_get", |it| it.truncated_get_per_mille),
            corrupted: self.struck("object.corrupted_get", |it| it.corrupted_get_per_mille),
        }
    }

    /// How old the answer to a listing is, if it is stale.
    pub(super) fn draw_list_age_ns(&self) -> Option<u64> {
        let raw = self.struck("object.stale_list", |it| it.stale_list_per_mille)?;
        let age_ns = self.host.core.objects.borrow().faults.stale_list_ns.clone();
        Some(age_ns.start + scale(raw, age_ns.end - age_ns.start))
    }
}

impl World {
    /// How often the object store fails at present.
    pub fn object_faults(&self) -> ObjectFaults {
        self.core().objects.borrow().faults.clone()
    }

    /// Changes how often the object store fails, for requests sent from now on. A burst that
    /// goes on does so until its end.
    ///
    /// # Panics
    /// If bursts or stale listings are on and there is no length or age to draw.
    pub fn set_object_faults(&self, faults: ObjectFaults) {
        let can_burst = faults.burst_per_mille == 0 || !faults.burst_ns.is_empty();
        assert!(can_burst, "bursts are on, but `burst_ns` holds no length to draw");
        let can_be_stale = faults.stale_list_per_mille == 0 || !faults.stale_list_ns.is_empty();
        assert!(can_be_stale, "stale listings are on, but `stale_list_ns` holds no age to draw");
        let mut objects = self.core().objects.borrow_mut();
        let is_stale = faults.stale_list_per_mille > 0;
        objects.bucket.look_back(if is_stale { faults.stale_list_ns.end } else { 0 });
        match faults.keeps_deleted {
            true => drop(objects.bucket.deleted.get_or_insert_default()),
            false => objects.bucket.deleted = None,
        }
        objects.faults = faults;
    }

    /// Takes the object store away, or brings it back. Connections break: what is under way and
    /// would take effect or be answered while the store is away ends in
    /// [`ObjectError::Timeout`], when its answer would have come. Counted, request by request,
    /// as `object.refused`, `object.silent` and `object.broken_off`.
    pub fn set_objects_down(&self, outage: Option<ObjectOutage>) {
        let core = self.core();
        core.objects.borrow_mut().outage = outage;
        let state = outage.map_or(0, |it| 1 + it as u8);
        core.emit(HostId::DRIVER, "object.outage", &[state]);
    }

    /// Whether the object store is away, and how.
    pub fn object_outage(&self) -> Option<ObjectOutage> {
        self.core().objects.borrow().outage
    }

    /// Turns away all requests for keys that begin with `prefix` (listings: whose prefix does)
    /// for so many nanoseconds from now, with [`ObjectError::SlowDown`], as S3 does where
    /// a prefix gets more requests than it was prepared for. Counted, request by request, as
    /// `object.prefix_throttled`.
    pub fn throttle_objects(&self, prefix: &str, for_ns: u64) {
        let core = self.core();
        let throttle =
            Throttle { prefix: prefix.to_string(), until_ns: self.now_ns().saturating_add(for_ns) };
        core.objects.borrow_mut().throttles.push(throttle);
        core.emit(HostId::DRIVER, "object.throttle", prefix.as_bytes());
    }
}
