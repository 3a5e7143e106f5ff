//! What a power loss leaves of a disk: the durable image, and any legal subset of the
//! changes since, to contents (`sectors.rs`) and to names.
//!
//! A change to names (create, remove, rename, make a directory) survives or not
//! independently of all others, and of all contents, but for what every journalling file
//! system keeps together or in order:
//!
//! - *A rename is one change*: the file is under the old name or under the new one, never
//!   under both or neither, also from one directory to another. Over another file it
//!   leaves the old content or the new one, never none.
//! - *Changes to one name are ordered*: a later one survives only if the earlier ones do.
//!   So is a rename after the creation of the directory it leads to: without that the
//!   file would be under no name.
//! - *Nothing leads into a directory that did not survive*: files made in it are gone,
//!   even where the directory itself was synced and its parent was not.
//!
//! All else is open. A removed file may be back. A new name may lead to an empty file or to
//! any legal part of its content: no content is flushed before a name, as ext4 does with
//! `auto_da_alloc` for a rename over a file. Of two unrelated names the later change may survive
//! alone: journals order them, but POSIX does not, and programs that lean on it break
//! elsewhere (Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014).
//!
//! Every choice is drawn so that 0 means "nothing was lost".

use super::image::DiskImage;
use super::names::NameChange;
use super::sectors::{Among, lose_sectors};

/// What did not survive.
#[derive(Default)]
pub(super) struct Losses {
    /// Sectors that are older than they were in the page cache.
    pub(super) sectors: u64,
    /// Changes to names.
    pub(super) names: u64,
}

/// One of `0..n`, where 0 is the newest.
pub(super) type Choose<'a> = &'a mut dyn FnMut(u64) -> u64;

impl DiskImage {
    /// Drops the page cache. `choose(n)` draws one of `0..n`, where 0 is the newest.
    pub(super) fn lose_power(&mut self, choose: Choose) -> Losses {
        // Of a hundred changes drawn one by one hardly ever all survive, or none: those two
        // outcomes get a quarter each.
        let how = if self.names.has_pending() { choose(4) } else { 0 };
        match how {
            0 => self.settle(&mut |_| 0, choose),
            3 => self.settle(&mut |n| n - 1, choose),
            _ => self.settle_one_by_one(Among::Versions, choose),
        }
    }

    /// The same where each change is chosen for itself: all outcomes, with fewer choices.
    pub(super) fn settle_one_by_one(&mut self, among: Among, choose: Choose) -> Losses {
        let names = self.lose_names(choose);
        self.lose_contents(names, among, choose)
    }

    fn settle(&mut self, of_names: Choose, choose: Choose) -> Losses {
        let names = self.lose_names(of_names);
        self.lose_contents(names, Among::Versions, choose)
    }

    fn lose_contents(&mut self, names: u64, among: Among, choose: Choose) -> Losses {
        self.free_inodes();
        let sectors = self.inodes.values_mut().map(|it| lose_sectors(it, among, choose)).sum();
        Losses { sectors, names }
    }

    fn lose_names(&mut self, choose: Choose) -> u64 {
        let pending = self.names.take_pending();
        let (survivors, lost) = part(pending, choose);
        self.names.lose_cache(&survivors);
        lost
    }
}

fn part(pending: Vec<NameChange>, choose: Choose) -> (Vec<NameChange>, u64) {
    let (mut survivors, mut lost) = (Vec::new(), Vec::new());
    for change in pending {
        let doomed = lost.iter().any(|it| change.needs(it));
        let keep = !doomed && choose(2) == 0;
        if keep { survivors.push(change) } else { lost.push(change) }
    }
    (survivors, lost.len() as u64)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::super::outcomes::every_outcome;
    use super::*;

    /// Each name with the number of its inode, after every possible power loss.
    fn outcomes(prepare: impl Fn(&mut DiskImage)) -> BTreeSet<BTreeMap<String, u64>> {
        every_outcome(|choose| {
            let mut image = DiskImage::default();
            prepare(&mut image);
            image.lose_power(choose);
            let mut found = BTreeMap::new();
            for dir in ["", "d"] {
                for name in image.names.list(dir).unwrap_or_default() {
                    let path = if dir.is_empty() { name } else { format!("{dir}/{name}") };
                    if let Ok(inode) = image.names.cached().find(&path) {
                        found.insert(path, inode.0);
                    }
                }
            }
            found
        })
    }

    fn legal<const N: usize>(images: [&[(&str, u64)]; N]) -> BTreeSet<BTreeMap<String, u64>> {
        let named = |&(name, inode): &(&str, u64)| (name.to_string(), inode);
        images.into_iter().map(|it| it.iter().map(named).collect()).collect()
    }

    fn create(image: &mut DiskImage, path: &str) {
        image.create(path).expect("the name is free");
    }

    fn sync(image: &mut DiskImage, dir: &str) {
        image.sync_dir(dir, image.names.mark()).expect("it is there");
    }

    #[test]
    fn unrelated_names_survive_in_any_combination() {
        let seen = outcomes(|image| {
            create(image, "old");
            sync(image, "");
            create(image, "a");
            create(image, "b");
            image.remove("old").expect("it is there");
        });
        let (a, b, old) = (("a", 1), ("b", 2), ("old", 0));
        let without_old: [&[_]; 4] = [&[], &[a], &[b], &[a, b]];
        let with_old: [&[_]; 4] = [&[old], &[a, old], &[b, old], &[a, b, old]];
        assert_eq!(seen, &legal(without_old) | &legal(with_old));
    }

    #[test]
    fn a_rename_over_a_file_leaves_one_of_the_two() {
        let seen = outcomes(|image| {
            create(image, "current");
            create(image, "new");
            sync(image, "");
            image.rename("new", "current").expect("it is there");
        });
        assert_eq!(seen, legal([&[("current", 0), ("new", 1)], &[("current", 1)]]));
    }

    #[test]
    fn changes_to_one_name_survive_in_order() {
        let seen = outcomes(|image| {
            create(image, "a");
            image.rename("a", "b").expect("it is there");
            image.rename("b", "c").expect("it is there");
            image.remove("c").expect("it is there");
            create(image, "a");
        });
        // The second `a` needs that the first one has moved on.
        let firsts: [&[_]; 4] = [&[], &[("a", 0)], &[("b", 0)], &[("c", 0)]];
        let with_second: [&[_]; 3] = [&[("a", 1)], &[("a", 1), ("b", 0)], &[("a", 1), ("c", 0)]];
        assert_eq!(seen, &legal(firsts) | &legal(with_second));
    }

    #[test]
    fn a_file_moved_to_a_new_directory_is_under_one_name() {
        let seen = outcomes(|image| {
            create(image, "a");
            sync(image, "");
            image.create_dir("d").expect("it is new");
            image.rename("a", "d/a").expect("it is there");
        });
        assert_eq!(seen, legal([&[("a", 0)], &[("d/a", 0)]]));
        // Not even a sync of the new directory alone makes it vanish.
        let seen = outcomes(|image| {
            create(image, "a");
            sync(image, "");
            image.create_dir("d").expect("it is new");
            image.rename("a", "d/a").expect("it is there");
            sync(image, "d");
        });
        assert_eq!(seen, legal([&[("d/a", 0)]]));
    }

    #[test]
    fn what_a_failed_sync_forgot_is_in_no_image() {
        let seen = outcomes(|image| {
            create(image, "a");
            image.forget_dir("", image.names.mark()).expect("the root is there");
            create(image, "b");
            sync(image, "");
            assert_eq!(image.names.list("").expect("the root is there"), ["a", "b"]);
        });
        assert_eq!(seen, legal([&[("b", 1)]]));
    }
}
