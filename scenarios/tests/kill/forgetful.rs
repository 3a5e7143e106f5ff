//! A disk that forgets, at a kill, all that was not synced.
//!
//! `kill -9` leaves the page cache alive, so by itself it proves nothing about fsync. Here what was
//! not synced stands in the memory of the process alone and dies with it. The files below the root
//! are what the disk holds: `names/` is its directories, `unnamed/` files without a durable name.

use bytes::Bytes;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use stillpoint_reference::machine::{Disk, DiskFile};

/// "No space left on device", and "Read-only file system".
const ENOSPC: i32 = 28;
const EROFS: i32 = 30;

/// A disk in a folder. While the folder holds a file named `full`, nothing on it can grow; while
/// it holds one named `read-only`, nothing on it can change.
#[derive(Debug)]
pub(crate) struct Forgetful {
    root: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What the process sees: files by path.
    seen: BTreeMap<String, Arc<Memory>>,
    /// Names that were made, and not synced.
    made: BTreeMap<String, PathBuf>,
    /// Names that were removed, and not synced.
    removed: Vec<String>,
    next_unnamed: u64,
}

/// A file: what the process sees, and what the disk has not got yet.
#[derive(Debug)]
struct Memory {
    root: PathBuf,
    on_disk: File,
    content: Mutex<Content>,
}

#[derive(Debug, Default)]
struct Content {
    bytes: Vec<u8>,
    written: u64,
    /// Writes and cuts since the last sync, in order.
    unsynced: Vec<Change>,
}

#[derive(Debug)]
enum Change {
    Write(u64, Vec<u8>),
    SetLen(u64),
}

impl Forgetful {
    /// What is left after the last kill.
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        // A file without a durable name is gone.
        let _ = fs::remove_dir_all(root.join("unnamed"));
        fs::create_dir_all(root.join("unnamed"))?;
        fs::create_dir_all(root.join("names"))?;
        let mut state = State::default();
        load(root, &root.join("names"), "", &mut state)?;
        Ok(Self { root: root.to_owned(), state: Mutex::new(state) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics with it")
    }

    fn on_disk(&self, path: &str) -> PathBuf {
        self.root.join("names").join(path)
    }
}

fn load(root: &Path, dir: &Path, prefix: &str, state: &mut State) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            load(root, &entry.path(), &format!("{path}/"), state)?;
            continue;
        }
        let on_disk = OpenOptions::new().read(true).write(true).open(entry.path())?;
        let bytes = fs::read(entry.path())?;
        let content = Mutex::new(Content { bytes, ..Content::default() });
        let memory = Memory { root: root.to_owned(), on_disk, content };
        state.seen.insert(path, Arc::new(memory));
    }
    Ok(())
}

/// Whether something on the disk may change, and perhaps grow.
fn check(root: &Path, grows: bool) -> io::Result<()> {
    if root.join("read-only").exists() {
        return Err(io::Error::from_raw_os_error(EROFS));
    }
    if grows && root.join("full").exists() {
        return Err(io::Error::from_raw_os_error(ENOSPC));
    }
    Ok(())
}

/// The directory that a path stands in.
fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(dir, _)| dir)
}

impl Disk for Forgetful {
    // The few directories there are made once and for all.
    fn create_dir(&self, dir: &str) -> io::Result<()> {
        fs::create_dir_all(self.on_disk(dir))
    }

    fn create(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state();
        if state.seen.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        check(&self.root, true)?;
        state.next_unnamed += 1;
        let unnamed = self.root.join("unnamed").join(state.next_unnamed.to_string());
        let options = OpenOptions::new().read(true).write(true).create_new(true).to_owned();
        let on_disk = options.open(&unnamed)?;
        let memory = Memory { root: self.root.clone(), on_disk, content: Mutex::default() };
        let memory = Arc::new(memory);
        state.seen.insert(path.to_owned(), Arc::clone(&memory));
        state.made.insert(path.to_owned(), unnamed);
        Ok(memory)
    }

    fn open(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        let state = self.state();
        let found = state.seen.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::clone(found) as Arc<dyn DiskFile>)
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        let state = self.state();
        let inside = state.seen.keys().filter(|path| parent(path) == dir);
        Ok(inside.map(|path| path[dir.len()..].trim_start_matches('/').to_owned()).collect())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let mut state = self.state();
        state.seen.remove(path).ok_or(io::ErrorKind::NotFound)?;
        if state.made.remove(path).is_none() {
            state.removed.push(path.to_owned());
        }
        Ok(())
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        let mut state = self.state();
        let (gone, kept) =
            std::mem::take(&mut state.removed).into_iter().partition(|path| parent(path) == dir);
        state.removed = kept;
        let gone: Vec<String> = gone;
        for path in gone {
            fs::remove_file(self.on_disk(&path))?;
        }
        let made = std::mem::take(&mut state.made);
        for (path, unnamed) in made {
            if parent(&path) == dir {
                fs::rename(unnamed, self.on_disk(&path))?;
            } else {
                state.made.insert(path, unnamed);
            }
        }
        Ok(())
    }
}

impl Memory {
    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().expect("nobody panics with it")
    }
}

impl DiskFile for Memory {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut content = self.content();
        let (start, end) = (offset as usize, offset as usize + bytes.len());
        check(&self.root, end > content.bytes.len())?;
        if end > content.bytes.len() {
            content.bytes.resize(end, 0);
        }
        content.bytes[start..end].copy_from_slice(bytes);
        content.written += 1;
        // The disk may take a write before it is asked to, and before others.
        if content.written.is_multiple_of(3) {
            self.on_disk.write_all_at(bytes, offset)?;
        }
        content.unsynced.push(Change::Write(offset, bytes.to_vec()));
        Ok(())
    }

    fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        let content = self.content();
        let start = (offset as usize).min(content.bytes.len());
        let end = start.saturating_add(len).min(content.bytes.len());
        Ok(Bytes::copy_from_slice(&content.bytes[start..end]))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        check(&self.root, false)?;
        let mut content = self.content();
        content.bytes.resize(len as usize, 0);
        content.unsynced.push(Change::SetLen(len));
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.content().bytes.len() as u64)
    }

    /// A kill in the middle leaves the first part of what was to be synced.
    fn sync(&self) -> io::Result<()> {
        let mut content = self.content();
        for change in std::mem::take(&mut content.unsynced) {
            match change {
                Change::Write(offset, bytes) => self.on_disk.write_all_at(&bytes, offset)?,
                Change::SetLen(len) => self.on_disk.set_len(len)?,
            }
        }
        Ok(())
    }
}
