//! A machine as its own programs see it: tasks, dice, mail.
//!
//! Its clocks are in `clock.rs` and `timer.rs`, the network behind `send` in `net/`, its
//! ordered streams in `stream/`, what kills and revives a host in `process.rs`.

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::clock::Clocks;
use crate::core::Core;
use crate::cpu::CpuState;
use crate::dice::{ActorId, Dice, StreamId, Streams};
use crate::disk::Disk;
use crate::executor::LocalFuture;
use crate::hash::ActorHash;
use crate::net::{LinkStreams, Traffic};
use crate::object_store::ObjectStore;
use crate::operation::OperationKind;
use crate::waits::waits_for;
use crate::wake::WakerSet;

/// Wall-clock time at which every world begins: 2026-01-01T00:00:00Z, in milliseconds
/// since the Unix epoch.
pub const WORLD_EPOCH_MS: u64 = 1_767_225_600_000;

/// Names a host within its world, in order of creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct HostId(pub u16);

impl HostId {
    /// The host of the driver, there from the beginning.
    pub const DRIVER: Self = Self(0);

    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl fmt::Display for HostId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "host {}", self.0)
    }
}

/// How a host starts its main task, at boot and at every restart.
pub(crate) type Program = Rc<dyn Fn(Host) -> LocalFuture>;

/// Streams of one host by what they are for: few, and mostly asked for by the same literal.
#[derive(Default)]
struct StreamTable(Vec<(&'static str, StreamId)>);

/// By how many streams a table grows.
const TABLE_GROWTH: usize = 2;

impl StreamTable {
    fn get_or_insert_with(
        &mut self,
        concern: &'static str,
        intern: impl FnOnce() -> StreamId,
    ) -> StreamId {
        let is_it = |it: &&(&'static str, StreamId)| std::ptr::eq(it.0, concern) || it.0 == concern;
        if let Some(&(_, stream)) = self.0.iter().find(is_it) {
            return stream;
        }
        let stream = intern();
        // Most hosts have one or two, and there may be thousands of hosts.
        if self.0.len() == self.0.capacity() {
            self.0.reserve_exact(TABLE_GROWTH);
        }
        self.0.push((concern, stream));
        stream
    }
}

/// What arrived and was not yet received. Mostly that is one datagram at most.
#[derive(Default)]
#[repr(C)]
pub(crate) struct Inbox {
    first: Option<(HostId, Bytes)>,
    /// Empty if there is no first.
    others: VecDeque<(HostId, Bytes)>,
}

impl Inbox {
    #[inline]
    pub(crate) fn push(&mut self, mail: (HostId, Bytes)) {
        match &self.first {
            None => self.first = Some(mail),
            Some(_) => self.others.push_back(mail),
        }
    }

    #[inline]
    fn pop(&mut self) -> Option<(HostId, Bytes)> {
        let first = self.first.take()?;
        self.first = self.others.pop_front();
        Some(first)
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// What the world keeps about a host.
///
/// In the order in which it lies in memory, line by line of the cache: what every event needs
/// (0), what the receiver of a datagram does (64), and its sender (192).
#[repr(C, align(64))]
pub(crate) struct HostState {
    pub(crate) name_hash: ActorHash,
    /// Grows with each crash, so that what belonged to the dead process is known.
    pub(crate) incarnation: u32,
    pub(crate) up: bool,
    /// Whether the machine itself runs: a crash of the process leaves it on.
    pub(crate) powered: bool,
    /// As which release its last process was started.
    pub(crate) release: u16,
    pub(crate) zone: Rc<str>,
    /// When the last datagram that was sent so far will have left.
    pub(crate) egress_free_ns: u64,
    pub(crate) receivers: WakerSet,
    pub(crate) inbox: Inbox,
    pub(crate) name: Rc<str>,
    /// When all that arrived so far will have been taken in.
    pub(crate) ingress_free_ns: u64,
    actor: ActorId,
    pub(crate) link_streams: LinkStreams,
    /// What the segments of ordered streams draw from; there with the first of them.
    segment_streams: Option<Box<LinkStreams>>,
    pub(crate) clocks: Clocks,
    pub(crate) rack: Option<Rc<str>>,
    pub(crate) program: Option<Program>,
    pub(crate) cpu: CpuState,
    streams: StreamTable,
    schedules: StreamTable,
    /// As which release its next process starts.
    pub(crate) release_next: u16,
}

impl HostState {
    pub(crate) fn new(name: Rc<str>, zone: Rc<str>, dice: &mut Streams) -> Self {
        let actor = dice.actor(&name);
        let base = dice.intern_of(actor, "clock.monotonic_base");
        Self {
            name_hash: ActorHash::of(&name),
            incarnation: 0,
            up: false,
            powered: false,
            release: 0,
            zone,
            egress_free_ns: 0,
            receivers: WakerSet::default(),
            inbox: Inbox::default(),
            name,
            ingress_free_ns: 0,
            actor,
            link_streams: LinkStreams::new(actor, Traffic::Datagram, dice),
            segment_streams: None,
            // Up to eleven days of uptime: no two hosts agree on what time it is.
            clocks: Clocks::starting_at(dice.range(base, &(0..1_000_000_000_000_000))),
            rack: None,
            program: None,
            cpu: CpuState::default(),
            streams: StreamTable::default(),
            schedules: StreamTable::default(),
            release_next: 0,
        }
    }

    /// What is drawn from for things that this host sends.
    #[inline]
    pub(crate) fn link_streams(
        &mut self,
        traffic: Traffic,
        dice: &mut Streams,
    ) -> &mut LinkStreams {
        match traffic {
            Traffic::Datagram => &mut self.link_streams,
            Traffic::Segment => self
                .segment_streams
                .get_or_insert_with(|| Box::new(LinkStreams::new(self.actor, traffic, dice))),
        }
    }

    /// The stream `<host>/<concern>`.
    pub(crate) fn stream(&mut self, concern: &'static str, dice: &mut Streams) -> StreamId {
        let intern = || dice.intern_of(self.actor, concern);
        self.streams.get_or_insert_with(concern, intern)
    }

    /// The stream of priorities of the tasks with this name.
    pub(crate) fn schedule(&mut self, task: &'static str, dice: &mut Streams) -> StreamId {
        let intern = || dice.intern_of(self.actor, &format!("schedule.{task}"));
        self.schedules.get_or_insert_with(task, intern)
    }
}

/// A running process on a machine: the handle its program works with.
///
/// After a crash the handle is dead: what it sends is lost, what it spawns is dropped,
/// and its disk and object store never answer. The restarted program gets a new one.
#[derive(Clone)]
pub struct Host {
    pub(crate) core: Rc<Core>,
    id: HostId,
    release: u16,
    pub(crate) incarnation: u32,
}

impl Host {
    /// A handle of the process that runs on a host, or ran there last.
    pub(crate) fn new(core: Rc<Core>, id: HostId) -> Self {
        let (release, incarnation) = {
            let state = &core.hosts.borrow()[id.index()];
            (state.release, state.incarnation)
        };
        Self { core, id, release, incarnation }
    }

    /// The number of the host.
    pub fn id(&self) -> HostId {
        self.id
    }

    /// The name of the host, unique in its world.
    pub fn name(&self) -> Rc<str> {
        self.core.hosts.borrow()[self.id.index()].name.clone()
    }

    /// Which release of its program this process was started as: 0, until [`Fault::Upgrade`] or
    /// [`World::set_release`] says otherwise. What it means, other settings or another version of
    /// the code, is for the program to say.
    ///
    /// [`Fault::Upgrade`]: crate::Fault::Upgrade
    /// [`World::set_release`]: crate::World::set_release
    pub fn release(&self) -> u16 {
        self.release
    }

    /// The zone the host stands in.
    pub fn zone(&self) -> Rc<str> {
        self.core.hosts.borrow()[self.id.index()].zone.clone()
    }

    /// Runs `future` as a task of this process. Tasks of one name share their stream of
    /// scheduling priorities.
    pub fn spawn(&self, name: &'static str, future: impl Future<Output = ()> + 'static) {
        self.core.spawn(self.id, self.incarnation, name, Box::pin(future));
    }

    /// The dice of this host for one concern: the stream `<host>/<concern>`.
    pub fn dice(&self, concern: &'static str) -> Dice {
        self.core.host_dice(self.id, concern)
    }

    /// Whether a process runs on `host`: what a refused connection would tell at once.
    pub fn sees_up(&self, host: HostId) -> bool {
        self.core.hosts.borrow()[host.index()].up
    }

    /// How often the process on `host` has died: what a broken connection would tell.
    pub fn sees_life(&self, host: HostId) -> u32 {
        self.core.hosts.borrow()[host.index()].incarnation
    }

    /// Sends a datagram: it arrives once, later, twice or never, as the network decides.
    pub fn send(&self, to: HostId, payload: Bytes) {
        if self.is_current() && !self.core.dies_before(self.id, OperationKind::DatagramSent) {
            if !self.core.send_as_guest(self.id, to, &payload) {
                self.core.send(self.id, to, payload);
            }
            self.core.may_die_after();
        }
    }

    /// The next datagram that arrived here, and who sent it.
    pub fn receive(&self) -> impl Future<Output = (HostId, Bytes)> + use<> {
        let host = self.clone();
        poll_fn(move |context| host.poll_receive(context))
    }

    /// As [`Host::receive`], for hand-written futures.
    pub fn poll_receive(&self, context: &mut Context<'_>) -> Poll<(HostId, Bytes)> {
        let mut hosts = self.core.hosts.borrow_mut();
        let state = &mut hosts[self.id.index()];
        if !state.up || state.incarnation != self.incarnation {
            return Poll::Pending;
        }
        if let Some(message) = state.inbox.pop() {
            return Poll::Ready(message);
        }
        state.receivers.wait(context.waker());
        waits_for(|| "a datagram".to_string());
        Poll::Pending
    }

    /// The disk of this machine.
    pub fn disk(&self) -> Disk {
        Disk::new(self.clone())
    }

    /// The object store that all hosts share.
    pub fn objects(&self) -> ObjectStore {
        ObjectStore::new(self.clone())
    }

    /// Says that the program has come to a point of interest. It is logged and counted,
    /// and callbacks set with [`World::on_point`](crate::World::on_point) run as soon as
    /// the current task yields.
    pub fn point(&self, name: &'static str, detail: u64) {
        if self.is_current() && !self.core.dies_before(self.id, OperationKind::Point) {
            self.core.reach_point(self.id, name, detail);
            self.core.may_die_after();
        }
    }

    /// Whether the process this handle belongs to is still running.
    pub fn is_current(&self) -> bool {
        self.core.is_current(self.id, self.incarnation)
    }
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;

    #[test]
    fn lines_of_the_cache_hold_what_is_needed_together() {
        assert_eq!(offset_of!(HostState, receivers) + size_of::<Vec<()>>(), 64);
        assert_eq!(offset_of!(HostState, inbox) + size_of::<Option<(HostId, Bytes)>>(), 128);
        assert_eq!(offset_of!(HostState, link_streams), 192);
    }
}
