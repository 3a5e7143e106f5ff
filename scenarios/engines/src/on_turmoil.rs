//! A world on turmoil: a tokio runtime per machine, UDP, one-way partitions.
//!
//! What of turmoil had to be minded: its random numbers and its epoch are the operating system's
//! unless both are set; machines take turns in one order unless told to shuffle; a socket drops
//! what comes after 64 datagrams unless it is given more room; a sleep and a latency are whole
//! milliseconds ([`STRETCH`](crate::STRETCH)); its work for a tick grows with the cube of the
//! machines, so a story should have at most thirty.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use stillpoint_scenarios::stories::Drive;
use stillpoint_sim::{Engine, Guest, GuestTask, HostId, RunError, World};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::spawn_local;
use turmoil::net::UdpSocket;

use crate::machine::{Errand, Errands, address, everywhere, latency, shrunk, socket, stretched};

/// How far turmoil's clock moves at a time. Less behaves strangely, as tokio rounds its sleeps.
const TICK: Duration = Duration::from_millis(1);

/// Datagrams that a socket holds before it drops some.
const SOCKET_DATAGRAMS_MAX: usize = 1 << 16;

/// Machines, the driver's among them.
const MACHINES_MAX: usize = 30;

/// No datagram of a story is longer.
const DATAGRAM_BYTES_MAX: usize = 4 << 20;

struct Turmoil {
    errands: Errands,
    /// By the machine that is farthest into its tick: those whose turn comes later lag behind, and
    /// the world's clock must not run backwards.
    elapsed: Cell<Duration>,
}

impl Engine for Turmoil {
    fn now_ns(&self) -> u64 {
        let here = turmoil::sim_elapsed().unwrap_or_default();
        self.elapsed.set(self.elapsed.get().max(here));
        shrunk(self.elapsed.get())
    }

    /// The driver's machine lets the world catch up at every tick: nothing can happen in between.
    fn wake_at(&self, _engine_ns: u64) {}

    fn spawn(&self, host: HostId, task: GuestTask) {
        self.errands.give(host, Errand::Run(task));
    }

    fn send(&self, from: HostId, to: HostId, datagram: Bytes) {
        self.errands.give(from, Errand::Send(to, datagram));
    }

    fn set_link(&self, from: HostId, to: HostId, open: bool) {
        match open {
            true => turmoil::repair_oneway(address(from), address(to)),
            false => turmoil::partition_oneway(address(from), address(to)),
        }
    }
}

async fn receive(host: HostId, socket: Rc<UdpSocket>, guest: Guest) {
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        let received = socket.recv_from(&mut buffer).await;
        let (len, _) = received.expect("a socket of turmoil stays open");
        assert!(len < DATAGRAM_BYTES_MAX, "a datagram that does not fit");
        guest.arrive(host, Bytes::copy_from_slice(&buffer[..len]));
    }
}

/// The software of a machine.
async fn serve(host: HostId, mut inbox: UnboundedReceiver<Errand>, guest: Guest) {
    let bound = UdpSocket::bind(everywhere()).await;
    let from = Rc::new(bound.expect("every machine has the port to itself"));
    spawn_local(receive(host, Rc::clone(&from), guest));
    while let Some(errand) = inbox.recv().await {
        match errand {
            Errand::Run(task) => drop(spawn_local(task)),
            Errand::Send(to, datagram) => {
                let sent = from.send_to(&datagram, socket(to)).await;
                sent.expect("every machine of the world is known to turmoil");
            }
        }
    }
}

async fn keep_pace(guest: Guest) {
    loop {
        tokio::time::sleep(TICK).await;
        guest.catch_up();
    }
}

fn engine(seed: u64, world: &World, limit_ns: u64) -> turmoil::Sim<'static> {
    let latency = latency(world);
    turmoil::Builder::new()
        .rng_seed(seed)
        .epoch(SystemTime::UNIX_EPOCH)
        .enable_random_order()
        .tick_duration(TICK)
        .min_message_latency(latency.start)
        .max_message_latency(latency.end)
        .udp_capacity(SOCKET_DATAGRAMS_MAX)
        // The world's own limit comes first.
        .simulation_duration(stretched(limit_ns) + Duration::from_secs(60))
        .build()
}

/// Runs a world on turmoil until its driver is done.
///
/// # Errors
/// As [`World::run`].
///
/// # Panics
/// If turmoil itself fails, or there are too many machines for it.
pub fn run(seed: u64, world: &World, limit_ns: u64, driver: Drive) -> Result<(), RunError> {
    let machines = world.hosts().len();
    assert!(machines <= MACHINES_MAX, "turmoil bears at most 30 machines, not {machines}");
    let mut sim = engine(seed, world, limit_ns);
    let (errands, inboxes) = Errands::new(world);
    let guest = world.lodge(Rc::new(Turmoil { errands, elapsed: Cell::default() }));
    let outcome: Rc<RefCell<Option<Result<(), RunError>>>> = Rc::default();
    let mut driving = Some(guest.drive(limit_ns, driver));
    for (host, inbox) in inboxes {
        let (guest, outcome) = (guest.clone(), Rc::clone(&outcome));
        if let (HostId::DRIVER, Some(driving)) = (host, driving.take()) {
            sim.client(address(host), async move {
                spawn_local(keep_pace(guest.clone()));
                spawn_local(serve(host, inbox, guest));
                *outcome.borrow_mut() = Some(driving.await);
                Ok(())
            });
            continue;
        }
        // Turmoil could start it again, but only the world does so, inside.
        let inbox = Rc::new(RefCell::new(Some(inbox)));
        sim.host(address(host), move || {
            let (inbox, guest) = (inbox.take(), guest.clone());
            async move {
                serve(host, inbox.expect("turmoil starts a machine once"), guest).await;
                Ok(())
            }
        });
    }
    sim.run().expect("turmoil runs until the driver is done");
    outcome.take().expect("the driver leaves what came of it")
}
