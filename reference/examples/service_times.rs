//! How long a node of the service computes for what it does, measured on this machine: prints the
//! table that stands in `src/node/service_times.rs`.
//!
//! Three cores exchange real datagrams, one message in each. What is timed for a message is what a
//! node spends on it: reading the datagram, the step, writing what follows from it, log records
//! with their checksums among it. System calls are measured beside that, on the loopback device.
//! The median counts, so that other programs on the machine do not.

use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::net::UdpSocket;
use stillpoint_reference::api::{PutItemInput, Request};
use stillpoint_reference::archive::format::{Chunk, ChunkRef, LogEntry, SegmentBuilder};
use stillpoint_reference::ids::{
    Attempt, BackupId, Epoch, HashRange, Incarnation, Index, NodeId, PartitionId, TableId,
};
use stillpoint_reference::item::ScalarAttributeType;
use stillpoint_reference::item::{AttributeValue, Item, KeySchema, PrimaryKey};
use stillpoint_reference::metadata::{Cluster, NodeInfo};
use stillpoint_reference::mutants::NoMutants;
use stillpoint_reference::node::{
    Call, Config, Core, Envelope, Found, HostSpec, Input, LogRecord, Output, PeerMessage, Wire,
};
use stillpoint_reference::partition::{Command, ItemKey, Partition, RequestId, Write, encode_item};
use stillpoint_reference::replication::{Message, Sender};
use stillpoint_reference::{cut, wal};

const STRANGER: NodeId = NodeId(99);
const PARTITIONS: u64 = 64;
const ROUNDS: u64 = 3_000;

/// Times of one kind of thing, in nanoseconds.
type Times = BTreeMap<&'static str, Vec<u64>>;

fn main() {
    let (small, large) = (measure(16), measure(16 + 4_096));
    println!("{:24} {:>8} {:>12}", "what", "ns", "ns per KiB");
    for (what, times) in &small {
        let base_ns = median(times);
        let slope_ns = large.get(what).map_or(0, |it| median(it).saturating_sub(base_ns) / 4);
        println!("{what:24} {base_ns:>8} {slope_ns:>12}");
    }
    for (what, ns) in system_calls().into_iter().chain(archive()) {
        println!("{what:24} {ns:>8} {:>12}", "-");
    }
}

fn median(times: &[u64]) -> u64 {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() / 2].saturating_sub(clock_ns())
}

/// What asking for the time costs by itself.
fn clock_ns() -> u64 {
    let mut times: Vec<u64> = (0..1_000).map(|_| timed(|| ()).1).collect();
    times.sort_unstable();
    times[500]
}

#[expect(clippy::disallowed_methods, reason = "this measures the machine, not the world")]
fn timed<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let begun = std::time::Instant::now();
    let done = work();
    (done, begun.elapsed().as_nanos() as u64)
}

/// Every kind of message, with items that have `body_bytes`.
fn measure(body_bytes: usize) -> Times {
    let mut nodes = Nodes::new();
    for round in 0..ROUNDS {
        let key = item_key(round);
        let partition = PartitionId(1 + round % PARTITIONS);
        let leader = (partition.0 % 3) as usize;
        let item = Some(encode_item(&item(round, body_bytes)));
        let request = RequestId(round);
        let (condition, return_old) = (None, false);
        let write =
            Call::Write { partition, request, key: key.clone(), item, condition, return_old };
        nodes.call_through((leader + 1) % 3, leader, round, write);
        let get = Call::Get { partition, key, consistent: true };
        nodes.call_through((leader + 1) % 3, leader, ROUNDS + round, get);
        nodes.time(1);
        let (_, ns) = timed(|| route(round, body_bytes));
        nodes.times.entry("request").or_default().push(ns);
        if round % 100 == 99 {
            nodes.cut(round);
        }
    }
    nodes.times
}

/// What a router does for a request before it calls, and with the answer behind it.
fn route(round: u64, body_bytes: usize) -> usize {
    let request = Request::PutItem(PutItemInput::new("orders", item(round, body_bytes)));
    let sent = Wire::Request { id: round, request: Box::new(request) }.encode();
    let Ok(Wire::Request { request, .. }) = Wire::decode(&sent) else {
        panic!("it was just encoded")
    };
    let Request::PutItem(input) = *request else { panic!("a put was encoded") };
    input.validate().expect("a valid put");
    let schema = KeySchema::simple("pk", ScalarAttributeType::S);
    let key = ItemKey::new(schema.key_of(&input.item).expect("it has a key"));
    encode_item(&input.item).len() + key.primary.partition.len()
}

fn item(round: u64, body_bytes: usize) -> Item {
    let mut item = Item::new();
    item.insert("pk".into(), AttributeValue::S(format!("user-{round}")));
    item.insert("w".into(), AttributeValue::S(format!("c1.{round}")));
    item.insert("body".into(), AttributeValue::B(vec![7; body_bytes].into()));
    item
}

fn item_key(round: u64) -> ItemKey {
    let partition = Bytes::from(format!("user-{round}"));
    ItemKey::new(PrimaryKey { partition, sort: Bytes::new() })
}

/// Three nodes, their mail, and a clock that the measurement moves.
struct Nodes {
    cores: Vec<Core<NoMutants>>,
    now_ns: u64,
    mail: VecDeque<(usize, NodeId, Bytes)>,
    written: [u64; 3],
    persisted: [u64; 3],
    times: Times,
}

impl Nodes {
    fn new() -> Self {
        let nodes = (0..3).map(|it| NodeInfo { id: NodeId(it), zone: it as u8 }).collect();
        let (region, account) = ("local".into(), "000000000000".into());
        let cluster =
            Cluster { nodes, partitions_on_demand: 1, partitions_max: 1 << 16, region, account };
        let core = |node| {
            let config = Config::new(NodeId(node), cluster.clone());
            Core::new(config, NoMutants, Found::nothing(), Incarnation(1), 0)
        };
        let mut it = Self {
            cores: (0..3).map(core).collect(),
            now_ns: 0,
            mail: VecDeque::new(),
            written: [0; 3],
            persisted: [0; 3],
            times: Times::new(),
        };
        let specs: Vec<HostSpec> = (1..=PARTITIONS).map(spec).collect();
        for node in 0..3 {
            it.say(node, PeerMessage::Call(0, Box::new(Call::Host(specs.clone()))));
        }
        it.time(2_000);
        it.times.clear();
        it
    }

    fn step(&mut self, node: usize, kind: &'static str, datagram: Option<(NodeId, &Bytes)>) {
        let input = |wire: Wire, from| match wire {
            Wire::Peer(envelope) => Input::Peer(from, envelope),
            _ => panic!("only nodes speak here"),
        };
        let (core, now_ns) = (&mut self.cores[node], self.now_ns);
        let lsn = self.written[node];
        let ((mail, records), ns) = timed(|| {
            let mut out = Output::default();
            let input = match (datagram, kind) {
                (Some((from, it)), _) => input(Wire::decode(it).expect("well formed"), from),
                (None, "persisted") => Input::Persisted(lsn),
                (None, _) => Input::Tick,
            };
            core.step(now_ns, 0, input, &mut out);
            carry_out(core, out, lsn)
        });
        self.written[node] += records;
        self.times.entry(kind).or_default().push(ns);
        self.mail
            .extend(mail.into_iter().map(|(to, it)| (usize::from(to.0), NodeId(node as u16), it)));
    }

    fn say(&mut self, node: usize, message: PeerMessage) {
        let sender = Sender { incarnation: Incarnation(1), promise: 0 };
        let envelope = Envelope { sender, number: 0, messages: vec![message] };
        self.mail.push_back((node, STRANGER, Wire::Peer(envelope).encode()));
        self.run();
    }

    /// A router on one node has another carry out a call.
    fn call_through(&mut self, router: usize, leader: usize, id: u64, call: Call) {
        let (core, now_ns) = (&mut self.cores[router], self.now_ns);
        let (mail, ns) = timed(|| {
            let mut out = Output::default();
            let input = Input::Call(id, NodeId(leader as u16), Box::new(call));
            core.step(now_ns, 0, input, &mut out);
            carry_out(core, out, 0).0
        });
        self.times.entry("call").or_default().push(ns);
        let from = NodeId(router as u16);
        self.mail.extend(mail.into_iter().map(|(to, it)| (usize::from(to.0), from, it)));
        self.run();
    }

    /// A cut that is never confirmed: its holds are released.
    fn cut(&mut self, round: u64) {
        let (backup, attempt) = (BackupId(round), Attempt(round));
        for node in 0..3u64 {
            let led = (1..=PARTITIONS).filter(|it| it % 3 == node);
            let partitions = led.map(|it| (PartitionId(it), Epoch(1))).collect();
            let mark = cut::Message::Mark { backup, attempt, hold_ns: 1_000_000, partitions };
            self.say(node as usize, PeerMessage::Cut(mark));
            self.say(node as usize, PeerMessage::Cut(cut::Message::Release { backup, attempt }));
        }
    }

    fn run(&mut self) {
        loop {
            for node in 0..3 {
                if self.persisted[node] < self.written[node] {
                    self.persisted[node] = self.written[node];
                    self.step(node, "persisted", None);
                }
            }
            let Some((to, from, datagram)) = self.mail.pop_front() else { break };
            if to < 3 {
                self.step(to, kind_of(&datagram), Some((from, &datagram)));
            }
        }
    }

    fn time(&mut self, time_ms: u64) {
        for _ in 0..time_ms {
            self.now_ns += 1_000_000;
            for node in 0..3 {
                if self.cores[node].deadline_ns() <= self.now_ns {
                    self.step(node, "tick", None);
                }
            }
            self.run();
        }
    }
}

fn spec(partition: u64) -> HostSpec {
    let leader = partition % 3;
    let members = (0..3).map(|it| NodeId(((leader + it) % 3) as u16)).collect();
    let (table, range, epoch) = (TableId(1), HashRange { start: 0, end: u64::MAX }, Epoch(1));
    HostSpec { table, partition: PartitionId(partition), range, epoch, members }
}

/// What the shell and the log writer make of an output: datagrams, and how many log records.
fn carry_out(core: &Core<NoMutants>, out: Output, lsn: u64) -> (Vec<(NodeId, Bytes)>, u64) {
    let mut batch = Vec::new();
    let records = out.log.len() as u64;
    for (n, record) in (1..).zip(&out.log) {
        let payload = postcard_of(record);
        wal::append_record(&mut batch, lsn + n, lsn, 1, &payload);
    }
    std::hint::black_box(batch);
    let datagram = |(to, messages)| {
        let sender = core.liveness().signature(to);
        (to, Wire::Peer(Envelope { sender, number: 0, messages }).encode())
    };
    (out.messages.into_iter().map(datagram).collect(), records)
}

fn postcard_of(record: &LogRecord) -> Vec<u8> {
    postcard::to_stdvec(record).expect("a record is plain data")
}

fn kind_of(datagram: &Bytes) -> &'static str {
    let Ok(Wire::Peer(envelope)) = Wire::decode(datagram) else { return "other" };
    match envelope.messages.as_slice() {
        [PeerMessage::Heartbeat(_)] => "heartbeat",
        [PeerMessage::Replica(_, Message::Append { .. })] => "append",
        [PeerMessage::Replica(_, Message::Appended { .. })] => "appended",
        [PeerMessage::Replica(_, Message::Committed { .. })] => "committed",
        [PeerMessage::Cut(cut::Message::Mark { .. })] => "mark of 21 partitions",
        [PeerMessage::Call(_, call)] if matches!(**call, Call::Write { .. }) => "write",
        [PeerMessage::Call(_, call)] if matches!(**call, Call::Get { .. }) => "get",
        [PeerMessage::Reply(..)] => "reply",
        _ => "other",
    }
}

/// A kilobyte of log on its way into a segment of the archive, and out of it into a table.
fn archive() -> [(&'static str, u64); 2] {
    const ENTRIES: u64 = 1_000;
    let entries: Vec<LogEntry> = (1..=ENTRIES).map(entry).collect();
    let (mut building, mut replaying) = (Vec::new(), Vec::new());
    for _ in 0..20 {
        let entries = entries.clone();
        let ((object, chunk), ns) = timed(|| {
            let mut segment = SegmentBuilder::new(1, "key".to_owned());
            segment.push(1, 0, entries).expect("a log without holes");
            let (object, chunks) = segment.finish();
            (object, chunks[0].1.clone())
        });
        building.push(ns / ENTRIES);
        let bytes = object.slice(chunk.offset as usize..(chunk.offset + chunk.len) as usize);
        let ((), ns) = timed(|| replay(&chunk, &bytes));
        replaying.push(ns / ENTRIES);
    }
    [("archive a KiB", median(&building)), ("replay a KiB", median(&replaying))]
}

/// A log entry that puts an item of a kilobyte.
fn entry(index: u64) -> LogEntry {
    let item = Some(encode_item(&item(index, 1_000)));
    let write = Write { request: RequestId(index), key: item_key(index), item };
    LogEntry { term: 1, index, payload: Command::Write(write).encode() }
}

fn replay(reference: &ChunkRef, bytes: &Bytes) {
    let range = HashRange { start: 0, end: u64::MAX };
    let mut state = Partition::new(PartitionId(1), TableId(1), range, Epoch(1));
    let chunk = Chunk::decode(1, 1, reference, bytes).expect("it was just built");
    for LogEntry { index, payload, .. } in chunk.entries {
        state.apply(Index(index), &payload).expect("a log of puts");
    }
}

/// Sending and receiving a datagram of a kilobyte on the loopback device.
fn system_calls() -> [(&'static str, u64); 2] {
    let (sender, receiver) = (socket(), socket());
    let to = receiver.local_addr().expect("it is bound");
    let (mut sends, mut receives) = (Vec::new(), Vec::new());
    for _ in 0..20_000 {
        let sent = timed(|| sender.send_to(&[0; 1_024], to).expect("loopback takes it"));
        let mut buffer = [0; 2_048];
        let received = timed(|| receiver.recv_from(&mut buffer).expect("it was sent"));
        sends.push(sent.1);
        receives.push(received.1);
    }
    [("send a datagram", median(&sends)), ("receive a datagram", median(&receives))]
}

fn socket() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").expect("the loopback device is there")
}
