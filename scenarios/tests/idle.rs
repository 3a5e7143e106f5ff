//! An idle partition costs nothing: what a cluster without requests does depends on its nodes
//! alone, however many partitions they keep.

use std::collections::BTreeMap;
use stillpoint_reference::api::{CreateTableInput, ProvisionedThroughput};
use stillpoint_reference::item::{KeySchema, ScalarAttributeType};
use stillpoint_scenarios::history::KeyNames;
use stillpoint_scenarios::stage::operate;

/// Read units that one partition serves.
const UNITS_PER_PARTITION: i64 = 3_000;

/// How many events of each kind happen in ten seconds in which nobody asks for anything.
fn events_of_idleness(partitions: i64) -> BTreeMap<&'static str, usize> {
    operate(3, async |it| {
        let schema = KeySchema::simple("pk", ScalarAttributeType::S);
        let input = CreateTableInput {
            billing_mode: None,
            provisioned_throughput: Some(ProvisionedThroughput {
                // A unit of write capacity weighs as much as three of reading.
                read_capacity_units: partitions * UNITS_PER_PARTITION - 3,
                write_capacity_units: 1,
            }),
            ..CreateTableInput::on_demand("orders", &schema)
        };
        it.create_table(input).await.expect("accepted");
        let table = it.await_active("orders").await.table_id;
        // What the creation leaves to be archived is archived by then.
        it.sleep_ms(20_000 - it.world.now_ns() / 1_000_000).await;
        let log = it.cluster.recorder.borrow().log_of(table, &schema, &mut KeyNames::default());
        assert_eq!(log.partitions.len() as i64, partitions, "every partition has a leader");
        it.world.record_events(true);
        it.sleep_ms(10_000).await;
        let mut counts = BTreeMap::new();
        for event in it.world.events() {
            *counts.entry(event.kind).or_default() += 1;
        }
        counts
    })
}

#[test]
fn an_idle_partition_costs_no_message_and_no_timer() {
    let (few, many) = (events_of_idleness(4), events_of_idleness(64));
    assert!(few["net.deliver"] > 0 && few["timer"] > 0, "nodes watch one another: {few:?}");
    assert_eq!(few["net.deliver"], many["net.deliver"]);
    // What falls on the edges of the window may be counted on one side or the other.
    for (kind, count) in &many {
        assert!(count.abs_diff(few[kind]) <= 4, "{kind}: {few:?}, {many:?}");
    }
}
