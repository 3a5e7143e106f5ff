//! The thin shell: it waits, carries inputs to the core and outputs from it, and runs flows.

use super::boot::BootError;
use super::core::{Committed, Core, Flow, Input, Output};
use super::keeper;
use super::log_writer::LogJob;
use super::message::{Call, CallError, Caller, Envelope, Reply, Wire};
use super::once::Once;
use super::service_times;
use super::snapshot;
use crate::env::{Address, Env, Observed, timeout};
use crate::ids::{NodeId, PartitionId, Position, Term};
use crate::mutants::Mutants;
use crate::partition::StoreFault;
use crate::rare;
use crate::store::Checkpoint;
use crate::{archive, metadata, restore, router};
use bytes::Bytes;
use std::cell::{Cell, Ref, RefCell};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::{Mutex, Notify, oneshot};

/// Inputs taken in before outputs are carried out: messages to one node share an envelope.
const INPUTS_PER_ROUND_MAX: usize = 16;
/// How long the processor is elsewhere when it is ([`rare::PROCESSOR_ELSEWHERE`]).
const ELSEWHERE_NS: u64 = 20_000_000;

/// What the flows of a node share.
pub struct Shell<E: Env, M> {
    inner: Rc<Inner<E, M>>,
}

impl<E: Env, M> Clone for Shell<E, M> {
    fn clone(&self) -> Self {
        Self { inner: Rc::clone(&self.inner) }
    }
}

/// A node's own storage, as the shell reaches it.
pub(super) struct Surface<E: Env> {
    /// Items at rest.
    pub(super) checkpoint: Checkpoint<E>,
    /// The log's writer.
    pub(super) log: UnboundedSender<LogJob>,
    /// The log's size in bytes.
    pub(super) log_bytes: Rc<Cell<u64>>,
}

struct Inner<E: Env, M> {
    env: E,
    core: RefCell<Core<M>>,
    inputs: UnboundedSender<Input>,
    log: UnboundedSender<LogJob>,
    log_bytes: Rc<Cell<u64>>,
    checkpoint: RefCell<Checkpoint<E>>,
    checkpoint_wanted: Notify,
    calls: RefCell<BTreeMap<u64, oneshot::Sender<Reply>>>,
    next_call: Cell<u64>,
    envelopes: Cell<u64>,
    once: RefCell<Once>,
    router: router::Cache,
    archiving: Mutex<u64>,
    restoring: RefCell<restore::Workers>,
    parts: RefCell<archive::Parts>,
    /// Told why the process must end.
    failed: UnboundedSender<BootError>,
}

/// Something that arrived from outside.
enum Arrival {
    Input(Input),
    Datagram(Address, Bytes),
    Deadline,
}

impl<E: Env, M: Mutants> Shell<E, M> {
    pub(super) fn new(
        env: E,
        core: Core<M>,
        inputs: UnboundedSender<Input>,
        surface: Surface<E>,
        failed: UnboundedSender<BootError>,
    ) -> Self {
        // Answers to calls of an earlier incarnation must not be taken for answers to these.
        let next_call = Cell::new(core.incarnation().0 << 40);
        let inner = Inner {
            env,
            core: RefCell::new(core),
            inputs,
            log: surface.log,
            log_bytes: surface.log_bytes,
            checkpoint: RefCell::new(surface.checkpoint),
            checkpoint_wanted: Notify::new(),
            calls: RefCell::new(BTreeMap::new()),
            next_call,
            envelopes: Cell::new(1),
            once: RefCell::default(),
            router: router::Cache::default(),
            archiving: Mutex::new(0),
            restoring: RefCell::default(),
            parts: RefCell::default(),
            failed,
        };
        Self { inner: Rc::new(inner) }
    }

    /// The environment.
    #[must_use]
    pub fn env(&self) -> &E {
        &self.inner.env
    }

    /// The core, to look at; it changes only by inputs.
    #[must_use]
    pub fn core(&self) -> Ref<'_, Core<M>> {
        self.inner.core.borrow()
    }

    /// This node.
    #[must_use]
    pub fn me(&self) -> NodeId {
        self.core().me()
    }

    pub(crate) fn router(&self) -> &router::Cache {
        &self.inner.router
    }

    /// Whoever holds this uploads; inside is the number of the last object.
    pub(crate) fn archiving(&self) -> &Mutex<u64> {
        &self.inner.archiving
    }

    /// The parts of backups that this node is writing, or has written lately.
    pub(crate) fn parts(&self) -> &RefCell<archive::Parts> {
        &self.inner.parts
    }

    /// The workers of this node that fill partitions.
    pub(crate) fn restoring(&self) -> &RefCell<restore::Workers> {
        &self.inner.restoring
    }

    // Checkpoints.

    /// The items at rest.
    pub(super) fn checkpoint(&self) -> Checkpoint<E> {
        self.inner.checkpoint.borrow().clone()
    }

    /// Waits until a checkpoint is wanted before its time.
    pub(super) async fn checkpoint_wanted(&self) {
        self.inner.checkpoint_wanted.notified().await;
    }

    /// Makes a part of a checkpoint; answers whether that went well.
    pub(super) async fn save_part(&self) -> bool {
        let (checkpoint, losses) = (self.checkpoint(), self.core().checkpoint_losses());
        let batch = self.inner.core.borrow_mut().begin_checkpoint();
        let items = batch.partitions.values().map(|it| it.changes.len()).sum();
        self.env().work_in_background(service_times::of_checkpoint(items)).await;
        if let Err(fault) = checkpoint.commit(batch.clone()).await {
            self.lose_checkpoint(losses, fault);
            return false;
        }
        let now_ns = self.env().now_ns();
        // What was written to a checkpoint that is lost by now is lost with it.
        let current = self.core().checkpoint_losses() == losses;
        if current {
            self.with_core(|core, out| core.end_checkpoint(&batch, now_ns, out));
        }
        current
    }

    /// The checkpoint cannot be trusted any more that was in use after so many losses.
    pub(super) fn lose_checkpoint(&self, losses: u64, fault: StoreFault) {
        let now_ns = self.env().now_ns();
        self.with_core(|core, out| core.lose_earlier_checkpoint(losses, fault, now_ns, out));
    }

    /// A fresh checkpoint is in place of one that was lost.
    pub(super) fn refound(&self, fresh: Checkpoint<E>) {
        self.inner.checkpoint.replace(fresh.clone());
        self.with_core(|core, _| core.refound(Rc::new(fresh)));
    }

    /// The sending of a snapshot has ended.
    pub(super) fn end_sending(
        &self,
        to: (PartitionId, NodeId),
        installed: Option<(Term, Position)>,
    ) {
        let now_ns = self.env().now_ns();
        self.with_core(|core, out| core.end_sending(to, installed, now_ns, out));
    }

    /// The size of the log on disk, in bytes.
    pub(super) fn log_bytes(&self) -> u64 {
        self.inner.log_bytes.get()
    }

    /// Begins the log anew with what it must still say.
    pub(super) fn compact_log(&self) {
        let kept = self.inner.core.borrow_mut().compact();
        let _ = self.inner.log.send(LogJob::Compact(kept));
    }

    /// Lets a flow change the core outside of a step, and does what follows from it.
    fn with_core(&self, change: impl FnOnce(&mut Core<M>, &mut Output)) {
        let mut out = Output::default();
        {
            let mut core = self.inner.core.borrow_mut();
            change(&mut core, &mut out);
            // Nobody may see a state to which what is committed has not been applied yet.
            core.settle(self.env().now_ns(), &mut out);
        }
        self.carry_out(out);
        // The next deadline may be another one now.
        let _ = self.inner.inputs.send(Input::Tick);
    }

    /// Asks `node` (possibly this one) to do something, and waits for its answer until
    /// `deadline_ns`.
    ///
    /// # Errors
    /// No answer came: the outcome is unknown.
    pub async fn call(
        &self,
        node: NodeId,
        call: Call,
        deadline_ns: u64,
    ) -> Result<Reply, CallError> {
        let id = self.inner.next_call.get();
        self.inner.next_call.set(id + 1);
        let (sender, receiver) = oneshot::channel();
        self.inner.calls.borrow_mut().insert(id, sender);
        let _ = self.inner.inputs.send(Input::Call(id, node, Box::new(call)));
        let reply = timeout(self.env(), deadline_ns, receiver).await;
        self.inner.calls.borrow_mut().remove(&id);
        reply.and_then(Result::ok).ok_or(CallError::Timeout)
    }

    /// Answers a call that a flow took over.
    pub fn answer(&self, caller: Caller, reply: Reply) {
        let mut out = Output::default();
        self.inner.core.borrow_mut().answer_late(caller, reply, &mut out);
        self.carry_out(out);
    }

    /// Lets the environment see that a point was passed.
    pub fn point(&self, name: &'static str, detail: u64) {
        self.env().observe(Observed::Point { name, detail });
    }

    /// Takes in what arrives, for as long as the process lives.
    pub(super) async fn run(self, mut arriving: UnboundedReceiver<Input>) {
        let mut alarm = Alarm::new(&self.inner.env);
        loop {
            alarm.set(&self.inner.env, self.core().deadline_ns());
            let arrivals = poll_fn(|cx| self.poll_arrivals(cx, &mut arriving, &mut alarm)).await;
            let (mut out, mut cost_ns) = (Output::default(), 0);
            for arrival in arrivals {
                let input = match arrival {
                    Arrival::Input(input) => Some(input),
                    Arrival::Datagram(from, datagram) => {
                        cost_ns += service_times::of_datagram(from, datagram.len());
                        self.accept(from, &datagram)
                    }
                    Arrival::Deadline => Some(Input::Tick),
                };
                if let Some(input) = input {
                    cost_ns += service_times::of_input(&input);
                    let (now_ns, wall_ms) = (self.env().now_ns(), self.env().wall_ms());
                    self.inner.core.borrow_mut().step(now_ns, wall_ms, input, &mut out);
                }
            }
            // What was written is written in the order of the steps, whatever flows do meanwhile.
            self.write_log(&mut out);
            self.pay_reads(&mut out);
            // What arrives meanwhile waits for the next round: the loop is the processor's queue.
            self.env().work(cost_ns + service_times::of_output(&out)).await;
            if self.env().rarely(rare::PROCESSOR_ELSEWHERE) {
                self.env().sleep_until(self.env().now_ns() + ELSEWHERE_NS).await;
            }
            self.carry_out(out);
        }
    }

    /// Answers of a round that read from the disk wait until the disk has been paid its time.
    fn pay_reads(&self, out: &mut Output) {
        let checkpoint = self.checkpoint();
        let reads = checkpoint.take_reads();
        if reads.is_empty() {
            return;
        }
        let (late, shell) = (out.take_replies(), self.clone());
        self.env().spawn("read", async move {
            checkpoint.pay(reads).await;
            shell.carry_out(late);
        });
    }

    fn poll_arrivals(
        &self,
        cx: &mut Context<'_>,
        arriving: &mut UnboundedReceiver<Input>,
        alarm: &mut Alarm,
    ) -> Poll<Vec<Arrival>> {
        let mut arrivals = Vec::new();
        let alone = self.env().rarely(rare::TAKES_IN_ONE);
        while arrivals.len() < if alone { 1 } else { INPUTS_PER_ROUND_MAX } {
            if let Poll::Ready(Some(input)) = arriving.poll_recv(cx) {
                arrivals.push(Arrival::Input(input));
            } else if let Poll::Ready((from, datagram)) = self.inner.env.poll_receive(cx) {
                arrivals.push(Arrival::Datagram(from, datagram));
            } else {
                break;
            }
        }
        if alarm.poll(cx).is_ready() {
            arrivals.push(Arrival::Deadline);
        }
        if arrivals.is_empty() { Poll::Pending } else { Poll::Ready(arrivals) }
    }

    /// A datagram that is not understood is dropped: its sender will time out.
    fn accept(&self, from: Address, datagram: &Bytes) -> Option<Input> {
        match (from, Wire::decode(datagram)) {
            (Address::Node(node), Ok(Wire::Peer(envelope))) => {
                let (life, number) = (envelope.sender.incarnation.0, envelope.number);
                let first = self.inner.once.borrow_mut().is_first_envelope(from, life, number);
                first.then_some(Input::Peer(node, envelope))
            }
            (_, Ok(Wire::Request { id, request })) => {
                if !self.inner.once.borrow_mut().is_first_request(from, id) {
                    return None;
                }
                let shell = self.clone();
                self.env().spawn("request", async move {
                    let response = router::route(&shell, id, *request).await;
                    let response = response.map(Box::new).map_err(|error| (&error).into());
                    shell.env().send(from, Wire::Response { id, response }.encode());
                });
                None
            }
            _ => None,
        }
    }

    fn write_log(&self, out: &mut Output) {
        for record in out.log.drain(..) {
            let _ = self.inner.log.send(LogJob::Append(record));
        }
    }

    fn carry_out(&self, mut out: Output) {
        self.write_log(&mut out);
        for Committed { table, partition, position, payload } in out.committed {
            let (index, term, payload) = (position.index, position.term, payload.as_ref());
            self.env().observe(Observed::Committed { table, partition, index, term, payload });
        }
        for (name, detail) in out.points {
            self.point(name, detail);
        }
        for (to, messages) in out.messages {
            let sender = self.core().liveness().signature(to);
            let number = self.inner.envelopes.get();
            self.inner.envelopes.set(number + 1);
            let datagram = Wire::Peer(Envelope { sender, number, messages }).encode();
            self.env().send(Address::Node(to), datagram);
        }
        for (id, reply) in out.replies {
            if let Some(caller) = self.inner.calls.borrow_mut().remove(&id) {
                let _ = caller.send(reply);
            }
        }
        for flow in out.flows {
            self.start(flow);
        }
        if out.checkpoint {
            self.inner.checkpoint_wanted.notify_one();
        }
        let fault = self.inner.core.borrow_mut().take_fault();
        match fault {
            None => {}
            // Nobody else has what the checkpoint holds: it may be sound at the next start.
            Some(fault) if self.core().config().cluster.is_one_node() => {
                let _ = self.inner.failed.send(BootError::ItemsFailed(fault));
            }
            Some(fault) => self.env().spawn("refound", keeper::refound(self.clone(), fault)),
        }
    }

    fn start(&self, flow: Flow) {
        let shell = self.clone();
        match flow {
            Flow::Work(term, work) => {
                self.env().spawn("work", metadata::see_through(shell, term, work));
            }
            Flow::Forget(backup) => {
                self.env().spawn("forget", metadata::forget(shell, *backup));
            }
            Flow::ArchivePart { caller, backup, backup_key, table, partitions } => {
                self.env().spawn("archive-part", async move {
                    let part = archive::write_part(&shell, backup, backup_key, table, partitions);
                    let reply = part.await;
                    shell.answer(caller, reply);
                });
            }
            Flow::SendSnapshot { partition, to, term } => {
                self.env().spawn("snapshot", snapshot::send(shell, partition, to, term));
            }
            Flow::RestorePartition { caller, restore, target, source, backup_key, manifest } => {
                self.env().spawn("restore", async move {
                    let worker = restore::Worker { restore, target, source, backup_key, manifest };
                    let reply = worker.run(&shell).await;
                    shell.answer(caller, reply);
                });
            }
        }
    }
}

/// One timer that is set anew only for an earlier deadline, or after it rang.
struct Alarm {
    set_for_ns: u64,
    sleep: Pin<Box<dyn Future<Output = ()>>>,
}

impl Alarm {
    fn new<E: Env>(env: &E) -> Self {
        let now_ns = env.now_ns();
        Self { set_for_ns: now_ns, sleep: Box::pin(env.sleep_until(now_ns)) }
    }

    fn set<E: Env>(&mut self, env: &E, deadline_ns: u64) {
        let rang = self.set_for_ns <= env.now_ns();
        if rang || deadline_ns < self.set_for_ns {
            // Never in the past: each ring moves time on, so a deadline that is not met cannot
            // keep the node busy.
            self.set_for_ns = deadline_ns.max(env.now_ns() + 1);
            self.sleep = Box::pin(env.sleep_until(self.set_for_ns));
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.sleep.as_mut().poll(cx)
    }
}
