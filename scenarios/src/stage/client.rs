//! Clients of the cluster: they send requests to routers and wait for answers.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use stillpoint_reference::api::{Request, Response, WireError};
use stillpoint_reference::node::Wire;
use stillpoint_sim::{Host, HostId};
use tokio::sync::oneshot;

/// What a router answered.
pub type Answer = Result<Response, WireError>;

/// No answer came in time, or there was no router to ask: the outcome is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unanswered;

/// After this long at most a client notices that a connection is broken.
const BROKEN_NS: u64 = 100_000_000;
/// A router of which nothing was heard for so long after it was asked is not asked any more, and
/// connections with it are given up, as a load balancer's health checks do it.
const SILENT_NS: u64 = 20_000_000_000;
/// After this long it is tried again.
const TRIED_AGAIN_NS: u64 = 60_000_000_000;

/// All clients of a run; they share one machine and its network.
#[derive(Clone)]
pub struct Client {
    host: Host,
    routers: Rc<Vec<HostId>>,
    waiting: Rc<RefCell<BTreeMap<u64, oneshot::Sender<Answer>>>>,
    /// Since when each router that was asked has said nothing.
    silent: Rc<RefCell<BTreeMap<HostId, u64>>>,
}

impl Client {
    /// Clients on `host` that know these routers.
    #[must_use]
    pub fn new(host: Host, routers: Vec<HostId>) -> Self {
        let client =
            Self { host, routers: Rc::new(routers), waiting: Rc::default(), silent: Rc::default() };
        let receiving = client.clone();
        client.host.spawn("client.receive", async move { receiving.receive().await });
        client
    }

    /// The machine that the clients run on.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    async fn receive(&self) {
        loop {
            let (from, datagram) = self.host.receive().await;
            self.silent.borrow_mut().remove(&from);
            if let Ok(Wire::Response { id, response }) = Wire::decode(&datagram)
                && let Some(waiting) = self.waiting.borrow_mut().remove(&id)
            {
                let _ = waiting.send(response.map(|it| *it));
            }
        }
    }

    /// Whether a router has been silent for too long.
    fn suspects(&self, router: HostId) -> bool {
        let now_ns = self.host.now_ns();
        self.silent.borrow_mut().retain(|_, since| now_ns < *since + SILENT_NS + TRIED_AGAIN_NS);
        self.silent.borrow().get(&router).is_some_and(|since| now_ns >= since + SILENT_NS)
    }

    /// Sends a request under the number `id` and waits for at most `patience_ns`.
    ///
    /// # Errors
    /// No answer came: the outcome is unknown.
    pub async fn call(
        &self,
        id: u64,
        request: Request,
        patience_ns: u64,
    ) -> Result<Answer, Unanswered> {
        // A connection to a machine that is down is refused at once, so clients pick another.
        let up: Vec<HostId> =
            self.routers.iter().copied().filter(|it| self.host.sees_up(*it)).collect();
        let sound: Vec<HostId> = up.iter().copied().filter(|it| !self.suspects(*it)).collect();
        let up = if sound.is_empty() { up } else { sound };
        let pick = self.host.dice("client.router").raw();
        let Some(&router) = up.get((pick % up.len().max(1) as u64) as usize) else {
            self.host.sleep(patience_ns).await;
            return Err(Unanswered);
        };
        let (sender, receiver) = oneshot::channel();
        self.waiting.borrow_mut().insert(id, sender);
        self.silent.borrow_mut().entry(router).or_insert(self.host.now_ns());
        self.host.send(router, Wire::Request { id, request: Box::new(request) }.encode());
        let answer = self.await_answer(router, receiver, patience_ns).await;
        self.waiting.borrow_mut().remove(&id);
        answer.ok_or(Unanswered)
    }

    /// Waits for an answer, until time is up or the router has died: its connections break.
    async fn await_answer(
        &self,
        router: HostId,
        mut receiver: oneshot::Receiver<Answer>,
        patience_ns: u64,
    ) -> Option<Answer> {
        let life = self.host.sees_life(router);
        let deadline_ns = self.host.now_ns() + patience_ns;
        while self.host.now_ns() < deadline_ns && self.host.sees_life(router) == life {
            let patience_ns = BROKEN_NS.min(deadline_ns - self.host.now_ns());
            if let Some(answer) = within(&self.host, patience_ns, &mut receiver).await {
                return answer.ok();
            }
            if self.suspects(router) {
                return None;
            }
        }
        None
    }
}

/// Waits for `future`, but for no longer than `patience_ns`.
pub async fn within<T>(
    host: &Host,
    patience_ns: u64,
    future: impl Future<Output = T>,
) -> Option<T> {
    let mut future = pin!(future);
    let mut sleep = pin!(host.sleep(patience_ns));
    poll_fn(|cx| {
        if let Poll::Ready(done) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(done));
        }
        sleep.as_mut().poll(cx).map(|()| None)
    })
    .await
}
