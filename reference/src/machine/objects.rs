//! The archive's objects, in any store that `object_store` knows.

use crate::env::ObjectError;
use bytes::Bytes;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, PutPayload};
use std::ops::Range;
use std::sync::Arc;

/// Objects in a directory that exists, each durable when its put returns. Two who put under one
/// key are told apart (put if absent); the store knows no conditional update.
///
/// # Errors
/// The directory cannot be used.
pub fn local_objects(dir: &std::path::Path) -> Result<Arc<dyn ObjectStore>, ObjectError> {
    let store = LocalFileSystem::new_with_prefix(dir).map_err(error)?;
    Ok(Arc::new(store.with_fsync(true)))
}

pub(super) async fn put_if_absent(
    store: &dyn ObjectStore,
    key: &str,
    object: Bytes,
) -> Result<(), ObjectError> {
    let (path, object) = (path(key)?, PutPayload::from(object));
    store.put_opts(&path, object, PutMode::Create.into()).await.map(drop).map_err(error)
}

pub(super) async fn get(store: &dyn ObjectStore, key: &str) -> Result<Bytes, ObjectError> {
    store.get(&path(key)?).await.map_err(error)?.bytes().await.map_err(error)
}

pub(super) async fn get_range(
    store: &dyn ObjectStore,
    key: &str,
    range: Range<u64>,
) -> Result<Bytes, ObjectError> {
    store.get_range(&path(key)?, range).await.map_err(error)
}

pub(super) async fn delete(store: &dyn ObjectStore, key: &str) -> Result<(), ObjectError> {
    match store.delete(&path(key)?).await.map_err(error) {
        Err(ObjectError::NotFound) => Ok(()),
        outcome => outcome,
    }
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
