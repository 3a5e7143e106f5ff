//! A storage node: what one process does.
//!
//! [`Core`] is pure: it takes time and [`Input`]s, keeps the replicas that the node hosts, and asks
//! for outputs (messages, log records, replies, flows to start). The shell around it
//! ([`serve`]) is thin: it waits, and carries inputs and outputs through [`crate::env::Env`].
//!
//! ```text
//! network ─┐                          ┌─> messages, some only after the log is durable
//! flows   ─┼─> Input ─> Core::step ─> ┼─> log writer ─> fsync ─> Input::Persisted
//! timer   ─┘                          └─> flows (archive, restore, catalog work)
//! ```
//!
//! What was applied stays in memory until the next checkpoint writes it to [`crate::store`]; only
//! behind that may the log forget.

mod boot;
mod catalog;
mod checkpoint;
mod coordinator;
mod core;
mod data;
mod hold;
mod keeper;
mod log_writer;
mod message;
mod once;
mod query;
mod replicas;
pub(crate) mod service_times;
mod shell;
mod snapshot;
#[cfg(test)]
mod tests;
mod update;

pub use self::core::{Config, Core, Flow, Hosted, Input, Machine, Output};
pub use boot::{BootError, format, serve};
pub use checkpoint::{Found, Health, Image, ImageState};
pub use message::{
    Call, CallError, Caller, Envelope, HostSpec, Install, Kept, LogRecord, PartitionTarget,
    PeerMessage, Reply, Wire,
};
pub use shell::Shell;
