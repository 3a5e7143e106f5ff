//! The fast judges and the definition agree on thousands of tiny random histories.

use proptest::prelude::*;

use super::random::{Case, plans};
use super::{brute, edits};
use crate::history::{CommittedLog, KeyId, Seen};
use crate::oracle::bykey::{self, ByKey};
use crate::oracle::known::Timeline;
use crate::oracle::unknown::explain;
use crate::oracle::{Judgement, Verdict, judge, judge_log};

/// The unions of all keys; `None` if the history of one has no explanation.
fn unions(case: &Case, log: Option<&CommittedLog>) -> Option<Vec<Vec<(u64, u64)>>> {
    let known = |key: &KeyId| case.history.operations.iter().any(|op| op.key == *key);
    let keys = (0..3).map(KeyId).filter(known);
    keys.map(|key| brute::instants(&case.history, log, key, case.found(key))).collect()
}

/// Every key's union, as a list of the instants in it, by the judge and by brute force. Times are
/// even and small, so the instants from 0 to 120 tell all unions apart.
fn instants_of_keys(case: &Case, log: Option<&CommittedLog>) -> Vec<(Vec<u64>, Vec<u64>)> {
    let by_key = ByKey::new(&case.history, log, &case.observed.items);
    let inside = |spans: &[(u64, u64)]| {
        let at = |at: &u64| spans.iter().any(|&(from, until)| from <= *at && *at <= until);
        (0..120).filter(at).collect::<Vec<u64>>()
    };
    let of_key = |of: bykey::Case<'_>| {
        let found = of.found();
        let spans = match log {
            Some(_) => Timeline::new(&of).spans(&of, found).unwrap_or_default(),
            None => match explain(&of, found) {
                Ok(explained) if explained.unattributed > 0 => return None,
                explained => explained.map_or(Vec::new(), |explained| explained.spans),
            },
        };
        let spans: Vec<(u64, u64)> = spans.iter().map(|s| (s.from.at, s.until.at)).collect();
        let brute = brute::instants(&case.history, log, of.key, found).unwrap_or_default();
        Some((inside(&spans), inside(&brute)))
    };
    by_key.cases().filter_map(of_key).collect()
}

fn flagged(judgement: &Judgement) -> bool {
    judgement.weakest_violated().is_some()
}

fn agrees(case: &Case, judgement: &Judgement, unions: &[Vec<(u64, u64)>]) {
    assert_eq!(judgement.skew_ns, brute::skew(unions));
    let vacuous = case.observed.items.is_empty();
    let expected = |held: bool, verdict: &Verdict| match verdict {
        Verdict::Holds => held && !vacuous,
        Verdict::Violated(_) => !held,
        Verdict::Undecided(_) => held && vacuous,
    };
    let observed = &case.observed;
    assert!(expected(brute::skew(unions).is_some(), &judgement.p3), "{judgement}");
    assert!(expected(brute::common(unions, 0, u64::MAX), &judgement.p4), "{judgement}");
    let in_time = brute::common(unions, observed.request_ns, observed.answer_ns);
    assert!(expected(in_time, &judgement.p5), "{judgement}");
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 6_000,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn with_the_order_known(plan in plans(7)) {
        let case = Case::new(&plan, true);
        let unions = unions(&case, Some(&case.log)).expect("the history was made by the log");
        let judgement = judge(&case.history, Some(&case.log), &case.observed);
        agrees(&case, &judgement, &unions);
        let prefix = brute::prefix(&case.log, &|key| case.found(key));
        prop_assert_eq!(judgement.p0.violated(), !prefix);
        prop_assert_eq!(judgement.p6.violated(), !prefix);
    }

    #[test]
    fn with_the_order_unknown(plan in plans(6)) {
        let case = Case::new(&plan, false);
        let unions = unions(&case, None).expect("the history was made by a linearization");
        let judgement = judge(&case.history, None, &case.observed);
        if judgement.unattributed == 0 {
            agrees(&case, &judgement, &unions);
        } else {
            // What was left out can only have narrowed the truth, and no pass is given.
            let least = judgement.skew_ns.unwrap_or(u64::MAX);
            prop_assert!(least <= brute::skew(&unions).unwrap_or(u64::MAX));
            prop_assert!(!judgement.p3.holds() && !judgement.p4.holds() && !judgement.p5.holds());
        }
    }

    #[test]
    fn at_every_instant_of_every_key(plan in plans(6)) {
        let case = Case::new(&plan, true);
        for (judged, brute) in instants_of_keys(&case, Some(&case.log)) {
            prop_assert_eq!(judged, brute);
        }
        let case = Case::new(&plan, false);
        for (judged, brute) in instants_of_keys(&case, None) {
            prop_assert_eq!(judged, brute);
        }
    }

    #[test]
    fn what_a_known_order_allows_an_unknown_one_allows(plan in plans(12)) {
        let case = Case::new(&plan, true);
        let known = judge(&case.history, Some(&case.log), &case.observed);
        let unknown = judge(&case.history, None, &case.observed);
        let skew = |judgement: &Judgement| judgement.skew_ns.unwrap_or(u64::MAX);
        prop_assert!(skew(&unknown) <= skew(&known));
        prop_assert!(unknown.p5.violated() <= known.p5.violated());
    }

    #[test]
    fn a_service_that_keeps_its_word_is_believed(plan in plans(40)) {
        let case = Case::new(&plan, true);
        prop_assert_eq!(judge_log(&case.history, &case.log), Verdict::Holds);
    }

    #[test]
    fn operations_that_no_order_explains_are_noticed(
        plan in plans(6),
        op in 0_usize..6,
        other in 0_usize..8,
    ) {
        let mut case = Case::new(&plan, false);
        case.falsify(op, other);
        let skew = unions(&case, None).and_then(|unions| brute::skew(&unions));
        let judgement = judge(&case.history, None, &case.observed);
        if judgement.unattributed == 0 {
            prop_assert_eq!(judgement.p3.violated(), skew.is_none(), "{}", judgement);
        } else {
            prop_assert!(skew.is_none() || !judgement.p3.violated(), "{}", judgement);
        }
    }

    #[test]
    fn a_damaged_log_is_noticed(plan in plans(7), damage in edits::log_damages()) {
        let mut case = Case::new(&plan, true);
        damage.apply(&mut case.log);
        let unexplained = (0..3).map(KeyId).any(|key| {
            brute::instants(&case.history, Some(&case.log), key, Seen::Absent).is_none()
        });
        let verdict = judge_log(&case.history, &case.log);
        prop_assert_eq!(verdict.violated(), unexplained, "{}", verdict);
    }

    #[test]
    fn an_edit_is_flagged_if_it_changes_the_meaning(plan in plans(7), edit in edits::edits()) {
        let mut case = Case::new(&plan, true);
        edit.apply(&case.history, &mut case.observed);
        let unfounded = edits::unfounded(&case.log, &case.observed);
        let explained = !unfounded && unions(&case, Some(&case.log)).is_some_and(|unions| {
            let observed = &case.observed;
            brute::common(&unions, observed.request_ns, observed.answer_ns)
                && brute::prefix(&case.log, &|key| case.found(key))
        });
        let judgement = judge(&case.history, Some(&case.log), &case.observed);
        prop_assert_eq!(flagged(&judgement), !explained, "{}", judgement);
    }
}
