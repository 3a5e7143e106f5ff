//! Writing a recording: the header, each operation in the order of the calls, each backup.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;

use super::line::{BackupLine, CallLine, Clock, Fate, Header, ItemLine, Op, State, Written};
use super::{FORMAT, Recording, Taken, VERSION};
use crate::history::{History, Operation, OperationKind, Outcome, RestoredItem};

/// Writes a recording, one JSON object a line.
///
/// # Errors
/// What `out` refuses to take.
pub fn write(recording: &Recording, out: &mut dyn Write) -> io::Result<()> {
    let header = Header {
        format: FORMAT.to_owned(),
        version: VERSION,
        clock: Clock::Nanoseconds,
        endpoint: recording.endpoint.clone(),
        transactions: recording.transactions_offered,
    };
    line(out, &header)?;
    let numbered = (0_u32..).zip(&recording.transactions);
    let transactions: BTreeMap<u32, u32> =
        numbered.flat_map(|(number, ops)| ops.iter().map(move |op| (op.0, number))).collect();
    for (place, operation) in (0_u32..).zip(&recording.history.operations) {
        let transaction = transactions.get(&place).copied();
        line(out, &call_line(&recording.history, operation, transaction))?;
    }
    recording.backups.iter().try_for_each(|it| line(out, &backup_line(&recording.history, it)))
}

fn line(out: &mut dyn Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}

fn call_line(history: &History, it: &Operation, transaction: Option<u32>) -> CallLine {
    CallLine {
        op: match it.kind {
            OperationKind::Put => Op::Put,
            OperationKind::Delete => Op::Delete,
            OperationKind::Read => Op::Read,
            OperationKind::EventualRead => Op::EventualRead,
        },
        client: it.client,
        key: history.keys.name(it.key),
        write: it.write.map(Written),
        replaces: it.conditional.map(State),
        transaction,
        invoke: it.invoke_ns,
        answered: it.return_ns(),
        outcome: match it.outcome {
            Outcome::Acknowledged => Fate::Done,
            Outcome::Refused => Fate::Refused,
            Outcome::Unknown => Fate::Unknown,
        },
        saw: it.saw.map(State),
    }
}

fn backup_line(history: &History, it: &Taken) -> BackupLine {
    let items = |items: &[RestoredItem]| items.iter().map(|it| item_line(history, it)).collect();
    let observed = &it.observed;
    BackupLine {
        op: Op::Backup,
        name: it.name.clone(),
        request: observed.request_ns,
        answer: observed.answer_ns,
        available: it.available_ns,
        items: items(&observed.items),
        unknown_items: observed.unknown_items.clone(),
        settings_differ: observed.settings_differ.clone(),
        second: observed.second.as_deref().map(items),
    }
}

fn item_line(history: &History, it: &RestoredItem) -> ItemLine {
    ItemLine { key: history.keys.name(it.key), write: Written(it.write), damaged: !it.intact }
}
