//! The catalog: what each command does in each state, and what no sequence of commands can break.

use super::{
    Applied, BackupState, Catalog, Cluster, Command, ManifestRef, NodeInfo, Refusal, TableSpec,
    TableStatus, Work,
};
use crate::api::{BackupArn, BillingMode, ProvisionedThroughput};
use crate::ids::{
    Attempt, BackupId, HashRange, Index, NodeId, PartitionId, Position, RestoreId, TableId, Term,
};
use crate::item::{KeyAttribute, KeySchema, ScalarAttributeType};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn cluster() -> Cluster {
    let nodes = (0..3).map(|it| NodeInfo { id: NodeId(it), zone: it as u8 }).collect();
    let (region, account) = ("local".into(), "000000000000".into());
    Cluster { nodes, partitions_on_demand: 3, partitions_max: 1 << 16, region, account }
}

fn spec() -> TableSpec {
    let partition = KeyAttribute { name: "pk".into(), attribute_type: ScalarAttributeType::S };
    TableSpec {
        schema: KeySchema { partition, sort: None },
        attributes: Vec::new(),
        billing_mode: BillingMode::PayPerRequest,
        throughput: ProvisionedThroughput::NONE,
    }
}

fn create(name: &str, id: u128) -> Command {
    Command::CreateTable { name: name.into(), id: TableId(id), spec: spec(), created_ms: 1 }
}

fn back_up(table: &str, suffix: u32) -> Command {
    Command::StartBackup { table: table.into(), name: "b".into(), suffix, requested_ms: 2 }
}

fn arn(table: &str, suffix: u32) -> BackupArn {
    cluster().table_arn(table).backup(2, suffix)
}

fn seal(backup: u64, attempt: u64) -> Command {
    let positions = vec![(PartitionId(1), Position { term: Term(1), index: Index(5) })];
    let (backup, attempt) = (BackupId(backup), Attempt(attempt));
    Command::Seal { backup, attempt, positions, instant_ms: 3 }
}

fn complete(backup: u64) -> Command {
    let manifest = ManifestRef { object: "manifest".into(), checksum: 9 };
    Command::Complete { backup: BackupId(backup), manifest, size_bytes: 10 }
}

fn restore(table: &str, suffix: u32, target: &str, id: u128) -> Command {
    let backup = arn(table, suffix);
    let (target, id) = (target.into(), TableId(id));
    Command::StartRestore { backup, target, id, billing: None, requested_ms: 4 }
}

fn restored(restore: u64, partition: u64) -> Command {
    let (restore, partition) = (RestoreId(restore), PartitionId(partition));
    Command::PartitionRestored { restore, partition, items: 1 }
}

/// Commands that bring an empty catalog into a state, each of which must fit.
fn after(commands: &[Command]) -> Catalog {
    let mut catalog = Catalog::new(cluster());
    for command in commands {
        catalog.apply(command.clone()).unwrap_or_else(|why| panic!("{command:?}: {why:?}"));
    }
    catalog
}

/// Ever longer lives: a table that is opened, backed up, and restored from.
fn lives() -> Vec<(&'static str, Vec<Command>)> {
    let story = [
        ("creating", create("t", 1)),
        ("active", Command::OpenTable(TableId(1))),
        ("cutting", back_up("t", 1)),
        ("attempted", Command::BeginAttempt(BackupId(1))),
        ("sealed", seal(1, 1)),
        ("available", complete(1)),
        ("restoring", restore("t", 1, "r", 2)),
        ("restored 1", restored(1, 4)),
        ("restored 2", restored(1, 5)),
        ("restored 3", restored(1, 6)),
        ("finished", Command::FinishRestore(RestoreId(1))),
        ("deleting", Command::DeleteTable("t".into())),
        ("dropped", Command::DropTable(TableId(1))),
        ("unbacked", Command::DeleteBackup(arn("t", 1))),
        ("forgotten", Command::ForgetTable(TableId(1))),
    ];
    let commands: Vec<Command> = story.iter().map(|(_, it)| it.clone()).collect();
    let life = |(place, (name, _)): (usize, &(&'static str, Command))| {
        (*name, commands[..=place].to_vec())
    };
    let mut lives = vec![("empty", Vec::new())];
    lives.extend(story.iter().enumerate().map(life));
    lives
}

/// A command, the states in which it fits, and why it does not in the others.
type Row = (Command, Vec<&'static str>, Vec<(Vec<&'static str>, Refusal)>);

#[test]
fn each_command_fits_exactly_where_it_should() {
    use Refusal::*;
    let between = |first: &str, last: &str| -> Vec<&'static str> {
        let names: Vec<&str> = lives().iter().map(|(name, _)| *name).collect();
        let place = |it: &str| names.iter().position(|name| *name == it).expect("a state");
        names[place(first)..=place(last)].to_vec()
    };
    let table: Vec<Row> = vec![
        (
            create("t", 9),
            ["empty", "dropped", "unbacked", "forgotten"].into(),
            vec![
                (["creating", "deleting"].into(), TableInUse),
                (between("active", "finished"), TableExists),
            ],
        ),
        (
            Command::OpenTable(TableId(1)),
            ["creating"].into(),
            vec![
                (["empty", "dropped", "unbacked", "forgotten"].into(), TableNotFound),
                (between("active", "deleting"), Stale),
            ],
        ),
        (
            Command::OpenTable(TableId(2)),
            [].into(),
            vec![
                (between("empty", "available"), TableNotFound),
                (between("restoring", "forgotten"), Stale),
            ],
        ),
        (
            Command::DeleteTable("t".into()),
            [vec!["active", "deleting"], between("available", "finished")].concat(),
            vec![
                (["empty", "dropped", "unbacked", "forgotten"].into(), TableNotFound),
                (["creating"].into(), TableInUse),
                (between("cutting", "sealed"), TableBeingBackedUp),
            ],
        ),
        (
            Command::DeleteTable("r".into()),
            between("finished", "forgotten"),
            vec![
                (between("empty", "available"), TableNotFound),
                (between("restoring", "restored 3"), TableInUse),
            ],
        ),
        (
            Command::DropTable(TableId(1)),
            ["deleting"].into(),
            vec![
                (["empty", "dropped", "unbacked", "forgotten"].into(), TableNotFound),
                (between("creating", "finished"), Stale),
            ],
        ),
        (
            Command::ForgetTable(TableId(1)),
            ["dropped", "unbacked"].into(),
            vec![(between("empty", "deleting"), Stale), (["forgotten"].into(), Stale)],
        ),
        (
            back_up("t", 2),
            between("active", "finished"),
            vec![
                (["empty", "dropped", "unbacked", "forgotten"].into(), TableNotFound),
                (["creating", "deleting"].into(), TableInUse),
            ],
        ),
        (
            Command::BeginAttempt(BackupId(1)),
            ["cutting", "attempted"].into(),
            vec![(between("empty", "active"), Stale), (between("sealed", "forgotten"), Stale)],
        ),
        (
            seal(1, 1),
            ["attempted"].into(),
            vec![(between("empty", "cutting"), Stale), (between("sealed", "forgotten"), Stale)],
        ),
        (seal(1, 2), [].into(), vec![(between("empty", "forgotten"), Stale)]),
        (
            Command::Abandon(BackupId(1)),
            ["cutting", "attempted"].into(),
            vec![(between("empty", "active"), Stale), (between("sealed", "forgotten"), Stale)],
        ),
        (
            complete(1),
            ["sealed"].into(),
            vec![
                (between("empty", "attempted"), Stale),
                (between("available", "forgotten"), Stale),
            ],
        ),
        (
            Command::DeleteBackup(arn("t", 1)),
            [vec!["available"], between("finished", "dropped")].concat(),
            vec![
                (["empty", "creating", "active", "unbacked", "forgotten"].into(), BackupNotFound),
                (between("cutting", "sealed"), BackupBeingCreated),
                (between("restoring", "restored 3"), BackupBeingRestored),
            ],
        ),
        (
            restore("t", 1, "r", 3),
            ["available"].into(),
            vec![
                (["empty", "creating", "active", "unbacked", "forgotten"].into(), BackupNotFound),
                (between("cutting", "sealed"), BackupBeingCreated),
                (between("restoring", "restored 3"), TableInUse),
                (between("finished", "dropped"), TableExists),
            ],
        ),
        (
            restored(1, 4),
            between("restoring", "restored 3"),
            vec![(between("empty", "available"), Stale), (between("finished", "forgotten"), Stale)],
        ),
        (restored(1, 7), [].into(), vec![(between("empty", "forgotten"), Stale)]),
        (
            Command::FinishRestore(RestoreId(1)),
            ["restored 3"].into(),
            vec![
                (between("empty", "restored 2"), Stale),
                (between("finished", "forgotten"), Stale),
            ],
        ),
    ];
    for (command, fits, refused) in table {
        for (name, life) in lives() {
            let mut catalog = after(&life);
            let before = format!("{catalog:?}");
            let applied = catalog.apply(command.clone());
            let refusal = refused.iter().find(|(names, _)| names.contains(&name));
            match refusal {
                Some((_, refusal)) => {
                    assert_eq!(applied.err().as_ref(), Some(refusal), "{command:?} in {name}");
                    assert_eq!(format!("{catalog:?}"), before, "a refused command changes nothing");
                }
                None => {
                    assert!(fits.contains(&name), "{command:?} in {name} is not in the table");
                    assert!(applied.is_ok(), "{command:?} in {name}: {applied:?}");
                }
            }
        }
    }
}

#[test]
fn a_restored_table_has_the_partitions_of_the_backup_and_opens_when_all_are_filled() {
    let available: Vec<Command> = lives().swap_remove(6).1;
    let mut catalog = after(&available);
    let source: Vec<HashRange> =
        catalog.table("t").expect("it is there").partitions.iter().map(|it| it.range).collect();
    let (applied, work) = catalog.apply(restore("t", 1, "r", 2)).expect("it fits");
    assert_eq!(work, Some(Work::Restore(RestoreId(1))));
    let Applied::Restore(restore, table) = applied else { panic!("{applied:?}") };
    assert_eq!(table.partitions.iter().map(|it| it.range).collect::<Vec<_>>(), source);
    let pairs: Vec<(u64, u64)> =
        restore.partitions.iter().map(|(to, from)| (to.0, from.0.0)).collect();
    assert_eq!(pairs, [(4, 1), (5, 2), (6, 3)]);
    (4..7).for_each(|it| drop(catalog.apply(restored(1, it)).expect("it fits")));
    assert_eq!(catalog.table("r").map(|it| it.status), Some(TableStatus::Creating));
    catalog.apply(Command::FinishRestore(RestoreId(1))).expect("it fits");
    assert_eq!(catalog.table("r").map(|it| it.status), Some(TableStatus::Active));
    assert_eq!(catalog.backup(BackupId(1)).map(|it| it.restoring), Some(0));
}

#[test]
fn what_is_outstanding_is_what_a_new_leader_must_see_through() {
    use Work::*;
    let host = Host(TableId(1));
    let expected = [
        ("empty", vec![]),
        ("creating", vec![host]),
        ("active", vec![host]),
        ("attempted", vec![host, Cut(BackupId(1))]),
        ("sealed", vec![host, Archive(BackupId(1))]),
        ("available", vec![host]),
        ("restored 3", vec![host, Restore(RestoreId(1))]),
        ("finished", vec![Host(TableId(2)), host]),
        ("deleting", vec![Host(TableId(2)), Drop(TableId(1))]),
        ("dropped", vec![Host(TableId(2)), Drop(TableId(1))]),
        ("forgotten", vec![Host(TableId(2))]),
    ];
    for (name, outstanding) in expected {
        let (_, life) = lives().into_iter().find(|(it, _)| *it == name).expect("a state");
        assert_eq!(after(&life).outstanding(), outstanding, "{name}");
    }
}

fn command() -> impl Strategy<Value = Command> {
    let name = || prop_oneof![Just("a"), Just("b")];
    let (number, table) = (|| 1..4_u64, || (1..9_u128).prop_map(TableId));
    prop_oneof![
        2 => (name(), 1..9_u128).prop_map(|(name, id)| create(name, id)),
        3 => table().prop_map(Command::OpenTable),
        1 => name().prop_map(|it| Command::DeleteTable(it.into())),
        2 => table().prop_map(Command::DropTable),
        2 => table().prop_map(Command::ForgetTable),
        2 => (name(), 0..2_u32).prop_map(|(name, suffix)| back_up(name, suffix)),
        3 => number().prop_map(|it| Command::BeginAttempt(BackupId(it))),
        3 => (number(), number()).prop_map(|(backup, attempt)| seal(backup, attempt)),
        1 => number().prop_map(|it| Command::Abandon(BackupId(it))),
        3 => number().prop_map(complete),
        1 => (name(), 0..2_u32).prop_map(|(name, suffix)| Command::DeleteBackup(arn(name, suffix))),
        3 => (name(), 0..2_u32, name(), 1..9_u128)
            .prop_map(|(name, suffix, target, id)| restore(name, suffix, target, id)),
        6 => (number(), 1..16_u64).prop_map(|(it, partition)| restored(it, partition)),
        3 => number().prop_map(|it| Command::FinishRestore(RestoreId(it))),
    ]
}

/// What is true of a catalog whatever it went through.
fn check(catalog: &Catalog) {
    let mut partitions = BTreeSet::new();
    for table in catalog.tables() {
        assert_eq!(catalog.table(&table.name), Some(table), "a table stands under its name");
        let mut next = Some(0);
        for it in &table.partitions {
            assert_eq!(Some(it.range.start), next, "partitions tile all hashes");
            assert!(partitions.insert(it.id), "{} is in two tables", it.id);
            next = it.range.end.checked_add(1);
        }
        assert_eq!(next, None, "partitions tile all hashes");
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 500,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn no_sequence_of_commands_breaks_the_catalog(commands in vec(command(), 0..120)) {
        let (mut catalog, mut twin) = (Catalog::new(cluster()), Catalog::new(cluster()));
        let (mut attempts, mut taken) = (BTreeSet::new(), BTreeSet::new());
        let mut restoring = 0_u32;
        for command in commands {
            // Identities are drawn at random by routers, so that none comes twice.
            if let Command::CreateTable { id, .. } | Command::StartRestore { id, .. } = &command
                && taken.contains(id)
            {
                continue;
            }
            let before = match &command {
                Command::Seal { backup, .. } => catalog.backup(*backup).map(|it| it.state.clone()),
                _ => None,
            };
            let applied = catalog.apply(command.clone());
            prop_assert_eq!(&applied, &twin.apply(command.clone()));
            if let Ok((done, _)) = applied {
                match (&command, done) {
                    (Command::BeginAttempt(_), Applied::Backup(backup)) => {
                        let BackupState::Cutting(Some(attempt)) = backup.state else {
                            panic!("{backup:?}")
                        };
                        prop_assert!(attempts.insert(attempt), "{attempt:?} was used before");
                    }
                    (Command::Seal { attempt, .. }, _) => {
                        prop_assert_eq!(before, Some(BackupState::Cutting(Some(*attempt))));
                    }
                    (Command::CreateTable { id, .. }, _) => drop(taken.insert(*id)),
                    (Command::StartRestore { id, .. }, _) => {
                        taken.insert(*id);
                        restoring += 1;
                    }
                    (Command::FinishRestore(_), _) => restoring -= 1,
                    _ => {}
                }
            }
            let counted: u32 = catalog.backups().map(|it| it.restoring).sum();
            prop_assert_eq!(counted, restoring, "every restore is counted at its backup");
            check(&catalog);
        }
        prop_assert_eq!(format!("{catalog:?}"), format!("{twin:?}"));
    }
}
