//! The archive's objects, in a directory.

use crate::env::ObjectError;
use bytes::Bytes;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, PutPayload};
use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use tokio::task::spawn_blocking;

/// Objects in a directory, as a node's archive uses them: each is durable when its put returns, and
/// of two who put under one key the second is told so. No conditional update is asked for.
#[derive(Clone, Debug)]
pub struct Objects {
    store: Arc<LocalFileSystem>,
    /// Where the objects stand.
    root: PathBuf,
}

impl Objects {
    /// Objects in a directory that exists. What an earlier process left half done is removed, and
    /// what it did not sync is synced.
    ///
    /// # Errors
    /// The directory cannot be used.
    pub fn in_directory(dir: &FilePath) -> Result<Self, ObjectError> {
        tidy(dir).map_err(|why| ObjectError::Other(why.to_string()))?;
        let store = LocalFileSystem::new_with_prefix(dir).map_err(error)?;
        Ok(Self { store: Arc::new(store.with_fsync(true)), root: dir.to_owned() })
    }

    pub(super) async fn put_if_absent(&self, key: &str, object: Bytes) -> Result<(), ObjectError> {
        let (path, object) = (path(key)?, PutPayload::from(object));
        match self.store.put_opts(&path, object, PutMode::Create.into()).await.map_err(error) {
            // It may be there because an earlier put linked it and could not sync the directory.
            Err(ObjectError::AlreadyExists) => {
                self.sync(key).await?;
                Err(ObjectError::AlreadyExists)
            }
            outcome => outcome.map(drop),
        }
    }

    /// Makes a file that is there durable, and all directories down to it.
    async fn sync(&self, key: &str) -> Result<(), ObjectError> {
        let (root, file) = (self.root.clone(), self.root.join(key));
        let synced = spawn_blocking(move || {
            File::open(&file)?.sync_all()?;
            let mut inside = file.ancestors().skip(1).take_while(|it| it.starts_with(&root));
            inside.try_for_each(|it| File::open(it)?.sync_all())
        });
        let synced = synced.await.map_err(io::Error::other).and_then(|it| it);
        synced.map_err(|why| ObjectError::Other(why.to_string()))
    }

    pub(super) async fn get(&self, key: &str) -> Result<Bytes, ObjectError> {
        self.store.get(&path(key)?).await.map_err(error)?.bytes().await.map_err(error)
    }

    pub(super) async fn get_range(
        &self,
        key: &str,
        range: Range<u64>,
    ) -> Result<Bytes, ObjectError> {
        self.store.get_range(&path(key)?, range).await.map_err(error)
    }

    pub(super) async fn delete(&self, key: &str) -> Result<(), ObjectError> {
        match self.store.delete(&path(key)?).await.map_err(error) {
            Err(ObjectError::NotFound) => Ok(()),
            outcome => outcome,
        }
    }
}

/// Removes staged files (`name#n`) of a process that was killed, and syncs every directory.
fn tidy(dir: &FilePath) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            tidy(&entry.path())?;
        } else if entry.file_name().to_string_lossy().contains('#') {
            fs::remove_file(entry.path())?;
        }
    }
    File::open(dir)?.sync_all()
}

fn path(key: &str) -> Result<Path, ObjectError> {
    Path::parse(key).map_err(|why| ObjectError::Other(why.to_string()))
}

fn error(error: Error) -> ObjectError {
    match error {
        Error::NotFound { .. } => ObjectError::NotFound,
        Error::AlreadyExists { .. } => ObjectError::AlreadyExists,
        other => ObjectError::Other(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_put_counts_and_half_done_ones_go() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let objects = Objects::in_directory(dir.path()).expect("usable");
        objects.put_if_absent("a/b/c", Bytes::from_static(b"one")).await.expect("free");
        let second = objects.put_if_absent("a/b/c", Bytes::from_static(b"two")).await;
        assert_eq!(second, Err(ObjectError::AlreadyExists));
        fs::write(dir.path().join("a/b/d#1"), "half").expect("writable");
        let objects = Objects::in_directory(dir.path()).expect("usable");
        assert!(!dir.path().join("a/b/d#1").exists());
        assert_eq!(objects.get("a/b/c").await.expect("there"), "one");
        assert_eq!(objects.get_range("a/b/c", 1..3).await.expect("there"), "ne");
        objects.delete("a/b/c").await.expect("deleted");
        objects.delete("a/b/c").await.expect("what is missing counts as deleted");
        assert_eq!(objects.get("a/b/c").await, Err(ObjectError::NotFound));
    }
}
