//! Random tiny histories, made by simulating a linearization: each operation takes effect at a
//! point of its own, and its call and answer lie somewhere around that point.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::history::{
    CommittedLog, History, KeyId, LogEntry, Observed, OpId, Operation, OperationKind, PartitionLog,
    RestoredItem, Seen, WriteId,
};

/// What one operation will be; numbers choose among what is possible when its turn comes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    key: u32,
    action: Action,
    lead: u64,
    lag: u64,
    fate: Fate,
    pick: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Action {
    Put,
    Delete,
    Read,
    EventualRead,
    /// A put or delete on the condition that the key is as it is.
    PutIf,
    DeleteIf,
    /// A put on the condition that the key is as it is not.
    PutIfWrongly,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Answered,
    DoneUnanswered,
    NeverDone,
}

/// A whole random case.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    steps: Vec<Step>,
    restored: [usize; 3],
    request: u64,
    length: u64,
}

/// A history, its log, and a restored table that may or may not be a cut of it.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) history: History,
    pub(super) log: CommittedLog,
    pub(super) observed: Observed,
    /// For each key every version it may have had; the last list is in the order of the points.
    versions: BTreeMap<KeyId, Vec<WriteId>>,
    states: BTreeMap<KeyId, Seen>,
}

/// Cases with up to this many operations on three keys.
pub(super) fn plans(operations: usize) -> impl Strategy<Value = Plan> {
    let actions = prop_oneof![
        4 => Just(Action::Put),
        3 => Just(Action::Delete),
        3 => Just(Action::Read),
        1 => Just(Action::EventualRead),
        2 => Just(Action::PutIf),
        1 => Just(Action::DeleteIf),
        1 => Just(Action::PutIfWrongly),
    ];
    let fates = prop_oneof![
        6 => Just(Fate::Answered),
        1 => Just(Fate::DoneUnanswered),
        1 => Just(Fate::NeverDone),
    ];
    // Most operations meet at one key: that is where orders are hard to tell.
    let keys = prop_oneof![4 => Just(0_u32), 1 => Just(1), 1 => Just(2)];
    let step = (keys, actions, 0_u64..8, 0_u64..8, fates, 0_usize..8).prop_map(
        |(key, action, lead, lag, fate, pick)| Step { key, action, lead, lag, fate, pick },
    );
    (
        prop::collection::vec(step, 1..=operations),
        prop::array::uniform3(0_usize..8),
        0_u64..60,
        0_u64..12,
    )
        .prop_map(|(steps, restored, request, length)| Plan {
            steps,
            restored,
            request,
            length,
        })
}

impl Case {
    /// Plays the plan. `committed_only`: restore no version that never was in the table.
    pub(super) fn new(plan: &Plan, committed_only: bool) -> Self {
        let logs = [0, 1].map(|id| PartitionLog { id, entries: Vec::new() });
        let mut case = Self {
            history: History::default(),
            log: CommittedLog { partitions: logs.to_vec() },
            observed: Observed::default(),
            versions: BTreeMap::new(),
            states: BTreeMap::new(),
        };
        for name in ["a", "b", "c"] {
            case.history.keys.intern(name);
        }
        for (turn, step) in (0..).zip(&plan.steps) {
            case.play(turn, *step);
        }
        if committed_only {
            let log = &case.log;
            let committed = |write: &WriteId| {
                log.partitions.iter().flat_map(|p| &p.entries).any(|entry| entry.write == *write)
            };
            case.versions.values_mut().for_each(|versions| versions.retain(committed));
        }
        case.restore(plan);
        case
    }

    fn play(&mut self, turn: u32, step: Step) {
        let key = KeyId(step.key);
        // Times are even, so that the odd ones fall strictly between any two of them.
        let point = 6 + u64::from(turn) * 6;
        let (invoke, answer) = (point.saturating_sub(2 * step.lead), point + 2 * step.lag);
        let state = self.states.get(&key).copied().unwrap_or(Seen::Absent);
        let write = WriteId { client: turn, seq: 0 };
        match step.action {
            Action::Read | Action::EventualRead => self.read(turn, step, state, invoke, answer),
            Action::Put | Action::PutIf => {
                let condition = (step.action == Action::PutIf).then_some(state);
                let op = self.history.invoke_put(key, write, condition, invoke);
                self.versions.entry(key).or_default().push(write);
                self.settle(op, step, write, Some(Seen::Version(write)), answer);
            }
            Action::Delete => {
                let op = self.history.invoke_delete(key, write, None, invoke);
                let logged = state != Seen::Absent || step.pick.is_multiple_of(2);
                self.settle(op, step, write, logged.then_some(Seen::Absent), answer);
            }
            Action::DeleteIf => {
                let op = self.history.invoke_delete(key, write, Some(state), invoke);
                self.settle(op, step, write, Some(Seen::Absent), answer);
            }
            Action::PutIfWrongly => {
                let wrong = Some(Seen::Version(write));
                let op = self.history.invoke_put(key, write, wrong, invoke);
                self.history.refuse(op, answer);
            }
        }
    }

    fn read(&mut self, client: u32, step: Step, state: Seen, invoke: u64, answer: u64) {
        let key = KeyId(step.key);
        if step.action == Action::Read {
            let op = self.history.invoke_read(client, key, invoke);
            self.history.acknowledge_read(op, state, answer);
            return;
        }
        let entries = self.log.partitions.iter().flat_map(|partition| &partition.entries);
        let older: Vec<WriteId> =
            entries.filter(|e| e.key == key && !e.deletes).map(|e| e.write).collect();
        let saw =
            older.get(step.pick % (older.len() + 1)).map_or(Seen::Absent, |w| Seen::Version(*w));
        let op = self.history.invoke_eventual_read(client, key, invoke);
        self.history.acknowledge_read(op, saw, answer);
    }

    /// Lets a write take effect, and answers it, as its fate wants. `after`: the state it leaves,
    /// none if it is not to stand in the log.
    fn settle(&mut self, op: OpId, step: Step, write: WriteId, after: Option<Seen>, answer: u64) {
        let key = KeyId(step.key);
        if step.fate == Fate::Answered {
            self.history.acknowledge(op, answer);
        }
        if let (true, Some(after)) = (step.fate != Fate::NeverDone, after) {
            let entry = LogEntry { key, write, deletes: after == Seen::Absent };
            self.log.partitions[usize::from(step.key == 2)].entries.push(entry);
            self.states.insert(key, after);
        }
    }

    fn restore(&mut self, plan: &Plan) {
        let answer_ns = 2 * (plan.request + plan.length);
        self.observed.request_ns = 2 * plan.request;
        self.observed.answer_ns = answer_ns;
        for (&key, versions) in &self.versions {
            let pick = plan.restored[key.0 as usize] % (versions.len() + 1);
            if let Some(&write) = versions.get(pick) {
                self.observed.items.push(RestoredItem { key, write, intact: true });
            }
        }
    }

    /// Lets one read have seen, or one conditional write have replaced, something else.
    pub(super) fn falsify(&mut self, op: usize, other: usize) {
        let count = self.history.operations.len();
        let key = self.history.operations[op % count].key;
        let versions = self.versions.get(&key).map_or(&[][..], Vec::as_slice);
        let version = versions.get(other).map_or(Seen::Absent, |write| Seen::Version(*write));
        let operation = &mut self.history.operations[op % count];
        if let Some(seen) = operation.saw.as_mut().or(operation.conditional.as_mut()) {
            *seen = version;
        }
    }

    /// How many operations are deletes.
    pub(super) fn deletes(&self) -> usize {
        let deletes = |op: &&Operation| op.kind == OperationKind::Delete;
        self.history.operations.iter().filter(deletes).count()
    }

    /// What was restored at a key.
    pub(super) fn found(&self, key: KeyId) -> Seen {
        let item = self.observed.items.iter().find(|item| item.key == key);
        item.map_or(Seen::Absent, |item| Seen::Version(item.write))
    }
}
