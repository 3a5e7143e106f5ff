//! turmoil 0.7: a tokio runtime per host, UDP, ticks of one millisecond.
//!
//! It walks all links once per host and tick, so its cost grows with the cube of the
//! hosts; and it draws whether each message breaks its link, here with a rate of zero.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use turmoil::net::UdpSocket;

use crate::workload::{Board, Link, Message, Workload, XorShift, program, watchdog};

const PORT: u16 = 9_000;

/// Datagrams that a host may have waiting; the rest is dropped.
const INBOX_DATAGRAMS: usize = 65_536;

#[derive(Clone)]
struct Turmoil {
    socket: Arc<UdpSocket>,
    random: XorShift,
}

fn address(endpoint: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(Ipv4Addr::new(10, 0, 0, 1).to_bits() + endpoint))
}

impl Link for Turmoil {
    async fn send(&mut self, to: u32, message: Message) {
        let to = SocketAddr::new(address(to), PORT);
        self.socket.send_to(&message.encode(), to).await.expect("nothing is partitioned");
    }

    async fn receive(&mut self) -> (u32, Message) {
        let mut bytes = [0; 16];
        let (_, from) = self.socket.recv_from(&mut bytes).await.expect("the socket stays open");
        let IpAddr::V4(from) = from.ip() else { unreachable!("all hosts have such addresses") };
        (from.to_bits() - Ipv4Addr::new(10, 0, 0, 1).to_bits(), Message::decode(&bytes))
    }

    async fn sleep(&mut self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    fn random(&mut self, below: u32) -> u32 {
        self.random.below(below.into()) as u32
    }
}

/// Runs the job.
pub fn run(board: &Arc<Board>) {
    let job = board.job();
    let (shortest, longest) = job.workload.latency();
    let mut sim = turmoil::Builder::new()
        .rng_seed(1)
        .epoch(SystemTime::UNIX_EPOCH)
        .tick_duration(Duration::from_millis(1))
        .min_message_latency(shortest)
        .max_message_latency(longest)
        .udp_capacity(INBOX_DATAGRAMS)
        .simulation_duration(Duration::from_secs(1_000_000_000))
        .build();
    for me in 0..job.endpoints {
        let board = board.clone();
        sim.host(address(me), move || {
            let board = board.clone();
            async move {
                let socket = Arc::new(UdpSocket::bind((Ipv4Addr::UNSPECIFIED, PORT)).await?);
                let link = Turmoil { socket, random: XorShift::new(me) };
                if board.job().workload != Workload::Idle {
                    tokio::spawn(watchdog(link.clone(), me, board.clone()));
                }
                program(link, me, board).await;
                Ok(())
            }
        });
    }
    while !board.done() {
        sim.step().expect("the endpoints go on for ever");
    }
}
