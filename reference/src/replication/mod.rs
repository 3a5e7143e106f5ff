//! Replication of one log over the members of a group, and the liveness of the nodes under it.
//!
//! Pure: no clock, no dice, no I/O. A [`Replica`] is one member's part in one group, a
//! [`Liveness`] is what one node knows about its peers. Heartbeats and leases belong to pairs of
//! nodes, never to partitions: an idle partition costs no message and no timer.
//!
//! The rules are Raft's (Ongaro and Ousterhout, 2014: terms, log matching, commitment in the
//! leader's own term, pre-vote), and leases as store liveness gives them: a follower promises its
//! leader's *node* that it will elect nobody else while that node is heard from.

mod appends;
mod election;
mod liveness;
mod log;
mod message;
mod replica;
#[cfg(test)]
mod tests;

pub use liveness::{Change, Heartbeat, Liveness};
pub use log::{Entry, Log, fitting};
pub use message::{Effects, Message, Record, Sender};
pub use replica::{Replica, Role, Surroundings};

/// Times that govern leadership. All are measured on monotonic clocks.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Between two heartbeats of one node to another.
    pub heartbeat_ns: u64,
    /// How long a heartbeat's promise holds on the side of the one who gave it.
    pub lease_ns: u64,
    /// How much earlier the one who received a promise stops to rely on it (clock drift).
    pub lease_margin_ns: u64,
    /// After this long without an acknowledgement an append is sent again.
    pub resend_ns: u64,
    /// After this long without a leader an election is tried again.
    pub election_ns: u64,
    /// Entries of one append message stop at this many bytes.
    pub append_bytes_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            heartbeat_ns: 100_000_000,
            lease_ns: 600_000_000,
            lease_margin_ns: 60_000_000,
            resend_ns: 60_000_000,
            election_ns: 150_000_000,
            append_bytes_max: 256 << 10,
        }
    }
}
