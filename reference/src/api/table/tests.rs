//! Requests about tables: every rule from both sides of its boundary.

use super::*;

fn schema() -> KeySchema {
    KeySchema::simple("customer", ScalarAttributeType::S).with_sort("at", ScalarAttributeType::N)
}

fn request() -> CreateTableInput {
    CreateTableInput::on_demand("orders", &schema())
}

fn refusal(change: impl FnOnce(&mut CreateTableInput)) -> String {
    let mut request = request();
    change(&mut request);
    request.validate().expect_err("refused").message
}

#[test]
fn a_schema_survives_the_wire() {
    request().validate().expect("a good request");
    assert_eq!(request().schema(), Ok(schema()));
    let simple = KeySchema::simple("id", ScalarAttributeType::B);
    assert_eq!(CreateTableInput::on_demand("orders", &simple).schema(), Ok(simple));
}

#[test]
fn key_schemas_are_checked() {
    assert_eq!(
        refusal(|it| it.key_schema.reverse()),
        "Invalid KeySchema: The first KeySchemaElement is not a HASH key type"
    );
    assert_eq!(
        refusal(|it| it.key_schema[1].key_type = KeyType::Hash),
        "Invalid KeySchema: The second KeySchemaElement is not a RANGE key type"
    );
    assert!(refusal(|it| it.key_schema.clear()).contains("one or two elements"));
    assert!(
        refusal(|it| it.key_schema[1].attribute_name = "customer".into()).contains("same name")
    );
    assert!(refusal(|it| it.key_schema.truncate(1)).contains("does not exactly match"));
    assert_eq!(
        refusal(|it| it.attribute_definitions.truncate(1)),
        "One or more parameter values were invalid: Some index key attributes are not defined in \
         AttributeDefinitions. Keys: [customer, at], AttributeDefinitions: [customer]"
    );
    let long = "n".repeat(256);
    assert!(refusal(|it| it.key_schema[0].attribute_name = long).contains("1 to 255 bytes"));
}

#[test]
fn names_are_checked_first() {
    let both = refusal(|it| {
        it.table_name = "a$".to_owned();
        it.key_schema.clear();
    });
    assert_eq!(
        both,
        "2 validation errors detected: Value 'a$' at 'tableName' failed to satisfy constraint: \
         Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+; Value 'a$' at \
         'tableName' failed to satisfy constraint: Member must have length greater than or equal \
         to 3"
    );
    let named =
        |length: usize| DescribeTableInput { table_name: "n".repeat(length) }.validate().is_ok();
    assert_eq!([2, 3, 255, 256].map(named), [false, true, true, false]);
}

#[test]
fn throughput_goes_with_the_billing_mode() {
    let units = |read_capacity_units| {
        Some(ProvisionedThroughput { read_capacity_units, write_capacity_units: 5 })
    };
    assert!(refusal(|it| it.provisioned_throughput = units(5)).contains("Neither ReadCapacity"));
    assert!(refusal(|it| it.billing_mode = None).contains("must both be specified"));
    assert_eq!(
        refusal(|it| it.provisioned_throughput = units(0)),
        "1 validation error detected: Value '0' at 'provisionedThroughput.readCapacityUnits' \
         failed to satisfy constraint: Member must have value greater than or equal to 1"
    );
    let provisioned =
        CreateTableInput { billing_mode: None, provisioned_throughput: units(5), ..request() };
    provisioned.validate().expect("PROVISIONED is the default");
    assert_eq!(provisioned.throughput().ok(), units(5));
    assert_eq!(request().throughput(), Ok(ProvisionedThroughput::NONE));
}

#[test]
fn pages_of_tables_have_1_to_100_names() {
    let allowed = |limit| ListTablesInput { limit, ..Default::default() }.validate().is_ok();
    let limits = [None, Some(0), Some(1), Some(100), Some(101), Some(-1)];
    assert_eq!(limits.map(allowed), [true, false, true, true, false, false]);
}

#[test]
fn an_identity_prints_as_a_uuid() {
    let id = TableId(0x0123_4567_89ab_cdef_0011_2233_4455_6677);
    assert_eq!(id.to_string(), "01234567-89ab-cdef-0011-223344556677");
    assert_eq!(TableId(7).to_string(), "00000000-0000-0000-0000-000000000007");
}
