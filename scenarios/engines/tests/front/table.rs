//! What the writers left in a table, and what it must look like.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;

use crate::WRITERS;

/// As the SDK has it.
#[expect(clippy::disallowed_types, reason = "the SDK's type; nothing here looks at its order")]
type HashItem = std::collections::HashMap<String, AttributeValue>;

/// What a writer has in a table.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// The values of its items, by number.
    values: BTreeMap<usize, String>,
    /// How many its counter says there are.
    counted: usize,
}

/// The same for each writer.
pub(super) type Items = [Written; WRITERS];

/// Everything in a table.
pub(super) async fn scan(client: &Client, table: &str) -> Items {
    let mut items = Items::default();
    let mut from = None;
    loop {
        let call = client.scan().table_name(table).consistent_read(true);
        let page = known!(call.clone().set_exclusive_start_key(from.clone())).expect("a page");
        page.items.unwrap_or_default().iter().for_each(|it| read(it, &mut items));
        from = page.last_evaluated_key;
        if from.is_none() {
            return items;
        }
    }
}

fn read(item: &HashItem, items: &mut Items) {
    let key = item["pk"].as_s().expect("a string");
    let (writer, number) = key.split_once('-').expect("a key of ours");
    let written = &mut items[writer.parse::<usize>().expect("a number")];
    let text = |name: &str| item[name].as_n().expect("a number").clone();
    if number == "items" {
        written.counted = text("items").parse().expect("a whole number");
        return;
    }
    let before = written.values.insert(number.parse().expect("a number"), text("value"));
    assert_eq!(before, None, "{key} is returned twice");
}

/// What is wrong with a table in which each writer has everything below a number from `low` to
/// `high`, and nothing else, and has counted each item but perhaps the last.
pub(super) fn wrongs(
    table: &str,
    items: &Items,
    low: [usize; WRITERS],
    high: [usize; WRITERS],
) -> Vec<String> {
    let mut wrongs = Vec::new();
    for (writer, Written { values, counted }) in items.iter().enumerate() {
        let mut wrong = |what: String| wrongs.push(format!("{table}: writer {writer}: {what}"));
        let as_written = |(n, (number, value)): (usize, (&usize, &String))| {
            n == *number && *value == n.to_string()
        };
        if !(0..).zip(values).all(as_written) {
            wrong(format!("gaps, or other values: {values:?}"));
        }
        let (low, high, found) = (low[writer], high[writer], values.len());
        if !(low..=high).contains(&found) {
            wrong(format!("{found} items instead of {low} to {high}"));
        }
        if *counted != found && *counted + 1 != found {
            wrong(format!("{found} items, of which {counted} were counted"));
        }
        if *counted < low {
            wrong(format!("{low} items were counted, and not {counted}"));
        }
    }
    wrongs
}
