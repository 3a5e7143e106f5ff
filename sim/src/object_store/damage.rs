//! What a world does to objects at rest: loses, cuts off, lets rot, brings back from the dead;
//! and snapshots of all of them.
//!
//! A victim that is not named is drawn under `objects/<what>`.

use bytes::Bytes;

use super::bucket::Bucket;
use super::faults::flipped;
use crate::host::HostId;
use crate::world::World;

/// All objects and uploads as they were at some moment. A clone shares the bodies.
#[derive(Clone)]
pub struct ObjectsSnapshot(Bucket);

impl ObjectsSnapshot {
    /// All keys, sorted.
    pub fn keys(&self) -> Vec<String> {
        self.0.objects.keys().cloned().collect()
    }

    /// The content of an object; `None` if there is none.
    pub fn get(&self, key: &str) -> Option<Bytes> {
        self.0.objects.get(key).cloned()
    }
}

impl World {
    /// Puts something else in place of an object; `None` as the new body removes it. Answers
    /// whether there was one.
    fn damage_object(
        &self,
        what: &'static str,
        key: &str,
        damage: impl FnOnce(&Bytes) -> Option<Bytes>,
    ) -> bool {
        let core = self.core();
        let objects = &mut core.objects.borrow_mut().bucket.objects;
        let Some(body) = objects.get(key) else { return false };
        match damage(body) {
            Some(damaged) => objects.insert(key.to_string(), damaged),
            None => objects.remove(key),
        };
        core.emit(HostId::DRIVER, what, key.as_bytes());
        core.count_fault(what, 1);
        true
    }

    /// A key that begins with `prefix`; `None` if there is none.
    fn draw_object(&self, dice: &str, prefix: &str) -> Option<String> {
        let keys = self.core().objects.borrow().bucket.list(prefix);
        (!keys.is_empty()).then(|| self.dice(dice).pick(&keys).clone())
    }

    /// Does this to drawn objects, `n` times. Gives how often it did.
    fn damage_any(&self, n: u64, dice: &str, prefix: &str, damage: impl Fn(&str) -> bool) -> u64 {
        let one = |_| self.draw_object(dice, prefix).is_some_and(|key| damage(&key));
        (0..n).map(|it| u64::from(one(it))).sum()
    }

    /// Loses an object, for good and without a trace. Gives whether there was one. Counted as
    /// `object.lost`.
    pub fn lose_object(&self, key: &str) -> bool {
        self.damage_object("object.lost", key, |_| None)
    }

    /// Loses `n` objects drawn among those whose keys begin with `prefix`. Gives how many.
    pub fn lose_any_object(&self, prefix: &str, n: u64) -> u64 {
        self.damage_any(n, "objects/lose", prefix, |key| self.lose_object(key))
    }

    /// Cuts an object off at `len` bytes. Gives whether it was longer. Counted as
    /// `object.truncated`.
    pub fn truncate_object(&self, key: &str, len: u64) -> bool {
        let is_longer = self.peek_object(key).is_some_and(|it| it.len() as u64 > len);
        is_longer
            && self.damage_object("object.truncated", key, |it| Some(it.slice(..len as usize)))
    }

    /// Cuts objects off at a drawn length, `n` times, each drawn among those whose keys begin
    /// with `prefix`. Gives how often one became shorter.
    pub fn truncate_any_object(&self, prefix: &str, n: u64) -> u64 {
        self.damage_any(n, "objects/truncate", prefix, |key| {
            let len = self.peek_object(key).map_or(0, |it| it.len() as u64);
            let shorter_by = if len == 0 { 0 } else { self.dice("objects/cut").range(1..len + 1) };
            len > 0 && self.truncate_object(key, len - shorter_by)
        })
    }

    /// Turns over `bits` bits of an object at drawn places. Gives how many: none where it is
    /// empty or not there. Each is counted as `object.bit_rot`.
    pub fn rot_object(&self, key: &str, bits: u64) -> u64 {
        let rot = |_| {
            let len = self.peek_object(key).map_or(0, |it| it.len() as u64);
            if len == 0 {
                return 0;
            }
            let bit = self.dice("objects/rot").range(0..len * 8);
            u64::from(self.damage_object("object.bit_rot", key, |it| Some(flipped(it, bit))))
        };
        (0..bits).map(rot).sum()
    }

    /// Turns over a bit, `n` times, each in an object drawn among those whose keys begin with
    /// `prefix`. Gives how many.
    pub fn rot_any_object(&self, prefix: &str, n: u64) -> u64 {
        self.damage_any(n, "objects/rot_any", prefix, |key| self.rot_object(key, 1) > 0)
    }

    /// Brings back the last object that was deleted under this key, if none is there now and
    /// [`super::ObjectFaults::keeps_deleted`] was on when it was deleted. Gives whether it is
    /// back. Counted as `object.undeleted`.
    pub fn undelete_object(&self, key: &str) -> bool {
        let core = self.core();
        let now_ns = self.now_ns();
        let bucket = &mut core.objects.borrow_mut().bucket;
        if bucket.objects.contains_key(key) {
            return false;
        }
        let Some(body) = bucket.deleted.as_mut().and_then(|it| it.remove(key)) else {
            return false;
        };
        bucket.now_ns = now_ns;
        bucket.put(key.to_string(), body);
        core.emit(HostId::DRIVER, "object.undeleted", key.as_bytes());
        core.count_fault("object.undeleted", 1);
        true
    }

    /// All objects and uploads at this moment, without a request.
    pub fn objects_snapshot(&self) -> ObjectsSnapshot {
        ObjectsSnapshot(self.core().objects.borrow().bucket.clone())
    }

    /// Puts these objects and uploads in place of all that there are, as where a bucket is set
    /// back. What requests under way do comes on top. Counted as `object.restored`.
    pub fn restore_objects(&self, snapshot: &ObjectsSnapshot) {
        let core = self.core();
        core.objects.borrow_mut().bucket.set_back(&snapshot.0);
        core.emit(HostId::DRIVER, "object.restored", &[]);
        core.count_fault("object.restored", 1);
    }
}
