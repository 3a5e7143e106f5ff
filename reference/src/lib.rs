//! A reference implementation of backup and restore for a DynamoDB-like service.
//!
//! The logic is pure ([`replication`], [`partition`], [`cut`], [`metadata`], [`node::Core`]): state
//! machines that take time and input and answer with outputs. A thin asynchronous shell
//! ([`node::serve`], [`router`], [`archive`], [`restore`]) carries them over one door,
//! [`env::Env`].
//! What partitions hold comes to rest in [`store`]; how requests and responses look to a client
//! stands in [`wire`].
//! Start at [`node`] for what one process does, and at [`cut`] for how a backup names its instant.
//!
//! What is absent: this crate has no clock, no dice and no I/O of its own, and it knows nothing of
//! simulation.

pub mod api;
pub mod archive;
pub mod cut;
pub mod env;
pub mod expression;
pub mod ids;
pub mod item;
pub mod machine;
pub mod metadata;
pub mod mutants;
pub mod node;
pub mod partition;
pub mod points;
pub mod rare;
pub mod replication;
pub mod restore;
pub mod router;
pub mod server;
pub mod store;
pub mod task;
pub mod wal;
pub mod wire;
