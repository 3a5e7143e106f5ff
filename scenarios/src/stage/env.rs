//! The service's door to the world, opened onto the simulator.

use super::recorder::Recorder;
use bytes::Bytes;
use std::cell::RefCell;
use std::io;
use std::ops::Range;
use std::rc::Rc;
use std::task::{Context, Poll};
use stillpoint_reference::env::{Address, Env, File, ObjectError, Observed};
use stillpoint_reference::ids::NodeId;
use stillpoint_sim as sim;

/// One node's environment. Hosts with numbers below `nodes` are the nodes, in order.
#[derive(Clone)]
pub struct SimEnv {
    host: sim::Host,
    nodes: u16,
    recorder: Rc<RefCell<Recorder>>,
}

impl SimEnv {
    /// The environment of the process behind `host`.
    #[must_use]
    pub fn new(host: sim::Host, nodes: u16, recorder: Rc<RefCell<Recorder>>) -> Self {
        Self { host, nodes, recorder }
    }

    fn address(&self, host: sim::HostId) -> Address {
        match host.0.checked_sub(1) {
            Some(node) if node < self.nodes => Address::Node(NodeId(node)),
            _ => Address::Client(u64::from(host.0)),
        }
    }

    /// Whoever draws from all numbers wants one that nobody else has. On a tape that mutes the
    /// draw it is 0 each time, and two tables with one identity are not simpler than two tables.
    fn identity(&self) -> u64 {
        self.host.now_ns() << 16 | u64::from(self.host.id().0)
    }
}

/// The host of a node: the driver is host 0, nodes follow.
#[must_use]
pub fn host_of(node: NodeId) -> sim::HostId {
    sim::HostId(node.0 + 1)
}

fn object_error(error: sim::ObjectError) -> ObjectError {
    match error {
        sim::ObjectError::NotFound => ObjectError::NotFound,
        sim::ObjectError::AlreadyExists => ObjectError::AlreadyExists,
        // Neither had an effect, and both are worth another try later.
        sim::ObjectError::SlowDown | sim::ObjectError::Refused => ObjectError::SlowDown,
        sim::ObjectError::Timeout => ObjectError::Timeout,
    }
}

/// A file on a simulated disk.
#[derive(Clone)]
pub struct SimFile(sim::File);

impl File for SimFile {
    async fn append(&self, bytes: Bytes) -> io::Result<()> {
        self.0.append(bytes).await.map(drop)
    }

    async fn read_all(&self) -> io::Result<Bytes> {
        let len = self.0.len().await?;
        self.read_at(0, usize::try_from(len).expect("files fit into memory")).await
    }

    async fn truncate(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len).await
    }

    async fn write_at(&self, offset: u64, bytes: Bytes) -> io::Result<()> {
        self.0.write_at(offset, bytes).await
    }

    async fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        let mut read = self.0.read_at(offset, len).await?;
        // A read may give fewer bytes than there are; only none says that the file ends.
        while read.len() < len {
            let rest = (offset + read.len() as u64, len - read.len());
            let more = self.0.read_at(rest.0, rest.1).await?;
            if more.is_empty() {
                break;
            }
            read = [read, more].concat().into();
        }
        Ok(read)
    }

    fn read_now(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        let mut read = self.0.read_now(offset, len)?;
        while read.len() < len {
            let more = self.0.read_now(offset + read.len() as u64, len - read.len())?;
            if more.is_empty() {
                break;
            }
            read = [read, more].concat().into();
        }
        Ok(read)
    }

    async fn pay_read(&self, offset: u64, len: usize) {
        // Whether the bytes could be read was known when they were asked for.
        let _ = self.0.read_at(offset, len).await;
    }

    async fn size(&self) -> io::Result<u64> {
        self.0.len().await
    }

    fn in_background(&self) -> Self {
        Self(self.0.in_background())
    }

    async fn sync(&self) -> io::Result<()> {
        self.0.sync().await
    }
}

impl Env for SimEnv {
    type File = SimFile;

    fn now_ns(&self) -> u64 {
        self.host.now_ns()
    }

    fn wall_ms(&self) -> u64 {
        self.host.wall_ms()
    }

    fn sleep_until(&self, deadline_ns: u64) -> impl Future<Output = ()> + 'static {
        self.host.sleep_until(deadline_ns)
    }

    fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + 'static) {
        self.host.spawn(name, task);
    }

    fn draw(&self, concern: &'static str, bound: u64) -> u64 {
        match self.host.dice(concern).range(0..bound.max(1)) {
            0 if bound == u64::MAX => self.identity(),
            drawn => drawn,
        }
    }

    fn work(&self, cost_ns: u64) -> impl Future<Output = ()> {
        self.host.work(cost_ns)
    }

    fn work_in_background(&self, cost_ns: u64) -> impl Future<Output = ()> {
        self.host.work_in_background(cost_ns)
    }

    fn send(&self, to: Address, payload: Bytes) {
        let to = match to {
            Address::Node(node) => host_of(node),
            Address::Client(host) => sim::HostId(u16::try_from(host).expect("a host's number")),
        };
        self.host.send(to, payload);
    }

    fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<(Address, Bytes)> {
        self.host.poll_receive(cx).map(|(from, payload)| (self.address(from), payload))
    }

    async fn create_dir(&self, dir: &str) -> io::Result<()> {
        match self.host.disk().create_dir(dir).await {
            Err(why) if why.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        }
    }

    async fn create(&self, path: &str) -> io::Result<SimFile> {
        self.host.disk().create(path).await.map(SimFile)
    }

    async fn open(&self, path: &str) -> io::Result<SimFile> {
        self.host.disk().open(path).await.map(SimFile)
    }

    async fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        self.host.disk().list(dir).await
    }

    async fn remove(&self, path: &str) -> io::Result<()> {
        self.host.disk().remove(path).await
    }

    async fn sync_dir(&self, dir: &str) -> io::Result<()> {
        self.host.disk().sync_dir(dir).await
    }

    async fn put_if_absent(&self, key: &str, object: Bytes) -> Result<(), ObjectError> {
        self.host.objects().put_if_absent(key, object).await.map_err(object_error)
    }

    async fn get(&self, key: &str) -> Result<Bytes, ObjectError> {
        self.host.objects().get(key).await.map_err(object_error)
    }

    async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes, ObjectError> {
        self.host.objects().get_range(key, range).await.map_err(object_error)
    }

    async fn delete(&self, key: &str) -> Result<(), ObjectError> {
        self.host.objects().delete(key).await.map_err(object_error)
    }

    fn rarely(&self, place: &'static str) -> bool {
        self.host.buggify(place)
    }

    fn observe(&self, seen: Observed<'_>) {
        match seen {
            Observed::Point { name, detail } => self.host.point(name, detail),
            Observed::Committed { table, partition, index, term, payload } => {
                let mut recorder = self.recorder.borrow_mut();
                recorder.committed(table, partition, index, term, payload);
            }
        }
    }
}
