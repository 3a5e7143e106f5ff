//! Operations on their way through a disk: submitted, started, completed or abandoned.
//!
//! When they start is settled in `queue.rs`, what they do to the files in `image.rs`.

use std::collections::BTreeMap;

use super::image::DiskImage;
use super::queue::{Job, Queue};
use super::settings::{DiskFaults, DiskSettings};
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

pub(super) type Effect = Box<dyn FnOnce(&mut DiskImage)>;

/// An operation that was submitted and has not completed.
pub(super) struct Operation {
    pub(super) kind: &'static str,
    pub(super) payload: Vec<u8>,
    pub(super) effect: Effect,
    pub(super) background: bool,
}

/// The disk of one machine.
#[derive(Default)]
pub(crate) struct DiskState {
    pub(super) settings: DiskSettings,
    pub(super) faults: DiskFaults,
    pub(super) image: DiskImage,
    queue: Queue,
    operations: BTreeMap<u64, Operation>,
    submitted: u64,
}

impl Core {
    fn disk_latency_ns(&self, host: HostId, class: Class) -> u64 {
        let mut hosts = self.hosts.borrow_mut();
        let mut dice = self.dice.borrow_mut();
        let latency = hosts[host.index()].stream("disk.latency", &mut dice);
        let slow = hosts[host.index()].stream("disk.slow", &mut dice);
        let settings = &self.disks.borrow()[host.index()].settings;
        let range = match class {
            Class::Write => &settings.write_ns,
            Class::Read | Class::Stat => &settings.read_ns,
            Class::Sync => &settings.sync_ns,
        };
        let latency_ns = dice.range(latency, range);
        let per_mille = settings.slow_per_mille;
        let slow = per_mille > 0 && dice.chance(slow, per_mille, 1_000);
        self.count_fault("disk.slow", slow.into());
        if slow { latency_ns * 10 } else { latency_ns }
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
        while let Some((number, end_ns)) = disk.queue.start(self.now_ns.get(), &disk.settings) {
            self.queue.borrow_mut().push(end_ns, Event::Disk { host, operation: number });
        }
    }

    fn take_effect(&self, host: HostId, operation: Operation, image: &mut DiskImage) {
        self.emit(host, operation.kind, &operation.payload);
        (operation.effect)(image);
        self.count_fault("disk.no_space", std::mem::take(&mut image.refused));
    }

    pub(crate) fn complete_disk_operation(&self, host: HostId, number: u64) {
        let mut disks = self.disks.borrow_mut();
        let disk = &mut disks[host.index()];
        // It is gone if the process died meanwhile.
        if let Some(operation) = disk.operations.remove(&number) {
            disk.queue.end(self.now_ns.get(), operation.background);
            self.take_effect(host, operation, &mut disk.image);
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
        for operation in std::mem::take(&mut disk.operations).into_values() {
            if self.dice.borrow_mut().chance(stream, 1, 2) {
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

    /// Power is gone: the durable image and a drawn part of the rest survive.
    pub(crate) fn lose_page_cache(&self, host: HostId) {
        let mut disks = self.disks.borrow_mut();
        let mut dice = self.dice.borrow_mut();
        let stream = self.hosts.borrow_mut()[host.index()].stream("disk.crash", &mut dice);
        let mut choose = |choices: u64| dice.range(stream, &(0..choices));
        let losses = disks[host.index()].image.lose_power(&mut choose);
        self.count_fault("disk.sectors_lost", losses.sectors);
        self.count_fault("disk.names_lost", losses.names);
    }
}
