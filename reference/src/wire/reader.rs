//! Reads JSON, token by token, straight into what wants it.
//!
//! It is a reader of our own because refusals name the kind of each token, because numbers must
//! stay texts to be exact, and because nothing a client sends may make it recurse: values that
//! nobody wants are skipped in a loop, and what descends into a value counts its own depth. It
//! accepts exactly what `serde_json` accepts; a test compares them.

use std::borrow::Cow;

use super::refused::{Kind, Refusal, Wanted, mismatch};

/// How deep a value that is skipped may nest. The limit is ours.
const SKIPPED_NESTING_MAX: u32 = u128::BITS;

/// A place in a JSON text.
pub(super) struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// What the next value is; of numbers it is told by their whole text.
    pub(super) fn peek(&mut self) -> Result<Kind, Refusal> {
        self.space();
        Ok(match self.byte() {
            Some(b'"') => Kind::Text,
            Some(b'-' | b'0'..=b'9') => {
                let rest = self.text[self.at..].bytes();
                let mut number = rest.take_while(|it| !b",]} \t\r\n".contains(it));
                let is_decimal = number.any(|it| matches!(it, b'.' | b'e' | b'E'));
                if is_decimal { Kind::Decimal } else { Kind::Number }
            }
            Some(b't') => Kind::True,
            Some(b'f') => Kind::False,
            Some(b'n') => Kind::Null,
            Some(b'[') => Kind::List,
            Some(b'{') => Kind::Map,
            _ => return Err(Refusal::syntax()),
        })
    }

    /// Whether the next value is `null`, which is then read.
    pub(super) fn null(&mut self) -> Result<bool, Refusal> {
        self.space();
        if self.byte() != Some(b'n') {
            return Ok(false);
        }
        self.word("null").map(|()| true)
    }

    /// A string.
    pub(super) fn string(&mut self, wanted: Wanted) -> Result<Cow<'a, str>, Refusal> {
        self.space();
        if self.byte() != Some(b'"') {
            return Err(mismatch(self.peek()?, wanted));
        }
        self.quoted()
    }

    /// The text of a number.
    pub(super) fn number(&mut self, wanted: Wanted) -> Result<&'a str, Refusal> {
        match self.peek()? {
            Kind::Number | Kind::Decimal => self.digits(),
            other => Err(mismatch(other, wanted)),
        }
    }

    /// `true` or `false`.
    pub(super) fn boolean(&mut self) -> Result<bool, Refusal> {
        match self.peek()? {
            Kind::True => self.word("true").map(|()| true),
            Kind::False => self.word("false").map(|()| false),
            other => Err(mismatch(other, Wanted::Boolean)),
        }
    }

    /// Enters an object.
    pub(super) fn open_map(&mut self, wanted: Wanted) -> Result<(), Refusal> {
        match self.peek()? {
            Kind::Map => self.expect(b'{'),
            other => Err(mismatch(other, wanted)),
        }
    }

    /// The name of the next member, before its value, or `None` behind the last one.
    pub(super) fn next_name(&mut self, first: bool) -> Result<Option<Cow<'a, str>>, Refusal> {
        if !self.follows(first, b'}')? {
            return Ok(None);
        }
        self.space();
        if self.byte() != Some(b'"') {
            return Err(Refusal::syntax());
        }
        let name = self.quoted()?;
        self.space();
        self.expect(b':')?;
        Ok(Some(name))
    }

    /// Enters an array.
    pub(super) fn open_list(&mut self) -> Result<(), Refusal> {
        match self.peek()? {
            Kind::List => self.expect(b'['),
            other => Err(mismatch(other, Wanted::List)),
        }
    }

    /// Whether another element follows; behind the last one the array is left.
    pub(super) fn next_element(&mut self, first: bool) -> Result<bool, Refusal> {
        self.follows(first, b']')
    }

    fn follows(&mut self, first: bool, close: u8) -> Result<bool, Refusal> {
        self.space();
        if self.byte() == Some(close) {
            self.at += 1;
            return Ok(false);
        }
        if !first {
            self.expect(b',')?;
        }
        Ok(true)
    }

    /// Reads a value that nobody wants.
    pub(super) fn skip(&mut self) -> Result<(), Refusal> {
        // One bit for each level, the innermost lowest: whether it is a map.
        let (mut maps, mut depth) = (0_u128, 0);
        let mut first = true;
        loop {
            if depth > 0 && !self.at_next_value(maps & 1 == 1, first)? {
                (maps, depth, first) = (maps >> 1, depth - 1, false);
            } else {
                match self.peek()? {
                    kind @ (Kind::List | Kind::Map) => {
                        if depth == SKIPPED_NESTING_MAX {
                            return Err(Refusal::syntax());
                        }
                        self.at += 1;
                        maps = maps << 1 | u128::from(kind == Kind::Map);
                        (depth, first) = (depth + 1, true);
                        continue;
                    }
                    scalar => self.scalar(scalar)?,
                }
                first = false;
            }
            if depth == 0 {
                return Ok(());
            }
        }
    }

    fn at_next_value(&mut self, in_map: bool, first: bool) -> Result<bool, Refusal> {
        if in_map {
            return self.next_name(first).map(|name| name.is_some());
        }
        self.next_element(first)
    }

    fn scalar(&mut self, kind: Kind) -> Result<(), Refusal> {
        match kind {
            Kind::Text => self.quoted().map(drop),
            Kind::True => self.word("true"),
            Kind::False => self.word("false"),
            Kind::Null => self.word("null"),
            _ => self.digits().map(drop),
        }
    }

    /// Nothing but white space is left.
    pub(super) fn end(&mut self) -> Result<(), Refusal> {
        self.space();
        if self.at < self.text.len() { Err(Refusal::syntax()) } else { Ok(()) }
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.byte() {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), Refusal> {
        if self.byte() != Some(byte) {
            return Err(Refusal::syntax());
        }
        self.at += 1;
        Ok(())
    }

    fn word(&mut self, word: &str) -> Result<(), Refusal> {
        if !self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            return Err(Refusal::syntax());
        }
        self.at += word.len();
        Ok(())
    }

    /// A number by JSON's grammar, which knows no leading zeros and no bare points.
    fn digits(&mut self) -> Result<&'a str, Refusal> {
        let start = self.at;
        if self.byte() == Some(b'-') {
            self.at += 1;
        }
        match self.byte() {
            Some(b'0') => self.at += 1,
            _ => self.digit_run()?,
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.digit_run()?;
        }
        if let Some(b'e' | b'E') = self.byte() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.byte() {
                self.at += 1;
            }
            self.digit_run()?;
        }
        Ok(&self.text[start..self.at])
    }

    fn digit_run(&mut self) -> Result<(), Refusal> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.byte() {
            self.at += 1;
        }
        if self.at == start { Err(Refusal::syntax()) } else { Ok(()) }
    }

    /// A string from its quote on; borrowed where nothing in it is escaped.
    fn quoted(&mut self) -> Result<Cow<'a, str>, Refusal> {
        self.at += 1;
        let start = self.at;
        self.run()?;
        if self.byte() == Some(b'"') {
            self.at += 1;
            return Ok(Cow::Borrowed(&self.text[start..self.at - 1]));
        }
        let mut text = self.text[start..self.at].to_owned();
        while self.byte() == Some(b'\\') {
            self.at += 1;
            text.push(self.escape()?);
            let from = self.at;
            self.run()?;
            text.push_str(&self.text[from..self.at]);
        }
        self.expect(b'"')?;
        Ok(Cow::Owned(text))
    }

    /// Goes to the next quote or backslash.
    fn run(&mut self) -> Result<(), Refusal> {
        let rest = &self.text.as_bytes()[self.at..];
        let stops = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
        let length = rest.iter().position(stops).ok_or_else(Refusal::syntax)?;
        self.at += length;
        if rest[length] < b' ' { Err(Refusal::syntax()) } else { Ok(()) }
    }

    fn escape(&mut self) -> Result<char, Refusal> {
        let byte = self.byte().ok_or_else(Refusal::syntax)?;
        self.at += 1;
        Ok(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode(),
            _ => return Err(Refusal::syntax()),
        })
    }

    /// A character by its UTF-16 code, or by a pair of them; half a pair is none.
    fn unicode(&mut self) -> Result<char, Refusal> {
        let first = self.hex()?;
        let mut units = vec![first];
        if (0xd800..0xdc00).contains(&first) {
            self.word("\\u")?;
            units.push(self.hex()?);
        }
        let mut decoded = char::decode_utf16(units);
        match (decoded.next(), decoded.next()) {
            (Some(Ok(character)), None) => Ok(character),
            _ => Err(Refusal::syntax()),
        }
    }

    fn hex(&mut self) -> Result<u16, Refusal> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4).ok_or_else(Refusal::syntax)?;
        self.at += 4;
        digits.iter().try_fold(0, |sum, digit| {
            let value = char::from(*digit).to_digit(16).ok_or_else(Refusal::syntax)?;
            Ok(sum * 16 + u16::try_from(value).expect("one hexadecimal digit"))
        })
    }
}
