//! UpdateItem.

use super::Failure;
use super::items::unlearn;
use super::reach::{Repeat, ask_leader, deadline_ns, open_table, partition_for};
use crate::api::{UpdateItemError, UpdateItemInput, UpdateItemOutput};
use crate::env::Env;
use crate::expression::Update;
use crate::item::{KeySchema, ValidationError};
use crate::mutants::Mutants;
use crate::node::{Call, Reply, Shell};
use crate::partition::{ItemKey, RequestId};

pub(super) async fn update<E: Env, M: Mutants>(
    shell: &Shell<E, M>,
    request: RequestId,
    input: UpdateItemInput,
) -> Result<UpdateItemOutput, UpdateItemError> {
    input.validate()?;
    let (update, condition) = input.parse()?;
    let deadline_ns = deadline_ns(shell);
    loop {
        let table = open_table(shell, &input.table_name).await?;
        let schema = &table.spec.schema;
        check_keeps_key(schema, &update)?;
        let key = ItemKey::new(schema.key_from_map(&input.key)?);
        let info = partition_for(&table, key.hash);
        let call = Call::Update {
            partition: info.id,
            request,
            key,
            attributes: input.key.clone(),
            update: update.clone(),
            condition: condition.clone(),
            returned: input.return_values,
        };
        let (partition, members) = (info.id, &info.members);
        match ask_leader(shell, partition, members, &call, Repeat::Unsafe, deadline_ns).await? {
            Reply::Written(attributes) => return Ok(UpdateItemOutput { attributes }),
            Reply::ConditionFailed(_) => return Err(UpdateItemError::ConditionalCheckFailed),
            Reply::Invalid(why) => return Err(UpdateItemError::Validation(why)),
            Reply::NotHosted => unlearn(shell, &input.table_name, deadline_ns).await?,
            other => return Err(Failure::Unreachable(format!("{partition}: {other:?}")).into()),
        }
    }
}

/// An item's key is its identity: whoever wants another key wants another item.
fn check_keeps_key(schema: &KeySchema, update: &Update) -> Result<(), ValidationError> {
    let changed = update.attributes();
    match schema.attributes().find(|it| changed.contains(it.name.as_str())) {
        Some(key) => Err(ValidationError::parameter(format_args!(
            "Cannot update attribute {}. This attribute is part of the key",
            key.name
        ))),
        None => Ok(()),
    }
}
