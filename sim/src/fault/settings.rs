//! Faults that are settings of disks and of the store: several may be on at once, so what counts
//! is put together anew whenever one comes or goes. What a tester sets meanwhile counts at once,
//! and is below the faults from then on.

use std::collections::BTreeMap;
use std::ops::Range;

use super::Fault;
use super::active::Active;
use crate::clock::Clocks;
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

/// Takes over each field that is not what the faults have made of it: somebody else has set it
/// since. Names all fields, so that none is forgotten.
macro_rules! take_over {
    ($view:ident { $($field:ident),* $(,)? }, $below:expr, $put:expr, $now:expr) => {
        let $view { $($field),* } = $below;
        $(if $now.$field != $put.$field {
            $field.clone_from(&$now.$field);
        })*
    };
}

impl DiskView {
    fn take_over(&mut self, put: &Self, now: &Self) {
        let Self { settings, faults, capacity, read_only } = self;
        take_over!(
            DiskSettings {
                write_ns,
                read_ns,
                sync_ns,
                slow_per_mille,
                bytes_per_second,
                parallel,
                background_wait_ns_max,
            },
            settings,
            put.settings,
            now.settings
        );
        take_over!(
            DiskFaults {
                read_error_per_mille,
                write_error_per_mille,
                sync_error_per_mille,
                lying_sync_per_mille,
                latent_sector_per_mille,
                rot_bits_per_gib_read,
                misdirected_write_per_mille,
                phantom_write_per_mille,
                short_read_per_mille,
                short_write_per_mille,
                stall_per_mille,
                stall_ns,
            },
            faults,
            put.faults,
            now.faults
        );
        if now.capacity != put.capacity {
            *capacity = now.capacity;
        }
        if now.read_only != put.read_only {
            *read_only = now.read_only;
        }
    }
}

impl StoreView {
    fn take_over(&mut self, put: &Self, now: &Self) {
        let Self { settings, faults, outage } = self;
        take_over!(
            ObjectSettings { put_ns, get_ns, slow_down_per_mille, timeout_per_mille },
            settings,
            put.settings,
            now.settings
        );
        take_over!(
            ObjectFaults {
                burst_per_mille,
                burst_ns,
                stale_list_per_mille,
                stale_list_ns,
                truncated_get_per_mille,
                corrupted_get_per_mille,
                keeps_deleted,
            },
            faults,
            put.faults,
            now.faults
        );
        if now.outage != put.outage {
            *outage = now.outage;
        }
    }
}

/// What something is set to below the faults, and what these made of it when one last came or
/// went.
struct Covered<V> {
    below: V,
    put: V,
}

impl<V: Clone> Covered<V> {
    fn of(view: V) -> Self {
        Self { below: view.clone(), put: view }
    }
}

/// What disks, store and clocks are set to below the faults that are on.
#[derive(Default)]
pub(super) struct Bases {
    disks: BTreeMap<HostId, Covered<DiskView>>,
    store: Option<Covered<StoreView>>,
    pub(super) clocks: BTreeMap<HostId, Clocks>,
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
                // At least one time to draw stays, however large they are.
                let slower = |it: &Range<u64>| {
                    let end = it.end.saturating_mul(*times);
                    it.start.saturating_mul(*times).min(end.saturating_sub(1))..end
                };
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
        let Active { bases, by_number, .. } = &mut *active;
        let now = self.disk_view(host);
        let covered = bases.disks.entry(host).or_insert_with(|| Covered::of(now.clone()));
        covered.below.take_over(&covered.put, &now);
        let mut view = covered.below.clone();
        let touching = by_number.values().filter(|it| it.hosts.contains(&host));
        let faults: Vec<&Fault> = touching.map(|it| &it.fault).collect();
        faults.iter().for_each(|it| view.worsen(it));
        covered.put = view.clone();
        if !faults.iter().any(|it| it.is_of_disk()) {
            bases.disks.remove(&host);
        }
        drop(active);
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
        let Active { bases, by_number, .. } = &mut *active;
        let covered = bases.store.get_or_insert_with(|| Covered::of(now.clone()));
        covered.below.take_over(&covered.put, &now);
        let mut view = covered.below.clone();
        let on = by_number.values().filter(|it| it.fault.is_setting_of_store());
        let faults: Vec<&Fault> = on.map(|it| &it.fault).collect();
        faults.iter().for_each(|it| view.worsen(it));
        covered.put = view.clone();
        if faults.is_empty() {
            bases.store = None;
        }
        drop(active);
        if matches!(changed, Fault::FailingStore(_)) && view.faults.burst_per_mille == 0 {
            self.core().end_object_bursts();
        }
        self.set_objects(view.settings);
        self.set_object_faults(view.faults);
        if view.outage != now.outage {
            self.set_objects_down(view.outage);
        }
    }
}
