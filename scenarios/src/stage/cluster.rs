//! A cluster of the reference service in a world: three zones, nodes in each.

use super::client::Client;
use super::env::{SimEnv, host_of};
use super::recorder::Recorder;
use crate::report::Size;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use stillpoint_reference::env::{Env, Observed};
use stillpoint_reference::ids::NodeId;
use stillpoint_reference::metadata::{self, NodeInfo};
use stillpoint_reference::mutants::Mutants;
use stillpoint_reference::node::{BootError, Config, format, serve};
use stillpoint_reference::points;
use stillpoint_sim::{HostId, Topology, World};

/// How large a run is.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Storage nodes.
    pub nodes: u16,
    /// Partitions of the table.
    pub partitions: u32,
    /// Writes that clients make.
    pub writes: u32,
    /// Different keys.
    pub keys: u32,
    /// Bytes of an item's body.
    pub body_bytes: usize,
    /// Backups that are asked for.
    pub backups: u32,
    /// How long the load lasts.
    pub load_ns: u64,
    /// Items in one batch of a restore.
    pub restore_batch_items: usize,
    /// Writes that every partition gets while each of the backups is cut; zero: as chance has it.
    pub writes_in_cut: u32,
    /// Chains of writes, each made because of the one before, that begin with each request for a
    /// backup.
    pub chains_in_cut: u32,
}

impl Shape {
    /// The shape of a size.
    #[must_use]
    pub fn of(size: Size) -> Self {
        match size {
            Size::Small => Self {
                nodes: 3,
                partitions: 4,
                writes: 150,
                keys: 60,
                body_bytes: 100,
                backups: 1,
                load_ns: 1_500_000_000,
                restore_batch_items: 4,
                writes_in_cut: 0,
                chains_in_cut: 0,
            },
            Size::Standard => Self::of_nine(64, 2_000, 800),
            Size::Large => Self::of_nine(1_024, 6_000, 2_000),
            Size::Huge => Self::of_nine(4_096, 20_000, 8_000),
        }
    }

    /// Nine nodes with items of 900 bytes, as in Amazon's paper.
    fn of_nine(partitions: u32, writes: u32, keys: u32) -> Self {
        Self {
            nodes: 9,
            partitions,
            writes,
            keys,
            body_bytes: 900,
            backups: 2,
            load_ns: 3_000_000_000,
            restore_batch_items: 4,
            writes_in_cut: 0,
            chains_in_cut: 0,
        }
    }
}

/// The cluster on its world.
#[derive(Clone)]
pub struct Cluster {
    /// The machines of the nodes, in order.
    pub hosts: Vec<HostId>,
    /// What was committed.
    pub recorder: Rc<RefCell<Recorder>>,
    /// The clients.
    pub client: Client,
    /// The cluster as its nodes know it.
    pub layout: metadata::Cluster,
}

/// The names of the zones.
pub const ZONES: [&str; 3] = ["zone-a", "zone-b", "zone-c"];

impl Cluster {
    /// Boots `shape.nodes` nodes in three zones, each with the usual settings as `configure` leaves
    /// them.
    #[must_use]
    pub fn boot<M: Mutants>(
        world: &World,
        shape: Shape,
        configure: impl Fn(&mut Config),
        mutants: &M,
    ) -> Self {
        let hosts = world.build(&machines(shape.nodes));
        Self::boot_on(world, hosts, shape, configure, mutants)
    }

    /// The same on machines that are there, the first of the world and in three zones by turns.
    #[must_use]
    pub fn boot_on<M: Mutants>(
        world: &World,
        hosts: Vec<HostId>,
        shape: Shape,
        configure: impl Fn(&mut Config),
        mutants: &M,
    ) -> Self {
        let count = u16::try_from(hosts.len()).expect("a host's number has 16 bits");
        let zone = |node: u16| (node % 3) as u8;
        let nodes = (0..count).map(|it| NodeInfo { id: NodeId(it), zone: zone(it) });
        let layout = metadata::Cluster {
            nodes: nodes.collect(),
            partitions_on_demand: 4,
            partitions_max: 1 << 16,
            region: "us-east-1".to_owned(),
            account: "000000000000".to_owned(),
        };
        let recorder: Rc<RefCell<Recorder>> = Rc::default();
        for (node, host) in hosts.iter().enumerate() {
            assert_eq!(*host, host_of(NodeId(node as u16)), "nodes follow the driver, in order");
            let mut config = Config::new(NodeId(node as u16), layout.clone());
            config.restore_batch_items = shape.restore_batch_items;
            config.archive_interval_ns = 500_000_000;
            config.log_segment_bytes_max = 256 << 10;
            // Small enough for checkpoints, compactions and snapshots to happen in a short run.
            config.log_bytes_max = 128 << 10;
            config.log_retained_entries_max = 64;
            config.checkpoint_interval_ns = 700_000_000;
            config.snapshot_batch_bytes = 16 << 10;
            configure(&mut config);
            let (recorder, mutants) = (recorder.clone(), mutants.clone());
            // Whoever sets up a machine formats its disk once.
            let formatted: Rc<Cell<bool>> = Rc::default();
            world.boot(*host, move |process| {
                let (mut config, mutants) = (config.clone(), mutants.clone());
                set_as_released(&mut config, process.release());
                let env = SimEnv::new(process, count, recorder.clone());
                let formatted = formatted.clone();
                async move {
                    let why = run(&env, config, mutants, &formatted).await;
                    // Whoever looks after the machine ends the process; a disk that may work next
                    // time is tried again, one that is damaged is left to a person.
                    let name = match why.is_passing() {
                        true => points::STORAGE_FAILED,
                        false => points::STORAGE_REFUSED,
                    };
                    env.observe(Observed::Point { name, detail: 0 });
                }
            });
        }
        let counting = Rc::clone(&recorder);
        world.on_point(points::CUT_SEALED, move |_, _, _| counting.borrow_mut().end_count());
        let client = Client::new(world.driver(), hosts.clone());
        Self { hosts, recorder, client, layout }
    }
}

/// So many machines in three zones.
#[must_use]
pub fn machines(nodes: u16) -> Topology {
    let nodes = u64::from(nodes);
    let zones = ZONES.map(str::to_owned).to_vec();
    Topology { zones, machines: nodes..nodes + 1, ..Topology::default() }
}

/// What an upgrade changes: each bit of a release's number, other settings. Nodes of different
/// releases work together while it is under way.
fn set_as_released(config: &mut Config, release: u16) {
    let has = |bit: u16| release & (1 << bit) != 0;
    if has(0) {
        config.restore_batch_items = 1;
        config.snapshot_batch_bytes = 2 << 10;
        config.replication.append_bytes_max = 1 << 10;
    }
    if has(1) {
        config.checkpoint_interval_ns = 150_000_000;
        config.archive_interval_ns = 100_000_000;
        config.log_bytes_max = 32 << 10;
        config.log_retained_entries_max = 4;
    }
    if has(2) {
        config.archive_segment_bytes_max = 2 << 10;
        config.log_segment_bytes_max = 16 << 10;
    }
}

/// Runs a node, on a disk that is formatted if it never was: why it has ended.
async fn run<M: Mutants>(
    env: &SimEnv,
    config: Config,
    mutants: M,
    formatted: &Cell<bool>,
) -> BootError {
    if !formatted.get() {
        if let Err(why) = format(env, &config).await {
            return why;
        }
        formatted.set(true);
    }
    let Err(why) = serve(env.clone(), config, mutants).await;
    why
}
