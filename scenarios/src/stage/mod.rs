//! Where stories are told: the reference service on the simulated world, clients, and a record of
//! what the world saw being committed.
//!
//! This is the only place that knows both the service and the simulator.

mod availability;
mod burst;
mod client;
mod cluster;
pub mod contents;
mod deletion;
mod env;
mod faults;
mod operator;
mod phases;
mod query;
mod recorder;
mod session;
mod transcript;
pub mod workload;

pub use availability::time_to_available_ns;
pub use client::{Answer, Client, Unanswered, within};
pub use cluster::{Cluster, Shape, ZONES, machines};
pub use env::{SimEnv, host_of};
pub use faults::{
    FAILING_DISK, Faults, STORE_IS_SILENT, STORE_REFUSES, checkpoint_file, draw_down_ns,
};
pub use operator::{Operator, operate, operate_with};
pub use phases::{is_a_burden, phase_of};
pub use recorder::{Recorder, key_name};
pub use session::{BackupTaken, Restored, Session, TABLE, WAIT_NS_MAX};
pub use transcript::Transcript;
