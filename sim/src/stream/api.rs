//! Streams as programs hold them: listen, accept, connect, read, write.

use std::cmp;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::side::{Phase, Side};
use super::{ADDRESS_IN_USE, BROKEN_PIPE, Listening, error};
use crate::core::Core;
use crate::host::{Host, HostId};
use crate::waits::waits_for;

/// Waits for connections to a port of a host. Dropping it sends those away that were not
/// accepted.
pub struct Listener {
    host: Host,
    port: u16,
}

impl Listener {
    /// The next connection.
    pub fn accept(&self) -> impl Future<Output = Stream> + '_ {
        poll_fn(|context| self.poll_accept(context))
    }

    /// As [`Listener::accept`], for hand-written futures.
    pub fn poll_accept(&self, context: &mut Context<'_>) -> Poll<Stream> {
        if !self.host.is_current() {
            return Poll::Pending;
        }
        let mut sockets = self.host.core.sockets.borrow_mut();
        let Listening { backlog, acceptors } = sockets
            .listening
            .get_mut(&(self.host.id(), self.port))
            .expect("a listener of a running process listens");
        if let Some(id) = backlog.pop_front() {
            let peer = sockets.sides[&id].peer;
            return Poll::Ready(Stream::new(self.host.clone(), id, peer));
        }
        acceptors.wait(context.waker());
        waits_for(|| format!("a connection to port {}", self.port));
        Poll::Pending
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if self.host.is_current() && !self.host.core.closed.get() {
            self.host.core.stop_listening(self.host.id(), self.port);
        }
    }
}

/// One end of a stream, closed when it is dropped.
struct End {
    host: Host,
    id: u64,
    peer: HostId,
}

impl Drop for End {
    fn drop(&mut self) {
        if self.host.is_current() && !self.host.core.closed.get() {
            self.host.core.close(self.id);
        }
    }
}

/// An ordered stream of bytes to a program on another host, in both directions.
///
/// What was written arrives in order and without gaps, or not at all: then a read or write says
/// why, with the error number that Linux gives. An error is told once; afterwards reads find the
/// end and writes a broken pipe. Dropping the stream closes it.
pub struct Stream(Rc<End>);

/// The end of a stream that is read; see [`Stream::into_split`].
pub struct ReadHalf(Rc<End>);

/// The end of a stream that is written; dropping it lets the peer find the end. See
/// [`Stream::into_split`].
pub struct WriteHalf(Rc<End>);

impl Stream {
    fn new(host: Host, id: u64, peer: HostId) -> Self {
        Self(Rc::new(End { host, id, peer }))
    }

    /// The host at the other end.
    pub fn peer(&self) -> HostId {
        self.0.peer
    }

    /// Two halves that different tasks can hold. The stream is closed when both are dropped.
    pub fn into_split(self) -> (ReadHalf, WriteHalf) {
        (ReadHalf(self.0.clone()), WriteHalf(self.0))
    }
}

impl Drop for WriteHalf {
    fn drop(&mut self) {
        if self.0.host.is_current() && !self.0.host.core.closed.get() {
            self.0.host.core.finish(self.0.id);
        }
    }
}

impl End {
    /// The state of this end, while the process runs.
    fn with<T>(&self, act: impl FnOnce(&mut Side) -> Poll<T>) -> Poll<T> {
        if !self.host.is_current() {
            return Poll::Pending;
        }
        let mut sockets = self.host.core.sockets.borrow_mut();
        act(sockets.sides.get_mut(&self.id).expect("an end that is held is kept"))
    }

    fn poll_connected(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|side| match (side.error.take(), side.phase) {
            (Some(code), _) => Poll::Ready(Err(error(code))),
            (None, Phase::Connecting { .. }) => {
                waits_for(|| format!("a connection to {}", self.peer));
                side.writer = Some(context.waker().clone());
                Poll::Pending
            }
            (None, _) => Poll::Ready(Ok(())),
        })
    }

    /// How many bytes a read gets: 0 at the end of the stream.
    fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.with(|side| {
            if !side.incoming.is_empty() {
                return Poll::Ready(Ok(side.incoming.len()));
            }
            if let Some(code) = side.error.take() {
                return Poll::Ready(Err(error(code)));
            }
            if side.ended || side.phase == Phase::Dead {
                return Poll::Ready(Ok(0));
            }
            waits_for(|| format!("bytes from {}", self.peer));
            side.reader = Some(context.waker().clone());
            Poll::Pending
        })
    }

    fn poll_read(
        &self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let there = ready!(self.poll_readable(context))?;
        let wanted = there.min(buffer.remaining());
        let count = self.host.core.shorten_read(self.host.id(), wanted);
        let copied = self.with(|side| {
            let (front, back) = side.incoming.as_slices();
            let from_front = cmp::min(front.len(), count);
            buffer.put_slice(&front[..from_front]);
            buffer.put_slice(&back[..count - from_front]);
            side.incoming.drain(..count);
            Poll::Ready(Ok(()))
        });
        self.host.core.tell_of_room(self.id);
        copied
    }

    fn poll_write(&self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let room_max = self.host.core.sockets.borrow().settings.window_bytes as usize;
        let written = ready!(self.with(|side| {
            if let Some(code) = side.error.take() {
                return Poll::Ready(Err(error(code)));
            }
            if side.phase == Phase::Dead || side.finished {
                return Poll::Ready(Err(error(BROKEN_PIPE)));
            }
            let room = room_max.saturating_sub(side.outgoing.len());
            if room == 0 && !bytes.is_empty() {
                waits_for(|| format!("{} to read", self.peer));
                side.writer = Some(context.waker().clone());
                return Poll::Pending;
            }
            let count = room.min(bytes.len());
            side.outgoing.extend(&bytes[..count]);
            Poll::Ready(Ok(count))
        }));
        if written.is_ok() {
            self.host.core.pump(self.id);
        }
        Poll::Ready(written)
    }

    fn poll_shutdown(&self) -> Poll<io::Result<()>> {
        ready!(self.with(|side| match side.error.take() {
            Some(code) => Poll::Ready(Err(error(code))),
            None => Poll::Ready(Ok(())),
        }))?;
        self.host.core.finish(self.id);
        Poll::Ready(Ok(()))
    }
}

impl Core {
    /// How many of so many bytes a read gets, as drawn: all for raw 0.
    fn shorten_read(&self, host: HostId, bytes: usize) -> usize {
        let per_million = self.sockets.borrow().settings.short_reads_per_million;
        if per_million == 0 || bytes < 2 {
            return bytes;
        }
        let mut hosts = self.hosts.borrow_mut();
        let mut dice = self.dice.borrow_mut();
        let state = &mut hosts[host.index()];
        let is_short = state.stream("stream.short_read", &mut dice);
        if !dice.chance(is_short, per_million, 1_000_000) {
            return bytes;
        }
        let by = state.stream("stream.short_read_by", &mut dice);
        self.count_fault("stream.short_read", 1);
        bytes - 1 - dice.range(by, &(0..bytes as u64 - 1)) as usize
    }
}

/// Reading and writing for those ends that do it.
macro_rules! reads {
    ($end:ty) => {
        impl AsyncRead for $end {
            fn poll_read(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                buffer: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                self.0.poll_read(context, buffer)
            }
        }

        impl $end {
            /// Reads what is there, at least one byte; 0 bytes are the end of the stream.
            ///
            /// # Errors
            /// `ECONNRESET`, `ETIMEDOUT` or `EPIPE`, once, after all that came was read.
            pub async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let mut buffer = ReadBuf::new(buffer);
                poll_fn(|context| self.0.poll_read(context, &mut buffer)).await?;
                Ok(buffer.filled().len())
            }

            /// Fills the whole buffer.
            ///
            /// # Errors
            /// As for a read, and `UnexpectedEof` if the stream ends before.
            pub async fn read_exact(&mut self, buffer: &mut [u8]) -> io::Result<()> {
                let mut buffer = ReadBuf::new(buffer);
                while buffer.remaining() > 0 {
                    let before = buffer.filled().len();
                    poll_fn(|context| self.0.poll_read(context, &mut buffer)).await?;
                    if buffer.filled().len() == before {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Ok(())
            }
        }
    };
}

macro_rules! writes {
    ($end:ty) => {
        impl AsyncWrite for $end {
            fn poll_write(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                self.0.poll_write(context, bytes)
            }

            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                // The kernel sends as soon as it may; nobody waits for the peer here.
                Poll::Ready(Ok(()))
            }

            fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.0.poll_shutdown()
            }
        }

        impl $end {
            /// Writes as much as there is room for, and waits for some. It is the kernel's then:
            /// nothing says whether the peer got it.
            ///
            /// # Errors
            /// `ECONNRESET` or `ETIMEDOUT`, once; afterwards, or if this end was shut, `EPIPE`.
            pub async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                poll_fn(|context| self.0.poll_write(context, bytes)).await
            }

            /// Writes everything.
            ///
            /// # Errors
            /// As for a write; part of it may be written then.
            pub async fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
                while !bytes.is_empty() {
                    let count = self.write(bytes).await?;
                    bytes = &bytes[count..];
                }
                Ok(())
            }

            /// Writes nothing more: the peer finds the end after all that was written. Reading
            /// goes on.
            ///
            /// # Errors
            /// The one that the stream ended with, if it was not told yet.
            pub async fn shutdown(&mut self) -> io::Result<()> {
                poll_fn(|_| self.0.poll_shutdown()).await
            }
        }
    };
}

reads!(Stream);
reads!(ReadHalf);
writes!(Stream);
writes!(WriteHalf);

impl Host {
    /// Waits for connections to a port of this host, until the listener is dropped.
    ///
    /// # Errors
    /// `EADDRINUSE` if this process listens there already.
    pub fn listen(&self, port: u16) -> io::Result<Listener> {
        if self.is_current() {
            let mut sockets = self.core.sockets.borrow_mut();
            if sockets.listening.contains_key(&(self.id(), port)) {
                return Err(error(ADDRESS_IN_USE));
            }
            let listening = Listening::default();
            sockets.listening.insert((self.id(), port), listening);
        }
        Ok(Listener { host: self.clone(), port })
    }

    /// Connects to a port of a host.
    ///
    /// # Errors
    /// `ECONNREFUSED` if the machine runs and nobody listens there, `ETIMEDOUT` if nothing is
    /// heard from it, `ECONNRESET` if the stream was cut meanwhile.
    pub async fn connect(&self, to: HostId, port: u16) -> io::Result<Stream> {
        if !self.is_current() {
            // A process that is dead gets no answer.
            std::future::pending::<()>().await;
        }
        let id = self.core.begin_stream(self.id(), to, port);
        let stream = Stream::new(self.clone(), id, to);
        poll_fn(|context| stream.0.poll_connected(context)).await?;
        Ok(stream)
    }
}
