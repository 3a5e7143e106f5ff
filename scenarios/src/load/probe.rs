//! What the disk can do: no server that acknowledges after an fsync of its own for each write can
//! be faster, and one that shares fsyncs among writes is read against the same figure.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hdrhistogram::Histogram;

use super::clock;

/// What is written before each sync, in bytes: a block of most file systems.
const BLOCK_BYTES: usize = 4096;

/// Blocks of a file whose space is there beforehand.
const RESERVED_BLOCKS: u64 = 1024;

/// Where the bytes go that are synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Behind the end of a file, which grows: the file system has to write that down as well.
    Appended,
    /// Into space that was written before.
    Reserved,
}

impl Place {
    /// What it is called in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Appended => "appended",
            Self::Reserved => "reserved",
        }
    }
}

/// Writes and syncs (fdatasync) blocks of 4 KB by one thread, one after the other, for so long.
/// Returns how long each took, in nanoseconds. Leaves nothing behind in `directory`.
///
/// # Errors
///
/// What the file system said.
pub fn fsyncs(
    directory: &Path,
    place: Place,
    time: Duration,
    stop: &AtomicBool,
) -> io::Result<Histogram<u64>> {
    let path = directory.join(format!("stillpoint-fsync-{}", std::process::id()));
    let file = File::create_new(&path)?;
    let outcome = write_and_sync(file, place, time, stop);
    std::fs::remove_file(&path)?;
    outcome
}

fn write_and_sync(
    mut file: File,
    place: Place,
    time: Duration,
    stop: &AtomicBool,
) -> io::Result<Histogram<u64>> {
    let mut latencies = Histogram::new(3).expect("three digits are possible");
    let block = [b'x'; BLOCK_BYTES];
    if place == Place::Reserved {
        (0..RESERVED_BLOCKS).try_for_each(|_| file.write_all(&block))?;
        file.sync_all()?;
    }
    let end = clock::now() + time;
    for number in 0.. {
        if clock::now() >= end || stop.load(Ordering::Relaxed) {
            break;
        }
        if place == Place::Reserved && number % RESERVED_BLOCKS == 0 {
            file.seek(SeekFrom::Start(0))?;
        }
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
        let directory = tempfile::tempdir().expect("a new directory");
        for place in [Place::Appended, Place::Reserved] {
            let time = Duration::from_millis(50);
            let stop = AtomicBool::new(false);
            let latencies = fsyncs(directory.path(), place, time, &stop).expect("a disk");
            assert!(latencies.max() > 1_000, "a sync takes microseconds");
            let left = std::fs::read_dir(directory.path()).expect("it is there").count();
            assert_eq!(left, 0, "{place:?}");
        }
    }
}
