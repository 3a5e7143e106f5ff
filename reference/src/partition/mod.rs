//! One partition of a table: the state that its replicated log builds, and what its leader adds.
//!
//! [`Partition`] is the state machine that every replica runs: items behind [`ItemStore`], markers
//! of cuts, what has been archived, how far a restore has come. [`Lead`] is what only a leader
//! has: uncommitted writes, who waits for them, the hold of a cut. Both are pure. Replication is
//! [`crate::replication`]'s, and the node glues the two together.

mod command;
mod lead;
mod state;
mod store;
#[cfg(test)]
mod tests;

pub use command::{Command, ItemKey, RequestId, Write};
pub use lead::{Evaluated, Hold, Lead, Marker, Queued, Waiter, decode_item, encode_item};
pub use state::{Notes, Partition, RestoreProgress};
pub use store::{Change, ItemStore, LayeredStore, StoreFault};
