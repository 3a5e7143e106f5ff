//! The payload of an event as a person reads it, for `stillpoint replay --log`.

use stillpoint_reference::node::Wire;

/// Longer messages are cut, so that an event stays on a line that can be read.
const MESSAGE_BYTES_MAX: usize = 300;

/// What the payload of an event of this kind says.
pub(super) fn describe(kind: &str, payload: &[u8]) -> String {
    let described = match kind {
        "net.deliver" => Wire::decode(payload).ok().map(|it| shortened(format!("{it:?}"))),
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
    described.unwrap_or_else(|| format!("{} bytes", payload.len()))
}

fn shortened(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MESSAGE_BYTES_MAX));
    text
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn number_at(payload: &[u8], at: usize) -> Option<u64> {
    let bytes = payload.get(at..at + 8)?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

/// Inode, two arguments of eight bytes each, and the data.
fn of_file(payload: &[u8]) -> Option<String> {
    let data = payload.get(24..)?;
    Some(format!("file {}, {} bytes", number_at(payload, 0)?, data.len()))
}

/// The key; a put and a get say more behind a zero.
fn of_object(payload: &[u8]) -> String {
    match payload.iter().position(|byte| *byte == 0) {
        Some(len) => format!("{}, {} bytes", text(&payload[..len]), payload.len() - len - 1),
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
        let append = [words(&[5, 0, 2]), b"ab".to_vec()].concat();
        assert_eq!(describe("disk.append", &append), "file 5, 2 bytes");
        assert_eq!(describe("disk.create", b"wal/1"), "'wal/1'");
        assert_eq!(describe("object.put", b"parts/9\0ab"), "parts/9, 2 bytes");
        assert_eq!(describe("object.delete", b"parts/9"), "parts/9");
        assert_eq!(describe("object.reply", &words(&[4])), "to request 4");
    }

    #[test]
    fn what_cannot_be_read_is_counted() {
        for kind in ["net.deliver", "point", "poll", "disk.append", "clock.offset"] {
            assert_eq!(describe(kind, b"???"), "3 bytes", "{kind}");
        }
    }
}
