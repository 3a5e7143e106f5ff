//! A key whose partition was split has its writes in two logs, and each is judged.

use crate::history::{
    CommittedLog, History, KeyId, LogEntry, Observed, PartitionLog, RestoredItem, WriteId,
};
use crate::oracle::{Level, Verdict, Witness, judge};

/// `a` and `b` are each written in the parent, and once more in the child that got them.
fn split() -> (History, CommittedLog) {
    let mut history = History::default();
    let keys = ["a", "b"].map(|name| history.keys.intern(name));
    let mut logs = [1, 2, 3].map(|id| PartitionLog { id, entries: Vec::new() });
    for (seq, (key, partition)) in (0..).zip([(0, 0), (1, 0), (0, 1), (1, 2)]) {
        let (key, write) = (keys[key], WriteId { client: 1, seq });
        let op = history.invoke_put(key, write, None, 100);
        history.acknowledge(op, 200);
        logs[partition].entries.push(LogEntry { key, write, deletes: false });
    }
    (history, CommittedLog { partitions: logs.to_vec() })
}

fn restored(versions: &[(u32, u32)]) -> Observed {
    let item = |&(key, seq): &(u32, u32)| RestoredItem {
        key: KeyId(key),
        write: WriteId { client: 1, seq },
        intact: true,
    };
    let items = versions.iter().map(item).collect();
    Observed { request_ns: 100, answer_ns: 200, items, ..Observed::default() }
}

#[test]
fn each_child_may_stand_where_it_stands() {
    let (history, log) = split();
    for versions in [[(0, 2), (1, 1)], [(0, 0), (1, 3)], [(0, 2), (1, 3)]] {
        let judgement = judge(&history, Some(&log), &restored(&versions));
        assert_eq!(judgement.strongest(), Some(Level::ExactRestore), "{judgement}");
    }
}

#[test]
fn a_child_with_writes_needs_the_whole_parent() {
    let (history, log) = split();
    let judgement = judge(&history, Some(&log), &restored(&[(0, 2)]));
    assert!(judgement.p0.holds(), "the parent may end before b: {judgement}");
    let judgement = judge(&history, Some(&log), &restored(&[(1, 3)]));
    assert_eq!(judgement.weakest_violated(), Some(Level::PartitionPrefix), "{judgement}");
    let Verdict::Violated(witness) = judgement.p6 else { panic!("{judgement}") };
    let Witness::Restore(differences) = *witness else { panic!("{witness}") };
    let owed = WriteId { client: 1, seq: 0 };
    assert_eq!(differences.missing, [("a".to_owned(), owed)]);
}
