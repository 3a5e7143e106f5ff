//! Stories, workloads and oracles that judge backups and restores.

pub mod report;
