//! The way to the node: requests go in as datagrams of one client, answers are given to those who
//! wait for them. It is the way that requests take in the simulator, too.

use crate::api::{ListTablesInput, Request, Response, WireError};
use crate::env::Address;
use crate::node::Wire;
use bytes::Bytes;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;

type Answer = Result<Box<Response>, WireError>;

/// All clients are one to the node.
const CLIENT: Address = Address::Client(0);

/// Requests that wait for their answers.
pub(super) struct Gate {
    to_node: UnboundedSender<(Address, Bytes)>,
    /// No number is used twice in the life of a process, and the node lives no longer.
    next: Cell<u64>,
    waiting: RefCell<BTreeMap<u64, oneshot::Sender<Answer>>>,
    /// The disk is full.
    full: Cell<bool>,
}

/// What a write hears that was not let in.
const FULL: &str = "the disk is full: nothing was done; try again when it has space";
/// What everybody hears whom the node has left without an answer.
const STOPPING: &str = "the server is stopping; the outcome is unknown";

/// Nobody waits any more once this is dropped.
struct Waiting<'a>(&'a Gate, u64);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.borrow_mut().remove(&self.1);
    }
}

impl Gate {
    pub(super) fn new(to_node: UnboundedSender<(Address, Bytes)>) -> Self {
        Self { to_node, next: Cell::new(1), waiting: RefCell::default(), full: Cell::new(false) }
    }

    /// Whether the disk is full.
    pub(super) fn is_full(&self) -> bool {
        self.full.get()
    }

    /// Notes whether the disk is full. What is let in then waits in memory until there is space.
    pub(super) fn set_full(&self, full: bool) {
        self.full.set(full);
    }

    /// Has the node answer a request; it does so within its own time, if only by an error.
    pub(super) async fn ask(&self, request: Request) -> Answer {
        if self.is_full() && request.operation().writes() {
            return Err(WireError::internal(FULL));
        }
        let id = self.next.replace(self.next.get() + 1);
        let (sender, receiver) = oneshot::channel();
        self.waiting.borrow_mut().insert(id, sender);
        let _waiting = Waiting(self, id);
        let datagram = Wire::Request { id, request: Box::new(request) }.encode();
        let _ = self.to_node.send((CLIENT, datagram));
        receiver.await.unwrap_or_else(|_| Err(WireError::internal(STOPPING)))
    }

    /// Gives answers to those who wait for them, for as long as the node lives.
    pub(super) async fn take_answers(&self, mut answers: UnboundedReceiver<(Address, Bytes)>) {
        while let Some((_, datagram)) = answers.recv().await {
            if let Ok(Wire::Response { id, response }) = Wire::decode(&datagram)
                && let Some(waiting) = self.waiting.borrow_mut().remove(&id)
            {
                let _ = waiting.send(response);
            }
        }
    }

    /// Waits until the catalog can be read.
    pub(super) async fn await_leader(&self) {
        let tables = || Request::ListTables(ListTablesInput::default());
        while self.ask(tables()).await.is_err() {}
    }
}
