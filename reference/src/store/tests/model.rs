//! Random batches against a map, with reopening in between; and the same calls, the same bytes.

use super::disk::{Disk, Op, finish};
use super::*;
use proptest::prelude::*;
use std::rc::Rc;

const PARTITIONS: u64 = 4;

#[derive(Clone, Debug)]
enum Act {
    Commit(Batch),
    Reopen,
}

fn item_key() -> impl Strategy<Value = ItemKey> {
    (0..12u32, 0..3u32).prop_map(|(name, sort)| key(&format!("k{name}"), sort))
}

/// A value that fits a page, or one that needs several.
fn item() -> impl Strategy<Value = Option<Bytes>> {
    let len = prop_oneof![6 => 0..300usize, 1 => 4_000..20_000usize];
    proptest::option::weighted(0.7, (any::<u64>(), len).prop_map(|(n, len)| value(n, len)))
}

fn part() -> impl Strategy<Value = PartitionBatch> {
    let changes = proptest::collection::btree_map(item_key(), (any::<u64>(), item()), 0..16);
    (any::<u64>(), proptest::bool::weighted(0.1), changes).prop_map(|(image, replace, changes)| {
        let changes = changes.into_iter().map(|(key, (at, item))| (key, (Index(at), item)));
        PartitionBatch { image: value(image, 30), replace, changes: Rc::new(changes.collect()) }
    })
}

fn act() -> impl Strategy<Value = Act> {
    let partition = || (0..PARTITIONS).prop_map(PartitionId);
    let partitions = proptest::collection::btree_map(partition(), part(), 0..4);
    let removed = proptest::collection::btree_set(partition(), 0..2);
    let batch = (partitions, removed);
    prop_oneof![
        5 => batch.prop_map(|(partitions, removed)| Act::Commit(Batch { partitions, removed })),
        1 => Just(Act::Reopen),
    ]
}

fn check(store: &Checkpoint<Disk>, model: &Content) {
    let images = store.images().expect("sound");
    let found = content_of(store, images, 0..PARTITIONS).expect("sound");
    assert_eq!(&found, model);
}

/// Each item is found by its key, and a scan behind it begins with the next.
fn check_places(store: &Checkpoint<Disk>, model: &Content) {
    for ((partition, key), item) in &model.items {
        assert_eq!(store.get(*partition, key).expect("sound").as_ref(), Some(item));
        let mut next = None;
        let behind = |key: &ItemKey, _: Index, _: &Bytes| next.replace(key.clone()).is_some();
        store.scan(*partition, Some(key), &mut { behind }).expect("sound");
        let place = (*partition, key.clone());
        let expected = model.items.range(place..).nth(1).filter(|((of, _), _)| of == partition);
        assert_eq!(next.as_ref(), expected.map(|((_, key), _)| key));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..Default::default() })]

    #[test]
    fn a_store_is_a_map(acts in proptest::collection::vec(act(), 1..12)) {
        let disk = Disk::default();
        let mut store = open_fresh(&disk);
        let mut model = Content::default();
        for act in acts {
            match act {
                Act::Commit(batch) => {
                    let before = model.clone();
                    let view = store.view().expect("sound");
                    model.apply(&batch);
                    finish(store.commit(batch)).expect("the disk is well");
                    let images = view.images().expect("sound");
                    let frozen = content_of(&view, images, 0..PARTITIONS).expect("sound");
                    prop_assert_eq!(frozen, before, "a view changed under its reader");
                }
                Act::Reopen => {
                    drop(store);
                    store = open_sound(&disk);
                }
            }
            check(&store, &model);
        }
        check_places(&store, &model);
        prop_assert_eq!(store.get(PartitionId(0), &key("nobody", 0)), Ok(None));
    }
}

/// A life of a store: growth, removal, large values, reopening. Gives what the disk was asked.
fn life() -> (Vec<Op>, Vec<(u64, usize)>) {
    let disk = Disk::default();
    let mut store = open_fresh(&disk);
    for round in 0..12 {
        finish(store.commit(puts(round % 5, round * 100, 120, 700))).expect("the disk is well");
        let removed = [PartitionId((round + 2) % 5)].into();
        finish(store.commit(Batch { removed, ..Batch::default() })).expect("the disk is well");
        let mut seen = 0;
        let mut count = |_: &ItemKey, _: Index, _: &Bytes| {
            seen += 1;
            true
        };
        store.scan(PartitionId(round % 5), None, &mut count).expect("sound");
        assert_eq!(seen, 120);
        finish(store.pay(store.take_reads()));
        if round % 3 == 2 {
            drop(store);
            store = open_sound(&disk);
        }
    }
    (disk.take_journal(), disk.take_paid())
}

#[test]
fn the_same_calls_ask_the_same_of_the_disk() {
    let (first, second) = (life(), life());
    assert!(first.0.len() > 100 && first.1.len() > 100, "nothing happened");
    assert_eq!(first.0, second.0, "the changes differ");
    assert_eq!(first.1, second.1, "the reads differ");
}

#[test]
fn reads_that_memory_answers_are_free_and_others_are_owed_once() {
    let disk = Disk::default();
    let store = open_fresh(&disk);
    finish(store.commit(puts(1, 0, 400, 900))).expect("the disk is well");
    drop(store);
    let store = open_sound(&disk);
    let sought = key("item-50", 2);
    disk.take_paid();
    assert_eq!(store.take_reads(), [], "opening pays for itself");
    assert!(store.get(PartitionId(1), &sought).expect("sound").is_some());
    let mut seen = 0;
    store
        .scan(PartitionId(1), None, &mut |_, _, _| {
            seen += 1;
            true
        })
        .expect("sound");
    assert_eq!(seen, 400);
    let owed = store.take_reads();
    assert!(owed.len() > 10, "400 items of 900 bytes are not in 64 KiB: {owed:?}");
    assert_eq!(store.take_reads(), []);
    assert_eq!(disk.take_paid(), [], "nobody has waited yet");
    finish(store.pay(owed.clone()));
    assert_eq!(disk.take_paid(), owed);
    store.get(PartitionId(1), &sought).expect("sound");
    drop(store.take_reads());
    store.get(PartitionId(1), &sought).expect("sound");
    assert_eq!(store.take_reads(), [], "it was read a moment ago");
}

/// More than one slice of items goes, in one commit.
#[test]
fn a_large_partition_is_removed_whole() {
    let disk = Disk::default();
    let store = open_fresh(&disk);
    for partition in 0..3 {
        finish(store.commit(puts(partition, 0, 700, 50))).expect("the disk is well");
    }
    let mut model = Content::default();
    model.apply(&puts(0, 0, 700, 50));
    let removed = [PartitionId(1)].into();
    let mut batch = Batch { removed, ..puts(2, 5_000, 3, 50) };
    batch.partitions.get_mut(&PartitionId(2)).expect("it has one").replace = true;
    model.apply(&batch);
    finish(store.commit(batch)).expect("the disk is well");
    check(&store, &model);
}
