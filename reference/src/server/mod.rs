//! The server: one node with everything in it, on real files, behind AWS JSON 1.0 over HTTP.
//!
//! [`run`] owns a data directory from start to stop. What a request means is decided by
//! [`crate::wire`] and [`crate::router`]; `http` carries it there and back, `gate` is the way to
//! the node, `directory` sees to it that one process owns the files.

mod directory;
mod gate;
mod http;

pub use http::{Limits, Listener};

use crate::env::{Address, Env, ObjectError, Observed};
use crate::ids::NodeId;
use crate::machine::{Disk, Folder, MachineEnv, Objects, Observer, Resources};
use crate::metadata::{Cluster, NodeInfo};
use crate::mutants::Mutants;
use crate::node::{self, BootError};
use crate::points;
use bytes::Bytes;
use directory::Directory;
use gate::Gate;
use std::convert::Infallible;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::LocalSet;

/// The Region and the account in the ARNs of a server; DynamoDB local uses the same account.
const REGION: &str = "us-east-1";
const ACCOUNT: &str = "000000000000";

/// However much throughput a table asks for: one machine has only so much.
const PARTITIONS_MAX: u32 = 64;

/// How long a process that ends waits for the disk.
const DISK_PATIENCE: Duration = Duration::from_secs(30);

/// How a server is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// The directory of all data; it is made if it is missing.
    pub data: PathBuf,
    /// Where to listen: a loopback address. Port 0 takes one that is free.
    pub listen: SocketAddr,
    /// How many partitions a table begins with.
    pub partitions: u32,
    /// What clients may ask of it.
    pub limits: Limits,
    /// Changes the node's usual settings: tests have checkpoints and the like happen sooner.
    pub tune: fn(&mut node::Config),
}

impl Options {
    /// The usual settings.
    #[must_use]
    pub fn new(data: &Path, listen: SocketAddr) -> Self {
        Self {
            data: data.to_owned(),
            listen,
            partitions: 4,
            limits: Limits::default(),
            tune: |_| {},
        }
    }
}

/// Why a server could not start, or could not go on.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address can be reached from other machines.
    #[error(
        "{0} can be reached from other machines, and any credentials are accepted here: \
         listen on a loopback address such as 127.0.0.1"
    )]
    NotLoopback(SocketAddr),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {why}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        why: io::Error,
    },
    /// The directory cannot be used.
    #[error("cannot use {}: {why}", path.display())]
    Directory {
        /// The directory, or what in it.
        path: PathBuf,
        /// What the operating system said.
        why: io::Error,
    },
    /// Another process uses the directory.
    #[error("another process uses {}: stop it, or give another --data", .0.display())]
    InUse(PathBuf),
    /// The archive cannot be used.
    #[error("cannot use the archive in {}: {why}", path.display())]
    Archive {
        /// Its directory.
        path: PathBuf,
        /// What the object store said.
        why: ObjectError,
    },
    /// The machine lacks something else.
    #[error("this machine cannot run a server: {0}")]
    Machine(io::Error),
    /// The node could not start, or its storage failed.
    #[error(transparent)]
    Node(#[from] BootError),
    /// A bug: nothing that was acknowledged is lost, but this process cannot go on.
    #[error("the server has a bug and stopped: {0}")]
    Panicked(String),
}

/// Serves until `stop` is ready; then what is under way is answered first.
///
/// `listening` is told the address once requests are answered; `disk`, if given, stands in for the
/// files of the directory. Blocks this thread.
///
/// # Errors
/// The server could not start, or could not go on. What was acknowledged is on the disk.
pub fn run<M: Mutants>(
    options: Options,
    mutants: M,
    disk: Option<Arc<dyn Disk>>,
    listening: impl FnOnce(SocketAddr),
    stop: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    if !options.listen.ip().is_loopback() {
        return Err(ServeError::NotLoopback(options.listen));
    }
    let directory = Directory::open(&options.data)?;
    let disk = disk.unwrap_or_else(|| Arc::new(Folder::new(&directory.node())));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(ServeError::Machine)?;
    let local = LocalSet::new();
    let serving = serve(options, &directory, mutants, disk, listening, stop);
    let outcome = local.block_on(&runtime, serving);
    drop(local);
    // What was begun on the disk goes on in threads of its own, and nobody else may open the
    // directory before it has ended.
    runtime.shutdown_timeout(DISK_PATIENCE);
    drop(directory);
    outcome
}

async fn serve<M: Mutants>(
    options: Options,
    directory: &Directory,
    mutants: M,
    disk: Arc<dyn Disk>,
    listening: impl FnOnce(SocketAddr),
    stop: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let address = options.listen;
    let listener = TcpListener::bind(address).await;
    let listener = listener.map_err(|why| ServeError::Listen { address, why })?;
    let address = listener.local_addr().map_err(ServeError::Machine)?;
    let (to_node, incoming) = mpsc::unbounded_channel();
    let (outgoing, from_node) = mpsc::unbounded_channel();
    let (panicked, mut panic) = mpsc::unbounded_channel();
    let archive = directory.archive();
    let objects = Objects::in_directory(&archive);
    let objects = objects.map_err(|why| ServeError::Archive { path: archive, why })?;
    let gate = Rc::new(Gate::new(to_node));
    let observer = tell(Rc::clone(&gate));
    let resources = Resources { disk, objects, incoming, outgoing, observer, panicked };
    let env = MachineEnv::new(resources).map_err(ServeError::Machine)?;
    let run = env.draw("server.run", u64::MAX);
    let mut config = config(options.partitions);
    (options.tune)(&mut config);
    if !directory.is_formatted() {
        node::format(&env, &config).await?;
        directory.note_formatted()?;
    }
    let node = node::serve(env, config, mutants);
    let mut stop = pin!(stop);
    let serving = async {
        let began = tokio::select! {
            biased;
            () = &mut stop => false,
            () = gate.await_leader() => true,
        };
        if began {
            listening(address);
            http::serve(listener, Rc::clone(&gate), options.limits, run, stop).await;
        }
    };
    tokio::select! {
        biased;
        Some(message) = panic.recv() => Err(ServeError::Panicked(message)),
        failed = node => {
            let failed: Result<Infallible, BootError> = failed;
            let Err(why) = failed;
            Err(why.into())
        }
        () = gate.take_answers(from_node) => Ok(()),
        () = serving => Ok(()),
    }
}

/// HTTP alone, before a node that is elsewhere: what clients ask goes to `to_node` as datagrams of
/// one client, and `from_node` is what the node sends to it. Serves until `stop` is ready.
///
/// A request whose datagram is lost is never answered; what clients do then is up to them. `run`
/// tells the ids of requests in this run from those in others. Must be called in a
/// [`LocalSet`].
pub async fn serve_apart(
    listener: impl Listener,
    limits: Limits,
    run: u64,
    to_node: mpsc::UnboundedSender<(Address, Bytes)>,
    from_node: mpsc::UnboundedReceiver<(Address, Bytes)>,
    stop: impl Future<Output = ()>,
) {
    let gate = Rc::new(Gate::new(to_node));
    tokio::select! {
        biased;
        () = gate.take_answers(from_node) => {}
        () = http::serve(listener, Rc::clone(&gate), limits, run, stop) => {}
    }
}

/// One node that is a cluster by itself.
fn config(partitions: u32) -> node::Config {
    let me = NodeId(0);
    let cluster = Cluster {
        nodes: vec![NodeInfo { id: me, zone: 0 }],
        partitions_on_demand: partitions,
        partitions_max: PARTITIONS_MAX.max(partitions),
        region: REGION.to_owned(),
        account: ACCOUNT.to_owned(),
    };
    // A batch waits for one sync of the disk, and holds up others for the time that it takes to
    // apply it: about a millisecond.
    node::Config { restore_batch_items: 1_024, ..node::Config::new(me, cluster) }
}

/// Says what a person who watches the server would want to know, and closes the gate to writes
/// while the disk is full.
fn tell(gate: Rc<Gate>) -> Observer {
    Box::new(move |seen| {
        let Observed::Point { name, .. } = *seen else { return };
        match name {
            points::CHECKPOINT_LOST => {
                say("the items at rest were damaged; they are built from the log again");
            }
            points::DISK_FULL if !gate.is_full() => {
                gate.set_full(true);
                say("the disk is full: writes are refused until there is space");
            }
            points::DISK_HAS_SPACE => {
                gate.set_full(false);
                say("the disk has space again");
            }
            _ => {}
        }
    })
}

/// On standard error, if anybody listens.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "stillpoint: {line}");
}
