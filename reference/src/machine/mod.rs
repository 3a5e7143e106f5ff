//! The service's door to a real machine: its clocks, its chance, its files, an object store.
//!
//! One [`MachineEnv`] is the environment of one node. Everything runs on the one thread of the
//! `tokio` runtime that the node runs on; what blocks (files) is carried out on others.
//! This module and [`crate::server`] are the only ones that reach the machine.

mod disk;
mod objects;

pub use disk::{Disk, DiskFile, Folder};
pub use objects::Objects;

use crate::env::{Address, Env, File, ObjectError, Observed};
use bytes::Bytes;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::cell::RefCell;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::task::{spawn_blocking, spawn_local};

/// What looks on while a node runs.
pub type Observer = Box<dyn Fn(&Observed<'_>)>;

/// What a node is given of the machine.
pub struct Resources {
    /// Its files.
    pub disk: Arc<dyn Disk>,
    /// Where its archive stands.
    pub objects: Objects,
    /// Datagrams for it, each with its sender.
    pub incoming: UnboundedReceiver<(Address, Bytes)>,
    /// What it sends, each with its receiver.
    pub outgoing: UnboundedSender<(Address, Bytes)>,
    /// Who looks on.
    pub observer: Observer,
    /// Told of the first task that panicked: the node cannot go on.
    pub panicked: UnboundedSender<String>,
}

/// The environment of one node on this machine.
#[derive(Clone)]
pub struct MachineEnv {
    inner: Rc<Inner>,
}

struct Inner {
    begun: Instant,
    dice: RefCell<ChaCha8Rng>,
    disk: Arc<dyn Disk>,
    objects: Objects,
    incoming: RefCell<UnboundedReceiver<(Address, Bytes)>>,
    outgoing: UnboundedSender<(Address, Bytes)>,
    observer: Observer,
    panicked: UnboundedSender<String>,
}

impl MachineEnv {
    /// An environment with these resources.
    ///
    /// # Errors
    /// The operating system has no chance to offer.
    #[expect(clippy::disallowed_methods, reason = "this is the door to the machine's clock")]
    pub fn new(resources: Resources) -> io::Result<Self> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(io::Error::other)?;
        let Resources { disk, objects, incoming, outgoing, observer, panicked } = resources;
        let inner = Inner {
            begun: Instant::now(),
            dice: RefCell::new(ChaCha8Rng::from_seed(seed)),
            disk,
            objects,
            incoming: RefCell::new(incoming),
            outgoing,
            observer,
            panicked,
        };
        Ok(Self { inner: Rc::new(inner) })
    }

    /// Has another thread do what blocks.
    async fn on_disk<T: Send + 'static>(
        &self,
        job: impl FnOnce(&dyn Disk) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let disk = Arc::clone(&self.inner.disk);
        blocking(move || job(&*disk)).await
    }
}

impl fmt::Debug for MachineEnv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MachineEnv")
    }
}

async fn blocking<T: Send + 'static>(
    job: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    spawn_blocking(job).await.unwrap_or_else(|why| Err(io::Error::other(why)))
}

/// A file of this machine.
#[derive(Clone, Debug)]
pub struct MachineFile(Arc<dyn DiskFile>);

impl MachineFile {
    async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&dyn DiskFile) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let file = Arc::clone(&self.0);
        blocking(move || job(&*file)).await
    }
}

impl File for MachineFile {
    async fn append(&self, bytes: Bytes) -> io::Result<()> {
        self.run(move |file| file.write_at(file.size()?, &bytes)).await
    }

    async fn read_all(&self) -> io::Result<Bytes> {
        self.run(|file| file.read_at(0, usize::try_from(file.size()?).unwrap_or(usize::MAX))).await
    }

    async fn truncate(&self, len: u64) -> io::Result<()> {
        self.run(move |file| file.set_len(len)).await
    }

    async fn write_at(&self, offset: u64, bytes: Bytes) -> io::Result<()> {
        self.run(move |file| file.write_at(offset, &bytes)).await
    }

    async fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        self.run(move |file| file.read_at(offset, len)).await
    }

    fn read_now(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        self.0.read_at(offset, len)
    }

    // It was paid when it was read.
    async fn pay_read(&self, _offset: u64, _len: usize) {}

    async fn size(&self) -> io::Result<u64> {
        self.run(|file| file.size()).await
    }

    // The kernel's own scheduler decides who yields.
    fn in_background(&self) -> Self {
        self.clone()
    }

    async fn sync(&self) -> io::Result<()> {
        self.run(|file| file.sync()).await
    }
}

impl Env for MachineEnv {
    type File = MachineFile;

    fn now_ns(&self) -> u64 {
        u64::try_from(self.inner.begun.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    #[expect(clippy::disallowed_methods, reason = "this is the door to the machine's clock")]
    fn wall_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    fn sleep_until(&self, deadline_ns: u64) -> impl Future<Output = ()> + 'static {
        let deadline = self.inner.begun + Duration::from_nanos(deadline_ns);
        tokio::time::sleep_until(deadline.into())
    }

    fn spawn(&self, _name: &'static str, task: impl Future<Output = ()> + 'static) {
        let panicked = self.inner.panicked.clone();
        spawn_local(async move {
            if let Err(message) = without_panic(task).await {
                let _ = panicked.send(message);
            }
        });
    }

    fn draw(&self, _concern: &'static str, bound: u64) -> u64 {
        // The bias of a remainder is below 2^-32 for all bounds in use.
        self.inner.dice.borrow_mut().next_u64() % bound.max(1)
    }

    // The processor has been spent by then.
    async fn work(&self, _cost_ns: u64) {}

    async fn work_in_background(&self, _cost_ns: u64) {
        // What comes in meanwhile goes first.
        tokio::task::yield_now().await;
    }

    fn send(&self, to: Address, payload: Bytes) {
        let _ = self.inner.outgoing.send((to, payload));
    }

    fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<(Address, Bytes)> {
        match self.inner.incoming.borrow_mut().poll_recv(cx) {
            Poll::Ready(Some(datagram)) => Poll::Ready(datagram),
            // Nobody is left who could send: what is under way goes on.
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }

    async fn create_dir(&self, dir: &str) -> io::Result<()> {
        let dir = dir.to_owned();
        self.on_disk(move |disk| disk.create_dir(&dir)).await
    }

    async fn create(&self, path: &str) -> io::Result<MachineFile> {
        let path = path.to_owned();
        self.on_disk(move |disk| disk.create(&path).map(MachineFile)).await
    }

    async fn open(&self, path: &str) -> io::Result<MachineFile> {
        let path = path.to_owned();
        self.on_disk(move |disk| disk.open(&path).map(MachineFile)).await
    }

    async fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        let dir = dir.to_owned();
        let mut names = self.on_disk(move |disk| disk.list(&dir)).await?;
        names.sort();
        Ok(names)
    }

    async fn remove(&self, path: &str) -> io::Result<()> {
        let path = path.to_owned();
        self.on_disk(move |disk| disk.remove(&path)).await
    }

    async fn sync_dir(&self, dir: &str) -> io::Result<()> {
        let dir = dir.to_owned();
        self.on_disk(move |disk| disk.sync_dir(&dir)).await
    }

    async fn put_if_absent(&self, key: &str, object: Bytes) -> Result<(), ObjectError> {
        self.inner.objects.put_if_absent(key, object).await
    }

    async fn get(&self, key: &str) -> Result<Bytes, ObjectError> {
        self.inner.objects.get(key).await
    }

    async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes, ObjectError> {
        self.inner.objects.get_range(key, range).await
    }

    async fn delete(&self, key: &str) -> Result<(), ObjectError> {
        self.inner.objects.delete(key).await
    }

    fn observe(&self, seen: Observed<'_>) {
        (self.inner.observer)(&seen);
    }
}

/// Runs a task to its end, or to its panic: then this is the panic's message.
///
/// # Errors
/// The task panicked.
pub(crate) async fn without_panic(task: impl Future<Output = ()>) -> Result<(), String> {
    let mut task = pin!(task);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(cx))) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            Poll::Ready(Err(text.unwrap_or("a panic without a message").to_owned()))
        }
    })
    .await
}
