//! How fast a backup is judged: a million writes over ten thousand keys, with and without the
//! committed log. Prints milliseconds; `--release` or the figures mean nothing.

use stillpoint_scenarios::history::{
    CommittedLog, History, LogEntry, Observed, PartitionLog, RestoredItem, WriteId,
};
use stillpoint_scenarios::oracle::{Level, judge, judge_log};

const KEYS: u32 = 10_000;
const WRITES: u32 = 1_000_000;
const PARTITIONS: u32 = 16;

fn main() {
    let (history, log, observed) = story();
    timed("with the log", || {
        let judgement = judge(&history, Some(&log), &observed);
        assert_eq!(judgement.strongest(), Some(Level::ExactRestore), "{judgement}");
    });
    timed("without the log", || {
        let judgement = judge(&history, None, &observed);
        assert_eq!(judgement.strongest(), Some(Level::ExactRestore), "{judgement}");
    });
    timed("the log itself", || assert!(judge_log(&history, &log).holds()));
}

/// Sixty-four clients write at once, one write in eight a delete; the cut is in the middle.
fn story() -> (History, CommittedLog, Observed) {
    let mut history = History::default();
    for key in 0..KEYS {
        history.keys.intern(&format!("key{key}"));
    }
    let partition = |id| PartitionLog { id: u64::from(id), entries: Vec::new() };
    let mut log = CommittedLog { partitions: (0..PARTITIONS).map(partition).collect() };
    let mut items: Vec<Option<RestoredItem>> = vec![None; KEYS as usize];
    for turn in 0..WRITES {
        let draw = turn.wrapping_mul(2_654_435_761) >> 8;
        let key = history.keys.id(&format!("key{}", draw % KEYS)).expect("interned above");
        let (write, deletes) = (WriteId { client: turn % 64, seq: turn / 64 }, draw % 8 == 0);
        let point_ns = 100_000 + u64::from(turn) * 1_000;
        let op = match deletes {
            true => history.invoke_delete(key, write, None, point_ns - 32_000),
            false => history.invoke_put(key, write, None, point_ns - 32_000),
        };
        history.acknowledge(op, point_ns + 31_000);
        log.partitions[(key.0 % PARTITIONS) as usize].entries.push(LogEntry {
            key,
            write,
            deletes,
        });
        if turn < WRITES / 2 {
            let item = RestoredItem { key, write, intact: true };
            items[key.0 as usize] = (!deletes).then_some(item);
        }
    }
    let middle_ns = 100_000 + u64::from(WRITES / 2) * 1_000;
    let (request_ns, answer_ns) = (middle_ns - 500, middle_ns + 500);
    let items = items.into_iter().flatten().collect();
    (history, log, Observed { request_ns, answer_ns, items, ..Observed::default() })
}

#[expect(
    clippy::disallowed_methods,
    reason = "this measures the machine; no verdict depends on it"
)]
fn timed(what: &str, judge: impl Fn()) {
    let mut best_us = u128::MAX;
    for _ in 0..5 {
        let start = std::time::Instant::now();
        judge();
        best_us = best_us.min(start.elapsed().as_micros());
    }
    println!("{what}: {}.{:03} ms", best_us / 1_000, best_us % 1_000);
}
