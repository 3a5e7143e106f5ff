//! What a fault does at the moment when it strikes.

use super::Fault;
use crate::disk::DiskSnapshot;
use crate::host::HostId;
use crate::net::{LinkSettings, NetFault};
use crate::world::World;

/// What a fault has done to the network, and the disks that it will bring back.
type Undo = (Vec<NetFault>, Vec<(HostId, DiskSnapshot)>);

impl World {
    /// All machines but the driver.
    pub(super) fn machines(&self) -> Vec<HostId> {
        self.hosts().into_iter().filter(|it| *it != HostId::DRIVER).collect()
    }

    pub(super) fn apply(&self, fault: &Fault, hosts: &[HostId]) -> Undo {
        let mut undo = Undo::default();
        undo.0 = self.apply_to_network(fault, hosts);
        for &host in hosts {
            if *fault == Fault::SetBack {
                undo.1.push((host, self.image_disk(host)));
            }
            self.apply_to_machine(fault, host);
            self.settle_clock(host, fault, true);
            self.settle_disk(host, fault);
        }
        self.apply_to_objects(fault);
        self.settle_store(fault);
        undo
    }

    fn apply_to_machine(&self, fault: &Fault, host: HostId) {
        match fault {
            Fault::Crash => self.crash(host),
            Fault::PowerLoss => self.power_loss(host),
            Fault::CrashAt { operation, nth, crash } => {
                self.core().emit(host, "process.doomed", &nth.to_le_bytes());
                self.doom(host, *operation, *nth, *crash);
            }
            Fault::ResetStreams => {
                let others = self.hosts().into_iter().filter(|it| *it != host);
                let streams: u64 = others.map(|it| self.reset_streams(host, it)).sum();
                self.core().emit(host, "streams.reset", &streams.to_le_bytes());
            }
            Fault::Upgrade { release } => {
                self.crash(host);
                self.set_release(host, *release);
            }
            Fault::Pause => self.pause(host),
            Fault::SlowDisk { .. } => self.core().count_fault("disk.slowed", 1),
            Fault::StalledDisk { for_ns } => self.stall_disk(host, *for_ns),
            Fault::Rot { path, bits } => self.rot(host, path.as_deref(), *bits),
            Fault::CrashAndRot { path, bits } => {
                self.crash(host);
                self.rot(host, path.as_deref(), *bits);
            }
            Fault::BadSectors { path, sectors } => drop(self.fail_sectors(host, path, *sectors)),
            Fault::Wiped => {
                self.power_loss(host);
                self.wipe_disk(host);
            }
            _ => {}
        }
    }

    fn rot(&self, host: HostId, path: Option<&str>, bits: u64) {
        match path {
            Some(path) => self.rot_file(host, path, bits),
            None => self.rot_any(host, bits),
        }
    }

    pub(super) fn apply_to_network(&self, fault: &Fault, hosts: &[HostId]) -> Vec<NetFault> {
        let outside = |it: &HostId| !hosts.contains(it);
        let all: Vec<HostId> = self.hosts().into_iter().filter(outside).collect();
        let others: Vec<HostId> = self.machines().into_iter().filter(outside).collect();
        match fault {
            Fault::CutOff => match hosts {
                [alone] => vec![self.isolate(*alone)],
                _ => vec![self.partition(hosts, &all)],
            },
            Fault::Parted { from } => match others.len() as u64 {
                0 => Vec::new(),
                n => vec![self.partition(hosts, &[others[(from % n) as usize]])],
            },
            Fault::Deaf => hosts.iter().map(|it| self.deafen(*it, &others)).collect(),
            Fault::Mute => vec![self.partition_one_way(hosts, &others)],
            Fault::Flapping { shut_ns, open_ns } => {
                vec![self.flap(hosts, &all, shut_ns.clone(), open_ns.clone())]
            }
            Fault::SlowLinks { times } => {
                hosts.iter().map(|it| self.slow_host(*it, *times)).collect()
            }
            Fault::Links(settings) => self.set_links(hosts, settings),
            _ => Vec::new(),
        }
    }

    /// Gives every link from or to one of these machines these settings.
    fn set_links(&self, hosts: &[HostId], settings: &LinkSettings) -> Vec<NetFault> {
        let all = self.hosts();
        let pairs = all.iter().flat_map(|a| all.iter().map(move |b| (*a, *b)));
        let touched = pairs.filter(|(a, b)| a != b && (hosts.contains(a) || hosts.contains(b)));
        touched.map(|(a, b)| self.set_link(a, b, settings.clone())).collect()
    }

    fn apply_to_objects(&self, fault: &Fault) {
        match fault {
            Fault::ObjectsLost { prefix, n } => drop(self.lose_any_object(prefix, *n)),
            Fault::ObjectsTruncated { prefix, n } => drop(self.truncate_any_object(prefix, *n)),
            Fault::ObjectsRotten { prefix, n } => drop(self.rot_any_object(prefix, *n)),
            _ => {}
        }
    }
}
