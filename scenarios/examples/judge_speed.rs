//! How fast a backup is judged, and in how much memory: `judge_speed [WRITES [KEYS [PARTITIONS]]]`,
//! a million writes over ten thousand keys in 16 partitions if not told otherwise. Prints
//! milliseconds, with and without the committed log, and the bytes for each write that the
//! history and the judge needed at most; `--release` or the figures mean nothing.

use stillpoint_scenarios::history::{
    CommittedLog, History, KeyId, LogEntry, Observed, PartitionLog, RestoredItem, WriteId,
};
use stillpoint_scenarios::oracle::{Level, judge, judge_log};

/// How large the story is.
#[derive(Clone, Copy)]
struct Scale {
    writes: u32,
    keys: u32,
    partitions: u32,
}

fn main() {
    let mut arguments = std::env::args().skip(1).map(|it| it.parse().expect("a whole number"));
    let mut next = |usual: u32| arguments.next().unwrap_or(usual);
    let scale = Scale { writes: next(1_000_000), keys: next(10_000), partitions: next(16) };
    let (history, log, mut observed) = story(scale);
    report(scale, "the history and its log", || ());
    report(scale, "without the log", || {
        let judgement = judge(&history, None, &observed);
        assert_eq!(judgement.strongest(), Some(Level::ExactRestore), "{judgement}");
    });
    report(scale, "with the log", || {
        let judgement = judge(&history, Some(&log), &observed);
        assert_eq!(judgement.strongest(), Some(Level::ExactRestore), "{judgement}");
    });
    report(scale, "the log itself", || assert!(judge_log(&history, &log).holds()));
    // One item of the very end: much that came before it is missing.
    let last = history.operations.iter().rev().find(|op| op.key.0 == 0);
    let last = last.and_then(|op| op.write).expect("key 0 was written");
    observed.items.retain(|item| item.key != KeyId(0));
    observed.items.push(RestoredItem { key: KeyId(0), write: last, intact: true });
    for (what, log) in [("a torn one without the log", None), ("with the log", Some(&log))] {
        report(scale, what, || {
            let judgement = judge(&history, log, &observed);
            assert!(judgement.p1.violated() && judgement.p4.violated(), "{judgement}");
        });
    }
}

fn draw(turn: u32) -> u32 {
    turn.wrapping_mul(2_654_435_761) >> 8
}

/// Sixty-four clients write at once, one write in eight a delete; the cut is in the middle.
fn story(scale: Scale) -> (History, CommittedLog, Observed) {
    let Scale { writes, keys, partitions } = scale;
    let mut history = History::default();
    history.operations.reserve_exact(writes as usize);
    for key in 0..keys {
        history.keys.intern(&format!("key{key}"));
    }
    // Rooms that fit, so that what is measured is the history and not how it grew.
    let mut rooms = vec![0; partitions as usize];
    (0..writes).for_each(|turn| rooms[(draw(turn) % keys % partitions) as usize] += 1);
    let partition =
        |(id, room): (u64, &usize)| PartitionLog { id, entries: Vec::with_capacity(*room) };
    let mut log = CommittedLog { partitions: (0..).zip(&rooms).map(partition).collect() };
    let mut items: Vec<Option<RestoredItem>> = vec![None; keys as usize];
    for turn in 0..writes {
        let key = KeyId(draw(turn) % keys);
        let (write, deletes) = (
            WriteId { client: turn % 64, seq: turn / 64 },
            turn.wrapping_mul(40_503) >> 7 & 7 == 0,
        );
        let point_ns = 100_000 + u64::from(turn) * 1_000;
        let op = match deletes {
            true => history.invoke_delete(key, write, None, point_ns - 32_000),
            false => history.invoke_put(key, write, None, point_ns - 32_000),
        };
        history.acknowledge(op, point_ns + 31_000);
        log.partitions[(key.0 % partitions) as usize].entries.push(LogEntry {
            key,
            write,
            deletes,
        });
        if turn < writes / 2 {
            let item = RestoredItem { key, write, intact: true };
            items[key.0 as usize] = (!deletes).then_some(item);
        }
    }
    let middle_ns = 100_000 + u64::from(writes / 2) * 1_000;
    let (request_ns, answer_ns) = (middle_ns - 500, middle_ns + 500);
    let items = items.into_iter().flatten().collect();
    (history, log, Observed { request_ns, answer_ns, items, ..Observed::default() })
}

#[expect(clippy::disallowed_methods, reason = "this measures the machine; no verdict rests on it")]
fn report(scale: Scale, what: &str, judge: impl Fn()) {
    let mut best_us = u128::MAX;
    for _ in 0..3 {
        let start = std::time::Instant::now();
        judge();
        best_us = best_us.min(start.elapsed().as_micros());
    }
    let bytes = peak_bytes() / u64::from(scale.writes);
    println!("{what}: {}.{:03} ms, {bytes} bytes a write", best_us / 1_000, best_us % 1_000);
}

/// The most memory that this process had so far, as the kernel of Linux counts it; else 0.
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}
