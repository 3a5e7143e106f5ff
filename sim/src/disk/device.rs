//! Operations on their way through a disk: submitted, started, completed or abandoned.
//!
//! When they start is settled in `queue.rs`, what they do to the files in `image.rs`.

use std::collections::BTreeMap;
use std::ops::{Index, IndexMut};

use super::faults::DiskFaults;
use super::image::DiskImage;
use super::outcomes::Settled;
use super::queue::{Job, Queue};
use super::settings::DiskSettings;
use crate::core::Core;
use crate::event::Event;
use crate::host::HostId;

/// What kind of work an operation is: decides its latency and how it can fail.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Write,
    Read,
    /// Asks for what the system knows of an open file: as slow as a read, but cannot fail.
    Stat,
    Sync,
}

/// What an operation asks of the disk.
#[derive(Clone, Copy)]
pub(super) struct Demand {
    pub(super) class: Class,
    pub(super) bytes: u64,
    pub(super) background: bool,
}

impl Demand {
    /// Work in the foreground that moves no bytes worth counting.
    pub(super) fn of(class: Class) -> Self {
        Self { class, bytes: 0, background: false }
    }
}

/// What an operation does to the files.
pub(super) trait Effect {
    /// Does it, and answers who waits for it.
    fn finish(self: Box<Self>, image: &mut DiskImage);

    /// Does it to a copy, and nobody hears of it.
    fn rehearse(&self, copy: &mut DiskImage);
}

/// An operation that was submitted and has not completed.
pub(super) struct Operation {
    pub(super) kind: &'static str,
    pub(super) payload: Vec<u8>,
    pub(super) effect: Box<dyn Effect>,
    pub(super) class: Class,
    pub(super) background: bool,
}

impl Operation {
    /// Whether a power loss can tell if it happened.
    pub(super) fn changes_files(&self) -> bool {
        matches!(self.class, Class::Write | Class::Sync)
    }
}

/// The number that no operation has: at this event a stall of the whole device is over.
const STALL_OVER: u64 = u64::MAX;

/// The disk of one machine.
#[derive(Default)]
pub(crate) struct DiskState {
    pub(super) settings: DiskSettings,
    pub(super) faults: DiskFaults,
    /// Whether any of these is on.
    pub(super) may_fail: bool,
    pub(super) image: DiskImage,
    /// Until then nothing starts and nothing completes.
    stalled_until_ns: u64,
    /// What would have completed during the stall that goes on, in order.
    deferred: Vec<u64>,
    /// What the power loss that is going on takes, if that is not for the dice.
    pub(super) settled: Option<Settled>,
    queue: Queue,
    pub(super) operations: BTreeMap<u64, Operation>,
    submitted: u64,
    /// How often somebody outside has changed what the files are or may become.
    meddled: u64,
}

impl DiskState {
    /// How many operations were submitted, how many of these are under way, and how often somebody
    /// outside meddled: while none of these changes, a crash can leave the same things.
    pub(crate) fn progress(&self) -> (u64, usize, u64) {
        (self.submitted, self.operations.len(), self.meddled)
    }

    /// The files, for a change from outside of all operations.
    pub(super) fn meddle(&mut self) -> &mut DiskImage {
        self.meddled += 1;
        &mut self.image
    }

    /// Nobody asks any more what was settled.
    pub(crate) fn unsettle(&mut self) {
        self.settled = None;
    }
}

/// The disks of all machines: one that was never used is not there.
#[derive(Default)]
pub(crate) struct Disks {
    used: Vec<Option<Box<DiskState>>>,
    /// What every disk is that was never used.
    unused: DiskState,
}

impl Disks {
    /// Those that were used.
    fn iter_mut(&mut self) -> impl Iterator<Item = &mut DiskState> {
        self.used.iter_mut().flatten().map(|it| &mut **it)
    }
}

impl Index<usize> for Disks {
    type Output = DiskState;

    fn index(&self, host: usize) -> &DiskState {
        self.used.get(host).and_then(Option::as_deref).unwrap_or(&self.unused)
    }
}

impl IndexMut<usize> for Disks {
    fn index_mut(&mut self, host: usize) -> &mut DiskState {
        if self.used.len() <= host {
            self.used.resize_with(host + 1, || None);
        }
        self.used[host].get_or_insert_default()
    }
}

impl Core {
    fn disk_latency_ns(&self, host: HostId, class: Class) -> u64 {
        let disk = &self.disks.borrow()[host.index()];
        let stall_ns = self.disk_stall_ns(host, &disk.faults);
        let mut hosts = self.hosts.borrow_mut();
        let mut dice = self.dice.borrow_mut();
        let latency = hosts[host.index()].stream("disk.latency", &mut dice);
        let slow = hosts[host.index()].stream("disk.slow", &mut dice);
        let settings = &disk.settings;
        let range = match class {
            Class::Write => &settings.write_ns,
            Class::Read | Class::Stat => &settings.read_ns,
            Class::Sync => &settings.sync_ns,
        };
        let latency_ns = dice.range(latency, range);
        let per_mille = settings.slow_per_mille;
        let slow = per_mille > 0 && dice.chance(slow, per_mille, 1_000);
        self.count_fault("disk.slow", slow.into());
        stall_ns.saturating_add(if slow { latency_ns.saturating_mul(10) } else { latency_ns })
    }

    pub(super) fn submit_disk_operation(&self, host: HostId, demand: Demand, work: Operation) {
        let latency_ns = self.disk_latency_ns(host, demand.class);
        let mut disks = self.disks.borrow_mut();
        let disk = &mut disks[host.index()];
        let number = disk.submitted;
        disk.submitted += 1;
        disk.operations.insert(number, work);
        let (submitted_ns, Demand { bytes, background, .. }) = (self.now_ns.get(), demand);
        disk.queue.submit(Job { number, submitted_ns, latency_ns, bytes, background });
        self.start_disk_operations(host, disk);
    }

    /// Starts what may start now.
    pub(super) fn start_disk_operations(&self, host: HostId, disk: &mut DiskState) {
        let now_ns = self.now_ns.get();
        if now_ns < disk.stalled_until_ns {
            return;
        }
        while let Some((number, end_ns)) = disk.queue.start(now_ns, &disk.settings) {
            self.queue.borrow_mut().push(end_ns, Event::Disk { host, operation: number });
        }
    }

    /// Until then the device does nothing at all; a second stall does not shorten the first.
    pub(super) fn stall_disk_until(&self, host: HostId, until_ns: u64) {
        let disk = &mut self.disks.borrow_mut()[host.index()];
        disk.stalled_until_ns = disk.stalled_until_ns.max(until_ns);
        self.queue.borrow_mut().push(until_ns, Event::Disk { host, operation: STALL_OVER });
    }

    /// The stall is over, if there is one: what it held up completes at this instant.
    pub(super) fn end_disk_stall(&self, host: HostId) {
        let now_ns = self.now_ns.get();
        if self.disk_stalled_until(host).is_none() {
            return;
        }
        let disk = &mut self.disks.borrow_mut()[host.index()];
        disk.stalled_until_ns = now_ns;
        for operation in std::mem::take(&mut disk.deferred) {
            self.queue.borrow_mut().push(now_ns, Event::Disk { host, operation });
        }
        self.start_disk_operations(host, disk);
        self.emit(host, "disk.stall_ended", &[]);
    }

    /// Until when the device does nothing, if it stalls.
    pub(crate) fn disk_stalled_until(&self, host: HostId) -> Option<u64> {
        let until_ns = self.disks.borrow()[host.index()].stalled_until_ns;
        (self.now_ns.get() < until_ns).then_some(until_ns)
    }

    /// Whether a stall of the device defers what would happen now. It comes again when the stall
    /// is over.
    pub(crate) fn defers_disk_operation(&self, host: HostId, number: u64) -> bool {
        let Some(until_ns) = self.disk_stalled_until(host) else {
            return false;
        };
        let disk = &mut self.disks.borrow_mut()[host.index()];
        if disk.operations.contains_key(&number) {
            disk.deferred.push(number);
        }
        self.queue.borrow_mut().push(until_ns, Event::Disk { host, operation: number });
        true
    }

    fn take_effect(&self, host: HostId, operation: Operation, image: &mut DiskImage) {
        self.emit(host, operation.kind, &operation.payload);
        operation.effect.finish(image);
        self.tell_disk_faults(host, image);
    }

    /// Counts and tells the faults that took effect.
    pub(super) fn tell_disk_faults(&self, host: HostId, image: &mut DiskImage) {
        self.count_fault("disk.no_space", std::mem::take(&mut image.refused));
        for (fault, what) in image.struck.drain(..) {
            self.count_fault(fault, 1);
            self.emit(host, fault, &what);
        }
    }

    /// What an operation under way is called; `None` if it was abandoned.
    pub(crate) fn disk_operation_kind(&self, host: HostId, number: u64) -> Option<&'static str> {
        self.disks.borrow()[host.index()].operations.get(&number).map(|it| it.kind)
    }

    pub(crate) fn complete_disk_operation(&self, host: HostId, number: u64) {
        let mut disks = self.disks.borrow_mut();
        let disk = &mut disks[host.index()];
        disk.deferred.clear();
        // It is gone if the process died meanwhile.
        if let Some(operation) = disk.operations.remove(&number) {
            disk.queue.end(self.now_ns.get(), operation.background);
            self.take_effect(host, operation, &mut disk.image);
            self.start_disk_operations(host, disk);
        } else if number == STALL_OVER {
            self.start_disk_operations(host, disk);
        }
    }

    /// The process is dead: each operation under way happens now or never, as drawn.
    pub(crate) fn abandon_disk_operations(&self, host: HostId) {
        let mut disks = self.disks.borrow_mut();
        let disk = &mut disks[host.index()];
        let stream = {
            let mut dice = self.dice.borrow_mut();
            self.hosts.borrow_mut()[host.index()].stream("disk.in_flight", &mut dice)
        };
        disk.queue.clear();
        disk.deferred.clear();
        for operation in std::mem::take(&mut disk.operations).into_values() {
            let is_lost = match &mut disk.settled {
                Some(settled) => settled.happens.pop_front() != Some(true),
                None => self.dice.borrow_mut().chance(stream, 1, 2),
            };
            if is_lost {
                self.count_fault("disk.in_flight_lost", 1);
            } else {
                self.take_effect(host, operation, &mut disk.image);
            }
        }
        disk.image.close_all();
    }

    /// Forgets all operations: their effects hold handles of this very world.
    pub(crate) fn drop_disk_operations(&self) {
        self.disks.borrow_mut().iter_mut().for_each(|it| it.operations.clear());
    }

    /// Power is gone: the durable image and a drawn part of the rest survive. A device that
    /// stalled comes back as new.
    pub(crate) fn lose_page_cache(&self, host: HostId) {
        let mut disks = self.disks.borrow_mut();
        let disk = &mut disks[host.index()];
        disk.stalled_until_ns = 0;
        let losses = match disk.settled.take().and_then(|it| it.left) {
            Some((left, losses)) => {
                disk.image.replace(&left);
                losses
            }
            None => {
                let mut dice = self.dice.borrow_mut();
                let stream = self.hosts.borrow_mut()[host.index()].stream("disk.crash", &mut dice);
                disk.image.lose_power(&mut |choices| dice.range(stream, &(0..choices)))
            }
        };
        self.count_fault("disk.sectors_lost", losses.sectors);
        self.count_fault("disk.names_lost", losses.names);
    }
}
