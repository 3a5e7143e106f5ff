//! Every type and every limit survives a backup and its restore (S 12).

use super::common::{as_set, item, n, s, sorted};
use bytes::Bytes;
use stillpoint_reference::item::{
    AttributeValue as Value, ITEM_BYTES_MAX, Item, KeySchema, Number, ScalarAttributeType,
    item_size,
};
use stillpoint_scenarios::stage::operate;

/// Backs up a table of these items and restores it: the copy must hold exactly them, as the
/// source does.
fn survive(schema: &KeySchema, items: &[Item]) {
    for nodes in [1, 3] {
        operate(nodes, async |it| {
            it.open_table("orders", schema).await;
            it.fill("orders", items.to_vec()).await;
            let arn = it.back_up("orders", "nightly").await;
            it.restore(&arn, "copy").await;
            for table in ["orders", "copy"] {
                let (found, _) = it.scan_all(table).await;
                assert_eq!(found.len(), items.len(), "{table}, {nodes} nodes");
                assert_eq!(as_set(&found), as_set(items), "{table}, {nodes} nodes");
            }
        });
    }
}

fn simple_of(attribute_type: ScalarAttributeType) -> KeySchema {
    KeySchema::simple("pk", attribute_type)
}

/// Items that differ in one attribute, each under its own key.
fn each(values: impl IntoIterator<Item = Value>) -> Vec<Item> {
    let items = (0..).zip(values);
    items.map(|(at, it)| item([("pk", s(&format!("key-{at}"))), ("it", it)])).collect()
}

#[test]
fn numbers_of_38_digits_and_of_every_magnitude() {
    let digits = "12345678901234567890123456789012345678";
    let texts = [
        digits.to_owned(),
        format!("-{digits}"),
        format!("{}.{}", &digits[..1], &digits[1..]),
        "9.9999999999999999999999999999999999999E125".to_owned(),
        "-9.9999999999999999999999999999999999999E125".to_owned(),
        "1E-130".to_owned(),
        "-1E-130".to_owned(),
        "0".to_owned(),
    ];
    let numbers: Vec<Number> = texts.iter().map(|it| it.parse().expect("a number")).collect();
    let mut values: Vec<Value> = numbers.iter().copied().map(Value::N).collect();
    values.push(Value::NS(numbers.into_iter().collect()));
    survive(&simple_of(ScalarAttributeType::S), &each(values));
}

#[test]
fn all_types_with_empty_ones_among_them() {
    let values = [
        s(""),
        s("Grüße, 世界, \u{1F980}\0"),
        Value::B(Bytes::new()),
        Value::B(Bytes::from((0..=255).collect::<Vec<u8>>())),
        Value::Bool(true),
        Value::Bool(false),
        Value::Null,
        Value::L(vec![]),
        Value::M([].into()),
        Value::L(vec![Value::Null, s(""), n("1.50"), Value::L(vec![])]),
        Value::M([("inner".to_owned(), Value::M([].into()))].into()),
        Value::SS(["b", "a", ""].map(str::to_owned).into()),
        Value::NS(["10", "9", "-1"].map(|it| it.parse().expect("a number")).into()),
        Value::BS([Bytes::from_static(b"\xff"), Bytes::from_static(b"\0")].into()),
    ];
    survive(&simple_of(ScalarAttributeType::S), &each(values));
}

#[test]
fn an_item_that_is_nothing_but_its_key() {
    survive(&sorted(), &[item([("pk", s("a")), ("sk", n("0"))])]);
}

#[test]
fn lists_and_maps_nested_32_deep() {
    let lists = (0..32).fold(n("1"), |it, _| Value::L(vec![it]));
    let maps = (0..32).fold(n("1"), |it, _| Value::M([("m".to_owned(), it)].into()));
    survive(&simple_of(ScalarAttributeType::S), &each([lists, maps]));
}

#[test]
fn items_of_400_kilobytes() {
    let largest = |pk: &str| {
        let mut it = item([("pk", s(pk)), ("body", Value::B(Bytes::new()))]);
        let body = vec![0xA5; ITEM_BYTES_MAX - item_size(&it)];
        it.insert("body".to_owned(), Value::B(body.into()));
        assert_eq!(item_size(&it), 400 << 10);
        it
    };
    survive(&simple_of(ScalarAttributeType::S), &["a", "b", "c"].map(largest));
}

#[test]
fn keys_of_2048_and_1024_bytes() {
    use ScalarAttributeType::{B, S};
    let strings = simple_of(S).with_sort("sk", S);
    let longest =
        |fill: &str| item([("pk", s(&fill.repeat(2_048))), ("sk", s(&fill.repeat(1_024)))]);
    survive(&strings, &["a", "b"].map(longest));
    let bytes = simple_of(B).with_sort("sk", B);
    let longest = |fill: u8| {
        let of = |len| Value::B(Bytes::from(vec![fill; len]));
        item([("pk", of(2_048)), ("sk", of(1_024))])
    };
    survive(&bytes, &[0x00, 0xFF].map(longest));
}

#[test]
fn numbers_as_keys() {
    use ScalarAttributeType::N;
    let keys = ["-9.9E125", "-1", "-1E-130", "0", "1E-130", "1", "9.9E125"];
    let items: Vec<Item> = keys.iter().map(|it| item([("pk", n(it)), ("sk", n(it))])).collect();
    survive(&simple_of(N).with_sort("sk", N), &items);
}
