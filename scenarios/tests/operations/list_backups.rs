//! ListBackups.

use super::common::{backup, delete_backup, refused, simple, slow_uploads, sorted};
use stillpoint_reference::api::{
    BackupArn, BackupStatus, BackupSummary, BackupTypeFilter, ExceptionName, ListBackupsInput,
};
use stillpoint_scenarios::stage::{Operator, operate};

/// `count` backups of the table `orders`, in the order of their making.
async fn make(it: &Operator, count: u32) -> Vec<BackupArn> {
    it.open_table("orders", &simple()).await;
    let mut arns = Vec::new();
    for n in 0..count {
        arns.push(it.back_up("orders", &format!("nightly-{n}")).await);
        it.sleep_ms(10).await;
    }
    arns
}

/// One page.
async fn page(it: &Operator, input: ListBackupsInput) -> Vec<BackupSummary> {
    let output = it.list_backups(input).await.expect("accepted");
    assert_eq!(output.last_evaluated_backup_arn, None, "all of it fits on a page");
    output.backup_summaries
}

fn arns(summaries: &[BackupSummary]) -> Vec<BackupArn> {
    summaries.iter().map(|it| it.backup_arn.clone()).collect()
}

/// S 39: there are no SYSTEM backups here, and none of AWS Backup.
#[test]
fn user_backups_are_shown_unless_others_are_asked_for() {
    operate(3, async |it| {
        let made = make(&it, 2).await;
        let of = |backup_type| ListBackupsInput { backup_type, ..ListBackupsInput::default() };
        for shown in [None, Some(BackupTypeFilter::User), Some(BackupTypeFilter::All)] {
            assert_eq!(arns(&page(&it, of(shown)).await), made, "{shown:?}");
        }
        for hidden in [BackupTypeFilter::System, BackupTypeFilter::AwsBackup] {
            assert_eq!(page(&it, of(Some(hidden))).await, [], "{hidden}");
        }
    });
}

/// S 40.
#[test]
fn the_lower_bound_is_inclusive_and_the_upper_one_is_not() {
    operate(3, async |it| {
        let made = make(&it, 3).await;
        let middle_ms = made[1].created_ms;
        let between = |lower, upper| ListBackupsInput {
            time_range_lower_bound_ms: lower,
            time_range_upper_bound_ms: upper,
            ..ListBackupsInput::default()
        };
        for (lower, upper, shown) in [
            (Some(middle_ms), None, &made[1..]),
            (Some(middle_ms + 1), None, &made[2..]),
            (None, Some(middle_ms), &made[..1]),
            (None, Some(middle_ms + 1), &made[..2]),
            (Some(middle_ms), Some(middle_ms + 1), &made[1..2]),
            (Some(middle_ms), Some(middle_ms), &[]),
        ] {
            let found = arns(&page(&it, between(lower, upper)).await);
            assert_eq!(found, shown, "{lower:?} to {upper:?}");
        }
        // S 45.
        let upside_down = between(Some(middle_ms + 1), Some(middle_ms));
        refused(it.list_backups(upside_down).await, ExceptionName::Validation);
    });
}

/// All backups, by pages of `limit`; no page may be longer.
async fn by_pages(it: &Operator, limit: i32) -> Vec<BackupArn> {
    let (mut found, mut start) = (Vec::new(), None);
    loop {
        let input = ListBackupsInput {
            limit: Some(limit),
            exclusive_start_backup_arn: start,
            ..ListBackupsInput::default()
        };
        let output = it.list_backups(input).await.expect("accepted");
        assert!(output.backup_summaries.len() <= limit as usize);
        found.extend(arns(&output.backup_summaries));
        match output.last_evaluated_backup_arn {
            Some(last) => start = Some(last.to_string()),
            None => return found,
        }
    }
}

/// S 41.
#[test]
fn pages_of_any_length_show_each_backup_once() {
    operate(3, async |it| {
        let made = make(&it, 7).await;
        for limit in 1..=8 {
            assert_eq!(by_pages(&it, limit).await, made, "limit {limit}");
        }
        assert_eq!(by_pages(&it, 100).await, made);
    });
}

/// S 49.
#[test]
fn what_is_there_all_the_time_is_shown_once_though_others_come_and_go() {
    operate(3, async |it| {
        let made = make(&it, 5).await;
        let (mut found, mut start) = (Vec::new(), None);
        for round in 0.. {
            let input = ListBackupsInput {
                limit: Some(1),
                exclusive_start_backup_arn: start,
                ..ListBackupsInput::default()
            };
            let output = it.list_backups(input).await.expect("accepted");
            found.extend(arns(&output.backup_summaries));
            let Some(last) = output.last_evaluated_backup_arn else { break };
            if round == 1 {
                // The one that the next page begins behind goes, and another comes.
                it.delete_backup(delete_backup(&last)).await.expect("accepted");
                it.back_up("orders", "late").await;
            }
            start = Some(last.to_string());
        }
        let alive_throughout: Vec<&BackupArn> = made.iter().filter(|it| **it != made[1]).collect();
        for arn in alive_throughout {
            assert_eq!(found.iter().filter(|it| *it == arn).count(), 1, "{arn}");
        }
    });
}

/// S 42.
#[test]
fn a_limit_is_1_to_100() {
    operate(1, async |it| {
        for limit in [-1, 0, 101] {
            let input = ListBackupsInput { limit: Some(limit), ..ListBackupsInput::default() };
            refused(it.list_backups(input).await, ExceptionName::Validation);
        }
    });
}

/// S 43.
#[test]
fn backups_being_created_are_listed_too() {
    operate(3, async |it| {
        it.open_table("orders", &simple()).await;
        slow_uploads(&it);
        let created = it.create_backup(backup("orders", "nightly")).await;
        let arn = created.expect("accepted").backup_details.backup_arn;
        let listed = page(&it, ListBackupsInput::default()).await;
        assert_eq!(listed[0].backup_status, BackupStatus::Creating);
        it.await_available(&arn).await;
        let listed = page(&it, ListBackupsInput::default()).await;
        assert_eq!(listed[0].backup_status, BackupStatus::Available);
    });
}

/// S 44 and 45.
#[test]
fn a_name_selects_the_backups_of_its_table_even_a_deleted_one() {
    operate(3, async |it| {
        let orders = make(&it, 2).await;
        let table = it.open_table("invoices", &simple()).await;
        let invoices = vec![it.back_up("invoices", "nightly").await];
        let of = |name: &str| ListBackupsInput {
            table_name: Some(name.to_owned()),
            ..ListBackupsInput::default()
        };
        it.drop_table("orders").await;
        assert_eq!(arns(&page(&it, of("orders")).await), orders);
        assert_eq!(arns(&page(&it, of("invoices")).await), invoices);
        assert_eq!(arns(&page(&it, of(&table.table_arn.to_string())).await), invoices);
        assert_eq!(page(&it, of("nobodys")).await, []);
        refused(it.list_backups(of("no name")).await, ExceptionName::Validation);
    });
}

/// S 46.
#[test]
fn all_tables_that_had_a_name_are_listed_under_it() {
    operate(3, async |it| {
        let made = make(&it, 1).await;
        it.drop_table("orders").await;
        let again = it.open_table("orders", &sorted()).await;
        let second = it.back_up("orders", "nightly").await;
        let input = ListBackupsInput {
            table_name: Some("orders".to_owned()),
            ..ListBackupsInput::default()
        };
        let listed = page(&it, input).await;
        assert_eq!(arns(&listed), [made[0].clone(), second]);
        assert_ne!(listed[0].table_id, again.table_id);
        assert_eq!(listed[1].table_id, again.table_id);
    });
}
