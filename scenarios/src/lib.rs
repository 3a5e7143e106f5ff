//! Stories, workloads and oracles that judge backups and restores.

pub mod history;
pub mod oracle;
