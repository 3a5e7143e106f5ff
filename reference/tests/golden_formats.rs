//! The durable formats, byte by byte: what earlier builds wrote must stay readable, and a
//! change of the bytes must be seen in review. Each fixture is a hex dump of one small
//! object. After a deliberate change raise the format version, then rewrite them with
//! `cargo test -p stillpoint-reference --test golden_formats -- --ignored`.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use bytes::Bytes;
use stillpoint_reference::archive::format::{
    BackupManifest, BackupPart, Chunk, ChunkRef, LogEntry, PartRef, PartitionCut, PartitionSpan,
    Segment, SegmentBuilder, keys,
};
use stillpoint_reference::wal;

const NODE: u16 = 2;
const TABLE: u128 = 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff;
const BACKUP: &str = "01489602797149-73d8d5bc";

fn entry(term: u64, index: u64, payload: &'static str) -> LogEntry {
    LogEntry { term, index, payload: Bytes::from_static(payload.as_bytes()) }
}

fn wal_segment() -> Bytes {
    let mut bytes = wal::encode_header(NODE, 1, 1);
    wal::append_record(&mut bytes, 1, 0, 4, b"first");
    wal::append_record(&mut bytes, 2, 1, 5, b"second");
    bytes.into()
}

fn archive_segment() -> (Bytes, Vec<(u64, ChunkRef)>) {
    let mut builder = SegmentBuilder::new(TABLE, keys::segment(TABLE, NODE, 1, 7));
    builder.push(1, 0, vec![entry(1, 1, "put a"), entry(1, 2, "put b")]).unwrap();
    builder.push(1, 1, vec![entry(3, 3, "delete a")]).unwrap();
    builder.push(9, 0, vec![entry(2, 1, "put z")]).unwrap();
    builder.finish()
}

fn part() -> BackupPart {
    let refs = archive_segment().1;
    let of = |partition| {
        refs.iter().filter(|(p, _)| *p == partition).map(|(_, chunk)| chunk.clone()).collect()
    };
    let lower = PartitionSpan { partition: 1, hash_start: 0, hash_end: (1 << 63) - 1 };
    let upper = PartitionSpan { partition: 9, hash_start: 1 << 63, hash_end: u64::MAX };
    let partitions = vec![
        PartitionCut { span: lower, cut_index: 3, cut_term: 3, chunks: of(1) },
        PartitionCut { span: upper, cut_index: 1, cut_term: 2, chunks: of(9) },
    ];
    BackupPart { backup_id: BACKUP.to_owned(), table_id: TABLE, partitions }
}

fn part_object() -> (Bytes, PartRef) {
    part().encode(&keys::part(BACKUP, NODE, 1, 1)).unwrap()
}

fn manifest() -> BackupManifest {
    BackupManifest {
        backup_id: BACKUP.to_owned(),
        backup_arn: format!("arn:aws:dynamodb:eu-west-1:123456789012:table/Music/backup/{BACKUP}"),
        table_id: TABLE,
        table_name: "Music".to_owned(),
        sealed_at_ms: 1_489_602_797_149,
        source_details: Bytes::from_static(b"opaque"),
        partition_count: 2,
        parts: vec![part_object().1],
    }
}

/// Name and bytes of every fixture, as this build writes them.
fn objects() -> [(&'static str, Bytes); 5] {
    let (segment, refs) = archive_segment();
    let chunk = &refs[0].1;
    let chunk = segment.slice(chunk.offset as usize..(chunk.offset + chunk.len) as usize);
    [
        ("wal-segment", wal_segment()),
        ("chunk", chunk),
        ("archive-segment", segment),
        ("backup-part", part_object().0),
        ("backup-manifest", manifest().encode().unwrap()),
    ]
}

fn path_of(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/{name}.hex"))
}

/// The bytes of a fixture.
fn fixture(name: &str) -> Bytes {
    let text = fs::read_to_string(path_of(name)).expect("the fixture is checked in");
    text.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

fn hex_dump(bytes: &[u8]) -> String {
    let mut text = String::new();
    for line in bytes.chunks(16) {
        let digits: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(text, "{}", digits.join(" ")).expect("a string takes all text");
    }
    text
}

#[test]
fn this_build_writes_the_bytes_of_the_fixtures() {
    for (name, bytes) in objects() {
        let text = fs::read_to_string(path_of(name)).expect("the fixture is checked in");
        assert_eq!(hex_dump(&bytes), text, "{name}: see the head of this file");
    }
}

#[test]
fn the_wal_segment_of_an_earlier_build_is_recovered() {
    let recovered = wal::recover(&[(1, fixture("wal-segment"))], NODE).unwrap();
    let record = |lsn, kind, payload: &'static str| wal::Record {
        lsn,
        kind,
        payload: Bytes::from_static(payload.as_bytes()),
    };
    assert_eq!(recovered.records, [record(1, 4, "first"), record(2, 5, "second")]);
    assert_eq!(recovered.tail.unwrap().torn_bytes, 0);
}

#[test]
fn the_archive_of_an_earlier_build_is_read() {
    let manifest_read = BackupManifest::decode(BACKUP, &fixture("backup-manifest")).unwrap();
    assert_eq!(manifest_read, manifest());
    let part_ref = &manifest_read.parts[0];
    let part_read = BackupPart::decode(BACKUP, TABLE, part_ref, &fixture("backup-part")).unwrap();
    assert_eq!(part_read, part());
    let chunk_ref = &part_read.partitions[0].chunks[0];
    let chunk = Chunk::decode(TABLE, 1, chunk_ref, &fixture("chunk")).unwrap();
    assert_eq!(chunk.entries, [entry(1, 1, "put a"), entry(1, 2, "put b")]);
    let key = keys::segment(TABLE, NODE, 1, 7);
    let segment = Segment::decode(TABLE, &key, &fixture("archive-segment")).unwrap();
    let listed: Vec<_> =
        segment.chunks.into_iter().map(|(chunk_ref, chunk)| (chunk.partition, chunk_ref)).collect();
    assert_eq!(listed, archive_segment().1);
}

#[test]
#[ignore = "rewrites the fixtures; run it after a deliberate change of the format"]
fn rewrite_the_fixtures() {
    for (name, bytes) in objects() {
        fs::write(path_of(name), hex_dump(&bytes)).expect("the fixture folder is writable");
    }
}
