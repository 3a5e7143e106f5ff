//! A segment object: the chunks that one node writes in one flush, with a footer that
//! lists them (the "manifest" of an archived log, USENIX ATC 2022 section 5.2).
//!
//! Body: table id (16 bytes), key length (4), key, chunks, footer (postcard), offset of the
//! footer (8). The key is inside so that an object under a wrong name is seen.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::chunk::{Chunk, ChunkRef};
use super::entry::LogEntry;
use super::envelope::{CHECKSUM_LEN, Kind, u64_of};
use super::error::{ArchiveError, Fault, require_eq, require_next};

const KIND: Kind = Kind { name: "segment", magic: *b"SPsg" };
const FOOTER_AT_LEN: usize = 8;

/// One line of the footer.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct FooterLine {
    partition: u64,
    first: u64,
    last: u64,
    offset: u64,
    len: u64,
    checksum: u64,
}

/// Gathers the chunks of one flush.
#[derive(Debug)]
pub struct SegmentBuilder {
    table_id: u128,
    key: String,
    out: Vec<u8>,
    chunks: Vec<(u64, ChunkRef)>,
}

impl SegmentBuilder {
    /// An empty segment of a table, to be stored under `key` (see [`super::keys`]).
    #[must_use]
    pub fn new(table_id: u128, key: String) -> Self {
        let mut out = KIND.begin();
        out.extend_from_slice(&table_id.to_le_bytes());
        let key_len = u32::try_from(key.len()).expect("keys are short");
        out.extend_from_slice(&key_len.to_le_bytes());
        out.extend_from_slice(key.as_bytes());
        SegmentBuilder { table_id, key, out, chunks: Vec::new() }
    }

    /// Adds a chunk of `partition`. `previous_term` is the term of the entry before the
    /// first, 0 if that has index 1.
    ///
    /// # Errors
    ///
    /// If there are no entries, or they have holes or falling terms. The builder is then
    /// as it was before.
    pub fn push(
        &mut self,
        partition: u64,
        previous_term: u64,
        entries: Vec<LogEntry>,
    ) -> Result<(), ArchiveError> {
        let (object, table_id) = (self.key.clone(), self.table_id);
        let chunk = Chunk { object, table_id, partition, previous_term, entries };
        let chunk_ref = chunk.encode(&mut self.out)?;
        self.chunks.push((partition, chunk_ref));
        Ok(())
    }

    /// Bytes gathered so far, so that a flush can be bounded.
    #[must_use]
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether no chunk was added yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// The object, and for each chunk, in the order of the pushes, its partition and its
    /// reference.
    #[must_use]
    pub fn finish(self) -> (Bytes, Vec<(u64, ChunkRef)>) {
        let footer: Vec<FooterLine> = self.chunks.iter().map(footer_line).collect();
        let footer_at = self.out.len() as u64;
        let mut out = postcard::to_extend(&footer, self.out).expect("plain data always encodes");
        out.extend_from_slice(&footer_at.to_le_bytes());
        (KIND.seal(out).0, self.chunks)
    }
}

fn footer_line((partition, chunk): &(u64, ChunkRef)) -> FooterLine {
    FooterLine {
        partition: *partition,
        first: chunk.first,
        last: chunk.last,
        offset: chunk.offset,
        len: chunk.len,
        checksum: chunk.checksum,
    }
}

/// A whole segment object, read back and verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The table it belongs to.
    pub table_id: u128,
    /// The key it was written under.
    pub key: String,
    /// Its chunks, each with its reference, in the order of the bytes.
    pub chunks: Vec<(ChunkRef, Chunk)>,
}

impl Segment {
    /// Reads a whole segment object that was fetched from `key`.
    ///
    /// # Errors
    ///
    /// If anything in it is damaged, it is of another table or key, or the footer does not
    /// list exactly the chunks that are there.
    pub fn decode(table_id: u128, key: &str, bytes: &Bytes) -> Result<Segment, ArchiveError> {
        let (mut reader, _) = KIND.open(key, 0, bytes)?;
        let table = |id: u128| format!("table {id:032x}");
        require_eq(key, "header", Fault::Identity, table(table_id), table(reader.u128()?))?;
        let key_len = reader.u32()? as usize;
        let written_as = String::from_utf8_lossy(&reader.take(key_len)?).into_owned();
        require_eq(key, "header", Fault::Identity, key, written_as.as_str())?;
        let chunks_at = reader.place();
        let footer = read_footer(key, chunks_at, bytes)?;
        let chunks = read_chunks(table_id, key, bytes, &footer)?;
        Ok(Segment { table_id, key: key.to_owned(), chunks })
    }
}

/// The footer's lines, checked to tile the bytes from `chunks_at` up to the footer.
fn read_footer(key: &str, chunks_at: u64, bytes: &Bytes) -> Result<Vec<FooterLine>, ArchiveError> {
    let end = bytes.len() - CHECKSUM_LEN - FOOTER_AT_LEN;
    let footer_at = u64_of(&bytes[end..end + FOOTER_AT_LEN]);
    let fail = |found: String| {
        ArchiveError::new(key, "footer", Fault::Malformed, "a list of all chunks", found)
    };
    if footer_at < chunks_at || footer_at > end as u64 {
        return Err(fail(format!("an offset of {footer_at}")));
    }
    let at = usize::try_from(footer_at).expect("within the object, which is in memory");
    let (footer, rest): (Vec<FooterLine>, _) =
        postcard::take_from_bytes(&bytes[at..end]).map_err(|error| fail(error.to_string()))?;
    require_eq(key, "footer", Fault::Malformed, 0, rest.len())?;
    let mut next = chunks_at;
    for line in &footer {
        let place = format!("footer, partition {}", line.partition);
        require_next(key, place, next, line.offset)?;
        next = next.saturating_add(line.len);
    }
    require_next(key, "footer", next, footer_at)?;
    Ok(footer)
}

fn read_chunks(
    table_id: u128,
    key: &str,
    bytes: &Bytes,
    footer: &[FooterLine],
) -> Result<Vec<(ChunkRef, Chunk)>, ArchiveError> {
    let mut at = footer.first().map_or(0, |line| line.offset as usize);
    let mut chunks = Vec::with_capacity(footer.len());
    for line in footer {
        let chunk_ref = ChunkRef {
            object: key.to_owned(),
            offset: line.offset,
            len: line.len,
            first: line.first,
            last: line.last,
            checksum: line.checksum,
        };
        let end = at + line.len as usize;
        let chunk = Chunk::decode(table_id, line.partition, &chunk_ref, &bytes.slice(at..end))?;
        chunks.push((chunk_ref, chunk));
        at = end;
    }
    Ok(chunks)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fault of a segment of three chunks whose footer was changed before it was sealed.
    fn fault(change: impl FnOnce(&mut Vec<(u64, ChunkRef)>)) -> Option<Fault> {
        let mut builder = SegmentBuilder::new(1, "key".to_owned());
        for partition in 1..=3 {
            let entry = LogEntry { term: 1, index: 1, payload: Bytes::from_static(b"x") };
            builder.push(partition, 0, vec![entry]).unwrap();
        }
        change(&mut builder.chunks);
        Segment::decode(1, "key", &builder.finish().0).err().map(|error| error.fault)
    }

    #[test]
    fn a_footer_that_does_not_list_exactly_the_chunks_is_refused() {
        assert_eq!(fault(|_| ()), None);
        assert_eq!(fault(|chunks| drop(chunks.remove(0))), Some(Fault::Hole));
        assert_eq!(fault(|chunks| drop(chunks.remove(1))), Some(Fault::Hole));
        assert_eq!(fault(|chunks| drop(chunks.pop())), Some(Fault::Hole));
        assert_eq!(fault(|chunks| chunks.push(chunks[2].clone())), Some(Fault::Overlap));
        assert_eq!(fault(|chunks| chunks[1].0 = 3), Some(Fault::Identity));
        assert_eq!(fault(|chunks| chunks[1].1.offset += 1), Some(Fault::Hole));
        assert_eq!(fault(|chunks| chunks[2].1.len = u64::MAX), Some(Fault::Overlap));
    }

    #[test]
    fn a_refused_chunk_leaves_no_trace() {
        let mut builder = SegmentBuilder::new(1, "key".to_owned());
        let len = builder.len();
        assert!(builder.push(1, 0, Vec::new()).is_err());
        assert!(builder.is_empty() && builder.len() == len);
        assert_eq!(Segment::decode(1, "key", &builder.finish().0).unwrap().chunks, []);
    }
}
