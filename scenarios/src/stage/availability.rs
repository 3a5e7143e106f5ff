//! How long a backup takes to become AVAILABLE, by the size of the table, in calm weather.

use super::operator::{Operator, operate};
use stillpoint_reference::api::{
    BillingMode, CreateTableInput, ProvisionedThroughput, PutItemInput,
};
use stillpoint_reference::item::{AttributeValue, Item, KeySchema, ScalarAttributeType};
use stillpoint_reference::task::join_all;

/// The table that is backed up.
const TABLE: &str = "orders";
/// So many items are put at once.
const PUTS_AT_ONCE: u32 = 200;
/// Nodes of the cluster, whatever the table's size.
const NODES: u16 = 9;

/// The simulated time from CreateBackup to AVAILABLE, in nanoseconds, of a table of so many
/// partitions and items of 100 bytes. The backup is asked for at once after the last item was
/// written, and its state is asked for every 5 ms.
///
/// # Panics
/// Something was refused, though nothing fails.
#[must_use]
pub fn time_to_available_ns(partitions: u32, items: u32) -> u64 {
    operate(NODES, async |it| {
        let schema = KeySchema::simple("pk", ScalarAttributeType::S);
        let units = i64::from(partitions) * 3_000;
        let input = CreateTableInput {
            billing_mode: Some(BillingMode::Provisioned),
            provisioned_throughput: Some(ProvisionedThroughput {
                // A unit of writing weighs as much as three of reading.
                read_capacity_units: units - 3,
                write_capacity_units: 1,
            }),
            ..CreateTableInput::on_demand(TABLE, &schema)
        };
        it.create_table(input).await.expect("nothing stands against it");
        it.await_active(TABLE).await;
        fill(&it, items).await;
        let request_ns = it.world.now_ns();
        it.back_up(TABLE, "nightly").await;
        it.world.now_ns() - request_ns
    })
}

async fn fill(it: &Operator, items: u32) {
    for first in (0..items).step_by(PUTS_AT_ONCE as usize) {
        let numbers = first..(first + PUTS_AT_ONCE).min(items);
        let puts = numbers.map(|number| it.put_item(PutItemInput::new(TABLE, item(number))));
        for put in join_all(puts).await {
            put.expect("nothing stands against it");
        }
    }
}

fn item(number: u32) -> Item {
    Item::from([
        ("pk".to_owned(), AttributeValue::S(format!("order-{number}"))),
        ("body".to_owned(), AttributeValue::B(vec![number as u8; 80].into())),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole table is printed by the example `time_to_available`.
    #[test]
    fn neither_partitions_nor_items_make_a_backup_late() {
        let times_ns = [(1, 1_000), (4, 1_000), (128, 1_000), (4, 4_000)]
            .map(|(partitions, items)| time_to_available_ns(partitions, items));
        let (least, most) = (times_ns.iter().min(), times_ns.iter().max());
        assert!(most.copied() <= least.map(|it| it * 2), "{times_ns:?}");
    }
}
