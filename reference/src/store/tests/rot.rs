//! One flipped bit, anywhere in the file: the right value or a fault, never a wrong value.

use super::disk::{Disk, finish};
use super::*;

const FLIPS: usize = 400;
/// redb's header, in bytes.
const HEADER_LEN: usize = 320;

/// Bits all over the file, the same ones in each run.
fn bits(len: usize) -> impl Iterator<Item = usize> {
    (0..FLIPS).map(move |n| n * (len * 8) / FLIPS + n * 7 % 64).filter(move |bit| *bit < len * 8)
}

/// A store that was written several times, what it holds, and what it held a commit before.
fn aged() -> (Disk, Content, Content) {
    let disk = Disk::default();
    let store = open_fresh(&disk);
    let mut content = Content::default();
    let mut earlier = Content::default();
    for batch in
        [puts(1, 0, 60, 500), puts(2, 100, 40, 900), puts(1, 20, 9, 5_000), puts(3, 7, 30, 60)]
    {
        earlier = content.clone();
        content.apply(&batch);
        finish(store.commit(batch)).expect("the disk is well");
    }
    drop(store);
    (disk, content, earlier)
}

fn read_all(store: &Checkpoint<Disk>, content: &Content) -> Result<Content, StoreFault> {
    let images = store.images()?;
    for ((partition, key), item) in &content.items {
        let found = store.get(*partition, key)?;
        assert_eq!(found.as_ref(), Some(item), "a wrong value");
    }
    content_of(store, images, 0..4)
}

#[test]
fn a_bit_that_rots_while_the_node_is_down_is_no_wrong_value() {
    let (disk, content, _) = aged();
    let file = disk.content();
    let (mut right, mut fault) = (0, 0);
    for bit in bits(file.len()).filter(|bit| bit / 8 >= HEADER_LEN) {
        let disk = Disk::holding(file.clone());
        disk.flip(bit);
        match try_open(&disk) {
            Ok(Opened::Sound(store)) => {
                let images = store.images().expect("it was verified");
                let found = content_of(&store, images, 0..4).expect("it was verified");
                assert_eq!(found, content, "bit {bit}");
                right += 1;
            }
            Ok(Opened::Fresh(_, Some(_))) => fault += 1,
            Ok(Opened::Fresh(_, None)) => panic!("bit {bit}: the file vanished without a word"),
            Err(error) => panic!("bit {bit}: {error}"),
        }
    }
    println!("{} bytes, flipped while down: {right} right, {fault} faults", file.len());
    assert!(right > 20 && fault > 100, "too little was tried");
}

/// Each bit of redb's own header. One of them says which of the two newest commits counts: where it
/// rots, the commit before the last is found, whole, as after a crash at the end of a commit.
#[test]
fn a_bit_that_rots_in_the_header_undoes_at_most_one_commit() {
    let (disk, content, earlier) = aged();
    let file = disk.content();
    let (mut right, mut fault, mut refused, mut behind) = (0, 0, 0, 0);
    for bit in 0..HEADER_LEN * 8 {
        let disk = Disk::holding(file.clone());
        disk.flip(bit);
        match try_open(&disk) {
            Ok(Opened::Sound(store)) => {
                let images = store.images().expect("it was verified");
                let found = content_of(&store, images, 0..4).expect("it was verified");
                assert!(found == content || found == earlier, "bit {bit}: {found:?}");
                *if found == content { &mut right } else { &mut behind } += 1;
            }
            Ok(Opened::Fresh(_, Some(_))) => fault += 1,
            Ok(Opened::Fresh(_, None)) => panic!("bit {bit}: the file vanished without a word"),
            Err(_) => refused += 1,
        }
    }
    println!("header: {right} right, {fault} faults, {refused} refused, {behind} one behind");
    assert_eq!(behind, 1, "there is one such bit");
}

#[test]
fn a_bit_that_rots_under_a_running_store_is_no_wrong_value() {
    let (disk, content, _) = aged();
    let file = disk.content();
    let (mut right, mut fault) = (0, 0);
    for bit in bits(file.len()).filter(|bit| bit / 8 >= HEADER_LEN) {
        let disk = Disk::holding(file.clone());
        // No cache to speak of, so that what is read is what the disk holds now.
        let opened = finish(Checkpoint::open_with_cache(&disk, NODE, 0)).expect("the disk is well");
        let Opened::Sound(store) = opened else { panic!("it was sound") };
        disk.flip(bit);
        match read_all(&store, &content) {
            Ok(found) => {
                assert_eq!(found, content, "bit {bit}");
                right += 1;
            }
            Err(why) => {
                assert_eq!(store.images(), Err(why.clone()), "a fault was forgotten");
                assert_eq!(finish(store.commit(puts(1, 0, 1, 1))), Err(why));
                fault += 1;
            }
        }
    }
    println!("{} bytes, flipped while up: {right} right, {fault} faults", file.len());
    assert!(right > 20 && fault > 100, "too little was tried");
}

#[test]
fn a_file_that_lost_its_first_sector_is_not_taken_for_an_unfinished_one() {
    let (disk, ..) = aged();
    let mut file = disk.content();
    file[..512].fill(0);
    let opened = open(&Disk::holding(file));
    assert!(matches!(opened, Opened::Fresh(_, Some(_))), "it vanished without a word");
}

#[test]
fn a_write_that_never_arrived_is_a_fault() {
    let disk = Disk::default();
    let store = open_fresh(&disk);
    for round in 0..6 {
        finish(store.commit(puts(1, 0, 60, 500 + round))).expect("the disk is well");
    }
    let before = disk.content();
    finish(store.commit(puts(1, 0, 60, 600))).expect("the disk is well");
    let after = disk.content();
    drop(store);
    // Every page that the last commit wrote, put back to what it was: an intact, older page.
    let (mut lost, mut faults) = (0, 0);
    for at in (4096..before.len()).step_by(4096) {
        let page = at..at + 4096;
        if before[page.clone()] == after[page.clone()] {
            continue;
        }
        lost += 1;
        let mut file = after.clone();
        file[page.clone()].copy_from_slice(&before[page]);
        match open(&Disk::holding(file)) {
            Opened::Fresh(_, Some(_)) => faults += 1,
            Opened::Fresh(_, None) => panic!("the file vanished without a word"),
            Opened::Sound(store) => {
                let mut content = Content::default();
                content.apply(&puts(1, 0, 60, 600));
                let images = store.images().expect("it was verified");
                assert_eq!(content_of(&store, images, 0..4), Ok(content), "page at {at}");
            }
        }
    }
    println!("{lost} pages lost, {faults} faults");
    assert!(faults > 5, "too little was tried");
}
