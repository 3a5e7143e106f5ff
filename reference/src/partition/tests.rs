//! The state machine of a partition, and what its leader makes of uncommitted versions.

use super::{
    Command, Evaluated, ItemKey, ItemStore, Lead, Partition, RequestId, Waiter, Write, encode_item,
};
use crate::archive::format::ChunkRef;
use crate::expression::Condition;
use crate::ids::{
    Attempt, BackupId, Epoch, HashRange, Index, NodeId, PartitionId, RestoreId, TableId, Term,
};
use crate::item::{AttributeValue, Item, PrimaryKey};
use crate::node::{Caller, Reply};
use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;

const RESTORE: RestoreId = RestoreId(1);

fn partition() -> Partition {
    let range = HashRange { start: 0, end: u64::MAX };
    Partition::new(PartitionId(7), TableId(1), range, Epoch(1))
}

/// Keys in the order of their numbers.
fn key(number: u64) -> ItemKey {
    let partition = Bytes::from(format!("{number:04}"));
    ItemKey { hash: number, primary: PrimaryKey { partition, sort: Bytes::new() } }
}

fn apply(partition: &mut Partition, command: &Command) {
    let at = partition.applied().next();
    partition.apply(at, &command.encode()).expect("a command");
}

/// A batch of `count` items behind the key `after`, if any.
fn load(restore: RestoreId, after: Option<u64>, count: u64) -> Command {
    let first = after.map_or(0, |it| it + 1);
    let item = |it: u64| (key(it), Bytes::from(it.to_string()));
    Command::Load {
        restore,
        after: after.map(key),
        items: (first..first + count).map(item).collect(),
    }
}

fn chunk(first: u64, last: u64) -> ChunkRef {
    let object = format!("segment-{first}-{last}");
    ChunkRef { object, offset: 0, len: 1, first, last, checksum: 0 }
}

fn items(partition: &Partition) -> Vec<ItemKey> {
    let mut keys = Vec::new();
    let mut take = |key: &ItemKey, _: &Bytes| {
        keys.push(key.clone());
        true
    };
    partition.store().scan(None, &mut take).expect("a sound store");
    keys
}

#[test]
fn a_marker_changes_nothing_but_is_remembered() {
    let mut it = partition();
    apply(&mut it, &Command::Marker { backup: BackupId(1), attempt: Attempt(4) });
    apply(&mut it, &Command::Marker { backup: BackupId(2), attempt: Attempt(3) });
    assert_eq!(it.marker(Attempt(4)), Some(Index(1)));
    assert_eq!(it.marker(Attempt(3)), Some(Index(2)));
    assert_eq!(it.marker(Attempt(5)), None);
    assert!(items(&it).is_empty() && it.restore().is_none());
}

#[test]
fn an_entry_that_is_no_command_is_a_fault_and_the_no_op_is_none() {
    let mut it = partition();
    assert_eq!(it.apply(Index(1), b""), Ok(()));
    assert!(it.apply(Index(2), &[250, 1, 2]).is_err());
}

#[test]
fn a_batch_of_another_place_or_another_restore_is_inert() {
    let mut it = partition();
    apply(&mut it, &load(RESTORE, None, 3));
    for inert in [load(RESTORE, None, 3), load(RESTORE, Some(7), 2), load(RestoreId(2), Some(2), 2)]
    {
        apply(&mut it, &inert);
        assert_eq!(items(&it), [key(0), key(1), key(2)], "{inert:?}");
    }
    apply(&mut it, &load(RESTORE, Some(2), 2));
    let progress = it.restore().expect("a restore fills it");
    assert_eq!((progress.items, &progress.through), (5, &Some(key(4))));
}

#[test]
fn a_batch_behind_the_last_one_is_inert() {
    let mut it = partition();
    apply(&mut it, &load(RESTORE, None, 2));
    apply(&mut it, &Command::Loaded { restore: RESTORE, items: 2 });
    apply(&mut it, &load(RESTORE, Some(1), 2));
    let progress = it.restore().expect("a restore filled it");
    assert!(progress.complete);
    assert_eq!((progress.items, items(&it).len()), (2, 2));
}

#[test]
fn an_empty_partition_is_complete_without_a_batch() {
    let mut it = partition();
    apply(&mut it, &Command::Loaded { restore: RESTORE, items: 0 });
    let progress = it.restore().expect("a restore filled it");
    assert!(progress.complete && progress.items == 0 && progress.restore == RESTORE);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 500,
        failure_persistence: None,
        ..Default::default()
    })]

    /// Two workers load the same items, each going on from what it believes to be the state.
    #[test]
    fn however_batches_are_repeated_each_item_is_loaded_once(
        batches in vec((0..30_u64, 1..6_u64), 0..60)
    ) {
        let mut it = partition();
        for (from, count) in batches {
            let before = items(&it).len() as u64;
            apply(&mut it, &load(RESTORE, from.checked_sub(1), count));
            let loaded = if from == before { before + count } else { before };
            let expected: Vec<ItemKey> = (0..loaded).map(key).collect();
            prop_assert_eq!(items(&it), expected);
            prop_assert_eq!(it.restore().map(|it| it.items), Some(loaded));
        }
    }

    /// Leaders archive overlapping runs; what is believed has no hole and no overlap.
    #[test]
    fn the_archive_has_neither_holes_nor_overlaps(runs in vec((1..30_u64, 0..8_u64), 0..60)) {
        let mut it = partition();
        for (first, more) in runs {
            let before = it.archive().to_vec();
            apply(&mut it, &Command::Archived(chunk(first, first + more)));
            let fits = before.last().map_or(1, |it| it.last + 1) == first;
            prop_assert_eq!(it.archive().len(), before.len() + usize::from(fits));
            prop_assert!(it.archive().starts_with(&before), "what is archived stays so");
        }
        let mut next = 1;
        for run in it.archive() {
            prop_assert_eq!(run.first, next);
            next = run.last + 1;
        }
        prop_assert_eq!(it.archived_through(), Index(next - 1));
    }

    /// A conditional write meets the newest version, whether it is committed or not.
    #[test]
    fn conditions_meet_the_newest_version(
        writes in vec((0..3_u64, proptest::option::of(0..3_i64)), 0..20),
        commits in 0..20_usize,
        asked in 0..3_u64,
    ) {
        let mut state = partition();
        let mut lead: Lead<()> = Lead::new(Term(1), Index(0));
        let mut newest: BTreeMap<u64, (u64, Option<i64>)> = BTreeMap::new();
        let mut commands = Vec::new();
        for (place, (name, value)) in writes.iter().enumerate() {
            let item = value.map(|it| encode_item(&seats(it)));
            let write = Write { request: RequestId(0), key: key(*name), item: item.clone() };
            lead.wrote(key(*name), Index(place as u64 + 1), item);
            newest.insert(*name, (place as u64 + 1, *value));
            commands.push((*name, Command::Write(write)));
        }
        for (name, command) in commands.iter().take(commits) {
            apply(&mut state, command);
            lead.committed(state.applied(), Some(&key(*name)));
        }
        let (written_at, value) = newest.get(&asked).copied().unwrap_or((0, None));
        let old = value.map(seats);
        let condition = Condition::parse("seats = :one", &BTreeMap::new(), &one()).expect("parses");
        let met = lead.evaluate(&state, &key(asked), Some(&condition), false).expect("sound");
        match met {
            Evaluated::Allowed(there) => {
                prop_assert_eq!(value, Some(1));
                prop_assert_eq!(there, old);
            }
            Evaluated::Refused { old: there, after } => {
                prop_assert_ne!(value, Some(1));
                prop_assert_eq!(there, old);
                let uncommitted = written_at > state.applied().0;
                prop_assert_eq!(after, uncommitted.then_some(Index(written_at)));
            }
        }
    }
}

fn seats(number: i64) -> Item {
    Item::from([("seats".to_owned(), AttributeValue::from(number))])
}

fn one() -> BTreeMap<String, AttributeValue> {
    BTreeMap::from([(":one".to_owned(), AttributeValue::from(1))])
}

#[test]
fn whoever_waits_for_an_entry_is_named_once_and_in_order() {
    let mut lead: Lead<()> = Lead::new(Term(1), Index(0));
    let waiter = |id| Waiter { caller: Caller { node: NodeId(0), id }, reply: Reply::Done };
    (1..=3_u64).for_each(|id| lead.wait(Index(id.div_ceil(2)), waiter(id)));
    let ids = |it: Vec<Waiter>| it.into_iter().map(|it| it.caller.id).collect::<Vec<u64>>();
    assert_eq!(ids(lead.committed(Index(1), None)), [1, 2]);
    assert!(lead.committed(Index(1), None).is_empty());
    let (waiters, queue) = lead.abandon();
    assert_eq!((ids(waiters), queue.len()), (vec![3], 0));
    assert!(lead.committed(Index(2), None).is_empty(), "who was given up is not answered again");
}
