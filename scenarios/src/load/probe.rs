//! What the disk can do: no server that acknowledges after an fsync of its own for each write can
//! be faster, and one that shares fsyncs among writes is read against the same figure.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hdrhistogram::Histogram;

use super::clock;

/// What is appended before each sync, in bytes: a block of most file systems.
const APPEND_BYTES: usize = 4096;

/// Appends and syncs (fdatasync) by one thread, one after the other, for so long. Returns how long
/// each took together with its append, in nanoseconds. Leaves nothing behind in `directory`.
///
/// # Errors
///
/// What the file system said.
pub fn fsyncs(directory: &Path, time: Duration, stop: &AtomicBool) -> io::Result<Histogram<u64>> {
    let path = directory.join(format!("stillpoint-fsync-{}", std::process::id()));
    let file = File::create_new(&path)?;
    let outcome = append_and_sync(file, time, stop);
    std::fs::remove_file(&path)?;
    outcome
}

fn append_and_sync(
    mut file: File,
    time: Duration,
    stop: &AtomicBool,
) -> io::Result<Histogram<u64>> {
    let mut latencies = Histogram::new(3).expect("three digits are possible");
    let block = [b'x'; APPEND_BYTES];
    let end = clock::now() + time;
    while clock::now() < end && !stop.load(Ordering::Relaxed) {
        let begun = clock::now();
        file.write_all(&block)?;
        file.sync_data()?;
        latencies.record(clock::ns_since(begun)).expect("a histogram grows as needed");
    }
    Ok(latencies)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syncs_are_counted_and_their_file_is_gone() {
        let name = format!("stillpoint-probe-test-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir(&directory).expect("a new directory");
        let time = Duration::from_millis(50);
        let latencies = fsyncs(&directory, time, &AtomicBool::new(false)).expect("a disk");
        assert!(latencies.len() > 0 && latencies.max() > 1_000, "a sync takes microseconds");
        let left = std::fs::read_dir(&directory).expect("the directory is there").count();
        assert_eq!(left, 0);
        std::fs::remove_dir(&directory).expect("the directory is empty");
    }
}
