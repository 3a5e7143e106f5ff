//! Writes JSON, member by member, without building it first.

use std::fmt::{self, Write};

/// JSON that is being written.
#[derive(Default)]
pub(super) struct Writer {
    out: String,
    /// Whether a value stands before this place in the same list or map.
    follows: bool,
}

impl Writer {
    /// An object; `members` writes names and values by turns.
    pub(super) fn map(&mut self, members: impl FnOnce(&mut Self)) {
        self.within('{', members, '}');
    }

    /// An array; `elements` begins each with [`Self::element`].
    pub(super) fn list(&mut self, elements: impl FnOnce(&mut Self)) {
        self.within('[', elements, ']');
    }

    fn within(&mut self, open: char, inner: impl FnOnce(&mut Self), close: char) {
        self.out.push(open);
        self.follows = false;
        inner(self);
        self.out.push(close);
        self.follows = true;
    }

    /// The name of the member whose value comes next.
    pub(super) fn name(&mut self, name: &str) {
        self.element();
        self.text(name);
        self.out.push(':');
    }

    /// Says that an element of a list comes next.
    pub(super) fn element(&mut self) {
        if self.follows {
            self.out.push(',');
        }
        self.follows = true;
    }

    /// A string.
    pub(super) fn text(&mut self, text: &str) {
        self.out.push('"');
        let mut copied = 0;
        for (place, byte) in text.bytes().enumerate() {
            if byte >= b' ' && byte != b'"' && byte != b'\\' {
                continue;
            }
            self.out.push_str(&text[copied..place]);
            copied = place + 1;
            match byte {
                b'"' | b'\\' => self.out.extend(['\\', char::from(byte)]),
                b'\n' => self.out.push_str("\\n"),
                _ => self.plain(format_args!("\\u{byte:04x}")),
            }
        }
        self.out.push_str(&text[copied..]);
        self.out.push('"');
    }

    /// A string that is known to hold nothing to escape.
    pub(super) fn quoted(&mut self, text: impl fmt::Display) {
        self.plain(format_args!("\"{text}\""));
    }

    /// Bytes in Base64, as a string.
    pub(super) fn base64(&mut self, bytes: &[u8]) {
        use base64::Engine as _;
        self.out.push('"');
        base64::engine::general_purpose::STANDARD.encode_string(bytes, &mut self.out);
        self.out.push('"');
    }

    /// A number or a keyword, as it prints.
    pub(super) fn plain(&mut self, value: impl fmt::Display) {
        write!(self.out, "{value}").expect("a String takes everything");
    }

    /// All that was written.
    pub(super) fn finish(self) -> Vec<u8> {
        self.out.into_bytes()
    }
}
