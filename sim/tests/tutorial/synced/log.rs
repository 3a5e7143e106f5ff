//! What a replica holds: in memory, and on disk for the time after a crash.

use std::{cell::RefCell, collections::BTreeMap, io};

use stillpoint_sim::{Disk, File};

/// A version and a value. Of two entries of a key the later version counts.
pub type Entry = (u64, String);

pub struct Log {
    file: File,
    entries: RefCell<BTreeMap<String, Entry>>,
}

impl Log {
    /// Reads all whole lines; one that a loss of power has torn is cut off.
    pub async fn open(disk: &Disk) -> io::Result<Self> {
        let is_new = disk.list("").await?.is_empty();
        let file = if is_new { disk.create("log").await? } else { disk.open("log").await? };
        disk.sync_dir("").await?;
        let bytes = file.read_at(0, file.len().await? as usize).await?;
        let (log, mut end) = (Self { file, entries: RefCell::default() }, 0);
        for line in bytes.split_inclusive(|it| *it == b'\n').filter(|it| it.ends_with(b"\n")) {
            let Ok((key, entry)) = serde_json::from_slice::<(String, Entry)>(line) else { break };
            log.keep(&key, entry);
            end += line.len() as u64;
        }
        log.file.set_len(end).await?;
        log.file.sync().await?;
        Ok(log)
    }

    pub fn get(&self, key: &str) -> Entry {
        self.entries.borrow().get(key).cloned().unwrap_or_default()
    }

    pub async fn put(&self, key: &str, entry: Entry) -> io::Result<()> {
        if entry > self.get(key) {
            let line = serde_json::to_string(&(key, &entry))? + "\n";
            self.keep(key, entry);
            self.file.append(line.into()).await?;
        }
        self.file.sync().await
    }

    fn keep(&self, key: &str, entry: Entry) {
        let latest = entry.max(self.get(key));
        self.entries.borrow_mut().insert(key.to_string(), latest);
    }
}
