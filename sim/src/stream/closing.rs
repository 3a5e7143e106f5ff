//! How streams end: closed, reset, given up, or forgotten with their machine.

use super::other;
use super::side::{Phase, Side};
use super::transport::Body;
use crate::core::Core;
use crate::host::HostId;

impl Core {
    /// A stream is over at this end, and its program hears why.
    pub(super) fn end_stream(&self, id: u64, code: i32) {
        self.with_side(id, |it| it.die(code));
        self.arm_timer(id);
        self.reap(id);
    }

    /// The program writes nothing more.
    pub(super) fn finish(&self, id: u64) {
        self.with_side(id, |it| it.finished = true);
        self.pump(id);
    }

    /// The program has let go of its end. The kernel sends what was written and then the end;
    /// but if something was left unread, the peer is told that it is lost.
    pub(super) fn close(&self, id: u64) {
        let state = self.with_side(id, |it| {
            it.orphan = true;
            (it.host, it.peer, it.phase, it.incoming.is_empty())
        });
        match state {
            Some((from, to, Phase::Open, false)) => {
                self.remove_side(id);
                self.transmit(from, to, id, Body::Reset);
            }
            Some((_, _, Phase::Open, true)) => {
                self.finish(id);
                self.reap(id);
            }
            Some(_) => self.remove_side(id),
            None => {}
        }
    }

    /// Forgets an end that nobody will ask for again: the other is over too, or gone.
    pub(super) fn reap(&self, id: u64) {
        let (is_over, other_is_over) = {
            let sockets = self.sockets.borrow();
            let other = sockets.sides.get(&other(id));
            let gone = other.is_none();
            let is_over = |it: &Side| it.is_over() || (gone && it.orphan && it.finish_acked);
            (sockets.sides.get(&id).is_some_and(is_over), other.is_none_or(Side::is_over))
        };
        if is_over && other_is_over {
            self.remove_side(id);
        }
    }

    fn remove_side(&self, id: u64) {
        let removed = self.sockets.borrow_mut().sides.remove(&id);
        if let Some(timer) = removed.and_then(|it| it.timer) {
            self.queue.borrow_mut().cancel(timer);
        }
        let other = other(id);
        if self.sockets.borrow().sides.get(&other).is_some_and(Side::is_over) {
            self.remove_side(other);
        }
    }

    /// Nobody listens any more: who was not accepted is sent away.
    pub(super) fn stop_listening(&self, host: HostId, port: u16) {
        let listening = self.sockets.borrow_mut().listening.remove(&(host, port));
        for id in listening.into_iter().flat_map(|it| it.backlog) {
            let pair = self.with_side(id, |it| (it.host, it.peer));
            self.remove_side(id);
            if let Some((from, to)) = pair {
                self.transmit(from, to, id, Body::Reset);
            }
        }
    }

    /// The process of a host is dead: its kernel closes what it had.
    pub(crate) fn close_sockets(&self, host: HostId) {
        let (ports, sides) = self.sockets_of(host);
        ports.into_iter().for_each(|it| self.stop_listening(host, it));
        sides.into_iter().for_each(|it| self.close(it));
    }

    /// The machine is off: whatever it knew of streams is gone, and nobody is told.
    pub(crate) fn forget_sockets(&self, host: HostId) {
        let (ports, sides) = self.sockets_of(host);
        let mut sockets = self.sockets.borrow_mut();
        ports.into_iter().for_each(|it| drop(sockets.listening.remove(&(host, it))));
        drop(sockets);
        sides.into_iter().for_each(|it| self.remove_side(it));
    }

    fn sockets_of(&self, host: HostId) -> (Vec<u16>, Vec<u64>) {
        let sockets = self.sockets.borrow();
        let ports = sockets.listening.range((host, 0)..=(host, u16::MAX)).map(|it| it.0.1);
        let sides = sockets.sides.iter().filter(|(_, it)| it.host == host).map(|(&id, _)| id);
        (ports.collect(), sides.collect())
    }
}
