//! madsim 0.2, in its two ways to send: datagrams with a tag, and RPC with a handler.
//!
//! Its loss rate is left at zero. It draws one latency per message and picks the next task
//! at random; it has no duplicates, no hash and no log. Its list of tasks is pruned once
//! per simulated second, as it would otherwise grow with every call.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use madsim::net::Endpoint;
use madsim::rand::{Rng, thread_rng};
use madsim::runtime::{Handle, Runtime};
use serde::{Deserialize, Serialize};

use crate::workload::{Board, Link, Message, Workload, program, watchdog};

const PORT: u16 = 9_000;

/// How a message is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// `Endpoint::send_to` and `recv_from`.
    Datagram,
    /// `Endpoint::call`, and a handler on the other side; a call counts as two messages.
    Call,
}

#[derive(Clone)]
struct Madsim(Endpoint);

fn address(endpoint: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(Ipv4Addr::new(10, 0, 0, 1).to_bits() + endpoint))
}

impl Link for Madsim {
    async fn send(&mut self, to: u32, message: Message) {
        let to = SocketAddr::new(address(to), PORT);
        self.0.send_to(to, 0, &message.encode()).await.expect("nothing is partitioned");
    }

    async fn receive(&mut self) -> (u32, Message) {
        let mut bytes = [0; 16];
        let (_, from) = self.0.recv_from(0, &mut bytes).await.expect("the socket stays open");
        let IpAddr::V4(from) = from.ip() else { unreachable!("all nodes have such addresses") };
        (from.to_bits() - Ipv4Addr::new(10, 0, 0, 1).to_bits(), Message::decode(&bytes))
    }

    async fn sleep(&mut self, time: Duration) {
        madsim::time::sleep(time).await;
    }

    fn random(&mut self, below: u32) -> u32 {
        thread_rng().gen_range(0..below)
    }
}

#[derive(Serialize, Deserialize, madsim::Request)]
#[rtype("u64")]
struct Call(u64);

async fn call_for_ever(endpoint: Endpoint, me: u32, board: Arc<Board>) {
    endpoint.add_rpc_handler(|call: Call| async move { call.0 });
    let endpoints = board.job().endpoints;
    // A call to a node that does not listen yet is never answered.
    madsim::time::sleep(Duration::from_millis(10)).await;
    for number in 0.. {
        let away = 1 + thread_rng().gen_range(0..endpoints - 1);
        let to = SocketAddr::new(address((me + away) % endpoints), PORT);
        endpoint.call(to, Call(number)).await.expect("nothing is partitioned");
        board.count(2);
    }
}

async fn endpoint(way: Way, me: u32, board: Arc<Board>) {
    let endpoint = Endpoint::bind((Ipv4Addr::UNSPECIFIED, PORT)).await.expect("a free port");
    if way == Way::Call {
        return call_for_ever(endpoint, me, board).await;
    }
    if board.job().workload != Workload::Idle {
        madsim::task::spawn(watchdog(Madsim(endpoint.clone()), me, board.clone()));
    }
    program(Madsim(endpoint), me, board).await;
}

async fn wait(board: &Board) {
    for turn in 1.. {
        madsim::time::sleep(Duration::from_millis(10)).await;
        if turn % 100 == 0 {
            Handle::current().metrics().num_tasks();
        }
        if board.done() {
            return;
        }
    }
}

/// Runs the job.
pub fn run(way: Way, board: &Arc<Board>) {
    let job = board.job();
    let (shortest, longest) = job.workload.latency();
    let mut config = madsim::Config::default();
    config.net.send_latency = shortest..longest;
    let runtime = Runtime::with_seed_and_config(1, config);
    for me in 0..job.endpoints {
        let node = runtime.create_node().ip(address(me)).build();
        node.spawn(endpoint(way, me, board.clone()));
    }
    runtime.block_on(wait(board));
}
