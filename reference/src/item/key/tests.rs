//! Keys: what is refused, that they sort as their values do, and that they come back.

use proptest::prelude::*;

use super::*;

fn orders() -> KeySchema {
    KeySchema::simple("customer", ScalarAttributeType::S).with_sort("at", ScalarAttributeType::N)
}

fn item(customer: &str, at: &str) -> Item {
    Item::from([
        ("customer".to_owned(), customer.into()),
        ("at".to_owned(), AttributeValue::N(at.parse().expect("a number"))),
        ("more".to_owned(), AttributeValue::Null),
    ])
}

fn refusal<T: std::fmt::Debug>(result: Result<T, ValidationError>) -> String {
    result.expect_err("refused").message
}

#[test]
fn a_key_comes_back_as_the_key_attributes() {
    let mut item = item("ada", "-1.50");
    let key = orders().key_of(&item).expect("a whole key");
    item.remove("more");
    assert_eq!(orders().to_item(&key), item);
    assert_eq!(orders().key_from_map(&item), Ok(key));
}

#[test]
fn an_item_without_its_key_is_refused() {
    let with = |name: &str, value: AttributeValue| {
        let mut item = item("ada", "1");
        item.insert(name.to_owned(), value);
        refusal(orders().key_of(&item))
    };
    let invalid = "One or more parameter values were invalid: ";
    assert_eq!(
        with("at", "soon".into()),
        format!("{invalid}Type mismatch for key at expected: N actual: S")
    );
    assert_eq!(
        with("customer", "".into()),
        "One or more parameter values are not valid. The AttributeValue for a key attribute \
         cannot contain an empty string value. Key: customer"
    );
    assert_eq!(
        refusal(orders().key_of(&Item::new())),
        format!("{invalid}Missing the key customer in the item")
    );
}

#[test]
fn lengths_of_keys_are_limited() {
    let schema =
        KeySchema::simple("p", ScalarAttributeType::S).with_sort("s", ScalarAttributeType::B);
    let key = |partition: usize, sort: usize| {
        schema.key_of(&Item::from([
            ("p".to_owned(), AttributeValue::S("p".repeat(partition))),
            ("s".to_owned(), AttributeValue::B(vec![0; sort].into())),
        ]))
    };
    key(PARTITION_KEY_BYTES_MAX, SORT_KEY_BYTES_MAX).expect("exactly the limits");
    assert!(refusal(key(2049, 1)).contains("Size of hashkey"));
    assert!(refusal(key(1, 1025)).contains("Aggregated size of all range keys"));
    assert!(refusal(key(1, 0)).contains("empty binary value. Key: s"));
}

#[test]
fn a_request_names_exactly_the_key() {
    let mismatch = "The provided key element does not match the schema";
    let mut key = item("ada", "1");
    assert_eq!(refusal(orders().key_from_map(&key)), mismatch);
    key.remove("more");
    orders().key_from_map(&key).expect("exactly the key");
    key.insert("at".to_owned(), "soon".into());
    assert_eq!(refusal(orders().key_from_map(&key)), mismatch);
    key.remove("at");
    assert_eq!(refusal(orders().key_from_map(&key)), mismatch);
}

#[test]
fn hashes_never_change() {
    // They decide which partition of an archived table holds a key.
    assert_eq!(hash_of(b""), 0x2d06800538d394c2);
    assert_eq!(hash_of(b"stillpoint"), 4_708_389_886_241_784_865);
}

fn key_of(value: AttributeValue, attribute_type: ScalarAttributeType) -> PrimaryKey {
    let schema = KeySchema::simple("p", ScalarAttributeType::S).with_sort("s", attribute_type);
    let item = Item::from([("p".to_owned(), "same".into()), ("s".to_owned(), value)]);
    schema.key_of(&item).expect("a valid key")
}

proptest! {
    #[test]
    fn strings_sort_by_utf8(left in "\\PC{1,8}", right in "\\PC{1,8}") {
        let key = |text: &str| key_of(text.into(), ScalarAttributeType::S);
        prop_assert_eq!(key(&left).cmp(&key(&right)), left.as_bytes().cmp(right.as_bytes()));
    }

    #[test]
    fn numbers_sort_by_value(left: i64, right in -20i64..20) {
        let key = |number: i64| key_of(number.into(), ScalarAttributeType::N);
        prop_assert_eq!(key(left).cmp(&key(right)), left.cmp(&right));
        prop_assert_eq!(key(left / 1000).cmp(&key(right)), (left / 1000).cmp(&right));
    }

    #[test]
    fn keys_survive_storage(customer in "\\PC{1,8}", at: i64) {
        let key = orders().key_of(&item(&customer, &at.to_string())).expect("a valid key");
        let bytes = postcard::to_stdvec(&key).expect("plain data");
        prop_assert_eq!(postcard::from_bytes::<PrimaryKey>(&bytes), Ok(key));
    }
}
