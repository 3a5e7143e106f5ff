//! PutItem, GetItem, DeleteItem and Scan.

use super::Failure;
use super::reach::{Repeat, ask_leader, deadline_ns, open_table, partition_for};
use crate::api::{
    DeleteItemError, DeleteItemInput, DeleteItemOutput, GetItemError, GetItemInput, GetItemOutput,
    PutItemError, PutItemInput, PutItemOutput, ReturnValues, ScanError, ScanInput, ScanOutput,
};
use crate::env::Env;
use crate::expression::Condition;
use crate::item::Item;
use crate::metadata::{PartitionInfo, Table};
use crate::mutants::Mutants;
use crate::node::{Call, Reply, Shell};
use crate::partition::{ItemKey, RequestId, decode_item, encode_item};
use bytes::Bytes;

/// A page of a scan or query ends behind the item that reaches this size (Developer Guide: 1 MB).
pub(super) const PAGE_BYTES_MAX: usize = 1 << 20;

/// A put or a delete, made ready for its partition.
struct Write {
    key: ItemKey,
    item: Option<Bytes>,
    condition: Option<Condition>,
    return_old: bool,
}

/// What came of a write.
enum Written {
    Done(Option<Item>),
    ConditionFailed,
}

pub(super) async fn put<E: Env, M: Mutants>(
    shell: &Shell<E, M>,
    id: RequestId,
    input: PutItemInput,
) -> Result<PutItemOutput, PutItemError> {
    input.validate()?;
    let condition = input.condition()?;
    let return_old = input.return_values == ReturnValues::AllOld;
    let prepare = |table: &Table| {
        let primary = table.spec.schema.key_of(&input.item).map_err(Failure::Invalid)?;
        let (key, item) = (ItemKey::new(primary), Some(encode_item(&input.item)));
        Ok(Write { key, item, condition: condition.clone(), return_old })
    };
    match write(shell, id, &input.table_name, prepare).await? {
        Written::Done(attributes) => Ok(PutItemOutput { attributes }),
        Written::ConditionFailed => Err(PutItemError::ConditionalCheckFailed),
    }
}

pub(super) async fn delete<E: Env, M: Mutants>(
    shell: &Shell<E, M>,
    id: RequestId,
    input: DeleteItemInput,
) -> Result<DeleteItemOutput, DeleteItemError> {
    input.validate()?;
    let condition = input.condition()?;
    let return_old = input.return_values == ReturnValues::AllOld;
    let prepare = |table: &Table| {
        let primary = table.spec.schema.key_from_map(&input.key).map_err(Failure::Invalid)?;
        let key = ItemKey::new(primary);
        Ok(Write { key, item: None, condition: condition.clone(), return_old })
    };
    match write(shell, id, &input.table_name, prepare).await? {
        Written::Done(attributes) => Ok(DeleteItemOutput { attributes }),
        Written::ConditionFailed => Err(DeleteItemError::ConditionalCheckFailed),
    }
}

async fn write<E: Env, M: Mutants>(
    shell: &Shell<E, M>,
    request: RequestId,
    table_name: &str,
    prepare: impl Fn(&Table) -> Result<Write, Failure>,
) -> Result<Written, Failure> {
    let deadline_ns = deadline_ns(shell);
    loop {
        let table = open_table(shell, table_name).await?;
        let Write { key, item, condition, return_old } = prepare(&table)?;
        let info = partition_for(&table, key.hash);
        let partition = info.id;
        let call = Call::Write { partition, request, key, item, condition, return_old };
        let members = &info.members;
        match ask_leader(shell, partition, members, &call, Repeat::Unsafe, deadline_ns).await? {
            Reply::Written(old) => return Ok(Written::Done(old)),
            Reply::ConditionFailed(_) => return Ok(Written::ConditionFailed),
            Reply::NotHosted => unlearn(shell, table_name, deadline_ns).await?,
            other => return Err(Failure::Unreachable(format!("{partition}: {other:?}"))),
        }
    }
}

/// The partition map was outdated, or a member has not heard of its replica yet: look again.
pub(super) async fn unlearn<E: Env, M: Mutants>(
    shell: &Shell<E, M>,
    table_name: &str,
    deadline_ns: u64,
) -> Result<(), Failure> {
    shell.router().forget(table_name);
    let env = shell.env();
    if env.now_ns() >= deadline_ns {
        return Err(Failure::Unreachable(format!("{table_name} moves about")));
    }
    env.sleep_until(env.now_ns() + 10_000_000).await;
    Ok(())
}

/// Reads from a partition: from its leader if `consistent`, else from whichever member answers.
async fn read<E: Env, M: Mutants>(
    shell: &Shell<E, M>,
    info: &PartitionInfo,
    call: &Call,
    deadline_ns: u64,
) -> Result<Reply, Failure> {
    ask_leader(shell, info.id, &info.members, call, Repeat::Safe, deadline_ns).await
}

pub(super) async fn get<E: Env, M: Mutants>(
    shell: &Shell<E, M>,
    input: GetItemInput,
) -> Result<GetItemOutput, GetItemError> {
    input.validate()?;
    let deadline_ns = deadline_ns(shell);
    loop {
        let table = open_table(shell, &input.table_name).await?;
        let primary = table.spec.schema.key_from_map(&input.key)?;
        let key = ItemKey::new(primary);
        let info = partition_for(&table, key.hash);
        let consistent = input.consistent_read;
        let call = Call::Get { partition: info.id, key, consistent };
        match read(shell, info, &call, deadline_ns).await? {
            Reply::Item(item) => {
                let item = item.map(|it| decoded(&it)).transpose()?;
                return Ok(GetItemOutput { item });
            }
            Reply::NotHosted => unlearn(shell, &input.table_name, deadline_ns).await?,
            other => return Err(GetItemError::InternalServerError(format!("{other:?}"))),
        }
    }
}

pub(super) fn decoded(bytes: &[u8]) -> Result<Item, Failure> {
    decode_item(bytes).map_err(|why| Failure::Unreachable(why.to_string()))
}

pub(super) async fn scan<E: Env, M: Mutants>(
    shell: &Shell<E, M>,
    input: ScanInput,
) -> Result<ScanOutput, ScanError> {
    input.validate()?;
    let deadline_ns = deadline_ns(shell);
    let items_max = input.limit.map_or(usize::MAX, |it| usize::try_from(it).expect("validated"));
    let mut page = Page { items: Vec::new(), bytes: 0, after: None };
    let table = open_table(shell, &input.table_name).await?;
    if let Some(key) = &input.exclusive_start_key {
        page.after = Some(ItemKey::new(table.spec.schema.key_from_map(key)?));
    }
    let mut table = table;
    loop {
        match page.fill(shell, &table, items_max, input.consistent_read, deadline_ns).await? {
            Filled::Full => {
                let last = page.after.expect("a page that is full has a last item");
                return Ok(output(page.items, Some(table.spec.schema.to_item(&last.primary))));
            }
            Filled::End => return Ok(output(page.items, None)),
            Filled::Moved => {
                // The table is another one than was remembered: go on in it.
                unlearn(shell, &input.table_name, deadline_ns).await?;
                table = open_table(shell, &input.table_name).await?;
            }
        }
    }
}

/// A page of a scan under construction.
struct Page {
    items: Vec<Item>,
    bytes: usize,
    /// The key that was read last, or behind which the page begins.
    after: Option<ItemKey>,
}

/// How far a page was filled.
enum Filled {
    /// There is more behind it.
    Full,
    /// The table ends here.
    End,
    /// A partition is not where it was remembered to be.
    Moved,
}

impl Page {
    /// Reads partition after partition until the page is full or the table ends.
    async fn fill<E: Env, M: Mutants>(
        &mut self,
        shell: &Shell<E, M>,
        table: &Table,
        items_max: usize,
        consistent: bool,
        deadline_ns: u64,
    ) -> Result<Filled, Failure> {
        let first = self.after.as_ref().map_or(0, |it| it.hash);
        let mut behind = table.partitions.iter().skip_while(|it| it.range.end < first).peekable();
        while let Some(info) = behind.next() {
            let call = Call::Scan {
                partition: info.id,
                after: self.after.clone(),
                items_max: u32::try_from(items_max - self.items.len()).unwrap_or(u32::MAX),
                bytes_max: u32::try_from(PAGE_BYTES_MAX - self.bytes).expect("a megabyte"),
                consistent,
            };
            let more = match read(shell, info, &call, deadline_ns).await? {
                Reply::Page { items, more } => {
                    self.take(items)?;
                    more
                }
                Reply::NotHosted => return Ok(Filled::Moved),
                other => return Err(Failure::Unreachable(format!("{}: {other:?}", info.id))),
            };
            let full = self.items.len() >= items_max || self.bytes >= PAGE_BYTES_MAX;
            if full && (more || behind.peek().is_some()) {
                return Ok(Filled::Full);
            }
        }
        Ok(Filled::End)
    }

    fn take(&mut self, items: Vec<(ItemKey, Bytes)>) -> Result<(), Failure> {
        for (key, item) in items {
            self.bytes += item.len();
            self.items.push(decoded(&item)?);
            self.after = Some(key);
        }
        Ok(())
    }
}

fn output(items: Vec<Item>, last_evaluated_key: Option<Item>) -> ScanOutput {
    let count = u32::try_from(items.len()).expect("a page holds at most a megabyte");
    ScanOutput { items, count, scanned_count: count, last_evaluated_key }
}
