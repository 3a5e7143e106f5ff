//! What the store holds: objects, uploads of parts that are not complete, and, while a fault
//! needs them, the past of the keys and the objects that were deleted.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::{Bytes, BytesMut};

use super::{ObjectError, Upload};

/// How many changes to keys are remembered at most for listings that are stale.
const PAST_CHANGES_MAX: usize = 100_000;

/// An object appeared or vanished.
#[derive(Clone)]
struct KeyChange {
    at_ns: u64,
    key: String,
    appeared: bool,
}

/// An upload of parts that was neither completed nor aborted.
#[derive(Clone)]
struct Parts {
    key: String,
    by_number: BTreeMap<u32, Bytes>,
}

/// The content of the store. A copy shares the bodies.
#[derive(Clone, Default)]
pub(super) struct Bucket {
    pub(super) objects: BTreeMap<String, Bytes>,
    uploads: BTreeMap<u64, Parts>,
    uploads_made: u64,
    /// The instant of what happens at present.
    pub(super) now_ns: u64,
    /// How far back listings may need to look, in nanoseconds; 0 remembers nothing.
    past_ns: u64,
    past: VecDeque<KeyChange>,
    /// The objects that were deleted, while they are kept.
    pub(super) deleted: Option<BTreeMap<String, Bytes>>,
    /// The faults that took effect since somebody asked, each with what it struck.
    pub(super) struck: Vec<(&'static str, Vec<u8>)>,
}

impl Bucket {
    pub(super) fn put(&mut self, key: String, body: Bytes) {
        if self.past_ns > 0 && !self.objects.contains_key(&key) {
            self.remember(&key, true);
        }
        self.objects.insert(key, body);
    }

    pub(super) fn delete(&mut self, key: &str) {
        let Some(body) = self.objects.remove(key) else { return };
        if self.past_ns > 0 {
            self.remember(key, false);
        }
        if let Some(deleted) = &mut self.deleted {
            deleted.insert(key.to_string(), body);
        }
    }

    /// From now on listings may look so far back; 0 forgets everything.
    pub(super) fn look_back(&mut self, past_ns: u64) {
        self.past_ns = past_ns;
        if past_ns == 0 {
            self.past.clear();
        }
    }

    fn remember(&mut self, key: &str, appeared: bool) {
        self.past.push_back(KeyChange { at_ns: self.now_ns, key: key.to_string(), appeared });
        let from_ns = self.now_ns.saturating_sub(self.past_ns);
        while self.past.len() > PAST_CHANGES_MAX
            || self.past.front().is_some_and(|it| it.at_ns < from_ns)
        {
            self.past.pop_front();
        }
    }

    /// The keys that begin with a prefix, sorted.
    pub(super) fn list(&self, prefix: &str) -> Vec<String> {
        let from_prefix = self.objects.range(prefix.to_string()..).map(|(key, _)| key);
        from_prefix.take_while(|it| it.starts_with(prefix)).cloned().collect()
    }

    /// The same as it was so long ago, as far as that is remembered.
    pub(super) fn list_past(&mut self, prefix: &str, age_ns: u64) -> Vec<String> {
        let now = self.list(prefix);
        let at_ns = self.now_ns.saturating_sub(age_ns);
        let mut keys: BTreeSet<String> = now.iter().cloned().collect();
        let since = self.past.iter().rev().take_while(|it| it.at_ns > at_ns);
        for change in since.filter(|it| it.key.starts_with(prefix)) {
            match change.appeared {
                true => keys.remove(&change.key),
                false => keys.insert(change.key.clone()),
            };
        }
        let past: Vec<String> = keys.into_iter().collect();
        if past != now {
            self.struck.push(("object.stale_list", prefix.as_bytes().to_vec()));
        }
        past
    }

    pub(super) fn create_upload(&mut self, key: String) -> Upload {
        let number = self.uploads_made;
        self.uploads_made += 1;
        let parts = Parts { key: key.clone(), by_number: BTreeMap::new() };
        self.uploads.insert(number, parts);
        Upload { number, key }
    }

    pub(super) fn put_part(
        &mut self,
        upload: &Upload,
        part: u32,
        body: Bytes,
    ) -> Result<(), ObjectError> {
        let parts = self.uploads.get_mut(&upload.number).ok_or(ObjectError::NotFound)?;
        parts.by_number.insert(part, body);
        Ok(())
    }

    /// Makes an object of these parts; others that were uploaded are dropped.
    pub(super) fn complete_upload(
        &mut self,
        upload: &Upload,
        parts: &[u32],
    ) -> Result<(), ObjectError> {
        let there = self.uploads.get(&upload.number).ok_or(ObjectError::NotFound)?;
        let mut body = BytesMut::new();
        for part in parts {
            body.extend_from_slice(there.by_number.get(part).ok_or(ObjectError::NotFound)?);
        }
        self.uploads.remove(&upload.number);
        self.put(upload.key.clone(), body.freeze());
        Ok(())
    }

    pub(super) fn abort_upload(&mut self, upload: &Upload) {
        self.uploads.remove(&upload.number);
    }

    pub(super) fn list_uploads(&self, prefix: &str) -> Vec<Upload> {
        let upload = |(&number, it): (&u64, &Parts)| Upload { number, key: it.key.clone() };
        let mut uploads: Vec<Upload> = self.uploads.iter().map(upload).collect();
        uploads.retain(|it| it.key.starts_with(prefix));
        uploads.sort();
        uploads
    }

    /// Takes over what another held. The numbers of uploads go on, and nothing of the past of
    /// the keys is known any more.
    pub(super) fn set_back(&mut self, earlier: &Self) {
        self.objects = earlier.objects.clone();
        self.uploads = earlier.uploads.clone();
        self.past.clear();
    }

    /// How many bytes the uploads take that are not complete.
    pub(super) fn uploads_bytes(&self) -> u64 {
        let parts = self.uploads.values().flat_map(|it| it.by_number.values());
        parts.map(|it| it.len() as u64).sum()
    }
}
