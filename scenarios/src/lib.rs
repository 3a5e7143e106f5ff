//! Stories, workloads and oracles that judge backups and restores.

pub mod campaign;
pub mod command;
pub mod history;
pub mod oracle;
pub mod report;
