//! Causality: against brute force, against hand-made histories in which other levels fail or hold,
//! and by a witness that a person reads.

use proptest::prelude::*;

use super::brute_causes;
use super::random::{Case, plans};
use crate::history::{
    CommittedLog, History, LogEntry, Observed, PartitionLog, RestoredItem, Seen, WriteId,
};
use crate::oracle::bykey::ByKey;
use crate::oracle::{Judgement, Level, Verdict, causal, judge};

fn causality(history: &History, log: Option<&CommittedLog>, observed: &Observed) -> Verdict {
    causal::judge(&ByKey::new(history, log, &observed.items), log.is_some())
}

/// Lets a few clients have made all calls, so that there is an order between these.
fn among_few(mut case: Case, clients: u32) -> Case {
    for (number, op) in (0..).zip(&mut case.history.operations) {
        op.client = number % clients;
    }
    case
}

fn by_brute_force(case: &Case, log: Option<&CommittedLog>) -> bool {
    let holds = brute_causes::holds(&case.history, log, &|key| case.found(key));
    holds.expect("the history was made by a linearization")
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 10_000,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn with_the_order_known(plan in plans(7), clients in 1_u32..5) {
        let case = among_few(Case::new(&plan, true), clients);
        let verdict = causality(&case.history, Some(&case.log), &case.observed);
        prop_assert_eq!(verdict.holds(), by_brute_force(&case, Some(&case.log)), "{}", verdict);
        prop_assert!(!matches!(verdict, Verdict::Undecided(_)));
    }

    #[test]
    fn with_the_order_unknown(plan in plans(6), clients in 1_u32..5) {
        let case = among_few(Case::new(&plan, false), clients);
        let verdict = causality(&case.history, None, &case.observed);
        let holds = by_brute_force(&case, None);
        match verdict {
            Verdict::Holds => prop_assert!(holds),
            Verdict::Violated(_) => prop_assert!(!holds, "{}", verdict),
            // Only deletes leave anything open, and keys restored as they never were.
            Verdict::Undecided(_) => {
                let nonsense = judge(&case.history, None, &case.observed).p3.violated();
                prop_assert!(case.deletes() > 0 || nonsense, "{}", verdict);
            }
        }
    }

    #[test]
    fn one_instant_is_a_causal_cut(plan in plans(12), clients in 1_u32..5) {
        let case = among_few(Case::new(&plan, true), clients);
        for log in [Some(&case.log), None] {
            let judgement = judge(&case.history, log, &case.observed);
            let verdict = causality(&case.history, log, &case.observed);
            prop_assert!(!judgement.p4.holds() || !verdict.violated(), "{}", verdict);
        }
    }

    #[test]
    fn what_clients_can_tell_the_log_shows(plan in plans(12), clients in 1_u32..5) {
        let case = among_few(Case::new(&plan, true), clients);
        let by_history = causality(&case.history, None, &case.observed);
        let by_log = causality(&case.history, Some(&case.log), &case.observed);
        prop_assert!(by_history.violated() <= by_log.violated(), "{}", by_history);
    }
}

const MS: u64 = 1_000_000;

/// A history by hand: every operation takes four milliseconds.
#[derive(Default)]
struct Told {
    history: History,
    log: PartitionLog,
    observed: Observed,
}

impl Told {
    fn put(&mut self, (client, seq): (u32, u32), key: &str, at_ms: u64) -> WriteId {
        let (key, write) = (self.history.keys.intern(key), WriteId { client, seq });
        let op = self.history.invoke_put(key, write, None, at_ms * MS);
        self.history.acknowledge(op, (at_ms + 4) * MS);
        self.log.entries.push(LogEntry { key, write, deletes: false });
        write
    }

    fn read(&mut self, client: u32, key: &str, saw: WriteId, at_ms: u64) {
        let key = self.history.keys.intern(key);
        let op = self.history.invoke_read(client, key, at_ms * MS);
        self.history.acknowledge_read(op, Seen::Version(saw), (at_ms + 4) * MS);
    }

    fn restore(&mut self, write: WriteId) {
        let ops = &self.history.operations;
        let key = ops.iter().find(|op| op.write == Some(write)).expect("it was put").key;
        self.observed.items.push(RestoredItem { key, write, intact: true });
    }

    /// The judgements by the log and by the history alone.
    fn judged(&self) -> [Judgement; 2] {
        let log = CommittedLog { partitions: vec![self.log.clone()] };
        [Some(&log), None].map(|log| judge(&self.history, log, &self.observed))
    }
}

#[test]
fn what_nobody_knew_of_may_be_missing() {
    let mut told = Told::default();
    let old = told.put((1, 0), "cart#7", 0);
    told.put((1, 1), "cart#7", 10);
    let other = told.put((2, 0), "paid#7", 20);
    told.restore(old);
    told.restore(other);
    for judgement in told.judged() {
        assert!(judgement.p1.holds() && judgement.p4.violated(), "{judgement}");
    }
}

#[test]
fn what_the_same_client_wrote_before_may_not() {
    let mut told = Told::default();
    let old = told.put((1, 0), "cart#7", 0);
    told.put((2, 0), "cart#7", 10);
    let other = told.put((2, 1), "paid#7", 20);
    told.restore(old);
    told.restore(other);
    for judgement in told.judged() {
        assert!(judgement.p1.violated(), "{judgement}");
    }
}

#[test]
fn calls_that_overlap_know_nothing_of_each_other() {
    let mut told = Told::default();
    let old = told.put((1, 0), "cart#7", 0);
    told.put((2, 0), "cart#7", 10);
    let other = told.put((2, 1), "paid#7", 14);
    told.restore(old);
    told.restore(other);
    let log = CommittedLog { partitions: vec![told.log.clone()] };
    for log in [Some(&log), None] {
        let verdict = causality(&told.history, log, &told.observed);
        assert!(verdict.holds(), "answered and called at one instant: {verdict}");
    }
}

/// Client 1 fills a cart and client 2, who saw it, takes the payment; then client 3, who saw that,
/// ships, and somebody ships again. The backup shows the second shipment and an empty cart.
fn shipped() -> Told {
    let mut told = Told::default();
    let empty = told.put((1, 0), "cart#7", 0);
    let full = told.put((1, 1), "cart#7", 10);
    told.read(2, "cart#7", full, 20);
    let paid = told.put((2, 0), "paid#7", 30);
    told.read(3, "paid#7", paid, 40);
    told.put((3, 0), "shipped#7", 50);
    let again = told.put((4, 0), "shipped#7", 60);
    for write in [empty, paid, again] {
        told.restore(write);
    }
    told
}

#[test]
fn a_missing_cause_is_shown_with_the_path_from_it() {
    let told = shipped();
    let [by_log, by_history] = told.judged();
    assert_eq!(by_log.weakest_violated(), Some(Level::PartitionPrefix));
    assert_eq!(by_history.weakest_violated(), Some(Level::CausalCut));
    assert_eq!(by_log.p1, by_history.p1);
    super::witnesses::snapshot("witness_of_a_missing_cause", &by_history.p1.to_string());
}

#[test]
fn a_cause_of_something_superseded_is_missed_too() {
    let mut told = shipped();
    told.observed.items.retain(|item| told.history.keys.name(item.key) != "paid#7");
    for judgement in told.judged() {
        let text = judgement.p1.to_string();
        assert!(judgement.p1.violated() && text.contains("replaced: put c4.0"), "{text}");
    }
}
