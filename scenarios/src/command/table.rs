//! Draws tables: columns apart by two blanks, a line under the header, numbers to the right.

use tabled::builder::Builder;
use tabled::settings::object::Columns;
use tabled::settings::style::{HorizontalLine, Style};
use tabled::settings::{Alignment, Padding, Width};

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
