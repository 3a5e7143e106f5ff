//! A write-ahead log as it is written at first, and then mended, one mistake after the other.

use std::io;

use bytes::Bytes;
use stillpoint_sim::{Disk, File};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// How far the log is mended: each version does what those before it do, and one thing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// Length and bytes of each record are appended, and the file is synced.
    Naive,
    /// Syncs the directory too, or the file may be found under no name.
    SyncsItsName,
    /// Cuts off what is torn, or the next record would lie behind it and not be found.
    CutsTheTail,
    /// Has a checksum of number and bytes: of a record any sectors may be there.
    Checksums,
    /// Writes again after a sync that failed: the next sync knows nothing of what it lost.
    WritesAgain,
    /// Keeps a second copy, and mends each of the two from the other.
    Mirrors,
}

use Version::{Checksums, CutsTheTail, Mirrors, SyncsItsName, WritesAgain};

const HEAD_BYTES: usize = 12;

/// An open log.
pub struct Wal {
    version: Version,
    copies: Vec<File>,
    records: u64,
}

impl Wal {
    /// Opens the log: gives it with the records that are in it.
    pub async fn open(disk: &Disk, version: Version) -> io::Result<(Self, Vec<Bytes>)> {
        let names = if version >= Mirrors { &["wal.a", "wal.b"][..] } else { &["wal.a"] };
        let known = disk.list("").await?;
        let (mut copies, mut images) = (Vec::new(), Vec::new());
        for name in names {
            let is_known = known.iter().any(|it| it == name);
            let file = if is_known { disk.open(name).await? } else { disk.create(name).await? };
            images.push(file.read_at(0, file.len().await? as usize).await?);
            copies.push(file);
        }
        if version >= SyncsItsName {
            disk.sync_dir("").await?;
        }
        let mut wal = Self { version, copies, records: 0 };
        let records = wal.recover(&images).await?;
        Ok((wal, records))
    }

    /// The records of the copies up to the first that no copy has.
    async fn recover(&mut self, images: &[Bytes]) -> io::Result<Vec<Bytes>> {
        let (mut records, mut end) = (Vec::new(), 0);
        loop {
            let of_copies = images.iter().map(|it| self.decode(it.get(end..).unwrap_or(&[])));
            let of_copies: Vec<_> = of_copies.collect();
            let Some(record) = of_copies.iter().flatten().next() else { break };
            let bytes = self.encode(record);
            for (copy, _) in self.copies.iter().zip(&of_copies).filter(|(_, it)| it.is_none()) {
                copy.write_at(end as u64, bytes.clone()).await?;
            }
            records.push(bytes.slice(HEAD_BYTES..));
            end += bytes.len();
            self.records += 1;
        }
        for copy in self.copies.iter().filter(|_| self.version >= CutsTheTail) {
            copy.set_len(end as u64).await?;
            copy.sync().await?;
        }
        Ok(records)
    }

    /// Appends a record; it will be there after any crash once this is done.
    pub async fn append(&mut self, record: &[u8]) -> io::Result<()> {
        let bytes = self.encode(record);
        for copy in &self.copies {
            let at = copy.append(bytes.clone()).await?;
            while copy.sync().await.is_err() {
                if self.version >= WritesAgain {
                    copy.write_at(at, bytes.clone()).await?;
                }
            }
        }
        self.records += 1;
        Ok(())
    }

    fn checksum(&self, record: &[u8]) -> u64 {
        if self.version >= Checksums { xxh3_64_with_seed(record, self.records) } else { 0 }
    }

    fn encode(&self, record: &[u8]) -> Bytes {
        let (len, sum) = ((record.len() as u32).to_le_bytes(), self.checksum(record).to_le_bytes());
        [&len[..], &sum[..], record].concat().into()
    }

    /// The next record at the head of these bytes, if it is one.
    fn decode<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let (head, rest) = bytes.split_at_checked(HEAD_BYTES)?;
        let (len, sum) = head.split_at(4);
        let len = u32::from_le_bytes(len.try_into().expect("four bytes")) as usize;
        let record = rest.get(..len).filter(|_| len > 0)?;
        (sum == self.checksum(record).to_le_bytes()).then_some(record)
    }
}
