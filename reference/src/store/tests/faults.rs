//! Disks that fail, files of others, commits that are given up.

use super::disk::{self, Disk, EIO, ENOSPC, Op, finish, run};
use super::*;
use crate::store::record::Header;

fn content(store: &Checkpoint<Disk>) -> Content {
    content_of(store, store.images().expect("sound"), 0..4).expect("sound")
}

fn after(batches: &[Batch]) -> Content {
    let mut content = Content::default();
    batches.iter().for_each(|batch| content.apply(batch));
    content
}

#[test]
fn a_full_disk_is_waited_for() {
    let disk = Disk::default();
    let store = open_fresh(&disk);
    disk.fail_next(&[ENOSPC; 13]);
    finish(store.commit(puts(1, 0, 10, 100))).expect("there was space in the end");
    // 1 + 2 + 4 + .. + 512 ms, then a second each.
    assert_eq!(disk.now(), (1_023 + 3 * 1_000) * 1_000_000);
    drop(store);
    assert_eq!(content(&open_sound(&disk)), after(&[puts(1, 0, 10, 100)]));
}

#[test]
fn a_write_that_fails_twice_is_tried_again_and_one_that_fails_thrice_is_a_fault() {
    let disk = Disk::default();
    let store = open_fresh(&disk);
    disk.fail_next(&[EIO, EIO]);
    finish(store.commit(puts(1, 0, 10, 100))).expect("the third try succeeds");
    disk.fail_next(&[EIO, EIO, EIO]);
    let fault = finish(store.commit(puts(1, 0, 10, 200))).expect_err("the disk is broken");
    assert!(fault.why.contains("os error 5"), "{fault}");
    assert_eq!(store.get(PartitionId(1), &key("item-0", 0)), Err(fault));
    drop(store);
    assert_eq!(content(&open_sound(&disk)), after(&[puts(1, 0, 10, 100)]));
}

#[test]
fn a_sync_that_fails_is_never_tried_again() {
    // What the disk is asked is the same in each run: the first tells where the syncs stand.
    let journal_of = |outcomes: &[i32]| {
        let disk = Disk::default();
        let store = open_fresh(&disk);
        disk.take_journal();
        disk.fail_next(outcomes);
        let ended = finish(store.commit(puts(1, 0, 10, 200)));
        (disk.take_journal(), ended, store, disk)
    };
    let (journal, ended, ..) = journal_of(&[]);
    assert_eq!(ended, Ok(()));
    let syncs = (0..journal.len()).filter(|&at| journal[at] == Op::Sync);
    assert_eq!(syncs.clone().count(), 2, "a commit syncs twice");
    for sync in syncs {
        let mut outcomes = vec![0; sync];
        outcomes.push(EIO);
        let (done, ended, store, disk) = journal_of(&outcomes);
        assert_eq!(done, journal[..sync], "something was done behind a sync that failed");
        assert!(ended.is_err());
        finish(store.commit(puts(1, 0, 10, 300))).expect_err("the store is at fault");
        assert_eq!(disk.take_journal(), [], "a store at fault has nothing to write");
    }
}

#[test]
fn a_commit_given_up_at_any_step_is_there_later_or_never() {
    let (first, second) = (puts(1, 0, 10, 100), puts(1, 100, 10, 9_000));
    let third = puts(2, 200, 10, 100);
    let (mut never, mut later) = (0, 0);
    for steps in 0..40 {
        let disk = Disk::default();
        let store = open_fresh(&disk);
        finish(store.commit(first.clone())).expect("the disk is well");
        disk.hang_after(Some(steps));
        let ended = run(store.commit(second.clone())).is_some();
        disk.hang_after(None);
        if ended {
            assert!(steps > 3, "a commit takes more steps");
            break;
        }
        finish(store.commit(third.clone())).expect("the disk is well");
        drop(store);
        let found = content(&open_sound(&disk));
        if found == after(&[first.clone(), third.clone()]) {
            never += 1;
        } else {
            assert_eq!(found, after(&[first.clone(), second.clone(), third.clone()]));
            later += 1;
        }
    }
    assert!(later > 3, "{never} never, {later} later");
}

#[test]
fn a_commit_dropped_between_its_slices_leaves_no_trace() {
    let disk = Disk::default();
    let store = open_fresh(&disk);
    disk.take_journal();
    let big = puts(1, 0, 1_000, 20);
    {
        let mut commit = std::pin::pin!(store.commit(big.clone()));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let mut polls = 0;
        while commit.as_mut().poll(&mut context).is_pending() && polls < 2 {
            polls += 1;
            let seen = store.get(PartitionId(1), &key("item-0", 0)).expect("sound");
            assert_eq!(seen, None, "half a commit is seen");
        }
        assert_eq!(polls, 2, "1,000 changes were one slice");
    }
    assert_eq!(content(&store), Content::default());
    finish(store.commit(big.clone())).expect("the disk is well");
    assert_eq!(content(&store), after(&[big]));
}

#[test]
fn commits_at_the_same_time_take_turns() {
    let disk = Disk::default();
    let store = open_fresh(&disk);
    let batches: Vec<Batch> = (0..3).map(|n| puts(n, n * 1_000, 600, 20)).collect();
    let commits = batches.iter().map(|batch| store.commit(batch.clone()));
    let ended = finish(crate::task::join_all(commits));
    assert_eq!(ended, [Ok(()), Ok(()), Ok(())]);
    assert_eq!(content(&store), after(&batches));
}

#[test]
fn the_file_of_another_node_is_discarded_with_a_word() {
    let disk = Disk::default();
    finish(open_fresh(&disk).commit(puts(1, 0, 10, 100))).expect("the disk is well");
    let opened = finish(Checkpoint::open(&disk, NodeId(4), super::super::OnDamage::Discard))
        .expect("the disk is well");
    let Opened::Fresh(store, Some(why)) = opened else { panic!("it was taken for ours") };
    assert_eq!(why.why, "the file belongs to node-3, this is node-4");
    assert_eq!(content(&store), Content::default());
}

#[test]
fn a_newer_file_is_left_as_it_is() {
    let disk = Disk::default();
    let store = open_fresh(&disk);
    let header = Header { version: 2, node: NODE };
    store.inner.write_header(header).expect("sound");
    finish(store.inner.carry_out()).expect("the disk is well");
    drop(store);
    let file = disk.content();
    let Err(error) = try_open(&disk) else { panic!("it was opened") };
    assert_eq!(error.kind(), std::io::ErrorKind::Unsupported);
    assert!(error.to_string().contains("start a newer build"), "{error}");
    assert_eq!(disk.content(), file, "it was changed");
}

#[test]
fn a_discarded_store_is_gone_and_says_so() {
    let disk = Disk::default();
    let store = open_fresh(&disk);
    finish(store.commit(puts(1, 0, 10, 100))).expect("the disk is well");
    let view = store.view().expect("sound");
    finish(store.discard()).expect("the disk is well");
    assert!(view.images().expect_err("it is gone").why.contains("discarded"));
    assert_eq!(content(&open_fresh(&disk)), Content::default());
}

#[test]
fn a_panic_of_the_one_who_scans_is_not_a_fault() {
    let disk = Disk::default();
    let store = open_fresh(&disk);
    finish(store.commit(puts(1, 0, 10, 100))).expect("the disk is well");
    let scan = || {
        store.scan(PartitionId(1), None, &mut |_, _, _| std::panic::resume_unwind(Box::new("mine")))
    };
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(scan));
    assert_eq!(panic.expect_err("it panicked").downcast_ref(), Some(&"mine"));
    assert_eq!(content(&store), after(&[puts(1, 0, 10, 100)]));
}

#[test]
fn a_panic_inside_redb_is_a_fault_for_good() {
    let disk = Disk::default();
    let store = open_fresh(&disk);
    let panic = || std::panic::resume_unwind(Box::new("a page went missing".to_owned()));
    let fault = store.inner.door.enter::<()>(panic).expect_err("it panicked");
    assert_eq!(fault.why, "redb panicked: a page went missing");
    assert_eq!(store.images(), Err(fault));
}

#[test]
fn a_disk_that_cannot_read_is_a_fault() {
    let disk = Disk::default();
    let store = open_fresh(&disk);
    finish(store.commit(puts(1, 0, 300, 900))).expect("the disk is well");
    // The file goes away under the store: every read fails from now on.
    finish(crate::env::Env::remove(&disk, disk::FILE)).expect("it is there");
    let fault = store.scan(PartitionId(1), None, &mut |_, _, _| true).expect_err("no file");
    assert_eq!(store.images(), Err(fault));
}
