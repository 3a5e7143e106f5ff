//! Where stories are told: the reference service on the simulated world, clients, and a record of
//! what the world saw being committed.
//!
//! This is the only place that knows both the service and the simulator.

mod client;
mod cluster;
mod env;
mod faults;
mod recorder;

pub use client::{Answer, Client, Unanswered};
pub use cluster::{Cluster, Shape};
pub use env::SimEnv;
pub use faults::{Faults, Restart};
pub use recorder::Recorder;
