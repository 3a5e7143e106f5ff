//! Reading a recording: line by line, each checked as it comes, so that a mistake is named with
//! its line and nothing that cannot have been recorded reaches a judge.

use std::fmt;
use std::io::BufRead;

use serde::de::DeserializeOwned;

use super::line::{BackupLine, CallLine, Fate, Header, ItemLine, Kind, Op, State, Written};
use super::{FORMAT, Recording, Taken, VERSION};
use crate::history::{History, KeyId, Observed, OpId, Operation, RestoredItem, WriteId};

/// Longest line that is read, in bytes: a backup of a million items fits.
const LINE_BYTES_MAX: usize = 256 << 20;
/// Times end here, so that windows about them can be computed.
const TIME_NS_MAX: u64 = 1 << 62;

/// What is wrong with a file, and in which line, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misread {
    /// The line.
    pub line: usize,
    /// What is wrong with it, in a few words.
    pub what: String,
}

impl fmt::Display for Misread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

/// What is wrong with a line.
type Wrong = String;

/// Reads a recording as [`super::write`] writes it.
///
/// # Errors
/// The first line that is not what the format says, or that contradicts one before it.
pub fn read(mut source: impl BufRead) -> Result<Recording, Misread> {
    let (mut reader, mut text, mut number) = (Reader::default(), String::new(), 0);
    loop {
        number += 1;
        let misread = |what| Misread { line: number, what };
        let more = next_line(&mut source, &mut text).map_err(misread)?;
        match (more, number) {
            (false, 1) => return Err(misread("the file is empty".to_owned())),
            (false, _) => break,
            (true, 1) => reader.begin(&text).map_err(misread)?,
            (true, _) => reader.add(&text, number).map_err(misread)?,
        }
    }
    reader.finish()
}

fn next_line(source: &mut impl BufRead, text: &mut String) -> Result<bool, Wrong> {
    text.clear();
    let mut limited = std::io::Read::take(&mut *source, LINE_BYTES_MAX as u64 + 1);
    let read = limited.read_line(text).map_err(|error| match error.kind() {
        std::io::ErrorKind::InvalidData => "is not UTF-8".to_owned(),
        _ => error.to_string(),
    })?;
    match read {
        0 => Ok(false),
        _ if text.len() > LINE_BYTES_MAX => Err("is too long".to_owned()),
        _ => Ok(true),
    }
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, Wrong> {
    serde_json::from_str(text).map_err(|error| {
        let said = error.to_string();
        // The position within a one-line text: only the column tells anything.
        said.replace(" at line 1 column ", " at column ")
    })
}

#[derive(Default)]
struct Reader {
    recording: Recording,
    last_invoke_ns: u64,
    /// Each write with the line that it stands in.
    writes: Vec<(WriteId, usize)>,
    /// The number of the last transaction, and its line.
    transaction: Option<u32>,
}

impl Reader {
    fn begin(&mut self, text: &str) -> Result<(), Wrong> {
        let header: Header =
            parse(text).map_err(|why| format!("is not the header of a {FORMAT} file: {why}"))?;
        if header.format != FORMAT {
            return Err(format!("the format is {:?}, not {FORMAT:?}", header.format));
        }
        if header.version != VERSION {
            return Err(format!("version {} is not known; possible: {VERSION}", header.version));
        }
        self.recording.endpoint = header.endpoint;
        self.recording.transactions_offered = header.transactions;
        Ok(())
    }

    fn add(&mut self, text: &str, number: usize) -> Result<(), Wrong> {
        match parse::<Kind>(text)?.op {
            Op::Backup => self.add_backup(parse(text)?),
            _ => self.add_call(&parse(text)?, number),
        }
    }

    fn add_call(&mut self, line: &CallLine, number: usize) -> Result<(), Wrong> {
        possible(line)?;
        if !self.recording.backups.is_empty() {
            return Err("an operation stands behind a backup".to_owned());
        }
        if line.invoke < self.last_invoke_ns {
            return Err("was called before the operation above it".to_owned());
        }
        self.last_invoke_ns = line.invoke;
        self.writes.extend(line.write.map(|Written(write)| (write, number)));
        let history = &mut self.recording.history;
        let op = invoke(history, line);
        match (line.outcome, line.answered) {
            (Fate::Done, Some(at)) => match line.saw {
                Some(State(saw)) => history.acknowledge_read(op, saw, at),
                None => history.acknowledge(op, at),
            },
            (Fate::Refused, Some(at)) => history.refuse(op, at),
            _ => history.lose(op),
        }
        self.add_to_transaction(op, line.transaction)
    }

    fn add_to_transaction(&mut self, op: OpId, number: Option<u32>) -> Result<(), Wrong> {
        let before = std::mem::replace(&mut self.transaction, number);
        let Some(number) = number else { return Ok(()) };
        let transactions = &mut self.recording.transactions;
        if let (Some(last), true) = (transactions.last_mut(), before == Some(number)) {
            let operations = &self.recording.history.operations;
            let (one, other) = (&operations[last[0].0 as usize], &operations[op.0 as usize]);
            let call = |it: &Operation| (it.client, it.invoke_ns, it.return_ns(), it.outcome);
            if call(one) != call(other) {
                return Err("differs in client, times or outcome from its transaction".to_owned());
            }
            last.push(op);
            return Ok(());
        }
        if number as usize != transactions.len() {
            return Err(format!(
                "transaction {number} is out of turn: they are counted from 0, and the parts of \
                 one stand together"
            ));
        }
        transactions.push(vec![op]);
        Ok(())
    }

    fn add_backup(&mut self, line: BackupLine) -> Result<(), Wrong> {
        let ordered = line.request <= line.answer && line.answer <= line.available;
        if !ordered || line.available > TIME_NS_MAX {
            return Err("request, answer and available must follow each other".to_owned());
        }
        let history = &mut self.recording.history;
        let mut restored = |items: Vec<ItemLine>| -> Vec<RestoredItem> {
            let item = |it: ItemLine| RestoredItem {
                key: key(history, &it.key),
                write: it.write.0,
                intact: !it.damaged,
            };
            items.into_iter().map(item).collect()
        };
        let observed = Observed {
            request_ns: line.request,
            answer_ns: line.answer,
            items: restored(line.items),
            unknown_items: line.unknown_items,
            settings_differ: line.settings_differ,
            second: line.second.map(restored),
        };
        self.recording.backups.push(Taken {
            name: line.name,
            available_ns: line.available,
            observed,
        });
        Ok(())
    }

    fn finish(mut self) -> Result<Recording, Misread> {
        self.writes.sort_unstable();
        let twice = self.writes.windows(2).filter(|pair| pair[0].0 == pair[1].0);
        match twice.map(|pair| (pair[1].1, pair[1].0)).min() {
            Some((line, write)) => {
                Err(Misread { line, what: format!("{write} is the identity of two writes") })
            }
            None => Ok(self.recording),
        }
    }
}

fn key(history: &mut History, name: &str) -> KeyId {
    history.keys.intern(name)
}

fn invoke(history: &mut History, line: &CallLine) -> OpId {
    let key = key(history, &line.key);
    let replaces = line.replaces.map(|State(seen)| seen);
    match (line.op, line.write) {
        (Op::Put, Some(Written(write))) => history.invoke_put(key, write, replaces, line.invoke),
        (Op::Delete, Some(Written(write))) => {
            history.invoke_delete(key, write, replaces, line.invoke)
        }
        (Op::EventualRead, _) => history.invoke_eventual_read(line.client, key, line.invoke),
        _ => history.invoke_read(line.client, key, line.invoke),
    }
}

/// Whether the members of a line go together.
fn possible(line: &CallLine) -> Result<(), Wrong> {
    let writes = matches!(line.op, Op::Put | Op::Delete);
    let done = line.outcome == Fate::Done;
    let rules = [
        (line.write.is_some() == writes, "a put or a delete has a write, a read has none"),
        (
            line.write.is_none_or(|Written(write)| write.client == line.client),
            "the write is another client's",
        ),
        (writes || line.replaces.is_none(), "a read replaces nothing"),
        (writes || line.transaction.is_none(), "a read belongs to no transaction"),
        (
            line.saw.is_some() == (!writes && done),
            "a read that is done says what it saw, and nothing else does",
        ),
        (
            line.answered.is_some() == (line.outcome != Fate::Unknown),
            "there is a return exactly if the outcome is not unknown",
        ),
        (line.answered.is_none_or(|at| at >= line.invoke), "returns before it was called"),
        (line.invoke.max(line.answered.unwrap_or(0)) <= TIME_NS_MAX, "the time is too large"),
    ];
    match rules.iter().find(|(kept, _)| !kept) {
        Some((_, rule)) => Err((*rule).to_owned()),
        None => Ok(()),
    }
}
