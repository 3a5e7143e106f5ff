//! The event log: hashes every event, keeps them only when asked to.

use bytes::Bytes;

use crate::hash::{ActorHash, RollingHash};

/// One event of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRecord {
    /// Virtual time in nanoseconds since the world began.
    pub time_ns: u64,
    /// The host it happened to, or `from>to` for what happens to a datagram.
    pub actor: String,
    /// What happened, as in `net.deliver`, `disk.write`, `process.crash`, `poll`.
    pub kind: &'static str,
    /// The message, the written bytes, the number of the task: whatever the kind carries.
    pub payload: Bytes,
}

impl EventRecord {
    /// The record as a line of a transcript, the payload put into words by `describe`.
    pub fn line(&self, describe: impl Fn(&str, &[u8]) -> String) -> String {
        let Self { time_ns, actor, kind, payload } = self;
        let text = describe(kind, payload);
        format!("{time_ns:>14} {actor} {kind} {text}").trim_end().to_string()
    }
}

/// The hash that a run with exactly these events, from its beginning, would have had.
pub fn rehash(records: &[EventRecord]) -> u64 {
    let mut hash = RollingHash::new();
    for it in records {
        hash.update(it.time_ns, &it.actor, it.kind, &it.payload);
    }
    hash.value()
}

/// The hash of all events so far and, while recording, the events.
#[derive(Default)]
pub(crate) struct EventLog {
    hash: RollingHash,
    count: u64,
    records: Option<Vec<EventRecord>>,
}

impl EventLog {
    /// How many events there were.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Takes in an event. `name` is only asked for while recording.
    pub(crate) fn emit(
        &mut self,
        time_ns: u64,
        actor: ActorHash,
        name: impl FnOnce() -> String,
        kind: &'static str,
        payload: &[u8],
    ) {
        self.count += 1;
        self.hash.update_hashed(time_ns, actor, kind, payload);
        if let Some(records) = &mut self.records {
            let payload = Bytes::copy_from_slice(payload);
            records.push(EventRecord { time_ns, actor: name(), kind, payload });
        }
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash.value()
    }

    pub(crate) fn record(&mut self, on: bool) {
        self.records = if on { Some(self.records.take().unwrap_or_default()) } else { None };
    }

    pub(crate) fn records(&self) -> &[EventRecord] {
        self.records.as_deref().unwrap_or_default()
    }
}
