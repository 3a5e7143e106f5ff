//! Places at which the service can do what it hardly ever does, though it always may: smaller
//! batches, earlier maintenance, a wrong guess, a processor that is elsewhere.
//!
//! The environment decides ([`Env::rarely`](crate::env::Env::rarely)): never on a real machine. A
//! test that lets it happen meets code that no other fault reaches, and nothing that a client sees
//! may depend on it.

/// The log writer writes one record, and what else waits later.
pub const LOG_WRITES_ONE: &str = "log.writes-one";
/// The node takes in one message of those that have come.
pub const TAKES_IN_ONE: &str = "node.takes-in-one";
/// The processor is elsewhere for twenty milliseconds after a round.
pub const PROCESSOR_ELSEWHERE: &str = "node.processor-elsewhere";
/// The next checkpoint begins at once.
pub const CHECKPOINTS_AT_ONCE: &str = "checkpoint.at-once";
/// The log is begun anew after a checkpoint, however short it is.
pub const COMPACTS_AT_ONCE: &str = "log.compacts-at-once";
/// The next segment is uploaded at once, with the few entries that there are.
pub const ARCHIVES_AT_ONCE: &str = "archive.at-once";
/// A batch of a restore has one item.
pub const RESTORES_ONE: &str = "restore.one";
/// A restore's worker tarries between two batches.
pub const RESTORE_TARRIES: &str = "restore.tarries";
/// A router asks another member first than the one that it believes to lead.
pub const ROUTER_GUESSES_WRONG: &str = "router.guesses-wrong";
