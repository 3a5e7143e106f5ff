//! Reading a log back after a crash: which records count, and where the log is cut.
//!
//! The one judgement here is *torn tail or corruption*. Power loss leaves any subset of
//! the sectors that were not synced, so the first bad record may be followed by intact
//! ones of the same batch. They are dropped: nothing in them was acknowledged. But if
//! anything later vouches that the bad place was durable once (see [`Evidence`]), then
//! acknowledged records may be among what is lost, and the log is refused.
//!
//! Payloads are opaque, so the torn record itself may hold bytes that look like a
//! vouching record. That can only turn a cut into a refusal, never the reverse.

use bytes::Bytes;

use super::error::{Damage, Evidence, WalError};
use super::record::{RECORD_HEADER_LEN, decode_record};
use super::segment::{Header, SEGMENT_HEADER_LEN, decode_header};
use super::{FIRST_LSN, FIRST_SEGMENT, FORMAT_VERSION};

/// One recovered record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its log sequence number.
    pub lsn: u64,
    /// What the node said it is.
    pub kind: u8,
    /// Its payload: a view into the segment's bytes, not a copy.
    pub payload: Bytes,
}

/// The records that one segment holds; an empty segment has `first_lsn == next_lsn`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentSpan {
    /// Number of the segment.
    pub segment: u64,
    /// The lsn of its first record.
    pub first_lsn: u64,
    /// One more than the lsn of its last record.
    pub next_lsn: u64,
}

/// Where the newest segment must be cut before the node appends to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tail {
    /// Number of the newest segment.
    pub segment: u64,
    /// Bytes of it that count. 0 means that even its header is torn: write a new one with
    /// [`Recovered::next_lsn`] as its first lsn.
    pub valid_len: u64,
    /// Bytes behind `valid_len`, which are to be cut off.
    pub torn_bytes: u64,
}

/// A log read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// Every record that counts, by rising lsn without gaps.
    pub records: Vec<Record>,
    /// The lsn of the next record to be written.
    pub next_lsn: u64,
    /// The segments with an intact header, oldest first.
    pub segments: Vec<SegmentSpan>,
    /// The newest segment, `None` if there is none at all.
    pub tail: Option<Tail>,
}

/// Reads the log of `node` from the bytes of its segment files, given oldest first with
/// the number from each file's name.
///
/// Answers all records that were synced, followed by a prefix of those that were not.
///
/// # Errors
///
/// [`WalError::Corrupt`] if durable bytes are damaged or a segment is missing,
/// [`WalError::UnknownVersion`] and [`WalError::WrongNode`] for intact files that are not
/// for this build or this node. No error is a reason to truncate.
pub fn recover(segments: &[(u64, Bytes)], node: u16) -> Result<Recovered, WalError> {
    let mut scan = Scan::new(node);
    for (position, (segment, bytes)) in segments.iter().enumerate() {
        let successor = segments.get(position + 1).map(|(number, _)| *number);
        scan.segment(Place { segment: *segment, bytes, successor })?;
    }
    Ok(scan.recovered)
}

/// A segment file with what is known of its neighbour.
#[derive(Clone, Copy)]
struct Place<'a> {
    segment: u64,
    bytes: &'a Bytes,
    successor: Option<u64>,
}

impl Place<'_> {
    fn corrupt(&self, offset: usize, lsn: u64, why: Damage, evidence: Evidence) -> WalError {
        WalError::Corrupt { segment: self.segment, offset: offset as u64, lsn, why, evidence }
    }
}

struct Scan {
    node: u16,
    recovered: Recovered,
}

impl Scan {
    fn new(node: u16) -> Self {
        let recovered = Recovered {
            records: Vec::new(),
            next_lsn: FIRST_LSN,
            segments: Vec::new(),
            tail: None,
        };
        Scan { node, recovered }
    }

    fn segment(&mut self, place: Place) -> Result<(), WalError> {
        self.check_succession(place.segment)?;
        let header = match decode_header(place.bytes) {
            Ok(header) => header,
            Err(why) => return self.bad_header(place, why),
        };
        self.check_header(place, header)?;
        self.recovered.next_lsn = header.first_lsn;
        let valid_len = self.records(place)?;
        self.recovered.segments.push(SegmentSpan {
            segment: place.segment,
            first_lsn: header.first_lsn,
            next_lsn: self.recovered.next_lsn,
        });
        self.end_at(place, valid_len);
        Ok(())
    }

    /// Segment numbers rise by one.
    fn check_succession(&self, segment: u64) -> Result<(), WalError> {
        match self.recovered.tail.map(|tail| tail.segment.wrapping_add(1)) {
            Some(expected) if expected != segment => Err(WalError::Corrupt {
                segment: expected,
                offset: 0,
                lsn: self.recovered.next_lsn,
                why: Damage::SegmentMissing,
                evidence: Evidence::LaterSegment { segment },
            }),
            _ => Ok(()),
        }
    }

    /// A header that does not read: torn if this segment had just been created.
    fn bad_header(&mut self, place: Place, why: Damage) -> Result<(), WalError> {
        let lsn = self.recovered.next_lsn;
        let just_created = self.recovered.tail.is_some() || place.segment == FIRST_SEGMENT;
        let evidence = if just_created {
            durable_once(place, SEGMENT_HEADER_LEN, lsn)
        } else {
            Some(Evidence::NoPredecessor)
        };
        match evidence {
            Some(evidence) => Err(place.corrupt(0, lsn, why, evidence)),
            None => {
                self.end_at(place, 0);
                Ok(())
            }
        }
    }

    /// An intact header must be ours, and continue where the log stands.
    fn check_header(&self, place: Place, header: Header) -> Result<(), WalError> {
        let segment = place.segment;
        if header.version != FORMAT_VERSION {
            return Err(WalError::UnknownVersion { segment, found: header.version });
        }
        if header.node != self.node {
            let (expected, found) = (self.node, header.node);
            return Err(WalError::WrongNode { segment, expected, found });
        }
        let lsn = self.recovered.next_lsn;
        if header.segment != segment {
            let why = Damage::SegmentNumber { found: header.segment };
            return Err(place.corrupt(0, lsn, why, Evidence::Whole));
        }
        let begins_the_log = self.recovered.tail.is_none() && segment != FIRST_SEGMENT;
        if header.first_lsn != lsn && !(begins_the_log && header.first_lsn >= FIRST_LSN) {
            let why = Damage::Lsn { found: header.first_lsn };
            return Err(place.corrupt(0, lsn, why, Evidence::Whole));
        }
        Ok(())
    }

    /// Takes the records of a segment; answers where they end.
    fn records(&mut self, place: Place) -> Result<usize, WalError> {
        let mut offset = SEGMENT_HEADER_LEN;
        while offset < place.bytes.len() {
            let lsn = self.recovered.next_lsn;
            let header = match decode_record(&place.bytes[offset..]) {
                Ok(header) if header.lsn == lsn => header,
                Ok(header) => return cut(place, offset, lsn, Damage::Lsn { found: header.lsn }),
                Err(why) => return cut(place, offset, lsn, why),
            };
            let end = offset + header.record_len();
            let payload = place.bytes.slice(offset + RECORD_HEADER_LEN..end);
            self.recovered.records.push(Record { lsn, kind: header.kind, payload });
            self.recovered.next_lsn = lsn + 1;
            offset = end;
        }
        Ok(offset)
    }

    fn end_at(&mut self, place: Place, valid_len: usize) {
        self.recovered.tail = Some(Tail {
            segment: place.segment,
            valid_len: valid_len as u64,
            torn_bytes: (place.bytes.len() - valid_len) as u64,
        });
    }
}

/// Ends the log at a bad record, unless that record was durable once.
fn cut(place: Place, offset: usize, lsn: u64, why: Damage) -> Result<usize, WalError> {
    match durable_once(place, offset, lsn) {
        Some(evidence) => Err(place.corrupt(offset, lsn, why, evidence)),
        None => Ok(offset),
    }
}

/// Whatever vouches that `lsn` had been synced: a later segment, or a later record
/// anywhere from `from` on. Boundaries are unknown behind damage, so every byte may
/// begin a record; intact ones are stepped over, which keeps their payloads out of it.
fn durable_once(place: Place, from: usize, lsn: u64) -> Option<Evidence> {
    if let Some(segment) = place.successor {
        return Some(Evidence::LaterSegment { segment });
    }
    let mut offset = from;
    while offset + RECORD_HEADER_LEN <= place.bytes.len() {
        match decode_record(&place.bytes[offset..]) {
            Ok(later) if later.synced_lsn >= lsn => {
                return Some(Evidence::LaterRecord {
                    offset: offset as u64,
                    lsn: later.lsn,
                    synced_lsn: later.synced_lsn,
                });
            }
            Ok(later) => offset += later.record_len(),
            Err(_) => offset += 1,
        }
    }
    None
}
