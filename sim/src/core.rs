//! The state that all handles of one world share.
//!
//! Each part sits in a cell of its own and is borrowed only for the length of one step,
//! never while code of a machine runs: a poll, a callback or the drop of a future may
//! call back into anything here.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::calls::Calls;
use crate::dice::{Dice, Streams};
use crate::disk::Disks;
use crate::event::{Event, EventQueue};
use crate::executor::{Executor, LocalFuture, Wakee};
use crate::fault::{Active, Buggified};
use crate::guest::GuestState;
use crate::hash::ActorHash;
use crate::host::{Host, HostId, HostState};
use crate::log::EventLog;
use crate::net::NetState;
use crate::object_store::ObjectStoreState;
use crate::operation::Operations;
use crate::panics::PanicReport;
use crate::point::Points;
use crate::property::Properties;
use crate::stream::Sockets;
use crate::tape::Tape;

/// The shared state.
pub(crate) struct Core {
    pub(crate) now_ns: Cell<u64>,
    /// Set when the world is torn down: nothing is spawned any more.
    pub(crate) closed: Cell<bool>,
    pub(crate) dice: RefCell<Streams>,
    pub(crate) queue: RefCell<EventQueue>,
    pub(crate) log: RefCell<EventLog>,
    pub(crate) executor: RefCell<Executor>,
    pub(crate) hosts: RefCell<Vec<HostState>>,
    pub(crate) host_names: RefCell<BTreeSet<Rc<str>>>,
    /// Hosts of one zone share its name, so that zones are compared by where it lies.
    pub(crate) zones: RefCell<BTreeSet<Rc<str>>>,
    pub(crate) net: RefCell<NetState>,
    /// By the number of the host.
    pub(crate) disks: RefCell<Disks>,
    pub(crate) objects: RefCell<ObjectStoreState>,
    pub(crate) calls: RefCell<Calls>,
    pub(crate) points: RefCell<Points>,
    pub(crate) properties: RefCell<Properties>,
    pub(crate) panics: RefCell<Vec<PanicReport>>,
    pub(crate) sockets: RefCell<Sockets>,
    pub(crate) operations: Operations,
    /// The faults that are on, and the plans.
    pub(crate) active: RefCell<Active>,
    pub(crate) buggified: RefCell<Buggified>,
    /// How often the rate of a monotonic clock was changed: then sleeps end at other instants.
    pub(crate) clock_changes: Cell<u32>,
    /// The engine that the world is a guest of, if it is one.
    pub(crate) guest: RefCell<Option<Rc<GuestState>>>,
    faults: RefCell<BTreeMap<&'static str, u64>>,
}

impl Core {
    pub(crate) fn new(tape: Tape) -> Self {
        Self {
            now_ns: Cell::new(0),
            closed: Cell::new(false),
            dice: RefCell::new(Streams::new(tape)),
            queue: RefCell::default(),
            log: RefCell::default(),
            executor: RefCell::default(),
            hosts: RefCell::default(),
            host_names: RefCell::default(),
            zones: RefCell::default(),
            net: RefCell::default(),
            disks: RefCell::default(),
            objects: RefCell::default(),
            calls: RefCell::default(),
            points: RefCell::default(),
            properties: RefCell::default(),
            panics: RefCell::default(),
            sockets: RefCell::default(),
            operations: Operations::default(),
            active: RefCell::default(),
            buggified: RefCell::default(),
            clock_changes: Cell::new(0),
            guest: RefCell::default(),
            faults: RefCell::default(),
        }
    }

    /// Whether a handle of this incarnation still speaks for a running process.
    pub(crate) fn is_current(&self, host: HostId, incarnation: u32) -> bool {
        let hosts = self.hosts.borrow();
        let state = &hosts[host.index()];
        state.up && state.incarnation == incarnation
    }

    /// Adds an event that happened to a host to hash and log.
    pub(crate) fn emit(&self, host: HostId, kind: &'static str, payload: &[u8]) {
        let hosts = self.hosts.borrow();
        let state = &hosts[host.index()];
        let name = || state.name.to_string();
        let mut log = self.log.borrow_mut();
        log.emit(self.now_ns.get(), state.name_hash, name, kind, payload);
    }

    /// Adds an event that happened to a datagram on its way.
    pub(crate) fn emit_on_link(
        &self,
        from: HostId,
        to: HostId,
        kind: &'static str,
        payload: &[u8],
    ) {
        let hosts = self.hosts.borrow();
        let (from, to) = (&hosts[from.index()], &hosts[to.index()]);
        let link = ActorHash::of_link(from.name_hash, to.name_hash);
        let name = || format!("{}>{}", from.name, to.name);
        self.log.borrow_mut().emit(self.now_ns.get(), link, name, kind, payload);
    }

    /// Counts a fault that took effect.
    #[inline]
    pub(crate) fn count_fault(&self, fault: &'static str, times: u64) {
        if times > 0 {
            self.count_fault_that_was(fault, times);
        }
    }

    #[cold]
    fn count_fault_that_was(&self, fault: &'static str, times: u64) {
        *self.faults.borrow_mut().entry(fault).or_default() += times;
    }

    pub(crate) fn fault_counts(&self) -> BTreeMap<&'static str, u64> {
        self.faults.borrow().clone()
    }

    /// Whether something happens that does in so many of a thousand cases.
    pub(crate) fn draw_chance(&self, name: &str, per_mille: u64) -> bool {
        let mut dice = self.dice.borrow_mut();
        let stream = dice.intern(name);
        dice.chance(stream, per_mille, 1_000)
    }

    /// The dice of a host for one concern.
    pub(crate) fn host_dice(self: &Rc<Self>, host: HostId, concern: &'static str) -> Dice {
        let mut hosts = self.hosts.borrow_mut();
        let stream = hosts[host.index()].stream(concern, &mut self.dice.borrow_mut());
        Dice::new(self.clone(), stream)
    }

    /// Starts a task, if the incarnation that asks for it is still alive.
    pub(crate) fn spawn(
        &self,
        host: HostId,
        incarnation: u32,
        name: &'static str,
        future: LocalFuture,
    ) {
        // On refusal the future is dropped at the end, when nothing is borrowed.
        if self.closed.get() || !self.is_current(host, incarnation) {
            return;
        }
        if let Some(guest) = self.guest() {
            return guest.adopt(host, incarnation, future);
        }
        let mut hosts = self.hosts.borrow_mut();
        let schedule = hosts[host.index()].schedule(name, &mut self.dice.borrow_mut());
        self.executor.borrow_mut().spawn(host, incarnation, schedule, future);
    }

    /// A sleep is over.
    #[inline]
    pub(crate) fn end_timer(&self, host: HostId, insertion: u64, wakee: &Wakee) {
        self.emit(host, "timer", &insertion.to_le_bytes());
        self.executor.borrow().wake(wakee);
    }

    /// A disk operation completes.
    pub(crate) fn end_disk_operation(&self, host: HostId, operation: u64) {
        // What a stall defers has not come to its effect.
        if self.defers_disk_operation(host, operation) {
            return;
        }
        self.dies_before_disk_effect(host, operation);
        self.complete_disk_operation(host, operation);
        self.may_die_after();
    }

    /// Lets one event happen that is neither frequent nor the world's own affair.
    pub(crate) fn happen(&self, insertion: u64, event: Event) {
        match event {
            Event::Deliver { .. } | Event::Disk { .. } | Event::Call { .. } => {
                unreachable!("the world's loop knows what to do about it")
            }
            Event::Timer { host, wakee } => self.end_timer(host, insertion, &wakee),
            Event::ObjectEffect { request } => {
                self.dies_before_object_effect(request);
                self.object_effect(request);
                self.may_die_after();
            }
            Event::ObjectReply { request } => self.object_reply(request),
            Event::Net(event) => self.happen_on_net(event),
        }
    }

    /// Panics where a tester names a host that is not there.
    pub(crate) fn known(&self, host: HostId) {
        let hosts = self.hosts.borrow().len();
        assert!(
            host.index() < hosts,
            "there is no {host} in this world, which has {hosts} with the driver's: is its id that \
             of another world?"
        );
    }

    /// A handle for the running incarnation of a host.
    pub(crate) fn handle(self: &Rc<Self>, host: HostId) -> Host {
        self.known(host);
        Host::new(self.clone(), host)
    }
}
