//! Objects that are uploaded in parts, as S3's multipart uploads: the object appears as a whole
//! when its upload is completed. One that is neither completed nor aborted stays, and costs.

use bytes::Bytes;

use super::{ObjectStore, Result, keyed};
use crate::completion::Completion;
use crate::world::World;

/// An upload that was begun.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Upload {
    /// The key that its object will have.
    pub(super) key: String,
    pub(super) number: u64,
}

impl Upload {
    /// The key that its object will have.
    pub fn key(&self) -> &str {
        &self.key
    }

    fn payload(&self, rest: &[u8]) -> Vec<u8> {
        keyed(&self.key, &[&self.number.to_le_bytes(), rest].concat())
    }
}

impl ObjectStore {
    /// Begins an upload. If the answer is lost, the upload may be there nevertheless.
    ///
    /// # Errors
    /// `SlowDown`, `Refused`, `Timeout`.
    pub fn create_upload(&self, key: &str) -> Completion<Result<Upload>> {
        let key = key.to_string();
        self.submit("object.create_upload", key.clone().into_bytes(), move |bucket| {
            Ok(bucket.create_upload(key))
        })
    }

    /// Uploads a part, in place of the one with this number, if any. Parts may have any length;
    /// S3 demands 5 MiB of all but the last.
    ///
    /// # Errors
    /// `NotFound` if the upload is over, `SlowDown`, `Refused`, `Timeout`.
    pub fn upload_part(&self, upload: &Upload, part: u32, body: Bytes) -> Completion<Result<()>> {
        let payload = upload.payload(&[&part.to_le_bytes(), &body[..]].concat());
        let upload = upload.clone();
        self.submit("object.put_part", payload, move |bucket| bucket.put_part(&upload, part, body))
    }

    /// Makes an object of these parts, one after the other, in place of the one with the key,
    /// if any. The upload is over then.
    ///
    /// # Errors
    /// `NotFound` if the upload is over or there is no such part, `SlowDown`, `Refused`,
    /// `Timeout`.
    pub fn complete_upload(&self, upload: &Upload, parts: &[u32]) -> Completion<Result<()>> {
        let numbers: Vec<u8> = parts.iter().flat_map(|it| it.to_le_bytes()).collect();
        let (payload, upload, parts) = (upload.payload(&numbers), upload.clone(), parts.to_vec());
        self.submit("object.complete_upload", payload, move |bucket| {
            bucket.complete_upload(&upload, &parts)
        })
    }

    /// Ends an upload without an object. It is no error if it is over.
    ///
    /// # Errors
    /// `SlowDown`, `Refused`, `Timeout`.
    pub fn abort_upload(&self, upload: &Upload) -> Completion<Result<()>> {
        let (payload, upload) = (upload.payload(&[]), upload.clone());
        self.submit("object.abort_upload", payload, move |bucket| {
            bucket.abort_upload(&upload);
            Ok(())
        })
    }

    /// The uploads to keys that begin with `prefix` that are not over, by key, then in the order
    /// in which they were begun.
    ///
    /// # Errors
    /// `SlowDown`, `Refused`, `Timeout`.
    pub fn list_uploads(&self, prefix: &str) -> Completion<Result<Vec<Upload>>> {
        let prefix = prefix.to_string();
        self.submit("object.list_uploads", prefix.clone().into_bytes(), move |bucket| {
            Ok(bucket.list_uploads(&prefix))
        })
    }
}

impl World {
    /// How many bytes lie in uploads that are not over.
    pub fn object_uploads_bytes(&self) -> u64 {
        self.core().objects.borrow().bucket.uploads_bytes()
    }
}
