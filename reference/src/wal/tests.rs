//! Laws of recovery: nothing synced is lost in silence, nothing unwritten appears, and a
//! log that is cut can be written on.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const NODE: u16 = 3;
const SECTOR_LEN: usize = 512;

/// A batch of records that share one sync; before it the writer may begin a new segment.
#[derive(Clone, Debug)]
struct Batch {
    rolls: bool,
    payloads: Vec<Vec<u8>>,
}

fn batch() -> impl Strategy<Value = Batch> {
    let payload = prop_oneof![8 => vec(any::<u8>(), 0..90), 1 => vec(any::<u8>(), 500..1500)];
    (proptest::bool::weighted(0.25), vec(payload, 1..6))
        .prop_map(|(rolls, payloads)| Batch { rolls, payloads })
}

/// A writer that keeps the rules in the module's documentation.
#[derive(Clone)]
struct Log {
    segments: Vec<(u64, Vec<u8>)>,
    written: Vec<Vec<u8>>,
    synced_lsn: u64,
    synced_len: usize,
}

impl Log {
    fn new() -> Self {
        let header = encode_header(NODE, FIRST_SEGMENT, FIRST_LSN);
        let segments = vec![(FIRST_SEGMENT, header)];
        Log { segments, written: Vec::new(), synced_lsn: 0, synced_len: 0 }
    }

    fn written_and_synced(batches: &[Batch]) -> Self {
        let mut log = Log::new();
        for batch in batches {
            log.write(batch);
            log.sync();
        }
        log
    }

    fn newest(&mut self) -> &mut Vec<u8> {
        &mut self.segments.last_mut().expect("a log has a segment").1
    }

    fn write(&mut self, batch: &Batch) {
        if batch.rolls {
            assert_eq!(self.synced_lsn, self.written.len() as u64, "sync before the next segment");
            let segment = self.segments.len() as u64 + FIRST_SEGMENT;
            let header = encode_header(NODE, segment, self.synced_lsn + 1);
            self.segments.push((segment, header));
            self.synced_len = 0;
        }
        for payload in &batch.payloads {
            self.written.push(payload.clone());
            let (lsn, synced_lsn) = (self.written.len() as u64, self.synced_lsn);
            append_record(self.newest(), lsn, synced_lsn, kind_of(lsn), payload);
        }
    }

    fn sync(&mut self) {
        self.synced_lsn = self.written.len() as u64;
        self.synced_len = self.newest().len();
    }

    /// Each sector that was not synced survives or reads as zeros behind what was; the
    /// file ends anywhere behind what was synced.
    fn lose_power(&mut self, survives: &[bool], cut: prop::sample::Index) {
        let synced_len = self.synced_len;
        let newest = self.newest();
        for start in (0..newest.len()).step_by(SECTOR_LEN) {
            let end = newest.len().min(start + SECTOR_LEN);
            if end > synced_len && !survives[(start / SECTOR_LEN) % survives.len()] {
                newest[start.max(synced_len)..end].fill(0);
            }
        }
        let unsynced = newest.len() - synced_len;
        newest.truncate(synced_len + cut.index(unsynced + 1));
    }

    fn recover(&self) -> Result<Recovered, WalError> {
        let segments: Vec<_> =
            self.segments.iter().map(|(number, b)| (*number, Bytes::from(b.clone()))).collect();
        recover(&segments, NODE)
    }

    /// What a node does after recovery: cut the tail, write a header anew if it was torn.
    fn restart(&mut self, recovered: &Recovered) {
        let tail = recovered.tail.expect("a log has a segment");
        self.newest().truncate(tail.valid_len as usize);
        if tail.valid_len == 0 {
            let header = encode_header(NODE, tail.segment, recovered.next_lsn);
            self.newest().extend_from_slice(&header);
        }
        self.written.truncate(recovered.records.len());
        self.sync();
    }
}

fn kind_of(lsn: u64) -> u8 {
    (lsn % 5) as u8
}

/// The records are exactly the first ones written.
fn assert_prefix(recovered: &Recovered, written: &[Vec<u8>]) {
    assert!(recovered.records.len() <= written.len());
    for (record, (lsn, payload)) in recovered.records.iter().zip((1_u64..).zip(written)) {
        assert_eq!((record.lsn, record.kind), (lsn, kind_of(lsn)));
        assert_eq!(&record.payload, payload);
    }
    assert_eq!(recovered.next_lsn, recovered.records.len() as u64 + 1);
}

fn flip(log: &mut Log, segment: usize, at: usize, bits: u8) {
    log.segments[segment].1[at] ^= bits;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// Any power loss keeps all that was synced, and a prefix of the rest; then the log
    /// goes on, and reads back whole.
    #[test]
    fn power_loss_keeps_what_was_synced(
        synced in vec(batch(), 0..6),
        unsynced in vec(batch(), 1..3),
        survives in vec(any::<bool>(), 1..16),
        cut in any::<prop::sample::Index>(),
        more in batch(),
    ) {
        let mut log = Log::written_and_synced(&synced);
        for (number, batch) in unsynced.into_iter().enumerate() {
            log.write(&Batch { rolls: batch.rolls && number == 0, ..batch });
        }
        log.lose_power(&survives, cut);
        let recovered = log.recover().unwrap();
        assert_prefix(&recovered, &log.written);
        prop_assert!(recovered.next_lsn > log.synced_lsn);
        let tail = recovered.tail.unwrap();
        prop_assert_eq!((tail.valid_len + tail.torn_bytes) as usize, log.newest().len());
        prop_assert!(tail.valid_len as usize >= log.synced_len);

        log.restart(&recovered);
        log.write(&Batch { rolls: false, ..more });
        let again = log.recover().unwrap();
        assert_prefix(&again, &log.written);
        prop_assert_eq!(again.records.len(), log.written.len());
        prop_assert_eq!(again.tail.unwrap().torn_bytes, 0);
    }

    /// Damage to what a later synced batch vouches for is refused, wherever it is.
    #[test]
    fn damage_before_the_last_synced_batch_is_refused(
        batches in vec(batch(), 1..6),
        last in batch(),
        place in any::<prop::sample::Index>(),
        bits in 1_u8..,
    ) {
        let mut log = Log::written_and_synced(&batches);
        let lens: Vec<usize> = log.segments.iter().map(|(_, bytes)| bytes.len()).collect();
        log.write(&last);
        log.sync();
        let mut at = place.index(lens.iter().sum());
        let mut segment = 0;
        while at >= lens[segment] {
            at -= lens[segment];
            segment += 1;
        }
        flip(&mut log, segment, at, bits);
        let refused = matches!(log.recover(), Err(WalError::Corrupt { .. }));
        prop_assert!(refused, "byte {} of segment {}", at, segment);
    }

    /// Whatever happens to the bytes, no record appears that was not written there.
    #[test]
    fn damage_never_invents_a_record(
        batches in vec(batch(), 1..5),
        damage in vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 1_u8..), 1..8),
        removed in any::<Option<prop::sample::Index>>(),
    ) {
        let mut log = Log::written_and_synced(&batches);
        for (segment, at, bits) in damage {
            let segment = segment.index(log.segments.len());
            let at = at.index(log.segments[segment].1.len());
            flip(&mut log, segment, at, bits);
        }
        if let Some(removed) = removed {
            let bytes = log.newest();
            let end = removed.index(bytes.len() + 1);
            bytes.truncate(end);
        }
        if let Ok(recovered) = log.recover() {
            assert_prefix(&recovered, &log.written);
        }
    }

    /// Bytes that nobody wrote are an error or an empty log, never a panic.
    #[test]
    fn arbitrary_bytes_never_panic(
        files in vec(vec(any::<u8>(), 0..1200), 0..3),
        sound_header in any::<bool>(),
        node in any::<u16>(),
    ) {
        let files = files.into_iter().map(Bytes::from);
        let mut segments: Vec<(u64, Bytes)> = (FIRST_SEGMENT..).zip(files).collect();
        if sound_header && let Some((number, bytes)) = segments.last_mut() {
            *bytes = [&encode_header(node, *number, FIRST_LSN)[..], bytes].concat().into();
        }
        if let Ok(recovered) = recover(&segments, node) {
            prop_assert_eq!(recovered.records, vec![]);
        }
    }
}

fn batch_of(payloads: &[&[u8]]) -> Batch {
    Batch { rolls: false, payloads: payloads.iter().map(|payload| payload.to_vec()).collect() }
}

#[test]
fn intact_records_behind_a_torn_one_are_dropped() {
    let mut log = Log::written_and_synced(&[batch_of(&[b"kept"])]);
    let torn_at = log.synced_len;
    log.write(&batch_of(&[b"torn", b"whole but never acknowledged"]));
    flip(&mut log, 0, torn_at + RECORD_HEADER_LEN, 1);
    let recovered = log.recover().unwrap();
    assert_eq!((recovered.records.len(), recovered.next_lsn), (1, 2));
    let torn_bytes = (log.newest().len() - torn_at) as u64;
    let tail = Tail { segment: 1, valid_len: torn_at as u64, torn_bytes };
    assert_eq!(recovered.tail, Some(tail));
}

#[test]
fn the_error_names_the_place_the_evidence_and_the_remedy() {
    let mut log = Log::written_and_synced(&[batch_of(&[b"a"]), batch_of(&[b"b"])]);
    flip(&mut log, 0, SEGMENT_HEADER_LEN + RECORD_HEADER_LEN, 1);
    let text = log.recover().unwrap_err().to_string();
    assert!(text.starts_with("log segment 1 is damaged at byte 512, where lsn 1 should be: "));
    assert!(text.contains("the record of lsn 2 at byte 553 knew lsn 1 to be durable"), "{text}");
    assert!(text.ends_with("it would break promises that it no longer remembers"), "{text}");
}

#[test]
fn a_segment_that_was_never_synced_is_a_torn_tail() {
    for len in [0, 100, SEGMENT_HEADER_LEN] {
        let mut log = Log::written_and_synced(&[batch_of(&[b"a", b"b"])]);
        log.segments.push((2, vec![0; len]));
        let recovered = log.recover().unwrap();
        assert_eq!(recovered.next_lsn, 3);
        let tail = Tail { segment: 2, valid_len: 0, torn_bytes: len as u64 };
        assert_eq!(recovered.tail, Some(tail));
        let spans = [SegmentSpan { segment: 1, first_lsn: 1, next_lsn: 3 }];
        assert_eq!(recovered.segments, spans);
    }
}

#[test]
fn a_torn_header_is_damage_if_the_log_has_no_other_segment() {
    let bytes = Bytes::from(vec![0; SEGMENT_HEADER_LEN]);
    assert!(recover(&[(1, bytes.clone())], NODE).is_ok());
    let error = recover(&[(2, bytes)], NODE).unwrap_err();
    assert!(matches!(error, WalError::Corrupt { evidence: Evidence::NoPredecessor, .. }));
}

#[test]
fn a_missing_segment_or_a_shortened_one_is_damage() {
    let rolls = |payload: &[u8]| Batch { rolls: true, ..batch_of(&[payload]) };
    let log = Log::written_and_synced(&[batch_of(&[b"a"]), rolls(b"b"), rolls(b"c")]);
    let mut missing = log.clone();
    missing.segments.remove(1);
    let error = missing.recover().unwrap_err();
    let evidence = Evidence::LaterSegment { segment: 3 };
    let why = Damage::SegmentMissing;
    assert_eq!(error, WalError::Corrupt { segment: 2, offset: 0, lsn: 2, why, evidence });

    let mut shortened = log.clone();
    shortened.segments[1].1.truncate(SEGMENT_HEADER_LEN);
    let error = shortened.recover().unwrap_err();
    let (why, evidence) = (Damage::Lsn { found: 3 }, Evidence::Whole);
    assert_eq!(error, WalError::Corrupt { segment: 3, offset: 0, lsn: 2, why, evidence });

    let mut oldest_removed = log;
    oldest_removed.segments.remove(0);
    let recovered = oldest_removed.recover().unwrap();
    assert_eq!((recovered.records[0].lsn, recovered.next_lsn), (2, 4));
}

#[test]
fn foreign_files_are_told_from_damaged_ones() {
    let header = Bytes::from(encode_header(9, 1, 1));
    let error = recover(&[(1, header.clone())], NODE).unwrap_err();
    assert_eq!(error, WalError::WrongNode { segment: 1, expected: NODE, found: 9 });

    let mut newer = header.to_vec();
    newer[8] = 0xff;
    segment::seal(&mut newer);
    let error = recover(&[(1, newer.into())], 9).unwrap_err();
    assert_eq!(error, WalError::UnknownVersion { segment: 1, found: 0xff });

    let renamed = Bytes::from(encode_header(NODE, 7, 1));
    let error = recover(&[(1, renamed)], NODE).unwrap_err();
    let (why, evidence) = (Damage::SegmentNumber { found: 7 }, Evidence::Whole);
    assert_eq!(error, WalError::Corrupt { segment: 1, offset: 0, lsn: 1, why, evidence });
}

#[test]
fn a_payload_cannot_vouch_for_itself_once_its_record_is_whole() {
    let mut forged = Vec::new();
    append_record(&mut forged, 100, 99, 0, b"evil");
    let mut log = Log::written_and_synced(&[batch_of(&[b"kept"])]);
    let torn_at = log.synced_len;
    log.write(&batch_of(&[b"torn", &forged]));
    flip(&mut log, 0, torn_at, 1);
    assert_eq!(log.recover().unwrap().next_lsn, 2);
}

#[test]
fn a_whole_record_in_the_wrong_place_is_not_taken() {
    let with_stray = |lsn, synced_lsn| {
        let mut log = Log::written_and_synced(&[batch_of(&[b"kept"])]);
        append_record(log.newest(), lsn, synced_lsn, 0, b"stray");
        log.recover()
    };
    assert_eq!(with_stray(3, 1).unwrap().next_lsn, 2);
    assert_eq!(with_stray(1, 0).unwrap().next_lsn, 2);
    let why = Damage::Lsn { found: 3 };
    let offset = (SEGMENT_HEADER_LEN + record_len(4)) as u64;
    let evidence = Evidence::LaterRecord { offset, lsn: 3, synced_lsn: 2 };
    let error = WalError::Corrupt { segment: 1, offset, lsn: 2, why, evidence };
    assert_eq!(with_stray(3, 2), Err(error));
}
