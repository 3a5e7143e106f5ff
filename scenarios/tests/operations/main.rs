//! The operations through the public API, one file each: every test is a sentence about what a
//! client of a simulated cluster sees. Two more files are about what comes back from a backup:
//! `limits.rs` and `damage.rs`. Numbers of statements ("S 24") are those of section 5 of the
//! specification, "What a conformance checker must test".
//!
//! Nothing here looks inside the service. Crashes and a bad network are left to the stories.

mod common;
mod create_backup;
mod create_table;
mod damage;
mod delete_backup;
mod delete_item;
mod delete_table;
mod describe_backup;
mod describe_table;
mod get_item;
mod limits;
mod list_backups;
mod list_tables;
mod put_item;
mod query;
mod restore_table_from_backup;
mod scan;
mod update_item;
