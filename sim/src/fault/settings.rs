//! Faults that are settings of disks and of the store: several may be on at once, so what counts
//! is put together anew whenever one comes or goes.

use std::collections::BTreeMap;
use std::ops::Range;

use super::Fault;
use crate::disk::{DiskFaults, DiskSettings};
use crate::host::HostId;
use crate::object_store::{ObjectFaults, ObjectOutage, ObjectSettings};
use crate::world::World;

/// How a disk is set.
#[derive(Clone)]
struct DiskView {
    settings: DiskSettings,
    faults: DiskFaults,
    capacity: Option<u64>,
    read_only: bool,
}

/// How the object store is set.
#[derive(Clone)]
struct StoreView {
    settings: ObjectSettings,
    faults: ObjectFaults,
    outage: Option<ObjectOutage>,
}

/// What disks and store were set to before the first fault that is on.
#[derive(Default)]
pub(super) struct Bases {
    disks: BTreeMap<HostId, DiskView>,
    store: Option<StoreView>,
}

impl Fault {
    fn is_of_disk(&self) -> bool {
        matches!(
            self,
            Self::SlowDisk { .. } | Self::FullDisk | Self::ReadOnlyDisk | Self::FailingDisk(_)
        )
    }

    fn is_setting_of_store(&self) -> bool {
        matches!(self, Self::StoreDown(_) | Self::StoreBusy { .. } | Self::FailingStore(_))
    }
}

impl DiskView {
    fn worsen(&mut self, fault: &Fault) {
        match fault {
            Fault::SlowDisk { times } => {
                let slower = |it: &Range<u64>| it.start * times..it.end * times;
                let DiskSettings { write_ns, read_ns, sync_ns, .. } = &mut self.settings;
                for it in [write_ns, read_ns, sync_ns] {
                    *it = slower(it);
                }
            }
            Fault::FullDisk => self.capacity = Some(0),
            Fault::ReadOnlyDisk => self.read_only = true,
            Fault::FailingDisk(faults) => self.faults = self.faults.worse_of(faults),
            _ => {}
        }
    }
}

impl StoreView {
    fn worsen(&mut self, fault: &Fault) {
        match fault {
            Fault::StoreDown(outage) => self.outage = Some(*outage),
            Fault::StoreBusy { slow_down_per_mille, timeout_per_mille } => {
                let settings = &mut self.settings;
                settings.slow_down_per_mille =
                    settings.slow_down_per_mille.max(*slow_down_per_mille);
                settings.timeout_per_mille = settings.timeout_per_mille.max(*timeout_per_mille);
            }
            Fault::FailingStore(faults) => self.faults = self.faults.worse_of(faults),
            _ => {}
        }
    }
}

impl World {
    /// A fault of this kind has come to a machine, or gone.
    pub(super) fn settle_disk(&self, host: HostId, changed: &Fault) {
        if !changed.is_of_disk() {
            return;
        }
        let mut active = self.core().active.borrow_mut();
        let now = self.disk_view(host);
        let mut view = active.bases.disks.entry(host).or_insert(now).clone();
        let touching = active.by_number.values().filter(|it| it.hosts.contains(&host));
        let faults: Vec<Fault> = touching.map(|it| it.fault.clone()).collect();
        if !faults.iter().any(Fault::is_of_disk) {
            active.bases.disks.remove(&host);
        }
        drop(active);
        faults.iter().for_each(|it| view.worsen(it));
        self.set_disk(host, view.settings);
        self.set_disk_faults(host, view.faults);
        self.set_disk_capacity(host, view.capacity);
        if self.is_disk_read_only(host) != view.read_only {
            self.set_disk_read_only(host, view.read_only);
        }
    }

    fn disk_view(&self, host: HostId) -> DiskView {
        DiskView {
            settings: self.disk_settings(host),
            faults: self.disk_faults(host),
            capacity: self.disk_capacity(host),
            read_only: self.is_disk_read_only(host),
        }
    }

    /// A fault of this kind has come to the store, or gone.
    pub(super) fn settle_store(&self, changed: &Fault) {
        if !changed.is_setting_of_store() {
            return;
        }
        let now = StoreView {
            settings: self.objects(),
            faults: self.object_faults(),
            outage: self.object_outage(),
        };
        let mut active = self.core().active.borrow_mut();
        let mut view = active.bases.store.get_or_insert(now.clone()).clone();
        let on = active.by_number.values().filter(|it| it.fault.is_setting_of_store());
        let faults: Vec<Fault> = on.map(|it| it.fault.clone()).collect();
        if faults.is_empty() {
            active.bases.store = None;
        }
        drop(active);
        faults.iter().for_each(|it| view.worsen(it));
        self.set_objects(view.settings);
        self.set_object_faults(view.faults);
        if view.outage != now.outage {
            self.set_objects_down(view.outage);
        }
    }
}
