//! A leader's part of a cut: markers, holds, and making sure that it still leads.
//!
//! The words of the protocol stand in [`crate::cut`] and in `docs/the-cut.md`; each condition here
//! is one of them, and leaving one out gave a counterexample.

use super::core::{Core, Machine, Output};
use super::message::PeerMessage;
use crate::cut;
use crate::ids::{Attempt, BackupId, Epoch, NodeId, PartitionId, Position, Term};
use crate::mutants::Mutants;
use crate::partition::{Command, Hold, Marker};
use crate::points;
use std::collections::{BTreeMap, BTreeSet};

/// So many backups' released attempts are remembered.
const RELEASED_MAX: usize = 64;

/// A quorum round under way, begun after Confirm was received: does anybody else lead?
#[derive(Debug)]
pub(super) struct CheckRound {
    coordinator: NodeId,
    backup: BackupId,
    attempt: Attempt,
    /// Markers to vouch for, and which members said that nobody else was elected.
    pending: BTreeMap<PartitionId, (Position, BTreeSet<NodeId>)>,
    pub(super) deadline_ns: u64,
}

impl<M: Mutants> Core<M> {
    pub(super) fn on_cut(
        &mut self,
        from: NodeId,
        message: cut::Message,
        now_ns: u64,
        out: &mut Output,
    ) {
        match message {
            cut::Message::Probe { backup, partitions } => {
                let leads = partitions.into_iter().filter(|(id, epoch)| {
                    self.leads_in_epoch(*id, *epoch) && self.is_leased(*id, now_ns)
                });
                let partitions = leads.map(|(id, _)| id).collect();
                let answer = cut::Message::Leads { backup, partitions };
                self.send_cut(from, answer, now_ns, out);
            }
            cut::Message::Mark { backup, attempt, hold_ns, partitions } => {
                let hold = Hold { backup, attempt, deadline_ns: now_ns + hold_ns };
                self.on_mark(from, hold, &partitions, now_ns, out);
            }
            cut::Message::Confirm { backup, attempt, markers } => {
                self.on_confirm(from, backup, attempt, markers, now_ns, out);
            }
            cut::Message::Release { backup, attempt } => {
                self.on_release(backup, attempt, now_ns, out);
            }
            cut::Message::StepAside { partitions } => {
                for partition in partitions {
                    self.with_replica(partition, now_ns, out, |replica, at, effects| {
                        replica.hand_over(at, effects);
                    });
                }
            }
            answer @ (cut::Message::Leads { .. }
            | cut::Message::Marked { .. }
            | cut::Message::Held { .. }
            | cut::Message::NotHeld { .. }) => self.on_cut_answer(from, answer, now_ns, out),
        }
    }

    /// Sends a message of the cut; a coordinator on this very node is reached directly.
    pub(super) fn send_cut(
        &mut self,
        to: NodeId,
        message: cut::Message,
        now_ns: u64,
        out: &mut Output,
    ) {
        if to == self.config.me {
            self.on_cut(to, message, now_ns, out);
        } else {
            out.send(to, PeerMessage::Cut(message));
        }
    }

    fn leads_in_epoch(&self, id: PartitionId, epoch: Epoch) -> bool {
        self.hosted.get(&id).is_some_and(|it| match &it.machine {
            Machine::Partition(state, Some(lead)) => {
                state.epoch == epoch && lead.term == it.replica.term()
            }
            _ => false,
        })
    }

    fn is_leased(&self, id: PartitionId, now_ns: u64) -> bool {
        let at = self.surroundings(now_ns);
        self.hosted.get(&id).is_some_and(|it| it.replica.has_lease(at))
    }

    // Mark.

    fn on_mark(
        &mut self,
        coordinator: NodeId,
        hold: Hold,
        partitions: &[(PartitionId, Epoch)],
        now_ns: u64,
        out: &mut Output,
    ) {
        let Hold { backup, attempt, .. } = hold;
        let (mut refused, mut known) = (Vec::new(), Vec::new());
        for &(id, epoch) in partitions {
            match self.mark(id, epoch, coordinator, hold, now_ns, out) {
                Marking::Begun => {}
                Marking::Known(position) => known.push((id, position)),
                Marking::Refused => refused.push(id),
            }
        }
        if !known.is_empty() {
            let answer = cut::Message::Marked { backup, attempt, markers: known };
            self.send_cut(coordinator, answer, now_ns, out);
        }
        if !refused.is_empty() {
            let answer = cut::Message::NotHeld { backup, attempt, partitions: refused };
            self.send_cut(coordinator, answer, now_ns, out);
        }
    }

    fn mark(
        &mut self,
        id: PartitionId,
        epoch: Epoch,
        coordinator: NodeId,
        hold: Hold,
        now_ns: u64,
        out: &mut Output,
    ) -> Marking {
        if !self.leads_in_epoch(id, epoch) {
            return Marking::Refused;
        }
        let Hold { backup, attempt, deadline_ns } = hold;
        let given_up = self.released.get(&backup).is_some_and(|&it| it >= attempt);
        let Ok((state, lead)) = self.led(id) else { return Marking::Refused };
        if let Some(&at) = lead.appended.get(&attempt) {
            // The marker of this attempt stands already: say so again once it is committed, and
            // never begin a second hold for it.
            return if at.index <= state.applied() { Marking::Known(at) } else { Marking::Begun };
        }
        let newer = lead.attempts_seen.get(&backup).is_some_and(|&seen| seen > attempt);
        if state.marker(attempt).is_some() || newer || given_up || lead.hold.is_some() {
            return Marking::Refused;
        }
        lead.attempts_seen.insert(backup, attempt);
        let payload = Command::Marker { backup, attempt }.encode();
        let Some(at) = self.append(id, payload, false, now_ns, out) else {
            return Marking::Refused;
        };
        let Ok((_, lead)) = self.led(id) else { return Marking::Refused };
        lead.appended.insert(attempt, at);
        lead.unreported = Some(Marker { coordinator, backup, attempt, at });
        lead.hold = Some(hold);
        self.holds.insert((deadline_ns, id));
        out.points.push((points::HOLD_BEGIN, id.0));
        Marking::Begun
    }

    /// Tells coordinators of the markers that were committed in this step.
    pub(super) fn report_markers(&mut self, now_ns: u64, out: &mut Output) {
        for ((coordinator, backup, attempt), markers) in std::mem::take(&mut self.marked) {
            let answer = cut::Message::Marked { backup, attempt, markers };
            self.send_cut(coordinator, answer, now_ns, out);
        }
    }

    // The end of a hold.

    fn release(&mut self, id: PartitionId, now_ns: u64, out: &mut Output) {
        let Ok((_, lead)) = self.led(id) else { return };
        let Some(hold) = lead.hold.take() else { return };
        let queue = std::mem::take(&mut lead.queue);
        self.holds.remove(&(hold.deadline_ns, id));
        out.points.push((points::HOLD_END, id.0));
        // The whole queue is appended before any other marker can be.
        for queued in queue {
            self.append_call(id, queued.caller, queued.call, now_ns, out);
        }
    }

    pub(super) fn end_holds(&mut self, now_ns: u64, out: &mut Output) {
        while let Some(&(deadline_ns, id)) = self.holds.first()
            && deadline_ns <= now_ns
        {
            self.holds.remove(&(deadline_ns, id));
            self.release(id, now_ns, out);
        }
    }

    fn on_release(&mut self, backup: BackupId, attempt: Attempt, now_ns: u64, out: &mut Output) {
        self.note_released(backup, attempt);
        let held: Vec<PartitionId> = self.holds.iter().map(|(_, id)| *id).collect();
        for id in held {
            self.release_of(backup, attempt, id, now_ns, out);
        }
    }

    /// Ends the hold of a partition if it is of this attempt.
    fn release_of(
        &mut self,
        backup: BackupId,
        attempt: Attempt,
        id: PartitionId,
        now_ns: u64,
        out: &mut Output,
    ) {
        let Ok((_, lead)) = self.led(id) else { return };
        if lead.hold.is_some_and(|it| it.backup == backup && it.attempt == attempt) {
            self.release(id, now_ns, out);
        }
    }

    fn note_released(&mut self, backup: BackupId, attempt: Attempt) {
        let newest = self.released.entry(backup).or_default();
        *newest = (*newest).max(attempt);
        if self.released.len() > RELEASED_MAX {
            self.released.pop_first();
        }
    }

    // Confirm.

    fn on_confirm(
        &mut self,
        coordinator: NodeId,
        backup: BackupId,
        attempt: Attempt,
        markers: Vec<(PartitionId, Position)>,
        now_ns: u64,
        out: &mut Output,
    ) {
        let (vouched, refused): (Vec<_>, Vec<_>) =
            markers.into_iter().partition(|(id, at)| self.nothing_follows(*id, attempt, *at));
        let kept = self.mutants.hold_is_not_released();
        for (id, _) in vouched.iter().filter(|_| !kept) {
            self.release_of(backup, attempt, *id, now_ns, out);
        }
        // Only now, after the receipt, does the round begin: an earlier one proves nothing.
        self.begin_check(coordinator, backup, attempt, vouched, now_ns, out);
        if !refused.is_empty() {
            let partitions = refused.into_iter().map(|(id, _)| id).collect();
            let answer = cut::Message::NotHeld { backup, attempt, partitions };
            self.send_cut(coordinator, answer, now_ns, out);
        }
    }

    /// Whether this node leads in the marker's term, the marker stands there, committed, and no
    /// effect stands behind it.
    fn nothing_follows(&mut self, id: PartitionId, attempt: Attempt, at: Position) -> bool {
        let not_held = self.mutants.writes_are_not_held();
        let Some(hosted) = self.hosted.get(&id) else { return false };
        let Machine::Partition(state, Some(lead)) = &hosted.machine else { return false };
        let leads = hosted.replica.is_leader() && hosted.replica.term() == at.term;
        leads
            && lead.term == at.term
            && state.marker(attempt) == Some(at.index)
            && (lead.last_effect < at.index || not_held)
    }

    fn begin_check(
        &mut self,
        coordinator: NodeId,
        backup: BackupId,
        attempt: Attempt,
        markers: Vec<(PartitionId, Position)>,
        now_ns: u64,
        out: &mut Output,
    ) {
        if markers.is_empty() {
            return;
        }
        let round = self.next_round;
        self.next_round += 1;
        let mut asked: BTreeMap<NodeId, Vec<(PartitionId, Term)>> = BTreeMap::new();
        for (id, at) in &markers {
            out.points.push((points::CUT_CHECK, id.0));
            let members = self.hosted[id].replica.members();
            for &node in members.iter().filter(|&&it| it != self.config.me) {
                asked.entry(node).or_default().push((*id, at.term));
            }
        }
        for (node, leads) in asked {
            out.send(node, PeerMessage::Check { round, leads });
        }
        let pending = markers.into_iter().map(|(id, at)| (id, (at, BTreeSet::new()))).collect();
        let deadline_ns = now_ns + self.config.check_ns;
        let it = CheckRound { coordinator, backup, attempt, pending, deadline_ns };
        self.checks.insert(round, it);
        self.vouch(round, now_ns, out);
    }

    /// Another node asks whether it still leads: yes, as long as this one is in that very term.
    pub(super) fn on_check(
        &mut self,
        from: NodeId,
        round: u64,
        leads: &[(PartitionId, Term)],
        out: &mut Output,
    ) {
        let in_term = |id: &PartitionId, term: Term| {
            self.hosted.get(id).is_some_and(|it| it.replica.term() == term)
        };
        let partitions =
            leads.iter().filter(|(id, term)| in_term(id, *term)).map(|(id, _)| *id).collect();
        out.send(from, PeerMessage::Checked { round, partitions });
    }

    pub(super) fn on_checked(
        &mut self,
        from: NodeId,
        round: u64,
        partitions: &[PartitionId],
        now_ns: u64,
        out: &mut Output,
    ) {
        let Some(check) = self.checks.get_mut(&round) else { return };
        for id in partitions {
            if let Some((_, agreed)) = check.pending.get_mut(id) {
                agreed.insert(from);
            }
        }
        self.vouch(round, now_ns, out);
    }

    /// Says Held for every partition whose quorum has answered.
    fn vouch(&mut self, round: u64, now_ns: u64, out: &mut Output) {
        let Some(mut check) = self.checks.remove(&round) else { return };
        let unasked = self.mutants.confirms_without_a_round();
        let mut held = Vec::new();
        check.pending.retain(|id, (at, agreed)| {
            let Some(hosted) = self.hosted.get(id) else { return true };
            let replica = &hosted.replica;
            let quorum = unasked || 1 + agreed.len() > replica.members().len() / 2;
            let leads = replica.is_leader() && replica.term() == at.term;
            if quorum && leads {
                held.push((*id, *at));
            }
            !(quorum && leads)
        });
        let CheckRound { coordinator, backup, attempt, .. } = check;
        if !check.pending.is_empty() {
            self.checks.insert(round, check);
        }
        if !held.is_empty() {
            out.points.extend(held.iter().map(|(id, _)| (points::CUT_HELD, id.0)));
            let answer = cut::Message::Held { backup, attempt, markers: held };
            self.send_cut(coordinator, answer, now_ns, out);
        }
    }

    /// Rounds that found no quorum in time cannot vouch for what is left.
    pub(super) fn end_checks(&mut self, now_ns: u64, out: &mut Output) {
        let late = self.checks.iter().filter(|(_, it)| it.deadline_ns <= now_ns);
        let late: Vec<u64> = late.map(|(round, _)| *round).collect();
        for round in late {
            let Some(check) = self.checks.remove(&round) else { continue };
            let CheckRound { coordinator, backup, attempt, pending, .. } = check;
            let partitions = pending.into_keys().collect();
            let answer = cut::Message::NotHeld { backup, attempt, partitions };
            self.send_cut(coordinator, answer, now_ns, out);
        }
    }
}

/// What came of a Mark for one partition.
enum Marking {
    /// A marker was appended (or is on its way), and Marked will follow.
    Begun,
    /// The marker stands, committed, since an earlier Mark.
    Known(Position),
    /// This node cannot mark.
    Refused,
}
