//! Judging any endpoint that speaks the API: clients write to a table of their own over HTTP,
//! backups are made and restored, and the same oracles that judge simulated runs judge what
//! was recorded.
//!
//! [`run`] drives, through a [`World`] that may be the machine ([`machine`]) or a made-up one
//! in tests; it returns a [`crate::recording::Recording`], which [`grade()`] judges: so a file
//! read back is judged exactly as the run was. Real time, threads and sockets are found in
//! [`machine`] and [`http`] alone. `docs/conformance.md` says what is demanded and why.

pub mod client;
pub mod evidence;
pub mod grade;
pub mod http;
pub mod items;
pub mod ledger;
pub mod machine;
pub mod operator;
pub mod run;
pub mod sigv4;
pub mod waits;
pub mod world;

#[cfg(test)]
mod tests;

pub use grade::{Grade, grade};
pub use run::{Ended, Run, Settings, run};
pub use world::{Answer, Refusal, World};
