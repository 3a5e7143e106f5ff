//! Appends: from a leader's log into its followers', and what is committed by that.

use super::log::Entry;
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
        let term = self.log.term_at(before).expect("a follower is not ahead of its leader");
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

    pub(super) fn on_append(
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
}
