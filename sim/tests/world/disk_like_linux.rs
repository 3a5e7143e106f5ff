//! The simulated disk against a real one: the same operations on a temporary directory
//! give the same results and the same error numbers. Left out is what the simulated disk
//! does not have: renamed directories and directories in directories.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;

use bytes::Bytes;
use proptest::prelude::*;
use stillpoint_sim::{Disk, File};

use crate::{LIMIT_NS, world_with_node};

/// Refuses what is no directory (`O_DIRECTORY`, asm-generic/fcntl.h).
const O_DIRECTORY: i32 = 0o200_000;

/// Files, directories, files in both and in neither; any may be made, gone or the other kind.
const PATHS: [&str; 7] = ["a", "b", "d", "d/x", "d/y", "a/x", "gone/x"];
/// Where directories are made and listed.
const DIRS: [&str; 4] = ["", "a", "b", "d"];

/// One operation. Handles count all files that were ever opened.
#[derive(Clone, Debug)]
enum Step {
    Create(&'static str),
    Open(&'static str),
    CreateDir(&'static str),
    List(&'static str),
    Remove(&'static str),
    Rename(&'static str, &'static str),
    SyncDir(&'static str),
    WriteAt(usize, u64, Bytes),
    WriteSomeAt(usize, u64, Bytes),
    Append(usize, Bytes),
    ReadAt(usize, u64, usize),
    SetLen(usize, u64),
    Len(usize),
    Sync(usize),
}

/// What an operation gave.
#[derive(Debug, PartialEq)]
enum Outcome {
    Done,
    Number(u64),
    Content(Bytes),
    Names(Vec<String>),
    Failed(Option<i32>),
}

impl From<io::Result<Self>> for Outcome {
    fn from(result: io::Result<Self>) -> Self {
        result.unwrap_or_else(|error| Self::Failed(error.raw_os_error()))
    }
}

fn step() -> impl Strategy<Value = Step> {
    let path = || prop::sample::select(&PATHS[..]);
    let dir = || prop::sample::select(&DIRS[..]);
    let file = || any::<prop::sample::Index>().prop_map(|it| it.index(64));
    let data = || prop::collection::vec(any::<u8>(), 0..700).prop_map(Bytes::from);
    prop_oneof![
        4 => path().prop_map(Step::Create),
        2 => path().prop_map(Step::Open),
        1 => prop::sample::select(&DIRS[1..]).prop_map(Step::CreateDir),
        1 => dir().prop_map(Step::List),
        2 => path().prop_map(Step::Remove),
        3 => (path(), path()).prop_map(|(from, to)| Step::Rename(from, to)),
        1 => dir().prop_map(Step::SyncDir),
        3 => (file(), 0..2_000u64, data()).prop_map(|(it, at, data)| Step::WriteAt(it, at, data)),
        1 => (file(), 0..2_000u64, data())
            .prop_map(|(it, at, data)| Step::WriteSomeAt(it, at, data)),
        3 => (file(), data()).prop_map(|(it, data)| Step::Append(it, data)),
        3 => (file(), 0..2_500u64, 0..2_500usize)
            .prop_map(|(it, at, len)| Step::ReadAt(it, at, len)),
        1 => (file(), 0..3_000u64).prop_map(|(it, len)| Step::SetLen(it, len)),
        1 => file().prop_map(Step::Len),
        1 => file().prop_map(Step::Sync),
    ]
}

/// The real disk.
struct Linux {
    root: PathBuf,
    files: Vec<std::fs::File>,
}

impl Linux {
    fn opened(&mut self, file: std::fs::File) -> Outcome {
        self.files.push(file);
        Outcome::Done
    }

    fn path(&self, path: &str) -> PathBuf {
        if path.is_empty() { self.root.clone() } else { self.root.join(path) }
    }

    fn names(&self, dir: &str) -> io::Result<Outcome> {
        let name = |it: io::Result<std::fs::DirEntry>| {
            Ok(it?.file_name().into_string().expect("the names are ours"))
        };
        let mut names: Vec<String> =
            std::fs::read_dir(self.path(dir))?.map(name).collect::<io::Result<_>>()?;
        names.sort();
        Ok(Outcome::Names(names))
    }

    fn read(&self, file: usize, offset: u64, len: usize) -> io::Result<Outcome> {
        let mut content = vec![0; len];
        let read = self.files[file].read_at(&mut content, offset)?;
        content.truncate(read);
        Ok(Outcome::Content(content.into()))
    }

    fn append(&self, file: usize, data: &[u8]) -> io::Result<Outcome> {
        let offset = self.files[file].metadata()?.len();
        self.files[file].write_all_at(data, offset)?;
        Ok(Outcome::Number(offset))
    }

    fn run(&mut self, step: &Step) -> io::Result<Outcome> {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        let done = |()| Outcome::Done;
        match step {
            Step::Create(path) => {
                let file = options.create_new(true).open(self.path(path))?;
                Ok(self.opened(file))
            }
            Step::Open(path) => {
                let file = options.open(self.path(path))?;
                Ok(self.opened(file))
            }
            Step::CreateDir(dir) => std::fs::create_dir(self.path(dir)).map(done),
            Step::List(dir) => self.names(dir),
            Step::Remove(path) => std::fs::remove_file(self.path(path)).map(done),
            Step::Rename(from, to) => std::fs::rename(self.path(from), self.path(to)).map(done),
            Step::SyncDir(dir) => {
                let mut options = OpenOptions::new();
                let options = options.read(true).custom_flags(O_DIRECTORY);
                options.open(self.path(dir))?.sync_all().map(done)
            }
            Step::WriteAt(file, at, data) => self.files[*file].write_all_at(data, *at).map(done),
            Step::WriteSomeAt(file, at, data) => {
                Ok(Outcome::Number(self.files[*file].write_at(data, *at)? as u64))
            }
            Step::Append(file, data) => self.append(*file, data),
            Step::ReadAt(file, offset, len) => self.read(*file, *offset, *len),
            Step::SetLen(file, len) => self.files[*file].set_len(*len).map(done),
            Step::Len(file) => Ok(Outcome::Number(self.files[*file].metadata()?.len())),
            Step::Sync(file) => self.files[*file].sync_all().map(done),
        }
    }
}

/// The simulated disk.
struct Simulated {
    disk: Disk,
    files: Vec<File>,
}

impl Simulated {
    fn opened(&mut self, file: File) -> Outcome {
        self.files.push(file);
        Outcome::Done
    }

    async fn run(&mut self, step: &Step) -> io::Result<Outcome> {
        let done = |()| Outcome::Done;
        match step {
            Step::Create(path) => self.disk.create(path).await.map(|it| self.opened(it)),
            Step::Open(path) => self.disk.open(path).await.map(|it| self.opened(it)),
            Step::CreateDir(dir) => self.disk.create_dir(dir).await.map(done),
            Step::List(dir) => self.disk.list(dir).await.map(Outcome::Names),
            Step::Remove(path) => self.disk.remove(path).await.map(done),
            Step::Rename(from, to) => self.disk.rename(from, to).await.map(done),
            Step::SyncDir(dir) => self.disk.sync_dir(dir).await.map(done),
            Step::WriteAt(file, at, data) => {
                self.files[*file].write_at(*at, data.clone()).await.map(done)
            }
            Step::WriteSomeAt(file, at, data) => {
                let written = self.files[*file].write_some_at(*at, data.clone()).await?;
                Ok(Outcome::Number(written as u64))
            }
            Step::Append(file, data) => {
                self.files[*file].append(data.clone()).await.map(Outcome::Number)
            }
            Step::ReadAt(file, offset, len) => {
                self.files[*file].read_at(*offset, *len).await.map(Outcome::Content)
            }
            Step::SetLen(file, len) => self.files[*file].set_len(*len).await.map(done),
            Step::Len(file) => self.files[*file].len().await.map(Outcome::Number),
            Step::Sync(file) => self.files[*file].sync().await.map(done),
        }
    }
}

/// The step on a file that is there, if it is about one; `None` if there is none, or if it
/// asks for what the simulated disk does not have.
fn possible(step: Step, files: usize, linux: &Linux) -> Option<Step> {
    let pick = |file: usize| (files > 0).then(|| file % files);
    Some(match step {
        Step::Rename(from, to) => {
            let is_dir = linux.path(from).is_dir() && !linux.path(to).is_file();
            return (!is_dir).then_some(Step::Rename(from, to));
        }
        Step::WriteAt(file, at, data) => Step::WriteAt(pick(file)?, at, data),
        Step::WriteSomeAt(file, at, data) => Step::WriteSomeAt(pick(file)?, at, data),
        Step::Append(file, data) => Step::Append(pick(file)?, data),
        Step::ReadAt(file, offset, len) => Step::ReadAt(pick(file)?, offset, len),
        Step::SetLen(file, len) => Step::SetLen(pick(file)?, len),
        Step::Len(file) => Step::Len(pick(file)?),
        Step::Sync(file) => Step::Sync(pick(file)?),
        other => other,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn the_same_operations_give_the_same_results(
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let root = tempfile::tempdir().expect("there is room for temporary files");
        let mut linux = Linux { root: root.path().to_path_buf(), files: Vec::new() };
        let (world, node) = world_with_node(1);
        let mut simulated = Simulated { disk: world.host(node).disk(), files: Vec::new() };
        for step in steps {
            let Some(step) = possible(step, linux.files.len(), &linux) else {
                continue;
            };
            let real = Outcome::from(linux.run(&step));
            let ours = world.run(LIMIT_NS, simulated.run(&step)).expect("it ends").into();
            prop_assert_eq!(real, ours, "{:?}", step);
        }
    }
}
