//! What a person reads when a promise is broken.

use crate::history::{
    CommittedLog, History, LogEntry, Observed, PartitionLog, RestoredItem, Seen, WriteId,
};
use crate::oracle::{Level, judge, judge_log};

const MS: u64 = 1_000_000;

/// Two clients at two keys: orders are moved from `cart` to `paid`, and the backup finds the
/// later half of one move without the earlier.
fn torn() -> (History, CommittedLog, Observed) {
    let mut history = History::default();
    let (cart, paid) = (history.keys.intern("cart#7"), history.keys.intern("paid#7"));
    let write = |client, seq| WriteId { client, seq };
    let mut log = PartitionLog { id: 3, entries: Vec::new() };
    let steps = [(cart, write(1, 0), 10), (paid, write(2, 0), 12), (cart, write(1, 1), 40)];
    for (key, write, at) in steps.into_iter().chain([(paid, write(2, 1), 55)]) {
        let op = history.invoke_put(key, write, None, at * MS);
        history.acknowledge(op, at * MS + 4_500_000);
        log.entries.push(LogEntry { key, write, deletes: false });
    }
    let item = |key, write| RestoredItem { key, write, intact: true };
    let observed = Observed {
        request_ns: 50 * MS,
        answer_ns: 70 * MS,
        items: vec![item(cart, write(1, 0)), item(paid, write(2, 1))],
        ..Observed::default()
    };
    (history, CommittedLog { partitions: vec![log] }, observed)
}

pub(super) fn snapshot(name: &str, text: &str) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../snapshots");
    insta::with_settings!({snapshot_path => path, prepend_module_to_snapshot => false}, {
        insta::assert_snapshot!(name, text);
    });
}

#[test]
fn a_torn_backup_shows_the_two_writes() {
    let (history, log, observed) = torn();
    let judgement = judge(&history, Some(&log), &observed);
    assert_eq!(judgement.weakest_violated(), Some(Level::PartitionPrefix));
    snapshot("witness_of_a_torn_backup", &judgement.to_string());
}

#[test]
fn a_late_cut_shows_the_write_after_the_answer() {
    let (history, _, mut observed) = torn();
    observed.items[0].write.seq = 1;
    observed.answer_ns = 52 * MS;
    let judgement = judge(&history, None, &observed);
    assert_eq!(judgement.strongest(), Some(Level::ExactCut));
    assert_eq!(judgement.distance_ns, Some(3 * MS));
    snapshot("witness_of_a_late_cut", &judgement.to_string());
}

#[test]
fn a_lost_write_is_named() {
    let (mut history, mut log, _) = torn();
    log.partitions[0].entries.remove(2);
    let cart = history.keys.intern("cart#7");
    let read = history.invoke_read(9, cart, 80 * MS);
    history.acknowledge_read(read, Seen::Version(WriteId { client: 1, seq: 0 }), 81 * MS);
    snapshot("witness_of_a_lost_write", &judge_log(&history, &log).to_string());
}
