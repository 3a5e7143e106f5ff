//! Elections: campaigns, votes, following, stepping down and handing over.

use super::message::{Effects, Message, Record};
use super::replica::{Leadership, Progress, Replica, Role, Surroundings};
use crate::ids::{Incarnation, Index, NodeId, Position, Term};
use bytes::Bytes;
use std::collections::BTreeSet;

impl Replica {
    /// Asks the others whether a campaign would succeed. Nothing happens where a live leader is
    /// followed, or while promises of an earlier incarnation may stand.
    pub fn campaign(&mut self, at: Surroundings<'_>, effects: &mut Effects) {
        let idle = self.is_leader() || self.follows_live_leader(at) || self.is_bound(self.me, at);
        if !idle && at.liveness.may_vote(at.now_ns) {
            self.pre_vote(false, effects);
        }
    }

    pub(super) fn pre_vote(&mut self, transfer: bool, effects: &mut Effects) {
        self.role = Role::PreCandidate { votes: BTreeSet::from([self.me]), transfer };
        effects.role_changed = true;
        let ask = Message::PreVote { term: Term(self.term.0 + 1), last: self.log.last(), transfer };
        effects.sends.extend(self.others().map(|it| (it, ask.clone())));
        if self.is_quorum(1) {
            self.stand(transfer, effects);
        }
    }

    pub(super) fn stand(&mut self, transfer: bool, effects: &mut Effects) {
        self.term = Term(self.term.0 + 1);
        self.voted_for = Some(self.me);
        self.role = Role::Candidate { votes: BTreeSet::new() };
        effects.role_changed = true;
        effects.records.push(Record::Vote { term: self.term, voted_for: self.voted_for });
        let ask = Message::Vote { term: self.term, last: self.log.last(), transfer };
        effects.sends_after_persist.extend(self.others().map(|it| (it, ask.clone())));
        // The candidate's own vote counts once it is durable, like any other.
        let own = Message::VoteReply { term: self.term, granted: true };
        effects.sends_after_persist.push((self.me, own));
    }

    pub(super) fn lead(&mut self, at: Surroundings<'_>, effects: &mut Effects) {
        self.bound_to = None;
        let next = self.log.last().index.next();
        let none = Index(0);
        let progress =
            Progress { next, matched: none, commit: none, sent_ns: 0, accepted_by: None };
        self.role = Role::Leader(Leadership {
            progress: self.others().map(|it| (it, progress)).collect(),
            opening: next,
        });
        effects.role_changed = true;
        self.append(Bytes::new(), false, effects);
        self.send_appends(at.now_ns, effects);
    }

    pub(super) fn step_down(&mut self, term: Term, effects: &mut Effects) {
        if term > self.term {
            (self.term, self.voted_for) = (term, None);
            effects.records.push(Record::Vote { term, voted_for: None });
        }
        self.role = Role::Follower { leader: None };
        effects.role_changed = true;
    }

    /// Somebody was heard of in a higher term: this replica cannot lead or campaign in its own.
    pub fn learn_term(&mut self, term: Term, effects: &mut Effects) {
        if term > self.term {
            self.step_down(term, effects);
        }
    }

    /// The leader it followed in `term` says that it does not lead: its promise is void.
    pub fn on_relinquished(&mut self, from: NodeId, term: Term, effects: &mut Effects) {
        if self.bound_to() == Some(from) && term == self.term && !self.is_leader() {
            self.bound_to = None;
            self.role = Role::Follower { leader: None };
            effects.role_changed = true;
        }
    }

    /// Hands leadership to a follower that has everything, if there is a live one. The leader steps
    /// down for good: the successor's election disregards leases, so its own must not be used again
    /// in this term, however late the request arrives.
    pub fn hand_over(&mut self, at: Surroundings<'_>, effects: &mut Effects) -> bool {
        let last = self.log.last().index;
        let term = self.term;
        let Role::Leader(leadership) = &self.role else { return false };
        let successor = leadership
            .progress
            .iter()
            .find(|(node, it)| it.matched == last && at.liveness.alive(**node, at.now_ns))
            .map(|(node, _)| *node);
        if let Some(successor) = successor {
            effects.sends.push((successor, Message::TakeOver { term }));
            self.step_down(term, effects);
        }
        successor.is_some()
    }

    /// Ceases to lead: it cannot serve any more.
    pub fn abdicate(&mut self, effects: &mut Effects) {
        self.step_down(self.term, effects);
    }

    /// Whether this replica's log and promises allow it to elect `candidate`.
    pub(super) fn would_elect(
        &self,
        candidate: NodeId,
        last: Position,
        transfer: bool,
        at: Surroundings<'_>,
    ) -> bool {
        let bound = self.is_bound(candidate, at) || self.has_lease(at);
        let free = at.liveness.may_vote(at.now_ns) && (transfer || !bound);
        free && last >= self.log.last()
    }

    pub(super) fn on_pre_vote(
        &mut self,
        from: NodeId,
        term: Term,
        granted: bool,
        effects: &mut Effects,
    ) {
        if !granted && term > self.term {
            return self.step_down(term, effects);
        }
        let wanted = Term(self.term.0 + 1);
        let Role::PreCandidate { votes, transfer } = &mut self.role else { return };
        if granted && term == wanted {
            votes.insert(from);
        }
        let (count, transfer) = (votes.len(), *transfer);
        if self.is_quorum(count) {
            self.stand(transfer, effects);
        }
    }

    pub(super) fn on_vote(
        &mut self,
        from: NodeId,
        term: Term,
        last: Position,
        transfer: bool,
        at: Surroundings<'_>,
        effects: &mut Effects,
    ) {
        let willing = term >= self.term && self.would_elect(from, last, transfer, at);
        if willing && term > self.term {
            self.step_down(term, effects);
        }
        let granted = willing && self.voted_for.is_none_or(|it| it == from) && !self.is_leader();
        if granted && self.voted_for.is_none() {
            self.voted_for = Some(from);
            effects.records.push(Record::Vote { term: self.term, voted_for: self.voted_for });
        }
        let reply = Message::VoteReply { term: self.term, granted };
        effects.sends_after_persist.push((from, reply));
    }

    pub(super) fn on_vote_reply(
        &mut self,
        from: NodeId,
        term: Term,
        granted: bool,
        at: Surroundings<'_>,
        effects: &mut Effects,
    ) {
        if term > self.term {
            return self.step_down(term, effects);
        }
        let Role::Candidate { votes } = &mut self.role else { return };
        if granted && term == self.term {
            votes.insert(from);
        }
        let count = votes.len();
        if self.is_quorum(count) {
            self.lead(at, effects);
        }
    }

    pub(super) fn follow(
        &mut self,
        from: NodeId,
        incarnation: Incarnation,
        term: Term,
        effects: &mut Effects,
    ) {
        assert!(
            term > self.term || !self.is_leader(),
            "two leaders in one term: {} and {from} in {term:?}",
            self.me
        );
        if term > self.term {
            self.step_down(term, effects);
        }
        let leader = Some((from, incarnation));
        self.bound_to = leader;
        let known = matches!(self.role, Role::Follower { leader: it } if it == leader);
        if !known {
            self.role = Role::Follower { leader };
            effects.role_changed = true;
        }
    }
}
