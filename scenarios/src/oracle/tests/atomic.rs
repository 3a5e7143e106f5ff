//! Torn transactions by their definition, by trying everything: all orders of the calls that
//! real time allows, with and without each of unknown outcome, and all sets of them that could
//! be in.

use proptest::prelude::*;

use crate::history::{History, KeyId, Observed, OpId, RestoredItem, WriteId};
use crate::oracle::{Verdict, judge_transactions};

/// One call that writes a set of keys at once.
#[derive(Clone, Debug)]
struct Call {
    keys: Vec<u32>,
    invoke: u64,
    answer: Option<u64>,
}

/// Calls on three keys, and what a backup shows of each.
#[derive(Clone, Debug)]
struct Case {
    calls: Vec<Call>,
    found: Vec<Option<usize>>,
}

const KEYS: u32 = 3;

fn cases() -> impl Strategy<Value = Case> {
    let keys = prop_oneof![
        Just(vec![0]),
        Just(vec![0, 1]),
        Just(vec![1, 2]),
        Just(vec![0, 2]),
        Just(vec![0, 1, 2]),
    ];
    // Calls mostly follow each other, as those of one client do, and overlap now and then.
    let call = (keys, 0_u64..12, 0_u64..10, prop::bool::weighted(0.9));
    (prop::collection::vec(call, 1..6), prop::collection::vec(prop::option::of(0_usize..6), 3))
        .prop_map(|(calls, found)| {
            let call =
                |(turn, (keys, lead, lag, answered)): (usize, (Vec<u32>, u64, u64, bool))| {
                    let point = 20 + 10 * turn as u64;
                    Call { keys, invoke: point - lead, answer: answered.then_some(point + lag) }
                };
            Case { calls: calls.into_iter().enumerate().map(call).collect(), found }
        })
}

impl Case {
    /// What the backup shows at a key: a call that wrote it, or nothing.
    fn shown(&self, key: u32) -> Option<usize> {
        let writes = |call: &usize| self.calls.get(*call).is_some_and(|it| it.keys.contains(&key));
        self.found[key as usize].filter(writes)
    }

    /// Shows a cut through the calls in their order instead, wholly or with one key torn.
    fn cut(&mut self, at: usize, torn: Option<u32>) {
        for key in 0..KEYS {
            let until = if torn == Some(key) { at.saturating_sub(1) } else { at };
            let last =
                (0..self.calls.len().min(until)).rfind(|&it| self.calls[it].keys.contains(&key));
            self.found[key as usize] = last;
        }
    }

    fn judged(&self) -> Verdict {
        let mut history = History::default();
        let name = |key: u32| format!("key{key}");
        for key in 0..KEYS {
            history.keys.intern(&name(key));
        }
        let mut transactions: Vec<Vec<OpId>> = Vec::new();
        for (client, call) in (0..).zip(&self.calls) {
            let part = |&key: &u32| {
                let write = WriteId { client, seq: key };
                let op = history.invoke_put(KeyId(key), write, None, call.invoke);
                if let Some(answer) = call.answer {
                    history.acknowledge(op, answer);
                }
                op
            };
            transactions.push(call.keys.iter().map(part).collect());
        }
        let item = |key| {
            let write = WriteId { client: self.shown(key)? as u32, seq: key };
            Some(RestoredItem { key: KeyId(key), write, intact: true })
        };
        let observed =
            Observed { items: (0..KEYS).filter_map(item).collect(), ..Observed::default() };
        judge_transactions(&history, &transactions, &observed)
    }

    /// The definition: some order of the calls and some set of them explain what is shown.
    fn holds(&self) -> bool {
        self.some_order(&mut Vec::new())
    }

    fn some_order(&self, order: &mut Vec<usize>) -> bool {
        let count = self.calls.len();
        let left: Vec<usize> = (0..count).filter(|it| !order.contains(it)).collect();
        if left.iter().all(|&it| self.calls[it].answer.is_none()) && self.some_set(order) {
            return true;
        }
        let over = |it: usize| self.calls[it].answer.unwrap_or(u64::MAX);
        for next in left {
            // What has been answered before something in the order was called comes before it.
            if order.iter().any(|&it| over(next) < self.calls[it].invoke) {
                continue;
            }
            order.push(next);
            let found = self.some_order(order);
            order.pop();
            if found {
                return true;
            }
        }
        false
    }

    fn some_set(&self, order: &[usize]) -> bool {
        (0_u32..1 << order.len()).any(|set| {
            let inside = |place: &usize| set >> place & 1 == 1;
            (0..KEYS).all(|key| {
                let writers = |place: &usize| self.calls[order[*place]].keys.contains(&key);
                let places: Vec<usize> = (0..order.len()).filter(writers).collect();
                let until = places.iter().take_while(|it| inside(it)).count();
                let prefix = places[until..].iter().all(|it| !inside(it));
                let last = until.checked_sub(1).map(|last| order[places[last]]);
                prefix && last == self.shown(key)
            })
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 6_000,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn whatever_is_shown(case in cases()) {
        match case.judged() {
            Verdict::Holds => prop_assert!(case.holds()),
            Verdict::Violated(_) => prop_assert!(!case.holds()),
            Verdict::Undecided(_) => {}
        }
    }

    #[test]
    fn one_client_at_a_time_leaves_nothing_open(
        mut case in cases(), at in 0_usize..7, torn in prop::option::of(0..KEYS),
    ) {
        let mut end = 0;
        for call in &mut case.calls {
            (call.invoke, call.answer) = (end + 1, Some(end + 3));
            end += 4;
        }
        case.cut(at, torn);
        let holds = case.holds();
        match case.judged() {
            Verdict::Holds => prop_assert!(holds),
            Verdict::Violated(_) => prop_assert!(!holds),
            Verdict::Undecided(why) => prop_assert!(false, "{}", why),
        }
    }
}

#[test]
fn a_torn_transaction_is_shown_with_both_its_parts() {
    let call = |keys: &[u32], invoke, answer| Call { keys: keys.to_vec(), invoke, answer };
    let calls = vec![call(&[0, 1], 10, Some(20)), call(&[0, 1], 30, Some(40))];
    let case = Case { calls, found: vec![Some(1), Some(0), None] };
    let Verdict::Violated(witness) = case.judged() else { panic!("{}", case.judged()) };
    let text = witness.to_string();
    assert!(text.contains("key0 = c1.0, in:  put c1.0 called"), "{text}");
    assert!(text.contains("key1 = c0.1, out: put c1.1 called"), "{text}");
}

#[test]
fn what_nobody_saw_happen_may_be_missing() {
    let call = |keys: &[u32], invoke, answer| Call { keys: keys.to_vec(), invoke, answer };
    let calls = vec![call(&[0, 1], 10, Some(20)), call(&[0, 1], 30, None)];
    let without = Case { calls: calls.clone(), found: vec![Some(0), Some(0), None] };
    assert!(without.judged().holds());
    let torn = Case { calls, found: vec![Some(0), Some(1), None] };
    assert!(torn.judged().violated());
}
