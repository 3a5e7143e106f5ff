//! What every engine has to do: three workloads, each one program per endpoint.
//!
//! The programs are written once, over [`Link`]; an engine brings its own sockets, timers
//! and dice. So each engine runs the same loop of receives, sends and sleeps, and what
//! differs is what the engine does about it.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How long an endpoint hears nothing new before it believes that a message was lost.
pub const PATIENCE: Duration = Duration::from_millis(500);

/// How often an idle endpoint wakes.
pub const IDLE_PERIOD: Duration = Duration::from_millis(10);

/// What the endpoints do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// Each endpoint asks a random peer, awaits the answer and asks the next; latency 1 to
    /// 2 ms. Counted: messages.
    ///
    /// madsim makes every send and every receive take a millisecond of simulated time
    /// more; its endpoints are therefore slower in simulated time, which costs it no
    /// processor time: that is why messages per second of processor time are compared.
    /// turmoil moves on in ticks of 1 ms, busy or not.
    Ping,
    /// Each endpoint passes what it receives on to the next in a ring that holds a message
    /// per endpoint; latency 1 to 10 ms. Counted: messages.
    Ring,
    /// Each endpoint wakes every 10 ms and does nothing. Counted: wakes.
    Idle,
}

impl Workload {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 3] = [Self::Ping, Self::Ring, Self::Idle];

    /// The name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::Ring => "ring",
            Self::Idle => "idle",
        }
    }

    /// Shortest and longest latency of a message.
    pub fn latency(self) -> (Duration, Duration) {
        let longest_ms = if self == Self::Ring { 10 } else { 2 };
        (Duration::from_millis(1), Duration::from_millis(longest_ms))
    }
}

/// One measurement to take: who does what, until how much of it is done.
#[derive(Clone, Copy, Debug)]
pub struct Job {
    /// What the endpoints do.
    pub workload: Workload,
    /// How many endpoints there are.
    pub endpoints: u32,
    /// How many messages (or wakes, if idle) to wait for.
    pub units: u64,
}

/// What a message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// Please answer.
    Request,
    /// The answer.
    Answer,
    /// Please pass it on.
    Token,
}

/// A message: a word and a number, 16 bytes on every wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// What it says.
    pub word: Word,
    /// Which exchange it belongs to.
    pub number: u64,
}

impl Message {
    /// As it is sent.
    pub fn encode(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[0] = self.word as u8;
        bytes[8..].copy_from_slice(&self.number.to_le_bytes());
        bytes
    }

    /// As it was sent.
    ///
    /// # Panics
    /// If these are not the bytes of a message: no engine alters any.
    pub fn decode(bytes: &[u8]) -> Self {
        let word = match bytes[0] {
            0 => Word::Request,
            1 => Word::Answer,
            _ => Word::Token,
        };
        let number = u64::from_le_bytes(bytes[8..16].try_into().expect("16 bytes were sent"));
        Self { word, number }
    }
}

/// An endpoint as its program sees it.
pub trait Link: Clone {
    /// Sends one message; the network decides when it arrives.
    fn send(&mut self, to: u32, message: Message) -> impl Future<Output = ()>;
    /// The next message, and who sent it.
    fn receive(&mut self) -> impl Future<Output = (u32, Message)>;
    /// Waits.
    fn sleep(&mut self, time: Duration) -> impl Future<Output = ()>;
    /// A number below `below`, from the engine's own dice.
    fn random(&mut self, below: u32) -> u32;
}

/// What the endpoints have done so far, on one board for all.
pub struct Board {
    job: Job,
    units: AtomicU64,
    /// For each endpoint the number of its exchange, or of the tokens it has seen.
    progress: Vec<AtomicU64>,
}

impl Board {
    /// An empty board.
    pub fn new(job: Job) -> Arc<Self> {
        let progress = (0..job.endpoints).map(|_| AtomicU64::new(0)).collect();
        Arc::new(Self { job, units: AtomicU64::new(0), progress })
    }

    /// What is to be done.
    pub fn job(&self) -> Job {
        self.job
    }

    /// Counts messages or wakes.
    pub fn count(&self, units: u64) {
        self.units.fetch_add(units, Ordering::Relaxed);
    }

    /// How many were counted.
    pub fn units(&self) -> u64 {
        self.units.load(Ordering::Relaxed)
    }

    /// Whether the job is done.
    pub fn done(&self) -> bool {
        self.units() >= self.job.units
    }

    fn progress(&self, me: u32) -> u64 {
        self.progress[me as usize].load(Ordering::Relaxed)
    }

    fn advance(&self, me: u32) -> u64 {
        self.progress[me as usize].fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// The program of an endpoint; never ends.
pub async fn program<L: Link>(mut link: L, me: u32, board: Arc<Board>) {
    match board.job.workload {
        Workload::Ping => ping(&mut link, me, &board).await,
        Workload::Ring => ring(&mut link, me, &board).await,
        Workload::Idle => loop {
            link.sleep(IDLE_PERIOD).await;
            board.count(1);
        },
    }
}

/// Sends again what seems lost; never ends. Runs beside the program where messages are sent.
pub async fn watchdog<L: Link>(mut link: L, me: u32, board: Arc<Board>) {
    loop {
        let before = board.progress(me);
        link.sleep(PATIENCE).await;
        if board.progress(me) == before {
            begin(&mut link, me, &board, before).await;
        }
    }
}

/// The first message of an exchange.
async fn begin<L: Link>(link: &mut L, me: u32, board: &Board, number: u64) {
    let endpoints = board.job.endpoints;
    let (to, word) = match board.job.workload {
        Workload::Ping => ((me + 1 + link.random(endpoints - 1)) % endpoints, Word::Request),
        _ => ((me + 1) % endpoints, Word::Token),
    };
    link.send(to, Message { word, number }).await;
}

async fn ping<L: Link>(link: &mut L, me: u32, board: &Board) {
    begin(link, me, board, 0).await;
    loop {
        let (from, Message { word, number }) = link.receive().await;
        board.count(1);
        if word == Word::Request {
            link.send(from, Message { word: Word::Answer, number }).await;
        } else if number == board.progress(me) {
            // An answer that came twice has the number of an exchange that is over.
            let next = board.advance(me);
            begin(link, me, board, next).await;
        }
    }
}

async fn ring<L: Link>(link: &mut L, me: u32, board: &Board) {
    begin(link, me, board, 0).await;
    loop {
        let (_, message) = link.receive().await;
        board.count(1);
        board.advance(me);
        link.send((me + 1) % board.job.endpoints, message).await;
    }
}

/// A small generator for engines that bring none.
#[derive(Clone)]
pub struct XorShift(u64);

impl XorShift {
    /// The generator of one endpoint.
    pub fn new(endpoint: u32) -> Self {
        Self((u64::from(endpoint) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    /// A number below `below`, even enough for choosing peers.
    pub fn below(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((u128::from(self.0) * u128::from(below)) >> 64) as u64
    }
}
