//! What a fuzz target runs on bytes, shared with the test that runs the corpus. Each check panics
//! only if something is wrong: with us, never with the bytes.

use std::collections::BTreeMap;

use bytes::Bytes;
use stillpoint_reference::api::{BackupArn, Operation, Request, TableArn, table_name_of};
use stillpoint_reference::archive::format::{
    BackupManifest, BackupPart, Chunk, ChunkRef, PartRef, Segment,
};
use stillpoint_reference::expression::{Condition, Expressions};
use stillpoint_reference::item::{
    AttributeValue, Item, KeySchema, Number, ScalarAttributeType, validate_item,
};
use stillpoint_reference::{wal, wire};

/// A body behind one byte that chooses the operation: it is refused with a 4xx, or is a request
/// that survives the wire, and whose checks and expressions end in an answer.
pub(crate) fn request(data: &[u8]) {
    let Some((choice, body)) = data.split_first() else { return };
    let operation = Operation::ALL[usize::from(*choice) % Operation::ALL.len()];
    match wire::decode(&wire::target(operation), body) {
        Ok(request) => {
            let again = wire::encode_request(&request);
            let decoded = wire::decode(&wire::target(operation), &again);
            assert_eq!(decoded.as_ref(), Ok(&request), "{operation} survives the wire");
            if request.validate().is_ok() {
                serve(&request);
            }
        }
        Err(refused) => {
            assert!((400..500).contains(&refused.http_status));
            assert!(std::str::from_utf8(&refused.body()).is_ok());
        }
    }
    drop(wire::decode_response(operation, body));
}

/// What a router does with a valid request before it asks anybody.
fn serve(request: &Request) {
    let schema = KeySchema::simple("a", ScalarAttributeType::N);
    let holds = |condition: Option<Condition>, item: &Item| {
        condition.is_none_or(|it| it.holds(Some(item)) || it.holds(None))
    };
    match request {
        Request::CreateTable(it) => drop(it.schema()),
        Request::PutItem(it) => {
            drop(schema.key_of(&it.item));
            drop(it.condition().map(|condition| holds(condition, &it.item)));
        }
        Request::DeleteItem(it) => {
            drop(schema.key_from_map(&it.key));
            drop(it.condition().map(|condition| holds(condition, &it.key)));
        }
        Request::GetItem(it) => drop(schema.key_from_map(&it.key)),
        Request::UpdateItem(it) => {
            let parsed = it.parse().map(|(update, condition)| {
                (update.apply(None, &it.key), holds(condition, &it.key))
            });
            drop(parsed);
        }
        Request::Query(it) => drop(it.parse()),
        Request::Scan(it) => drop(it.exclusive_start_key.as_ref().map(validate_item)),
        _ => (),
    }
}

/// A text is parsed as each kind of expression, with the placeholders `#a`, `:a` (a number),
/// `:s` (a string), `:l` (a list) and `:t` (a set).
pub(crate) fn expression(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let names = BTreeMap::from([("#a".to_owned(), "a".to_owned())]);
    let values = BTreeMap::from([
        (":a".to_owned(), AttributeValue::from(7)),
        (":s".to_owned(), AttributeValue::from("text")),
        (":l".to_owned(), AttributeValue::L(vec![AttributeValue::from(1)])),
        (":t".to_owned(), AttributeValue::NS([Number::from(1_u64)].into())),
    ]);
    let item: Item =
        values.iter().map(|(name, value)| (name[1..].to_owned(), value.clone())).collect();
    let expressions = || Expressions::new(&names, &values).expect("the placeholders are valid");
    if let Ok(condition) = expressions().condition(text) {
        condition.holds(Some(&item));
        condition.holds(None);
        assert!(condition.attributes().len() <= text.len());
    }
    drop(expressions().filter(text));
    drop(expressions().key_condition(text));
    if let Ok(update) = expressions().update(text) {
        let key = Item::from([("pk".to_owned(), AttributeValue::from("key"))]);
        drop((update.apply(Some(&item), &key), update.apply(None, &key)));
    }
}

/// A text is read as everything that short texts are read as; bytes as the key of a number.
pub(crate) fn text(data: &[u8]) {
    if let Some(number) = Number::decode_ordered(data) {
        let mut again = Vec::new();
        number.encode_ordered(&mut again);
        assert_eq!(again, data, "one number has one key");
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(number) = text.parse::<Number>() {
        assert_eq!(number.to_string().parse(), Ok(number), "what prints is the same number");
        let mut key = Vec::new();
        number.encode_ordered(&mut key);
        assert_eq!(Number::decode_ordered(&key), Some(number));
        drop((number.checked_add(Number::from(1_u64)), number.checked_sub(number)));
    }
    if let Ok(arn) = BackupArn::parse(text) {
        assert_eq!(arn.to_string(), text);
    }
    if let Some(arn) = TableArn::parse(text) {
        assert_eq!(arn.to_string(), text);
        assert_eq!(table_name_of(text), Ok(arn.table_name.as_str()));
    }
    if let Some(segment) = wal::parse_segment_file_name(text) {
        assert_eq!(wal::segment_file_name(segment), text);
    }
    drop(wire::operation(text));
}

/// A log of node 1, as it stands and as a writer would have left it: what is recovered has no
/// gaps, and once the torn tail is cut the same is recovered again.
pub(crate) fn wal(data: &[u8]) {
    recover_twice(vec![(wal::FIRST_SEGMENT, data.to_vec())]);
    recover_twice(written_log(data));
}

fn recover_twice(mut segments: Vec<(u64, Vec<u8>)>) {
    let recover = |segments: &[(u64, Vec<u8>)]| {
        let bytes = segments.iter().map(|(number, it)| (*number, Bytes::copy_from_slice(it)));
        wal::recover(&bytes.collect::<Vec<_>>(), 1)
    };
    let Ok(recovered) = recover(&segments) else { return };
    let first_lsn = recovered.segments.first().map_or(0, |it| it.first_lsn);
    for (record, lsn) in recovered.records.iter().zip(first_lsn..) {
        assert_eq!(record.lsn, lsn, "no gaps");
    }
    let Some(tail) = recovered.tail else { return };
    let newest = &mut segments.last_mut().expect("it has a tail").1;
    assert_eq!(tail.valid_len + tail.torn_bytes, newest.len() as u64);
    newest.truncate(usize::try_from(tail.valid_len).expect("it is in memory"));
    let again = recover(&segments).expect("what was cut is sound");
    assert_eq!(again.records, recovered.records);
}

/// Carries out what the bytes say: append a record, begin a segment, damage a byte, cut.
fn written_log(data: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let mut log = vec![(wal::FIRST_SEGMENT, wal::encode_header(1, wal::FIRST_SEGMENT, 1))];
    let mut lsn = wal::FIRST_LSN;
    for step in data.chunks(4) {
        let [action, a, b, c] = std::array::from_fn(|place| step.get(place).copied().unwrap_or(0));
        let (next, newest) = log.last_mut().map(|(number, it)| (*number + 1, it)).expect("one");
        let place = usize::from(u16::from_le_bytes([a, b])) % newest.len().max(1);
        match action % 4 {
            0 => {
                let synced_lsn = lsn.saturating_sub(u64::from(b % 4) + 1);
                wal::append_record(newest, lsn, synced_lsn, c, &vec![a; usize::from(a)]);
                lsn += 1;
            }
            1 => log.push((next, wal::encode_header(1, next, lsn))),
            2 if !newest.is_empty() => newest[place] ^= c,
            _ => newest.truncate(place),
        }
    }
    log
}

const TABLE: u128 = 7;
const BACKUP: &str = "01489602797149-73d8d5bc";

/// Bytes are read as each kind of object, as they stand and as the body of an object whose
/// envelope is sound, so that the fuzzer need not guess checksums.
pub(crate) fn archive(data: &[u8]) {
    read_all(&Bytes::copy_from_slice(data), 0);
    for magic in [b"SPbm", b"SPck", b"SPsg", b"SPbp"] {
        let (object, checksum) = sealed(magic, data);
        read_all(&object, checksum);
    }
}

fn sealed(magic: &[u8; 4], body: &[u8]) -> (Bytes, u64) {
    const OBJECT_SEED: u64 = 0x5350_4152_4348_4956;
    let mut out = [&magic[..], &1_u16.to_le_bytes(), &[0, 0], body].concat();
    let checksum = xxhash_rust::xxh3::xxh3_64_with_seed(&out, OBJECT_SEED);
    out.extend_from_slice(&checksum.to_le_bytes());
    (out.into(), checksum)
}

fn read_all(object: &Bytes, checksum: u64) {
    let (key, len) = ("key", object.len() as u64);
    if let Ok(manifest) = BackupManifest::decode(BACKUP, object) {
        let again = manifest.encode().expect("what is read can be written");
        assert_eq!(BackupManifest::decode(BACKUP, &again), Ok(manifest));
    }
    let part_ref = PartRef { object: key.to_owned(), len, checksum, partitions: Vec::new() };
    drop(BackupPart::decode(BACKUP, TABLE, &part_ref, object));
    for (first, last) in [(1, 1), (1, 2)] {
        let chunk_ref = ChunkRef { object: key.to_owned(), offset: 0, len, first, last, checksum };
        if let Ok(chunk) = Chunk::decode(TABLE, 1, &chunk_ref, object) {
            assert_eq!((chunk.first(), chunk.last()), (first, last));
        }
    }
    drop(Segment::decode(TABLE, key, object));
}
