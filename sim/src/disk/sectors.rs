//! What a power loss leaves of one file's content: torn, reordered, short.
//!
//! Of the changes since the last sync:
//!
//! - each 512-byte sector ends, independently, as any one of the versions it had, so
//!   writes are torn and reordered at sector size;
//! - truncations take effect in order, a drawn number of them, each wholly or not at
//!   all, as a journalling file system does it; without a truncation the file does not
//!   grow by what was written after it either;
//! - the file is as long as what survived makes it; gaps read as zeros.
//!
//! Which names lead to it is settled in `crash.rs`.

use std::collections::{BTreeMap, VecDeque};

use super::content::{Change, Content, SECTOR};
use super::inode::Inode;

/// A sector as it was after some change: the bytes of it that lay within the file.
#[derive(Clone)]
struct Version {
    bytes: Vec<u8>,
    /// The change that made it; `None` is the durable one.
    change: Option<usize>,
    /// Whether it cannot be read.
    bad: bool,
}

impl Version {
    fn of(content: &Content, sector: usize, change: Option<usize>) -> Self {
        let bad = content.bad().contains(&sector);
        Self { bytes: sector_of(content.bytes(), sector), change, bad }
    }
}

/// Between what a choice is made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Among {
    /// All versions that a sector had, as the dice choose.
    Versions,
    /// Those that can be told apart: of two versions alike only the newest, as where all choices
    /// are tried and a database writes pages whole of which it changed a few bytes.
    Contents,
}

/// Settles what a file holds after a power loss; gives the number of sectors that lost
/// something. `choose(n)` draws one of `0..n`, where 0 is the newest.
pub(super) fn lose_sectors(
    inode: &mut Inode,
    among: Among,
    choose: &mut dyn FnMut(u64) -> u64,
) -> u64 {
    let pending = std::mem::take(&mut inode.pending);
    if pending.is_empty() {
        inode.lose_cache();
        return 0;
    }
    let histories = histories(&inode.durable, &pending);
    let truncations = truncations(inode.durable.len(), &pending);
    let kept_truncations = match truncations.len() {
        0 => 0,
        all => all - choose(all as u64 + 1) as usize,
    };
    let (kept, undone) = truncations.split_at(kept_truncations);
    let (mut lost, mut bad) = (0, inode.durable.bad().clone());
    let mut chosen = BTreeMap::new();
    for (sector, history) in histories {
        let legal = legal_versions(&history, kept, undone.first().copied());
        let back: Vec<&Version> = match among {
            Among::Versions => legal.iter().rev().collect(),
            Among::Contents => distinct(legal),
        };
        let chosen_back = if back.len() > 1 { choose(back.len() as u64) as usize } else { 0 };
        let version = back[chosen_back];
        lost += u64::from(version.change != history.last().and_then(|it| it.change));
        chosen.insert(sector, version.bytes.clone());
        // Only what is on the medium goes bad, so no change ever makes a sector so.
        if !version.bad {
            bad.remove(&sector);
        }
    }
    let durable = assemble(inode.durable.bytes().to_vec(), &chosen);
    inode.durable = Content::new(durable, bad);
    inode.lose_cache();
    lost
}

/// All versions of each sector that a pending change touched, oldest first.
fn histories(durable: &Content, pending: &VecDeque<Change>) -> BTreeMap<usize, Vec<Version>> {
    let mut histories: BTreeMap<usize, Vec<Version>> = BTreeMap::new();
    let mut content = durable.clone();
    for (number, change) in pending.iter().enumerate() {
        let len_before = content.len();
        content.apply(change);
        for sector in touched(change, len_before) {
            let first = || vec![Version::of(durable, sector, None)];
            let version = Version::of(&content, sector, Some(number));
            histories.entry(sector).or_insert_with(first).push(version);
        }
    }
    histories
}

/// The sectors that a change touches in a file that was `len` bytes long.
///
/// Growth touches the last sector only: those before it are zeros whether it survives or
/// a later one does.
fn touched(change: &Change, len: usize) -> std::ops::Range<usize> {
    match change {
        Change::Write { data, .. } if data.is_empty() => 0..0,
        Change::Write { offset, data } => {
            let start = *offset as usize;
            start / SECTOR..(start + data.len()).div_ceil(SECTOR)
        }
        Change::SetLen(new) => {
            let new = *new as usize;
            // The last sector that is left may have been filled up by growth that is now gone.
            let last_left = new.div_ceil(SECTOR).saturating_sub(1);
            match new < len {
                true => last_left..len.div_ceil(SECTOR),
                false => last_left..new.div_ceil(SECTOR),
            }
        }
    }
}

/// The part of a sector that lies within the file.
fn sector_of(content: &[u8], sector: usize) -> Vec<u8> {
    let start = content.len().min(sector * SECTOR);
    let end = content.len().min(start + SECTOR);
    content[start..end].to_vec()
}

/// The changes that shortened the file, by number.
fn truncations(durable_len: usize, pending: &VecDeque<Change>) -> Vec<usize> {
    let mut len = durable_len;
    let mut truncations = Vec::new();
    for (number, change) in pending.iter().enumerate() {
        match change {
            Change::Write { data, .. } if data.is_empty() => {}
            Change::Write { offset, data } => len = len.max(*offset as usize + data.len()),
            Change::SetLen(new) => {
                if (*new as usize) < len {
                    truncations.push(number);
                }
                len = *new as usize;
            }
        }
    }
    truncations
}

/// The versions from the last truncation that took effect to the first that did not.
///
/// After the latter a sector may have been overwritten, but the file cannot have grown:
/// lengths are journalled in order.
fn legal_versions<'a>(
    history: &'a [Version],
    kept: &[usize],
    first_undone: Option<usize>,
) -> &'a [Version] {
    let cut_here = |it: &Version| it.change.is_some_and(|it| kept.contains(&it));
    let from = history.iter().rposition(cut_here).unwrap_or(0);
    let came_after = |it: &Version| it.change >= first_undone;
    let to = history.windows(2).position(|it| {
        first_undone.is_some() && came_after(&it[1]) && it[0].bytes.len() != it[1].bytes.len()
    });
    &history[from..to.map_or(history.len(), |it| it + 1)]
}

/// The newest of all versions that are alike, the newest first.
fn distinct(versions: &[Version]) -> Vec<&Version> {
    let mut found: Vec<&Version> = Vec::new();
    for version in versions.iter().rev() {
        if found.iter().all(|it| (&it.bytes, it.bad) != (&version.bytes, version.bad)) {
            found.push(version);
        }
    }
    found
}

/// The file made of the chosen sectors and the durable rest.
fn assemble(mut content: Vec<u8>, chosen: &BTreeMap<usize, Vec<u8>>) -> Vec<u8> {
    let untouched = (0..content.len().div_ceil(SECTOR)).rev().find(|it| !chosen.contains_key(it));
    let mut len = untouched.map_or(0, |it| content.len().min((it + 1) * SECTOR));
    for (sector, bytes) in chosen {
        let start = sector * SECTOR;
        if content.len() < start + SECTOR {
            content.resize(start + SECTOR, 0);
        }
        content[start..start + bytes.len()].copy_from_slice(bytes);
        content[start + bytes.len()..start + SECTOR].fill(0);
        if !bytes.is_empty() {
            len = len.max(start + bytes.len());
        }
    }
    content.truncate(len);
    content
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::super::outcomes::every_outcome;
    use super::*;

    fn inode(durable: &[u8], changes: &[Change]) -> Inode {
        let mut inode = Inode::resting(Content::new(durable.to_vec(), BTreeSet::new()));
        changes.iter().for_each(|it| inode.change(it.clone()));
        inode
    }

    /// Everything that a power loss can make of a file, by trying all choices.
    fn outcomes(durable: &[u8], changes: &[Change]) -> BTreeSet<Vec<u8>> {
        let among = |among| {
            every_outcome(|choose| {
                let mut inode = inode(durable, changes);
                lose_sectors(&mut inode, among, choose);
                inode.durable.bytes().to_vec()
            })
        };
        let outcomes = among(Among::Versions);
        assert_eq!(among(Among::Contents), outcomes, "versions alike can be left out");
        outcomes
    }

    fn write(offset: u64, byte: u8, len: usize) -> Change {
        Change::Write { offset, data: vec![byte; len].into() }
    }

    fn file(parts: &[(u8, usize)]) -> Vec<u8> {
        parts.iter().flat_map(|&(byte, len)| vec![byte; len]).collect()
    }

    #[test]
    fn a_rewritten_file_is_old_or_a_torn_new_one() {
        let changes = [Change::SetLen(0), write(0, b'b', 600), write(600, b'b', 600)];
        let seen = outcomes(&file(&[(b'a', 600)]), &changes);
        // Sector 1 was written twice: up to byte 600, then to its end.
        let firsts = [(0, 512), (b'b', 512)];
        let mut legal = BTreeSet::from([file(&[(b'a', 600)]), vec![], file(&[(b'b', 512)])]);
        for first in firsts {
            for second in [(b'b', 88), (b'b', 512)] {
                legal.insert(file(&[first, second]));
            }
            for second in [(0, 512), (b'b', 88), (b'b', 512)] {
                let second = if second.1 == 88 { vec![second, (0, 424)] } else { vec![second] };
                legal.insert(file(&[&[first][..], &second, &[(b'b', 176)]].concat()));
            }
        }
        assert_eq!(seen, legal);
    }

    #[test]
    fn a_truncated_sector_may_be_overwritten_without_the_truncation() {
        let seen = outcomes(&file(&[(b'a', 1500)]), &[Change::SetLen(1024), write(0, b'b', 512)]);
        let legal = [
            file(&[(b'a', 1500)]),
            file(&[(b'b', 512), (b'a', 988)]),
            file(&[(b'a', 1024)]),
            file(&[(b'b', 512), (b'a', 512)]),
        ];
        assert_eq!(seen, legal.into());
    }

    #[test]
    fn a_lengthened_file_is_short_or_long() {
        let seen = outcomes(b"abc", &[Change::SetLen(2000)]);
        assert_eq!(
            seen,
            [b"abc".to_vec(), file(&[(b'a', 1), (b'b', 1), (b'c', 1), (0, 1997)])].into()
        );
    }

    #[test]
    fn a_file_that_grew_and_was_cut_is_as_long_as_it_was_cut() {
        // Found by the law below: the growth filled up the last durable sector with zeros.
        let mut inode = inode(&[1; 1000], &[write(2048, 1, 1), Change::SetLen(1024)]);
        assert_eq!(lose_sectors(&mut inode, Among::Versions, &mut |_| 0), 0);
        assert_eq!(inode.durable.len(), 1024);
    }

    fn change() -> impl Strategy<Value = Change> {
        let write = (0..3000u64, 1..=255u8, 0..1500usize)
            .prop_map(|(offset, byte, len)| write(offset, byte, len));
        prop_oneof![4 => write, 1 => (0..3000u64).prop_map(Change::SetLen)]
    }

    proptest! {
        #[test]
        fn zeros_lose_nothing(changes in prop::collection::vec(change(), 0..8)) {
            let mut inode = inode(&[1; 1000], &changes);
            let cached = inode.cached.clone();
            prop_assert_eq!(lose_sectors(&mut inode, Among::Versions, &mut |_| 0), 0);
            prop_assert_eq!(&inode.durable, &cached);
            prop_assert_eq!(&inode.cached, &cached);
        }

        #[test]
        fn each_byte_is_one_that_was_there(
            changes in prop::collection::vec(change(), 0..8),
            choices in prop::collection::vec(any::<u64>(), 40),
        ) {
            let mut states = vec![vec![1; 1000]];
            for change in &changes {
                let mut next = states[states.len() - 1].clone();
                change.apply(&mut next);
                states.push(next);
            }
            let mut choices = choices.into_iter().cycle();
            let mut inode = inode(&states[0], &changes);
            let mut choose = |n| choices.next().expect("it cycles") % n;
            lose_sectors(&mut inode, Among::Versions, &mut choose);
            let longest = states.iter().map(Vec::len).max().expect("there is the first");
            prop_assert!(inode.durable.len() <= longest);
            for (at, byte) in inode.durable.bytes().iter().enumerate() {
                let was_there = states.iter().any(|it| it.get(at) == Some(byte));
                prop_assert!(*byte == 0 || was_there, "byte {} is {}", at, byte);
            }
        }
    }

    #[test]
    fn what_a_sync_forgot_is_gone_and_what_came_after_is_not() {
        let mut inode = inode(b"old", &[write(0, b'x', 3)]);
        inode.forget(1);
        inode.change(write(3, b'y', 2));
        assert_eq!(inode.cached.bytes(), b"xxxyy");
        inode.harden(2);
        assert_eq!(
            lose_sectors(&mut inode, Among::Versions, &mut |_| unreachable!("all is settled")),
            0
        );
        assert_eq!((inode.durable.bytes(), inode.cached.bytes()), (&b"oldyy"[..], &b"oldyy"[..]));
    }

    #[test]
    fn a_clean_file_is_left_alone() {
        let mut inode = inode(b"clean", &[]);
        let lost = lose_sectors(&mut inode, Among::Versions, &mut |_| {
            unreachable!("there is nothing to choose")
        });
        assert_eq!((lost, inode.durable.bytes()), (0, &b"clean"[..]));
    }
}
