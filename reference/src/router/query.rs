//! Query.

use super::Failure;
use super::items::{PAGE_BYTES_MAX, decoded, unlearn};
use super::reach::{Repeat, ask_leader, deadline_ns, open_table, partition_for};
use crate::api::{QueryError, QueryInput, QueryOutput, Select};
use crate::env::Env;
use crate::expression::Condition;
use crate::item::{Item, KeyRange, KeySchema, ValidationError};
use crate::mutants::Mutants;
use crate::node::{Call, Reply, Shell};
use crate::partition::ItemKey;
use bytes::Bytes;

pub(super) async fn query<E: Env, M: Mutants>(
    shell: &Shell<E, M>,
    input: QueryInput,
) -> Result<QueryOutput, QueryError> {
    input.validate()?;
    let (key, filter) = input.parse()?;
    let deadline_ns = deadline_ns(shell);
    loop {
        let table = open_table(shell, &input.table_name).await?;
        let schema = &table.spec.schema;
        check_filter(schema, filter.as_ref())?;
        let range = begun(schema, key.range(schema)?, &input)?;
        let info = partition_for(&table, ItemKey::new(range.first()).hash);
        let call = Call::Query {
            partition: info.id,
            range,
            forward: input.scan_index_forward,
            items_max: input.limit.map_or(u32::MAX, |it| u32::try_from(it).expect("validated")),
            bytes_max: u32::try_from(PAGE_BYTES_MAX).expect("a megabyte"),
            consistent: input.consistent_read,
        };
        let (partition, members) = (info.id, &info.members);
        match ask_leader(shell, partition, members, &call, Repeat::Safe, deadline_ns).await? {
            Reply::Page { items, more } => {
                let last = items.last().map(|(key, _)| schema.to_item(&key.primary));
                return page(items, last.filter(|_| more), filter.as_ref(), input.select);
            }
            Reply::NotHosted => unlearn(shell, &input.table_name, deadline_ns).await?,
            other => return Err(Failure::Unreachable(format!("{partition}: {other:?}")).into()),
        }
    }
}

/// A filter is asked of what the key condition left, so it has nothing to say of the key.
fn check_filter(schema: &KeySchema, filter: Option<&Condition>) -> Result<(), ValidationError> {
    let asked = filter.map(Condition::attributes).unwrap_or_default();
    match schema.attributes().find(|it| asked.contains(it.name.as_str())) {
        Some(key) => Err(ValidationError::new(format!(
            "Filter Expression can only contain non-primary key attributes: \
             Primary key attribute: {}",
            key.name
        ))),
        None => Ok(()),
    }
}

/// What is left of the range behind the exclusive start key.
fn begun(
    schema: &KeySchema,
    range: KeyRange,
    input: &QueryInput,
) -> Result<KeyRange, ValidationError> {
    let Some(start) = &input.exclusive_start_key else { return Ok(range) };
    let start = schema.key_from_map(start).map_err(|why| {
        ValidationError::new(format!("The provided starting key is invalid: {why}"))
    })?;
    if start.partition != range.partition {
        return Err(ValidationError::new(
            "The provided starting key is outside query boundaries based on provided conditions",
        ));
    }
    if !range.contains(&start) {
        let why = "The provided starting key does not match the range key predicate";
        return Err(ValidationError::new(why));
    }
    Ok(range.behind(&start, input.scan_index_forward))
}

fn page(
    read: Vec<(ItemKey, Bytes)>,
    last_evaluated_key: Option<Item>,
    filter: Option<&Condition>,
    select: Select,
) -> Result<QueryOutput, QueryError> {
    let count_of = |items: usize| u32::try_from(items).expect("a page holds at most a megabyte");
    let scanned_count = count_of(read.len());
    let mut items = Vec::new();
    for (_, item) in read {
        let item = decoded(&item)?;
        if filter.is_none_or(|it| it.holds(Some(&item))) {
            items.push(item);
        }
    }
    let count = count_of(items.len());
    if select == Select::Count {
        items.clear();
    }
    Ok(QueryOutput { items, count, scanned_count, last_evaluated_key })
}
