//! A world on madsim: any ready task may be next; `Endpoint` datagrams, clogged links.
//!
//! What of madsim had to be minded: the first hash map of a thread must be made under the seed
//! ([`deal_hash_keys`]); every send and every receive sleeps for a millisecond at least, so a loop
//! that does either passes a thousand messages a second and several run side by side; the list of
//! a node's tasks grows for ever unless somebody counts them; a future that is woken puts a timer
//! into the queue each time it polls its sleep; the driver's node must always have a timer, or
//! madsim panics for want of events.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use madsim::net::{Endpoint, NetSim};
use madsim::runtime::{Handle, Runtime};
use madsim::task::{NodeId, spawn_local};
use madsim::time::{TimeHandle, sleep};
use stillpoint_scenarios::stories::Drive;
use stillpoint_sim::{Engine, Guest, GuestTask, HostId, RunError, World};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;

use crate::machine::{Errand, Errands, address, everywhere, latency, shrunk, socket, stretched};

/// Tasks of a machine that receive side by side.
const RECEIVERS: usize = 16;

/// How often the list of tasks is pruned, by madsim's clock.
const PRUNE_EVERY: Duration = Duration::from_secs(1);

/// Under which all datagrams are sent.
const TAG: u64 = 0;

thread_local! {
    /// Machines that are about to be started: madsim takes their programs as `Send`.
    static MACHINES: RefCell<BTreeMap<HostId, Machine>> = const { RefCell::new(BTreeMap::new()) };
}

/// Has madsim deal out the keys of this thread's hash maps, by the seed. Called before anything
/// else on the thread: the keys of the first map count for all.
pub fn deal_hash_keys(seed: u64) {
    drop(Runtime::with_seed_and_config(seed, madsim::Config::default()));
}

struct Madsim {
    errands: Errands,
    time: TimeHandle,
    nodes: OnceCell<BTreeMap<HostId, NodeId>>,
    /// When the world wants to catch up, and who lets it.
    due: RefCell<BTreeSet<u64>>,
    pacemaker: RefCell<Option<Waker>>,
}

impl Madsim {
    /// Whether the world is due by now; not again for the same reason.
    fn is_due(&self) -> bool {
        let mut due = self.due.borrow_mut();
        let later = due.split_off(&(self.now_ns() + 1));
        !std::mem::replace(&mut *due, later).is_empty()
    }
}

impl Engine for Madsim {
    fn now_ns(&self) -> u64 {
        shrunk(self.time.elapsed())
    }

    fn wake_at(&self, engine_ns: u64) {
        self.due.borrow_mut().insert(engine_ns);
        self.pacemaker.borrow_mut().take().into_iter().for_each(Waker::wake);
    }

    fn spawn(&self, host: HostId, task: GuestTask) {
        self.errands.give(host, Errand::Run(task));
    }

    fn send(&self, from: HostId, to: HostId, datagram: Bytes) {
        self.errands.give(from, Errand::Send(to, datagram));
    }

    fn set_link(&self, from: HostId, to: HostId, open: bool) {
        let nodes = self.nodes.get().expect("nothing is sent before the nodes are there");
        match open {
            true => NetSim::current().unclog_link(nodes[&from], nodes[&to]),
            false => NetSim::current().clog_link(nodes[&from], nodes[&to]),
        }
    }
}

/// What a node of madsim starts with.
struct Machine {
    host: HostId,
    inbox: UnboundedReceiver<Errand>,
    guest: Guest,
}

impl Machine {
    async fn serve(mut self) {
        let bound = Endpoint::bind(everywhere()).await;
        let from = bound.expect("every machine has the port to itself");
        for _ in 0..RECEIVERS {
            spawn_local(receive(self.host, from.clone(), self.guest.clone()));
        }
        while let Some(errand) = self.inbox.recv().await {
            match errand {
                Errand::Run(task) => drop(spawn_local(task)),
                Errand::Send(to, datagram) => drop(spawn_local(send(from.clone(), to, datagram))),
            }
        }
    }
}

async fn send(from: Endpoint, to: HostId, datagram: Bytes) {
    let sent = from.send_to_raw(socket(to), TAG, Box::new(datagram)).await;
    sent.expect("a socket of madsim stays open");
}

async fn receive(host: HostId, socket: Endpoint, guest: Guest) {
    loop {
        let (datagram, _) = socket.recv_from_raw(TAG).await.expect("a socket of madsim stays open");
        let datagram = datagram.downcast::<Bytes>().expect("only worlds send here");
        guest.arrive(host, *datagram);
    }
}

/// Lets the world catch up whenever it is due.
async fn keep_pace(engine: Rc<Madsim>, guest: Guest) {
    let mut timers = BTreeMap::new();
    poll_fn(|context| -> Poll<()> {
        while engine.is_due() {
            guest.catch_up();
        }
        *engine.pacemaker.borrow_mut() = Some(context.waker().clone());
        let now_ns = engine.now_ns();
        timers.retain(|due_ns, ()| *due_ns > now_ns);
        if let Some(&due_ns) = engine.due.borrow().first()
            && timers.first_key_value().is_none_or(|(first, ())| due_ns < *first)
        {
            let fires_ns = now_ns + shrunk(start_timer(stretched(due_ns - now_ns), context));
            timers.insert(fires_ns, ());
        }
        Poll::Pending
    })
    .await;
}

/// Wakes the task after this time, or after the millisecond that is madsim's least; says which.
/// What was polled once has its timer in madsim's queue, whether it is kept or not.
fn start_timer(after: Duration, context: &mut Context<'_>) -> Duration {
    let sleeping = sleep(after);
    let least = after.max(Duration::from_millis(1));
    let _ = pin!(sleeping).poll(context);
    least
}

async fn prune() {
    loop {
        sleep(PRUNE_EVERY).await;
        Handle::current().metrics().num_tasks();
    }
}

fn config(world: &World) -> madsim::Config {
    let mut config = madsim::Config::default();
    config.net.send_latency = latency(world);
    config.net.packet_loss_rate = world.net().loss_per_million as f64 / 1e6;
    config
}

/// Makes a node for a machine, which starts at once.
fn start(runtime: &Runtime, machine: Machine) -> NodeId {
    let host = machine.host;
    MACHINES.with_borrow_mut(|it| it.insert(host, machine));
    let node = runtime.create_node().name(host.to_string()).ip(address(host));
    let init = move || {
        let machine = MACHINES.with_borrow_mut(|it| it.remove(&host));
        machine.expect("madsim starts a machine once").serve()
    };
    node.init(init).build().id()
}

/// Runs a world on madsim until its driver is done.
///
/// # Errors
/// As [`World::run`].
pub fn run(seed: u64, world: &World, limit_ns: u64, driver: Drive) -> Result<(), RunError> {
    let runtime = Runtime::with_seed_and_config(seed, config(world));
    let (errands, inboxes) = Errands::new(world);
    let engine = Rc::new(Madsim {
        errands,
        time: runtime.block_on(async { TimeHandle::current() }),
        nodes: OnceCell::new(),
        due: RefCell::default(),
        pacemaker: RefCell::default(),
    });
    let guest = world.lodge(Rc::clone(&engine) as Rc<dyn Engine>);
    let machine = |(host, inbox)| Machine { host, inbox, guest: guest.clone() };
    let start = |it: Machine| (it.host, start(&runtime, it));
    let nodes = inboxes.into_iter().map(machine).map(start).collect();
    engine.nodes.set(nodes).expect("nodes are made once");
    let (done, outcome) = oneshot::channel();
    runtime.block_on(async {
        spawn_local(keep_pace(Rc::clone(&engine), guest.clone()));
        spawn_local(prune());
        let driving = guest.drive(limit_ns, driver);
        spawn_local(async move { drop(done.send(driving.await)) });
        outcome.await.expect("the driver leaves what came of it")
    })
}
