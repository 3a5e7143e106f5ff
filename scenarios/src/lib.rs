//! Stories, workloads and oracles that judge backups and restores.
//!
//! A *story* ([`stories`]) is a claim and what is done to a simulated cluster to test it. It is
//! told on a *stage* ([`stage`]): the reference service on the simulated world, with clients that
//! keep a [`history`]. The same load with and without backups is compared in [`interference`].
//! *Oracles* ([`oracle`]) judge that history and what the public API returned.
//! How fast an endpoint is, this service's or another's, is measured by [`load`].
//! [`conform`] drives any endpoint over HTTP instead, and judges its [`recording`] alike.
//! [`explore`] crashes a small backup and a small restore at every point there is.
//! A [`campaign`] tells many stories under many seeds; the [`command`] is how a person asks for it.

pub mod campaign;
pub mod command;
pub mod conform;
pub mod explore;
pub mod history;
pub mod interference;
pub mod load;
pub mod oracle;
pub mod recording;
pub mod report;
pub mod stage;
pub mod stories;
