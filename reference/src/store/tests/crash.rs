//! Crashes between any two operations of the disk, with any part of what was not synced.

use super::disk::{Disk, Op, finish};
use super::*;

/// Up to this many unsynced changes, every subset of them is tried.
const ALL_SUBSETS_OF: usize = 6;
const SECTOR_LEN: usize = 512;

/// Which of `count` unsynced changes survive, as lists of their numbers.
fn survivors(count: usize) -> Vec<Vec<usize>> {
    if count <= ALL_SUBSETS_OF {
        let of = |set: usize| (0..count).filter(|bit| set >> bit & 1 == 1).collect();
        return (0..1 << count).map(of).collect();
    }
    let mut sets: Vec<Vec<usize>> = vec![Vec::new(), (0..count).collect()];
    sets.push((0..count).step_by(2).collect());
    sets.push((1..count).step_by(2).collect());
    for one in 0..count {
        sets.push(vec![one]);
        sets.push((0..count).filter(|&it| it != one).collect());
        sets.push((0..one).collect());
    }
    sets
}

/// What the file may hold after a crash behind the first `done` operations of `journal`.
fn images(before: &[u8], journal: &[Op], done: usize) -> Vec<Vec<u8>> {
    let synced = journal[..done].iter().rposition(|op| *op == Op::Sync).map_or(0, |at| at + 1);
    let mut durable = before.to_vec();
    journal[..synced].iter().for_each(|op| op.apply(&mut durable));
    let pending = &journal[synced..done];
    let mut images = Vec::new();
    for set in survivors(pending.len()) {
        let mut image = durable.clone();
        set.iter().for_each(|&at| pending[at].apply(&mut image));
        // The operation under way, or the last that survives: torn at any of a few sectors.
        if let Some(Op::Write(at, bytes)) = set.last().map(|&at| &pending[at]) {
            for sectors in [1, 3, 7] {
                let torn = bytes.slice(..bytes.len().min(sectors * SECTOR_LEN));
                let mut image = durable.clone();
                set[..set.len() - 1].iter().for_each(|&at| pending[at].apply(&mut image));
                Op::Write(*at, torn).apply(&mut image);
                images.push(image);
            }
        }
        images.push(image);
    }
    images.sort_unstable();
    images.dedup();
    images
}

fn found_in(image: Vec<u8>) -> Content {
    let disk = Disk::holding(image);
    let store = open_sound(&disk);
    let images = store.images().expect("sound");
    content_of(&store, images, 0..4).expect("sound")
}

fn batches() -> Vec<Batch> {
    let mut batches = vec![puts(1, 0, 3, 200), puts(2, 10, 60, 900), puts(1, 0, 8, 9_000)];
    let mut last = puts(2, 400, 20, 100);
    last.removed = [PartitionId(1)].into();
    last.partitions.get_mut(&PartitionId(2)).expect("it has one").replace = true;
    batches.push(last);
    batches.push(puts(3, 500, 5, 50));
    batches
}

#[test]
fn a_crash_anywhere_leaves_the_last_commit_or_the_one_under_way() {
    let disk = Disk::default();
    let mut store = open_fresh(&disk);
    disk.take_journal();
    let mut content = Content::default();
    let (mut points, mut images_seen, mut old, mut new) = (0, 0, 0, 0);
    for (number, batch) in batches().into_iter().enumerate() {
        if number == 3 {
            // The first commit behind an opening.
            drop(store);
            store = open_sound(&disk);
            disk.take_journal();
        }
        let before = disk.content();
        let mut after = content.clone();
        after.apply(&batch);
        finish(store.commit(batch)).expect("the disk is well");
        let journal = disk.take_journal();
        for done in 0..=journal.len() {
            points += 1;
            for image in images(&before, &journal, done) {
                images_seen += 1;
                let found = found_in(image);
                let is_new = found == after;
                assert!(
                    is_new || found == content,
                    "commit {number}, {done} operations: {found:?}"
                );
                assert!(is_new || done < journal.len(), "commit {number} returned and is lost");
                *if is_new { &mut new } else { &mut old } += 1;
            }
        }
        content = after;
    }
    println!("{points} crash points, {images_seen} images: {old} old, {new} new, no mixture");
    assert!(points > 40 && old > 100 && new > 5, "too little was tried");
}

#[test]
fn a_crash_while_the_file_is_made_or_opened_loses_nothing() {
    let disk = Disk::default();
    let store = open_fresh(&disk);
    let made = disk.take_journal();
    let mut fresh = 0;
    for done in 0..=made.len() {
        for image in images(&[], &made, done) {
            match open(&Disk::holding(image)) {
                Opened::Fresh(_, None) => fresh += 1,
                Opened::Sound(_) => {}
                Opened::Fresh(_, Some(why)) => panic!("{done} operations: an alarm, {why}"),
            }
        }
    }
    assert!(fresh > 3, "the creation was never cut short");
    let batch = puts(1, 0, 30, 300);
    let mut content = Content::default();
    content.apply(&batch);
    finish(store.commit(batch)).expect("the disk is well");
    drop(store);
    let before = disk.content();
    disk.take_journal();
    open_sound(&disk);
    let opened = disk.take_journal();
    let (mut seen, points) = (0, opened.len() + 1);
    for done in 0..points {
        for image in images(&before, &opened, done) {
            seen += 1;
            assert_eq!(found_in(image), content, "{done} operations of opening");
        }
    }
    println!("{} points of making, {points} of opening, {seen} images", made.len() + 1);
    assert!(points > 2 && seen > 3, "opening wrote nothing");
}
