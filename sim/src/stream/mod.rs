//! Ordered streams of bytes between hosts, with the errors that Linux gives.
//!
//! What a program holds is in `api.rs`; `side.rs` is the state of one end, `transport.rs` what
//! the two kernels say to each other, `closing.rs` how it ends, `faults.rs` what a tester can
//! do. Segments travel as datagrams do (`net/`), but whatever happens to them shows as delay,
//! never as a gap: they arrive in the order of their sending, those lost or corrupted are sent
//! again after a timeout that doubles, and duplicates have no effect.
//!
//! The ends belong to the kernels of their machines. When a process dies, its kernel closes
//! them: what was written still goes out, with the end of the stream behind it, but if bytes
//! were left unread the peer is told at once that they are lost. When a machine loses power
//! nobody tells the peer anything.

mod api;
mod closing;
mod faults;
mod side;
mod transport;

use std::collections::{BTreeMap, VecDeque};
use std::io;

pub use api::{Listener, ReadHalf, Stream, WriteHalf};
pub use faults::StreamSettings;
pub(crate) use transport::Segment;

use self::side::Side;
use crate::core::Core;
use crate::host::HostId;
use crate::wake::WakerSet;

/// `ECONNREFUSED` of Linux: the host is there, and nobody listens.
const REFUSED: i32 = 111;
/// `ECONNRESET`: the other end does not know the stream any more, or does not want it.
const RESET: i32 = 104;
/// `ETIMEDOUT`: nothing was heard from the other end for too long.
const TIMED_OUT: i32 = 110;
/// `EPIPE`: written to a stream that takes nothing more.
const BROKEN_PIPE: i32 = 32;
/// `EADDRINUSE`: somebody listens there already.
const ADDRESS_IN_USE: i32 = 98;

fn error(code: i32) -> io::Error {
    io::Error::from_raw_os_error(code)
}

/// Somebody who waits for connections.
#[derive(Default)]
struct Listening {
    /// Sides that were not accepted yet.
    backlog: VecDeque<u64>,
    acceptors: WakerSet,
}

/// All ends of all streams, by number: the two of one stream differ in the last bit.
#[derive(Default)]
pub(crate) struct Sockets {
    settings: StreamSettings,
    listening: BTreeMap<(HostId, u16), Listening>,
    sides: BTreeMap<u64, Side>,
    streams_count: u64,
}

/// The number of the other end.
fn other(side: u64) -> u64 {
    side ^ 1
}

impl Core {
    /// Whether this host has an end of a stream.
    pub(crate) fn has_streams(&self, host: HostId) -> bool {
        self.sockets.borrow().sides.values().any(|it| it.host == host)
    }
}
