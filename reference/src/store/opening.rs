//! Opening the file, judging it, and beginning afresh where it cannot be used.

use super::checkpoint::{Checkpoint, Inner};
use super::door::{Door, fault};
use super::overlay::BLOCK_LEN;
use super::record::{FORMAT_VERSION, Header};
use super::view::{IMAGES, ITEMS};
use super::writing::Writing;
use crate::env::{Env, File};
use crate::ids::NodeId;
use crate::partition::StoreFault;
use redb::{Builder, Database, ReadableDatabase, TableDefinition, TableError};
use std::io;
use std::rc::Rc;
use tokio::sync::Mutex;

/// The file's name in the node's own folder.
const FILE: &str = "items";

/// What redb keeps of the file in memory unless told otherwise, in bytes; a page takes 4 KiB.
pub const CACHE_BYTES: usize = 1 << 20;

/// The longest read that opening pays for as one, in bytes: it goes through the file in order.
const READ_LEN_MAX: usize = 256 << 10;

/// redb's magic number, in bytes.
const MAGIC_LEN: usize = 9;

const HEADER: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("header");
const HEADER_KEY: &str = "stillpoint";

/// What [`Checkpoint::open`] found.
pub enum Opened<E: Env> {
    /// The last checkpoint, verified to its last byte.
    Sound(Checkpoint<E>),
    /// An empty store. There was no file, or one whose creation a crash cut short; or there was one
    /// that is damaged or belongs to another node, for the reason given, and it is gone.
    Fresh(Checkpoint<E>, Option<StoreFault>),
}

/// What becomes of a file that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDamage {
    /// It is discarded: others have what it held.
    Discard,
    /// It is left as it is, and opening fails: it may be the only copy of what it holds.
    Keep,
}

/// What a file turned out to be.
enum Found {
    Sound(Header),
    /// A crash cut its creation short: nothing was ever committed to it.
    Unfinished,
}

impl<E: Env> Checkpoint<E> {
    /// Opens or creates the file of this node. Reads all that is in use, and verifies it. A file
    /// that cannot be used is discarded, and an empty one made, unless it is to be kept.
    ///
    /// # Errors
    /// The disk fails, or the file was written by a newer version; or it is to be kept, and is
    /// missing or damaged ([`io::ErrorKind::InvalidData`]). Then it is left as it is.
    pub async fn open(env: &E, node: NodeId, on_damage: OnDamage) -> io::Result<Opened<E>> {
        match on_damage {
            OnDamage::Discard => Self::open_with_cache(env, node, CACHE_BYTES).await,
            OnDamage::Keep => Self::open_only_copy(env, node).await.map(Opened::Sound),
        }
    }

    async fn open_only_copy(env: &E, node: NodeId) -> io::Result<Self> {
        let file = env.open(FILE).await?;
        match Self::load(env, file, node, CACHE_BYTES).await? {
            Ok(Some(checkpoint)) => Ok(checkpoint),
            Ok(None) => Err(damaged("it is empty")),
            Err(fault) => Err(damaged(&fault.why)),
        }
    }

    /// The same, with a cache of this many bytes.
    ///
    /// # Errors
    /// As [`Checkpoint::open`].
    pub async fn open_with_cache(
        env: &E,
        node: NodeId,
        cache_bytes: usize,
    ) -> io::Result<Opened<E>> {
        let mut why = None;
        match env.open(FILE).await {
            Ok(file) => match Self::load(env, file, node, cache_bytes).await? {
                Ok(Some(checkpoint)) => return Ok(Opened::Sound(checkpoint)),
                Ok(None) => remove(env).await?,
                Err(fault) => {
                    why = Some(fault);
                    remove(env).await?;
                }
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        Ok(Opened::Fresh(Self::make(env, node, cache_bytes).await?, why))
    }

    /// Removes the file: the next open begins afresh. This store answers with a fault from now on.
    ///
    /// # Errors
    /// The disk fails.
    pub async fn discard(&self) -> io::Result<()> {
        self.inner.door.fail(StoreFault { why: "the store was discarded".to_owned() });
        remove(&self.inner.env).await
    }

    async fn make(env: &E, node: NodeId, cache_bytes: usize) -> io::Result<Self> {
        let file = env.create(FILE).await?;
        env.sync_dir("").await?;
        let mut inner = Inner::over(env, file, 0);
        let header = Header { version: FORMAT_VERSION, node };
        let begun = inner.start(cache_bytes).and_then(|()| inner.write_header(header));
        begun.map_err(io::Error::other)?;
        inner.carry_out().await.map_err(io::Error::other)?;
        Ok(Self::sealed(inner))
    }

    /// The file as a checkpoint; none if it is to be made anew, or why it cannot be used.
    async fn load(
        env: &E,
        file: E::File,
        node: NodeId,
        cache_bytes: usize,
    ) -> io::Result<Result<Option<Self>, StoreFault>> {
        let len = file.size().await?;
        let mut inner = Inner::over(env, file, len);
        if inner.is_unfinished().await {
            return Ok(Ok(None));
        }
        let started = inner.start(cache_bytes).and_then(|()| inner.find());
        let reads = inner.door.overlay().take_reads();
        inner.pay(&inner.file, joined(reads)).await;
        match started {
            Err(fault) => return Ok(Err(fault)),
            Ok(Found::Unfinished) => return Ok(Ok(None)),
            Ok(Found::Sound(header)) if header.version > FORMAT_VERSION => {
                return Err(newer(header.version));
            }
            Ok(Found::Sound(header)) if header.node != node => {
                let why = format!("the file belongs to {}, this is {node}", header.node);
                return Ok(Err(StoreFault { why }));
            }
            Ok(Found::Sound(_)) => {}
        }
        inner.carry_out().await.map_err(io::Error::other)?;
        Ok(Ok(Some(Self::sealed(inner))))
    }

    fn sealed(inner: Inner<E>) -> Self {
        inner.door.overlay().opened();
        Self { inner: Rc::new(inner) }
    }
}

impl<E: Env> Inner<E> {
    fn over(env: &E, file: E::File, len: u64) -> Self {
        let reader = file.clone();
        let door = Rc::new(Door::new(len, Rc::new(move |at, len| reader.read_now(at, len))));
        Self { env: env.clone(), file, door, database: None, turn: Mutex::new(()) }
    }

    /// redb writes its magic number after the rest of its header, and all else behind that.
    async fn is_unfinished(&self) -> bool {
        let zero = |bytes: &[u8]| bytes.iter().all(|&byte| byte == 0);
        if !self.file.read_at(0, MAGIC_LEN).await.is_ok_and(|magic| zero(&magic)) {
            return false;
        }
        let content = self.file.read_all().await;
        content.is_ok_and(|content| content.get(BLOCK_LEN..).is_none_or(zero))
    }

    /// Has redb open the file and verify all that is in use.
    fn start(&mut self, cache_bytes: usize) -> Result<(), StoreFault> {
        let backend = self.door.backend();
        let database = self.door.enter(|| {
            let mut builder = Builder::new();
            // A file without a record of its free space is verified anyway; one with such a record,
            // which we do not write, would not be.
            builder.set_cache_size(cache_bytes).set_check_integrity_on_open(true);
            builder.create_with_backend(backend).map_err(fault)
        })?;
        self.database = Some(database);
        Ok(())
    }

    /// The first commit of a file.
    pub(super) fn write_header(&self, header: Header) -> Result<(), StoreFault> {
        let writing = Writing::begin(&self.door, self.database())?;
        self.door.enter(|| {
            let mut table = writing.transaction().open_table(HEADER).map_err(fault)?;
            table.insert(HEADER_KEY, header.encode().as_slice()).map_err(fault)?;
            // Readers find all tables from the first commit on.
            writing.transaction().open_table(ITEMS).map_err(fault)?;
            writing.transaction().open_table(IMAGES).map_err(fault)?;
            Ok(())
        })?;
        writing.commit().map(drop)
    }

    fn find(&self) -> Result<Found, StoreFault> {
        self.door.enter(|| find(self.database()))
    }
}

fn find(database: &Database) -> Result<Found, StoreFault> {
    let transaction = database.begin_read().map_err(fault)?;
    let table = match transaction.open_table(HEADER) {
        Ok(table) => table,
        Err(TableError::TableDoesNotExist(_)) => return Ok(Found::Unfinished),
        Err(error) => return Err(fault(error)),
    };
    let header = table.get(HEADER_KEY).map_err(fault)?;
    let header = header.ok_or_else(|| StoreFault { why: "there is no header".to_owned() })?;
    Header::decode(header.value()).map(Found::Sound)
}

async fn remove<E: Env>(env: &E) -> io::Result<()> {
    match env.remove(FILE).await {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => env.sync_dir("").await,
    }
}

/// Why a file cannot be used that is not discarded.
pub(crate) fn damaged(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the file \"{FILE}\" is damaged: {why}"))
}

fn newer(version: u32) -> io::Error {
    io::Error::new(
        io::ErrorKind::Unsupported,
        format!(
            "the file \"{FILE}\" has format version {version}, and this build reads up to \
             {FORMAT_VERSION}: start a newer build, or remove the file and let the node rebuild \
             its replicas from their peers"
        ),
    )
}

/// The same reads in the order of the file, joined where they touch.
fn joined(mut reads: Vec<(u64, usize)>) -> Vec<(u64, usize)> {
    reads.sort_unstable();
    let mut runs: Vec<(u64, usize)> = Vec::new();
    for (offset, len) in reads {
        let end = offset + len as u64;
        match runs.last_mut() {
            Some((start, run))
                if offset <= *start + *run as u64 && end - *start <= READ_LEN_MAX as u64 =>
            {
                *run = (*run).max((end - *start) as usize);
            }
            _ => runs.push((offset, len)),
        }
    }
    runs
}
