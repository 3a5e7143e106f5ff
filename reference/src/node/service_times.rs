//! How long a node computes for what it does, in nanoseconds, so that in a simulated world it
//! takes that long.
//!
//! Measured on the real code on 2026-11-23 (Linux, one of two shared cores, median of thousands)
//! with `cargo run --release -p stillpoint-reference --example service_times`. A time is that of
//! the whole: reading the message, the step, log records and messages that follow from it. What is
//! rare and not listed costs as much as the average of all other messages. What a figure is *of*
//! stands beside it; that code is faster on another machine changes nothing that is promised.

use super::core::{Input, Output};
use super::message::{Call, Envelope, PeerMessage};
use crate::cut;
use crate::env::Address;
use crate::replication::Message;

/// The system call that receives a datagram.
const RECEIVE_NS: u64 = 610;
/// The system call that sends one.
const SEND_NS: u64 = 2_620;
/// A router reads a client's request, checks it, and finds its partition.
const REQUEST_NS: u64 = 1_140;
/// For each KiB of a request.
const REQUEST_KIB_NS: u64 = 560;
/// For each KiB between nodes: read, copied, checksummed and written again.
const PEER_KIB_NS: u64 = 140;
/// A router has another node carry out a call.
const CALL_NS: u64 = 280;
/// A leader appends a write.
const WRITE_NS: u64 = 1_700;
/// For each KiB of an item that is written: for the call, the log and two followers.
const WRITE_KIB_NS: u64 = 2_150;
/// A leader or a follower reads an item.
const GET_NS: u64 = 560;
/// A follower takes an append of one entry.
const APPEND_NS: u64 = 600;
/// A leader hears that an append is durable, and commits and applies what is decided by that.
const APPENDED_NS: u64 = 500;
/// A follower hears of a commit and applies it.
const COMMITTED_NS: u64 = 620;
/// The log is durable: what waited for it goes on.
const PERSISTED_NS: u64 = 330;
/// The answer to a call comes back to the router; its client is answered.
const REPLY_NS: u64 = 130;
/// A heartbeat is taken in.
const HEARTBEAT_NS: u64 = 130;
/// For each partition of a message of the cut: a marker is appended, as a write is.
const CUT_PARTITION_NS: u64 = 1_550;
/// Any other message, and whatever was not measured by itself.
const OTHER_NS: u64 = 740;
/// What is due is done, heartbeats to two peers among it.
const TICK_NS: u64 = 4_300;
/// A KiB of log becomes part of a segment of the archive.
const ARCHIVE_KIB_NS: u64 = 340;
/// A KiB of log out of the archive is replayed.
const REPLAY_KIB_NS: u64 = 550;

/// A checkpoint puts one item to rest. Measured with the store's own tests, in batches of 256:
/// `cargo test -p stillpoint-reference --lib store:: -- --nocapture --test-threads=1`.
const AT_REST_NS: u64 = 3_500;

/// A checkpoint puts so many items to rest.
pub(super) fn of_checkpoint(items: usize) -> u64 {
    items as u64 * AT_REST_NS
}

/// A datagram of so many bytes arrives.
pub(super) fn of_datagram(from: Address, bytes: usize) -> u64 {
    match from {
        Address::Client(_) => RECEIVE_NS + REQUEST_NS + kib(bytes, REQUEST_KIB_NS),
        Address::Node(_) => RECEIVE_NS + kib(bytes, PEER_KIB_NS),
    }
}

/// A step takes this in.
pub(super) fn of_input(input: &Input) -> u64 {
    match input {
        Input::Peer(_, Envelope { messages, .. }) => messages.iter().map(of_message).sum(),
        Input::Call(..) => CALL_NS,
        Input::Persisted(_) => PERSISTED_NS,
        Input::Tick => TICK_NS,
    }
}

/// What a step asked for is sent: to other nodes, and to clients whose calls are answered.
pub(super) fn of_output(out: &Output) -> u64 {
    (out.messages.len() + out.replies.len()) as u64 * SEND_NS
}

/// So many bytes of log are made ready for the archive.
pub(crate) fn of_archiving(bytes: usize) -> u64 {
    kib(bytes, ARCHIVE_KIB_NS)
}

/// So many bytes out of the archive are replayed.
pub(crate) fn of_replay(bytes: usize) -> u64 {
    kib(bytes, REPLAY_KIB_NS)
}

fn of_message(message: &PeerMessage) -> u64 {
    match message {
        PeerMessage::Heartbeat(_) => HEARTBEAT_NS,
        PeerMessage::Replica(_, Message::Append { entries, .. }) => {
            APPEND_NS * entries.len().max(1) as u64
        }
        PeerMessage::Replica(_, Message::Appended { .. }) => APPENDED_NS,
        PeerMessage::Replica(_, Message::Committed { .. }) => COMMITTED_NS,
        PeerMessage::Cut(cut::Message::Mark { partitions, .. }) => {
            CUT_PARTITION_NS * partitions.len() as u64
        }
        PeerMessage::Call(_, call) => of_call(call),
        PeerMessage::Reply(..) => REPLY_NS,
        _ => OTHER_NS,
    }
}

fn of_call(call: &Call) -> u64 {
    match call {
        Call::Write { item, .. } => {
            WRITE_NS + kib(item.as_ref().map_or(0, bytes::Bytes::len), WRITE_KIB_NS)
        }
        Call::Get { .. } => GET_NS,
        Call::Propose { payload, .. } => WRITE_NS + kib(payload.len(), WRITE_KIB_NS),
        _ => OTHER_NS,
    }
}

fn kib(bytes: usize, ns: u64) -> u64 {
    bytes as u64 * ns / 1_024
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::NodeId;

    #[test]
    fn more_work_takes_longer() {
        let client = Address::Client(1);
        assert_eq!(of_datagram(client, 2_048) - of_datagram(client, 0), 2 * REQUEST_KIB_NS);
        let node = Address::Node(NodeId(1));
        assert!(of_datagram(node, 100) < of_datagram(client, 100), "a request is checked");
        assert_eq!(of_archiving(1 << 20), 1_024 * ARCHIVE_KIB_NS);
        assert_eq!(of_output(&Output::default()), 0, "silence is free");
    }
}
