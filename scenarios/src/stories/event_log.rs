//! The payload of an event as a person reads it, for `stillpoint replay --log`.
//!
//! What is not shown is hashed, so that lines of two runs are equal only if the events are.

use stillpoint_reference::node::Wire;
use stillpoint_sim::RollingHash;

/// Longer messages are cut, so that an event stays on a line that can be read.
const MESSAGE_BYTES_MAX: usize = 300;

/// What the payload of an event of this kind says.
pub(super) fn describe(kind: &str, payload: &[u8]) -> String {
    let described = match kind {
        "net.deliver" => Wire::decode(payload).ok().map(|it| shortened(format!("{it:?}"), payload)),
        "point" => number_at(payload, 0).map(|it| format!("{} {it}", text(&payload[8..]))),
        "poll" | "timer" => number_at(payload, 0).map(|it| format!("#{it}")),
        "object.reply" => number_at(payload, 0).map(|it| format!("to request {it}")),
        "process.panic" => Some(text(payload)),
        "disk.append" | "disk.write" | "disk.read" | "disk.len" | "disk.set_len" | "disk.sync" => {
            of_file(payload)
        }
        _ if kind.starts_with("disk.") => Some(format!("'{}'", text(payload))),
        _ if kind.starts_with("object.") => Some(of_object(payload)),
        _ => None,
    };
    described.unwrap_or_else(|| unread(payload))
}

fn shortened(mut text: String, payload: &[u8]) -> String {
    if text.len() > MESSAGE_BYTES_MAX {
        text.truncate(text.floor_char_boundary(MESSAGE_BYTES_MAX));
        text = format!("{text}… {}", unread(payload));
    }
    text
}

/// Bytes that are not shown: how many, and 32 bits of their hash.
fn unread(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "0 bytes".to_string();
    }
    let mut hash = RollingHash::new();
    hash.update(0, "", "", bytes);
    format!("{} bytes #{:08x}", bytes.len(), hash.value() as u32)
}

fn text(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| unread(bytes), str::to_string)
}

fn number_at(payload: &[u8], at: usize) -> Option<u64> {
    let bytes = payload.get(at..at + 8)?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

/// Inode, two arguments of eight bytes each, and the data.
fn of_file(payload: &[u8]) -> Option<String> {
    let data = payload.get(24..)?;
    let word = |at| match number_at(payload, at)? {
        // The disk says so of an append, whose place is known when it happens.
        u64::MAX => Some("end".to_string()),
        number => Some(number.to_string()),
    };
    Some(format!("file {} ({}, {}), {}", word(0)?, word(8)?, word(16)?, unread(data)))
}

/// The key; a put and a get say more behind a zero.
fn of_object(payload: &[u8]) -> String {
    match payload.iter().position(|byte| *byte == 0) {
        Some(len) => format!("{}, {}", text(&payload[..len]), unread(&payload[len + 1..])),
        None => text(payload),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_described_by_kind() {
        let words = |numbers: &[u64]| -> Vec<u8> {
            numbers.iter().flat_map(|it| it.to_le_bytes()).collect()
        };
        let point = [words(&[7]), b"cut.held".to_vec()].concat();
        assert_eq!(describe("point", &point), "cut.held 7");
        assert_eq!(describe("poll", &words(&[3])), "#3");
        let ab = unread(b"ab");
        let append = [words(&[5, u64::MAX, 2]), b"ab".to_vec()].concat();
        assert_eq!(describe("disk.append", &append), format!("file 5 (end, 2), {ab}"));
        assert_eq!(describe("disk.create", b"wal/1"), "'wal/1'");
        assert_eq!(describe("object.put", b"parts/9\0ab"), format!("parts/9, {ab}"));
        assert_eq!(describe("object.delete", b"parts/9"), "parts/9");
        assert_eq!(describe("object.reply", &words(&[4])), "to request 4");
    }

    #[test]
    fn what_cannot_be_read_is_counted() {
        for kind in ["net.deliver", "point", "poll", "disk.append", "clock.offset"] {
            let described = describe(kind, b"???");
            assert!(described.starts_with("3 bytes #"), "{kind}: {described}");
        }
    }

    #[test]
    fn what_is_not_shown_still_tells_two_events_apart() {
        let long = |end: &str| shortened("x".repeat(400), end.as_bytes());
        assert_ne!(long("a"), long("b"));
        for kind in ["disk.append", "object.put", "disk.rot_any", "net.deliver"] {
            let payload = |last| [&[0xFF; 40][..], &[last]].concat();
            assert_ne!(describe(kind, &payload(1)), describe(kind, &payload(2)), "{kind}");
        }
    }
}
