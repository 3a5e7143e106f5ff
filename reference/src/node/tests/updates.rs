//! Updates at the leader: which version they meet, when they are answered, what they log.

use super::bench::{Bench, P, key, release, requests};
use crate::api::ReturnValues;
use crate::expression::{Condition, Update};
use crate::ids::Index;
use crate::item::{AttributeValue, Item};
use crate::node::{Call, Reply};
use crate::partition::{Command, ItemStore, RequestId, encode_item};
use std::collections::BTreeMap;

/// An update of the item 1 that tells what it changed; numbered like its call.
fn update(id: u64, text: &str, condition: Option<&str>) -> Call {
    let none = BTreeMap::new();
    let mut values = BTreeMap::from([(":one".to_owned(), AttributeValue::from(1))]);
    values.retain(|name, _| text.contains(name.as_str()));
    let parse = |it| Condition::parse(it, &none, &BTreeMap::new()).expect("a condition");
    Call::Update {
        partition: P,
        request: RequestId(id),
        key: key(1),
        attributes: Item::new(),
        update: Update::parse(text, &none, &values).expect("an update"),
        condition: condition.map(parse),
        returned: ReturnValues::UpdatedNew,
    }
}

fn counted(count: i64) -> Item {
    Item::from([("n".to_owned(), count.into())])
}

#[test]
fn an_update_builds_on_a_version_that_is_not_committed_yet() {
    let mut bench = Bench::new(3);
    bench.stalled.extend([1, 2]);
    let before = bench.last().index;
    (1..=3).for_each(|id| bench.call(0, id, update(id, "ADD n :one", None)));
    bench.run();
    assert!(bench.replies.keys().all(|id| *id == 0), "two disks have not got them");
    bench.stalled.clear();
    bench.run();
    for id in 1..=3 {
        assert_eq!(bench.reply(id), Some(&Reply::Written(Some(counted(id as i64)))));
    }
    let items =
        bench.log_behind(before).into_iter().map(|entry| match Command::decode(&entry.payload) {
            Ok(Some(Command::Write(write))) => write.item,
            other => panic!("only writes were asked for: {other:?}"),
        });
    // Each entry holds the whole item: to replay one computes nothing.
    let expected = (1..=3).map(|count| Some(encode_item(&counted(count))));
    assert_eq!(items.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    assert_eq!(bench.state(0).store().get(&key(1)), Ok(Some(encode_item(&counted(3)))));
}

#[test]
fn a_refusal_waits_until_the_version_that_it_met_is_committed() {
    let mut bench = Bench::new(3);
    bench.call(0, 1, update(1, "SET n = absent", None));
    assert!(matches!(bench.reply(1), Some(Reply::Invalid(_))), "there is nothing to wait for");
    bench.stalled.extend([1, 2]);
    bench.call(0, 2, update(2, "ADD n :one", None));
    bench.call(0, 3, update(3, "SET n = absent", None));
    bench.call(0, 4, update(4, "ADD n :one", Some("attribute_not_exists(n)")));
    bench.run();
    assert_eq!((bench.reply(3), bench.reply(4)), (None, None));
    bench.stalled.clear();
    bench.run();
    assert!(matches!(bench.reply(3), Some(Reply::Invalid(_))));
    assert_eq!(bench.reply(4), Some(&Reply::ConditionFailed(Some(counted(1)))));
    assert_eq!(requests(&bench.log_behind(Index(0))), [2]);
}

#[test]
fn an_update_waits_while_a_cut_holds_its_partition() {
    let mut bench = Bench::new(3);
    let at = bench.mark(1);
    bench.call(0, 1, update(1, "ADD n :one", None));
    bench.call(0, 2, update(2, "ADD n :one", None));
    bench.run();
    assert_eq!((bench.last(), bench.reply(1)), (at, None));
    bench.cut(0, release(1));
    bench.run();
    assert_eq!(bench.reply(2), Some(&Reply::Written(Some(counted(2)))));
    assert_eq!(requests(&bench.log_behind(at.index)), [1, 2]);
}
