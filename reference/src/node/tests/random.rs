//! Random orders of writes, cuts, slow disks and time: what a hold promises stays true.

use super::bench::{BACKUP, Bench, MS, confirm, held, mark, put, release, requests};
use crate::cut::Message;
use crate::ids::{Attempt, Index, Position};
use crate::node::Reply;
use crate::partition::Command;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Step {
    Write(u64),
    Mark(u64),
    Release(u64),
    Confirm(u64),
    Advance(u64),
    Stall(bool),
    Run,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3_u64).prop_map(Step::Write),
        3 => (1..5_u64).prop_map(Step::Mark),
        1 => (1..5_u64).prop_map(Step::Release),
        3 => (1..5_u64).prop_map(Step::Confirm),
        1 => (1..30_u64).prop_map(Step::Advance),
        1 => any::<bool>().prop_map(Step::Stall),
        3 => Just(Step::Run),
    ]
}

/// A node, what was sent to it, and where its markers were seen to stand.
struct Trial {
    bench: Bench,
    writes: u64,
    markers: BTreeMap<u64, Position>,
}

impl Trial {
    fn take(&mut self, step: &Step) {
        match *step {
            Step::Write(name) => {
                self.writes += 1;
                self.bench.call(0, self.writes, put(self.writes, name, None));
            }
            Step::Mark(attempt) => self.bench.cut(0, mark(attempt)),
            Step::Release(attempt) => self.bench.cut(0, release(attempt)),
            Step::Confirm(attempt) => self.confirm(attempt),
            Step::Advance(time_ms) => self.bench.advance_ms(time_ms),
            Step::Stall(true) => drop(self.bench.stalled.insert(0)),
            Step::Stall(false) => drop(self.bench.stalled.remove(&0)),
            Step::Run => self.bench.run(),
        }
        self.hear();
        self.check();
    }

    /// Held is said if and only if no write stands behind the committed marker.
    fn confirm(&mut self, attempt: u64) {
        let Some(&at) = self.markers.get(&attempt) else { return };
        let behind = requests(&self.bench.log_behind(at.index));
        self.bench.told.clear();
        self.bench.cut(0, confirm(attempt, at));
        let vouched = self.bench.told.contains(&held(attempt, at));
        assert_eq!(vouched, behind.is_empty(), "behind the marker: {behind:?}");
    }

    fn hear(&mut self) {
        for message in self.bench.told.drain(..) {
            if let Message::Marked { attempt, markers, .. } = message {
                let at = *self.markers.entry(attempt.0).or_insert(markers[0].1);
                assert_eq!(at, markers[0].1, "an attempt has one marker");
            }
        }
    }

    fn check(&self) {
        let lead = self.bench.lead(0).expect("it leads alone");
        let log = self.bench.log_behind(Index(0));
        if let Some(hold) = lead.hold {
            assert!(hold.deadline_ns + 5 * MS > self.bench.now_ns, "held beyond the bound");
            let marker = Command::Marker { backup: BACKUP, attempt: hold.attempt }.encode();
            let last = log.last().expect("a hold stands behind its marker");
            assert_eq!(last.payload, marker, "something was appended during a hold");
        } else {
            assert!(lead.queue.is_empty(), "nobody waits without a hold");
        }
        let appended: Vec<u64> = (1..=self.writes - lead.queue.len() as u64).collect();
        assert_eq!(requests(&log), appended, "writes stand in the order in which they came");
        let applied = self.bench.state(0).applied();
        let committed = requests(&log[..applied.0 as usize]);
        for write in 1..=self.writes {
            let reply = committed.contains(&write).then_some(&Reply::Written(None));
            assert_eq!(self.bench.reply(write), reply, "write {write}");
        }
        for attempt in 1..5 {
            let marker = Command::Marker { backup: BACKUP, attempt: Attempt(attempt) }.encode();
            assert!(log.iter().filter(|it| it.payload == marker).count() <= 1);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 150,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn a_hold_keeps_its_promises(steps in vec(step(), 1..80)) {
        let mut trial = Trial { bench: Bench::new(1), writes: 0, markers: BTreeMap::new() };
        steps.iter().for_each(|it| trial.take(it));
    }
}
