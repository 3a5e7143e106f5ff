//! Draws tables: columns apart by two blanks, a line under the header, numbers to the right.

use tabled::builder::Builder;
use tabled::settings::object::Columns;
use tabled::settings::style::{HorizontalLine, Style};
use tabled::settings::{Alignment, Padding, Width};

/// Names up to this width stand on one line.
const NAME_WIDTH_MAX: usize = 16;

/// A table under construction.
pub(super) struct Table {
    builder: Builder,
    /// Columns of words; all others are numbers and are set to the right.
    words: &'static [usize],
    /// Columns that are wrapped, with the width of each.
    wrapped: &'static [(usize, usize)],
}

impl Table {
    /// A table with these headers.
    pub(super) fn new(
        headers: &[&str],
        words: &'static [usize],
        wrapped: &'static [(usize, usize)],
    ) -> Table {
        let mut builder = Builder::default();
        builder.push_record(headers.iter().copied());
        Table { builder, words, wrapped }
    }

    /// Adds a row.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.builder.push_record(cells);
    }

    /// The table as text, without blanks at line ends, and with a line end after the last row.
    pub(super) fn draw(self) -> String {
        let columns = self.builder.count_columns();
        let mut table = self.builder.build();
        let line = HorizontalLine::new('-');
        table.with(Style::empty().horizontals([(1, line)])).with(Padding::new(0, 2, 0, 0));
        for column in (0..columns).filter(|column| !self.words.contains(column)) {
            table.modify(Columns::one(column), Alignment::right());
        }
        for (column, width) in self.wrapped {
            table.modify(Columns::one(*column), Width::wrap(*width).keep_words(true));
        }
        let text = table.to_string();
        text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
    }
}

/// A long name on several lines, broken after a hyphen or an underscore.
pub(super) fn folded(name: &str) -> String {
    fold(name.split_inclusive(['-', '_']), NAME_WIDTH_MAX)
}

/// Puts parts on lines of at most `width_max`; a part is never broken.
fn fold(parts: impl IntoIterator<Item = impl AsRef<str>>, width_max: usize) -> String {
    let mut text = String::new();
    let mut width = 0;
    for part in parts {
        let part = part.as_ref();
        if width > 0 && width + part.trim_end().len() > width_max {
            text.truncate(text.trim_end().len());
            text.push('\n');
            width = 0;
        }
        text.push_str(part);
        width += part.len();
    }
    text
}

/// Words with commas between them, on lines of at most `width_max`.
pub(super) fn listed(words: Vec<String>, width_max: usize) -> String {
    let last = words.len().saturating_sub(1);
    let comma = |place| if place < last { ", " } else { "" };
    let parts = words.iter().enumerate().map(|(place, word)| format!("{word}{}", comma(place)));
    fold(parts, width_max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_break_after_an_underscore_or_a_hyphen() {
        assert_eq!(folded("short_name"), "short_name");
        assert_eq!(folded("writes_survive_them_all"), "writes_survive_\nthem_all");
        assert_eq!(folded("leader-crashes-in-cut"), "leader-crashes-\nin-cut");
    }

    #[test]
    fn folded_parts_stay_whole_and_lines_end_without_blanks() {
        let parts = ["crash 12, ", "message twice 9k, ", "503 1"];
        assert_eq!(fold(parts, 20), "crash 12,\nmessage twice 9k,\n503 1");
        assert_eq!(fold(parts, 30), "crash 12, message twice 9k,\n503 1");
    }
}
