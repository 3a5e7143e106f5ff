//! What a store costs. The processor times are printed, the bytes are held to bounds: they are the
//! same in every run. `cargo test -p stillpoint-reference --lib speed -- --nocapture` shows them.

use super::disk::{Disk, Op, finish};
use super::*;

/// The processor time that this thread has had, in nanoseconds, as Linux counts it; 0 elsewhere.
fn cpu_ns() -> u64 {
    let counted = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    counted.split(' ').next().and_then(|field| field.parse().ok()).unwrap_or(0)
}

/// Microseconds of processor time that `code` takes, on average of so many `times`.
fn micros<T>(times: u32, mut code: impl FnMut(u64) -> T) -> f64 {
    let start = cpu_ns();
    for round in 0..times {
        code(u64::from(round));
    }
    (cpu_ns() - start) as f64 / 1e3 / f64::from(times)
}

fn commit(store: &Checkpoint<Disk>, batch: Batch) {
    finish(store.commit(batch)).expect("the disk is well");
}

/// A store with the cache that a node has.
fn roomy() -> (Disk, Checkpoint<Disk>) {
    let disk = Disk::default();
    let opened = finish(Checkpoint::open(&disk, NODE, super::super::OnDamage::Discard))
        .expect("the disk is well");
    let Opened::Fresh(store, None) = opened else { panic!("the disk was empty") };
    (disk, store)
}

/// How many bytes were written, and with how many operations.
fn written(journal: &[Op]) -> (usize, usize) {
    let bytes = journal.iter().map(|op| match op {
        Op::Write(_, bytes) => bytes.len(),
        Op::SetLen(_) | Op::Sync => 0,
    });
    (bytes.sum(), journal.len())
}

#[test]
fn an_empty_store_is_cheap() {
    let created = micros(50, |_| open_fresh(&Disk::default()));
    let disk = Disk::default();
    drop(open_fresh(&disk));
    let (bytes, operations) = written(&disk.take_journal());
    let len = disk.content().len();
    let opened = micros(50, |_| open_sound(&disk));
    println!("create {created:.0} us, {bytes} B in {operations} operations, file {len} B");
    println!("open what is empty {opened:.0} us");
    assert!(bytes <= 64 << 10 && len <= 256 << 10, "{bytes} B written, {len} B long");
}

#[test]
fn what_commits_and_reads_cost() {
    for (puts_each, commits) in [(1, 400), (16, 100), (256, 20)] {
        let (disk, store) = roomy();
        commit(&store, puts(1, 0, 5_000, 900));
        disk.take_journal();
        let spread = |n: u64| puts(1, n * 131 % 4_000, puts_each, 900);
        let each = micros(commits, |n| commit(&store, spread(n))) / puts_each as f64;
        let (bytes, operations) = written(&disk.take_journal());
        let count = puts_each as usize * commits as usize;
        let (bytes, operations) = (bytes / count, operations / commits as usize);
        println!(
            "{puts_each:>3} puts each: {each:.1} us and {bytes} B a put, \
             {operations} operations a commit"
        );
        assert!(bytes < 40_000, "{bytes} B written for a put of 900 B");
    }
    let (disk, store) = roomy();
    let load = micros(1, |_| commit(&store, puts(1, 0, 20_000, 100)));
    let sought = |n: u64| key(&format!("item-{}", n * 13 % 5_000), n as u32 % 4);
    let get = micros(5_000, |n| store.get(PartitionId(1), &sought(n)).expect("sound").is_some());
    let view = store.view().expect("sound");
    let seen = micros(5_000, |n| view.get(PartitionId(1), &sought(n)).expect("sound").is_some());
    let scan = micros(5, |_| store.scan(PartitionId(1), None, &mut |_, _, _| true));
    drop((store, view));
    let open = micros(3, |_| open_sound(&disk));
    println!(
        "20,000 items of 100 B: one commit {load:.0} us, get {get:.2} us (in a view {seen:.2}), \
         scan {:.2} us an item, open {open:.0} us, file {} B",
        scan / 20_000.0,
        disk.content().len()
    );
}
