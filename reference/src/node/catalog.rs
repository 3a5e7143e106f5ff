//! The metadata group's leader: commands on the catalog, look-ups, and the coordinators of cuts.

use super::core::{Core, Flow, Hosted, Machine, Output};
use super::message::{Call, Caller, Reply};
use crate::api::BackupArn;
use crate::cut::{self, Coordinator};
use crate::ids::{BackupId, Index, NodeId, PartitionId, Position, Term};
use crate::metadata::{Applied, BackupState, Catalog, Command, Restore, Table, Work};
use crate::mutants::Mutants;
use crate::points;
use bytes::Bytes;
use std::collections::BTreeMap;

/// What only the leader of the metadata group keeps.
#[derive(Debug)]
pub struct CatalogLead {
    /// The term in which it leads.
    pub(super) term: Term,
    /// Who waits for which entry.
    waiters: BTreeMap<Index, Caller>,
    /// Who waits for which backup's seal.
    sealing: BTreeMap<BackupId, Vec<Caller>>,
    /// The cuts under way.
    coordinators: BTreeMap<BackupId, Cutting>,
}

#[derive(Debug)]
struct Cutting {
    coordinator: Coordinator,
    /// The wall clock when Confirm was first sent in the current attempt.
    instant_ms: u64,
}

impl<M: Mutants> Core<M> {
    fn catalog(&self) -> Option<(&Hosted, &Catalog, Option<&CatalogLead>)> {
        let hosted = self.hosted.get(&PartitionId::METADATA)?;
        match &hosted.machine {
            Machine::Catalog(catalog, _, lead) => Some((hosted, catalog, lead.as_ref())),
            Machine::Partition(..) => None,
        }
    }

    fn catalog_lead(&mut self) -> Option<(&mut Catalog, &mut CatalogLead)> {
        match &mut self.hosted.get_mut(&PartitionId::METADATA)?.machine {
            Machine::Catalog(catalog, _, Some(lead)) => Some((catalog, lead)),
            _ => None,
        }
    }

    /// The catalog, where this node leads the metadata group in `term`; flows look things up here.
    #[must_use]
    pub fn catalog_in(&self, term: Term) -> Option<&Catalog> {
        let (_, catalog, lead) = self.catalog()?;
        lead.filter(|it| it.term == term).map(|_| catalog)
    }

    pub(super) fn look_up(&self, call: &Call, now_ns: u64) -> Reply {
        let Some((hosted, catalog, _)) = self.catalog() else { return Reply::NotHosted };
        if !self.is_newest(hosted, now_ns) {
            return Reply::NotLeader(hosted.replica.leader());
        }
        let with_restore = |table: &Table| -> (Table, Option<Restore>) {
            let restore = table.restore.and_then(|it| catalog.restore(it)).cloned();
            (table.clone(), restore)
        };
        match call {
            Call::Table(name) => Reply::Table(catalog.table(name).map(with_restore).map(Box::new)),
            Call::Tables => Reply::Tables(catalog.tables().map(|it| it.name.clone()).collect()),
            Call::Backup(arn) => Reply::Backup(catalog.backup_by_arn(arn).cloned().map(Box::new)),
            Call::Backups => Reply::Backups(catalog.backups().cloned().collect()),
            _ => unreachable!("only look-ups come here"),
        }
    }

    pub(super) fn on_command(
        &mut self,
        caller: Caller,
        command: &Command,
        now_ns: u64,
        out: &mut Output,
    ) {
        let Some((hosted, _, lead)) = self.catalog() else {
            return self.answer(caller, Reply::NotHosted, out);
        };
        if lead.is_none() {
            let hint = Reply::NotLeader(hosted.replica.leader());
            return self.answer(caller, hint, out);
        }
        match self.append(PartitionId::METADATA, command.encode(), true, now_ns, out) {
            Some(at) => {
                let (_, lead) = self.catalog_lead().expect("it was just seen to lead");
                lead.waiters.insert(at.index, caller);
            }
            None => self.answer(caller, Reply::NotLeader(None), out),
        }
    }

    pub(super) fn apply_to_catalog(
        &mut self,
        position: Position,
        payload: &Bytes,
        now_ns: u64,
        out: &mut Output,
    ) {
        let Some(hosted) = self.hosted.get_mut(&PartitionId::METADATA) else { return };
        let Machine::Catalog(catalog, applied, lead) = &mut hosted.machine else { return };
        *applied = position.index;
        let command = Command::decode(payload).expect("the metadata log holds commands");
        let Some(command) = command else { return };
        let result = catalog.apply(command.clone());
        let Some(lead) = lead else { return };
        let term = lead.term;
        let caller = lead.waiters.remove(&position.index);
        let (result, work) = match result {
            Ok((applied, work)) => (Ok(applied), work),
            Err(refusal) => (Err(refusal), None),
        };
        if let Some(caller) = caller {
            self.answer(caller, Reply::Applied(Box::new(result.clone())), out);
        }
        if let Ok(applied) = result {
            self.follow_up(&command, applied, now_ns, out);
        }
        if let Some(work) = work {
            self.start_work(term, work, now_ns, out);
        }
    }

    /// What the leader does because a command took effect.
    fn follow_up(&mut self, command: &Command, applied: Applied, now_ns: u64, out: &mut Output) {
        match (command, &applied) {
            (Command::BeginAttempt(id), Applied::Backup(backup)) => {
                let BackupState::Cutting(Some(attempt)) = backup.state else { return };
                self.drive(*id, now_ns, out, |it, outputs| it.begun(attempt, now_ns, outputs));
            }
            (Command::Seal { backup, .. }, _) => {
                out.points.push((points::CUT_SEALED, backup.0));
                self.end_cut(*backup, out);
            }
            (Command::Abandon(backup), _) => {
                out.points.push((points::CUT_ABANDONED, backup.0));
                self.end_cut(*backup, out);
            }
            (Command::Complete { backup, .. }, _) => {
                out.points.push((points::BACKUP_AVAILABLE, backup.0));
            }
            (Command::FinishRestore(restore), _) => {
                out.points.push((points::RESTORE_OPEN, restore.0));
            }
            (Command::DeleteBackup(_), _) => {
                if let Applied::Backup(backup) = applied {
                    out.flows.push(Flow::Forget(Box::new(backup)));
                }
            }
            _ => {}
        }
    }

    /// A cut is sealed or given up: whoever waits for that hears what the catalog now has.
    fn end_cut(&mut self, backup: BackupId, out: &mut Output) {
        let Some((catalog, lead)) = self.catalog_lead() else { return };
        lead.coordinators.remove(&backup);
        let waiting = lead.sealing.remove(&backup).unwrap_or_default();
        let reply = Reply::Backup(catalog.backup(backup).cloned().map(Box::new));
        for caller in waiting {
            self.answer(caller, reply.clone(), out);
        }
    }

    /// Answers once the cut of a backup is sealed or given up.
    pub(super) fn on_await_seal(
        &mut self,
        caller: Caller,
        arn: &BackupArn,
        now_ns: u64,
        out: &mut Output,
    ) {
        let found = self.look_up(&Call::Backup(arn.clone()), now_ns);
        match &found {
            Reply::Backup(Some(backup)) if matches!(backup.state, BackupState::Cutting(_)) => {
                let (_, lead) = self.catalog_lead().expect("a look-up is answered by the leader");
                lead.sealing.entry(backup.id).or_default().push(caller);
            }
            _ => self.answer(caller, found, out),
        }
    }

    fn start_work(&mut self, term: Term, work: Work, now_ns: u64, out: &mut Output) {
        match work {
            Work::Cut(backup) => self.start_cut(backup, now_ns, out),
            Work::Host(_) | Work::Drop(_) | Work::Archive(_) | Work::Restore(_) => {
                out.flows.push(Flow::Work(term, work));
            }
        }
    }

    fn start_cut(&mut self, backup: BackupId, now_ns: u64, out: &mut Output) {
        let settings = self.config.cut;
        let Some((catalog, lead)) = self.catalog_lead() else { return };
        let Some(record) = catalog.backup(backup) else { return };
        let cut_set = record.table.partitions.iter();
        let cut_set = cut_set.map(|it| (it.id, (it.epoch, it.members.clone()))).collect();
        let mut outputs = Vec::new();
        let coordinator = Coordinator::new(backup, cut_set, settings, now_ns, &mut outputs);
        lead.coordinators.insert(backup, Cutting { coordinator, instant_ms: 0 });
        out.points.push((points::CUT_PROBE, backup.0));
        self.carry_out(backup, outputs, now_ns, out);
    }

    /// Lets a coordinator take a step and carries out what it asks for.
    fn drive(
        &mut self,
        backup: BackupId,
        now_ns: u64,
        out: &mut Output,
        step: impl FnOnce(&mut Coordinator, &mut Vec<cut::Output>),
    ) {
        let Some((_, lead)) = self.catalog_lead() else { return };
        let Some(cutting) = lead.coordinators.get_mut(&backup) else { return };
        let mut outputs = Vec::new();
        step(&mut cutting.coordinator, &mut outputs);
        self.carry_out(backup, outputs, now_ns, out);
    }

    fn carry_out(
        &mut self,
        backup: BackupId,
        outputs: Vec<cut::Output>,
        now_ns: u64,
        out: &mut Output,
    ) {
        for output in outputs {
            match output {
                cut::Output::Send(to, message) => self.send_cut(to, message, now_ns, out),
                cut::Output::Instant => {
                    out.points.push((points::CUT_CONFIRM, backup.0));
                    let wall_ms = self.wall_ms;
                    if let Some((_, lead)) = self.catalog_lead()
                        && let Some(cutting) = lead.coordinators.get_mut(&backup)
                    {
                        cutting.instant_ms = wall_ms;
                    }
                }
                cut::Output::Retry => out.points.push((points::CUT_RETRY, backup.0)),
                cut::Output::PassOn => {
                    self.with_replica(PartitionId::METADATA, now_ns, out, |it, at, effects| {
                        it.hand_over(at, effects);
                    });
                }
                cut::Output::Begin => self.propose(Command::BeginAttempt(backup), now_ns, out),
                cut::Output::Abandon => self.propose(Command::Abandon(backup), now_ns, out),
                cut::Output::Seal(attempt, positions) => {
                    let instant_ms = self
                        .catalog_lead()
                        .and_then(|(_, lead)| lead.coordinators.get(&backup))
                        .map_or(0, |it| it.instant_ms);
                    out.points.push((points::CUT_SEAL, backup.0));
                    let seal = Command::Seal { backup, attempt, positions, instant_ms };
                    self.propose(seal, now_ns, out);
                }
            }
        }
    }

    fn propose(&mut self, command: Command, now_ns: u64, out: &mut Output) {
        // Where this node leads no more, the next leader begins a new attempt.
        let _ = self.append(PartitionId::METADATA, command.encode(), true, now_ns, out);
    }

    pub(super) fn on_cut_answer(
        &mut self,
        from: NodeId,
        message: cut::Message,
        now_ns: u64,
        out: &mut Output,
    ) {
        let backup = match &message {
            cut::Message::Leads { backup, .. }
            | cut::Message::Marked { backup, .. }
            | cut::Message::Held { backup, .. }
            | cut::Message::NotHeld { backup, .. } => *backup,
            _ => return,
        };
        self.drive(backup, now_ns, out, |it, outputs| it.receive(from, message, now_ns, outputs));
    }

    pub(super) fn tick_coordinators(&mut self, now_ns: u64, out: &mut Output) {
        let Some((_, lead)) = self.catalog_lead() else { return };
        let due = lead.coordinators.iter().filter(|(_, it)| it.coordinator.deadline_ns() <= now_ns);
        let due: Vec<BackupId> = due.map(|(id, _)| *id).collect();
        for backup in due {
            self.drive(backup, now_ns, out, |it, outputs| it.tick(now_ns, outputs));
        }
    }

    pub(super) fn coordinators_deadline_ns(&self) -> Option<u64> {
        let (_, _, lead) = self.catalog()?;
        lead?.coordinators.values().map(|it| it.coordinator.deadline_ns()).min()
    }

    pub(super) fn begin_catalog_lead(&mut self, now_ns: u64, out: &mut Output) {
        let Some(hosted) = self.hosted.get_mut(&PartitionId::METADATA) else { return };
        let term = hosted.replica.term();
        let Machine::Catalog(catalog, _, lead @ None) = &mut hosted.machine else { return };
        *lead = Some(CatalogLead {
            term,
            waiters: BTreeMap::new(),
            sealing: BTreeMap::new(),
            coordinators: BTreeMap::new(),
        });
        let outstanding = catalog.outstanding();
        self.note_leader(PartitionId::METADATA, out);
        for work in outstanding {
            self.start_work(term, work, now_ns, out);
        }
    }

    pub(super) fn abandon_catalog_lead(&mut self, out: &mut Output) {
        let Some(hosted) = self.hosted.get_mut(&PartitionId::METADATA) else { return };
        let Machine::Catalog(_, _, lead) = &mut hosted.machine else { return };
        let Some(lead) = lead.take() else { return };
        for caller in lead.waiters.into_values().chain(lead.sealing.into_values().flatten()) {
            self.answer(caller, Reply::Unknown, out);
        }
    }
}
