//! A panic inside a simulated node is that node's crash and fails the seed; none reaches whoever
//! runs the world.

use std::cell::Cell;
use std::rc::Rc;
use stillpoint_reference::item::{AttributeValue, Item, KeySchema, ScalarAttributeType};
use stillpoint_reference::mutants::Mutants;
use stillpoint_scenarios::report::{SeedRequest, Verdict};
use stillpoint_scenarios::stage::operate_with;
use stillpoint_scenarios::stories::tell_with;

/// A bug that panics where a restore hands over its items, once in a world.
#[derive(Clone, Default)]
struct PanicsInRestore {
    panicked: Rc<Cell<bool>>,
}

impl Mutants for PanicsInRestore {
    fn restore_drops_an_item(&self) -> bool {
        assert!(self.panicked.replace(true), "a planted panic");
        false
    }
}

#[test]
fn a_panic_in_a_node_is_its_crash_and_the_others_go_on() {
    operate_with(3, &PanicsInRestore::default(), async |it| {
        let schema = KeySchema::simple("pk", ScalarAttributeType::S);
        it.open_table("orders", &schema).await;
        let key = |n: u32| ("pk".to_owned(), AttributeValue::S(n.to_string()));
        it.fill("orders", (0..20).map(|n| Item::from([key(n)]))).await;
        let arn = it.back_up("orders", "nightly").await;
        assert_eq!(it.world.panics(), []);
        it.restore(&arn, "copy").await;
        let [panic] = &it.world.panics()[..] else { panic!("one node panics once") };
        assert!(panic.message.starts_with("a planted panic at "), "{}", panic.message);
        assert!(panic.message.contains("panics.rs:"), "{}", panic.message);
        assert!(it.cluster.hosts.contains(&panic.host));
        assert!(!it.world.is_up(panic.host), "it stays down until somebody restarts it");
        assert_eq!(it.scan_all("copy").await.0.len(), 20);
    });
}

#[test]
fn a_panic_in_a_node_fails_its_seed() {
    let report = tell_with(&SeedRequest::new("backup-under-load", 1), &PanicsInRestore::default());
    let Verdict::Broken(failures) = &report.verdict else { panic!("{:?}", report.verdict) };
    assert_eq!(failures[0].oracle, "no-panic");
    assert_eq!(report.crashes_by_panic.len(), 1);
}
