//! CreateBackup, DescribeBackup, ListBackups, DeleteBackup and RestoreTableFromBackup.

use super::Failure;
use super::describe::{backup_description, backup_details, describe_table};
use super::reach::{deadline_ns, decide, look_up, look_up_until};
use super::tables::new_table_id;
use crate::api::{
    BackupArn, BackupStatus, BackupType, BackupTypeFilter, CreateBackupError, CreateBackupInput,
    CreateBackupOutput, DeleteBackupError, DeleteBackupInput, DeleteBackupOutput,
    DescribeBackupError, DescribeBackupInput, DescribeBackupOutput, ListBackupsError,
    ListBackupsInput, ListBackupsOutput, RestoreTableFromBackupError, RestoreTableFromBackupInput,
    RestoreTableFromBackupOutput, table_name_of,
};
use crate::env::Env;
use crate::metadata::{Applied, Backup, Command, Refusal};
use crate::mutants::Mutants;
use crate::node::{Call, Reply, Shell};

/// Beyond the time in which a cut is given up, so that the answer says what happened.
const CUT_ANSWER_NS: u64 = 5_000_000_000;

pub(super) async fn create<E: Env, M: Mutants>(
    shell: &Shell<E, M>,
    input: CreateBackupInput,
) -> Result<CreateBackupOutput, CreateBackupError> {
    input.validate()?;
    let table = table_name_of(&input.table_name)?.to_owned();
    let (suffix, requested_ms) = (new_suffix(shell), shell.env().wall_ms());
    let arn = shell.core().config().cluster.table_arn(&table).backup(requested_ms, suffix);
    let name = input.backup_name;
    let command = Command::StartBackup { table: table.clone(), name, suffix, requested_ms };
    let give_up_ns = shell.core().config().cut.give_up_ns + CUT_ANSWER_NS;
    let patience_ns = match decide(shell, command, deadline_ns(shell)).await {
        Ok(Ok(_)) => give_up_ns,
        // Where it is unknown whether the backup was started, its ARN tells: nobody else has it.
        Err(Failure::Unreachable(_)) => shell.core().config().request_ns_max,
        Ok(Err(Refusal::TableNotFound)) => return Err(CreateBackupError::TableNotFound(table)),
        Ok(Err(Refusal::TableInUse)) => return Err(CreateBackupError::TableInUse(table)),
        other => return Err(CreateBackupError::InternalServerError(format!("{other:?}"))),
    };
    let deadline_ns = shell.env().now_ns() + patience_ns;
    // CreateBackup answers only once the cut is sealed.
    match look_up_until(shell, &Call::Sealed(arn), deadline_ns).await {
        Ok(Reply::Backup(Some(backup))) => {
            Ok(CreateBackupOutput { backup_details: backup_details(&backup) })
        }
        Ok(Reply::Backup(None)) => Err(CreateBackupError::InternalServerError(
            "the backup is not in the catalog: perhaps no attempt at its cut succeeded in time"
                .to_owned(),
        )),
        other => Err(CreateBackupError::InternalServerError(format!("{other:?}"))),
    }
}

/// What makes a backup's ARN unique within a millisecond; zeros are a SYSTEM backup's.
fn new_suffix<E: Env, M: Mutants>(shell: &Shell<E, M>) -> u32 {
    1 + shell.env().draw("backup.suffix", u64::from(u32::MAX)) as u32
}

pub(super) async fn describe<E: Env, M: Mutants>(
    shell: &Shell<E, M>,
    input: DescribeBackupInput,
) -> Result<DescribeBackupOutput, DescribeBackupError> {
    input.validate()?;
    let arn = BackupArn::parse(&input.backup_arn)?;
    match look_up(shell, &Call::Backup(arn)).await {
        Ok(Reply::Backup(Some(backup))) => {
            let backup_description = backup_description(&shell.core().config().cluster, &backup);
            Ok(DescribeBackupOutput { backup_description })
        }
        Ok(Reply::Backup(None)) => Err(DescribeBackupError::BackupNotFound(input.backup_arn)),
        other => Err(DescribeBackupError::InternalServerError(format!("{other:?}"))),
    }
}

pub(super) async fn list<E: Env, M: Mutants>(
    shell: &Shell<E, M>,
    input: ListBackupsInput,
) -> Result<ListBackupsOutput, ListBackupsError> {
    input.validate()?;
    let table = input.table_name.as_deref().map(table_name_of).transpose()?;
    let start = input.exclusive_start_backup_arn.as_deref().map(BackupArn::parse).transpose()?;
    let filter = input.backup_type.unwrap_or(BackupTypeFilter::User);
    let mut backups = match look_up(shell, &Call::Backups).await {
        Ok(Reply::Backups(backups)) => backups,
        other => return Err(ListBackupsError::InternalServerError(format!("{other:?}"))),
    };
    // By creation time; the suffix and then the rest of the ARN decide between equals, so that a
    // page can begin behind any ARN, even one that is gone.
    let place = |arn: &BackupArn| (arn.created_ms, arn.suffix, arn.clone());
    backups.sort_by_key(|it| place(&it.arn));
    let shown = |it: &Backup| {
        let time_ms = it.requested_ms;
        filter.shows(BackupType::User)
            && table.is_none_or(|table| it.table.name == table)
            && input.time_range_lower_bound_ms.is_none_or(|lower| time_ms >= lower)
            && input.time_range_upper_bound_ms.is_none_or(|upper| time_ms < upper)
            && start.as_ref().is_none_or(|start| place(&it.arn) > place(start))
    };
    let limit = usize::try_from(input.limit.unwrap_or(ListBackupsInput::LIMIT_MAX));
    let limit = limit.expect("validated");
    let mut page: Vec<Backup> = backups.into_iter().filter(shown).take(limit + 1).collect();
    let more = page.len() > limit;
    page.truncate(limit);
    let core = shell.core();
    let cluster = &core.config().cluster;
    let backup_summaries: Vec<_> =
        page.iter().map(|it| backup_description(cluster, it).summary()).collect();
    let last_evaluated_backup_arn = page.last().filter(|_| more).map(|it| it.arn.clone());
    Ok(ListBackupsOutput { backup_summaries, last_evaluated_backup_arn })
}

pub(super) async fn delete<E: Env, M: Mutants>(
    shell: &Shell<E, M>,
    input: DeleteBackupInput,
) -> Result<DeleteBackupOutput, DeleteBackupError> {
    input.validate()?;
    let arn = BackupArn::parse(&input.backup_arn)?;
    let text = input.backup_arn;
    match decide(shell, Command::DeleteBackup(arn), deadline_ns(shell)).await {
        Ok(Ok(Applied::Backup(backup))) => {
            let mut backup_description =
                backup_description(&shell.core().config().cluster, &backup);
            backup_description.backup_details.backup_status = BackupStatus::Deleted;
            Ok(DeleteBackupOutput { backup_description })
        }
        Ok(Err(Refusal::BackupNotFound)) => Err(DeleteBackupError::BackupNotFound(text)),
        Ok(Err(Refusal::BackupBeingCreated)) => Err(DeleteBackupError::BackupBeingCreated(text)),
        Ok(Err(Refusal::BackupBeingRestored)) => Err(DeleteBackupError::BackupBeingRestored(text)),
        other => Err(DeleteBackupError::InternalServerError(format!("{other:?}"))),
    }
}

pub(super) async fn restore<E: Env, M: Mutants>(
    shell: &Shell<E, M>,
    input: RestoreTableFromBackupInput,
) -> Result<RestoreTableFromBackupOutput, RestoreTableFromBackupError> {
    use RestoreTableFromBackupError as Error;
    input.validate()?;
    let arn = BackupArn::parse(&input.backup_arn)?;
    let backup = match look_up(shell, &Call::Backup(arn.clone())).await {
        Ok(Reply::Backup(Some(backup))) => backup,
        Ok(Reply::Backup(None)) => return Err(Error::BackupNotFound(input.backup_arn)),
        other => return Err(Error::InternalServerError(format!("{other:?}"))),
    };
    let cluster = shell.core().config().cluster.clone();
    let source = backup_description(&cluster, &backup).source_table_details;
    let billing = Some(input.effective_billing(&source)?);
    let (target, id) = (input.target_table_name, new_table_id(shell.env()));
    let requested_ms = shell.env().wall_ms();
    let command =
        Command::StartRestore { backup: arn, target: target.clone(), id, billing, requested_ms };
    match decide(shell, command, deadline_ns(shell)).await {
        Ok(Ok(Applied::Restore(restore, table))) => {
            let table_description = describe_table(&cluster, &table, Some(&restore));
            Ok(RestoreTableFromBackupOutput { table_description })
        }
        Ok(Err(Refusal::TableExists)) => Err(Error::TableAlreadyExists(target)),
        Ok(Err(Refusal::TableInUse)) => Err(Error::TableInUse(target)),
        Ok(Err(Refusal::BackupNotFound)) => Err(Error::BackupNotFound(input.backup_arn)),
        Ok(Err(Refusal::BackupBeingCreated)) => Err(Error::BackupBeingCreated(input.backup_arn)),
        other => Err(Error::InternalServerError(format!("{other:?}"))),
    }
}
