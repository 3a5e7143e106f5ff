//! One member's part in one replication group.

use super::Settings;
use super::liveness::Liveness;
use super::log::{Entry, Log};
use super::message::{Effects, Message, Record, Sender};
use crate::ids::{Incarnation, Index, NodeId, Position, Term};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

/// How far a follower has come, as its leader knows.
#[derive(Clone, Copy, Debug)]
struct Progress {
    next: Index,
    matched: Index,
    /// What the follower is known to know as committed.
    commit: Index,
    sent_ns: u64,
    /// The promise under which the follower accepted this leader in this term: it counts.
    accepted_by: Option<Sender>,
}

impl Progress {
    /// Whether the follower lacks entries, the news of a commit, or this very leader.
    fn lacks(&self, last: Index, commit: Index) -> bool {
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
    progress: BTreeMap<NodeId, Progress>,
    /// The no-op that opened the term; once committed, so is everything inherited.
    opening: Index,
}

/// One replica of one group.
#[derive(Debug)]
pub struct Replica {
    me: NodeId,
    members: Vec<NodeId>,
    settings: Settings,
    term: Term,
    voted_for: Option<NodeId>,
    log: Log,
    commit: Index,
    persisted: Index,
    role: Role,
    /// The leader whose appends it accepted last. While the promise to that leader's node stands,
    /// nobody else is elected, whatever terms were heard of since.
    bound_to: Option<(NodeId, Incarnation)>,
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
        }
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
    fn is_bound(&self, candidate: NodeId, at: Surroundings<'_>) -> bool {
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

    fn is_quorum(&self, count: usize) -> bool {
        count > self.members.len() / 2
    }

    fn others(&self) -> impl Iterator<Item = NodeId> + use<> {
        let me = self.me;
        self.members.clone().into_iter().filter(move |&it| it != me)
    }

    // Campaigning.

    /// Asks the others whether a campaign would succeed. Nothing happens where a live leader is
    /// followed, or while promises of an earlier incarnation may stand.
    pub fn campaign(&mut self, at: Surroundings<'_>, effects: &mut Effects) {
        let idle = self.is_leader() || self.follows_live_leader(at) || self.is_bound(self.me, at);
        if !idle && at.liveness.may_vote(at.now_ns) {
            self.pre_vote(false, effects);
        }
    }

    fn pre_vote(&mut self, transfer: bool, effects: &mut Effects) {
        self.role = Role::PreCandidate { votes: BTreeSet::from([self.me]), transfer };
        effects.role_changed = true;
        let ask = Message::PreVote { term: Term(self.term.0 + 1), last: self.log.last(), transfer };
        effects.sends.extend(self.others().map(|it| (it, ask.clone())));
        if self.is_quorum(1) {
            self.stand(transfer, effects);
        }
    }

    fn stand(&mut self, transfer: bool, effects: &mut Effects) {
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

    fn lead(&mut self, at: Surroundings<'_>, effects: &mut Effects) {
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

    fn step_down(&mut self, term: Term, effects: &mut Effects) {
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

    // Appending.

    /// Appends an entry if this replica leads and is ready. Call
    /// [`Replica::send_appends`] once for several.
    pub fn propose(
        &mut self,
        payload: Bytes,
        effect: bool,
        effects: &mut Effects,
    ) -> Option<Position> {
        self.is_ready().then(|| self.append(payload, effect, effects))
    }

    fn append(&mut self, payload: Bytes, effect: bool, effects: &mut Effects) -> Position {
        let index = self.log.last().index.next();
        let entry = Entry { term: self.term, index, effect, payload };
        self.log.push(entry.clone());
        effects.records.push(Record::Entries(vec![entry]));
        Position { term: self.term, index }
    }

    /// Sends every follower what it has not been sent yet.
    pub fn send_appends(&mut self, now_ns: u64, effects: &mut Effects) {
        let last = self.log.last().index;
        for node in self.others() {
            let behind = self.progress(node).is_some_and(|it| it.next <= last);
            if behind {
                self.send_append(node, now_ns, effects);
            }
        }
    }

    fn progress(&self, node: NodeId) -> Option<&Progress> {
        match &self.role {
            Role::Leader(it) => it.progress.get(&node),
            _ => None,
        }
    }

    /// Sends one append, even an empty one.
    fn send_append(&mut self, node: NodeId, now_ns: u64, effects: &mut Effects) {
        let Role::Leader(leadership) = &mut self.role else { return };
        let Some(progress) = leadership.progress.get_mut(&node) else { return };
        let before = Index(progress.next.0 - 1);
        let term = self.log.term_at(before).expect("a follower is not ahead of its leader");
        let entries = self.log.batch(progress.next, self.settings.append_bytes_max);
        progress.next = entries.last().map_or(progress.next, |it| it.index.next());
        progress.sent_ns = now_ns;
        let previous = Position { term, index: before };
        let append = Message::Append { term: self.term, previous, entries, commit: self.commit };
        effects.sends.push((node, append));
    }

    /// Tells every follower that has accepted this leader how far the log is committed.
    fn announce_commit(&self, effects: &mut Effects) {
        let term = self.log.term_at(self.commit).expect("what is committed is in the log");
        let position = Position { term, index: self.commit };
        let announce = Message::Committed { term: self.term, position };
        let accepted = |it: &NodeId| self.progress(*it).is_some_and(|it| it.accepted_by.is_some());
        effects.sends.extend(self.others().filter(accepted).map(|it| (it, announce.clone())));
    }

    /// Whether some follower lacks something, so that [`Replica::resend`] has work to do.
    #[must_use]
    pub fn lags(&self) -> bool {
        let Role::Leader(leadership) = &self.role else { return false };
        let last = self.log.last().index;
        leadership.progress.values().any(|it| it.lacks(last, self.commit))
    }

    /// Sends again what was not acknowledged in time, to peers that are alive.
    pub fn resend(&mut self, at: Surroundings<'_>, effects: &mut Effects) {
        let (last, commit) = (self.log.last().index, self.commit);
        let resend_ns = self.settings.resend_ns;
        for node in self.others() {
            let Role::Leader(leadership) = &mut self.role else { return };
            let Some(it) = leadership.progress.get_mut(&node) else { continue };
            let lacks = it.lacks(last, commit);
            let late = at.now_ns >= it.sent_ns + resend_ns;
            if lacks && late && at.liveness.alive(node, at.now_ns) {
                it.next = it.matched.next();
                self.send_append(node, at.now_ns, effects);
            }
        }
    }

    /// Forgets that `node` accepted this leader: it does not think so any more. It is asked again.
    pub fn reassert(&mut self, node: NodeId, now_ns: u64, effects: &mut Effects) {
        if let Role::Leader(leadership) = &mut self.role
            && let Some(progress) = leadership.progress.get_mut(&node)
        {
            progress.accepted_by = None;
            progress.next = progress.matched.next();
            self.send_append(node, now_ns, effects);
        }
    }

    /// Whether a message that waited until something was durable still says the truth.
    #[must_use]
    pub fn still_means(&self, to: NodeId, message: &Message) -> bool {
        let accepts = !matches!(message, Message::Appended { .. }) || self.bound_to() == Some(to);
        message.term() == self.term && accepts
    }

    /// The node's log has made the entry at `position` durable, and all before it.
    pub fn on_persisted(&mut self, position: Position, effects: &mut Effects) {
        if self.log.term_at(position.index) == Some(position.term) {
            self.persisted = self.persisted.max(position.index);
            self.advance_commit(effects);
        }
    }

    fn advance_commit(&mut self, effects: &mut Effects) {
        let Role::Leader(leadership) = &self.role else { return };
        let mut matched: Vec<Index> = leadership.progress.values().map(|it| it.matched).collect();
        matched.push(self.persisted);
        matched.sort_unstable_by(|a, b| b.cmp(a));
        let candidate = matched[self.members.len() / 2];
        let own_term = self.log.term_at(candidate) == Some(self.term);
        if candidate > self.commit && own_term {
            self.commit = candidate;
            self.announce_commit(effects);
        }
    }

    // Handing over.

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

    // Receiving.

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
            | Message::TakeOver { .. } => {}
        }
    }

    /// Whether this replica's log and promises allow it to elect `candidate`.
    fn would_elect(
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

    fn on_pre_vote(&mut self, from: NodeId, term: Term, granted: bool, effects: &mut Effects) {
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

    fn on_vote(
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

    fn on_vote_reply(
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

    fn follow(
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

    fn on_append(
        &mut self,
        from: NodeId,
        previous: Position,
        entries: Vec<Entry>,
        commit: Index,
        promise: u64,
        effects: &mut Effects,
    ) {
        if self.log.term_at(previous.index) != Some(previous.term) {
            let behind = Index(previous.index.0.saturating_sub(1));
            let hint = self.log.last().index.min(behind).max(self.commit);
            return effects.sends.push((from, Message::Rejected { term: self.term, hint }));
        }
        let matched = Index(previous.index.0 + entries.len() as u64);
        let held = |it: &Entry| self.log.term_at(it.index) == Some(it.term);
        let new: Vec<Entry> = entries.into_iter().skip_while(held).collect();
        if let Some(first) = new.first() {
            assert!(first.index > self.commit, "what is committed is never replaced");
            self.log.truncate_from(first.index);
            self.persisted = self.persisted.min(Index(first.index.0 - 1));
            new.iter().for_each(|it| self.log.push(it.clone()));
            effects.records.push(Record::Entries(new));
        }
        self.commit = self.commit.max(commit.min(matched));
        let commit = self.commit;
        let reply = Message::Appended { term: self.term, matched, commit, promise };
        effects.sends_after_persist.push((from, reply));
    }

    fn on_appended(
        &mut self,
        from: NodeId,
        accepted_by: Sender,
        matched: Index,
        commit: Index,
        at: Surroundings<'_>,
        effects: &mut Effects,
    ) {
        let last = self.log.last().index;
        let Role::Leader(leadership) = &mut self.role else { return };
        let Some(it) = leadership.progress.get_mut(&from) else { return };
        // An old acceptance that comes late says nothing of the promise that stands now.
        if accepted_by >= at.liveness.newest_promise_of(from) {
            it.accepted_by = it.accepted_by.max(Some(accepted_by));
        }
        it.matched = it.matched.max(matched);
        it.commit = it.commit.max(commit);
        it.next = it.next.max(matched.next());
        let more = it.next <= last;
        if more {
            self.send_append(from, at.now_ns, effects);
        }
        self.advance_commit(effects);
    }

    fn on_rejected(&mut self, from: NodeId, hint: Index, now_ns: u64, effects: &mut Effects) {
        let Role::Leader(leadership) = &mut self.role else { return };
        let Some(it) = leadership.progress.get_mut(&from) else { return };
        // An answer to an append that is older than what the follower has since confirmed.
        let next = hint.max(it.matched).next();
        if next < it.next {
            it.next = next;
            self.send_append(from, now_ns, effects);
        }
    }
}
