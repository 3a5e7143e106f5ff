//! Files: what the machine's file system is asked for, as plain calls that block.
//!
//! [`Folder`] is the one that people use. Tests put another behind the same two traits: one that
//! is full, or that forgets at a kill all that was not synced.

use bytes::Bytes;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The files of one node. Paths are relative to its own folder. Every call may block.
pub trait Disk: fmt::Debug + Send + Sync + 'static {
    /// Makes a directory if it is missing.
    ///
    /// # Errors
    /// As the file system says.
    fn create_dir(&self, dir: &str) -> io::Result<()>;
    /// Creates a file that must not exist.
    ///
    /// # Errors
    /// As the file system says.
    fn create(&self, path: &str) -> io::Result<Arc<dyn DiskFile>>;
    /// Opens a file that exists.
    ///
    /// # Errors
    /// As the file system says.
    fn open(&self, path: &str) -> io::Result<Arc<dyn DiskFile>>;
    /// The names in a directory, in any order.
    ///
    /// # Errors
    /// As the file system says.
    fn list(&self, dir: &str) -> io::Result<Vec<String>>;
    /// Removes a file.
    ///
    /// # Errors
    /// As the file system says.
    fn remove(&self, path: &str) -> io::Result<()>;
    /// Makes the entries of a directory durable; the empty name is the node's own folder.
    ///
    /// # Errors
    /// As the file system says.
    fn sync_dir(&self, dir: &str) -> io::Result<()>;
}

/// An open file. Every call may block.
pub trait DiskFile: fmt::Debug + Send + Sync + 'static {
    /// Writes at `offset`; a gap before it reads as zeros.
    ///
    /// # Errors
    /// As the file system says. Some of the bytes may have been written.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Reads up to `len` bytes at `offset`: fewer where the file ends.
    ///
    /// # Errors
    /// As the file system says.
    fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes>;
    /// Cuts the file to `len` bytes, or extends it with zeros.
    ///
    /// # Errors
    /// As the file system says.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// The length of the file in bytes.
    ///
    /// # Errors
    /// As the file system says.
    fn size(&self) -> io::Result<u64>;
    /// Makes content and length durable.
    ///
    /// # Errors
    /// As the file system says. What was not written then, a later sync may take for written.
    fn sync(&self) -> io::Result<()>;
}

/// A folder of the machine's file system.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    /// The folder at `root`, which exists.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }
}

impl Disk for Folder {
    fn create_dir(&self, dir: &str) -> io::Result<()> {
        std::fs::create_dir_all(self.root.join(dir))
    }

    fn create(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        let options = OpenOptions::new().read(true).write(true).create_new(true).to_owned();
        Ok(Arc::new(PlainFile(options.open(self.root.join(path))?)))
    }

    fn open(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        let options = OpenOptions::new().read(true).write(true).to_owned();
        Ok(Arc::new(PlainFile(options.open(self.root.join(path))?)))
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        let name = |entry: io::Result<std::fs::DirEntry>| {
            entry.map(|it| it.file_name().to_string_lossy().into_owned())
        };
        std::fs::read_dir(self.root.join(dir))?.map(name).collect()
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        std::fs::remove_file(self.root.join(path))
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        File::open(self.root.join(dir))?.sync_all()
    }
}

/// A file of the machine's file system.
#[derive(Debug)]
struct PlainFile(File);

impl DiskFile for PlainFile {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        let mut buffer = vec![0; len];
        let mut filled = 0;
        while filled < len {
            match self.0.read_at(&mut buffer[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
                Err(why) => return Err(why),
            }
        }
        buffer.truncate(filled);
        Ok(buffer.into())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn size(&self) -> io::Result<u64> {
        self.0.metadata().map(|it| it.len())
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}
