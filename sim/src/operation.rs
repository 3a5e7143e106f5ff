//! What the machines do, counted; and crashes that fall on one operation exactly.
//!
//! Nothing is counted until somebody asks, and then from that moment on. A process that dies
//! in the middle of a poll does nothing more in it: its handle is dead.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::core::Core;
use crate::executor::Task;
use crate::explore::Walker;
use crate::host::HostId;
use crate::world::World;

/// Kinds of operations at which a machine can die.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum OperationKind {
    /// A read, or a question about names or lengths, is answered.
    DiskRead,
    /// A write, an append or a change of a length takes effect.
    DiskWrite,
    /// A sync, of a file or of a directory, takes effect.
    DiskSync,
    /// A file or directory is made, renamed or removed.
    DiskName,
    /// Any of the four before.
    Disk,
    /// A datagram leaves the host.
    DatagramSent,
    /// A datagram arrives at the host.
    DatagramDelivered,
    /// A segment of an ordered stream leaves the host, again or for the first time;
    /// acknowledgements do not count. A process that dies right before leaves it to its system,
    /// which still sends it; a machine that loses power does not.
    StreamSegment,
    /// The host asks something of the object store.
    ObjectRequest,
    /// A request of the host takes effect in the object store, which goes on either way.
    ObjectEffect,
    /// A program says that it has come to a point.
    Point,
    /// Any operation at all.
    Any,
}

impl OperationKind {
    /// The kind of a disk operation, given its name in the log.
    fn of_disk(operation: &str) -> Self {
        match operation {
            "disk.write" | "disk.append" | "disk.set_len" => Self::DiskWrite,
            "disk.sync" | "disk.sync_dir" => Self::DiskSync,
            "disk.create" | "disk.create_dir" | "disk.rename" | "disk.remove" => Self::DiskName,
            _ => Self::DiskRead,
        }
    }

    /// Whether an operation of the kind `other` is one of this kind.
    fn covers(self, other: Self) -> bool {
        let is_disk =
            matches!(other, Self::DiskRead | Self::DiskWrite | Self::DiskSync | Self::DiskName);
        self == other || self == Self::Any || (self == Self::Disk && is_disk)
    }
}

/// How a machine dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum CrashKind {
    /// The process ends; the page cache stays.
    Process,
    /// The machine loses power, and with it a drawn part of what was not synced.
    Power,
}

/// A crash that waits for its operation.
struct Armed {
    host: Option<HostId>,
    kind: OperationKind,
    /// How many operations are still to come, the fatal one included.
    left: u64,
    crash: CrashKind,
    after: bool,
    /// Whether a fault has armed it, which may be lifted.
    by_fault: bool,
}

#[derive(Default)]
struct Watch {
    counting: bool,
    counts: BTreeMap<(HostId, OperationKind), u64>,
    armed: Vec<Armed>,
    /// Crashes that follow the operation that is going on.
    due_after: Vec<(HostId, CrashKind)>,
    /// Tasks of hosts that died in the middle of a poll. They are dropped after it: the poll
    /// may hold what they reach for.
    doomed: Vec<Task>,
}

/// What is counted, and the crashes that wait.
#[derive(Default)]
pub(crate) struct Operations {
    /// Whether there is anything to do at an operation; the rest is behind it.
    watching: Cell<bool>,
    watch: RefCell<Watch>,
    /// Whoever goes from crash point to crash point, if somebody does.
    pub(crate) walker: RefCell<Option<Walker>>,
}

impl Operations {
    /// Counts an operation: gives the crash that falls before it.
    fn count(&self, host: HostId, kind: OperationKind) -> Option<CrashKind> {
        let watch = &mut *self.watch.borrow_mut();
        if watch.counting {
            *watch.counts.entry((host, kind)).or_default() += 1;
        }
        if host == HostId::DRIVER {
            return None;
        }
        let mut before = None;
        watch.armed.retain_mut(|it| {
            if it.kind.covers(kind) && it.host.is_none_or(|of| of == host) {
                it.left -= 1;
            }
            match (it.left, it.after) {
                (0, true) => watch.due_after.push((host, it.crash)),
                (0, false) => before = Some(it.crash),
                _ => {}
            }
            it.left > 0
        });
        before
    }

    fn look_whether_to_watch(&self) {
        let watch = self.watch.borrow();
        let idle = watch.armed.is_empty() && watch.doomed.is_empty() && watch.due_after.is_empty();
        let walked = self.walker.borrow().is_some();
        self.watching.set(watch.counting || walked || !idle);
    }

    /// Has somebody go from crash point to crash point from now on, or nobody.
    pub(crate) fn set_walker(&self, walker: Option<Walker>) {
        *self.walker.borrow_mut() = walker;
        self.look_whether_to_watch();
    }
}

impl Core {
    /// An operation is about to take effect: true if the host dies before it does.
    #[inline]
    pub(crate) fn dies_before(&self, host: HostId, kind: OperationKind) -> bool {
        self.operations.watching.get() && self.dies_at(host, kind)
    }

    #[cold]
    fn dies_at(&self, host: HostId, kind: OperationKind) -> bool {
        // What a dead process has left under way is nobody's operation.
        if !self.hosts.borrow()[host.index()].up {
            return false;
        }
        if let Some(crash) = self.operations.count(host, kind) {
            self.die_midway(host, crash);
            return true;
        }
        self.walk_comes_to(host, kind)
    }

    /// As [`Core::dies_before`], for a disk operation that completes.
    pub(crate) fn dies_before_disk_effect(&self, host: HostId, number: u64) {
        if self.operations.watching.get()
            && let Some(operation) = self.disk_operation_kind(host, number)
        {
            self.dies_at(host, OperationKind::of_disk(operation));
        }
    }

    /// As [`Core::dies_before`], for a request that reaches the object store.
    pub(crate) fn dies_before_object_effect(&self, number: u64) {
        if self.operations.watching.get()
            && let Some(host) = self.object_requester(number)
        {
            self.dies_at(host, OperationKind::ObjectEffect);
        }
    }

    /// The operation has taken effect: whoever was to die right after it dies.
    #[inline]
    pub(crate) fn may_die_after(&self) {
        if self.operations.watching.get() {
            let due = std::mem::take(&mut self.operations.watch.borrow_mut().due_after);
            due.into_iter().for_each(|(host, crash)| self.die_midway(host, crash));
            self.walk_goes_on();
        }
    }

    pub(crate) fn die_midway(&self, host: HostId, crash: CrashKind) {
        let doomed = self.end_process(host, crash);
        self.operations.watch.borrow_mut().doomed.extend(doomed);
        self.complete_crash(host, crash);
    }

    /// Drops the tasks of those that died in the middle of a poll.
    #[inline]
    pub(crate) fn drop_doomed(&self) {
        if self.operations.watching.get() {
            let doomed = std::mem::take(&mut self.operations.watch.borrow_mut().doomed);
            doomed.into_iter().for_each(|it| self.drop_task(it));
            self.operations.look_whether_to_watch();
        }
    }
}

impl World {
    /// Crashes a host right before its `nth` operation of a kind from now, 1 being the next:
    /// that operation does not happen. A disk operation counts when it takes effect; that one
    /// then is under way at the crash, which it may survive like others. Without a host the
    /// operations of all count together, and whoever does the fatal one dies; the driver's
    /// never count.
    ///
    /// # Panics
    /// If `nth` is 0.
    pub fn crash_at(&self, host: Option<HostId>, kind: OperationKind, nth: u64, crash: CrashKind) {
        self.arm(Armed { host, kind, left: nth, crash, after: false, by_fault: false });
    }

    /// As [`World::crash_at`], but right after the operation took effect.
    ///
    /// # Panics
    /// If `nth` is 0.
    pub fn crash_after(
        &self,
        host: Option<HostId>,
        kind: OperationKind,
        nth: u64,
        crash: CrashKind,
    ) {
        self.arm(Armed { host, kind, left: nth, crash, after: true, by_fault: false });
    }

    /// As [`World::crash_at`], until the fault is lifted.
    pub(crate) fn doom(&self, host: HostId, kind: OperationKind, nth: u64, crash: CrashKind) {
        self.arm(Armed { host: Some(host), kind, left: nth, crash, after: false, by_fault: true });
    }

    /// Takes back such a crash, if it has not come.
    pub(crate) fn spare(&self, host: HostId, kind: OperationKind, crash: CrashKind) {
        let armed = &mut self.core().operations.watch.borrow_mut().armed;
        let is_it =
            |it: &Armed| it.by_fault && (it.host, it.kind, it.crash) == (Some(host), kind, crash);
        if let Some(place) = armed.iter().position(is_it) {
            armed.remove(place);
        }
    }

    fn arm(&self, armed: Armed) {
        assert!(armed.left > 0, "operations are counted from 1");
        let operations = &self.core().operations;
        operations.watch.borrow_mut().armed.push(armed);
        operations.watching.set(true);
    }

    /// Takes back all crashes that wait for their operation.
    pub fn disarm_crashes(&self) {
        self.core().operations.watch.borrow_mut().armed.clear();
    }

    /// How many crashes wait for their operation.
    pub fn crashes_armed(&self) -> usize {
        self.core().operations.watch.borrow().armed.len()
    }

    /// Starts or stops counting operations; starting anew forgets the old counts.
    pub fn count_operations(&self, on: bool) {
        let operations = &self.core().operations;
        {
            let mut watch = operations.watch.borrow_mut();
            watch.counting = on;
            if on {
                watch.counts.clear();
            }
        }
        operations.look_whether_to_watch();
    }

    /// The operations since counting began, by host and kind; never under
    /// [`OperationKind::Disk`] or [`OperationKind::Any`], which stand for several.
    pub fn operation_counts(&self) -> BTreeMap<(HostId, OperationKind), u64> {
        self.core().operations.watch.borrow().counts.clone()
    }
}
