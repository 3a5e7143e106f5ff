//! One member's part in one replication group: its state, and which message goes where.
//!
//! How leaders are elected stands in `election.rs`, how entries are replicated in `appends.rs`.

use super::Settings;
use super::liveness::Liveness;
use super::log::Log;
use super::message::{Effects, Message, Record, Sender};
use crate::ids::{Incarnation, Index, NodeId, Position, Term};
use std::collections::{BTreeMap, BTreeSet};

/// How far a follower has come, as its leader knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    pub(super) next: Index,
    pub(super) matched: Index,
    /// What the follower is known to know as committed.
    pub(super) commit: Index,
    pub(super) sent_ns: u64,
    /// The promise under which the follower accepted this leader in this term: it counts.
    pub(super) accepted_by: Option<Sender>,
}

impl Progress {
    /// Whether the follower lacks entries, the news of a commit, or this very leader.
    pub(super) fn lacks(&self, last: Index, commit: Index) -> bool {
        self.matched < last || self.commit < commit || self.accepted_by.is_none()
    }
}

/// What a replica is in its current term.
#[derive(Debug)]
pub enum Role {
    /// Follows a leader of that incarnation, or nobody yet.
    Follower {
        /// The leader's node and incarnation.
        leader: Option<(NodeId, Incarnation)>,
    },
    /// Asks whether a campaign would succeed.
    PreCandidate {
        /// Who would vote for this replica.
        votes: BTreeSet<NodeId>,
        /// Whether its leader asked it to take over.
        transfer: bool,
    },
    /// Campaigns.
    Candidate {
        /// Who voted for this replica.
        votes: BTreeSet<NodeId>,
    },
    /// Leads.
    Leader(Leadership),
}

/// What only a leader keeps.
#[derive(Debug)]
pub struct Leadership {
    pub(super) progress: BTreeMap<NodeId, Progress>,
    /// The no-op that opened the term; once committed, so is everything inherited.
    pub(super) opening: Index,
}

/// One replica of one group.
#[derive(Debug)]
pub struct Replica {
    pub(super) me: NodeId,
    pub(super) members: Vec<NodeId>,
    pub(super) settings: Settings,
    pub(super) term: Term,
    pub(super) voted_for: Option<NodeId>,
    pub(super) log: Log,
    pub(super) commit: Index,
    pub(super) persisted: Index,
    pub(super) role: Role,
    /// The leader whose appends it accepted last. While the promise to that leader's node stands,
    /// nobody else is elected, whatever terms were heard of since.
    pub(super) bound_to: Option<(NodeId, Incarnation)>,
}

/// What a replica must know about its node to take a step.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// The node's monotonic clock.
    pub now_ns: u64,
    /// The node's knowledge of its peers.
    pub liveness: &'a Liveness,
}

impl Replica {
    /// An empty replica.
    #[must_use]
    pub fn new(me: NodeId, members: Vec<NodeId>, settings: Settings) -> Self {
        assert!(members.contains(&me), "a replica stands on a node of its group");
        Self {
            me,
            members,
            settings,
            term: Term(0),
            voted_for: None,
            log: Log::default(),
            commit: Index(0),
            persisted: Index(0),
            role: Role::Follower { leader: None },
            bound_to: None,
        }
    }

    /// Takes back a record that an earlier incarnation made durable.
    pub fn recover(&mut self, record: Record) {
        match record {
            Record::Vote { term, voted_for } => (self.term, self.voted_for) = (term, voted_for),
            Record::Entries(entries) => {
                if let Some(first) = entries.first() {
                    self.log.truncate_from(first.index);
                }
                entries.into_iter().for_each(|it| self.log.push(it));
                self.persisted = self.log.last().index;
            }
            Record::Reset(base) => {
                self.log = Log::behind(base);
                (self.commit, self.persisted) = (base.index, base.index);
            }
        }
    }

    /// Takes back what a compacted log kept of this replica; its entries follow.
    pub fn recover_kept(&mut self, vote: (Term, Option<NodeId>), base: Position) {
        (self.term, self.voted_for) = vote;
        self.recover(Record::Reset(base));
    }

    /// Takes note that a checkpoint as of `at` holds the state: what it holds was committed.
    /// Answers whether the log leads on from there; if not, state and log do not fit together.
    pub fn recover_checkpoint(&mut self, at: Position) -> bool {
        let fits = self.log.term_at(at.index) == Some(at.term);
        if fits {
            self.commit = self.commit.max(at.index);
        }
        fits
    }

    /// Whom this replica voted for in its term.
    #[must_use]
    pub fn voted_for(&self) -> Option<NodeId> {
        self.voted_for
    }

    /// The current term.
    #[must_use]
    pub fn term(&self) -> Term {
        self.term
    }

    /// The members of the group, this one included.
    #[must_use]
    pub fn members(&self) -> &[NodeId] {
        &self.members
    }

    /// The log.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The last index known to be committed.
    #[must_use]
    pub fn commit(&self) -> Index {
        self.commit
    }

    /// What this replica is now.
    #[must_use]
    pub fn role(&self) -> &Role {
        &self.role
    }

    /// Whether this replica leads its term.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        matches!(self.role, Role::Leader(_))
    }

    /// Whether it leads and everything it inherited is committed: it may serve and append.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        matches!(&self.role, Role::Leader(it) if it.opening <= self.commit)
    }

    /// The node that leads, as far as this replica knows.
    #[must_use]
    pub fn leader(&self) -> Option<NodeId> {
        match &self.role {
            Role::Leader(_) => Some(self.me),
            Role::Follower { leader } => leader.map(|(node, _)| node),
            Role::PreCandidate { .. } | Role::Candidate { .. } => None,
        }
    }

    /// Whether it follows a leader whose node still holds this node's promise.
    #[must_use]
    pub fn follows_live_leader(&self, at: Surroundings<'_>) -> bool {
        match self.role {
            Role::Follower { leader: Some((node, incarnation)) } => {
                at.liveness.promised(node, incarnation, at.now_ns)
            }
            _ => false,
        }
    }

    /// Whether it may not elect anybody but the node whose appends it accepted.
    pub(super) fn is_bound(&self, candidate: NodeId, at: Surroundings<'_>) -> bool {
        self.bound_to.is_some_and(|(node, incarnation)| {
            node != candidate && at.liveness.promised(node, incarnation, at.now_ns)
        })
    }

    /// The leader that this replica is bound to, and in which term it says so.
    #[must_use]
    pub fn bound_to(&self) -> Option<NodeId> {
        self.bound_to.map(|(node, _)| node)
    }

    /// Whether nobody else can lead now: a quorum has promised its support, in this very term.
    #[must_use]
    pub fn has_lease(&self, at: Surroundings<'_>) -> bool {
        let Role::Leader(leadership) = &self.role else { return false };
        let supporters = leadership.progress.iter().filter(|(node, progress)| {
            progress.accepted_by.is_some_and(|it| at.liveness.supported_by(**node, it, at.now_ns))
        });
        self.is_quorum(1 + supporters.count())
    }

    pub(super) fn is_quorum(&self, count: usize) -> bool {
        count > self.members.len() / 2
    }

    pub(super) fn others(&self) -> impl Iterator<Item = NodeId> + use<> {
        let me = self.me;
        self.members.clone().into_iter().filter(move |&it| it != me)
    }

    /// Takes in a message from another member (or from itself, once durable).
    pub fn receive(
        &mut self,
        from: NodeId,
        sender: Sender,
        message: Message,
        at: Surroundings<'_>,
        effects: &mut Effects,
    ) {
        match message {
            Message::PreVote { term, last, transfer } => {
                let granted = term > self.term && self.would_elect(from, last, transfer, at);
                let term = if granted { term } else { self.term };
                effects.sends.push((from, Message::PreVoteReply { term, granted }));
            }
            Message::PreVoteReply { term, granted } => {
                self.on_pre_vote(from, term, granted, effects)
            }
            Message::Vote { term, last, transfer } => {
                self.on_vote(from, term, last, transfer, at, effects);
            }
            Message::VoteReply { term, granted } => {
                self.on_vote_reply(from, term, granted, at, effects);
            }
            Message::Append { term, previous, entries, commit } => {
                if term < self.term {
                    let hint = self.log.last().index;
                    effects.sends.push((from, Message::Rejected { term: self.term, hint }));
                } else {
                    self.follow(from, sender.incarnation, term, effects);
                    let promise = at.liveness.signature(from).promise;
                    self.on_append(from, previous, entries, commit, promise, effects);
                }
            }
            Message::Appended { term, matched, commit, promise } if term == self.term => {
                let accepted_by = Sender { promise, ..sender };
                self.on_appended(from, accepted_by, matched, commit, at, effects);
            }
            Message::Rejected { term, hint } if term == self.term => {
                self.on_rejected(from, hint, at.now_ns, effects);
            }
            Message::WantsSnapshot { term, at_least } if term == self.term && self.is_leader() => {
                effects.snapshots.push((from, at_least));
            }
            Message::TakeOver { term } if term == self.term && !self.is_leader() => {
                self.pre_vote(true, effects);
            }
            Message::Rejected { term, .. } | Message::Appended { term, .. } if term > self.term => {
                self.step_down(term, effects);
            }
            Message::Committed { term, position } if term == self.term => {
                if self.log.term_at(position.index) == Some(position.term) {
                    self.commit = self.commit.max(position.index);
                }
            }
            Message::Appended { .. }
            | Message::Rejected { .. }
            | Message::Committed { .. }
            | Message::WantsSnapshot { .. }
            | Message::TakeOver { .. } => {}
        }
    }
}
