//! A run on this machine: a thread for each client, real time, real sockets.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use crate::conform::client::Client;
use crate::conform::http::{Address, Connection};
use crate::conform::items::Keyspace;
use crate::conform::ledger::Ledger;
use crate::conform::run::{Run, Settings, run};
use crate::conform::world::{Answer, Request, World};
use crate::recording::Recording;

/// Clients wait so long for an answer. A write of unknown outcome decides nothing, so it is
/// better to wait for a slow endpoint than to give up.
const WRITER_PATIENCE: Duration = Duration::from_secs(30);
/// Making a backup and restoring it may take minutes in one call.
const OPERATOR_PATIENCE: Duration = Duration::from_secs(600);
/// How often a thread looks whether something has changed.
const LOOK: Duration = Duration::from_millis(1);
/// After an answer that was lost, so that an endpoint that is gone is not hammered.
const BREATH: Duration = Duration::from_millis(20);

/// What the command lends to a run.
pub struct Machine<'a> {
    /// Where requests go.
    pub address: Address,
    /// How many clients write.
    pub clients: u32,
    /// The keys that they write.
    pub space: Keyspace,
    /// A monotonic clock, in nanoseconds.
    pub now_ns: &'a (dyn Fn() -> u64 + Sync),
    /// Set when somebody asks to stop.
    pub interrupted: &'a AtomicBool,
    /// Tells a person how far things are.
    pub tell: &'a (dyn Fn(&str) + Sync),
}

impl Machine<'_> {
    /// Drives the endpoint; see [`run`].
    #[must_use]
    pub fn run(&self, settings: &Settings, found: Option<&dyn Fn(&Recording) -> bool>) -> Run {
        let ledger = Ledger::new(self.clients, self.space);
        let on_machine = OnMachine {
            machine: self,
            connection: Connection::new(&self.address, OPERATOR_PATIENCE),
            writing: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            waiting: AtomicU32::new(0),
        };
        std::thread::scope(|scope| {
            // Also when the operator panics, the writers end, and the scope with them.
            let _ending = SetAtEnd(&on_machine.stopped);
            for id in 0..self.clients {
                let (world, ledger) = (&on_machine, &ledger);
                scope.spawn(move || world.write(id, settings, ledger));
            }
            run(&on_machine, &ledger, settings, found)
        })
    }
}

struct SetAtEnd<'a>(&'a AtomicBool);

impl Drop for SetAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

struct OnMachine<'a> {
    machine: &'a Machine<'a>,
    connection: Connection,
    /// Whether clients may ask.
    writing: AtomicBool,
    /// Whether clients are to end.
    stopped: AtomicBool,
    /// How many clients may be waiting for an answer.
    waiting: AtomicU32,
}

impl OnMachine<'_> {
    /// One client's thread.
    fn write(&self, id: u32, settings: &Settings, ledger: &Ledger) {
        let connection = Connection::new(&self.machine.address, WRITER_PATIENCE);
        let mut client = Client::new(id, &settings.table(), self.machine.space);
        while !self.stopped.load(SeqCst) {
            match self.ask_once(&mut client, &connection, ledger) {
                Some(Answer::Lost(_)) => pause(BREATH),
                Some(_) => {}
                None => pause(LOOK),
            }
        }
    }

    /// The client's next request, unless the writers rest.
    fn ask_once(
        &self,
        client: &mut Client,
        connection: &Connection,
        ledger: &Ledger,
    ) -> Option<Answer> {
        // Counted before it is looked: whoever sees nobody waiting sees no late request.
        let _waiting = Counted::new(&self.waiting);
        if !self.writing.load(SeqCst) {
            return None;
        }
        let request = client.next(ledger, self.machine.now_ns);
        let answer = connection.call(&request, epoch_s());
        client.settle(ledger, (self.machine.now_ns)(), &answer);
        Some(answer)
    }
}

/// One more, for as long as it lives.
struct Counted<'a>(&'a AtomicU32);

impl<'a> Counted<'a> {
    fn new(count: &'a AtomicU32) -> Self {
        count.fetch_add(1, SeqCst);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

impl World for OnMachine<'_> {
    fn now_ns(&self) -> u64 {
        (self.machine.now_ns)()
    }

    fn call(&self, request: &Request) -> Answer {
        self.connection.call(request, epoch_s())
    }

    fn sleep(&self, ns: u64) {
        pause(Duration::from_nanos(ns));
    }

    fn interrupted(&self) -> bool {
        self.machine.interrupted.load(SeqCst)
    }

    fn start_writers(&self) {
        self.writing.store(true, SeqCst);
    }

    fn rest_writers(&self) {
        self.writing.store(false, SeqCst);
        while self.waiting.load(SeqCst) > 0 {
            pause(LOOK / 10);
        }
    }

    fn stop_writers(&self) {
        self.stopped.store(true, SeqCst);
        self.rest_writers();
    }

    fn tell(&self, text: &str) {
        (self.machine.tell)(text);
    }
}

#[expect(clippy::disallowed_methods, reason = "an endpoint over HTTP lives in real time")]
fn pause(duration: Duration) {
    std::thread::sleep(duration);
}

#[expect(clippy::disallowed_methods, reason = "signatures name the instant of the request")]
fn epoch_s() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |it| it.as_secs())
}
