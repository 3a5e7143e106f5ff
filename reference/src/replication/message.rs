//! What members of a group say to one another, and what a step of a replica asks for.

use super::log::Entry;
use crate::ids::{Incarnation, Index, NodeId, Position, Term};
use serde::{Deserialize, Serialize};

/// A message from one member of a group to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// Would you vote for me in this term? Changes nothing at the receiver.
    PreVote {
        /// The term that the sender would campaign in.
        term: Term,
        /// The end of the sender's log.
        last: Position,
        /// The sender's leader asked it to take over: leases do not count.
        transfer: bool,
    },
    /// The answer to a pre-vote.
    PreVoteReply {
        /// The term asked for if granted, else the sender's own.
        term: Term,
        /// Whether the sender would vote so.
        granted: bool,
    },
    /// Vote for me in this term.
    Vote {
        /// The candidate's term.
        term: Term,
        /// The end of the candidate's log.
        last: Position,
        /// The candidate's leader asked it to take over: leases do not count.
        transfer: bool,
    },
    /// The answer to a vote; sent only after it is durable.
    VoteReply {
        /// The sender's term.
        term: Term,
        /// Whether the sender voted for the candidate.
        granted: bool,
    },
    /// Entries of the leader's log, possibly none.
    Append {
        /// The leader's term.
        term: Term,
        /// The position before the first entry.
        previous: Position,
        /// Consecutive entries behind it.
        entries: Vec<Entry>,
        /// What the leader knows to be committed.
        commit: Index,
    },
    /// The answer to an append that fitted; sent only after the entries are durable.
    Appended {
        /// The sender's term.
        term: Term,
        /// The sender's log equals the leader's up to here, durably.
        matched: Index,
        /// What the sender knows to be committed.
        commit: Index,
        /// The number of the sender's promise to the leader's node when it accepted. The answer may
        /// leave much later, under another promise that covers nothing of this.
        promise: u64,
    },
    /// The answer to an append that did not fit, or came from an old term.
    Rejected {
        /// The sender's term.
        term: Term,
        /// The leader may try again from behind this index.
        hint: Index,
    },
    /// Everything up to here is committed. Needs no answer.
    Committed {
        /// The leader's term.
        term: Term,
        /// The last committed entry.
        position: Position,
    },
    /// The sender's log is whole, but the state that came of it is lost: it needs a snapshot.
    WantsSnapshot {
        /// The sender's term.
        term: Term,
        /// An older one than this is of no use: the sender's log begins here.
        at_least: Index,
    },
    /// The leader asks the receiver to campaign at once.
    TakeOver {
        /// The leader's term.
        term: Term,
    },
}

impl Message {
    /// The term in which the sender spoke.
    #[must_use]
    pub fn term(&self) -> Term {
        match self {
            Self::PreVote { term, .. }
            | Self::PreVoteReply { term, .. }
            | Self::Vote { term, .. }
            | Self::VoteReply { term, .. }
            | Self::Append { term, .. }
            | Self::Appended { term, .. }
            | Self::Rejected { term, .. }
            | Self::Committed { term, .. }
            | Self::WantsSnapshot { term, .. }
            | Self::TakeOver { term } => *term,
        }
    }
}

/// Who sent a message: which life of which node, and which of its promises stood when it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Sender {
    /// The sender's incarnation.
    pub incarnation: Incarnation,
    /// The number of its current promise to the receiver's node; it changes whenever one lapses.
    pub promise: u64,
}

/// What a replica must find again after a crash; written to the node's log in this order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// Term and vote.
    Vote {
        /// The current term.
        term: Term,
        /// Who got this replica's vote in it.
        voted_for: Option<NodeId>,
    },
    /// Entries; they replace whatever stood at their indexes and behind.
    Entries(Vec<Entry>),
    /// The log begins anew behind this committed position; what stood in it is void.
    Reset(Position),
}

/// What one step of a replica asks its node to do.
#[derive(Debug, Default)]
pub struct Effects {
    /// Messages that may leave at once.
    pub sends: Vec<(NodeId, Message)>,
    /// Messages that may leave once `records` are durable. The sender itself may be addressed.
    pub sends_after_persist: Vec<(NodeId, Message)>,
    /// Followers that need a snapshot, as of this entry at least.
    pub snapshots: Vec<(NodeId, Index)>,
    /// To be made durable, in this order.
    pub records: Vec<Record>,
    /// The replica began or ceased to lead, or follows somebody else.
    pub role_changed: bool,
}
