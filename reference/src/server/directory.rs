//! The data directory: `node/` has the log and the items, `archive/` the objects, and `lock` is
//! held for as long as a process uses them. `formatted` says that the node's disk was made, so that
//! a blank one has lost what it held.

use super::ServeError;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// The file that says that the node's disk was formatted.
const FORMATTED: &str = "formatted";

/// A directory that this process owns until it drops this, or dies.
#[derive(Debug)]
pub(super) struct Directory {
    root: PathBuf,
    _lock: File,
}

impl Directory {
    /// Makes what is missing, and takes the lock.
    pub(super) fn open(root: &Path) -> Result<Self, ServeError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |why| ServeError::Directory { path, why }
        };
        make(root).map_err(failed(root))?;
        let path = root.join("lock");
        let options = OpenOptions::new().write(true).create(true).truncate(false).to_owned();
        let lock = options.open(&path).map_err(failed(&path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(ServeError::InUse(root.to_owned())),
            Err(TryLockError::Error(why)) => return Err(failed(&path)(why)),
        }
        let directory = Self { root: root.to_owned(), _lock: lock };
        for made in [directory.node(), directory.archive()] {
            std::fs::create_dir_all(&made).map_err(failed(&made))?;
        }
        sync(root).map_err(failed(root))?;
        Ok(directory)
    }

    /// Whether the node's disk was formatted.
    pub(super) fn is_formatted(&self) -> bool {
        self.root.join(FORMATTED).exists()
    }

    /// Notes that the node's disk is formatted.
    pub(super) fn note_formatted(&self) -> Result<(), ServeError> {
        let path = self.root.join(FORMATTED);
        let noted = File::create(&path).and_then(|it| it.sync_all());
        noted.and_then(|()| sync(&self.root)).map_err(|why| ServeError::Directory { path, why })
    }

    /// The node's own folder.
    pub(super) fn node(&self) -> PathBuf {
        self.root.join("node")
    }

    /// Where the archive's objects stand.
    pub(super) fn archive(&self) -> PathBuf {
        self.root.join("archive")
    }
}

/// Makes a directory and those that it stands in, each durable in its parent.
fn make(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let parent = dir.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    make(parent)?;
    match std::fs::create_dir(dir) {
        Err(why) if why.kind() != io::ErrorKind::AlreadyExists => Err(why),
        _ => sync(parent),
    }
}

fn sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
