//! The file as redb sees it: what the disk holds, under what redb wrote and the disk has not yet.
//!
//! redb calls its storage and cannot wait; a disk must be waited for. So redb writes into this
//! overlay, which keeps the order in which it asked for durability: writes between two barriers may
//! reach the disk in any order (and are joined and sorted by offset), barriers may not be passed.
//! [`super::Checkpoint::commit`] takes the steps from here and carries them out.
//!
//! redb does not verify its pages when it reads them. The overlay does: it knows the checksum of
//! each block that was ever written or, while opening, read, so a block that has changed on the
//! disk behind our back, or that never arrived there, is an error and not a value. While opening,
//! redb itself verifies every tree to its leaves. That leaves no block unchecked.

use super::pieces::Pieces;
use bytes::Bytes;
use std::collections::VecDeque;
use std::io;
use xxhash_rust::xxh3::xxh3_64;

/// redb's page: it writes and reads multiples of this, but for its header in the first one.
pub(super) const BLOCK_LEN: usize = 4096;

/// The longest write that is submitted as one, unless redb wrote a longer page.
const WRITE_LEN_MAX: usize = 64 << 10;

/// What the disk is to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Write these bytes at this offset.
    Write(u64, Bytes),
    /// Give the file this length.
    SetLen(u64),
    /// Make content and length durable.
    Sync,
}

#[derive(Clone, Copy, Debug)]
enum Barrier {
    SetLen(u64),
    Sync,
}

#[derive(Debug)]
struct Epoch {
    writes: Pieces,
    barrier: Barrier,
}

/// Reads the disk's bytes: offset and length to bytes, fewer where the file ends.
pub(super) type ReadNow<'a> = &'a dyn Fn(u64, usize) -> io::Result<Bytes>;

#[derive(Debug)]
pub(super) struct Overlay {
    len: u64,
    /// Writes that a barrier follows, oldest first; never changed, only carried out.
    sealed: VecDeque<Epoch>,
    /// Writes since the last barrier.
    open: Pieces,
    /// Whether anything was asked for since the last sync.
    dirty: bool,
    /// The checksum of each block, 0 where none is known.
    sums: Vec<u64>,
    /// Whether blocks without a checksum are taken as they are, because redb verifies them.
    opening: bool,
    closed: bool,
    reads: Vec<(u64, usize)>,
}

fn damaged(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Never 0, which says that no checksum is known.
fn sum_of(block: &[u8]) -> u64 {
    xxh3_64(block).max(1)
}

impl Overlay {
    /// Over a file of `len` bytes.
    pub(super) fn new(len: u64) -> Self {
        Self {
            len,
            sealed: VecDeque::new(),
            open: Pieces::default(),
            dirty: false,
            sums: Vec::new(),
            opening: true,
            closed: false,
            reads: Vec::new(),
        }
    }

    /// From now on, only blocks whose checksum is known are read.
    pub(super) fn opened(&mut self) {
        self.opening = false;
    }

    /// From now on, everything fails.
    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    fn check_open(&self) -> io::Result<()> {
        if self.closed { Err(io::Error::other("the item store is closed")) } else { Ok(()) }
    }

    pub(super) fn len(&self) -> io::Result<u64> {
        self.check_open().map(|()| self.len)
    }

    /// The reads that had to ask the disk since the last call: offset and length in bytes.
    pub(super) fn take_reads(&mut self) -> Vec<(u64, usize)> {
        std::mem::take(&mut self.reads)
    }

    /// Reads noted by somebody else, to be paid before those noted since.
    pub(super) fn owe(&mut self, mut earlier: Vec<(u64, usize)>) {
        earlier.append(&mut self.reads);
        self.reads = earlier;
    }

    pub(super) fn read(&mut self, at: u64, out: &mut [u8], file: ReadNow<'_>) -> io::Result<()> {
        self.check_open()?;
        if at + out.len() as u64 > self.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(bytes) = self.newest(at, out.len()) {
            out.copy_from_slice(&bytes);
        } else {
            self.reads.push((at, out.len()));
            let bytes = file(at, out.len())?;
            let (content, gap) = out.split_at_mut(bytes.len().min(out.len()));
            content.copy_from_slice(&bytes[..content.len()]);
            gap.fill(0);
            self.replay(at, out);
        }
        self.verify(at, out)
    }

    pub(super) fn write(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.check_open()?;
        self.dirty = true;
        self.len = self.len.max(at + bytes.len() as u64);
        self.open.write(at, Bytes::copy_from_slice(bytes));
        self.learn(at, bytes);
        Ok(())
    }

    pub(super) fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.check_open()?;
        self.dirty = true;
        self.len = len;
        self.sums.truncate(usize::try_from(len).expect("blocks fit into memory") / BLOCK_LEN);
        self.seal(Barrier::SetLen(len));
        Ok(())
    }

    /// A sync of what is synced already is left out.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.check_open()?;
        if std::mem::take(&mut self.dirty) {
            self.seal(Barrier::Sync);
        }
        Ok(())
    }

    fn seal(&mut self, barrier: Barrier) {
        self.sealed.push_back(Epoch { writes: std::mem::take(&mut self.open), barrier });
    }

    /// What the disk is to do next. Writes that no barrier follows wait for one.
    pub(super) fn next(&self) -> Option<Step> {
        let epoch = self.sealed.front()?;
        Some(match (epoch.writes.first_run(WRITE_LEN_MAX), epoch.barrier) {
            (Some((at, bytes)), _) => Step::Write(at, bytes),
            (None, Barrier::SetLen(len)) => Step::SetLen(len),
            (None, Barrier::Sync) => Step::Sync,
        })
    }

    /// The disk has carried out what [`Overlay::next`] gave: reads may ask it.
    pub(super) fn done(&mut self, step: &Step) {
        let epoch = self.sealed.front_mut().expect("the step came from here");
        match step {
            Step::Write(at, bytes) => epoch.writes.remove(*at, at + bytes.len() as u64),
            Step::SetLen(_) | Step::Sync => {
                assert!(epoch.writes.is_empty(), "a barrier was passed");
                self.sealed.pop_front();
            }
        }
    }

    /// The newest content, where one write holds all of it.
    fn newest(&self, at: u64, len: usize) -> Option<Bytes> {
        if self.open.touches(at, len) {
            return self.open.whole(at, len);
        }
        for epoch in self.sealed.iter().rev() {
            if matches!(epoch.barrier, Barrier::SetLen(cut) if cut < at + len as u64) {
                return None;
            }
            if epoch.writes.touches(at, len) {
                return epoch.writes.whole(at, len);
            }
        }
        None
    }

    /// Lays all that the disk has not done over its bytes, in order.
    fn replay(&self, at: u64, out: &mut [u8]) {
        for epoch in &self.sealed {
            epoch.writes.patch(at, out);
            if let Barrier::SetLen(len) = epoch.barrier {
                let keep = usize::try_from(len.saturating_sub(at)).unwrap_or(usize::MAX);
                let keep = keep.min(out.len());
                out[keep..].fill(0);
            }
        }
        self.open.patch(at, out);
    }

    /// A block that is written in part is not known any more, and the first never is.
    fn learn(&mut self, at: u64, bytes: &[u8]) {
        let start = usize::try_from(at).expect("blocks fit into memory");
        let end = start + bytes.len();
        self.sums.resize(self.sums.len().max(end.div_ceil(BLOCK_LEN)), 0);
        for number in (start / BLOCK_LEN).max(1)..end.div_ceil(BLOCK_LEN) {
            let block = (number * BLOCK_LEN).checked_sub(start);
            let whole = block.and_then(|from| bytes.get(from..from + BLOCK_LEN));
            self.sums[number] = whole.map_or(0, sum_of);
        }
    }

    fn verify(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        let Some(first) = block_of(at, bytes.len()) else {
            // redb's own header: its parts carry checksums, and it is read only while opening.
            let header = at + (bytes.len() as u64) <= BLOCK_LEN as u64 && self.opening;
            return if header { Ok(()) } else { Err(damaged(format!("a stray read at {at}"))) };
        };
        for (number, block) in (first..).zip(bytes.chunks(BLOCK_LEN)) {
            let known = self.sums.get(number).copied().unwrap_or(0);
            if known == 0 && self.opening {
                self.learn((number * BLOCK_LEN) as u64, block);
            } else if known != sum_of(block) {
                return Err(damaged(format!("block {number} of the file is not what was written")));
            }
        }
        Ok(())
    }
}

/// The first block of a range that consists of whole blocks behind the header.
fn block_of(at: u64, len: usize) -> Option<usize> {
    let at = usize::try_from(at).expect("blocks fit into memory");
    let whole = at.is_multiple_of(BLOCK_LEN) && len.is_multiple_of(BLOCK_LEN);
    (whole && at > 0).then_some(at / BLOCK_LEN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BLOCKS: u64 = 6;
    const LEN: u64 = BLOCKS * BLOCK_LEN as u64;

    #[derive(Clone, Debug)]
    enum Act {
        /// Blocks from here on, with this byte.
        Write(u64, usize, u8),
        SetLen(u64),
        Sync,
        /// The disk does one step.
        Step,
    }

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![
            4 => (0..BLOCKS, 1..4usize, 1..=255u8).prop_map(|(at, n, b)| Act::Write(at, n, b)),
            1 => (1..=BLOCKS).prop_map(|blocks| Act::SetLen(blocks * BLOCK_LEN as u64)),
            1 => Just(Act::Sync),
            3 => Just(Act::Step),
        ]
    }

    fn put(file: &mut Vec<u8>, at: u64, bytes: &[u8]) {
        let (start, end) = (at as usize, at as usize + bytes.len());
        file.resize(file.len().max(end), 0);
        file[start..end].copy_from_slice(bytes);
    }

    fn carry_out(overlay: &mut Overlay, disk: &mut Vec<u8>) -> bool {
        let Some(step) = overlay.next() else { return false };
        match &step {
            Step::Write(at, bytes) => put(disk, *at, bytes),
            Step::SetLen(len) => disk.resize(*len as usize, 0),
            Step::Sync => {}
        }
        overlay.done(&step);
        true
    }

    fn read(overlay: &mut Overlay, at: u64, len: usize, disk: &[u8]) -> Vec<u8> {
        let file = |at: u64, len: usize| {
            let start = (at as usize).min(disk.len());
            let end = (start + len).min(disk.len());
            Ok(Bytes::copy_from_slice(&disk[start..end]))
        };
        let mut out = vec![0xee; len];
        overlay.read(at, &mut out, &file).expect("nothing is damaged");
        out
    }

    proptest! {
        #[test]
        fn reads_see_what_was_written_however_far_the_disk_has_come(
            acts in proptest::collection::vec(act(), 1..24),
        ) {
            let (mut overlay, mut disk) = (Overlay::new(LEN), vec![7; LEN as usize]);
            let mut model = disk.clone();
            for act in acts {
                match act {
                    Act::Write(block, count, byte) => {
                        let (at, bytes) = (block * BLOCK_LEN as u64, vec![byte; count * BLOCK_LEN]);
                        overlay.write(at, &bytes).expect("open");
                        put(&mut model, at, &bytes);
                    }
                    Act::SetLen(len) => {
                        overlay.set_len(len).expect("open");
                        model.resize(len as usize, 0);
                    }
                    Act::Sync => overlay.sync().expect("open"),
                    Act::Step => drop(carry_out(&mut overlay, &mut disk)),
                }
                prop_assert_eq!(overlay.len().expect("open"), model.len() as u64);
                for at in (BLOCK_LEN..model.len()).step_by(BLOCK_LEN) {
                    let len = (2 * BLOCK_LEN).min(model.len() - at);
                    let seen = read(&mut overlay, at as u64, len, &disk);
                    prop_assert!(seen == model[at..at + len], "at {at}");
                }
            }
            overlay.write(0, b"end").expect("open");
            put(&mut model, 0, b"end");
            overlay.sync().expect("open");
            while carry_out(&mut overlay, &mut disk) {}
            prop_assert!(disk == model, "the disk ends with other bytes");
        }
    }

    #[test]
    fn a_sync_of_nothing_is_left_out() {
        let mut overlay = Overlay::new(0);
        overlay.sync().expect("open");
        assert_eq!(overlay.next(), None);
        overlay.write(0, b"a").expect("open");
        assert_eq!(overlay.next(), None, "no barrier follows the write yet");
        overlay.sync().expect("open");
        overlay.sync().expect("open");
        let mut disk = Vec::new();
        assert!(carry_out(&mut overlay, &mut disk) && carry_out(&mut overlay, &mut disk));
        assert_eq!(overlay.next(), None);
    }

    #[test]
    fn a_block_that_nobody_wrote_or_verified_is_not_read() {
        let mut overlay = Overlay::new(LEN);
        overlay.opened();
        let block = |_: u64, len: usize| Ok(Bytes::from(vec![0; len]));
        let mut out = vec![0; BLOCK_LEN];
        let error = overlay.read(BLOCK_LEN as u64, &mut out, &block).expect_err("unknown");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(overlay.read(8, &mut out[..8], &block).is_err(), "the header is read once");
        overlay.close();
        assert!(overlay.write(0, b"late").is_err());
    }
}
