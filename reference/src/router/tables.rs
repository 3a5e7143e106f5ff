//! CreateTable, DescribeTable, DeleteTable and ListTables.

use super::Failure;
use super::describe::{describe_table, table_description};
use super::reach::{deadline_ns, decide, look_up};
use crate::api::{
    BillingMode, CreateTableError, CreateTableInput, CreateTableOutput, DeleteTableError,
    DeleteTableInput, DeleteTableOutput, DescribeTableError, DescribeTableInput,
    DescribeTableOutput, ListTablesError, ListTablesInput, ListTablesOutput, TableId,
};
use crate::env::Env;
use crate::metadata::{Applied, Command, Refusal, TableSpec};
use crate::mutants::Mutants;
use crate::node::{Call, Reply, Shell};

/// A table identity that nobody has.
pub(super) fn new_table_id<E: Env>(env: &E) -> TableId {
    let half = || u128::from(env.draw("table.id", u64::MAX));
    TableId(half() << 64 | half())
}

pub(super) async fn create<E: Env, M: Mutants>(
    shell: &Shell<E, M>,
    input: CreateTableInput,
) -> Result<CreateTableOutput, CreateTableError> {
    input.validate()?;
    let spec = TableSpec {
        schema: input.schema()?,
        throughput: input.throughput()?,
        billing_mode: input.billing_mode.unwrap_or(BillingMode::Provisioned),
        attributes: input.attribute_definitions,
    };
    let (name, id) = (input.table_name.clone(), new_table_id(shell.env()));
    let command = Command::CreateTable { name, id, spec, created_ms: shell.env().wall_ms() };
    let unreachable = |failure| match failure {
        Failure::Unreachable(why) => CreateTableError::InternalServerError(why),
        other => CreateTableError::InternalServerError(format!("{other:?}")),
    };
    match decide(shell, command, deadline_ns(shell)).await.map_err(unreachable)? {
        Ok(Applied::Table(table)) => {
            let table_description = table_description(&shell.core().config().cluster, &table, None);
            Ok(CreateTableOutput { table_description })
        }
        Err(Refusal::TableExists | Refusal::TableInUse) => {
            Err(CreateTableError::ResourceInUse(input.table_name))
        }
        other => Err(CreateTableError::InternalServerError(format!("{other:?}"))),
    }
}

pub(super) async fn describe<E: Env, M: Mutants>(
    shell: &Shell<E, M>,
    input: DescribeTableInput,
) -> Result<DescribeTableOutput, DescribeTableError> {
    input.validate()?;
    match look_up(shell, &Call::Table(input.table_name.clone())).await {
        Ok(Reply::Table(Some(found))) => {
            let (table, restore) = *found;
            let table = describe_table(&shell.core().config().cluster, &table, restore.as_ref());
            Ok(DescribeTableOutput { table })
        }
        Ok(Reply::Table(None)) => Err(DescribeTableError::ResourceNotFound(input.table_name)),
        other => Err(DescribeTableError::InternalServerError(format!("{other:?}"))),
    }
}

pub(super) async fn delete<E: Env, M: Mutants>(
    shell: &Shell<E, M>,
    input: DeleteTableInput,
) -> Result<DeleteTableOutput, DeleteTableError> {
    input.validate()?;
    let name = input.table_name;
    shell.router().forget(&name);
    match decide(shell, Command::DeleteTable(name.clone()), deadline_ns(shell)).await {
        Ok(Ok(Applied::Table(table))) => {
            let table_description = table_description(&shell.core().config().cluster, &table, None);
            Ok(DeleteTableOutput { table_description })
        }
        Ok(Err(Refusal::TableNotFound)) => Err(DeleteTableError::ResourceNotFound(name)),
        Ok(Err(Refusal::TableInUse)) => Err(DeleteTableError::TableBeingCreated(name)),
        Ok(Err(Refusal::TableBeingBackedUp)) => Err(DeleteTableError::TableBeingBackedUp(name)),
        other => Err(DeleteTableError::InternalServerError(format!("{other:?}"))),
    }
}

pub(super) async fn list<E: Env, M: Mutants>(
    shell: &Shell<E, M>,
    input: ListTablesInput,
) -> Result<ListTablesOutput, ListTablesError> {
    input.validate()?;
    let names = match look_up(shell, &Call::Tables).await {
        Ok(Reply::Tables(names)) => names,
        other => return Err(ListTablesError::InternalServerError(format!("{other:?}"))),
    };
    let start = input.exclusive_start_table_name;
    let behind = names.into_iter().filter(|it| start.as_ref().is_none_or(|start| it > start));
    let limit = input.limit.unwrap_or(ListTablesInput::LIMIT_MAX);
    let limit = usize::try_from(limit).expect("validated");
    let mut table_names: Vec<String> = behind.take(limit + 1).collect();
    let more = table_names.len() > limit;
    table_names.truncate(limit);
    let last_evaluated_table_name = table_names.last().filter(|_| more).cloned();
    Ok(ListTablesOutput { table_names, last_evaluated_table_name })
}
