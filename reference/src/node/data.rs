//! Requests for items: writes that go through a partition's log, and reads of what is committed.

use super::checkpoint::Health;
use super::core::{Core, Hosted, Machine, Output};
use super::message::{Call, Caller, Reply};
use crate::ids::{PartitionId, Position};
use crate::mutants::Mutants;
use crate::partition::{
    Command, Evaluated, ItemKey, ItemStore, Lead, Partition, Queued, StoreFault, Waiter, Write,
};
use crate::points;
use bytes::Bytes;

/// No entry of a partition's log is larger. An item has at most 400 KB, a batch of a restore a
/// little over 1 MB.
const ENTRY_BYTES_MAX: usize = 4 << 20;

impl<M: Mutants> Core<M> {
    /// The partition and what its leader keeps, if this node leads it and may append.
    pub(super) fn led(
        &mut self,
        id: PartitionId,
    ) -> Result<(&mut Partition, &mut Lead<Call>), Reply> {
        let Some(hosted) = self.hosted.get_mut(&id) else { return Err(Reply::NotHosted) };
        let leader = hosted.replica.leader();
        match &mut hosted.machine {
            Machine::Partition(partition, Some(lead)) => Ok((partition, lead)),
            Machine::Partition(_, None) => Err(Reply::NotLeader(leader)),
            Machine::Catalog(..) => Err(Reply::NotHosted),
        }
    }

    pub(super) fn on_write(&mut self, caller: Caller, call: Call, now_ns: u64, out: &mut Output) {
        let partition = match &call {
            Call::Write { partition, .. }
            | Call::Update { partition, .. }
            | Call::Propose { partition, .. } => *partition,
            _ => unreachable!("only what is appended comes here"),
        };
        let not_held = self.mutants.writes_are_not_held();
        match self.led(partition) {
            Err(reply) => self.answer(caller, reply, out),
            Ok((_, lead)) if lead.hold.is_some() && !not_held => {
                lead.queue.push_back(Queued { caller, call });
            }
            Ok(_) => self.append_call(partition, caller, call, now_ns, out),
        }
    }

    /// Appends what a call asks for, if its condition holds of the newest version.
    pub(super) fn append_call(
        &mut self,
        partition: PartitionId,
        caller: Caller,
        call: Call,
        now_ns: u64,
        out: &mut Output,
    ) {
        match call {
            Call::Write { request, key, item, condition, return_old, .. } => {
                let (state, lead) = match self.led(partition) {
                    Ok(led) => led,
                    Err(reply) => return self.answer(caller, reply, out),
                };
                match lead.evaluate(state, &key, condition.as_ref(), return_old) {
                    Err(fault) => self.answer_read(caller, Err(fault), now_ns, out),
                    Ok(Evaluated::Allowed(old)) => {
                        let old = old.filter(|_| return_old);
                        let write = Write { request, key, item };
                        self.append_write(
                            partition,
                            caller,
                            write,
                            Reply::Written(old),
                            now_ns,
                            out,
                        );
                    }
                    Ok(Evaluated::Refused { old, after: None }) => {
                        let reply = self.if_leased(partition, Reply::ConditionFailed(old), now_ns);
                        self.answer(caller, reply, out);
                    }
                    Ok(Evaluated::Refused { old, after: Some(index) }) => {
                        lead.wait(index, Waiter { caller, reply: Reply::ConditionFailed(old) });
                    }
                }
            }
            Call::Update { .. } => self.append_update(partition, caller, call, now_ns, out),
            Call::Propose { payload, .. } if payload.len() > ENTRY_BYTES_MAX => {
                let why = format!("an entry of {} bytes is too large", payload.len());
                self.answer(caller, Reply::Failed(why), out);
            }
            Call::Propose { payload, .. } => {
                let effect = match Command::decode(&payload) {
                    Ok(command) => command.is_some_and(|it| it.has_effect()),
                    Err(why) => {
                        return self.answer(caller, Reply::Failed(why.to_string()), out);
                    }
                };
                let appended = self.append(partition, payload, effect, now_ns, out);
                self.answer_when_committed(partition, caller, Reply::Done, appended, out);
            }
            _ => unreachable!("only what is appended comes here"),
        }
    }

    pub(super) fn append_write(
        &mut self,
        partition: PartitionId,
        caller: Caller,
        write: Write,
        reply: Reply,
        now_ns: u64,
        out: &mut Output,
    ) {
        let (key, item) = (write.key.clone(), write.item.clone());
        let payload = Command::Write(write).encode();
        let appended = self.append(partition, payload, true, now_ns, out);
        if let (Some(at), Ok((_, lead))) = (appended, self.led(partition)) {
            lead.wrote(key, at.index, item);
        }
        self.answer_when_committed(partition, caller, reply, appended, out);
    }

    fn answer_when_committed(
        &mut self,
        partition: PartitionId,
        caller: Caller,
        reply: Reply,
        appended: Option<Position>,
        out: &mut Output,
    ) {
        match (appended, self.led(partition)) {
            (Some(at), Ok((_, lead))) => lead.wait(at.index, Waiter { caller, reply }),
            _ => self.answer(caller, Reply::NotLeader(None), out),
        }
    }

    /// Appends to the log of a partition that this node leads.
    pub(super) fn append(
        &mut self,
        partition: PartitionId,
        payload: Bytes,
        effect: bool,
        now_ns: u64,
        out: &mut Output,
    ) -> Option<Position> {
        let appended = self.with_replica(partition, now_ns, out, |replica, _, effects| {
            replica.propose(payload, effect, effects)
        })??;
        self.dirty.insert(partition);
        if effect && let Ok((_, lead)) = self.led(partition) {
            lead.last_effect = appended.index;
        }
        Some(appended)
    }

    /// An answer from what is committed here counts only while nobody else can have committed more.
    pub(super) fn if_leased(&self, partition: PartitionId, reply: Reply, now_ns: u64) -> Reply {
        let newest = self.hosted.get(&partition).is_some_and(|it| self.is_newest(it, now_ns));
        if newest { reply } else { Reply::NotLeader(None) }
    }

    /// Whether what is applied here is all that anybody was ever told of. A leader that has just
    /// won inherits entries which the one before may have acknowledged; in the step in which they
    /// are committed they are not applied yet, and its lead has not begun.
    pub(super) fn is_newest(&self, hosted: &Hosted, now_ns: u64) -> bool {
        let Hosted { replica, machine, .. } = hosted;
        let begun = match machine {
            Machine::Partition(_, lead) => lead.as_ref().map(|it| it.term),
            Machine::Catalog(_, _, lead) => lead.as_ref().map(|it| it.term),
        };
        let begun = begun == Some(replica.term()) && replica.is_ready();
        begun && replica.has_lease(self.surroundings(now_ns))
    }

    /// The partition, if it may answer a read: with a lease, or on request whatever it has.
    pub(super) fn readable(
        &self,
        partition: PartitionId,
        consistent: bool,
        now_ns: u64,
    ) -> Result<&Partition, Reply> {
        let Some(hosted) = self.hosted.get(&partition) else { return Err(Reply::NotHosted) };
        let Hosted { replica, machine: Machine::Partition(state, _), health, .. } = hosted else {
            return Err(Reply::NotHosted);
        };
        if *health != Health::Sound {
            return Err(Reply::NotLeader(replica.leader()));
        }
        let newest = !consistent || self.is_newest(hosted, now_ns);
        if newest { Ok(state) } else { Err(Reply::NotLeader(replica.leader())) }
    }

    pub(super) fn get(
        &self,
        partition: PartitionId,
        key: &ItemKey,
        consistent: bool,
        now_ns: u64,
    ) -> Result<Reply, StoreFault> {
        match self.readable(partition, consistent, now_ns) {
            Ok(state) => state.store().get(key).map(Reply::Item),
            Err(reply) => Ok(reply),
        }
    }

    /// Answers a read; who finds its checkpoint damaged by it is no leader any more.
    pub(super) fn answer_read(
        &mut self,
        caller: Caller,
        read: Result<Reply, StoreFault>,
        now_ns: u64,
        out: &mut Output,
    ) {
        let reply = read.unwrap_or_else(|fault| {
            self.lose_checkpoint(fault, now_ns, out);
            Reply::NotLeader(None)
        });
        self.answer(caller, reply, out);
    }

    pub(super) fn scan(
        &self,
        partition: PartitionId,
        after: Option<&ItemKey>,
        (items_max, bytes_max): (usize, usize),
        consistent: bool,
        now_ns: u64,
    ) -> Result<Reply, StoreFault> {
        let state = match self.readable(partition, consistent, now_ns) {
            Ok(state) => state,
            Err(reply) => return Ok(reply),
        };
        let (mut items, mut bytes, mut more) = (Vec::new(), 0, false);
        let mut take = |key: &ItemKey, item: &Bytes| {
            more = items.len() >= items_max || bytes >= bytes_max;
            if !more {
                bytes += item.len();
                items.push((key.clone(), item.clone()));
            }
            !more
        };
        state.store().scan(after, &mut take)?;
        Ok(Reply::Page { items, more })
    }

    // Commits and leadership.

    pub(super) fn apply_to_partition(
        &mut self,
        partition: PartitionId,
        position: Position,
        payload: &Bytes,
        now_ns: u64,
        out: &mut Output,
    ) {
        let Some(hosted) = self.hosted.get_mut(&partition) else { return };
        let term = hosted.replica.term();
        let Machine::Partition(state, lead) = &mut hosted.machine else { return };
        // What a quorum holds and nobody understands is a bug, or another version's: stop.
        state.apply(position.index, payload).unwrap_or_else(|fault| panic!("{fault}"));
        let Some(lead) = lead else { return };
        let key = match Command::decode(payload) {
            Ok(Some(Command::Write(write))) => Some(write.key),
            _ => None,
        };
        let answered = lead.committed(position.index, key.as_ref());
        let marker = lead.unreported.filter(|it| it.at == position && position.term == term);
        if let Some(it) = marker {
            lead.unreported = None;
            self.marked
                .entry((it.coordinator, it.backup, it.attempt))
                .or_default()
                .push((partition, position));
            out.points.push((points::CUT_MARKED, partition.0));
        }
        for Waiter { caller, reply } in answered {
            let reply = match reply {
                // The commit of an entry proves that a write is done. That the version which a
                // condition met is still the newest, only a lease does.
                Reply::ConditionFailed(_) | Reply::Invalid(_) => {
                    self.if_leased(partition, reply, now_ns)
                }
                done => done,
            };
            self.answer(caller, reply, out);
        }
    }

    /// The replica leads and everything it inherited is committed and applied.
    pub(super) fn begin_lead(&mut self, partition: PartitionId, now_ns: u64, out: &mut Output) {
        let Some(hosted) = self.hosted.get_mut(&partition) else { return };
        match &mut hosted.machine {
            Machine::Partition(_, lead @ None) => {
                let last_effect = hosted.replica.log().last_effect();
                *lead = Some(Lead::new(hosted.replica.term(), last_effect));
                self.note_leader(partition, out);
            }
            Machine::Partition(_, Some(_)) => {}
            Machine::Catalog(..) => self.begin_catalog_lead(now_ns, out),
        }
    }

    /// Ends a leadership that was lost, or lost and won again in another term.
    pub(super) fn abandon_lost_lead(&mut self, partition: PartitionId, out: &mut Output) {
        let Some(hosted) = self.hosted.get(&partition) else { return };
        let led_in = match &hosted.machine {
            Machine::Partition(_, lead) => lead.as_ref().map(|it| it.term),
            Machine::Catalog(_, _, lead) => lead.as_ref().map(|it| it.term),
        };
        let leads_in = hosted.replica.is_leader().then(|| hosted.replica.term());
        if led_in.is_some() && led_in != leads_in {
            self.abandon_lead(partition, out);
        }
    }

    /// The replica leads no more: nobody may wait for it any longer.
    pub(super) fn abandon_lead(&mut self, partition: PartitionId, out: &mut Output) {
        let Some(hosted) = self.hosted.get_mut(&partition) else { return };
        let Machine::Partition(_, lead) = &mut hosted.machine else {
            return self.abandon_catalog_lead(out);
        };
        let Some(mut lead) = lead.take() else { return };
        if let Some(hold) = lead.hold {
            self.holds.remove(&(hold.deadline_ns, partition));
            out.points.push((points::HOLD_END, partition.0));
        }
        let (waiters, queue) = lead.abandon();
        for waiter in waiters {
            self.answer(waiter.caller, Reply::Unknown, out);
        }
        for queued in queue {
            self.answer(queued.caller, Reply::NotLeader(None), out);
        }
    }
}
