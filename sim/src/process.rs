//! Boot, crash, power loss, restart, and clocks that are wrong.
//!
//! A crash ends the process: its tasks, its mail and its unanswered requests are gone,
//! the page cache stays. A power loss takes the page cache too (`disk/crash.rs`).

use std::future::Future;
use std::rc::Rc;

use crate::core::Core;
use crate::disk::DiskState;
use crate::executor::Task;
use crate::host::{Host, HostId, HostState, Program};
use crate::panics::{PanicReport, guarded};
use crate::world::World;

impl Core {
    /// Adds a host, down.
    pub(crate) fn add_host(&self, name: &str, zone: &str) -> HostId {
        assert!(!name.contains(['/', '>']), "`/` and `>` have a meaning in event names: {name}");
        let mut hosts = self.hosts.borrow_mut();
        let is_new = self.host_names.borrow_mut().insert(name.to_string());
        assert!(is_new, "a second host called {name}");
        let id = HostId(u16::try_from(hosts.len()).expect("at most 65,536 hosts"));
        let zone = self.intern_zone(zone);
        hosts.push(HostState::new(name, zone, &mut self.dice.borrow_mut()));
        self.disks.borrow_mut().push(DiskState::default());
        id
    }

    fn intern_zone(&self, zone: &str) -> Rc<str> {
        let mut zones = self.zones.borrow_mut();
        if let Some(known) = zones.get(zone) {
            return known.clone();
        }
        let new: Rc<str> = zone.into();
        zones.insert(new.clone());
        new
    }

    /// Starts the program of a host that is down.
    pub(crate) fn start(self: &Rc<Self>, host: HostId, program: Program) {
        let incarnation = {
            let mut hosts = self.hosts.borrow_mut();
            let state = &mut hosts[host.index()];
            assert!(!state.up, "{host} is running already");
            state.up = true;
            state.program = Some(program.clone());
            state.incarnation
        };
        self.emit(host, "process.boot", &[]);
        let handle = Host::new(self.clone(), host, incarnation);
        // The program is called inside its task, where a panic is the host's own.
        let main = Box::pin(async move { program(handle).await });
        self.spawn(host, incarnation, "main", main);
    }

    /// Ends the process of a host; false if there was none.
    pub(crate) fn kill(&self, host: HostId) -> bool {
        {
            let mut hosts = self.hosts.borrow_mut();
            let state = &mut hosts[host.index()];
            if !state.up {
                return false;
            }
            state.up = false;
            state.incarnation += 1;
            state.inbox.clear();
            state.receivers.clear();
            state.cpu.stop(self.now_ns.get());
        }
        self.emit(host, "process.crash", &[]);
        self.abandon_disk_operations(host);
        self.abandon_object_requests(host);
        let doomed = self.executor.borrow_mut().take_tasks(|it| it.host == host);
        doomed.into_iter().for_each(|it| self.drop_task(it));
        true
    }

    /// Drops a task of a dead process. A panic on the way is reported, not passed on.
    pub(crate) fn drop_task(&self, task: Task) {
        let host = task.head.host;
        if let Err(message) = guarded(|| drop(task)) {
            self.report_panic(host, message);
        }
    }

    pub(crate) fn report_panic(&self, host: HostId, message: String) {
        self.emit(host, "process.panic", message.as_bytes());
        self.count_fault("process.panic", 1);
        let time_ns = self.now_ns.get();
        self.panics.borrow_mut().push(PanicReport { host, time_ns, message });
    }
}

fn not_the_driver(host: HostId) {
    assert!(host != HostId::DRIVER, "the driver stands outside: it neither boots nor crashes");
}

impl World {
    /// Adds a machine, switched off, with an empty disk.
    ///
    /// # Panics
    /// If the name is taken or contains `/` or `>`.
    pub fn add_host(&self, name: &str, zone: &str) -> HostId {
        self.core().add_host(name, zone)
    }

    /// Starts `program` as the main task of a host, and remembers it for restarts.
    ///
    /// # Panics
    /// If the host is running already.
    pub fn boot<F>(&self, host: HostId, program: impl Fn(Host) -> F + 'static)
    where
        F: Future<Output = ()> + 'static,
    {
        not_the_driver(host);
        self.core().start(host, Rc::new(move |handle| Box::pin(program(handle))));
    }

    /// Kills the process of a host; the machine's page cache survives. No effect on a
    /// host that is down.
    pub fn crash(&self, host: HostId) {
        not_the_driver(host);
        let died = self.core().kill(host);
        self.core().count_fault("process.crash", died.into());
    }

    /// Takes the power from one machine: the process dies, and of what was not synced a
    /// drawn part is gone.
    pub fn power_loss(&self, host: HostId) {
        not_the_driver(host);
        self.core().emit(host, "power.loss", &[]);
        self.core().count_fault("power.loss", 1);
        self.core().kill(host);
        self.core().lose_page_cache(host);
    }

    /// Takes the power from every machine of a zone.
    pub fn power_loss_zone(&self, zone: &str) {
        for host in self.hosts() {
            if host != HostId::DRIVER && &*self.core().hosts.borrow()[host.index()].zone == zone {
                self.power_loss(host);
            }
        }
    }

    /// Starts the remembered program again, after a crash if the host is still running.
    ///
    /// # Panics
    /// If the host was never booted.
    pub fn restart(&self, host: HostId) {
        self.crash(host);
        let program = self.core().hosts.borrow()[host.index()].program.clone();
        self.core().count_fault("process.restart", 1);
        self.core().start(host, program.expect("a host that is restarted was booted before"));
    }

    /// Whether the host has a running process.
    pub fn is_up(&self, host: HostId) -> bool {
        self.core().hosts.borrow()[host.index()].up
    }

    /// Makes the wall clock of a host differ from true time by `offset_ns`, from now on.
    /// Its monotonic clock is not touched.
    pub fn set_clock_offset(&self, host: HostId, offset_ns: i64) {
        self.core().emit(host, "clock.offset", &offset_ns.to_le_bytes());
        self.core().count_fault("clock.offset", 1);
        self.core().hosts.borrow_mut()[host.index()].clock_offset_ns = offset_ns;
    }

    /// The panics of programs so far, each of which was its host's crash.
    pub fn panics(&self) -> Vec<PanicReport> {
        self.core().panics.borrow().clone()
    }
}
