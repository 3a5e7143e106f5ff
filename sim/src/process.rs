//! Boot, crash, power loss, restart, pause.
//!
//! A crash ends the process: its tasks, its mail and its unanswered requests are gone,
//! the page cache stays. A power loss takes the page cache too (`disk/crash.rs`). Crashes
//! that fall on one operation exactly are in `operation.rs`.

use std::future::Future;
use std::rc::Rc;

use crate::core::Core;
use crate::executor::{LocalFuture, Task};
use crate::host::{Host, HostId, HostState, Program};
use crate::operation::CrashKind;
use crate::panics::{PanicReport, guarded};
use crate::timer::Sleep;
use crate::world::World;

impl Core {
    /// Adds a host, down.
    pub(crate) fn add_host(&self, name: &str, zone: &str) -> HostId {
        assert!(
            !name.contains(['/', '>']),
            "`{name}` cannot be the name of a host: `/` and `>` stand between the parts of the \
             names of decisions and events"
        );
        let is_unread = |it: char| it.is_whitespace() || it.is_control() || "[]*'".contains(it);
        assert!(
            !name.is_empty() && !name.contains(is_unread),
            "`{name}` cannot be the name of a host: a tape could not name its decisions. Give it \
             at least one character, none of them a blank, `[`, `]`, `*` or `'`"
        );
        let mut hosts = self.hosts.borrow_mut();
        let shared: Rc<str> = name.into();
        let is_new = self.host_names.borrow_mut().insert(shared.clone());
        assert!(is_new, "there is a host called `{name}` already: each needs a name of its own");
        let id = HostId(u16::try_from(hosts.len()).expect("at most 65,536 hosts"));
        let zone = self.intern_zone(zone);
        hosts.push(HostState::new(shared, zone, &mut self.dice.borrow_mut()));
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
        let (incarnation, release) = {
            let mut hosts = self.hosts.borrow_mut();
            let state = &mut hosts[host.index()];
            assert!(
                !state.up,
                "`{}` is running already: `restart` it, or start another program with \
                 `restart_with`",
                state.name
            );
            (state.up, state.powered) = (true, true);
            state.program = Some(program.clone());
            state.release = state.release_next;
            (state.incarnation, state.release)
        };
        let release = release.to_le_bytes();
        self.emit(host, "process.boot", if release == [0, 0] { &[] } else { &release });
        let handle = Host::new(self.clone(), host);
        self.spawn(host, incarnation, "main", program(handle));
    }

    /// Ends the process of a host, if there is one: gives its tasks, which are still to be
    /// dropped while nothing is borrowed. [`Core::complete_crash`] does the rest.
    pub(crate) fn end_process(&self, host: HostId, crash: CrashKind) -> Vec<Task> {
        let lost_power = crash == CrashKind::Power;
        if lost_power {
            self.emit(host, "power.loss", &[]);
            self.count_fault("power.loss", 1);
            self.hosts.borrow_mut()[host.index()].powered = false;
            self.forget_sockets(host);
        }
        {
            let mut hosts = self.hosts.borrow_mut();
            let state = &mut hosts[host.index()];
            if !state.up {
                return Vec::new();
            }
            state.up = false;
            state.incarnation += 1;
            state.inbox.clear();
            state.receivers.clear();
            state.cpu.stop(self.now_ns.get());
        }
        self.emit(host, "process.crash", &[]);
        self.count_fault("process.crash", u64::from(!lost_power));
        self.abandon_disk_operations(host);
        self.abandon_object_requests(host);
        self.close_sockets(host);
        self.end_pauses(host);
        let mut executor = self.executor.borrow_mut();
        executor.resume(host);
        executor.take_tasks(|it| it == host)
    }

    /// What a crash does after the process has ended.
    pub(crate) fn complete_crash(&self, host: HostId, crash: CrashKind) {
        self.drop_lodgers(|it| it == host);
        if crash == CrashKind::Power {
            self.lose_page_cache(host);
        }
    }

    /// Drops a task of a dead process. A panic on the way is reported, not passed on.
    pub(crate) fn drop_task(&self, task: Task) {
        let host = task.host;
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

impl World {
    fn machine(&self, host: HostId) {
        assert!(host != HostId::DRIVER, "the driver stands outside: it neither boots nor crashes");
        self.core().known(host);
    }

    /// Adds a machine, switched off, with an empty disk.
    ///
    /// # Panics
    /// If the name is taken or empty, or contains a blank or one of `/`, `>`, `[`, `]`, `*`, `'`.
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
        self.machine(host);
        let program = Rc::new(program);
        let main = move |handle| -> LocalFuture {
            let program = program.clone();
            // The program is called inside its task, where a panic is the host's own.
            Box::pin(async move { program(handle).await })
        };
        self.core().start(host, Rc::new(main));
    }

    /// Adds a machine as [`World::add_host`] does, in a rack whose machines share their power.
    ///
    /// # Panics
    /// If the name is taken or empty, or contains a blank or one of `/`, `>`, `[`, `]`, `*`, `'`.
    pub fn add_host_in(&self, name: &str, zone: &str, rack: &str) -> HostId {
        let host = self.add_host(name, zone);
        self.core().hosts.borrow_mut()[host.index()].rack = Some(rack.into());
        host
    }

    fn die(&self, host: HostId, crash: CrashKind) {
        self.machine(host);
        let doomed = self.core().end_process(host, crash);
        doomed.into_iter().for_each(|it| self.core().drop_task(it));
        self.core().complete_crash(host, crash);
    }

    /// Kills the process of a host; the machine's page cache survives. No effect on a
    /// host that is down.
    pub fn crash(&self, host: HostId) {
        self.die(host, CrashKind::Process);
    }

    /// Takes the power from one machine: the process dies, and of what was not synced a
    /// drawn part is gone.
    pub fn power_loss(&self, host: HostId) {
        self.die(host, CrashKind::Power);
    }

    fn power_loss_where(&self, lost: impl Fn(&HostState) -> bool) {
        let is_lost = |it: &HostId| lost(&self.core().hosts.borrow()[it.index()]);
        let machines = self.hosts().into_iter().filter(|&it| it != HostId::DRIVER);
        let lost: Vec<HostId> = machines.filter(is_lost).collect();
        lost.into_iter().for_each(|it| self.power_loss(it));
    }

    /// Takes the power from every machine of a zone.
    pub fn power_loss_zone(&self, zone: &str) {
        self.power_loss_where(|it| &*it.zone == zone);
    }

    /// Takes the power from every machine of a rack, in whatever zone.
    pub fn power_loss_rack(&self, rack: &str) {
        self.power_loss_where(|it| it.rack.as_deref() == Some(rack));
    }

    /// Takes the power from every machine there is.
    pub fn power_loss_all(&self) {
        self.power_loss_where(|_| true);
    }

    /// Stops the process of a host as SIGSTOP does, until [`World::resume`]: none of its tasks
    /// runs. Timers expire, mail arrives and is kept, acknowledgements are sent, the disk and
    /// the object store do what was asked of them, and clocks go on. No effect on a host that is
    /// down; a crash ends the pause.
    pub fn pause(&self, host: HostId) {
        self.machine(host);
        if self.is_up(host) && self.core().executor.borrow_mut().pause(host) {
            self.core().emit(host, "process.pause", &[]);
            self.core().count_fault("process.paused", 1);
        }
    }

    /// Lets the process of a host go on. No effect on one that was not paused.
    pub fn resume(&self, host: HostId) {
        if self.core().executor.borrow_mut().resume(host) {
            self.core().emit(host, "process.resume", &[]);
        }
    }

    /// Starts the remembered program again, after a crash if the host is still running.
    ///
    /// # Panics
    /// If the host was never booted.
    pub fn restart(&self, host: HostId) {
        self.crash(host);
        let program = self.core().hosts.borrow()[host.index()].program.clone();
        let Some(program) = program else {
            let name = self.host(host).name();
            panic!("`{name}` was never booted: give it a program with `boot` before `restart`");
        };
        self.core().count_fault("process.restart", 1);
        self.core().start(host, program);
    }

    /// Starts another program than the last one, after a crash if the host is still running,
    /// and remembers it: another version of the code, or other settings.
    pub fn restart_with<F>(&self, host: HostId, program: impl Fn(Host) -> F + 'static)
    where
        F: Future<Output = ()> + 'static,
    {
        self.crash(host);
        self.core().count_fault("process.restart", 1);
        self.boot(host, program);
    }

    /// Sets which release of its program a host runs from its next start on, as [`Host::release`]
    /// shows it.
    pub fn set_release(&self, host: HostId, release: u16) {
        self.machine(host);
        self.core().hosts.borrow_mut()[host.index()].release_next = release;
    }

    /// Restarts one host after the other: each is down for `down_ns`, then `start` starts it
    /// (see [`World::restart_with`]), and `up_ns` later it is the next one's turn. True time,
    /// in nanoseconds.
    pub async fn rolling_restart(
        &self,
        hosts: &[HostId],
        (down_ns, up_ns): (u64, u64),
        start: impl Fn(&Self, HostId),
    ) {
        let wait = |ns: u64| {
            let until_ns = self.now_ns().saturating_add(ns);
            Sleep::new(self.core().clone(), HostId::DRIVER, until_ns)
        };
        for &host in hosts {
            self.crash(host);
            wait(down_ns).await;
            start(self, host);
            wait(up_ns).await;
        }
    }

    /// Whether the host has a running process.
    pub fn is_up(&self, host: HostId) -> bool {
        self.core().hosts.borrow()[host.index()].up
    }

    /// The panics of programs so far, each of which was its host's crash.
    pub fn panics(&self) -> Vec<PanicReport> {
        self.core().panics.borrow().clone()
    }
}
