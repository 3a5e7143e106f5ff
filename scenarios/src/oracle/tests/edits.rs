//! Judging the judge: single edits of a correct backup, and of the log it is judged by.

use proptest::prelude::*;

use super::brute_causes;
use crate::history::{
    CommittedLog, History, KeyId, LogEntry, Observed, PartitionLog, RestoredItem, Seen, WriteId,
};
use crate::oracle::{Both, Judgement, Level, Verdict, judge};

/// One edit of what a restore gave; numbers choose among what is there.
#[derive(Clone, Copy, Debug)]
pub(super) enum Edit {
    /// Turns the list of items round: changes nothing.
    Reorder,
    Drop(usize),
    Twice(usize),
    Damage(usize),
    /// Gives two items each other's version.
    Exchange(usize, usize),
    /// Gives an item the version of another write.
    Shift(usize, usize),
    /// Adds an item at a key, if it has none.
    Add(u32, usize),
    Invent,
    Setting,
    /// Lets a second restore lack an item.
    SecondLacks(usize),
}

pub(super) fn edits() -> impl Strategy<Value = Edit> {
    let n = 0_usize..64;
    prop_oneof![
        Just(Edit::Reorder),
        n.clone().prop_map(Edit::Drop),
        n.clone().prop_map(Edit::Twice),
        n.clone().prop_map(Edit::Damage),
        (n.clone(), n.clone()).prop_map(|(one, other)| Edit::Exchange(one, other)),
        (n.clone(), n.clone()).prop_map(|(item, write)| Edit::Shift(item, write)),
        (0_u32..6, n.clone()).prop_map(|(key, write)| Edit::Add(key, write)),
        Just(Edit::Invent),
        Just(Edit::Setting),
        n.prop_map(Edit::SecondLacks),
    ]
}

impl Edit {
    /// Makes the edit, if there is something to make it on.
    pub(super) fn apply(self, history: &History, observed: &mut Observed) {
        let writes: Vec<WriteId> = history.operations.iter().filter_map(|op| op.write).collect();
        let items = &mut observed.items;
        let count = items.len();
        match self {
            Self::Invent => observed.unknown_items.push("{\"id\": \"stranger\"}".to_owned()),
            Self::Setting => observed.settings_differ.push("billing mode".to_owned()),
            Self::Add(key, pick) => {
                if !writes.is_empty() && items.iter().all(|item| item.key != KeyId(key)) {
                    let write = writes[pick % writes.len()];
                    items.push(RestoredItem { key: KeyId(key), write, intact: true });
                }
            }
            _ if count == 0 => {}
            Self::Reorder => items.reverse(),
            Self::Drop(item) => drop(items.remove(item % count)),
            Self::Twice(item) => items.push(items[item % count]),
            Self::Damage(item) => items[item % count].intact = false,
            Self::Shift(item, pick) => items[item % count].write = writes[pick % writes.len()],
            Self::Exchange(one, other) => {
                let (one, other) = (one % count, other % count);
                (items[one].write, items[other].write) = (items[other].write, items[one].write);
            }
            Self::SecondLacks(item) => {
                let mut second = items.clone();
                second.remove(item % count);
                observed.second = Some(second);
            }
        }
    }
}

/// Whether the restored table breaks a promise whatever the instant of the cut.
pub(super) fn unfounded(log: &CommittedLog, observed: &Observed) -> bool {
    let entries = || log.partitions.iter().flat_map(|partition| &partition.entries);
    let written = |item: &RestoredItem| {
        entries().any(|e| e.key == item.key && e.write == item.write && !e.deletes)
    };
    let once = |item: &RestoredItem| {
        observed.items.iter().filter(|other| other.key == item.key).count() == 1
    };
    let sound = |item: &RestoredItem| item.intact && written(item) && once(item);
    let Observed { unknown_items, settings_differ, second, .. } = observed;
    let whole = second.as_ref().is_none_or(|second| second.len() == observed.items.len());
    !(observed.items.iter().all(sound)
        && unknown_items.is_empty()
        && settings_differ.is_empty()
        && whole)
}

/// One edit of a committed log.
#[derive(Clone, Copy, Debug)]
pub(super) enum LogDamage {
    Lose(usize),
    Repeat(usize),
    Swap(usize, usize),
    Invent(usize),
}

pub(super) fn log_damages() -> impl Strategy<Value = LogDamage> {
    let n = 0_usize..8;
    prop_oneof![
        n.clone().prop_map(LogDamage::Lose),
        n.clone().prop_map(LogDamage::Repeat),
        (n.clone(), n.clone()).prop_map(|(one, other)| LogDamage::Swap(one, other)),
        n.prop_map(LogDamage::Invent),
    ]
}

impl LogDamage {
    /// Makes the edit in the first partition that has entries.
    pub(super) fn apply(self, log: &mut CommittedLog) {
        let some = log.partitions.iter_mut().find(|partition| !partition.entries.is_empty());
        let Some(PartitionLog { entries, .. }) = some else {
            return;
        };
        let count = entries.len();
        match self {
            Self::Lose(entry) => drop(entries.remove(entry % count)),
            Self::Repeat(entry) => entries.push(entries[entry % count]),
            Self::Swap(one, other) => entries.swap(one % count, other % count),
            Self::Invent(entry) => {
                entries[entry % count].write = WriteId { client: 999, seq: 0 };
            }
        }
    }
}

/// Sixty writes on six keys, one after another, in two partitions, and a backup between the
/// thirtieth and the next: every state of the table is told apart from every other.
fn sequential(deletes: &[bool]) -> (History, CommittedLog, Observed) {
    let mut history = History::default();
    let logs = [10, 11].map(|id| PartitionLog { id, entries: Vec::new() });
    let mut log = CommittedLog { partitions: logs.to_vec() };
    let mut observed = Observed { request_ns: 3_001, answer_ns: 3_009, ..Observed::default() };
    for (turn, &deletes) in (0..).zip(deletes) {
        let key = history.keys.intern(&format!("key{}", (turn * 7 + turn / 6) % 6));
        let write = WriteId { client: 1, seq: turn };
        let now_ns = 10 + u64::from(turn) * 100;
        let op = match deletes {
            true => history.invoke_delete(key, write, None, now_ns),
            false => history.invoke_put(key, write, None, now_ns),
        };
        history.acknowledge(op, now_ns + 50);
        log.partitions[key.0 as usize % 2].entries.push(LogEntry { key, write, deletes });
        if turn < 30 {
            observed.items.retain(|item| item.key != key);
            if !deletes {
                observed.items.push(RestoredItem { key, write, intact: true });
            }
        }
    }
    (history, log, observed)
}

fn whole(judgement: &Judgement) -> bool {
    judgement.strongest() == Some(Level::ExactRestore)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2_000,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn every_edit_of_a_sequential_history_is_flagged(
        mut deletes in prop::collection::vec(prop::bool::weighted(0.3), 60),
        edit in edits(),
    ) {
        // Without deletes next to the cut at least one item is there to be edited.
        deletes[29] = false;
        let (history, log, correct) = sequential(&deletes);
        prop_assert!(whole(&judge(&history, Some(&log), &correct)));
        prop_assert!(whole(&judge(&history, None, &correct)));
        let mut edited = correct.clone();
        edit.apply(&history, &mut edited);
        let mut sorted = (correct, edited.clone());
        sorted.0.items.sort();
        sorted.1.items.sort();
        let changed = sorted.0 != sorted.1;
        for log in [Some(&log), None] {
            let judgement = judge(&history, log, &edited);
            prop_assert_eq!(judgement.weakest_violated().is_some(), changed, "{}", judgement);
        }
    }

    /// One client made all writes, so each has all before it for its cause.
    #[test]
    fn every_edit_that_loses_a_cause_is_flagged(
        deletes in prop::collection::vec(prop::bool::weighted(0.2), 60),
        edit in edits(),
    ) {
        let (history, log, mut edited) = sequential(&deletes);
        edit.apply(&history, &mut edited);
        if edited.items.is_empty() || unfounded(&log, &edited) {
            return Ok(());
        }
        let found = |key| {
            let item = edited.items.iter().find(|item| item.key == key);
            item.map_or(Seen::Absent, |item| Seen::Version(item.write))
        };
        for log in [Some(&log), None] {
            let causes_are_in = brute_causes::holds(&history, log, &found) == Some(true);
            let judgement = judge(&history, log, &edited);
            match &judgement.p1 {
                Verdict::Holds => prop_assert!(causes_are_in, "{}", judgement),
                Verdict::Violated(_) => prop_assert!(!causes_are_in, "{}", judgement),
                Verdict::Undecided(why) => prop_assert!(log.is_none(), "{}", why),
            }
        }
    }
}

#[test]
fn nothing_known_decides_nothing() {
    let (history, log, correct) = sequential(&[false; 60]);
    let empty = Observed { items: Vec::new(), ..correct.clone() };
    let no_history = judge(&History::default(), None, &Observed::default());
    assert_eq!((no_history.strongest(), no_history.weakest_violated()), (None, None));
    for log in [Some(&log), None] {
        let judgement = judge(&history, log, &empty);
        assert!(judgement.levels().iter().all(|(_, verdict)| !verdict.holds()), "{judgement}");
    }
}

#[test]
fn a_write_that_was_refused_is_not_restored() {
    let (mut history, _, mut observed) = sequential(&[false; 60]);
    let key = history.keys.intern("key0");
    let write = WriteId { client: 2, seq: 0 };
    let op = history.invoke_put(key, write, Some(Seen::Absent), 2_990);
    history.refuse(op, 2_995);
    observed.items.retain(|item| item.key != key);
    observed.items.push(RestoredItem { key, write, intact: true });
    let judgement = judge(&history, None, &observed);
    assert_eq!(judgement.weakest_violated(), Some(Level::PartitionPrefix), "{judgement}");
}

#[test]
fn a_read_of_an_absent_key_is_tied_to_the_last_of_several_deletes() {
    let (mut history, _, observed) = sequential(&[false; 60]);
    let gone = history.keys.intern("gone");
    for (seq, now_ns) in [(0, 100), (1, 300), (2, 500)] {
        let write = WriteId { client: 3, seq };
        let op = history.invoke_delete(gone, write, None, now_ns);
        history.acknowledge(op, now_ns + 50);
    }
    let read = history.invoke_read(4, gone, 700);
    history.acknowledge_read(read, Seen::Absent, 750);
    let correct = Observed {
        request_ns: 6_000,
        answer_ns: 6_100,
        items: (54..60).map(|seq| latest(&history, seq)).collect(),
        ..observed
    };
    let judgement = judge(&history, None, &correct);
    assert_eq!(judgement.unattributed, 0);
    assert!(whole(&judgement), "{judgement}");
}

/// The item that the write of this number left.
fn latest(history: &History, seq: u32) -> RestoredItem {
    let key = history.operations[seq as usize].key;
    let write = WriteId { client: 1, seq };
    RestoredItem { key, write, intact: true }
}

/// A log that lost an acknowledged write, and a backup that lacks the same: by the log nothing is
/// amiss, and clients know better.
#[test]
fn a_log_that_lost_what_clients_saw_is_a_disagreement() {
    let (history, log, correct) = sequential(&[false; 60]);
    let (before, lost) = (&history.operations[..29], history.operations[29]);
    let before = before.iter().rfind(|op| op.key == lost.key).and_then(|op| op.write);
    let (before, lost) = (before.expect("ten writes a key"), lost.write.expect("a put"));
    let (mut damaged, mut observed) = (log.clone(), correct.clone());
    for partition in &mut damaged.partitions {
        partition.entries.retain(|entry| entry.write != lost);
    }
    let item = observed.items.iter_mut().find(|item| item.write == lost);
    item.expect("it is the last before the cut").write = before;
    let both = Both::judge(&history, &damaged, &observed);
    assert!(both.by_log.p5.holds() && both.by_history.p5.violated(), "{}", both.by_history);
    let alarms = both.alarms();
    let disagreement = alarms.iter().find(|it| it.promise == "P5 (the judges disagree)");
    let witnesses = &disagreement.expect("the two contradict each other").explanation;
    assert!(witnesses.contains("by the committed log: holds"), "{witnesses}");
    assert!(witnesses.contains(&lost.to_string()), "{witnesses}");
    assert_eq!(Both::judge(&history, &log, &correct).alarms(), []);
}
