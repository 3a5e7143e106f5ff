//! Laws of the archive formats: what is written reads back, and nothing else is ever
//! taken for it.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

const TABLE: u128 = 0x1234_5678;
const BACKUP: &str = "01489602797149-73d8d5bc";

/// The logs of some partitions, partition `p` being the `p`-th, and where each is cut into
/// chunks: after every so many entries.
fn logs() -> impl Strategy<Value = Vec<(Vec<LogEntry>, usize)>> {
    vec((log(), 1_usize..6), 1..5)
}

fn log() -> impl Strategy<Value = Vec<LogEntry>> {
    vec((0_u64..3, vec(any::<u8>(), 0..20)), 1..20).prop_map(|steps| {
        let mut term = 1;
        let entry = |(index, (step, payload)): (u64, (u64, Vec<u8>))| {
            term += step / 2;
            LogEntry { term, index, payload: payload.into() }
        };
        (1..).zip(steps).map(entry).collect()
    })
}

/// A backup as its objects, in memory.
#[derive(Debug)]
struct Stored {
    segment_key: String,
    segment: Bytes,
    cuts: Vec<PartitionCut>,
    part_ref: PartRef,
    part: Bytes,
    manifest: Bytes,
}

fn store(logs: &[(Vec<LogEntry>, usize)]) -> Stored {
    let segment_key = keys::segment(TABLE, 1, 1, 1);
    let mut builder = SegmentBuilder::new(TABLE, segment_key.clone());
    for (partition, (log, chunk_len)) in (0..).zip(logs) {
        let mut previous_term = 0;
        for entries in log.chunks(*chunk_len) {
            builder.push(partition, previous_term, entries.to_vec()).unwrap();
            previous_term = entries.last().unwrap().term;
        }
    }
    let (segment, refs) = builder.finish();
    let cuts: Vec<PartitionCut> =
        (0..).zip(logs).map(|(p, (log, _))| cut(p, logs.len(), log, &refs)).collect();
    let partitions = cuts.clone();
    let part = BackupPart { backup_id: BACKUP.to_owned(), table_id: TABLE, partitions };
    let (part, part_ref) = part.encode(&keys::part(BACKUP, 1, 1, 1)).unwrap();
    let manifest = manifest(vec![part_ref.clone()]).encode().unwrap();
    Stored { segment_key, segment, cuts, part_ref, part, manifest }
}

/// A cut after the last entry of `log`, the log of one of `count` partitions.
fn cut(partition: u64, count: usize, log: &[LogEntry], refs: &[(u64, ChunkRef)]) -> PartitionCut {
    let width = u64::MAX / count as u64;
    let is_last = partition + 1 == count as u64;
    let hash_end = if is_last { u64::MAX } else { (partition + 1) * width - 1 };
    let last = log.last().unwrap();
    PartitionCut {
        span: PartitionSpan { partition, hash_start: partition * width, hash_end },
        cut_index: last.index,
        cut_term: last.term,
        chunks: refs.iter().filter(|(p, _)| *p == partition).map(|(_, r)| r.clone()).collect(),
    }
}

fn manifest(parts: Vec<PartRef>) -> BackupManifest {
    BackupManifest {
        backup_id: BACKUP.to_owned(),
        backup_arn: format!("arn:aws:dynamodb:eu-west-1:1:table/orders/backup/{BACKUP}"),
        table_id: TABLE,
        table_name: "orders".to_owned(),
        sealed_at_ms: 1_489_602_797_149,
        source_details: Bytes::from_static(b"details"),
        partition_count: parts.iter().map(|part| part.partitions.len() as u64).sum(),
        parts,
    }
}

impl Stored {
    /// The first error among all objects, each replaced if its name is `damaged`.
    fn verify(&self, damaged: usize, by: &Bytes) -> Result<(), ArchiveError> {
        let object = |number, bytes| if number == damaged { by } else { bytes };
        Segment::decode(TABLE, &self.segment_key, object(0, &self.segment))?;
        BackupPart::decode(BACKUP, TABLE, &self.part_ref, object(1, &self.part))?;
        BackupManifest::decode(BACKUP, object(2, &self.manifest))?;
        Ok(())
    }

    fn object(&self, number: usize) -> &Bytes {
        [&self.segment, &self.part, &self.manifest][number]
    }

    /// A ranged get.
    fn fetch(&self, chunk: &ChunkRef) -> Bytes {
        self.segment.slice(chunk.offset as usize..(chunk.offset + chunk.len) as usize)
    }

    fn chunks(&self, partition: usize) -> Vec<Chunk> {
        let cut = &self.cuts[partition];
        let decode =
            |chunk| Chunk::decode(TABLE, cut.span.partition, chunk, &self.fetch(chunk)).unwrap();
        cut.chunks.iter().map(decode).collect()
    }
}

/// All entries of a replay, or its error.
fn entries(cut: &PartitionCut, chunks: Vec<Chunk>) -> Result<Vec<LogEntry>, ArchiveError> {
    replay(TABLE, cut, chunks).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Manifest, parts, chunks and segments lead back to exactly the logs written.
    #[test]
    fn a_backup_reads_back(logs in logs()) {
        let stored = store(&logs);
        let manifest_read = BackupManifest::decode(BACKUP, &stored.manifest).unwrap();
        prop_assert_eq!(&manifest_read, &manifest(vec![stored.part_ref.clone()]));
        let part = &manifest_read.parts[0];
        let part = BackupPart::decode(BACKUP, TABLE, part, &stored.part).unwrap();
        prop_assert_eq!(&part.partitions, &stored.cuts);
        for (partition, (log, _)) in logs.iter().enumerate() {
            let read = entries(&stored.cuts[partition], stored.chunks(partition)).unwrap();
            prop_assert_eq!(&read, log);
        }
        let segment = Segment::decode(TABLE, &stored.segment_key, &stored.segment).unwrap();
        let listed: Vec<_> = segment.chunks.into_iter().map(|(chunk_ref, _)| chunk_ref).collect();
        let referenced: Vec<_> = stored.cuts.iter().flat_map(|cut| cut.chunks.clone()).collect();
        prop_assert_eq!(listed, referenced);
    }

    /// One byte changed, lost or added in any object is seen.
    #[test]
    fn any_damage_is_seen(
        logs in logs(),
        number in 0_usize..3,
        at in any::<Index>(),
        bits in 1_u8..,
    ) {
        let stored = store(&logs);
        let sound = stored.object(number);
        prop_assert_eq!(stored.verify(number, sound), Ok(()));
        let at = at.index(sound.len());
        let mut flipped = sound.to_vec();
        flipped[at] ^= bits;
        prop_assert!(stored.verify(number, &flipped.into()).is_err());
        prop_assert!(stored.verify(number, &sound.slice(..at)).is_err());
        prop_assert!(stored.verify(number, &sound.slice(sound.len() - at..)).is_err());
        let longer = Bytes::from([&sound[..], &[bits]].concat());
        prop_assert!(stored.verify(number, &longer).is_err());
    }

    /// A chunk that was fetched alone is verified as strictly as a whole segment.
    #[test]
    fn damage_in_a_ranged_get_is_seen(
        logs in logs(),
        pick in any::<Index>(),
        at in any::<Index>(),
        bits in 1_u8..,
    ) {
        let stored = store(&logs);
        let cut = &stored.cuts[0];
        let chunk_ref = pick.get(&cut.chunks);
        let sound = stored.fetch(chunk_ref);
        let at = at.index(sound.len());
        let mut flipped = sound.to_vec();
        flipped[at] ^= bits;
        let decode = |bytes: Bytes| Chunk::decode(TABLE, cut.span.partition, chunk_ref, &bytes);
        prop_assert!(decode(flipped.into()).is_err());
        prop_assert!(decode(sound.slice(..at)).is_err());
        prop_assert!(decode(sound).is_ok());
    }

    /// Bytes that nobody sealed are an error, never a panic.
    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..200), number in 0_usize..3) {
        let stored = store(&[(vec![LogEntry { term: 1, index: 1, payload: Bytes::new() }], 1)]);
        prop_assert!(stored.verify(number, &bytes.into()).is_err());
    }

    /// An entry left out or repeated is refused before anything is written.
    #[test]
    fn encoding_refuses_holes_and_repetitions(log in log(), pick in any::<Index>()) {
        prop_assume!(log.len() >= 2);
        let push = |entries| SegmentBuilder::new(TABLE, "key".to_owned()).push(1, 0, entries);
        let fault = |entries| push(entries).map_err(|error| error.fault);
        let at = pick.index(log.len() - 1);
        let mut holed = log.clone();
        holed.remove(at);
        let expected = if at == 0 { Fault::Term } else { Fault::Hole };
        prop_assert_eq!(fault(holed), Err(expected));
        let mut repeated = log.clone();
        repeated.insert(at, log[at].clone());
        prop_assert_eq!(fault(repeated), Err(Fault::Overlap));
        prop_assert_eq!(fault(log), Ok(()));
    }

    /// A replay gives the entries up to the cut, wherever it falls, and refuses chunks that
    /// are swapped, missing or repeated.
    #[test]
    fn a_replay_is_exact(logs in logs(), at in any::<Index>(), pick in any::<Index>()) {
        let stored = store(&logs);
        let log = &logs[0].0;
        let last = at.get(log);
        let (cut_index, cut_term) = (last.index, last.term);
        let cut = PartitionCut { cut_index, cut_term, ..stored.cuts[0].clone() };
        let chunks = stored.chunks(0);
        let up_to_cut = log[..cut_index as usize].to_vec();
        prop_assert_eq!(entries(&cut, chunks.clone()), Ok(up_to_cut));
        let wrong_term = PartitionCut { cut_term: cut_term + 1, ..cut };
        let fault = entries(&wrong_term, chunks.clone()).unwrap_err().fault;
        prop_assert_eq!(fault, Fault::Term);

        let whole = &stored.cuts[0];
        let at = pick.index(chunks.len());
        let mut missing = chunks.clone();
        missing.remove(at);
        prop_assert_eq!(entries(whole, missing).unwrap_err().fault, Fault::Hole);
        let mut repeated = chunks.clone();
        repeated.insert(at, chunks[at].clone());
        prop_assert_eq!(entries(whole, repeated).unwrap_err().fault, Fault::Overlap);
        if at > 0 {
            let mut swapped = chunks.clone();
            swapped.swap(at - 1, at);
            prop_assert!(entries(whole, swapped).is_err());
        }
    }

    /// A chunk in another one's place is refused when it is fetched.
    #[test]
    fn swapped_chunks_are_seen_when_fetched(
        logs in logs(),
        a in any::<Index>(),
        b in any::<Index>(),
    ) {
        let stored = store(&logs);
        let refs: Vec<_> = stored.cuts.iter().flat_map(|cut| {
            cut.chunks.iter().map(|chunk| (cut.span.partition, chunk))
        }).collect();
        let ((partition, chunk), (_, other)) = (*a.get(&refs), *b.get(&refs));
        let read = Chunk::decode(TABLE, partition, chunk, &stored.fetch(other));
        prop_assert_eq!(read.is_ok(), chunk == other);
    }

    /// A part names chunks that tile the log up to the cut, or it is not written.
    #[test]
    fn a_part_with_a_missing_chunk_is_refused(logs in logs(), pick in any::<Index>()) {
        let stored = store(&logs);
        let mut partitions = stored.cuts.clone();
        let chunks = &mut partitions[0].chunks;
        chunks.remove(pick.index(chunks.len()));
        let part = BackupPart { backup_id: BACKUP.to_owned(), table_id: TABLE, partitions };
        prop_assert_eq!(part.encode("part").unwrap_err().fault, Fault::Hole);
    }
}

/// A part with one span per (partition, first hash, last hash).
fn part_of(spans: &[(u64, u64, u64)]) -> PartRef {
    let span =
        |&(partition, hash_start, hash_end)| PartitionSpan { partition, hash_start, hash_end };
    let partitions = spans.iter().map(span).collect();
    PartRef { object: "part".to_owned(), len: 1, checksum: 1, partitions }
}

#[test]
fn a_manifest_covers_every_hash_exactly_once_or_is_refused() {
    let fault = |parts: Vec<PartRef>| manifest(parts).encode().err().map(|error| error.fault);
    let upper = part_of(&[(2, 100, u64::MAX)]);
    assert_eq!(fault(vec![upper.clone(), part_of(&[(1, 0, 99)])]), None);
    assert_eq!(fault(vec![part_of(&[(1, 0, u64::MAX)])]), None);
    assert_eq!(fault(vec![]), Some(Fault::Hole));
    assert_eq!(fault(vec![upper.clone()]), Some(Fault::Hole));
    assert_eq!(fault(vec![part_of(&[(1, 0, 99)])]), Some(Fault::Hole));
    assert_eq!(fault(vec![part_of(&[(1, 0, 98)]), upper.clone()]), Some(Fault::Hole));
    assert_eq!(fault(vec![part_of(&[(1, 0, 100)]), upper.clone()]), Some(Fault::Overlap));
    assert_eq!(fault(vec![part_of(&[(2, 0, 99)]), upper.clone()]), Some(Fault::Overlap));
    let full = part_of(&[(1, 0, 99), (3, u64::MAX, u64::MAX)]);
    assert_eq!(fault(vec![full, upper]), Some(Fault::Overlap));
    assert_eq!(fault(vec![part_of(&[(1, 0, 50), (2, 51, 20)])]), Some(Fault::Malformed));
}

#[test]
fn a_manifest_with_another_number_of_partitions_is_refused() {
    let fault = |partition_count| {
        let manifest =
            BackupManifest { partition_count, ..manifest(vec![part_of(&[(1, 0, u64::MAX)])]) };
        manifest.encode().err().map(|error| error.fault)
    };
    assert_eq!((fault(0), fault(1)), (Some(Fault::Overlap), None));
    assert_eq!(fault(2), Some(Fault::Hole));
}

#[test]
fn objects_of_another_backup_table_or_key_are_refused() {
    let entry = LogEntry { term: 1, index: 1, payload: Bytes::from_static(b"x") };
    let stored = store(&[(vec![entry], 1)]);
    let fault = |error: ArchiveError| error.fault;
    let other_key = keys::segment(TABLE, 1, 1, 2);
    let read = Segment::decode(TABLE, &other_key, &stored.segment).map_err(fault);
    assert_eq!(read, Err(Fault::Identity));
    let read = Segment::decode(TABLE + 1, &stored.segment_key, &stored.segment).map_err(fault);
    assert_eq!(read, Err(Fault::Identity));
    let read = BackupManifest::decode("another", &stored.manifest).map_err(fault);
    assert_eq!(read, Err(Fault::Identity));
    let part = |backup_id, table_id, part_ref: &PartRef| {
        BackupPart::decode(backup_id, table_id, part_ref, &stored.part).err().map(fault)
    };
    assert_eq!(part(BACKUP, TABLE, &stored.part_ref), None);
    assert_eq!(part("another", TABLE, &stored.part_ref), Some(Fault::Identity));
    assert_eq!(part(BACKUP, TABLE + 1, &stored.part_ref), Some(Fault::Identity));
    let other = PartRef { checksum: 0, ..stored.part_ref.clone() };
    assert_eq!(part(BACKUP, TABLE, &other), Some(Fault::Identity));
    let other = PartRef { partitions: vec![], ..stored.part_ref.clone() };
    assert_eq!(part(BACKUP, TABLE, &other), Some(Fault::Identity));
}

#[test]
fn a_chunk_of_another_partition_cannot_enter_a_replay() {
    let log = vec![LogEntry { term: 1, index: 1, payload: Bytes::from_static(b"x") }];
    let stored = store(&[(log.clone(), 1), (log, 1)]);
    let error = entries(&stored.cuts[0], stored.chunks(1)).unwrap_err();
    assert_eq!(error.fault, Fault::Identity);
    assert_eq!(
        error.to_string(),
        format!(
            "archive object {}, chunk of partition 1 from entry 1: belongs elsewhere: expected \
             table {TABLE:032x}, partition 0, found table {TABLE:032x}, partition 1",
            stored.segment_key
        )
    );
}

#[test]
fn an_intact_object_of_a_newer_version_is_not_called_damaged() {
    let kind = envelope::Kind { name: "segment", magic: *b"SPsg" };
    let mut newer = kind.begin();
    newer[4..6].copy_from_slice(&(FORMAT_VERSION + 1).to_le_bytes());
    let (bytes, _) = kind.seal(newer);
    let error = Segment::decode(TABLE, "key", &bytes).unwrap_err();
    assert_eq!((error.fault, error.found.as_str()), (Fault::Version, "2"));
}
