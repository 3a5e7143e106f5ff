//! The only way into redb: its storage, and the guard that every call passes.
//!
//! redb wants a storage that may be shared between threads; a node's file may not. So the storage
//! holds the overlay alone, and a read that the overlay cannot answer goes to the file of whoever
//! is inside redb on this thread at that moment: [`Door::enter`] lays it down for the length of the
//! call. What redb answers with an error or a panic is a fault, and after a fault nobody enters
//! again.

use super::overlay::Overlay;
use crate::partition::StoreFault;
use bytes::Bytes;
use redb::StorageBackend;
use std::cell::RefCell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Reads the disk's bytes at once: [`crate::env::File::read_now`].
type ReadNow = Rc<dyn Fn(u64, usize) -> io::Result<Bytes>>;

thread_local! {
    /// The file of the store that is inside redb on this thread.
    static INSIDE: RefCell<Option<ReadNow>> = const { RefCell::new(None) };
}

/// Puts back who was inside before, also when redb panics.
struct Leave(Option<ReadNow>);

impl Drop for Leave {
    fn drop(&mut self) {
        INSIDE.set(self.0.take());
    }
}

/// What redb is given as its file.
#[derive(Clone, Debug)]
struct Backend(Arc<Mutex<Overlay>>);

impl Backend {
    /// A panic inside redb does not make the overlay wrong; the door is shut after it anyway.
    fn overlay(&self) -> MutexGuard<'_, Overlay> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.overlay().len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let inside = INSIDE.with_borrow(Clone::clone);
        let file = inside.ok_or_else(|| io::Error::other("redb was entered past its door"))?;
        self.overlay().read(offset, out, &*file)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.overlay().set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.overlay().sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.overlay().write(offset, data)
    }
}

/// The door of one store.
pub(super) struct Door {
    backend: Backend,
    file: ReadNow,
    fault: RefCell<Option<StoreFault>>,
}

impl Door {
    /// To a file of `len` bytes, read by `file`.
    pub(super) fn new(len: u64, file: ReadNow) -> Self {
        let backend = Backend(Arc::new(Mutex::new(Overlay::new(len))));
        Self { backend, file, fault: RefCell::new(None) }
    }

    /// What redb is given as its file.
    pub(super) fn backend(&self) -> impl StorageBackend + use<> {
        self.backend.clone()
    }

    pub(super) fn overlay(&self) -> MutexGuard<'_, Overlay> {
        self.backend.overlay()
    }

    /// Runs code that calls redb. An error of it, or a panic, is a fault of the store.
    pub(super) fn enter<R>(
        &self,
        code: impl FnOnce() -> Result<R, StoreFault>,
    ) -> Result<R, StoreFault> {
        self.check()?;
        let outcome = {
            let _leave = Leave(INSIDE.replace(Some(self.file.clone())));
            catch_unwind(AssertUnwindSafe(code))
        };
        let outcome = outcome.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            let why = format!("redb panicked: {}", text.unwrap_or("without a message"));
            Err(StoreFault { why })
        });
        outcome.map_err(|fault| self.fail(fault))
    }

    /// The same, with the reads that it asked of the disk kept apart from those of others.
    pub(super) fn enter_apart<R>(
        &self,
        code: impl FnOnce() -> Result<R, StoreFault>,
    ) -> Result<(R, Vec<(u64, usize)>), StoreFault> {
        let others = self.overlay().take_reads();
        let outcome = self.enter(code);
        let own = self.overlay().take_reads();
        self.overlay().owe(others);
        outcome.map(|result| (result, own))
    }

    /// Whether the store can be trusted still.
    pub(super) fn check(&self) -> Result<(), StoreFault> {
        self.fault.borrow().clone().map_or(Ok(()), Err)
    }

    /// The store cannot be trusted any more. The first fault is the one that is told.
    pub(super) fn fail(&self, fault: StoreFault) -> StoreFault {
        self.fault.borrow_mut().get_or_insert(fault).clone()
    }
}

/// An error of redb, as a fault of the store.
pub(super) fn fault(error: impl Into<redb::Error>) -> StoreFault {
    StoreFault { why: error.into().to_string() }
}
