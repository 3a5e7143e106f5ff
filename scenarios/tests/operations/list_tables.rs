//! ListTables.

use super::common::{provisioned, refused};
use stillpoint_reference::api::{ExceptionName, ListTablesInput};
use stillpoint_scenarios::stage::{Operator, operate};

async fn make(it: &Operator, names: &[String]) {
    for name in names {
        it.create_table(provisioned(name, 1, 1)).await.expect("accepted");
    }
    for name in names {
        it.await_active(name).await;
    }
}

/// All names, by pages of `limit`; no page may be longer.
async fn names(it: &Operator, limit: Option<i32>) -> Vec<String> {
    let (mut names, mut start) = (Vec::new(), None);
    loop {
        let input = ListTablesInput { exclusive_start_table_name: start, limit };
        let page = it.list_tables(input).await.expect("accepted");
        assert!(page.table_names.len() <= limit.unwrap_or(100) as usize);
        names.extend(page.table_names);
        match page.last_evaluated_table_name {
            Some(last) => {
                assert_eq!(names.last(), Some(&last));
                start = Some(last);
            }
            None => return names,
        }
    }
}

#[test]
fn tables_of_every_status_are_listed_by_name() {
    operate(3, async |it| {
        assert_eq!(names(&it, None).await, [] as [String; 0]);
        make(&it, &["pears".to_owned(), "apples".to_owned()]).await;
        it.create_table(provisioned("nuts", 1, 1)).await.expect("accepted");
        assert_eq!(names(&it, None).await, ["apples", "nuts", "pears"]);
        it.drop_table("pears").await;
        assert_eq!(names(&it, None).await, ["apples", "nuts"]);
    });
}

#[test]
fn pages_of_any_length_show_each_table_once() {
    operate(1, async |it| {
        let all: Vec<String> = (0..7).map(|it| format!("table-{it}")).collect();
        make(&it, &all).await;
        for limit in [1, 2, 3, 6, 7, 8, 100] {
            assert_eq!(names(&it, Some(limit)).await, all, "limit {limit}");
        }
    });
}

#[test]
fn a_page_may_begin_behind_a_name_that_nobody_has() {
    operate(1, async |it| {
        make(&it, &["apples".to_owned(), "pears".to_owned()]).await;
        let start = Some("bananas".to_owned());
        let input = ListTablesInput { exclusive_start_table_name: start, limit: None };
        assert_eq!(it.list_tables(input).await.expect("accepted").table_names, ["pears"]);
    });
}

#[test]
fn a_limit_is_1_to_100() {
    operate(1, async |it| {
        for limit in [i32::MIN, 0, 101] {
            let input = ListTablesInput { limit: Some(limit), ..ListTablesInput::default() };
            refused(it.list_tables(input).await, ExceptionName::Validation);
        }
    });
}
