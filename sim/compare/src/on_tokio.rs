//! tokio, as one would build a simulation from it: a `current_thread` runtime with its
//! clock paused, channels, and one task that plays the network. No faults, no hash, no
//! replay: tasks run first come, first served.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, sleep, sleep_until};

use crate::workload::{Board, Link, Message, Workload, XorShift, program, watchdog};

struct Datagram {
    from: u32,
    to: u32,
    message: Message,
}

#[derive(Clone)]
struct Tokio {
    me: u32,
    random: XorShift,
    wire: UnboundedSender<Datagram>,
    inbox: Arc<Mutex<UnboundedReceiver<(u32, Message)>>>,
}

impl Link for Tokio {
    async fn send(&mut self, to: u32, message: Message) {
        let sent = self.wire.send(Datagram { from: self.me, to, message });
        sent.unwrap_or_else(|_| unreachable!("the network outlives its endpoints"));
    }

    async fn receive(&mut self) -> (u32, Message) {
        let mut inbox = self.inbox.lock().await;
        inbox.recv().await.expect("the network outlives its endpoints")
    }

    async fn sleep(&mut self, time: Duration) {
        sleep(time).await;
    }

    fn random(&mut self, below: u32) -> u32 {
        self.random.below(below.into()) as u32
    }
}

/// Delays each datagram and puts it into its inbox.
async fn network(
    workload: Workload,
    mut wire: UnboundedReceiver<Datagram>,
    inboxes: Vec<UnboundedSender<(u32, Message)>>,
) {
    let (shortest, longest) = workload.latency();
    let mut random = XorShift::new(u32::MAX);
    let mut insertions = 0u64;
    let mut due = BinaryHeap::new();
    let mut under_way: Vec<Option<Datagram>> = Vec::new();
    let mut free = Vec::new();
    loop {
        let next = due.peek().map(|Reverse((at, _, _)): &Reverse<(Instant, u64, usize)>| *at);
        tokio::select! {
            biased;
            sent = wire.recv() => {
                let Some(datagram) = sent else { return };
                let spread = (longest - shortest).as_nanos() as u64;
                let at = Instant::now() + shortest + Duration::from_nanos(random.below(spread));
                let slot = free.pop().unwrap_or(under_way.len());
                if slot == under_way.len() {
                    under_way.push(None);
                }
                under_way[slot] = Some(datagram);
                due.push(Reverse((at, insertions, slot)));
                insertions += 1;
            }
            () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {
                let now = Instant::now();
                while let Some(&Reverse((at, _, slot))) = due.peek() && at <= now {
                    due.pop();
                    free.push(slot);
                    let datagram = under_way[slot].take().expect("a slot in the heap is full");
                    let inbox = &inboxes[datagram.to as usize];
                    inbox.send((datagram.from, datagram.message)).expect("inboxes stay open");
                }
            }
        }
    }
}

async fn endpoints(board: &Arc<Board>) {
    let job = board.job();
    let (wire, sent) = unbounded_channel();
    let (inboxes, outboxes): (Vec<_>, Vec<_>) =
        (0..job.endpoints).map(|_| unbounded_channel()).unzip();
    for (me, inbox) in (0..).zip(outboxes) {
        let inbox = Arc::new(Mutex::new(inbox));
        let link = Tokio { me, random: XorShift::new(me), wire: wire.clone(), inbox };
        if job.workload != Workload::Idle {
            tokio::spawn(watchdog(link.clone(), me, board.clone()));
        }
        tokio::spawn(program(link, me, board.clone()));
    }
    tokio::spawn(network(job.workload, sent, inboxes));
    while !board.done() {
        sleep(Duration::from_millis(10)).await;
    }
}

/// Runs the job.
pub fn run(board: &Arc<Board>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O needs nothing from the system");
    runtime.block_on(endpoints(board));
}
