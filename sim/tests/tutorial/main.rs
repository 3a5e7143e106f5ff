//! The tutorial and the example of README.md: that they do what it says.
//!
//! `store.rs`, `log.rs` and `scenario.rs` are its text; `synced/` and `fixed/` have what becomes
//! of `log.rs`. Of the two tests that fail, and are therefore not run by themselves, `readme.rs`
//! compares the output.
#![allow(clippy::duplicate_mod, reason = "three stores differ in their logs only")]
#![allow(unreachable_pub, reason = "the text is that of a crate of its own")]

mod journal;
mod log;
mod progress;
mod readme;
mod scenario;
mod store;

mod synced {
    mod log;
    #[path = "../scenario.rs"]
    pub mod scenario;
    #[path = "../store.rs"]
    mod store;
}

mod fixed {
    mod log;
    #[path = "../scenario.rs"]
    pub mod scenario;
    #[path = "../store.rs"]
    mod store;
}

use stillpoint_sim::check;

#[test]
#[ignore = "it fails, as README.md tells"]
fn what_was_put_is_got() {
    check(1_000, scenario::scenario);
}

#[test]
#[ignore = "it fails after half a minute, as README.md tells"]
fn to_sync_in_any_case_is_enough() {
    check(40_000, synced::scenario::scenario);
}

#[test]
fn what_was_put_is_got_once_it_is_fixed() {
    check(500, fixed::scenario::scenario);
}
