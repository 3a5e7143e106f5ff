//! From what happened in a run to its verdict.
//!
//! The oracles get the clients' history, what the public API returned from restored tables, and
//! the committed log that the world kept. They get nothing that the service says of its own cut.

use super::telling::Played;
use crate::history::{CommittedLog, History, Observed, RestoredItem, WriteId};
use crate::oracle;
use crate::oracle::agreement::Alarm;
use crate::report::{Failure, Verdict};
use crate::stage::contents::Contents;
use crate::stage::is_a_burden;
use crate::stage::workload::identity_of;
use crate::stage::{BackupTaken, Cluster, Restored, Session, key_name};
use stillpoint_reference::api::TableDescription;
use stillpoint_reference::item::Item;
use stillpoint_sim::World;

/// Everything that a verdict rests on.
pub(super) struct Evidence<'a> {
    pub(super) world: &'a World,
    pub(super) cluster: &'a Cluster,
    pub(super) session: &'a Session,
    pub(super) played: &'a Played,
}

/// What the oracles concluded.
pub(super) struct Judged {
    pub(super) verdict: Verdict,
    pub(super) skew_ns_max: Option<u64>,
    pub(super) panics: Vec<String>,
}

/// Judges a run.
pub(super) fn judge(evidence: &Evidence<'_>) -> Judged {
    let mut findings = Findings::default();
    let panics: Vec<String> = evidence.world.panics().iter().map(|it| it.message.clone()).collect();
    for message in &panics {
        findings.fail("no-panic", message.clone());
    }
    let recorder = evidence.cluster.recorder.borrow();
    for conflict in recorder.conflicts() {
        findings.fail("replicas-agree", conflict.clone());
    }
    let source = evidence.played.backups.first().map(|it| it.source.table_id);
    if let Some(table) = source {
        let mut history = evidence.session.history.borrow().clone();
        let schema = &evidence.session.space.schema;
        let log = recorder.log_of(table, schema, &mut history.keys);
        findings.verdict("durability", &oracle::judge_log(&history, &log));
        let updates = evidence.session.updates.borrow();
        let contents = Contents::new(&evidence.session.space, &log, &updates);
        for (backup, first, second) in &evidence.played.restored {
            let observed = observe(&mut history, &contents, backup, first, second.as_ref());
            findings.backup(&history, &log, &observed);
        }
    }
    if let Some(what) = &evidence.played.unfinished
        && nothing_failed(evidence.world)
    {
        findings.fail("progress", format!("nothing had failed, and yet {what}"));
    }
    let skew_ns_max = findings.skew_ns_max;
    let missed = evidence.played.faults_missed && nothing_failed(evidence.world);
    let verdict = match findings.conclude(evidence.played) {
        Verdict::Green if missed => Verdict::Vacuous("the story's faults never struck".to_owned()),
        other => other,
    };
    Judged { verdict, skew_ns_max, panics }
}

/// Whether no fault can excuse a run that did not come to its end. Being slow is no excuse.
fn nothing_failed(world: &World) -> bool {
    if world.struck().iter().any(|it| !is_a_burden(&it.fault)) {
        return false;
    }
    const EXCUSES: [&str; 8] = [
        "process.crash",
        "process.panic",
        "power.loss",
        "net.isolated",
        "net.deafened",
        "net.lost",
        "object.slow_down",
        "object.timeout",
    ];
    let counts = world.fault_counts();
    EXCUSES.iter().all(|it| counts.get(it).is_none_or(|&count| count == 0))
}

#[derive(Default)]
struct Findings {
    failures: Vec<Failure>,
    undecided: Option<String>,
    skew_ns_max: Option<u64>,
}

impl Findings {
    fn fail(&mut self, oracle: &str, explanation: String) {
        self.failures.push(Failure::new(oracle, explanation));
    }

    fn verdict(&mut self, name: &str, verdict: &oracle::Verdict) {
        match verdict {
            oracle::Verdict::Holds => {}
            oracle::Verdict::Violated(witness) => {
                let (kind, explanation) = (witness.kind().to_owned(), witness.to_string());
                self.failures.push(Failure { oracle: name.to_owned(), kind, explanation });
            }
            oracle::Verdict::Undecided(why) => self.undecided = Some(format!("{name}: {why}")),
        }
    }

    /// Judges a backup by the committed log, and once more by what clients saw alone.
    fn backup(&mut self, history: &History, log: &CommittedLog, observed: &Observed) {
        let both = oracle::Both::judge(history, log, observed);
        self.skew_ns_max = self.skew_ns_max.max(both.by_log.skew_ns);
        for Alarm { promise, kind, explanation } in both.alarms() {
            let kind = kind.to_owned();
            self.failures.push(Failure { oracle: promise, kind, explanation });
        }
        self.undecided = both.undecided().or(self.undecided.take());
    }

    fn conclude(self, played: &Played) -> Verdict {
        let compared = played.restored.iter().any(|(_, first, _)| !first.items.is_empty());
        if !self.failures.is_empty() {
            Verdict::Broken(self.failures)
        } else if let Some(why) = &played.unfinished {
            Verdict::Vacuous(why.clone())
        } else if let Some(why) = self.undecided {
            Verdict::Undecided(why)
        } else if played.refused {
            Verdict::Green
        } else if !compared {
            Verdict::Vacuous("no backup was restored with items in it".to_owned())
        } else {
            Verdict::Green
        }
    }
}

fn observe(
    history: &mut History,
    contents: &Contents<'_>,
    backup: &BackupTaken,
    first: &Restored,
    second: Option<&Restored>,
) -> Observed {
    let (items, mut unknown_items) = read_back(history, contents, &first.items);
    let second = second.map(|it| {
        let (items, unknown) = read_back(history, contents, &it.items);
        unknown_items.extend(unknown);
        items
    });
    Observed {
        request_ns: backup.request_ns,
        answer_ns: backup.answer_ns,
        items,
        unknown_items,
        settings_differ: settings_that_differ(&backup.source, &first.table),
        second,
    }
}

/// Restored items as the oracles read them, and those that carry no write's identity.
fn read_back(
    history: &mut History,
    contents: &Contents<'_>,
    items: &[Item],
) -> (Vec<RestoredItem>, Vec<String>) {
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    let space = contents.space;
    for item in items {
        let primary = space.schema.key_of(item);
        match (primary, identity_of(item)) {
            (Ok(primary), Some(write)) => {
                let key = history.keys.intern(&key_name(&space.schema, &primary));
                let intact = *item == as_written(contents, item, write);
                known.push(RestoredItem { key, write, intact });
            }
            _ => unknown.push(format!("{item:?}")),
        }
    }
    (known, unknown)
}

/// The item that `write` left under the key of `item`.
fn as_written(contents: &Contents<'_>, item: &Item, write: WriteId) -> Item {
    match contents.space.number_of(item) {
        Some(key) => contents.left_by(write, key),
        None => Item::new(),
    }
}

/// What a restore owes: the backup's key schema, attributes, billing mode and throughput.
fn settings_that_differ(source: &TableDescription, restored: &TableDescription) -> Vec<String> {
    let mut differ = Vec::new();
    let mut compare = |what: &str, expected: String, found: String| {
        if expected != found {
            differ.push(format!("{what}: expected {expected}, found {found}"));
        }
    };
    let shown = |it: &TableDescription| {
        [
            ("key schema", format!("{:?}", it.key_schema)),
            ("attribute definitions", format!("{:?}", it.attribute_definitions)),
            ("billing mode", format!("{:?}", it.billing_mode)),
            ("provisioned throughput", format!("{:?}", it.provisioned_throughput)),
        ]
    };
    for ((what, expected), (_, found)) in shown(source).into_iter().zip(shown(restored)) {
        compare(what, expected, found);
    }
    if source.table_id == restored.table_id {
        compare("table id", "a new one".to_owned(), source.table_id.to_string());
    }
    differ
}
