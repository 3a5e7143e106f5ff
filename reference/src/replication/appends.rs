//! Appends: from a leader's log into its followers', and what is committed by that.

use super::log::{Entry, Log};
use super::message::{Effects, Message, Record, Sender};
use super::replica::{Progress, Replica, Role, Surroundings};
use crate::ids::{Index, NodeId, Position};
use bytes::Bytes;

impl Replica {
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

    pub(super) fn append(
        &mut self,
        payload: Bytes,
        effect: bool,
        effects: &mut Effects,
    ) -> Position {
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

    pub(super) fn progress(&self, node: NodeId) -> Option<&Progress> {
        match &self.role {
            Role::Leader(it) => it.progress.get(&node),
            _ => None,
        }
    }

    /// Sends one append, even an empty one.
    pub(super) fn send_append(&mut self, node: NodeId, now_ns: u64, effects: &mut Effects) {
        let Role::Leader(leadership) = &mut self.role else { return };
        let Some(progress) = leadership.progress.get_mut(&node) else { return };
        let before = Index(progress.next.0 - 1);
        let Some(term) = self.log.term_at(before) else {
            // What the follower lacks is gone from the log: it needs the state that came of it.
            progress.sent_ns = now_ns;
            return effects.snapshots.push((node, Index(0)));
        };
        let entries = self.log.batch(progress.next, self.settings.append_bytes_max);
        progress.next = entries.last().map_or(progress.next, |it| it.index.next());
        progress.sent_ns = now_ns;
        let previous = Position { term, index: before };
        let append = Message::Append { term: self.term, previous, entries, commit: self.commit };
        effects.sends.push((node, append));
    }

    /// Tells every follower that has accepted this leader how far the log is committed.
    pub(super) fn announce_commit(&self, effects: &mut Effects) {
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
        let (last, commit, first) = (self.log.last().index, self.commit, self.first_to_send());
        let resend_ns = self.settings.resend_ns;
        for node in self.others() {
            let Role::Leader(leadership) = &mut self.role else { return };
            let Some(it) = leadership.progress.get_mut(&node) else { continue };
            let lacks = it.lacks(last, commit);
            let late = at.now_ns >= it.sent_ns + resend_ns;
            if lacks && late && at.liveness.alive(node, at.now_ns) {
                it.next = it.matched.next().max(first);
                self.send_append(node, at.now_ns, effects);
            }
        }
    }

    /// A follower of which nothing is known is asked from here on: only if it says that it has less
    /// does it need a snapshot.
    fn first_to_send(&self) -> Index {
        self.log.base().index.next()
    }

    /// `node` has started again: what it had durably acknowledged it should still have, but if its
    /// disk has lost some of that, it must be sent it again, not waited for.
    pub fn forget_follower(&mut self, node: NodeId) {
        if let Role::Leader(leadership) = &mut self.role
            && let Some(progress) = leadership.progress.get_mut(&node)
        {
            (progress.matched, progress.commit) = (Index(0), Index(0));
        }
    }

    /// Forgets that `node` accepted this leader: it does not think so any more. It is asked again.
    pub fn reassert(&mut self, node: NodeId, now_ns: u64, effects: &mut Effects) {
        let first = self.first_to_send();
        if let Role::Leader(leadership) = &mut self.role
            && let Some(progress) = leadership.progress.get_mut(&node)
        {
            progress.accepted_by = None;
            progress.next = progress.matched.next().max(first);
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

    pub(super) fn advance_commit(&mut self, effects: &mut Effects) {
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

    /// An append that begins before this log's base, without what the base covers: that is
    /// committed, so it is the leader's as well.
    fn behind_base(&self, previous: Position, mut entries: Vec<Entry>) -> (Position, Vec<Entry>) {
        let base = self.log.base();
        if previous.index >= base.index {
            return (previous, entries);
        }
        entries.retain(|it| it.index > base.index);
        (base, entries)
    }

    pub(super) fn on_append(
        &mut self,
        from: NodeId,
        previous: Position,
        entries: Vec<Entry>,
        commit: Index,
        promise: u64,
        effects: &mut Effects,
    ) {
        let (previous, entries) = self.behind_base(previous, entries);
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

    pub(super) fn on_appended(
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

    pub(super) fn on_rejected(
        &mut self,
        from: NodeId,
        hint: Index,
        now_ns: u64,
        effects: &mut Effects,
    ) {
        let Role::Leader(leadership) = &mut self.role else { return };
        let Some(it) = leadership.progress.get_mut(&from) else { return };
        // An answer to an append that is older than what the follower has since confirmed.
        let next = hint.max(it.matched).next();
        if next < it.next {
            it.next = next;
            self.send_append(from, now_ns, effects);
        }
    }

    /// The state machine's checkpoint holds everything up to `last`: the log may forget it.
    pub fn forget_through(&mut self, last: Index) {
        self.log.forget_through(last.min(self.commit));
    }

    /// Up to where the log may forget without making a live follower need a snapshot.
    #[must_use]
    pub fn needed_by_followers(&self, at: Surroundings<'_>) -> Index {
        let Role::Leader(leadership) = &self.role else { return self.log.last().index };
        let alive = leadership.progress.iter().filter(|(it, _)| at.liveness.alive(**it, at.now_ns));
        alive.map(|(_, it)| it.matched).fold(self.log.last().index, Index::min)
    }

    /// The state machine has taken in a snapshot as of `at`, durably; `tail` are the entries up to
    /// there that nobody has archived, behind `base`. They take the place of a log that does not
    /// lead on from the snapshot; one that does stays, with what it holds beyond.
    pub fn install(
        &mut self,
        at: Position,
        base: Position,
        tail: Vec<Entry>,
        effects: &mut Effects,
    ) {
        if self.log.term_at(at.index) != Some(at.term) {
            self.log = Log::behind(base);
            self.persisted = base.index;
            tail.into_iter().for_each(|it| self.log.push(it));
            effects.records.push(Record::Reset(base));
            effects.records.extend(self.log.records());
        }
        self.commit = self.commit.max(at.index);
    }

    /// A follower has taken in a snapshot as of `at`, durably.
    pub fn on_installed(&mut self, node: NodeId, at: Position, now_ns: u64, effects: &mut Effects) {
        let Role::Leader(leadership) = &mut self.role else { return };
        if let Some(it) = leadership.progress.get_mut(&node) {
            it.matched = it.matched.max(at.index);
            it.next = it.matched.next();
            self.send_append(node, now_ns, effects);
        }
    }
}
